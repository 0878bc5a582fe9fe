"""Scores of the task ``multimodal-retrieval``: every direction between text, video, audio and pairs of them.

All read the prediction arrays of :mod:`mlzoo_multisk.retrieval`. Similarities are cosines; a pair such as
``v+a`` is the mean of two embeddings of length 1. What a model has no embeddings for is NaN.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from mlzoo.errors import NonFiniteError, PluginError
from mlzoo_multisk.clips import MODALITIES, Clips, Floats, Modality
from mlzoo_multisk.metric_specs import ANCHOR_METRICS, DIRECTIONS, KS, METRICS
from mlzoo_multisk.scores import anchors
from mlzoo_multisk.scores.bootstrap import bootstrap_intervals
from mlzoo_multisk.scores.ranks import Ranks, nearest, ranks_both_ways
from mlzoo_multisk.scores.recall import retrieval_metrics

Arrays = Mapping[str, npt.NDArray[Any]]
Table = dict[str, Sequence[Any] | npt.NDArray[Any]]
NAN = float("nan")

SINGLE = {"t": "text", "v": "video", "a": "audio"}
FUSED = {name: name for name in ("tv", "ta", "va")}
SHOWN = 5
"""Clips that the table ``examples`` names for each query."""

_ENDINGS = (*(f"r{k}" for k in KS), "median_rank", "mean_rank", "geometric_mean")
"""Of metrics' names, in the order of :func:`retrieval_metrics`."""


class World(Protocol):
    """What is read of the task's data."""

    @property
    def parts(self) -> Mapping[str, Clips]:
        """Clips by split."""


@dataclass(frozen=True, eq=False)
class Sides:
    """What queries and candidates are made of, checked.

    Attributes:
        rows: by letter (``t``, ``v``, ``a``, ``tv``, ...) float32 [n, P], of length 1; a row of zeros
            stays.
        complete: clips of the benchmark.
        ids: of the clips.
    """

    rows: Mapping[str, Floats]
    complete: int
    ids: Sequence[str]

    def __len__(self) -> int:
        return len(self.ids)

    def of(self, side: str) -> Floats | None:
        """Rows of a side, such as ``v+a``; None if the model has none."""
        letters = side.split("+")
        if any(letter not in self.rows for letter in letters):
            return None
        if len(letters) == 1:
            return self.rows[side]
        one, other = (self.rows[letter] for letter in letters)
        return unit((one + other) / 2)


def score(predictions: Arrays, data: World) -> dict[str, float]:
    """Every number of ``mlzoo_multisk.metric_specs.METRICS``.

    Args:
        predictions: the arrays of :mod:`mlzoo_multisk.retrieval`; text, video and ``complete`` at least.
        data: not looked at.

    Raises:
        PluginError: an array is missing, or they do not fit together.
        NonFiniteError: embeddings hold NaN or infinity.
    """
    sides = checked(predictions)
    found = dict.fromkeys(METRICS, NAN)
    for direction, ranks in ranks_by_direction(sides).items():
        values = retrieval_metrics(ranks, sides.complete).values()
        found |= {
            f"{direction}_{ending}": value for ending, value in zip(_ENDINGS, values, strict=True)
        }
    return found


def score_anchors(predictions: Arrays, data: World) -> dict[str, float]:
    """Every number of ``mlzoo_multisk.metric_specs.ANCHOR_METRICS``, in percent; NaN without anchors.

    A sample is a modality that a clip has. Its nearest anchor is looked for in the set of that modality, for
    agreement in each set.

    Raises:
        PluginError: arrays do not fit together.
    """
    found = dict.fromkeys(ANCHOR_METRICS, NAN)
    names = [name for name in MODALITIES if f"out_{name}_{name}" in predictions]
    if not names:
        return found
    present = {name: presence_of(predictions, name) for name in names}
    own = {name: nearest_anchor(predictions, name, name)[present[name]] for name in names}
    width = {name: predictions[f"out_{name}_{name}"].shape[1] for name in names}
    plans = [
        anchors.marginal_error(predictions[f"plan_{name}"][present[name]])
        for name in names
        if f"plan_{name}" in predictions
    ]
    entropies = [anchors.entropy_of_use(own[name], width[name]) for name in names]
    used = [anchors.used(own[name], width[name]) for name in names]
    agreements = [
        anchors.agreement({m: nearest_anchor(predictions, m, s) for m in names}, present)
        for s in names
    ]
    for metric, values in zip(ANCHOR_METRICS, (plans, entropies, used, agreements), strict=True):
        found[metric] = 100 * _mean(values)
    return found


