"""The published numbers: accuracies of the two kinds make up the one over all, and sources stand beside."""

from __future__ import annotations

from itertools import groupby

import pytest

from mlzoo.cards import check_entry
from mlzoo.registry import registry
from mlzoo_imagecode.metric_specs import METRICS, PHENOMENA_METRICS, STATIC, VIDEO
from mlzoo_imagecode.published import (
    ABSTRACT,
    LEADERBOARD,
    cross_published,
    published,
)

TRIPLE = {"accuracy", "accuracy_video", "accuracy_static"}


def by_source(numbers=None) -> list[dict[str, float]]:
    def key(number):
        return (number.source, str(sorted(number.options.items())))

    groups = groupby(sorted(published() if numbers is None else numbers, key=key), key)
    return [{number.metric: number.value for number in group} for _, group in groups]


def test_every_triple_recombines_with_the_counts_of_test() -> None:
    assert VIDEO + STATIC == 2306
    assert len([values for values in by_source() if set(values) == TRIPLE]) == 5
    card = check_entry(registry().model("imagecode"), registry())
    assert card.counts["identities"] == 5
    assert card.findings == ()


@pytest.mark.parametrize(("model", "triples"), [("uniter", 4), ("vilbert", 5)])
def test_the_cross_encoders_numbers_recombine_and_nobody_has_verified_them(model, triples) -> None:
    numbers = cross_published(model)
    assert not any(number.verified for number in numbers)
    assert len({str(sorted(number.options.items())) for number in numbers}) == 5
    card = check_entry(registry().model(model), registry())
    assert card.counts["identities"] == triples  # of UNITER on pairs only one number is remembered
    assert card.findings == ()


def test_every_number_names_its_source_and_a_known_metric() -> None:
    for number in published():
        assert number.source
        assert number.dataset == "imagecode"
        assert number.metric in METRICS | PHENOMENA_METRICS
        assert number.verified == (number.source in (LEADERBOARD, ABSTRACT))
        assert "variant" in number.options


def test_both_official_values_of_the_best_baseline_stand() -> None:
    for metric, values in (("accuracy_video", {22.0, 20.9}), ("accuracy_static", {59.8, 59.4})):
        verified = [n for n in published() if n.verified and n.metric == metric]
        assert {number.value for number in verified} == values
        assert {number.source for number in verified} == {LEADERBOARD, ABSTRACT}
        assert len({str(number.options) for number in verified}) == 1


def test_no_two_numbers_of_a_source_speak_of_the_same() -> None:
    keys = [(n.source, n.metric, str(sorted(n.options.items()))) for n in published()]
    assert len(set(keys)) == len(keys)
