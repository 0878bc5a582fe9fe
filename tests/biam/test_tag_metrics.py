"""Average precision, pooled average precision, and F1 at K: against oracles, plain loops, and bad input."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mlzoo_biam.scores.at_k
import mlzoo_biam.scores.average_precision
from mlzoo.errors import DataError, NonFiniteError
from mlzoo_biam.labels import Labels
from mlzoo_biam.metrics import (
    average_precision,
    expected_average_precision,
    expected_pooled_precision,
    mean_over_classes,
    pooled_average_precision,
    precision_recall_f1_at,
    weighted_mean,
)

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "biam" / "metrics.npz"


def golden(case: str) -> dict[str, np.ndarray]:
    with np.load(GOLDEN) as arrays:
        own = {k: arrays[k] for k in arrays.files if "/" not in k}
        return own | {k.split("/")[1]: arrays[k] for k in arrays.files if k.startswith(f"{case}/")}


def plain_precision(scores: np.ndarray, labels: np.ndarray, pessimistic: bool = False) -> float:
    """By the definition, from an order of all annotated."""
    annotated = np.abs(labels) == 1
    scores, positive = scores[annotated], labels[annotated] == 1
    if not positive.any():
        return np.nan
    order = np.lexsort((positive, -scores)) if pessimistic else np.argsort(-scores, kind="stable")
    precision = np.cumsum(positive[order]) / np.arange(1, len(order) + 1)
    return float(precision[positive[order]].mean())


def plain_pooled(scores: np.ndarray, labels: np.ndarray) -> list[float]:
    pools = [labels[:, tag] != 0 for tag in range(labels.shape[1])]
    return [plain_precision(scores[pool].ravel(), labels[pool].ravel()) for pool in pools]


def plain_highest(scores: np.ndarray, k: int) -> np.ndarray:
    """Whether a score is among the K highest of its row."""
    chosen = np.zeros(scores.shape, dtype=bool)
    for row, order in enumerate(np.argsort(-scores, axis=1, kind="stable")):
        chosen[row, order[:k]] = True
    return chosen


def drawn(seed: int, annotated: str = "partly") -> tuple[np.ndarray, np.ndarray]:
    """Scores with many ties, and labels."""
    random = np.random.RandomState(seed)
    shape = random.randint(1, 25), random.randint(1, 8)
    scores = random.randint(0, random.randint(1, 30), shape).astype(
        random.choice(["f2", "f4", "f8"])
    )
    if random.rand() < 0.2:
        scores[scores == 0] = -np.inf
    labels = random.choice([-1, 0, 1], p=[0.4, 0.3, 0.3], size=shape)
    if annotated == "all":
        labels = np.where(labels > 0, 1, -1)
    elif annotated == "mixed":
        full = random.rand(shape[1]) < 0.5
        labels[:, full] = np.where(labels[:, full] > 0, 1, -1)
    return scores, labels.astype(random.choice(["i1", "f4"]))


def test_average_precision_matches_the_oracle() -> None:
    case = golden("plain")
    found = average_precision(case["predictions"], case["labels"])
    np.testing.assert_allclose(np.nan_to_num(found), case["ap"], atol=1e-6)
    assert (np.isnan(found) == (case["n_pos_clamped"] == 0)).all()
    means = {
        "map_over_classes_with_positives": mean_over_classes(found),
        "map_upstream_mean_over_all": mean_over_classes(found, empty_as_zero=True),
        "weighted_map": weighted_mean(found, case["n_pos_clamped"]),
    }
    for name, value in means.items():
        assert value == pytest.approx(float(case[name]), abs=1e-6), name


def test_pooled_average_precision_matches_the_oracle() -> None:
    case = golden("plain")
    found = pooled_average_precision(case["predictions"], case["labels"])
    np.testing.assert_allclose(np.nan_to_num(found), case["ap_openimages_upstream"], atol=1e-6)
    assert weighted_mean(found, case["n_pos_clamped"]) == pytest.approx(
        float(case["weighted_map_openimages_upstream"]), abs=1e-6
    )


def test_precision_recall_and_f1_match_the_oracle_in_all_and_by_class() -> None:
    case = golden("plain")
    scores, labels = case["predictions"].copy(), case["labels"].copy()
    found = precision_recall_f1_at(scores, labels, case["ks"])
    np.testing.assert_allclose(np.stack(found, axis=1), case["overall_f1_p_r"], atol=1e-6)
    found = precision_recall_f1_at(scores, labels, case["per_class_ks"], per_class=True)
    np.testing.assert_allclose(np.stack(found, axis=1), case["per_class_f1_p_r"], atol=1e-6)
    np.testing.assert_array_equal(scores, case["predictions"])
    np.testing.assert_array_equal(labels, case["labels"])


@pytest.mark.parametrize("annotated", ["partly", "all", "mixed"])
@given(seed=st.integers(0, 2**32 - 1))
def test_average_precision_equals_a_plain_order_whatever_the_blocks(annotated, seed) -> None:
    scores, labels = drawn(seed, annotated)
    random = np.random.RandomState(seed)
    tags = range(labels.shape[1])
    rows = random.permutation(len(scores))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            mlzoo_biam.scores.average_precision, "BLOCK_ENTRIES", int(random.choice([1, 9, 2**23]))
        )
        patch.setattr(mlzoo_biam.scores.average_precision, "FEW", int(random.choice([0, 64])))
        for own in (labels, sparse(labels)):
            for ties in ("stable", "pessimistic"):
                plain = [
                    plain_precision(scores[:, t], labels[:, t], ties != "stable") for t in tags
                ]
                found = average_precision(scores, own, ties=ties)
                np.testing.assert_allclose(found, plain, rtol=1e-12)
                moved = scores[np.argsort(rows)]  # moved[rows] are the scores
                found = average_precision(moved, own, ties=ties, rows=rows)
                np.testing.assert_allclose(found, plain, rtol=1e-12)


def sparse(labels: np.ndarray) -> Labels:
    """The same, full columns as such."""
    full = np.abs(labels).all(axis=0)
    stored = (labels == 1) | ((labels == -1) & ~full)
    rows, tags = np.nonzero(stored)
    ends = np.concatenate([[0], np.cumsum(stored.sum(axis=1))])
    default = np.where(full, -1, 0).astype(np.int8)
    return Labels(default, ends, tags.astype(np.int32), labels[rows, tags].astype(np.int8))


@given(seed=st.integers(0, 2**32 - 1))
def test_expected_is_the_mean_over_all_orders_of_equals(seed) -> None:
    random = np.random.RandomState(seed)
    count = random.randint(1, 6)
    scores = random.randint(0, 3, (count, 1)).astype(np.float32)
    labels = random.choice([-1, 0, 1], size=(count, 1))
    orders = [list(order) for order in permutations(range(count))]
    plain = [plain_precision(scores[order, 0], labels[order, 0]) for order in orders]
    found = average_precision(scores, labels, ties="expected")
    np.testing.assert_allclose(found, [np.mean(plain)], rtol=1e-12)
    constant = average_precision(np.zeros_like(scores), labels, ties="expected")
    positives, annotated = (labels == 1).sum(axis=0), (labels != 0).sum(axis=0)
    np.testing.assert_allclose(expected_average_precision(positives, annotated), constant)


@pytest.mark.parametrize("annotated", ["partly", "all", "mixed"])
@given(seed=st.integers(0, 2**32 - 1))
def test_pooled_average_precision_equals_plain_pools(annotated, seed) -> None:
    scores, labels = drawn(seed, annotated)
    plain = plain_pooled(scores, labels)
    rows = np.random.RandomState(seed).permutation(len(scores))
    for own in (labels, sparse(labels), Labels.from_dense(labels, 0)):
        np.testing.assert_allclose(pooled_average_precision(scores, own), plain, rtol=1e-12)
        found = pooled_average_precision(scores[np.argsort(rows)], own, rows=rows)
        np.testing.assert_allclose(found, plain, rtol=1e-12)


def test_expected_pooled_precision_is_that_of_equal_scores_in_all_orders() -> None:
    labels = np.array([[1, 0, -1], [0, 1, 0], [-1, 0, 0]])
    found = expected_pooled_precision(Labels.from_dense(labels, 0))
    pools = [[1, 3], [1, 1], [1, 2]]  # positives and pairs of the images of each
    np.testing.assert_allclose(found, expected_average_precision(*np.transpose(pools)))


@given(seed=st.integers(0, 2**32 - 1))
def test_precision_recall_and_f1_equal_plain_counts_whatever_the_blocks(seed) -> None:
    scores, labels = drawn(seed)
    random = np.random.RandomState(seed)
    width = scores.shape[1]
    ks = sorted(set(random.randint(1, width + 1, size=2).tolist()))
    rows, columns = (
        random.permutation(len(scores)),
        np.sort(random.choice(width, ks[-1], replace=False)),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mlzoo_biam.scores.at_k, "BLOCK_ENTRIES", int(random.choice([1, 30, 2**23])))
        for own in (labels, sparse(labels)):
            check_at(precision_recall_f1_at(scores, own, ks), scores, labels, ks)
            found = precision_recall_f1_at(scores, own, ks, per_class=True)
            check_at(found, scores, labels, ks, axis=0)
        part = labels[:, columns]
        found = precision_recall_f1_at(scores, part[rows], ks, rows=rows, columns=columns)
        check_at(found, scores[:, columns], part, ks)


def check_at(found: Any, scores: np.ndarray, labels: np.ndarray, ks: list[int], axis=None) -> None:
    for f1, precision, recall, k in zip(*found, ks, strict=True):
        chosen = plain_highest(scores, k)
        hits = (chosen & (labels == 1)).sum(axis=axis)
        p = hits / np.maximum(chosen.sum(axis=axis), 1)
        r = hits / np.maximum((labels == 1).sum(axis=axis), 1)
        np.testing.assert_allclose(precision, p)
        np.testing.assert_allclose(recall, r)
        np.testing.assert_allclose(f1, 2 * p * r / np.where(p + r > 0, p + r, 1))


def test_no_hit_is_zero_and_no_nan() -> None:
    scores, labels = np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([[-1, 1], [-1, -1]])
    for found in precision_recall_f1_at(scores, labels, [1]):
        assert found.tolist() == [0.0]
    nothing = precision_recall_f1_at(scores, np.zeros((2, 2)), [1, 2])
    assert nothing.f1.tolist() == nothing.recall.tolist() == [0.0, 0.0]


def test_labels_beyond_one_are_left_out_of_precision_as_published() -> None:
    """A class whose only positives are 2 has none, and by class they count as present."""
    scores = np.array([[0.9, 0.2], [0.4, 0.6], [0.1, 0.3]], dtype=np.float32)
    labels = np.array([[2, 1], [-1, -2], [1, -1]])
    found = average_precision(scores, labels)
    np.testing.assert_allclose(found, [0.5, 0.5])
    assert np.isnan(average_precision(scores[:, :1], np.array([[2], [-1], [-1]]))).all()
    by_class = precision_recall_f1_at(scores, labels, [1], per_class=True)
    np.testing.assert_allclose(by_class.recall, [[0.5, 0.0]])
    in_all = precision_recall_f1_at(scores, labels, [1])
    np.testing.assert_allclose(in_all.recall, [0.0])


def test_a_class_without_positives_has_no_precision_and_means_say_what_it_counts() -> None:
    scores, labels = np.array([[0.3, 0.1], [0.2, 0.9]]), np.array([[1, -1], [-1, -1]])
    found = average_precision(scores, labels)
    assert found[0] == 1
    assert np.isnan(found[1])
    assert mean_over_classes(found) == 1
    assert mean_over_classes(found, empty_as_zero=True) == 0.5
    assert weighted_mean(found, np.array([1, 0])) == 1
    assert np.isnan(mean_over_classes(found[1:]))
    assert np.isnan(weighted_mean(found[1:], np.array([0])))


def test_no_images_have_no_precision() -> None:
    scores, labels = np.zeros((0, 3)), np.zeros((0, 3))
    assert np.isnan(average_precision(scores, labels)).all()
    assert np.isnan(pooled_average_precision(scores, labels)).all()
    assert precision_recall_f1_at(scores, labels, [1]).f1.tolist() == [0.0]


@pytest.mark.parametrize("metric", [average_precision, pooled_average_precision])
def test_scores_that_are_nan_are_refused(metric) -> None:
    scores, labels = np.array([[0.1], [np.nan]], dtype=np.float32), np.array([[1], [-1]])
    with pytest.raises(NonFiniteError, match="NaN"):
        metric(scores, labels)
    with pytest.raises(NonFiniteError, match="NaN"):
        precision_recall_f1_at(scores, labels, [1])


@pytest.mark.parametrize("metric", [average_precision, pooled_average_precision])
def test_labels_of_other_images_or_classes_are_refused(metric) -> None:
    with pytest.raises(DataError, match=r"labels are \[2, 3\], but there are scores for \[2, 4\]"):
        metric(np.zeros((2, 4)), np.zeros((2, 3)))


@pytest.mark.parametrize("ks", [[], [0], [4]])
def test_more_classes_than_there_are_cannot_be_taken(ks) -> None:
    with pytest.raises(DataError, match="K must be from 1 to 3"):
        precision_recall_f1_at(np.zeros((2, 3)), np.zeros((2, 3)), ks)
