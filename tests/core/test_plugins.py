"""Discovery: a broken plugin costs one warning that names it, and everything else goes on."""

from __future__ import annotations

import pytest

from mlzoo.errors import PluginError
from mlzoo.plugins import discover

GOOD = """
from mlzoo import EvaluatorSpec, Metric, hookimpl

@hookimpl
def mlzoo_evaluators():
    yield EvaluatorSpec(name="{name}", summary="s", task="toy", score="a.b:c",
                        metrics={{"m": Metric(higher_is_better=True, summary="s", main=True)}})
"""

MODEL = """
from mlzoo import ModelSpec, Paper, hookimpl

PAPER = Paper(title="t", authors="a", venue="v", year=2020, url="u", bibtex="b")

@hookimpl
def mlzoo_models():
    yield ModelSpec(name="twin", summary="s", task="toy", paper=PAPER, config="a.b:c",
                    factory="a.b:d", default_dataset="toys")
"""

BROKEN = {
    "missing-module": (None, "ModuleNotFoundError"),
    "missing-dependency": ("import no_such_package", "no_such_package"),
    "syntax-error": ("def broken(:", "SyntaxError"),
    "exits-on-import": ("import sys; sys.exit(3)", "SystemExit"),
    "raising-hook": (
        "from mlzoo import hookimpl\n@hookimpl\ndef mlzoo_models(): raise KeyError('x')",
        "KeyError",
    ),
    "returns-nothing": (
        "from mlzoo import hookimpl\n@hookimpl\ndef mlzoo_models(): return 3",
        "must return an iterable of ModelSpec",
    ),
    "returns-dicts": (
        "from mlzoo import hookimpl\n@hookimpl\ndef mlzoo_models(): return [{'name': 'x'}]",
        "must give ModelSpec, got dict",
    ),
    "wrong-kind": (
        GOOD.format(name="x").replace("mlzoo_evaluators", "mlzoo_datasets"),
        "must give DatasetSpec, got EvaluatorSpec",
    ),
    "missing-field": (
        MODEL.replace(', factory="a.b:d"', "").replace('factory="a.b:d",', ""),
        "factory",
    ),
    "malformed-ref": (MODEL.replace('"a.b:d"', '"a/b.py"'), "package.module:attribute"),
    "malformed-name": (MODEL.replace('"twin"', '"Twin Model"'), "lower-case"),
    "wrong-arguments": (
        "from mlzoo import hookimpl\n@hookimpl\ndef mlzoo_models(config): return []",
        "config",
    ),
    "twice-the-same": (MODEL + MODEL.split("@hookimpl")[1].join(["\n@hookimpl", ""]), None),
    "fails-halfway": (MODEL + "    raise RuntimeError('halfway')", "halfway"),
    "brings-nothing": ("x = 1", "brings nothing"),
}
BROKEN["twice-the-same"] = (
    MODEL.replace("    yield", "    yield from 2 * [").replace('"toys")', '"toys")]'),
    "gives 'twin' twice",
)


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_plugin_is_skipped_and_named_and_others_go_on(site, kind):
    source, reason = BROKEN[kind]
    site.add(f"mlzoo-{kind}", source)
    site.add("mlzoo-sound", GOOD.format(name="sound"))
    found = discover(site.points())
    assert [entry.spec.name for entry in found.registered] == ["sound"]
    (failure,) = found.failures
    assert reason in failure.reason
    assert f"plugin '{kind}' (mlzoo-{kind} 1.0) is skipped" in str(failure)
    assert f"python -m pip uninstall mlzoo-{kind}" in str(failure)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("\n@hookimpl\ndef mlzoo_modells(): return []\n", "did you mean mlzoo_models?"),
        ("\ndef mlzoo_models(): return []\n", "mlzoo_models is not marked with @hookimpl"),
        ("\ndef mlzoo_dataset(): return []\n", "did you mean mlzoo_datasets?"),
    ],
)
def test_misspelt_or_unmarked_hook_is_reported_and_the_rest_is_kept(site, source, reason):
    site.add("mlzoo-typo", GOOD.format(name="kept") + source)
    found = discover(site.points())
    assert [entry.spec.name for entry in found.registered] == ["kept"]
    (failure,) = found.failures
    assert reason in failure.reason
    assert not failure.skipped