def directions(predictions: Arrays, data: World) -> Table:
    """The table ``directions``: one row a direction, with 95 % bootstrap intervals over queries.

    Returns:
        ``direction``; for ``r1``, ``r5``, ``r10``, ``r50`` (percent) and ``median_rank`` the value and its
        bounds ``*_low`` and ``*_high``; ``mean_rank``; ``queries``, how many there are, and ``complete``, by
        how many recall is divided. Empty where the model has no embeddings. Arguments and errors as in
        :func:`score`.
    """
    sides = checked(predictions)
    ranks = ranks_by_direction(sides)
    drawn = bootstrap_intervals(np.stack(list(ranks.values())), sides.complete)
    rows: dict[str, dict[str, float]] = {}
    for number, (direction, own) in enumerate(ranks.items()):
        values = dict(zip(_ENDINGS, retrieval_metrics(own, sides.complete).values(), strict=True))
        bounds = {f"r{k}": drawn.recall[number, i] for i, k in enumerate(KS)}
        bounds["median_rank"] = drawn.median_rank[number]
        row = rows.setdefault(direction, {})
        for name, (low, high) in bounds.items():
            row |= {name: values[name], f"{name}_low": low, f"{name}_high": high}
        row |= {"mean_rank": values["mean_rank"], "queries": len(sides)}
        row["complete"] = sides.complete
    heads = list(next(iter(rows.values())))
    return {
        "direction": list(DIRECTIONS),
        **{head: [rows.get(name, {}).get(head) for name in DIRECTIONS] for head in heads},
    }


def examples(predictions: Arrays, data: World) -> Table:
    """The table ``examples``: what each caption finds among the videos.

    Returns:
        A row for each clip: ``clip``, its id; ``caption``, the query; ``rank`` of the right video, from 1,
        and ``rank_with_audio``, that of video and audio (empty without audio); ``first`` to ``fifth``, the
        ids of the most similar videos. Arguments and errors as in :func:`score`.
    """
    sides = checked(predictions)
    text, video, both = (sides.of(side) for side in ("t", "v", "v+a"))
    assert text is not None
    assert video is not None
    rank = ranks_both_ways(text, video)[0] + 1
    best = nearest(text, video, SHOWN)
    table: Table = {"clip": sides.ids, "caption": _captions(sides.ids, data), "rank": rank}
    table["rank_with_audio"] = (
        [None] * len(sides) if both is None else ranks_both_ways(text, both)[0] + 1
    )
    for place, name in enumerate(("first", "second", "third", "fourth", "fifth")):
        there = place < best.shape[1]
        table[name] = [sides.ids[row[place]] if there else None for row in best]
    return table


def ranks_by_direction(sides: Sides, wanted: Sequence[str] = DIRECTIONS) -> dict[str, Ranks]:
    """float64 [n], from 0, by direction, in their order, for those of the wanted ones that the model has
    embeddings for. One matrix product serves a direction and the opposite one."""
    found: dict[str, Ranks] = {}
    for direction in wanted:
        if direction in found:
            continue
        query, candidates = direction.split("2")
        one, other = sides.of(query), sides.of(candidates)
        if one is not None and other is not None:
            found[direction], found[f"{candidates}2{query}"] = ranks_both_ways(one, other)
    return {direction: found[direction] for direction in wanted if direction in found}


