"""Reports over half-written, foreign and unreadable folders: each is named, and the rest is reported."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import mlzoo
from mlzoo.cli import output
from mlzoo.cli.main import guarded
from mlzoo.errors import RunError
from mlzoo.files import write_json
from mlzoo.progress import Progress
from mlzoo.registry import registry
from mlzoo.report.reading import read_runs

FORMATS = ("table", "md", "csv", "json", "latex")
TRIES = int(os.environ.get("MLZOO_FUZZ", "0"))
FUZZ = settings(
    max_examples=TRIES or 40,
    derandomize=not TRIES,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture
def good(toy) -> Path:
    """A finished run, below ``runs``."""
    options = {"preset": "smoke", "progress": Progress(quiet=True), "figures": False}
    return mlzoo.run("toy", select="test", **options).directory


def copied(run: Path, name: str) -> Path:
    """The same run once more, of another seed."""
    folder = run.parent / name
    shutil.copytree(run, folder)
    edit(folder, "results.json", seed=len(list(run.parent.iterdir())))
    return folder


def edit(run: Path, name: str, **changes: object) -> None:
    value = json.loads((run / name).read_text())
    write_json(run / name, {key: v for key, v in (value | changes).items() if v is not ...})


def write(name: str, text: str):
    return lambda run: (run / name).write_text(text)


def remove(name: str):
    return lambda run: (run / name).unlink()


def truncated(name: str):
    return lambda run: (run / name).write_text((run / name).read_text()[:200])


def to_edit(name: str, **changes: object):
    return lambda run: edit(run, name, **changes)


BAD = {
    "only begun": (remove("config.json"), "no config.json"),
    "empty run.json": (write("run.json", ""), "run.json cannot be read"),
    "a list": (write("run.json", "[1, 2]"), "run.json cannot be read: it must hold an object"),
    "a word": (write("run.json", '"done"'), "run.json cannot be read: it must hold an object"),
    "another tool's": (write("run.json", '{"status": 3}'), "run.json is damaged: status"),
    "no status": (lambda run: (write("run.json", "{}")(run), remove("results.json")(run)),
                  "is not done (only begun)"),
    "no UTF-8": (lambda run: (run / "run.json").write_bytes(b'{"status": "\xff"}'), "cannot be read"),
    "half a letter": (write("run.json", '{"status": "\\ud800"}'), "run.json cannot be read"),
    "too deep": (write("results.json", "[" * 100_000), "results.json cannot be read"),
    "other config": (write("config.json", '{"lr": 1}'), "config.json is damaged: model"),
    "config of lists": (to_edit("config.json", sources=[1]), "config.json is damaged: sources"),
    "truncated results": (truncated("results.json"), "results.json cannot be read"),
    "truncated config": (truncated("config.json"), "config.json cannot be read"),
    "NaN": (write("results.json", '{"metrics": NaN}'), "results.json cannot be read: NaN is no JSON"),
    "no keys": (write("results.json", "{}"), "results.json is damaged: model: Field required"),
    "no data": (to_edit("results.json", data={}), "results.json is damaged: data.fingerprint"),
    "half an honest choice": (to_edit("results.json", honest={"metrics": {}}),
                              "results.json is damaged: honest.rule"),
    "words for numbers": (to_edit("results.json", metrics={"test": {"error": "1"}}),
                          "results.json is damaged: metrics.test.error"),
    "results lost": (remove("results.json"), "is done and has no results.json"),
    "interrupted": (lambda run: (remove("results.json")(run),
                                 edit(run, "run.json", status="interrupted")),
                    "is not done (interrupted). Go on with it: mlzoo resume"),
    "two runs": (to_edit("config.json", model="other"), "its files name different models"),
    "unknown dataset": (to_edit("results.json", dataset="tois"), "no dataset named 'tois'"),
    "unknown task": (to_edit("results.json", task="art"), "no dataset named 'toys' for the task art"),
    "links in a ring": (lambda run: (remove("results.json")(run),
                                     (run / "results.json").symlink_to("results.json")),
                        "is done and has no results.json"),
    "a folder for a file": (lambda run: (remove("results.json")(run), (run / "results.json").mkdir()),
                            "results.json cannot be read"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_run_is_named_with_its_reason_and_the_rest_reported(good, cli, kind) -> None:
    spoil, reason = BAD[kind]
    bad = copied(good, "zz-bad")
    spoil(bad)
    told = cli("report", good.parent)
    assert told.code == 0, told.err
    (line,) = told.err.splitlines()
    assert line.startswith("mlzoo: warning: left out: ")
    assert str(bad) in line
    assert reason in line
    assert "(n=1)" in told.out
    alone = cli("report", bad)
    assert alone.code == 1
    assert "mlzoo: error: " in alone.err
    assert reason.partition(". ")[0] in alone.err
    assert "bug" not in alone.err


@pytest.mark.parametrize("form", FORMATS)
def test_every_form_names_what_is_left_out_and_reports_the_rest(good, cli, form) -> None:
    for number, kind in enumerate(BAD):
        BAD[kind][0](copied(good, f"bad-{number:02}"))
    told = cli("report", good.parent, "--format", form)
    assert told.code == 0, told.err
    assert told.err.count("mlzoo: warning: left out: ") == len(BAD) == len(told.err.splitlines())
    alone = cli("report", good, "--format", form)
    assert told.out == alone.out


@pytest.mark.parametrize("layout", ["metrics", "runs"])
def test_nothing_that_can_be_used_is_an_error_with_all_reasons(good, cli, layout) -> None:
    for name in ("one", "other"):
        (copied(good, name) / "results.json").write_text("{")
    shutil.rmtree(good)
    told = cli("report", good.parent, "nowhere", "--layout", layout)
    assert told.code == 1
    assert told.out == ""
    assert told.err.count("results.json cannot be read") == 2
    assert "nowhere does not exist" in told.err
    assert told.err.endswith("mlzoo: error: none of these 3 can be used.\n")


def test_paths_that_are_no_folders_of_runs_are_named(good, cli, tmp_path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "ring").symlink_to(tmp_path / "ring")
    given_ = {
        tmp_path / "empty": "holds no run (no run.json at or below it)",
        tmp_path / "ring": "does not exist",
        tmp_path / "nowhere": "does not exist",
        good / "run.json": f"is a file and no run's folder. Name its folder: {good}",
        "a\nb\x1b": "does not exist",
    }
    told = cli("report", good, *given_)
    assert told.code == 0
    for path, reason in given_.items():
        assert reason in told.err, path
    assert len([line for line in told.err.splitlines() if line.startswith("mlzoo: warning")]) == 5
    assert "\x1b" not in told.err
    for path, reason in given_.items():
        alone = cli("report", path)
        assert alone.code == 1
        assert reason.partition(". ")[0] in alone.err


def test_links_below_a_folder_are_not_followed_in_a_ring(good, cli) -> None:
    (good.parent / "ring").symlink_to(good.parent.resolve(), target_is_directory=True)
    (good.parent / "again").symlink_to(good.resolve(), target_is_directory=True)
    told = cli("report", good.parent, good, good.parent / "again")
    assert told.code == 0
    assert told.err == ""
    assert "(n=1)" in told.out
    assert "older runs" not in told.out


def test_a_folder_that_nobody_may_enter_is_named(good, cli, monkeypatch) -> None:
    locked = good.parent / "locked"
    locked.mkdir()
    scandir = os.scandir

    def guarded_scandir(path="."):  # root may enter everything, so permissions would not do
        if Path(os.fsdecode(path)) == locked:
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded_scandir)
    told = cli("report", good.parent)
    assert told.code == 0
    assert f"left out: {locked} cannot be looked into: Permission denied." in told.err
    assert "(n=1)" in told.out


@pytest.fixture
def uninstalled(good, site, monkeypatch):
    """The plugin is gone; another is there instead."""
    for info in site.folder.glob("mlzoo_toy*"):
        shutil.rmtree(info) if info.is_dir() else info.unlink()
    monkeypatch.setenv("MLZOO_PLUGINS", "none-at-all")
    registry.cache_clear()
    output.installed.cache_clear()
    return good


def test_runs_of_a_plugin_that_is_not_installed_say_what_to_install(uninstalled, cli) -> None:
    told = cli("report", uninstalled)
    assert told.code == 1
    assert f"{uninstalled}: no model named 'toy'." in told.err
    assert "Install it: pip install mlzoo-toy" in told.err
    for command in ("rescore", "compare"):
        words = [uninstalled] if command == "rescore" else [uninstalled, uninstalled]
        other = cli(command, *words)
        assert other.code in (1, 2)
        assert "bug" not in other.err


def test_mixed_versions_of_a_metric_are_never_ranked_together(good, cli) -> None:
    other = copied(good, "zz-other")
    edit(other, "results.json", evaluators={"toy-error": "2"})
    metrics = cli("report", good.parent, "--layout", "metrics")
    assert "scored by different versions of toy-error (v1, v2): do not rank them" in metrics.out
    assert metrics.out.splitlines()[1].count("toy-error=v1") == 5, "views and honest choice, too"
    boards = cli("report", good.parent, "--layout", "runs")
    assert boards.out.count("toys (toy-regression), test") == 2
    assert "mlzoo rescore RUN brings them to the installed one" in boards.out
    groups = json.loads(cli("report", good.parent, "--format", "json").out)
    assert [row["rank"] for group in groups for row in group["rows"] if not row["mark"]]
    assert not {row["mark"] for group in groups for row in group["rows"]} & {"distinguishable"}


def test_reading_can_be_used_from_python(good) -> None:
    bad = copied(good, "zz-bad")
    (bad / "results.json").write_text("{")
    found = read_runs([good.parent, Path("nowhere")])
    assert [record.directory for record in found.records] == [good]
    assert [left.directory for left in found.left_out] == [Path("nowhere"), bad]
    found.require_some()
    with pytest.raises(RunError, match="nowhere does not exist"):
        read_runs([Path("nowhere")]).require_some()


def report(*words: object) -> tuple[int, str]:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        code = guarded(["report", *map(str, words)])
    return code, printed.getvalue()


def checked(folder: Path, bad: Path, *, all_forms: bool = False) -> None:
    """An answer in every form, whether the bad run is left out or not."""
    for form in FORMATS if all_forms else ("table", "json"):
        for layout in ("metrics", "runs"):
            code, printed = report(folder, "--format", form, "--layout", layout)
            assert code == 0, (form, printed)
            assert "Traceback" not in printed
            assert "This is a bug" not in printed
    code, printed = report(bad)
    assert code in (0, 1, 2)
    assert "This is a bug" not in printed, printed


@FUZZ
@given(share=st.floats(0, 1), name=st.sampled_from(["results.json", "run.json", "config.json"]))
def test_files_that_end_anywhere(good, share, name) -> None:
    bad = good.parent / "zz-bad"
    shutil.rmtree(bad, ignore_errors=True)
    shutil.copytree(good, bad)
    whole = (good / name).read_bytes()
    (bad / name).write_bytes(whole[: int(share * (len(whole) - 2))])
    checked(good.parent, bad)
    found = read_runs([good.parent])
    assert [left.directory for left in found.left_out] == [bad]


LEAVES = st.one_of(
    *(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    st.sampled_from([1e999, 2**70, "", "\ud800", "\x1b[2J", "test@", [], {}]),
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=4,
)


def places(value: object, path: tuple = ()) -> list[tuple]:
    """Every place within a JSON value."""
    found = [path] if path else []
    pairs = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value if isinstance(value, list) else ())
    )
    for key, inner in pairs:
        found += places(inner, (*path, key))
    return found  # fmt: skip


@FUZZ
@given(pick=st.integers(0, 10_000), value=TREES, drop=st.booleans(),
       name=st.sampled_from(["results.json", "run.json", "config.json"]))  # fmt: skip
@example(pick=("references", "error", "ceiling"), value=None, drop=False, name="results.json")
@example(pick=("metrics", "test", "error"), value=1e999, drop=False, name="results.json")
@example(pick=("data", "incomparable"), value=[1], drop=False, name="results.json")
@example(pick=("data", "repeat"), value={"split": 1}, drop=False, name="results.json")
@example(pick=("metrics", "test"), value=None, drop=True, name="results.json")
@example(pick=("honest", "metrics", "test"), value=None, drop=True, name="results.json")
@example(
    pick=("honest", "selection_inflation", "error"), value=None, drop=False, name="results.json"
)
@example(pick=("honest",), value=None, drop=False, name="results.json")
@example(pick=("main_metric",), value="nothing", drop=False, name="results.json")
def test_values_that_are_others_anywhere(good, pick, value, drop, name) -> None:
    bad = good.parent / "zz-bad"
    shutil.rmtree(bad, ignore_errors=True)
    shutil.copytree(good, bad)
    content = json.loads((good / name).read_text())
    every = places(content)
    path = pick if isinstance(pick, tuple) else every[pick % len(every)]
    target = content
    for key in path[:-1]:
        target = target.setdefault(key, {}) if isinstance(target, dict) else target[key]
    if drop and isinstance(target, dict):
        target.pop(path[-1], None)
    else:
        target[path[-1]] = value
    (bad / name).write_text(json.dumps(content).replace("Infinity", "1e999"))
    checked(good.parent, bad, all_forms=isinstance(pick, tuple))
