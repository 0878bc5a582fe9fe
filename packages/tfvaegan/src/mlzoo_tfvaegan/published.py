"""The numbers that the paper and its repository print, and how sure they are. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator

from mlzoo import Published

FIGURE = "bar charts in the README of the official repository"
LIST = "a public list of results that quotes the paper's table"
RECALLED = "the paper's table, recalled and not seen again"

# Percent: zsl_top1 (T1), gzsl_unseen (u), gzsl_seen (s), gzsl_h (H), and whether u and s were seen.
_ROWS: dict[tuple[str, str], tuple[float, float, float, float, str, str]] = {
    ("cub", "res101"): (64.9, 52.8, 64.7, 58.1, FIGURE, LIST),
    ("awa2", "res101"): (72.2, 59.8, 75.1, 66.6, FIGURE, LIST),
    ("flo", "res101"): (70.8, 62.5, 84.1, 71.7, FIGURE, RECALLED),
    ("sun", "res101"): (66.0, 45.6, 40.7, 43.0, FIGURE, RECALLED),
    ("cub", "finetuned"): (74.3, 63.8, 79.3, 70.7, LIST, LIST),
    ("awa2", "finetuned"): (73.4, 55.5, 83.6, 66.7, LIST, LIST),
    ("flo", "finetuned"): (74.7, 69.5, 92.5, 79.4, RECALLED, RECALLED),
    ("sun", "finetuned"): (66.7, 41.8, 51.9, 46.3, RECALLED, RECALLED),
}
_ACTIONS = {"hmdb51": (33.0, 37.6), "ucf101": (41.0, 50.9)}

SELECTED = "test@best-classifier-epoch"
"""Published numbers choose the epoch of the classifier on test data, too."""


def published() -> Iterator[Published]:
    """Every published number, with its source and whether it was seen there."""
    for (dataset, features), (t1, u, s, h, source, parts) in _ROWS.items():
        values = {
            "zsl_top1": (t1, source),
            "gzsl_unseen": (u, parts),
            "gzsl_seen": (s, parts),
            "gzsl_h": (h, source),
        }
        options = {} if features == "res101" else {"features": features}
        for metric, (value, where) in values.items():
            yield _number(dataset, metric, value, where, options)
    for dataset, (t1, h) in _ACTIONS.items():
        source = f"{RECALLED}; mean over 30 splits"
        yield _number(dataset, "zsl_top1", t1, source, {})
        yield _number(dataset, "gzsl_h", h, source, {})


def _number(
    dataset: str, metric: str, value: float, source: str, options: dict[str, str]
) -> Published:
    return Published(
        dataset=dataset,
        metric=metric,
        value=value,
        source=source,
        selection="test",
        verified=not source.startswith(RECALLED),
        tolerance=1.5,
        split=SELECTED,
        options=options,
    )
