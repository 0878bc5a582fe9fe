"""Scores of the task ``multilabel-zero-shot``: one pass over one score matrix for ZSL, GZSL and seen tags.

All read the prediction arrays of :mod:`mlzoo_biam.multilabel`, by the protocol of
:mod:`mlzoo_biam.scores.protocol`. What a split cannot say is NaN, such as ZSL where no unseen tag is
annotated, or F1 of ten tags of eight.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from mlzoo.errors import DataError, NonFiniteError, PluginError
from mlzoo_biam.labels import PREFIX, Labels
from mlzoo_biam.metric_specs import F1_KS, KS, MAIN, METRICS, POOLED_METRICS
from mlzoo_biam.scores.at_k import AtK, precision_recall_f1_at
from mlzoo_biam.scores.average_precision import (
    BLOCK_ENTRIES,
    Float64,
    Scores,
    mean_over_classes,
    weighted_mean,
)
from mlzoo_biam.scores.pooled_precision import pooled_average_precision
from mlzoo_biam.scores.protocol import Section, is_partly_annotated, precision_by_section, sections

Arrays = Mapping[str, npt.NDArray[Any]]
Table = dict[str, Sequence[Any] | npt.NDArray[Any]]
NAN = float("nan")


class World(Protocol):
    """What is read of the task's data."""

    @property
    def tags(self) -> tuple[str, ...]:
        """Names of all tags, seen then unseen."""

    @property
    def seen_count(self) -> int:
        """How many are seen."""


def score(predictions: Arrays, data: World) -> dict[str, float]:
    """Every number of ``mlzoo_biam.metric_specs.METRICS``, in percent.

    Args:
        predictions: ``scores`` [n, C] and the four arrays of ``Labels``.
        data: the world they were predicted in.

    Raises:
        PluginError: an array is missing, or they do not fit together or the data.
        NonFiniteError: scores hold NaN or infinity.
    """
    scores, labels = checked(predictions, data)
    parts = sections(labels, data.seen_count)
    precision = precision_by_section(scores, labels, parts)
    found = dict.fromkeys(METRICS, NAN)
    for name, part in parts.items():
        if part.speaks:
            found |= mean_scores(part, precision[name])
            at = at_k(scores, part, F1_KS[name])
            found |= {f"{name}_f1_{k}": 100 * float(each.f1[0]) for k, each in at.items()}
    if np.isnan(found[MAIN]):  # fewer than five seen tags, or no positive: an epoch must be chosen
        found[MAIN] = _of_all_seen(scores, parts["seen"])
    return found


def score_pooled(predictions: Arrays, data: World) -> dict[str, float]:
    """Every number of ``mlzoo_biam.metric_specs.POOLED_METRICS``, in percent: the published program's AP
    where tags are partly annotated, NaN elsewhere. Arguments and errors as in :func:`score`."""
    scores, labels = checked(predictions, data)
    found = dict.fromkeys(POOLED_METRICS, NAN)
    if is_partly_annotated(labels):
        for part in sections(labels, data.seen_count).values():
            if part.speaks:
                found |= pooled_scores(part, _pooled(scores, part))
    return found


def per_tag(predictions: Arrays, data: World) -> Table:
    """The table ``per-tag``: one row a tag, among the tags of its kind; as in :func:`score`.

    Returns:
        ``tag``; ``kind``, seen or unseen; ``positives`` and ``annotated``, images that count;
        ``average_precision`` and, where tags are partly annotated, ``pooled_precision``; ``f1_5``,
        ``precision_5`` and ``recall_5``. In percent; empty where there is nothing to say.
    """
    scores, labels = checked(predictions, data)
    parts = sections(labels, data.seen_count)
    precision = precision_by_section(scores, labels, parts)
    kinds = {"seen": parts["seen"], "unseen": parts["zsl"]}
    table: dict[str, list[Any]] = {"tag": list(data.tags), "kind": [], "positives": []}
    for kind, part in kinds.items():
        width = part.labels.width
        columns: dict[str, Any] = {
            "kind": [kind] * width,
            "positives": part.labels.positives(),
            "annotated": part.annotated,
            "average_precision": 100 * precision[part.name],
        }
        if is_partly_annotated(labels):
            columns["pooled_precision"] = 100 * _pooled(scores, part)
        columns |= _at_five(scores, part)
        for name, column in columns.items():
            table.setdefault(name, []).extend(column)
    return dict(table)


