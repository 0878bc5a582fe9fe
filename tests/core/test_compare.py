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


def edit(run: Path, change) -> None:
    results = json.loads((run / "results.json").read_text())
    change(results)
    write_json(run / "results.json", results)


def row_of(shown: str, name: str) -> list[str]:
    """The cells of a table's row, in words; none if there is no such row."""
    found = (line for line in shown.splitlines() if line.startswith(f"{name} "))
    return next(found, name)[len(name) :].split()


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
    assert "neither run scored a split 'tset'" in misspelt.err
    assert "Did you mean 'test'" in misspelt.err


def test_limited_runs_are_a_try(tested, cli) -> None:
    tested("closer")
    shown = cli("compare", trained(limit=8), trained(limit=8, seed=1))
    assert shown.out.splitlines()[-1] == "--limit was used: a try, not a result"


def test_runs_on_other_data_are_shown_without_a_test(tested, cli) -> None:
    tested("closer")
    one, other = trained(), trained(samples=20)
    found = cli("compare", one, other)
    assert found.code == 0, found.err
    assert row_of(found.out, "samples") == ["16", "(default)", "20", "(option)"]
    assert row_of(found.out, "fingerprint")
    assert "no paired test: the runs used different data, toys " in found.out
    assert "differences of metrics say nothing of the models" in found.out
    with pytest.raises(UsageError, match="different data"):
        compare_runs(RunRecord(one), RunRecord(other))


def test_runs_of_another_task_are_shown_without_a_test(tested, cli) -> None:
    tested("closer")
    one, other = trained(), trained(seed=1)
    edit(other, lambda results: results.update(task="another"))
    found = cli("compare", one, other)
    assert found.code == 0, found.err
    assert row_of(found.out, "task") == ["toy-regression", "another"]
    assert "no paired test: the runs are of different tasks, toy-regression and" in found.out
    with pytest.raises(UsageError, match="different tasks"):
        compare_runs(RunRecord(one), RunRecord(other))


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


def test_a_task_without_a_paired_test_says_so_and_shows_the_rest(toy, cli) -> None:
    found = cli("compare", trained(), trained(seed=1))
    assert found.code == 0
    assert "nothing differs but seed" in found.out
    assert "no paired test: no evaluator of the task toy-regression names a paired" in found.out


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


def test_a_broken_test_is_an_error_after_the_rest(tested, cli) -> None:
    tested("failing")
    found = cli("compare", trained(), trained(seed=1))
    assert found.code == 1
    assert "nothing differs but seed" in found.out
    assert "the paired test of 'toy-error' of mlzoo-toy 1.0 failed: KeyError" in found.err


def test_what_the_test_itself_refuses_is_the_reason(tested, cli) -> None:
    tested("refusing")
    found = cli("compare", trained(), trained(seed=1))
    assert found.code == 0
    assert "no paired test: nobody knows the answers. Take --split val." in found.out


def test_the_paired_test_is_a_ref_and_stands_on_the_card(tested, cli) -> None:
    metrics = {"m": Metric(higher_is_better=True, summary="m")}
    given = {"name": "e", "summary": "s", "task": "t", "score": "a:b", "metrics": metrics}
    assert ("paired", "a:c") in list(refs_of(EvaluatorSpec(**given, paired="a:c")))
    with pytest.raises(ValueError, match="EvaluatorSpec paired"):
        EvaluatorSpec(**given, paired="a.c")
    tested("closer")
    assert "paired    a test of two runs  (mlzoo compare RUN RUN)" in cli("info", "toy-error").out


def test_predictions_that_were_not_kept_leave_the_rest(tested, cli) -> None:
    tested("closer")
    one, other = trained(), trained(seed=1)
    (other / "predictions" / "test.npz").unlink()
    found = cli("compare", one, other)
    assert found.code == 0
    assert "nothing differs but seed" in found.out
    assert "no paired test: " in found.out
    assert "test.npz" in found.out
    assert "test.npz" in json.loads(cli("compare", one, other, "--json").out)["not_tested"]


def test_hidden_labels_leave_the_rest(tested, cli) -> None:
    tested("closer")
    one, other = trained(), trained(seed=1)
    for run in (one, other):
        edit(run, lambda results: results["data"].update(hidden=["test"]))
    found = cli("compare", one, other)
    assert found.code == 0
    assert "no paired test: the labels of test are hidden. Compare another split." in found.out
    assert "not distinguishable" in cli("compare", one, other, "--split", "val").out


def test_a_split_of_one_run_alone_is_no_usage_error(tested, cli) -> None:
    tested("closer")
    one, other = trained(), trained(seed=1)
    edit(other, lambda results: results["metrics"].pop("test@shifted"))
    found = cli("compare", one, other, "--split", "test@shifted")
    assert found.code == 0
    assert "no paired test: " in found.out
    assert "scored no split 'test@shifted'" in found.out


