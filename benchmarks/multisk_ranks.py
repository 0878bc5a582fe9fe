"""Ranks of 3339 queries among 3339 candidates by counting against sorting, ties included.

    python benchmarks/multisk_ranks.py [--json FILE] [--threads 1] [--repeats 5] [--quick]

The size is that of YouCook2's clips. "sort, then look" sorts each query's similarities and takes the mean
place of the right candidate's among them, all in arrays; "sort alone" is a floor of whatever sorts, and no
rank yet. A third of the similarities are rounded so that many are equal. Intervals are of 18 directions and
1000 resamples; "loop over resamples" draws queries and takes recalls and medians of each direction.
"""

from __future__ import annotations

import argparse

import numpy as np
import numpy.typing as npt
from _measure import Row, arguments, compare, report

from mlzoo_multisk.scores.bootstrap import bootstrap_intervals
from mlzoo_multisk.scores.ranks import ranks, ranks_both_ways
from mlzoo_multisk.scores.recall import hits

Array = npt.NDArray[np.generic]
KS = (1, 5, 10, 50)
DIRECTIONS = 18


def by_sorting(similarities: Array) -> Array:
    """The mean place of the right candidate's similarity, from 0."""
    ordered = np.sort(-similarities, axis=1)
    query, place = np.nonzero(ordered == -similarities.diagonal()[:, None])
    return np.bincount(query, weights=place) / np.bincount(query)


def resample_by_loop(given: Array, resamples: int) -> Array:
    """Lower and upper bounds of R@K and of the median rank, [d, 5, 2]."""
    random = np.random.RandomState(0)
    found = np.empty((resamples, len(given), len(KS) + 1))
    for number in range(resamples):
        drawn = given[:, random.randint(given.shape[1], size=given.shape[1])]
        for i, k in enumerate(KS):
            found[number, :, i] = 100 * hits(drawn, k).mean(axis=1)
        found[number, :, -1] = np.median(drawn, axis=1) + 1
    return np.moveaxis(np.quantile(found, [0.025, 0.975], axis=0), 0, -1)


def counting(options: argparse.Namespace) -> list[Row]:
    """Ranks in both directions of one matrix."""
    n = 120 if options.quick else 3339
    random = np.random.default_rng(0)
    similarities = random.standard_normal((n, n), dtype=np.float32)
    similarities[::3] = np.round(similarities[::3], 1)
    np.testing.assert_array_equal(ranks(similarities), by_sorting(similarities))
    np.testing.assert_array_equal(ranks(similarities.T), by_sorting(similarities.T))
    rows = []
    for what, matrix in (
        (f"ranks, {n} x {n}", similarities),
        ("the other way round", similarities.T),
    ):
        calls = {
            "mlzoo": lambda m=matrix: ranks(m),
            "sort, then look": lambda m=matrix: by_sorting(m),
            "sort alone": lambda m=matrix: np.sort(m, axis=1),
        }
        rows.append(compare(what, calls, options, against=("sort, then look", "sort alone")))
    return rows


def embeddings(options: argparse.Namespace) -> Row:
    """From embeddings to the ranks of a direction and its opposite."""
    n, width = (60, 16) if options.quick else (3339, 1024)
    random = np.random.default_rng(1)
    one, other = (random.standard_normal((n, width), dtype=np.float32) for _ in "ab")

    def each_alone() -> tuple[Array, Array]:
        return by_sorting(one @ other.T), by_sorting(other @ one.T)

    for ours, theirs in zip(ranks_both_ways(one, other), each_alone(), strict=True):
        assert np.abs(ours - theirs).max() <= 2  # products are rounded differently
    return compare(
        f"ranks both ways of {n} embeddings of {width}",
        {"mlzoo": lambda: ranks_both_ways(one, other), "each alone, by sorting": each_alone},
        options,
        against=("each alone, by sorting",),
        gflop=2 * n * n * width / 1e9,
    )


def intervals(options: argparse.Namespace) -> Row:
    """Bootstrap of all directions."""
    n, resamples = (50, 40) if options.quick else (3339, 1000)
    given = np.floor(np.random.default_rng(2).exponential(20, size=(DIRECTIONS, n)))
    found, loop = (
        bootstrap_intervals(given, resamples=resamples),
        resample_by_loop(given, resamples),
    )
    slack = 15 if options.quick else 1  # other draws
    np.testing.assert_allclose(found.recall, loop[:, :-1], atol=slack)
    np.testing.assert_allclose(found.median_rank, loop[:, -1], atol=slack)
    return compare(
        f"intervals of {DIRECTIONS} directions, {n} queries, {resamples} resamples",
        {
            "mlzoo": lambda: bootstrap_intervals(given, resamples=resamples),
            "loop over resamples": lambda: resample_by_loop(given, resamples),
        },
        options,
        against=("loop over resamples",),
    )


def main() -> None:
    options = arguments(__doc__, repeats=5)
    report([*counting(options), embeddings(options), intervals(options)], options)


if __name__ == "__main__":
    main()