def at_k_table(predictions: Arrays, data: World) -> Table:
    """The table ``at-k``: one row a section and K, with ``f1``, ``precision`` and ``recall`` in percent, all
    pairs together; as in :func:`score`."""
    scores, labels = checked(predictions, data)
    rows = [
        (name, k, *(100 * float(value[0]) for value in each))
        for name, part in sections(labels, data.seen_count).items()
        if part.speaks
        for k, each in at_k(scores, part, KS).items()
    ]
    heads = ("section", "k", "f1", "precision", "recall")
    return {head: [row[i] for row in rows] for i, head in enumerate(heads)}


def mean_scores(part: Section, precision: Float64) -> dict[str, float]:
    """The three means of AP [w] of a section."""
    return {
        f"{part.name}_map": 100 * mean_over_classes(precision),
        f"{part.name}_map_published": 100
        * mean_over_classes(precision[part.counted], empty_as_zero=True),
        f"{part.name}_weighted_map": 100 * weighted_mean(precision, part.labels.positives()),
    }


def pooled_scores(part: Section, precision: Float64) -> dict[str, float]:
    """The two means of pooled AP [w] of a section; pools without positives count as 0."""
    return {
        f"{part.name}_map_pooled": 100
        * mean_over_classes(precision[part.counted], empty_as_zero=True),
        f"{part.name}_weighted_map_pooled": 100 * weighted_mean(precision, part.labels.positives()),
    }


def at_k(scores: Scores, part: Section, ks: Sequence[int]) -> dict[int, AtK]:
    """By K, for those K that a section has tags enough for."""
    fitting = [k for k in ks if k <= part.width]
    if not fitting:
        return {}
    found = precision_recall_f1_at(
        scores[:, part.tags],
        part.competing_labels,
        fitting,
        rows=part.rows,
        columns=part.competing,
    )
    return {k: AtK(*(each[i : i + 1] for each in found)) for i, k in enumerate(fitting)}


def checked(predictions: Arrays, data: World) -> tuple[Scores, Labels]:
    """Scores [n, C] and labels, checked as :func:`score` says."""
    names = ("scores", *(PREFIX + name for name in ("default", "indptr", "tags", "values")))
    if lacking := [name for name in names if name not in predictions]:
        raise PluginError(
            f"the predictions lack {', '.join(lacking)}; this task's evaluators read {', '.join(names)}"
        )
    scores = np.asarray(predictions["scores"])
    try:
        labels = Labels.from_predictions(predictions)
    except DataError as error:
        raise PluginError(f"the predictions hold {error.message}") from error
    shape = (len(labels), len(data.tags))
    if labels.width != len(data.tags):
        raise PluginError(
            f"the predictions hold labels of {labels.width} tags; the data has {len(data.tags)}"
        )
    if scores.shape != shape or scores.dtype.kind != "f":
        raise PluginError(
            f"the predictions hold scores of shape {list(scores.shape)} and type {scores.dtype}; "
            f"expected floating-point numbers of shape {list(shape)}"
        )
    step = max(1, BLOCK_ENTRIES // shape[1])
    for at in range(0, len(scores), step):
        finite = np.isfinite(scores[at : at + step]).all(axis=1)
        if not finite.all():
            row = at + int(finite.argmin())
            raise NonFiniteError(f"the predictions hold NaN or infinity: scores, row {row}")
    return scores, labels


def _pooled(scores: Scores, part: Section) -> Float64:
    return pooled_average_precision(scores[:, part.tags], part.labels, rows=part.rows)


def _of_all_seen(scores: Scores, seen: Section) -> float:
    """The main metric where there are fewer than five seen tags: of all of them. 0 without positives."""
    if not seen.speaks:
        return 0.0
    return 100 * float(at_k(scores, seen, [seen.width])[seen.width].f1[0])


def _at_five(scores: Scores, part: Section) -> dict[str, Float64]:
    """By tag [w], among the tags of the section; NaN for tags that do not compete."""
    found = {f"{name}_5": np.full(part.labels.width, NAN) for name in AtK._fields}
    if part.speaks and part.width >= 5:
        values = precision_recall_f1_at(
            scores[:, part.tags],
            part.competing_labels,
            [5],
            per_class=True,
            rows=part.rows,
            columns=part.competing,
        )
        place = slice(None) if part.competing is None else part.competing
        for column, value in zip(found.values(), values, strict=True):
            column[place] = 100 * value[0]
    return found