def test_options_stand_with_their_sources_and_times_apart(toy, cli) -> None:
    one, other = trained(), trained(rate=0.2)
    found = cli("compare", one, other)
    assert "nothing differs but rate\n" in found.out
    assert row_of(found.out, "rate") == ["0.05", "(preset", "toys)", "0.2", "(option)"]
    assert not any(line.startswith("epochs") for line in found.out.splitlines())
    whole = cli("compare", one, other, "--full").out
    assert row_of(whole, "epochs") == ["2", "(preset", "toys/smoke)"] * 2
    assert row_of(whole, "rule") == [] == row_of(found.out, "started")
    assert row_of(whole, "selection rule") == ["val", "val"]
    told = json.loads(cli("compare", one, other, "--json").out)["differences"]
    assert told["options"] == [
        {"name": "rate", "one": 0.05, "other": 0.2, "sources": ["preset toys", "option"],
         "differs": True}
    ]  # fmt: skip
    assert told["versions"] == told["code"] == told["machine"] == told["data"] == []
    everything = json.loads(cli("compare", one, other, "--json", "--full").out)["differences"]
    assert {"python", "torch", "mlzoo-toy", "evaluator toy-error"} <= {
        fact["name"] for fact in everything["versions"]
    }


def test_equal_runs_differ_in_nothing(toy, cli) -> None:
    found = cli("compare", trained(), trained())
    assert found.code == 0
    assert "nothing differs but times; all metrics are equal" in found.out


def test_metrics_stand_side_by_side_with_their_difference(toy, cli) -> None:
    one, other = trained(), trained(seed=1)
    a, b = (json.loads((run / "results.json").read_text())["metrics"] for run in (one, other))
    told = json.loads(cli("compare", one, other, "--json").out)["metrics"]
    assert len(told) == 2 * 4
    for each in told:
        values = a[each["split"]][each["metric"]], b[each["split"]][each["metric"]]
        assert (each["one"], each["other"]) == values
        assert each["difference"] == values[1] - values[0]
    shown = cli("compare", one, other).out
    assert "metrics of val, val@shifted: --full" in shown
    line = next(line.split() for line in shown.splitlines() if line.startswith("test  "))
    assert line[1:] == ["error", f"{a['test']['error']:.4f}", f"{b['test']['error']:.4f}",
                        f"{b['test']['error'] - a['test']['error']:+.4f}"]  # fmt: skip


def test_honest_metrics_stand_below_those_selected_on_test(toy, cli) -> None:
    one, other = trained(select="test"), trained(select="test", seed=1)
    shown = cli("compare", one, other).out
    assert "test, selected on val" in shown
    rules = cli("compare", one, trained(seed=2)).out
    assert "the epochs were selected by different rules, test and val" in rules


def test_metrics_of_different_versions_have_no_difference(tested, cli) -> None:
    tested("closer")
    one, other = trained(), trained(seed=1)
    edit(other, lambda results: results["evaluators"].update({"toy-error": "2"}))
    found = cli("compare", one, other)
    assert found.code == 0
    assert "different versions of an evaluator (toy-error v1 and v2)" in found.out
    assert "mlzoo rescore RUN" in found.out
    pairs = [line.split() for line in found.out.splitlines() if line.startswith("test  ")]
    assert [line[-1] for line in pairs] == ["-", "-"]
    told = json.loads(cli("compare", one, other, "--json").out)
    assert {each["difference"] for each in told["metrics"]} == {None}
    assert told["metrics"][0]["versions"] == ["1", "2"]
    assert told["tests"], "predictions know no version"


def test_versions_code_and_machine_are_looked_at(toy, cli) -> None:
    one, other = trained(), trained()
    facts = json.loads((other / "run.json").read_text())
    facts["versions"]["torch"], facts["python"] = "9.9", "3.99"
    facts["git"] = {"mlzoo-toy": {"commit": "abc", "dirty": True}}
    write_json(other / "run.json", facts | {"device": "cuda:7"})
    with (other / "environment.txt").open("a") as file:
        file.write("a-package==1.2\n")
    told = json.loads(cli("compare", one, other, "--json").out)["differences"]
    assert {f["name"]: f["other"] for f in told["versions"]} == {"python": "3.99", "torch": "9.9"}
    assert {f["name"]: f.get("other") for f in told["installed"]} == {"a-package": "1.2"}
    assert {"mlzoo-toy commit", "mlzoo-toy dirty"} <= {fact["name"] for fact in told["code"]}
    assert [fact["name"] for fact in told["machine"]] == ["device"]
    shown = cli("compare", one, other).out
    assert "installed of one run alone: a-package" in shown
    assert "nothing differs" not in shown


@pytest.mark.parametrize("text", ["{", "[]", '{"python": 1}', "", '{"versions": 3}'])
def test_damaged_files_are_one_clear_error(toy, cli, text) -> None:
    one, other = trained(), trained(seed=1)
    (other / "run.json").write_text(text)
    found = cli("compare", one, other)
    assert found.code in (0, 1)
    assert "bug" not in found.err
    if found.code:
        assert f"{other}/run.json" in found.err


def test_hostile_values_are_shown_short_and_printable(toy, cli) -> None:
    one, other = trained(), trained(seed=1)
    facts = json.loads((other / "run.json").read_text())
    write_json(other / "run.json", facts | {"host": "\x1b[31m" + "x" * 500})
    out = cli("compare", one, other).out
    assert "\x1b" not in out
    assert max(map(len, out.splitlines())) < 300


def test_a_usage_error_has_the_status_of_one(tested) -> None:
    tested("closer")
    one = trained()
    with pytest.raises(UsageError):
        compare_runs(RunRecord(one), RunRecord(one))
