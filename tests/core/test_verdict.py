"""What one run says about a published number."""

from __future__ import annotations

import pytest

from mlzoo.estimate import Estimate, estimate
from mlzoo.specs import ModelSpec, Paper, Published
from mlzoo.verdict import LEAST_FOR_SPREAD, judge, verdict_of

PAPER = Paper(title="T", authors="A", venue="V", year=2020, url="u", bibtex="@misc{a}")


def number(value: float, **changes: object) -> Published:
    given = {"dataset": "birds", "metric": "h", "source": "table 1", "selection": "test"}
    return Published(value=value, verified=True, tolerance=1.0, **{**given, **changes})


def verdict(published, *, ours=50.0, rule="test", options=None, departures=(), **data):
    model = ModelSpec(
        name="m",
        summary="s",
        task="t",
        paper=PAPER,
        config="a:b",
        factory="a:c",
        default_dataset="birds",
        published=(published,),
    )
    results = {
        "dataset": "birds",
        "metrics": {"test": {"h": ours}},
        "selection": {"rule": rule},
        "data": {"limited": False, **data},
    }
    (found,) = judge(model, results, options or {}, departures)
    return found["verdict"], found["reason"]


@pytest.mark.parametrize(
    ("value", "expected"), [(50.9, "consistent (one seed)"), (52.0, "below"), (48.0, "above")]
)
def test_one_seed_is_consistent_within_the_tolerance(value, expected):
    assert verdict(number(value)) == (expected, "")


@pytest.mark.parametrize(
    ("conditions", "reason"),
    [
        ({"rule": "val"}, "published under test, run under val"),
        ({"departures": ["epochs"]}, "options differ from the preset: epochs"),
        ({"limited": True}, "the run used limited data"),
        ({"incomparable": "a demo world"}, "a demo world"),
        ({"ours": float("nan"), "hidden": ["test"]}, "the labels of test are hidden"),
        ({"ours": None}, "the run has no h on test"),
        ({"ours": float("nan")}, "the run has no h on test"),
    ],
)
def test_other_conditions_are_not_comparable(conditions, reason):
    assert verdict(number(50.0), **conditions) == ("not comparable", reason)


def test_a_number_reached_under_other_options_speaks_of_runs_with_them_alone():
    published = number(50.0, options={"features": "finetuned"})
    plain = verdict(published, options={"features": "res101"})
    assert plain == ("not comparable", "published with features=finetuned")
    same = verdict(published, options={"features": "finetuned"}, departures=["features"])
    assert same == ("consistent (one seed)", "")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([51.0, 51.0], ("matches", "within the tolerance of 1")),  # the edge belongs to it
        ([51.25, 51.25], ("above", "differs by +1.2, tolerance 1")),
        ([48.0, 48.5], ("below", "differs by -1.8, tolerance 1")),
        # sd 3, so that one more of three is expected within 4.303 * 3 * sqrt(4/3) = 14.9 of 53
        ([50.0, 53.0, 56.0], ("matches", "within the spread of 3 runs, ±15")),
        ([67.0, 70.0, 73.0], ("above", "differs by +20, tolerance 1")),
    ],
)
def test_several_runs_match_within_tolerance_or_prediction_interval(values, expected):
    assert verdict_of(number(50.0), estimate(values)) == expected


def test_two_runs_never_match_by_their_spread():
    wide = estimate([40.0, 64.0])
    assert wide.spread is not None
    assert wide.spread > abs(wide.mean - 50.0)
    assert verdict_of(number(50.0), wide)[0] == "above"
    assert LEAST_FOR_SPREAD == 3


def test_one_run_never_matches_whatever_its_spread():
    for value in (30.0, 50.0, 70.0):
        assert verdict_of(number(50.0), Estimate(1, value, 99.0, 99.0, 99.0))[0] != "matches"
