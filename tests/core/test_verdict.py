"""What one run says about a published number."""

from __future__ import annotations

import pytest

from mlzoo.specs import ModelSpec, Paper, Published
from mlzoo.verdict import judge

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
