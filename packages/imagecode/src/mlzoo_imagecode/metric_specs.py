"""What the evaluators of the task ``contextual-retrieval`` report. Imports nothing heavy."""

from __future__ import annotations

from mlzoo.specs import Identity, Metric, MtebTask

TAGS = ("con", "v", "n", "neg", "s", "q", "col", "cor", "t", "img")
"""Phenomena, by the letters of the published annotations."""

TAG_NAMES = {
    "con": "context",
    "v": "visibility or occlusion",
    "n": "nuances",
    "neg": "negation",
    "s": "spatial relations",
    "q": "quantities",
    "col": "colours",
    "cor": "co-reference",
    "t": "time",
    "img": "properties of the image itself",
}
"""What they mean; the meanings are inferred."""

MAIN = "accuracy"
"""Chooses the epoch on val."""

METRICS = {
    MAIN: Metric(
        higher_is_better=True,
        unit="%",
        main=True,
        summary="descriptions whose image has the highest score; the first of equal scores counts",
    ),
    "accuracy_video": Metric(
        higher_is_better=True, unit="%", summary="the same, among frames of a video"
    ),
    "accuracy_static": Metric(
        higher_is_better=True, unit="%", summary="the same, among images that are no frames"
    ),
    "mean_rank": Metric(
        higher_is_better=False, summary="of the described image, from 1; ties as they are ordered"
    ),
    "mean_distance": Metric(
        higher_is_better=False,
        detail=True,
        summary="positions between the chosen image and the described one, over all descriptions",
    ),
    "errors_next_to_target": Metric(
        higher_is_better=True,
        unit="%",
        detail=True,
        summary="errors that chose a neighbour of the described image",
    ),
}
"""Every key of ``mlzoo_imagecode.evaluators.score``; NaN where targets are hidden, or there are no such
descriptions."""

VIDEO, STATIC = 1821, 485
"""Test descriptions of each kind."""

IDENTITIES = (
    Identity(
        metric=MAIN,
        kind="weighted-mean",
        of=("accuracy_video", "accuracy_static"),
        weights={"imagecode/test": (VIDEO, STATIC)},
    ),
)
"""What the metrics obey."""

MTEB = MtebTask(
    type="Compositionality",
    main=MAIN,
    scores={
        MAIN: "accuracy",
        "accuracy_video": "accuracy_video",
        "accuracy_static": "accuracy_static",
    },
    languages=("eng-Latn",),
)
"""The choice of an image among those of its set; MTEB calls the share of right ones accuracy."""

PHENOMENA_METRICS = {
    f"accuracy_{tag}": Metric(
        higher_is_better=True,
        unit="%",
        detail=True,
        summary=f"accuracy where a description shows: {TAG_NAMES[tag]} ({tag})",
    )
    for tag in TAGS
} | {
    "accuracy_seen_annotators": Metric(
        higher_is_better=True,
        unit="%",
        detail=True,
        summary="accuracy on descriptions by people who wrote training descriptions, too",
    ),
    "accuracy_unseen_annotators": Metric(
        higher_is_better=True,
        unit="%",
        detail=True,
        summary="accuracy on descriptions by people who wrote none",
    ),
}
"""Every key of ``mlzoo_imagecode.evaluators.score_phenomena``; NaN where nobody has annotated."""
