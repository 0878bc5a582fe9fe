"""What the evaluators of the task ``multimodal-retrieval`` report. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from mlzoo.specs import Identity, Metric, MtebTask

SINGLE = ("t2v", "v2t", "t2a", "a2t", "v2a", "a2v")
AVERAGED = ("t2v+a", "v+a2t", "v2t+a", "t+a2v", "a2t+v", "t+v2a")
FUSED = ("t2va", "va2t", "v2ta", "ta2v", "a2tv", "tv2a")
DIRECTIONS = (*SINGLE, *AVERAGED, *FUSED)
"""Query, then candidates. ``v+a`` is the mean of two embeddings of length 1, ``va`` one of both fused."""

KS = (1, 5, 10, 50)
HEADLINES = ("t2v", "t2v+a", "t2va")
"""Directions whose metrics are no details: those that papers report."""
MAIN = "t2v_geometric_mean"
"""Chooses the epoch on val: the geometric mean of R@1, R@5 and R@10 from text to video."""

_NAMES = {"t": "text", "v": "video", "a": "audio"}


def described(direction: str) -> str:
    """``t2v+a`` as words."""
    query, candidates = direction.split("2")
    return f"{_side(query)} to {_side(candidates)}"


def _side(letters: str) -> str:
    joint = " and " if "+" in letters else " with "
    return joint.join(_NAMES[letter] for letter in letters if letter != "+")


def _of_direction(direction: str) -> dict[str, Metric]:
    what = described(direction)
    found = {
        f"{direction}_r{k}": Metric(
            higher_is_better=True,
            unit="%",
            summary=f"R@{k}, {what}; ties count as their mean rank",
            detail=direction not in HEADLINES or k == KS[-1],
        )
        for k in KS
    }
    for kind, note in (("median", ", from 1, of the clips that are there"), ("mean", "")):
        found[f"{direction}_{kind}_rank"] = Metric(
            higher_is_better=False,
            summary=f"{kind} rank{note}: {what}",
            detail=direction not in HEADLINES or kind == "mean",
        )
    mean = f"{direction}_geometric_mean"
    found[mean] = Metric(
        higher_is_better=True,
        unit="%",
        summary=f"geometric mean of R@1, R@5 and R@10: {what}",
        main=mean == MAIN,
        detail=direction not in HEADLINES,
    )
    return found


METRICS = {name: metric for each in DIRECTIONS for name, metric in _of_direction(each).items()}
"""Every key of ``mlzoo_multisk.evaluators.score``; a direction that a model has no embeddings for is NaN."""


def _identities(direction: str) -> Iterator[Identity]:
    recalls = [f"{direction}_r{k}" for k in KS]
    mean = f"{direction}_geometric_mean"
    yield Identity(metric=mean, kind="geometric-mean", of=tuple(recalls[:3]))
    for fewer, more in pairwise(recalls):
        yield Identity(metric=more, kind="at-least", of=(fewer,))


IDENTITIES = tuple(identity for each in DIRECTIONS for identity in _identities(each))
"""What the metrics obey: recall never falls with K, and the geometric mean is one."""

MTEB = tuple(
    MtebTask(
        type="Any2AnyRetrieval",
        main=f"{direction}_r1",
        scores={f"{direction}_r{k}": f"recall_at_{k}" for k in KS},
        languages=("eng-Latn",),
        suffix=direction,
    )
    for direction in DIRECTIONS
)
"""One task a direction: a query has one right answer, so that R@k is recall at k."""

ANCHOR_METRICS = {
    "anchor_marginal_error": Metric(
        higher_is_better=False,
        unit="%",
        summary="how far a modality's plan is from using every anchor of its set equally: mean of "
        "|share - mean| over the mean; mean over modalities",
    ),
    "anchor_entropy": Metric(
        higher_is_better=True,
        unit="%",
        summary="of the nearest anchors of a modality's samples in its own set, of the entropy of equal use; "
        "mean over modalities",
    ),
    "anchors_used": Metric(
        higher_is_better=True,
        unit="%",
        summary="anchors that are some sample's nearest in the set of its modality",
    ),
    "anchor_agreement": Metric(
        higher_is_better=True,
        unit="%",
        summary="two modalities of a clip with the same nearest anchor of one set; mean over pairs and sets",
    ),
}
"""Every key of ``mlzoo_multisk.evaluators.score_anchors``; NaN of a model without anchors."""
