"""Ranks, recall, averages and intervals: the oracles, ties, blocks, degenerate matrices."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from mlzoo.errors import DataError, NonFiniteError
from mlzoo_multisk.scores.averaging import average_by_id
from mlzoo_multisk.scores.bootstrap import bootstrap_intervals
from mlzoo_multisk.scores.ranks import (
    nearest,
    ranks,
    ranks_both_ways,
    ranks_of_embeddings,
    similarity_blocks,
)
from mlzoo_multisk.scores.recall import NAMES, retrieval_metrics

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "multisk"
CASES = ("plain", "complete", "ties", "transposed", "allequal", "perfect", "zero", "one")


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(GOLDEN / "metrics.npz") as file:
        return dict(file)


def by_sorting(similarities: np.ndarray) -> np.ndarray:
    """The mean place of the right candidate's similarity among all, sorted."""
    ordered = -np.sort(-similarities.astype(np.float64), axis=1)
    return np.array(
        [
            np.flatnonzero(row == own).mean()
            for row, own in zip(ordered, similarities.diagonal(), strict=True)
        ]
    )


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("ties", "key"), [("mean", "metrics"), ("best", "metrics_opt")])
def test_metrics_of_a_matrix_are_the_oracles(golden, case, ties, key) -> None:
    complete = int(golden[f"{case}.complete"])
    found = retrieval_metrics(
        ranks(golden[f"{case}.sims"], ties=ties), None if complete < 0 else complete
    )
    assert tuple(found) == NAMES == tuple(golden["keys"])
    np.testing.assert_allclose(list(found.values()), golden[f"{case}.{key}"], rtol=1e-12)


@pytest.mark.parametrize("size", [1, 2, 7, 8, 9, 64, 257, 300])
@pytest.mark.parametrize("values", [2, 5, 10**6])
def test_counting_equals_sorting_along_rows_and_columns(size, values) -> None:
    random = np.random.RandomState(size)
    similarities = random.randint(values, size=(size, size)).astype(np.float32)
    np.testing.assert_array_equal(ranks(similarities), by_sorting(similarities))
    np.testing.assert_array_equal(ranks(similarities.T), by_sorting(similarities.T))
    np.testing.assert_array_equal(ranks(similarities.T.copy()), ranks(similarities.T))
    strided = np.repeat(similarities, 2, axis=1)[:, ::2]
    np.testing.assert_array_equal(ranks(strided), ranks(similarities))


def test_thousands_of_candidates_above_are_all_counted() -> None:
    similarities = np.zeros((2100, 2100), dtype=np.float32)
    np.fill_diagonal(similarities, -1)
    assert (ranks(similarities) == 2099).all()
    assert (ranks(np.asfortranarray(similarities)) == 2099).all()


def test_nan_and_wrong_shapes_are_refused() -> None:
    similarities = np.eye(4, dtype=np.float32)
    similarities[2, 1] = np.nan
    for given in (similarities, similarities.T, np.asfortranarray(similarities)):
        with pytest.raises(NonFiniteError, match="NaN"):
            ranks(given)
    with pytest.raises(DataError, match=r"must be \[n, n\], got \[2, 3\]"):
        ranks(np.zeros((2, 3)))
    with pytest.raises(DataError, match="both sides"):
        ranks_of_embeddings(np.zeros((2, 3), np.float32), np.zeros((3, 3), np.float32))


@pytest.mark.parametrize("entries", [1, 100, 37 * 5, 10**6])
def test_blocks_of_embeddings_change_nothing(entries) -> None:
    random = np.random.RandomState(0)
    one, other = random.standard_normal((2, 37, 6)).astype(np.float32)
    forth, back = ranks_both_ways(one, other, entries=entries)
    np.testing.assert_array_equal(forth, by_sorting(one @ other.T))
    np.testing.assert_array_equal(back, by_sorting(other @ one.T))
    np.testing.assert_array_equal(forth, ranks_of_embeddings(one, other, entries=entries))
    whole = np.concatenate([block for _, block in similarity_blocks(one, other, entries)])
    np.testing.assert_allclose(whole, one @ other.T, rtol=1e-5, atol=1e-6)


def test_equal_embeddings_tie_exactly_wherever_they_stand() -> None:
    random = np.random.RandomState(1)
    kinds = random.standard_normal((5, 301)).astype(
        np.float32
    )  # sizes at which a product's edges differ
    other = random.standard_normal((67, 301)).astype(np.float32)
    which = random.randint(5, size=67)
    for entries in (67 * 9, 10**6):
        forth, back = ranks_both_ways(other, kinds[which], entries=entries)
        counts = np.bincount(which, minlength=5)
        scores = other @ kinds.T
        expected = [
            counts[scores[i] > scores[i, k]].sum() + (counts[k] - 1) / 2
            for i, k in enumerate(which)
        ]
        np.testing.assert_array_equal(forth, expected)
        for kind in range(5):  # equal queries find the same order
            rows = np.flatnonzero(which == kind)
            assert len({float(back[i]) for i in rows}) == len(rows)
    same = np.tile(kinds[:1], (50, 1))
    for found in ranks_both_ways(same, same):
        assert (found == 24.5).all()


