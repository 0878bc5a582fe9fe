"""Tables of the task's evaluators: what numbers for a whole split leave out.

Each is a function of the prediction arrays of :mod:`mlzoo_imagecode.contextual` and the task data, which it
does not look at, and raises what :func:`mlzoo_imagecode.evaluators.score` raises. What needs a target is
empty where targets are hidden.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mlzoo_imagecode.evaluators import NAN, Arrays, Described, checked
from mlzoo_imagecode.metric_specs import TAG_NAMES
from mlzoo_imagecode.scores.chance import position_distances
from mlzoo_imagecode.scores.choices import Index, margins, share
from mlzoo_imagecode.scores.phenomena import phenomena

if TYPE_CHECKING:
    from mlzoo_imagecode.contextual import ContextualData

Table = dict[str, Sequence[Any] | npt.NDArray[Any]]

GAPS = (1, 2, 4, 8, 16, 32)
"""Last frame gaps of the rows of :func:`frame_gap`; the last row is beyond."""


def rank_histogram(predictions: Arrays, data: ContextualData) -> Table:
    """The table ``rank-histogram``.

    Returns:
        A row for each ``rank`` from 1 to k: ``count``, how many described images have it, ``share`` and
        ``chance`` in percent.
    """
    found = checked(predictions)
    counts = None if found.hidden else np.bincount(found.ranks, minlength=found.choices + 1)[1:]
    return {
        "rank": list(range(1, found.choices + 1)),
        **_counted(counts, np.full(found.choices, 1 / found.choices)),
    }


def frame_distance(predictions: Arrays, data: ContextualData) -> Table:
    """The table ``frame-distance``: how many places the chosen image is from the described one.

    Returns:
        A row for each ``distance`` from 0: ``count``, ``share`` and ``chance`` in percent.
    """
    found = checked(predictions)
    longest = int(np.ptp(found["position"], axis=1).max())
    counts, chance = None, np.full(longest + 1, NAN)
    if not found.hidden:
        counts = np.bincount(found.distances, minlength=longest + 1)
        apart = position_distances(found["position"], found["target"])
        chance = np.bincount(apart.ravel(), minlength=longest + 1) / apart.size
    return {"distance": list(range(longest + 1)), **_counted(counts, chance)}


def frame_gap(predictions: Arrays, data: ContextualData) -> Table:
    """The table ``frame-gap``: of videos, how right choices are by the number of frames between the described
    one and the nearest other candidate.

    Returns:
        A row for each range of gaps, ``from`` one ``to`` another (empty: and more): ``descriptions``,
        ``accuracy`` in percent, and ``next``, percent of all that chose the next position.
    """
    found = checked(predictions)
    ends = [*GAPS, None]
    table: Table = {"from": [1, *(gap + 1 for gap in GAPS)], "to": ends}
    if found.hidden:
        return table | {name: [None] * len(ends) for name in ("descriptions", "accuracy", "next")}
    place = np.where(found["video"], np.searchsorted(GAPS, nearest_frames(found)), -1)
    rows = [place == number for number in range(len(ends))]
    return table | {
        "descriptions": [int(row.sum()) for row in rows],
        "accuracy": [share(found.correct, row) for row in rows],
        "next": [share(found.distances == 1, row) for row in rows],
    }


def nearest_frames(found: Described) -> Index:
    """int64 [n]: frames between the described candidate and the nearest other one."""
    frame, target = found["frame"].astype(np.int64), found["target"]
    apart = np.abs(frame - np.take_along_axis(frame, target[:, None], axis=1))  # [n, k]
    apart[np.arange(len(apart)), target] = np.iinfo(np.int64).max
    nearest: Index = apart.min(axis=1)
    return nearest


def phenomena_table(predictions: Arrays, data: ContextualData) -> Table:
    """The table ``phenomena``.

    Returns:
        A row for each ``tag``: its ``meaning``; ``base``, descriptions in which somebody looked for it;
        ``count`` that show it and their ``share`` of the base; ``accuracy`` of these,
        ``accuracy_without`` of the others of the base, and the ``difference``, in percent.
    """
    found = checked(predictions)
    shown = phenomena(found.correct, found["tag"], found["annotated"])
    pairs = [
        (NAN, NAN) if found.hidden else (each.accuracy, each.accuracy_without) for each in shown
    ]
    return {
        "tag": [each.tag for each in shown],
        "meaning": [TAG_NAMES[each.tag] for each in shown],
        "base": [each.base for each in shown],
        "count": [each.count for each in shown],
        "share": [each.share for each in shown],
        "accuracy": [one for one, _ in pairs],
        "accuracy_without": [other for _, other in pairs],
        "difference": [one - other for one, other in pairs],
    }


def positions(predictions: Arrays, data: ContextualData) -> Table:
    """The table ``positions``.

    Returns:
        A row for each ``position`` in a set, from 0: how often it is ``described``, ``chosen`` and both
        (``right``), and percent right of those described there (``accuracy``).
    """
    found = checked(predictions)
    position, rows = found["position"], np.arange(len(found))
    count = int(position.max()) + 1
    choice = position[rows, found.chosen]
    described: Sequence[Any] | Index = [None] * count
    right, accuracy = described, described
    if not found.hidden:
        goal = position[rows, found["target"]]
        described = np.bincount(goal, minlength=count)
        right = np.bincount(goal[found.correct], minlength=count)
        accuracy = [share(found.correct, goal == place) for place in range(count)]
    return {
        "position": list(range(count)),
        "described": described,
        "chosen": np.bincount(choice, minlength=count),
        "right": right,
        "accuracy": accuracy,
    }


def examples(predictions: Arrays, data: ContextualData) -> Table:
    """The table ``examples``.

    Returns:
        A row for each description: ``set``; ``text``; the positions ``chosen`` and ``target`` in the set;
        ``rank`` of the described image, from 1; ``margin``, by how much the highest score exceeds the next.
    """
    found = checked(predictions)
    rows, nothing = np.arange(len(found)), [None] * len(found)
    return {
        "set": found["set"].tolist(),
        "text": found["text"].tolist(),
        "chosen": found["position"][rows, found.chosen],
        "target": nothing if found.hidden else found["position"][rows, found["target"]],
        "rank": nothing if found.hidden else found.ranks,
        "margin": margins(found["scores"]),
    }


def image_distance(predictions: Arrays, data: ContextualData) -> Table:
    """The table ``image-distance``: how alike the images of a set are to the model.

    Returns:
        A row for static sets, videos and all: ``descriptions``; ``distance``, the mean Euclidean distance of
        the described image's feature to the others', all of length 1; ``nearest``, that to the nearest one.
        Empty where targets are hidden or the model has no features.
    """
    found = checked(predictions)
    kinds = {"static": ~found["video"], "video": found["video"], "all": np.ones(len(found), bool)}
    table: Table = {"sets": list(kinds), "descriptions": [int(of.sum()) for of in kinds.values()]}
    apart = predictions.get("apart")
    if apart is None or found.hidden:
        return {**table, "distance": [None] * len(kinds), "nearest": [None] * len(kinds)}
    others = np.arange(found.choices) != found["target"][:, None]  # [n, k]
    rows = apart[others].reshape(len(found), found.choices - 1)
    return {
        **table,
        "distance": [float(rows[of].mean()) if of.any() else None for of in kinds.values()],
        "nearest": [
            float(rows[of].min(axis=1).mean()) if of.any() else None for of in kinds.values()
        ],
    }


def _counted(counts: npt.NDArray[np.int64] | None, chance: npt.NDArray[np.float64]) -> Table:
    """``count``, ``share`` and ``chance`` of rows, empty where nothing can be counted."""
    nothing = [None] * len(chance)
    return {
        "count": nothing if counts is None else counts,
        "share": nothing if counts is None else 100 * counts / counts.sum(),
        "chance": 100 * chance,
    }