def test_two_plugins_with_one_model_name_are_both_named(site):
    site.add("mlzoo-first", MODEL)
    site.add("mlzoo-second", MODEL)
    (failure,) = discover(site.points()).failures
    assert "model 'twin' is also brought by mlzoo-first 1.0" in failure.reason
    assert failure.plugin.distribution == "mlzoo-second"


def test_specs_are_attributed_to_distribution_and_version(site):
    site.add("mlzoo-sound", GOOD.format(name="sound"))
    (entry,) = discover(site.points()).registered
    assert str(entry.plugin) == "mlzoo-sound 1.0"


@pytest.mark.parametrize("wanted", ["sound", "mlzoo-sound"])
def test_environment_limits_what_is_loaded(site, monkeypatch, wanted):
    site.add("mlzoo-sound", GOOD.format(name="sound"))
    site.add("mlzoo-broken", "import no_such_package")
    monkeypatch.setenv("MLZOO_PLUGINS", wanted)
    found = discover(site.points())
    assert [plugin.name for plugin in found.plugins] == ["sound"]
    assert not found.failures


def test_strict_mode_raises(site, monkeypatch):
    site.add("mlzoo-broken", "import no_such_package")
    monkeypatch.setenv("MLZOO_STRICT", "1")
    with pytest.raises(PluginError, match="no_such_package"):
        discover(site.points())


def test_command_line_lives_with_all_of_them_at_once(site, mlzoo):
    for kind, (source, _) in BROKEN.items():
        site.add(f"mlzoo-{kind}", source)
    site.add("mlzoo-sound", GOOD.format(name="sound"))
    done = mlzoo("list", "evaluators", PYTHONPATH=str(site.folder))
    assert done.returncode == 0, done.stderr
    assert "sound" in done.stdout
    assert done.stderr.count("is skipped") == len(BROKEN)
    assert "Traceback" not in done.stderr


def test_a_name_brought_twice_cannot_be_run(site, mlzoo):
    site.add("mlzoo-first", MODEL)
    site.add("mlzoo-second", MODEL)
    done = mlzoo("run", "twin", PYTHONPATH=str(site.folder))
    assert done.returncode == 2
    assert "brought by mlzoo-first 1.0 and mlzoo-second 1.0" in done.stderr
    assert "pip uninstall mlzoo-second" in done.stderr


def test_what_a_plugin_prints_does_not_spoil_json(site, mlzoo):
    site.add("mlzoo-chatty", "print('hello')\n" + GOOD.format(name="sound"))
    done = mlzoo("list", "--json", PYTHONPATH=str(site.folder))
    assert done.stdout.startswith("{")
    assert "hello" in done.stderr


def test_evaluator_that_clashes_with_the_tasks_owner_is_left_out_and_named(site):
    owner = GOOD.format(name="own").replace(
        "import EvaluatorSpec", "import DatasetSpec, EvaluatorSpec"
    )
    owner += """
@hookimpl
def mlzoo_datasets():
    yield DatasetSpec(name="toys", summary="s", task="toy", load="a.b:c", embedded=True)
"""
    site.add("mlzoo-intruder", GOOD.format(name="intruder"))
    site.add("mlzoo-owner", owner)
    found = discover(site.points())
    assert {entry.spec.name for entry in found.registered} == {"own", "toys"}
    (failure,) = found.failures
    assert failure.plugin.distribution == "mlzoo-intruder"
    assert "'intruder' is left out: m of toy is brought by mlzoo-owner 1.0" in failure.reason


def test_a_dataset_alone_makes_nobody_the_owner_of_a_task(site):
    dataset = """
@hookimpl
def mlzoo_datasets():
    yield DatasetSpec(name="{name}", summary="s", task="toy", load="a.b:c", embedded=True)
"""
    head = "from mlzoo import DatasetSpec, hookimpl\n"
    site.add("mlzoo-owner", head + GOOD.format(name="own") + dataset.format(name="toys"))
    site.add("mlzoo-third", head + dataset.format(name="more-toys"))
    site.add("mlzoo-a-rival", GOOD.format(name="rival"))
    found = discover(site.points())
    assert [failure.plugin.distribution for failure in found.failures] == ["mlzoo-a-rival"]
