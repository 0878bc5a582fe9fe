"""Made-up config files and command lines: an answer and an exit status, never a traceback."""

from __future__ import annotations

import contextlib
import io
import json
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlzoo.cli.main import COMMANDS, guarded

# MLZOO_FUZZ=1000 tries more and others than the same few.
TRIES = int(os.environ.get("MLZOO_FUZZ", "0"))
FUZZ = settings(
    max_examples=TRIES or 120,
    derandomize=not TRIES,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

OPTIONS = ["epochs", "rate", "noise", "samples", "seed", "select", "limit", "stop_at", "model"]
NAMES = st.sampled_from([*OPTIONS, "dataset", "preset", "sources"]) | st.text(max_size=8)
LEAVES = st.one_of(
    *(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=12)),
    st.sampled_from(["toy", "toys", "no-val", "smoke", "last", "1e400", "0x10", "nan", 2**70]),
)
TREES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3)
)
CONTENTS = st.dictionaries(NAMES, LEAVES | TREES, max_size=5)
WORDS = st.sampled_from(
    [
        *COMMANDS,
        *("toy", "toys", "toy-files", "toy-error", "models", "show", "verify", "demo", "smoke"),
        *("--help", "--json", "--debug", "--dataset", "--config", "--preset", "--seeds", "--seed"),
        *("--epochs", "--select", "--rate", "--device", "--out", "--limit", "--quiet", "--version"),
        *("--format", "--bibtex", "--task", "--data-dir", "--stop-after", "--no-figures", "--"),
        *(
            "--jobs",
            "--devices",
            "--precision",
            "bf16",
            "fp16",
            "--compile",
            "--force",
            "--traceback",
        ),
        *("list", "new", "download", "--dry-run", "--replace", "--yes", "last", "best"),
        *("0", "-1", "1", "0-4", "4-0", "nan", "cpu", "cuda:99", "val", "test", "", ".", "..", "/"),
        *("nowhere", "run.json", "config.json", "dir", "é\ud800", "\0", "-", "--epochs=", "--=x"),
    ]
)


def asked(words):
    """Exit status and everything printed."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        code = guarded(words)
    return code, printed.getvalue()


def checked(words, folder):
    """An expected answer, and no file beside those of runs."""
    before = files_below(folder.parent)
    code, printed = asked(words)
    assert code in (0, 1, 2, 130), (words, code, printed)
    assert "Traceback (most" not in printed or "--debug" in words, (words, printed)
    assert "This is a bug" not in printed, (words, printed)
    assert files_below(folder.parent) == before, words
    return code, printed


def files_below(folder):
    """All of them, but for the byte code that Python keeps of the made-up plugin."""
    return sorted(path for path in folder.rglob("*") if "__pycache__" not in path.parts)


@FUZZ
@given(content=CONTENTS, suffix=st.sampled_from(["json", "yaml", "toml"]))
def test_made_up_options_in_a_config_file(toy, tmp_path, content, suffix):
    path = tmp_path / "work" / f"made-up.{suffix}"
    if suffix == "toml":
        lines = [f"{json.dumps(key)} = {json.dumps(value)}" for key, value in content.items()]
        path.write_text("\n".join(lines), encoding="utf-8")
    else:  # JSON is YAML, too
        path.write_text(json.dumps(content), encoding="utf-8")
    code, printed = checked(["run", "toy", "--config", str(path), "--show-config"], path.parent)
    if code:
        assert len(printed.splitlines()) <= 2, printed


@FUZZ
@given(content=st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8")),
       suffix=st.sampled_from(["json", "yaml", "toml", "yml", "txt", ""]))  # fmt: skip
def test_garbage_as_a_config_file(toy, tmp_path, content, suffix):
    path = tmp_path / "work" / f"garbage.{suffix}"
    path.write_bytes(content)
    checked(["run", "toy", "--config", str(path), "--show-config"], path.parent)


@FUZZ
@given(words=st.lists(WORDS | st.text(max_size=6), max_size=7))
def test_made_up_command_line(toy, tmp_path, words):
    folder = tmp_path / "work"
    if words and "run" in words:
        words = [*words, "--show-config"]  # whatever else it says, nothing trains
        if "--" in words:
            words.remove("--")
    # Without what writes files when asked rightly.
    words = [word for word in words if word not in ("demo", "new")]
    checked(words, folder)


@FUZZ
@given(
    changes=st.dictionaries(
        st.sampled_from(["status", "seconds", "data", "data_dir", "started", "sessions", "device",
                         "model", "dataset", "metrics", "main_metric", "seed", "selection", "task",
                         "published", "references", "sources", "epochs", "versions", "honest"]),
        TREES, min_size=1, max_size=3),
    name=st.sampled_from(["run.json", "config.json", "results.json"]),
)  # fmt: skip
def test_edited_files_of_a_run(toy, done, tmp_path, changes, name):
    path = done / name
    whole = path.read_text(encoding="utf-8")
    try:
        path.write_text(json.dumps(json.loads(whole) | changes), encoding="utf-8")
        checked(["report", str(done)], tmp_path / "work")
        checked(["report", str(done), "--json"], tmp_path / "work")
        checked(["eval", str(done)], tmp_path / "work")
    finally:
        path.write_text(whole, encoding="utf-8")


@pytest.fixture
def done(toy):
    """A finished run."""
    code, printed = asked(["run", "toy", "--preset", "smoke", "--no-figures", "--quiet", "--json"])
    assert code == 0, printed
    from pathlib import Path

    return Path(json.loads(printed)["directory"])


@pytest.mark.parametrize("suffix", ["json", "yaml", "toml"])
def test_deeply_nested_config_is_refused(toy, tmp_path, suffix):
    path = tmp_path / "work" / f"deep.{suffix}"
    path.write_text(("x = " if suffix == "toml" else "") + "[" * 100_000)
    assert checked(["run", "toy", "--config", str(path)], path.parent)[0] == 2
