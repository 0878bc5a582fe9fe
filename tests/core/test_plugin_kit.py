"""Begin a plugin, check one, list them; a plugin written for another core says so."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import tomllib
from importlib import util
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import mlzoo
from mlzoo import scaffold
from mlzoo.plugins import discover, fits
from mlzoo.scaffold import LONGEST_NAME, core_range, create_plugin, plugin_files, plugin_name

GOOD = """
from mlzoo import EvaluatorSpec, Metric, hookimpl

@hookimpl
def mlzoo_evaluators():
    yield EvaluatorSpec(name="sound", summary="s", task="toy", score="a.b:c",
                        metrics={"m": Metric(higher_is_better=True, summary="s", main=True)})
"""


def require(site, distribution: str, *lines: str) -> None:
    """Add requirements to a made-up distribution."""
    path = site.folder / f"{distribution.replace('-', '_')}-1.0.dist-info" / "METADATA"
    added = "".join(f"Requires-Dist: {line}\n" for line in lines)
    path.write_text(path.read_text() + added)


# ---- new


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Bad_Name", "lower-case words"),
        ("", "lower-case words"),
        ("2fast", "begins with a letter"),
        ("../escape", "lower-case words"),
        ("a--b", "lower-case words"),
        ("x" * (LONGEST_NAME + 1), "at most 30 characters"),
        ("class", "keyword"),
        ("match", "keyword"),
        ("json", "Python's own library"),
        ("numpy", "distribution named 'numpy'"),
        ("core", "distribution named 'mlzoo-core'"),
        ("toy", "model named 'toy'"),
    ],
)
def test_bad_name_is_refused_with_the_rule_and_leaves_nothing(cli, toy, name, reason):
    done = cli("plugin", "new", "--", name)
    assert done.code == 2
    assert reason in done.err
    assert not list(Path().iterdir())


def test_name_may_carry_the_prefix(toy):
    assert plugin_name("mlzoo-green-pea") == "green-pea"


def test_existing_folder_is_refused_and_kept(cli, toy):
    Path("mlzoo-pea").mkdir()
    Path("mlzoo-pea", "mine.txt").write_text("mine")
    done = cli("plugin", "new", "pea")
    assert done.code == 2
    assert "exists already" in done.err
    assert [path.name for path in Path("mlzoo-pea").iterdir()] == ["mine.txt"]


def test_failure_halfway_leaves_nothing(monkeypatch, tmp_path, toy):
    def broken(name):
        yield Path("README.md"), "text"
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(scaffold, "plugin_files", broken)
    with pytest.raises(mlzoo.MlzooError, match="No space left"):
        create_plugin("pea", tmp_path / "new")
    assert not list((tmp_path / "new").iterdir())


def test_place_that_is_a_file_is_an_error(cli, toy):
    Path("file").touch()
    done = cli("plugin", "new", "pea", "--dir", "file/below")
    assert done.code == 1
    assert "cannot write" in done.err


def test_package_is_complete_and_speaks_its_own_name(cli, toy):
    done = cli("plugin", "new", "green-pea", "--dir", "made")
    assert done.code == 0, done.err
    made = Path("made", "mlzoo-green-pea")
    assert str(made) in done.out
    files = {str(path.relative_to(made)) for path in made.rglob("*") if path.is_file()}
    code = "src/mlzoo_green_pea"
    wanted = ("config", "data", "evaluators", "model", "plugin", "__init__")
    assert files == {
        *(f"{code}/{name}.py" for name in wanted),
        *(
            f"{code}/py.typed",
            "pyproject.toml",
            "README.md",
            ".gitignore",
            "tests/test_contract.py",
        ),
    }
    assert "sprout" not in "".join((made / file).read_text().lower() for file in files)
    project = tomllib.loads((made / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["mlzoo"] == {"green-pea": "mlzoo_green_pea.plugin"}
    (core,) = [line for line in project["dependencies"] if line.startswith("mlzoo-core")]
    assert fits(mlzoo.__version__, core.partition("]")[2])


@pytest.mark.parametrize("name", ["a", "-".join(["abcd"] * 6)[:LONGEST_NAME].rstrip("-")])
def test_written_code_is_valid_typed_documented_and_narrow(name):
    for place, text in plugin_files(name):
        if place.suffix != ".py":
            continue
        assert max(map(len, text.splitlines()), default=0) <= 100, place
        tree = ast.parse(text)
        assert ast.get_docstring(tree), place
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                assert node.returns is not None, f"{place}: {node.name}"
                assert "test" in place.name or node.name == "__init__" or ast.get_docstring(node)


def test_range_for_a_new_plugin_follows_the_core():
    assert core_range("0.1.0") == ">=0.1,<0.2"
    assert core_range("1.4.2") == ">=1.4,<2"


# ---- the range of mlzoo-core that a plugin declares


@pytest.mark.parametrize(
    ("version", "declared", "expected"),
    [
        ("0.1.0", ">=0.1,<0.2", True),
        ("0.1.0", "<0.2, >=0.1", True),
        ("0.2.0", ">=0.1,<0.2", False),
        ("0.1.0", ">=0.3", False),
        ("0.10.0", ">=0.9", True),
        ("1.0", ">=1.0.0", True),
        ("1.0.0", ">1", False),
        ("0.1.0", "~=0.1.0", True),
        ("0.1.0", "==0.1.*", True),
        ("0.1.0", "!=0.1.0", False),
        ("0.2.0.dev1", ">=0.1,<0.3", True),
        ("0.2.0.dev1", "<0.2", False),
    ],
)
def test_range_means_what_packaging_says(version, declared, expected):
    from packaging.specifiers import SpecifierSet

    assert fits(version, declared) is expected
    assert SpecifierSet(declared).contains(version, prereleases=True) is expected


def test_version_of_the_core_is_that_of_its_distribution():
    project = tomllib.loads(
        (Path(__file__).parents[2] / "packages" / "core" / "pyproject.toml").read_text()
    )["project"]
    assert mlzoo.__version__ == project["version"]


def test_plugin_for_another_core_is_skipped_before_it_is_imported(site):
    site.add("mlzoo-later", "raise RuntimeError('imported')")
    require(site, "mlzoo-later", "mlzoo-core[torch]>=0.3", 'mlzoo-core[testing]>=9; extra == "t"')
    site.add("mlzoo-sound", GOOD)
    found = discover(site.points())
    assert [plugin.name for plugin in found.plugins] == ["sound"]
    (failure,) = found.failures
    wanted = f"mlzoo-later 1.0 needs mlzoo-core>=0.3, installed is {mlzoo.__version__}"
    assert failure.reason == wanted
    assert "python -m pip install --upgrade mlzoo-later" in failure.fix
    assert "python -m pip uninstall mlzoo-later" in str(failure)


@pytest.mark.parametrize(
    ("line", "declared"),
    [
        ("mlzoo-core>=0.1,<0.2", ">=0.1,<0.2"),
        ("MLZOO_core (>=0.1)", ">=0.1"),
        ("mlzoo-core[torch,data] >=0.1 ; python_version > '3'", ">=0.1"),
        ("mlzoo-core", ""),
        ("mlzoo-core-extras>=9", ""),
    ],
)
def test_range_is_read_from_the_requirements(site, line, declared):
    site.add("mlzoo-sound", GOOD)
    require(site, "mlzoo-sound", line)
    (plugin,) = discover(site.points()).plugins
    assert plugin.core_range == declared


def test_range_that_cannot_be_read_is_a_failure_of_its_plugin(site):
    site.add("mlzoo-odd", GOOD)
    require(site, "mlzoo-odd", "mlzoo-core >=> what")
    (failure,) = discover(site.points()).failures
    assert failure.skipped


def test_usual_range_costs_no_import_of_packaging(site):
    site.add("mlzoo-sound", GOOD)
    require(site, "mlzoo-sound", "mlzoo-core>=0.1,<0.2")
    code = "import sys, runpy; sys.argv[1:] = ['list']\n"
    code += "try: runpy.run_module('mlzoo', run_name='__main__')\n"
    code += "finally: print('packaging' in sys.modules, file=sys.stderr)"
    path = os.pathsep.join([str(site.folder), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path, "MLZOO_PLUGINS": "sound"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr.split() == ["False"]


# ---- list


def test_list_tells_versions_ranges_failures_and_the_line_that_removes(cli, toy, monkeypatch):
    toy.add("mlzoo-broken", "import no_such_package")
    require(toy, "mlzoo-toy", "mlzoo-core>=0.1,<0.2")
    monkeypatch.setenv("MLZOO_PLUGINS", "toy,broken")
    rows = {row["name"]: row for row in json.loads(cli("plugin", "list", "--json").out)["plugins"]}
    assert rows["toy"]["status"] == "ok"
    assert rows["toy"]["needs core"] == ">=0.1,<0.2"
    assert "no_such_package" in rows["broken"]["status"]
    done = cli("plugin", "list")
    assert done.code == 0
    assert done.err == ""  # everything is said once, in the list
    assert "python -m pip uninstall mlzoo-broken" in done.out
    assert "Traceback" not in done.out
    assert "Traceback" in cli("plugin", "list", "-v").out
    (failure,) = json.loads(cli("plugin", "list", "--traceback", "--json").out)["failures"]
    assert "Traceback" in failure["traceback"]
    assert json.loads(cli("list", "plugins", "--json").out) == list(rows.values())


def test_list_tells_of_a_misspelt_hook(cli, toy, monkeypatch):
    toy.add("mlzoo-typo", GOOD + "\ndef mlzoo_modells(): ...")
    monkeypatch.setenv("MLZOO_PLUGINS", "typo")
    (row,) = json.loads(cli("plugin", "list", "--json").out)["plugins"]
    assert row["status"].startswith("needs a look: mlzoo_modells is not a hook")


# ---- check


@pytest.mark.parametrize("name", ["mlzoo-nowhere", "./nowhere"])
def test_check_of_something_unknown_is_a_usage_error(cli, toy, name):
    done = cli("plugin", "check", name)
    assert done.code == 2
    assert name in done.err


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "cannot be read"),
        ("not toml [", "cannot be read"),
        ("[project]\nname = 'x'\n", "lacks 'entry-points'"),
        ("[project]\nname = 3\n[project.entry-points.mlzoo]\nx = 'x'\n", "must be text"),
        ("[project]\nname = 'x'\nentry-points = 3\n", "describes no plugin"),
        ("[project]\nname = 'x'\n[project.entry-points.mlzoo]\n", "names no entry point"),
    ],
)
def test_folder_that_is_no_plugin_is_a_usage_error(cli, toy, text, reason):
    Path("folder").mkdir()
    if text is not None:
        Path("folder", "pyproject.toml").write_text(text)
    done = cli("plugin", "check", "./folder")
    assert done.code == 2
    assert reason in done.err


def test_check_without_pytest_says_what_to_install(cli, toy, monkeypatch):
    find_spec = util.find_spec
    monkeypatch.setattr(
        "mlzoo.plugin_check.find_spec", lambda name: None if name == "pytest" else find_spec(name)
    )
    done = cli("plugin", "check", "mlzoo-toy")
    assert done.code == 1
    assert "'mlzoo-core[testing]'" in done.err


def test_check_of_a_source_folder_tells_what_fails_and_why(cli, toy):
    """Not installed; one option lacks its description and one Ref leads nowhere."""
    made = create_plugin("pea", Path())
    config, plugin = (made / "src" / "mlzoo_pea" / f"{name}.py" for name in ("config", "plugin"))
    config.write_text(config.read_text().replace(', description="hidden units"', ""))
    plugin.write_text(plugin.read_text().replace("evaluators:score", "evaluators:scores"))
    done = cli("plugin", "check", "./mlzoo-pea", "--json")
    assert done.code == 1, done.err
    report = json.loads(done.out)
    assert not report["ok"]
    failed = {check["check"]: check["reason"] for check in report["checks"] if not check["ok"]}
    assert "has no attribute 'scores'" in failed["every ref resolves[EvaluatorSpec-pea-accuracy]"]
    reason = failed["every option is described[ModelSpec-pea]"]
    assert reason.startswith("option hidden of ModelConfig has no description")
    assert len(reason.splitlines()) <= 2
    assert {check["check"] for check in report["checks"] if check["ok"]} >= {
        "plugin loads without complaint",
        "listing imports nothing heavy",
    }
    assert "mlzoo-pea" not in {
        point.dist.name for point in entry_points(group="mlzoo") if point.dist
    }


def test_check_of_a_plugin_that_cannot_be_loaded_says_why(cli, toy, monkeypatch):
    toy.add("mlzoo-broken", "import no_such_package")
    monkeypatch.setenv("PYTHONPATH", str(toy.folder), prepend=":")
    done = cli("plugin", "check", "mlzoo-broken")
    assert done.code == 1
    assert "FAILED  plugin loads without complaint" in done.out
    assert "No module named 'no_such_package'" in done.out
    assert "Traceback" not in done.out + done.err


def test_suite_that_dies_is_told_as_such(cli, toy, monkeypatch):
    toy.add("mlzoo-deadly", "import os\nos._exit(7)")
    monkeypatch.setenv("PYTHONPATH", str(toy.folder), prepend=":")
    done = cli("plugin", "check", "mlzoo-deadly")
    assert done.code == 1
    assert "ended early (status 7)" in done.err
