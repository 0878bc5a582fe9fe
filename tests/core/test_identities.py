"""What must hold among numbers, and how much rounding leaves open."""

from __future__ import annotations

import pytest

from mlzoo import EvaluatorSpec, Identity, Metric
from mlzoo.identities import decimals_of, disagreement, disagreements, rounded

H = Identity(metric="h", kind="harmonic-mean", of=("u", "s"))
WEIGHTED = Identity(
    metric="all", kind="weighted-mean", of=("a", "b"), weights={"birds/test": (1821, 485)}
)
GEOMETRIC = Identity(metric="g", kind="geometric-mean", of=("x", "y", "z"))
GAP = Identity(metric="gap", kind="difference", of=("a", "b"))
MEAN = Identity(metric="mean", kind="mean", of=("a", "b"))
ORDER = Identity(metric="top5", kind="at-least", of=("top1",))


def said(identity: Identity, where: str = "", decimals: int = 1, **numbers: float) -> str:
    return disagreement(identity, {k: rounded(v, decimals) for k, v in numbers.items()}, where)


@pytest.mark.parametrize(("h", "fits"), [(58.0, False), (58.1, True), (58.2, True), (58.3, False)])
def test_rounding_of_the_parts_is_allowed_for_and_no_more(h, fits) -> None:
    # u in [52.75, 52.85], s in [64.65, 64.75]: H in [58.097, 58.198], which rounds to 58.1 or 58.2
    found = said(H, u=52.8, s=64.7, h=h)
    assert (found == "") == fits
    assert fits or found == "the harmonic mean of u 52.8 and s 64.7 is 58.0969 to 58.1979"


def test_more_decimals_leave_less_open() -> None:
    assert said(H, u=52.8, s=64.7, h=58.2) == ""
    assert said(H, decimals=2, u=52.8, s=64.7, h=58.2) != ""


def test_who_knows_one_side_alone_has_no_harmonic_mean() -> None:
    assert said(H, u=0, s=80, h=0) == ""
    assert said(H, u=0, s=80, h=10) != ""


def test_weights_are_those_of_the_split_whatever_the_view() -> None:
    right, wrong = {"a": 22.0, "b": 59.8, "all": 29.9}, {"a": 22.0, "b": 59.8, "all": 30.2}
    for where in ("birds/test", "birds/test@view"):
        assert said(WEIGHTED, where, **right) == ""
        assert "weighted mean of a 22 and b 59.8 is 29.9001 to 30.0001" in said(
            WEIGHTED, where, **wrong
        )
    for where in ("birds/val", "other/test", ""):
        assert said(WEIGHTED, where, **wrong) == ""


@pytest.mark.parametrize(
    ("identity", "numbers", "fits"),
    [
        (GEOMETRIC, {"x": 1.0, "y": 8.0, "z": 27.0, "g": 6.0}, True),
        (GEOMETRIC, {"x": 1.0, "y": 8.0, "z": 27.0, "g": 6.3}, False),
        (GEOMETRIC, {"x": 0.0, "y": 8.0, "z": 27.0, "g": 0.0}, True),
        (GEOMETRIC, {"x": 0.0, "y": 8.0, "z": 27.0, "g": 2.5}, False),
        (GAP, {"a": 70.0, "b": 75.5, "gap": 5.5}, True),
        (GAP, {"a": 75.5, "b": 70.0, "gap": 5.6}, True),
        (GAP, {"a": 75.5, "b": 70.0, "gap": 5.7}, False),
        (GAP, {"a": 70.0, "b": 70.0, "gap": 0.1}, True),
        (GAP, {"a": 70.0, "b": 70.0, "gap": 0.2}, False),
        (MEAN, {"a": 10.0, "b": 20.0, "mean": 15.1}, True),
        (MEAN, {"a": 10.0, "b": 20.0, "mean": 15.2}, False),
        (ORDER, {"top1": 60.0, "top5": 60.0}, True),
        (ORDER, {"top1": 60.0, "top5": 59.8}, False),
    ],
)
def test_every_kind_holds_within_the_ends_of_its_range(identity, numbers, fits) -> None:
    assert (said(identity, **numbers) == "") == fits


def test_what_is_not_there_is_not_missed() -> None:
    assert said(H, u=52.8, h=1.0) == ""
    assert said(H, u=52.8, s=64.7) == ""


def test_computed_metrics_are_held_to_their_arithmetic() -> None:
    metrics = {"u": 30.0, "s": 60.0, "h": 40.0, "top1": 50.0, "top5": float("nan")}
    assert disagreements([H, ORDER], metrics) == []
    (found,) = disagreements([H, ORDER], {**metrics, "h": 40.001})
    assert found.startswith("h is 40.001; the harmonic mean of u 30 and s 60 is ")
    (found,) = disagreements([H, ORDER], {**metrics, "top5": 49.9})
    assert found == "top5 is 49.9; it must be at least top1 50"


@pytest.mark.parametrize(
    ("value", "decimals"), [(58.1, 1), (60.0, 0), (25.35, 2), (0.00001, 5), (1e22, 0), (100, 0)]
)
def test_decimals_are_those_that_are_written(value, decimals) -> None:
    assert decimals_of(value) == decimals


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"kind": "median"}, "kind must be one of harmonic-mean"),
        ({"of": ()}, "means nothing"),
        ({"kind": "difference", "of": ("a",)}, "means nothing"),
        ({"kind": "weighted-mean"}, "has weights"),
        ({"weights": {"d/test": (1, 2)}}, "has weights"),
        ({"kind": "weighted-mean", "weights": {"d/test": (1,)}}, "weights of d/test must be 2"),
        ({"kind": "weighted-mean", "weights": {"d/test": (1, -1)}}, "not negative"),
        ({"kind": "weighted-mean", "weights": {"d/test": (0, 0)}}, "not negative"),
    ],
)
def test_an_identity_that_says_nothing_cannot_be_declared(changes, reason) -> None:
    with pytest.raises(ValueError, match=reason):
        Identity(**{"metric": "m", "kind": "mean", "of": ("a", "b"), **changes})


def test_an_evaluator_declares_identities_of_its_own_metrics() -> None:
    given = {"name": "e", "summary": "s", "task": "t", "score": "a:b"}
    metrics = {"h": Metric(higher_is_better=True, summary="h")}
    assert EvaluatorSpec(**given, metrics=metrics, identities=(H,)).identities == (H,)
    with pytest.raises(ValueError, match="speak of 'mean', which is no metric"):
        EvaluatorSpec(**given, metrics=metrics, identities=(MEAN,))
