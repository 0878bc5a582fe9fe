"""Published numbers held against groups of made-up runs, and the estimate that they are held against."""

from __future__ import annotations

import shutil
import sys

import pytest
from made_runs import made_group, made_run

from mlzoo.cli import output
from mlzoo.estimate import estimate
from mlzoo.experiment import resume, run
from mlzoo.progress import Progress
from mlzoo.registry import registry
from mlzoo.report.board import boards_of
from mlzoo.report.claims import claims_of, claims_or_none
from mlzoo.report.groups import group_runs
from mlzoo.report.leaderboard import claims_table, leaderboard
from mlzoo.run_directory import RunRecord, find_runs

NUMBERS = """
        published=(
            Published(dataset="toys", metric="error", value=1.0, source="table 1", selection="val",
                      verified=True, tolerance=0.1),
            Published(dataset="toys", metric="error", value=0.5, source="table 2", selection="test",
                      verified=False, tolerance=0.1),
            Published(dataset="toys", metric="bias", value=0.5, source="table 1", selection="val",
                      verified=True, tolerance=0.0, split="val"),
            Published(dataset="toys", metric="error", value=9.0, source="table 3", selection="val",
                      verified=True, tolerance=0.1, options={"samples": 99}),
            Published(dataset="no-val", metric="error", value=9.0, source="table 4", selection="val",
                      verified=True, tolerance=0.1),
        ),
        default_dataset"""


@pytest.fixture(autouse=True)
def numbered(toy):
    """The made-up plugin with published numbers; returns a way to edit it."""
    module = toy.folder / "mlzoo_toy.py"

    def edit(*changes: tuple[str, str]) -> None:
        source = module.read_text(encoding="utf-8")
        for old, new in changes:
            assert old in source
            source = source.replace(old, new)
        module.write_text(source, encoding="utf-8")
        sys.modules.pop("mlzoo_toy", None)
        shutil.rmtree(toy.folder / "__pycache__", ignore_errors=True)
        registry.cache_clear()
        output.installed.cache_clear()

    edit(
        ("ModelSpec, Paper, ", "ModelSpec, Paper, Published, "),
        ("        default_dataset", NUMBERS),
    )
    return edit


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "made"


def claims(records):
    (group,) = group_runs(records)
    return claims_of(group)


def of_val(records):
    """The claim about the error that was selected on val."""
    (claim,) = [c for c in claims(records) if (c.number.metric, c.number.value) == ("error", 1.0)]
    return claim


def of_test(records):
    (claim,) = [c for c in claims(records) if c.number.selection == "test"]
    return claim


def test_estimates_are_students() -> None:
    three = estimate([1.0, 2.0, 3.0])
    assert (three.n, three.mean, three.sd) == (3, 2.0, 1.0)
    assert three.margin == pytest.approx(4.30265 / 3**0.5, rel=1e-5)  # t of 2 degrees, 97.5 %
    assert three.spread == pytest.approx(4.30265 * (4 / 3) ** 0.5, rel=1e-5)
    assert three.interval == pytest.approx((2 - 2.48414, 2 + 2.48414), rel=1e-5)
    two = estimate([0.0, 2.0])
    assert two.margin == pytest.approx(12.7062, rel=1e-5)  # t of 1 degree; sd / sqrt(2) = 1
    one = estimate([5.0])
    assert (one.n, one.mean, one.sd, one.margin, one.spread, one.interval) == (1, 5.0, *[None] * 4)
    with pytest.raises(ValueError, match="needs a value"):
        estimate([])


@pytest.mark.parametrize(
    ("errors", "verdict", "reason"),
    [
        ([1.05, 1.05, 1.05], "matches", "within the tolerance of 0.1"),
        ([1.0, 1.1], "matches", "within the tolerance of 0.1"),
        # mean 1.3, sd 0.1: one more run is expected within 4.303 * 0.1 * sqrt(4/3) = 0.497
        ([1.2, 1.3, 1.4], "matches", "within the spread of 3 runs, ±0.5"),
        ([1.5, 1.6, 1.7], "above", "differs by +0.6, tolerance 0.1"),
        ([0.3, 0.4, 0.5], "below", "differs by -0.6, tolerance 0.1"),
        # two runs never match by their spread, however wide it is
        ([0.0, 4.0], "above", "differs by +1, tolerance 0.1"),
        ([2.0, 2.0, 2.0], "above", "differs by +1, tolerance 0.1"),
    ],
)
def test_several_runs_match_within_tolerance_or_spread(folder, errors, verdict, reason) -> None:
    claim = of_val(made_group(folder, errors))
    assert (claim.verdict, claim.reason) == (verdict, reason)
    assert claim.difference == pytest.approx(sum(errors) / len(errors) - 1.0)


@pytest.mark.parametrize(
    ("error", "verdict"), [(1.0, "consistent (one seed)"), (1.2, "above"), (0.5, "below")]
)
def test_one_seed_never_matches(folder, error, verdict) -> None:
    assert of_val([made_run(folder, 0, error)]).verdict == verdict


def test_a_seed_that_was_run_again_is_no_second_seed(folder) -> None:
    records = [made_run(folder, 0, 1.0), made_run(folder, 0, 1.0, started="2027")]
    assert of_val(records).verdict == "consistent (one seed)"


def test_only_numbers_of_the_dataset_and_the_options_speak(folder) -> None:
    found = claims(made_group(folder, [1.0, 1.0]))
    assert [claim.number.value for claim in found] == [1.0, 0.5, 0.5]
    larger = claims(made_group(folder / "larger", [9.0, 9.0], samples=99))
    by_source = {claim.number.source: claim for claim in larger}
    assert by_source["table 3"].verdict == "matches"
    assert by_source["table 2"].reason == "options differ from the preset: samples"


