"""Scores of many tags at once against one tag, one pool and one K at a time.

    python benchmarks/biam_metrics.py [--json FILE] [--threads 1] [--repeats 2] [--quick]

Sizes are those of NUS-WIDE's test images and 1006 tags, all annotated, and of a part of Open Images with
fifteen annotated tags an image. "loop over tags" sorts each tag's images and adds up precisions; "loop over
pools" sorts all pairs of a tag's images and walks down the annotated ones, or cuts these out first; "topk for
each K" marks the K highest scores in a matrix of its own. What the average precision holds in memory beside
scores and labels is recorded.
"""

from __future__ import annotations

import argparse
import tracemalloc
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from _measure import Row, arguments, compare, report

from mlzoo_biam.labels import Labels
from mlzoo_biam.metrics import (
    average_precision,
    pooled_average_precision,
    precision_recall_f1_at,
)

Array = npt.NDArray[np.generic]
KS = (1, 3, 5, 10, 20)


def precision_of(scores: Array, labels: Array) -> float:
    """AP of annotated scores, by the definition."""
    annotated = np.abs(labels) == 1
    scores, positive = scores[annotated], labels[annotated] == 1
    positive = positive[np.argsort(-scores, kind="stable")]
    precision = np.cumsum(positive) / np.arange(1, len(positive) + 1)
    return float(precision[positive].mean())


def loop_over_tags(scores: Array, labels: Array) -> Array:
    return np.array([precision_of(scores[:, tag], labels[:, tag]) for tag in range(len(scores.T))])


def loop_over_pools(scores: Array, labels: Array, *, cut_first: bool) -> Array:
    found = []
    for tag in range(len(scores.T)):
        pool = labels[:, tag] != 0
        own, given = scores[pool].ravel(), labels[pool].ravel()
        if not cut_first:
            order = np.argsort(-own, kind="stable")
            own, given = own[order], given[order]
        found.append(precision_of(own, given))
    return np.array(found)


def topk_for_each_k(scores: torch.Tensor, positive: torch.Tensor) -> Array:
    found = []
    for k in KS:
        chosen = torch.zeros_like(scores).scatter_(1, scores.topk(k, dim=1).indices, 1)
        hits = (chosen * positive).sum().double()
        precision, recall = hits / (len(scores) * k), hits / positive.sum()
        found.append(2 * precision * recall / (precision + recall))
    return torch.stack(found).numpy()


def peak_mb(call: Callable[[], object]) -> float:
    """The most that the call's arrays take at once."""
    tracemalloc.start()
    call()
    peak = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    return peak


def fully_annotated(options: argparse.Namespace) -> list[Row]:
    """AP and F1 of all tags."""
    images, tags = (400, 30) if options.quick else (107859, 1006)
    random = np.random.default_rng(0)
    scores = random.standard_normal((images, tags), dtype=np.float32)
    dense = np.full((images, tags), -1, dtype=np.int8)
    dense[random.integers(images, size=7 * images), random.integers(tags, size=7 * images)] = 1
    labels = Labels.from_dense(dense, -1)

    np.testing.assert_allclose(
        average_precision(scores, labels), loop_over_tags(scores, dense), rtol=1e-10
    )
    memory = peak_mb(lambda: average_precision(scores, labels))
    print(f"average precision holds {memory:.0f} MB beside {scores.nbytes / 1e6:.0f} MB of scores")
    what = f"{images} x {tags}"
    precision = compare(
        f"average precision, {what}",
        {
            "mlzoo": lambda: average_precision(scores, labels),
            "loop over tags": lambda: loop_over_tags(scores, dense),
        },
        options,
        against=("loop over tags",),
    ) | {"beside_mb": memory}

    shared, positive = torch.from_numpy(scores), torch.from_numpy(dense == 1).float()
    found = precision_recall_f1_at(scores, labels, KS).f1
    np.testing.assert_allclose(found, topk_for_each_k(shared, positive), rtol=1e-6)
    at_k = compare(
        f"F1 at {', '.join(map(str, KS))}, {what}",
        {
            "mlzoo": lambda: precision_recall_f1_at(scores, labels, KS),
            "topk for each K": lambda: topk_for_each_k(shared, positive),
        },
        options,
        against=("topk for each K",),
    )
    return [precision, at_k]


def partly_annotated(options: argparse.Namespace) -> Row:
    """Pooled AP of all tags."""
    images, tags, annotated = (300, 40, 5) if options.quick else (12000, 1000, 15)
    random = np.random.default_rng(1)
    scores = random.random((images, tags), dtype=np.float32)
    dense = np.zeros((images, tags), dtype=np.int8)
    rows = np.repeat(np.arange(images), annotated)
    dense[rows, random.integers(tags, size=len(rows))] = random.choice([-1, 1], size=len(rows))
    labels = Labels.from_dense(dense, 0)
    loops = {
        "loop over pools": lambda: loop_over_pools(scores, dense, cut_first=False),
        "loop, cut first": lambda: loop_over_pools(scores, dense, cut_first=True),
    }
    for loop in loops.values():
        np.testing.assert_allclose(pooled_average_precision(scores, labels), loop(), rtol=1e-10)
    return compare(
        f"pooled average precision, {images} x {tags}, {annotated} annotated",
        {"mlzoo": lambda: pooled_average_precision(scores, labels), **loops},
        options,
        against=tuple(loops),
    )


def main() -> None:
    options = arguments(__doc__, repeats=2)
    report([*fully_annotated(options), partly_annotated(options)], options)


if __name__ == "__main__":
    main()
