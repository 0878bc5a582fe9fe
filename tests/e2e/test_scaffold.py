"""A new plugin works out of the box: installed with pip, it lists, runs, and passes its own tests."""

from __future__ import annotations

import json

import pytest

NAME = "green-pea"


@pytest.fixture(scope="module")
def workshop(new_workshop, tmp_path_factory):
    made = new_workshop(tmp_path_factory.mktemp("workshop"))
    done = made.call("-m", "mlzoo", "plugin", "new", NAME)
    assert done.returncode == 0, done.stderr
    made.install(made.folder / f"mlzoo-{NAME}")
    return made


def test_new_plugin_is_listed_with_its_range(workshop):
    done = workshop.call("-m", "mlzoo", "plugin", "list", "--json")
    rows = {row["distribution"]: row for row in json.loads(done.stdout)["plugins"]}
    row = rows[f"mlzoo-{NAME}"]
    assert row["status"] == "ok"
    assert row["version"] == "0.1.0"
    assert set(row["needs core"].split(",")) == {">=0.1", "<0.2"}


def test_new_plugin_runs_and_beats_chance(workshop):
    done = workshop.call("-m", "mlzoo", "run", NAME, "--json")
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)
    chance = results["references"]["accuracy"]["chance"]
    assert results["metrics"]["test"]["accuracy"] > 2 * chance


def test_new_plugin_passes_its_own_tests(workshop):
    done = workshop.call(
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "tests",
        cwd=workshop.folder / f"mlzoo-{NAME}",
    )
    assert done.returncode == 0, done.stdout
    assert "passed" in done.stdout


def test_check_of_the_installed_plugin_finds_nothing(workshop):
    done = workshop.call("-m", "mlzoo", "plugin", "check", f"mlzoo-{NAME}", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["ok"]
    assert {"resume is bit equal[ModelSpec-green-pea]", "seed decides[ModelSpec-green-pea]"} <= {
        check["check"] for check in report["checks"]
    }