def test_a_number_of_val_is_held_against_val(folder) -> None:
    (claim,) = [c for c in claims(made_group(folder, [1.0, 1.0])) if c.number.metric == "bias"]
    assert (claim.verdict, claim.reading.split) == ("matches", "val")


def test_under_the_rule_test_both_protocols_are_judged_side_by_side(folder) -> None:
    records = made_group(folder, [0.45, 0.5, 0.55], rule="test", honest=1.02)
    honest, selected = of_val(records), of_test(records)
    assert (honest.reading.protocol, honest.rule, honest.verdict) == ("honest", "val", "matches")
    assert honest.ours is not None
    assert honest.ours.mean == 1.02
    assert (selected.reading.protocol, selected.rule) == ("selected", "test")
    assert selected.verdict == "matches"
    (board,) = boards_of(records)
    rows = {row.rule: row for row in board.rows}
    assert [c.number.value for c in rows["val"].claims_on("error")] == [1.0]
    assert [c.number.value for c in rows["test"].claims_on("error")] == [0.5]
    table = leaderboard(board)
    assert table.columns[3:5] == ["error", "published"]
    assert [row[4] for row in table.rows] == ["1 matches", "0.5 matches"]


def test_without_an_honest_choice_the_rule_decides(folder) -> None:
    records = made_group(folder, [1.0, 1.0], rule="test")
    told = of_val(records)
    assert told.verdict == "not comparable"
    assert told.reason == "published under val, run under test"
    under_val = of_test(made_group(folder / "val", [0.5, 0.5]))
    assert under_val.verdict == "not comparable"
    assert under_val.reason == "published under test, run under val"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"rate": 0.9}, "options differ from the preset: rate"),
        ({"rule": "last"}, "published under val, run under last"),
        ({"data": {"limited": True}}, "the run used limited data"),
        ({"data": {"incomparable": "a demo"}}, "a demo"),
        ({"data": {"hidden": ["test"]}}, "the labels of test are hidden"),
    ],
)
def test_other_conditions_are_not_comparable_however_near(folder, changes, reason) -> None:
    claim = of_val(made_group(folder, [1.0, 1.0, 1.0], **changes))
    assert (claim.verdict, claim.reason) == ("not comparable", reason)
    assert claim.ours is not None, "they are shown all the same"


def test_runs_without_a_value_hinder_the_verdict(folder) -> None:
    claim = of_val(made_group(folder, [1.0, None, 1.0]))
    assert (claim.verdict, claim.reason) == ("not comparable", "1 of 3 runs have no error")
    nothing = of_val(made_group(folder / "none", [None, None]))
    assert (nothing.ours, nothing.difference) == (None, None)
    assert nothing.to_json()["mean"] is None


def test_json_says_what_a_claim_rests_on(folder) -> None:
    told = of_val(made_group(folder, [0.9, 1.0, 1.1])).to_json()
    assert told["published"] == 1.0
    assert (told["n"], told["mean"], told["sd"]) == (3, 1.0, pytest.approx(0.1))
    assert told["interval"] == pytest.approx([0.7516, 1.2484], abs=1e-4)
    assert (told["selection"], told["published_selection"]) == ("val", "val")
    assert (told["verdict"], told["source"], told["verified"]) == ("matches", "table 1", True)


def test_the_table_of_claims_names_split_source_and_reason(folder) -> None:
    table = claims_table(boards_of(made_group(folder, [1.0, 1.0])))
    row = dict(zip(table.columns, table.rows[0], strict=True))
    assert (row["split"], row["metric"], row["source"], row["n"]) == (
        "test",
        "error",
        "verified",
        "2",
    )
    assert (row["published"], row["ours"], row["verdict"]) == ("1", "1.0000 ± 0.0000", "matches")
    assert row["reason"] == "within the tolerance of 0.1"


def test_numbers_are_judged_by_the_variant_that_was_run(folder, numbered) -> None:
    records = made_group(folder, [1.0, 1.0], preset="smoke", epochs=2)
    assert of_val(records).verdict == "matches"
    numbered(('"toys/smoke": {"epochs": 2}', '"toys/tiny": {"epochs": 2}'))
    gone = of_val(made_group(folder / "gone", [1.0, 1.0], preset="smoke", epochs=2))
    assert gone.reason == "options differ from the preset: epochs"


def test_a_resumed_run_is_judged_like_one_that_went_straight(tmp_path) -> None:
    given = {"preset": "smoke", "progress": Progress(quiet=True), "figures": False}
    straight = run("toy", out=tmp_path / "a", **given).results["published"]
    with pytest.raises(Exception, match="stopped after 1"):
        run("toy", out=tmp_path / "b", stop_after=1, **given)
    (half,) = find_runs([tmp_path / "b"])
    later = resume(half.directory, progress=Progress(quiet=True), figures=False)
    assert later.results["published"] == straight


def test_runs_that_cannot_be_read_with_the_plugin_are_hindered_with_the_reason(folder) -> None:
    records = made_group(folder, [1.0, 1.0], unknown_option=3)
    (group,) = group_runs([RunRecord(record.directory) for record in records])
    found, why = claims_or_none(group)
    assert found == []
    assert "unknown_option" in why
    (board,) = boards_of(records)
    assert "unknown_option" in board.rows[0].hindered
