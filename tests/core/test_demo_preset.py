"""Demo data are trained on with a model's preset ``demo``, if it has one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlzoo.cli import output
from mlzoo.registry import registry

DEMO = """

def write(folder, seed):
    return {"seed": seed}
"""


@pytest.fixture
def small(toy):
    """The made-up plugin with a demo and a preset for it."""
    module = toy.folder / "mlzoo_toy.py"
    source = module.read_text(encoding="utf-8")
    presets = (
        '"toys/demo": {"epochs": 1}, "toys/demo-slow": {"epochs": 4}, "*/slow": {"epochs": 90}, '
    )
    marked = source.replace('"toys/smoke":', presets + '"toys/smoke":')
    marked = marked.replace('name="toys",', 'name="toys", demo=f"{ME}:write",', 1)
    assert marked.count("demo") == 4
    module.write_text(marked + DEMO, encoding="utf-8")
    registry.cache_clear()
    output.installed.cache_clear()


def config(cli, *words):
    called = cli("run", "toy", "--dataset", "toys", "--show-config", "--json", *words)
    assert called.code == 0, called.err
    return json.loads(called.out)


def test_demo_data_bring_their_preset(small, cli):
    assert cli("data", "demo", "toys", "d", "--seed", "3").code == 0
    written = json.loads(Path("d/toys/demo.json").read_text())
    assert written == {"dataset": "toys", "seed": 3, "planted": {"seed": 3}}
    assert config(cli, "--data-dir", "d")["preset"] == "demo"
    assert (
        "preset toys/demo"
        in cli("run", "toy", "--dataset", "toys", "--data-dir", "d", "--help").out
    )
    called = cli("run", "toy", "--dataset", "toys", "--data-dir", "d", "--out", "r", "--no-figures")
    assert called.code == 0
    assert "demo data: toy runs with its preset demo" in called.err


def test_a_named_variant_has_a_demo_version_if_the_model_says_so(small, cli):
    cli("data", "demo", "toys", "d")
    words = ("--preset", "slow")
    found = config(cli, "--data-dir", "d", *words)
    assert (found["preset"], found["epochs"]) == ("demo-slow", 4)
    assert config(cli, *words)["epochs"] == config(cli, "--data-dir", "e", *words)["epochs"] == 90
    Path("mine.json").write_text('{"preset": "slow"}')
    assert config(cli, "--data-dir", "d", "--config", "mine.json")["preset"] == "demo-slow"
    run = ("run", "toy", "--dataset", "toys", "--data-dir", "d", "--out", "r", "--no-figures")
    assert "toy runs with its preset demo-slow" in cli(*run, *words, "--epochs", "1").err
    assert "demo data" not in cli(*run, "--preset", "demo-slow", "--epochs", "1").err


def test_any_other_choice_is_kept(small, cli):
    cli("data", "demo", "toys", "d")
    assert config(cli, "--data-dir", "d", "--preset", "smoke")["preset"] == "smoke"
    Path("mine.json").write_text('{"epochs": 2}')
    assert config(cli, "--data-dir", "d", "--config", "mine.json")["preset"] is None
    assert config(cli, "--data-dir", "elsewhere")["preset"] is None


def test_a_model_without_that_preset_runs_as_always(toy, cli):
    Path("d/toys").mkdir(parents=True)
    Path("d/toys/demo.json").write_text("{}")
    assert config(cli, "--data-dir", "d")["preset"] is None
