"""The paired test of H: classes count the same, and samples stay in their class."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from mlzoo.errors import DataError, PluginError
from mlzoo.identities import disagreements
from mlzoo.registry import registry, resolve
from mlzoo_tfvaegan.evaluators import score
from mlzoo_tfvaegan.metrics import IDENTITIES
from mlzoo_tfvaegan.paired import paired

CLASSES, UNSEEN = np.array([0, 2, 3, 5, 8]), np.array([3, 8])
SEEN = np.setdiff1d(CLASSES, UNSEEN)
# seen, then unseen; of very different sizes
LABEL = np.concatenate([np.repeat(SEEN, (200, 20, 10)), np.repeat(UNSEEN, (12, 60))])


def predictions(skill: dict[int, float], seed: int) -> dict[str, np.ndarray]:
    """Right with a probability by class."""
    random = np.random.default_rng(seed)
    scores = random.random((len(LABEL), len(CLASSES))).astype(np.float32)
    own = np.searchsorted(CLASSES, LABEL)
    right = random.random(len(LABEL)) < [skill[name] for name in LABEL.tolist()]
    scores[np.arange(len(LABEL)), own] = np.where(right, 2.0, -1.0)
    return {"label": LABEL, "scores": scores, "classes": CLASSES, "unseen": UNSEEN}


def world() -> SimpleNamespace:
    """What the evaluator reads of the data."""
    seen = np.flatnonzero(~np.isin(LABEL, UNSEEN))
    split = SimpleNamespace(test_seen=seen, test_unseen=np.flatnonzero(np.isin(LABEL, UNSEEN)))
    return SimpleNamespace(label=LABEL, split=split, classes=CLASSES, seen=SEEN, unseen=UNSEEN)


EVEN = dict.fromkeys(CLASSES.tolist(), 0.5)


def test_values_are_those_of_the_evaluator() -> None:
    one, other = predictions(EVEN, 1), predictions({**EVEN, 3: 0.9}, 2)
    found, scores = paired(one, other), [score(each, world()) for each in (one, other)]
    assert [found["gzsl_h_one"], found["gzsl_h_other"]] == pytest.approx(
        [each["gzsl_h"] for each in scores]
    )
    for part in ("gzsl_unseen", "gzsl_seen"):
        assert found[f"{part}_difference"] == pytest.approx(scores[1][part] - scores[0][part])
    assert found["difference_low"] < found["difference"] < found["difference_high"]
    assert found["samples"] == len(LABEL)
    for each in scores:
        assert disagreements(IDENTITIES, each) == []


def test_a_small_unseen_class_counts_where_mcnemar_follows_the_large_one() -> None:
    one = predictions({**EVEN, 3: 0.1, 0: 0.6}, 3)
    other = predictions({**EVEN, 3: 0.9, 0: 0.5}, 4)
    found = paired(one, other)
    assert found["p"] < 0.05 < found["p_mcnemar"]
    assert found["difference"] > 0
    assert found["gzsl_unseen_p"] < 0.05


def test_equal_runs_cannot_be_told_apart_and_very_different_ones_can() -> None:
    one = predictions(EVEN, 5)
    same = paired(one, one)
    assert (same["p"], same["difference"], same["p_mcnemar"]) == (1, 0, 1)
    better = paired(one, predictions(dict.fromkeys(EVEN, 0.9), 6))
    assert better["p"] <= 0.001
    assert better["difference_low"] > 0


def test_other_samples_or_classes_are_refused() -> None:
    one = predictions(EVEN, 7)
    with pytest.raises(DataError, match="label differs in row 0"):
        paired(one, {**one, "label": one["label"][::-1]})
    with pytest.raises(DataError, match="unseen differs"):
        paired(one, {**one, "unseen": np.array([3, 5])})
    old = {name: one[name] for name in ("label", "scores")}
    with pytest.raises(DataError, match="the other run hold no 'classes'.*\nAn older version"):
        paired(one, old)
    alone = {**one, "unseen": np.array([7])}
    with pytest.raises(DataError, match="there is no H"):
        paired(alone, alone)
    narrow = {**one, "scores": one["scores"][:, :4]}
    with pytest.raises(PluginError, match=r"\[302, 4\]; expected \[302, 5\]"):
        paired(narrow, narrow)


def test_the_evaluator_names_it() -> None:
    (entry,) = registry().evaluators_for("zero-shot")
    assert resolve(entry.spec.paired, entry.plugin) is paired