def nearest_anchor(
    predictions: Arrays, modality: Modality, anchors_of: Modality
) -> npt.NDArray[np.int64]:
    """int64 [n]: the anchor, of the set of ``anchors_of``, that each clip's embedding is most similar to.

    Raises:
        PluginError: there are no such similarities, or of other shape.
        NonFiniteError: they hold NaN or infinity.
    """
    name = f"out_{modality}_{anchors_of}"
    if name not in predictions:
        raise PluginError(f"the predictions lack {name}; anchors come with all nine out_*.")
    similarities = predictions[name]
    clips = len(predictions["text"])
    if similarities.ndim != 2 or len(similarities) != clips or not similarities.shape[1]:
        raise PluginError(
            f"the predictions hold {name} of shape {list(similarities.shape)}; expected [{clips}, K]"
        )
    _require_finite(name, similarities)
    found: npt.NDArray[np.int64] = similarities.argmax(axis=1)
    return found


def checked(predictions: Arrays) -> Sides:
    """Embeddings and counts, checked as :func:`score` says."""
    needed = ("text", "video", "complete")
    if lacking := [name for name in needed if name not in predictions]:
        raise PluginError(
            f"the predictions lack {', '.join(lacking)}; this task's evaluators read {', '.join(needed)}"
        )
    letters = {k: name for k, name in (SINGLE | FUSED).items() if name in predictions}
    shape = predictions["text"].shape
    for name in letters.values():
        array = predictions[name]
        if array.ndim != 2 or array.shape != shape or array.dtype.kind != "f":
            raise PluginError(
                f"the predictions hold {name} of shape {list(array.shape)} and type {array.dtype}; "
                f"expected floating-point numbers of shape {list(shape)}, as text has"
            )
        _require_finite(name, array)
    complete, clips = predictions["complete"], shape[0]
    if complete.shape != () or complete.dtype.kind not in "iu" or not 0 < clips <= complete:
        raise PluginError(
            f"the predictions hold {clips} clips and complete = {complete}; expected a whole number that is "
            "not smaller, and one clip at least"
        )
    ids = predictions.get("ids", np.arange(clips)).astype(np.str_).tolist()
    if len(ids) != clips:
        raise PluginError(f"the predictions hold {len(ids)} ids of {clips} clips")
    return Sides({k: unit(predictions[name]) for k, name in letters.items()}, int(complete), ids)


def unit(rows: npt.NDArray[Any]) -> Floats:
    """Rows as float32 of length 1; rows of zeros stay."""
    rows = rows.astype(np.float32)
    lengths = np.sqrt(np.einsum("np,np->n", rows, rows))[:, None]
    found: Floats = np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)
    return found


def _require_finite(name: str, array: npt.NDArray[Any]) -> None:
    finite = np.isfinite(array).all(axis=1)
    if not finite.all():
        row = int(finite.argmin())
        raise NonFiniteError(f"the predictions hold NaN or infinity: {name}, row {row}")


def presence_of(predictions: Arrays, modality: Modality) -> npt.NDArray[np.bool_]:
    """bool [n], the clips that have a modality; all if nothing is said."""
    everywhere = np.ones(len(predictions["text"]), dtype=bool)
    return predictions.get(f"has_{modality}", everywhere).astype(bool)


def _captions(ids: Sequence[str], data: World) -> list[str]:
    """Of the part of the data that has clips of these ids; empty text if none has."""
    for clips in data.parts.values():
        known = dict(zip(clips.ids, clips.captions, strict=True))
        if all(name in known for name in ids):
            return [known[name] for name in ids]
    return [""] * len(ids)


def _mean(values: Sequence[float]) -> float:
    """Without NaN; NaN if nothing is left."""
    kept = [value for value in values if not np.isnan(value)]
    return float(np.mean(kept)) if kept else NAN
