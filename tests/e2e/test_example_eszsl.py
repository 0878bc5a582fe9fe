"""The example of a second model for a task: installed with pip, it lists, runs and is compared."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "mlzoo-eszsl"
QUIET = ("--quiet", "--no-figures")


@pytest.fixture(scope="module")
def workshop(new_workshop, tmp_path_factory):
    made = new_workshop(tmp_path_factory.mktemp("workshop"))
    made.install(EXAMPLE)
    return made


def run(workshop, *words):
    done = workshop.call("-m", "mlzoo", *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_installed_example_is_listed(workshop):
    listed = json.loads(run(workshop, "list", "--json"))
    (model,) = (model for model in listed["models"] if model["name"] == "eszsl")
    assert model["task"] == "zero-shot"
    assert model["from"].startswith("mlzoo-eszsl")


def test_grid_is_chosen_on_validation_classes_and_beats_the_method_as_printed(workshop):
    grid = ("--gammas", "0.1,1,10", "--lambdas", "0.01,0.1")
    words = ("run", "eszsl", "--json", *QUIET, *grid, "--out", workshop.folder / "digits")
    found = json.loads(run(workshop, *words))
    assert found["selection"]["rule"] == "val"
    assert set(found["metrics"]) == {"val", "test"}
    plain = ("--no-unit-features", "--no-centre-embeddings")
    printed = json.loads(run(workshop, *words, *plain))
    h = [each["metrics"]["test"]["gzsl_h"] for each in (found, printed)]
    assert h[0] > h[1] > 20 * found["references"]["gzsl_h"]["chance"]


def test_example_stands_beside_the_tasks_own_model_in_one_report(workshop):
    out = ("--out", workshop.folder / "compared")
    for model in ("eszsl", "tfvaegan"):
        run(workshop, "run", model, "--preset", "smoke", *QUIET, *out)
    told = run(workshop, "report", workshop.folder / "compared", "--format", "md")
    assert "eszsl on digits, tfvaegan on digits" in told
    assert "| eszsl (n=1) | tfvaegan (n=1) |" in told


@pytest.mark.parametrize("dataset", ["cub", "ucf101"])
def test_example_runs_on_worlds_in_the_real_file_format(workshop, dataset):
    root = workshop.folder / dataset
    run(workshop, "data", "demo", dataset, root)
    words = ("run", "eszsl", "--dataset", dataset, "--data-dir", root, "--json", *QUIET)
    found = json.loads(run(workshop, *words))
    assert found["metrics"]["test"]["zsl_top1"] > 3 * found["references"]["zsl_top1"]["chance"]


def test_example_passes_its_own_tests(workshop):
    done = workshop.call("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests", cwd=EXAMPLE)
    assert done.returncode == 0, done.stdout
    assert "passed" in done.stdout
