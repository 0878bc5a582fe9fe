"""What the shell is told when somebody presses the tab key: names, and never anything else."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mlzoo.testing import HEAVY

LIGHT = tuple({*HEAVY} - {"numpy", "pydantic"})  # which the toy plugin imports itself
SHELLS = ("bash", "zsh", "fish")
CODE = """
import sys
from mlzoo.cli.main import main
try:
    main()
finally:
    print("heavy:", *[name for name in {heavy!r} if name in sys.modules], file=sys.stderr)
"""


@pytest.fixture
def environment(toy):
    """The toy plugin, and one that is broken and prints while it is imported."""
    toy.add("mlzoo-broken", "print('noise')\nimport no_such_package")
    path = os.pathsep.join([str(toy.folder), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, "MLZOO_PLUGINS": "toy,broken", "PYTHONPATH": path}


@pytest.fixture
def complete(environment):
    """The words offered for a command line; the last word is the one being typed."""

    def call(line: str, heavy: tuple[str, ...] = LIGHT, **more: str) -> list[str]:
        count = len(line.split(" ")) - 1
        asked = {"_MLZOO_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(count)}
        done = subprocess.run(
            [sys.executable, "-c", CODE.format(heavy=heavy)],
            env=environment | asked | more,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stderr.split() == ["heavy:"]  # no warning, no error, nothing heavy
        lines = [line.split(",") for line in done.stdout.splitlines() if line]
        assert {kind for kind, _ in lines} <= {"plain", "dir", "file"}
        return [word for _, word in lines]

    return call


def test_commands_are_completed(complete):
    offered = complete("mlzoo ")
    assert {"run", "list", "doctor", "plugin", "completion"} <= set(offered)
    assert complete("mlzoo doc") == ["doctor"]
    assert set(complete("mlzoo plugin ")) == {"new", "check", "list"}


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("mlzoo run ", ["toy"]),
        ("mlzoo info to", ["toy", "toy-error", "toy-files", "toys"]),
        ("mlzoo data verify toy-", ["toy-files"]),
        ("mlzoo data show ", ["no-val", "searched", "toy-files", "toys"]),
        ("mlzoo eval x --evaluator ", ["toy-error"]),
        ("mlzoo list --task ", ["toy-regression"]),
        ("mlzoo plugin check ", ["mlzoo-broken", "mlzoo-toy"]),
        ("mlzoo completion ", ["bash", "fish", "zsh"]),
    ],
)
def test_names_are_completed(complete, line, offered):
    assert sorted(complete(line)) == offered


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("mlzoo run toy --dataset ", ["no-val", "searched", "toy-files", "toys"]),
        ("mlzoo run toy --dataset t", ["toy-files", "toys"]),
        ("mlzoo run toy --preset ", ["smoke"]),
        ("mlzoo run toy --select ", ["last", "test", "val"]),
        ("mlzoo run toy --device c", ["cpu", "cuda"]),
        ("mlzoo run toy --ep", ["--epochs"]),
        ("mlzoo tune t", ["toy"]),
        ("mlzoo tune toy --ep", ["--epochs"]),
        ("mlzoo tune toy --search ra", ["rate="]),
        ("mlzoo tune toy --sampler ", ["random", "tpe"]),
        ("mlzoo run toy --dataset toys --sam", ["--samples"]),
        ("mlzoo run toy --dataset no-such --sam", ["--samples"]),
        ("mlzoo run toy --epochs 3 --ep", []),  # given already
    ],
)
def test_options_and_their_values_follow_from_the_plugin(complete, line, offered):
    assert sorted(complete(line)) == offered


@pytest.mark.parametrize("line", ["mlzoo ru", "mlzoo data show syn", "mlzoo resume "])
def test_names_are_completed_without_heavy_imports(complete, line):
    assert complete(line, HEAVY, MLZOO_PLUGINS="mdn")


def test_options_are_completed_with_pydantic_and_no_more(complete):
    heavy = tuple({*HEAVY} - {"pydantic"})
    assert complete("mlzoo run mdn --net", heavy, MLZOO_PLUGINS="mdn") == ["--network"]
    assert complete("mlzoo run m", heavy, MLZOO_PLUGINS="mdn") == ["mdn"]


def test_every_option_of_a_model_is_offered(complete, cli):
    offered = complete("mlzoo run toy --")
    config = json.loads(cli("run", "toy", "--show-config", "--json").out)
    options = set(config) - {"model", "dataset", "preset", "sources"}
    assert {f"--{key.replace('_', '-')}" for key in options} <= set(offered)


@pytest.mark.parametrize(
    "line",
    ["mlzoo run nobody --", "mlzoo nothing --x", "mlzoo data show nobody --"],
)
def test_a_line_that_makes_no_sense_gets_no_answer_and_no_error(complete, line):
    assert complete(line) == []


def test_config_module_that_prints_or_fails_does_not_spoil_the_answer(complete, toy):
    source = toy.folder / "mlzoo_toy.py"
    source.write_text(source.read_text().replace('f"{ME}:ToyConfig"', '"loud:ToyConfig"'))
    (toy.folder / "loud.py").write_text("print('loud')\nfrom mlzoo_toy import ToyConfig\n")
    assert complete("mlzoo run toy --ep") == ["--epochs"]
    (toy.folder / "loud.py").write_text("raise RuntimeError('broken')\n")
    assert complete("mlzoo run toy --ep") == []


@pytest.fixture
def runs():
    """Two made-up runs in the working folder, one of them done, and a damaged one."""
    for name, content in {
        "a": '{"status": "done"}',
        "b": '{"status": "interrupted"}',
        "c": "{",
    }.items():
        folder = Path("runs", "toy-toys", name)
        folder.mkdir(parents=True)
        (folder / "run.json").write_text(content)
    Path("elsewhere").mkdir()
    shutil.copytree("runs/toy-toys/a", "elsewhere/mine")


def test_run_folders_are_completed(complete, runs):
    below = "runs/toy-toys/"
    for command in ("eval", "report"):
        assert sorted(complete(f"mlzoo {command} ")) == [f"{below}a", f"{below}b", f"{below}c"]
    assert sorted(complete("mlzoo resume ")) == [f"{below}b", f"{below}c"]  # a is done
    assert complete(f"mlzoo eval {below}b") == [f"{below}b"]
    assert complete("mlzoo eval else") == ["elsewhere/mine"]
    assert complete("mlzoo report x runs/toy-toys/c") == [f"{below}c"]


@pytest.mark.parametrize("shell", SHELLS)
def test_script_of_each_shell_asks_mlzoo(cli, toy, shell):
    done = cli("completion", shell)
    assert done.code == 0
    assert f"_MLZOO_COMPLETE={shell}_complete" in done.out
    assert done.err == ""


def test_help_says_how_to_install_it(cli, toy):
    text = cli("completion", "--help").out
    for shell in SHELLS:
        assert f"mlzoo completion {shell}" in text
    assert cli("completion", "tcsh").code == 2


@pytest.fixture
def on_path(environment, tmp_path):
    """The environment with a command ``mlzoo`` on its path."""
    folder = tmp_path / "bin"
    folder.mkdir()
    script = folder / "mlzoo"
    script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m mlzoo "$@"\n')
    script.chmod(0o755)
    return environment | {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["mlzoo", "run", ""], ["toy"]),
        (["mlzoo", "run", "toy", "--select", "l"], ["last"]),
    ],
)
def test_bash_itself_completes(on_path, words, offered):
    script = f"""
eval "$(mlzoo completion bash)"
COMP_WORDS=({" ".join(map(shlex.quote, words))})
COMP_CWORD={len(words) - 1}
$(complete -p mlzoo | sed 's/.*-F \\([^ ]*\\).*/\\1/') mlzoo
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    command = ["bash", "--norc", "--noprofile", "-c", script]
    done = subprocess.run(command, env=on_path, capture_output=True, text=True, check=True)
    assert done.stdout.split() == offered
    assert done.stderr == ""


@pytest.mark.skipif(shutil.which("fish") is None, reason="needs fish")
def test_fish_itself_completes(on_path):
    script = "mlzoo completion fish | source; complete -C 'mlzoo run t'"
    done = subprocess.run(
        ["fish", "--no-config", "-c", script],
        env=on_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split()[0] == "toy"