def test_nearest_are_in_order_and_of_equals_the_earlier_comes_first() -> None:
    random = np.random.RandomState(2)
    queries, candidates = (random.randint(-2, 3, size=(n, 2)).astype(np.float32) for n in (9, 14))
    expected = np.argsort(-(queries @ candidates.T), axis=1, kind="stable")
    for entries in (1, 30, 1000):
        np.testing.assert_array_equal(
            nearest(queries, candidates, 5, entries=entries), expected[:, :5]
        )
    assert nearest(queries, candidates[:3], 5).shape == (9, 3)


def test_recall_counts_what_the_benchmark_has_and_refuses_too_small_a_benchmark() -> None:
    found = retrieval_metrics(np.array([0.0, 0.5, 4.5, 60]), 8)
    assert [found[name] for name in ("R1", "R5", "R10", "R50")] == [12.5, 37.5, 37.5, 37.5]
    assert found["MedR"] == 3.5
    none = retrieval_metrics(np.zeros(0), 3)
    assert none["R50"] == 0
    assert math.isnan(none["MedR"])
    assert math.isnan(none["MeanR"])
    for complete in (1, 0):
        with pytest.raises(DataError, match=f"the benchmark has {complete}"):
            retrieval_metrics(np.zeros(2), complete)
    with pytest.raises(DataError, match="the benchmark has 0"):
        retrieval_metrics(np.zeros(0))


@pytest.mark.parametrize("case", ["avg", "avg2"])
def test_averages_by_id_are_the_oracles(golden, case) -> None:
    names, means = average_by_id(golden[f"{case}.ids"], golden[f"{case}.in"])
    assert names == sorted(set(golden[f"{case}.ids"].tolist()) - {"-1"})
    assert means.dtype == np.float32
    np.testing.assert_allclose(means, golden[f"{case}.out"], atol=1e-6)


def test_averages_of_nothing_and_of_unequal_lengths() -> None:
    names, means = average_by_id(["-1", "-1"], np.ones((2, 3), np.float32))
    assert names == []
    assert means.shape == (0, 3)
    with pytest.raises(DataError, match="2 rows have 1 ids"):
        average_by_id(["a"], np.ones((2, 3)))


def test_intervals_are_those_of_a_loop_over_resamples() -> None:
    random = np.random.RandomState(3)
    given = random.randint(0, 40, size=(2, 41)) / 2
    found = bootstrap_intervals(given, 50, resamples=2000, seed=5)
    for direction, own in enumerate(given):
        drawn = own[random.randint(41, size=(2000, 41))]
        for i, k in enumerate((1, 5, 10, 50)):
            expected = np.quantile(
                100 * (drawn < k - 0.5 * (k == 1)).sum(axis=1) / 50, [0.025, 0.975]
            )
            np.testing.assert_allclose(found.recall[direction, i], expected, atol=2.01)  # one query
        expected = np.quantile(np.median(drawn, axis=1) + 1, [0.025, 0.975])
        np.testing.assert_allclose(found.median_rank[direction], expected, atol=0.51)
    again = bootstrap_intervals(given, 50, resamples=2000, seed=5)
    np.testing.assert_array_equal(found.recall, again.recall)
    alone = bootstrap_intervals(given[1:], 50, resamples=2000, seed=5)
    np.testing.assert_array_equal(found.median_rank[1:], alone.median_rank)
    other = bootstrap_intervals(given, 50, resamples=2000, seed=6)
    assert not np.array_equal(found.recall, other.recall)


def test_medians_of_resamples_are_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    for count in (1, 2, 5, 8):
        given = np.random.RandomState(count).randint(9, size=(1, count)).astype(float)
        for entries in (1, 3 * count, 10**6):
            monkeypatch.setattr("mlzoo_multisk.scores.bootstrap._ENTRIES", entries)
            found = bootstrap_intervals(given, resamples=64, level=1.0, seed=1)
            from mlzoo_multisk.scores.bootstrap import _draws

            drawn = np.concatenate(list(_draws(count, 64, 1)), axis=1).T
            medians = [np.median(np.repeat(given[0], times)) + 1 for times in drawn]
            assert (drawn.sum(axis=1) == count).all()
            np.testing.assert_array_equal(found.median_rank[0], [min(medians), max(medians)])


def test_intervals_of_one_query_and_of_none() -> None:
    one = bootstrap_intervals(np.zeros((3, 1)))
    assert (one.recall == 100).all()
    assert (one.median_rank == 1).all()
    with pytest.raises(DataError, match="ranks of 0 queries"):
        bootstrap_intervals(np.zeros((3, 0)))
