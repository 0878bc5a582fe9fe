"""``mlzoo compare``: the paired test of a made-up task over two runs' predictions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import mlzoo
from mlzoo.errors import PluginError, RunError, UsageError
from mlzoo.files import write_json
from mlzoo.progress import Progress
from mlzoo.registry import registry
from mlzoo.report.paired import compare_runs
from mlzoo.run_directory import RunRecord
from mlzoo.specs import EvaluatorSpec, Metric, refs_of

PAIRED = """

def closer(one, other):
    error = [np.abs(each["predicted"] - each["target"]) for each in (one, other)]
    better = np.sum(error[0] < error[1])
    return {"test": "share of closer predictions", "p": np.float32(better / len(error[0])),
            "samples": np.int64(len(error[0])), "closer_one": better, "remark": "made up"}


def wrong(one, other):
    return {"p": 2.0}


def unnumbered(one, other):
    return {"test": "t", "p": 0.5, "effect": float("nan")}


def failing(one, other):
    raise KeyError("no such array")


def refusing(one, other):
    from mlzoo.errors import DataError
    raise DataError("nobody knows the answers.", "Take --split val.")
"""


@pytest.fixture
def tested(toy):
    """Gives the made-up plugin's evaluator a paired test."""
    module = toy.folder / "mlzoo_toy.py"
    source = module.read_text(encoding="utf-8")

    def install(name: str) -> None:
        import sys

        marked = source.replace(
            'score=f"{ME}:score",', f'score=f"{{ME}}:score", paired=f"{{ME}}:{name}",'
        )
        module.write_text(marked + PAIRED, encoding="utf-8")
        sys.modules.pop("mlzoo_toy", None)
        registry.cache_clear()

    return install


def trained(**options) -> Path:
    given = {"preset": "smoke", "dataset": "toys", **options}
    return mlzoo.run("toy", progress=Progress(quiet=True), figures=False, **given).directory


def test_compare_shows_test_facts_and_verdict(tested, cli) -> None:
    tested("closer")
    one, other = trained(epochs=20), trained(seed=1)
    found = cli("compare", one, other)
    assert found.code == 0
    lines = found.out.splitlines()
    assert lines[0] == f"one    toy, seed 0: {one}"
    assert lines[1] == f"other  toy, seed 1: {other}"
    assert "toy-error on test: share of closer predictions" in lines
    assert any(line.split() == ["samples", "16"] for line in lines)
    assert any(line.split() == ["remark", "made", "up"] for line in lines)
    assert lines[-1] == "not distinguishable at 5 %"
    same_order = json.loads(cli("compare", one, other, "--json").out)["tests"][0]
    turned = json.loads(cli("compare", other, one, "--json").out)["tests"][0]
    assert same_order["closer_one"] + turned["closer_one"] == 16
    assert same_order["p"] == pytest.approx(same_order["closer_one"] / 16)
    assert turned["distinguishable"] == (turned["p"] < 0.05)


def test_views_and_other_splits_can_be_compared(tested, cli) -> None:
    tested("closer")
    one, other = trained(), trained(seed=1)
    shown = json.loads(cli("compare", one, other, "--split", "val@shifted", "--json").out)
    assert shown["split"] == "val@shifted"
    assert shown["runs"] == [str(one), str(other)]
    misspelt = cli("compare", one, other, "--split", "tset")
    assert misspelt.code == 2
    assert "scored no split 'tset'" in misspelt.err
    assert "Did you mean 'test'" in misspelt.err


def test_limited_runs_are_a_try(tested, cli) -> None:
    tested("closer")
    shown = cli("compare", trained(limit=8), trained(limit=8, seed=1))
    assert shown.out.splitlines()[-1] == "--limit was used: a try, not a result"


def test_runs_on_other_data_or_of_another_task_are_refused(tested, cli) -> None:
    tested("closer")
    one, other = trained(), trained(samples=20)
    refused = cli("compare", one, other)
    assert refused.code == 2
    assert "the runs used different data, toys " in refused.err
    assert "Name two runs on the same dataset" in refused.err
    results = json.loads((other / "results.json").read_text())
    write_json(other / "results.json", {**results, "task": "another"})
    refused = cli("compare", one, other)
    assert refused.code == 2
    assert "of different tasks, toy-regression and another" in refused.err


def test_what_is_no_pair_of_finished_runs_is_refused(tested, cli) -> None:
    tested("closer")
    one = trained()
    assert "is named twice" in cli("compare", one, one).err
    half = trained(seed=1)
    both = cli("compare", one.parent, one)
    assert both.code == 2
    assert "holds 2 runs" in both.err
    (half / "results.json").unlink()
    with pytest.raises(RunError, match="is not done"):
        compare_runs(RunRecord(one), RunRecord(half))
    assert "does not exist" in cli("compare", one, "nowhere").err


def test_a_task_without_a_paired_test_says_so(toy, cli) -> None:
    found = cli("compare", trained(), trained(seed=1))
    assert found.code == 2
    assert "no evaluator of the task toy-regression names a paired test" in found.err
    assert "mlzoo report RUN RUN" in found.err


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("wrong", "must return its name as 'test' and 'p' from 0 to 1"),
        ("unnumbered", "returned nan as 'effect'"),
        ("failing", "the paired test of 'toy-error' of mlzoo-toy 1.0 failed: KeyError"),
    ],
)
def test_a_test_that_breaks_its_contract_is_named(tested, name, said) -> None:
    tested(name)
    runs = RunRecord(trained()), RunRecord(trained(seed=1))
    with pytest.raises(PluginError, match=said):
        compare_runs(*runs)


def test_errors_of_the_test_itself_are_shown_as_they_are(tested, cli) -> None:
    tested("refusing")
    found = cli("compare", trained(), trained(seed=1))
    assert found.code == 1
    assert found.err == "mlzoo: error: nobody knows the answers.\nTake --split val.\n"


def test_the_paired_test_is_a_ref_and_stands_on_the_card(tested, cli) -> None:
    metrics = {"m": Metric(higher_is_better=True, summary="m")}
    given = {"name": "e", "summary": "s", "task": "t", "score": "a:b", "metrics": metrics}
    assert ("paired", "a:c") in list(refs_of(EvaluatorSpec(**given, paired="a:c")))
    with pytest.raises(ValueError, match="EvaluatorSpec paired"):
        EvaluatorSpec(**given, paired="a.c")
    tested("closer")
    assert "paired    a test of two runs  (mlzoo compare RUN RUN)" in cli("info", "toy-error").out


def test_a_split_that_was_not_kept_is_one_clear_error(tested, cli) -> None:
    tested("closer")
    one, other = trained(), trained(seed=1)
    (other / "predictions" / "test.npz").unlink()
    found = cli("compare", one, other)
    assert found.code == 1
    assert "test.npz" in found.err


def test_a_usage_error_has_the_status_of_one(tested) -> None:
    tested("closer")
    one = trained()
    with pytest.raises(UsageError):
        compare_runs(RunRecord(one), RunRecord(one))
