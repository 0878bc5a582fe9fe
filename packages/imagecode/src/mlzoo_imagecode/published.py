"""Published numbers of ImageCoDe's test set, with their sources and whether somebody saw them there.

The leaderboard's row of the best baseline and the abstract disagree; both stand here.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from mlzoo import Published

LEADERBOARD = "leaderboard of the project page (mcgill-nlp.github.io/imagecode)"
ABSTRACT = "abstract of the paper (arXiv 2203.15867)"
TABLE = "main table of the paper, from memory"

TEMPORAL: dict[str, Any] = {"variant": "contextual", "temporal": True}
UNVERIFIED: tuple[tuple[dict[str, Any], tuple[float, float, float]], ...] = (
    ({"variant": "zero-shot"}, (22.4, 15.6, 47.8)),
    ({"variant": "nocontra"}, (24.3, 17.1, 51.3)),
    ({"variant": "contra"}, (28.4, 20.0, 60.0)),
    ({"variant": "contextual", "temporal": False}, (27.7, 19.6, 58.4)),
)
"""CLIP's rows of the paper's table: all, video, static."""

Triple: TypeAlias = tuple[float, float | None, float | None]
_ROWS: tuple[dict[str, Any], ...] = (*(options for options, _ in UNVERIFIED), TEMPORAL)
CROSS: dict[str, tuple[Triple, ...]] = {
    "uniter": (
        (19.8, 13.6, 42.9),
        (21.9, None, None),
        (24.8, 17.4, 52.8),
        (24.4, 16.7, 53.0),
        (25.7, 19.1, 50.5),
    ),
    "vilbert": (
        (19.3, 13.5, 40.8),
        (20.9, 13.1, 49.9),
        (20.9, 15.0, 42.7),
        (22.3, 16.1, 45.6),
        (24.5, 18.0, 49.3),
    ),
}
"""Those of the cross-encoders, from zero-shot to temporal embeddings; what nobody remembers is None."""

_METRICS = ("accuracy", "accuracy_video", "accuracy_static")


def published() -> tuple[Published, ...]:
    """CLIP's numbers with their sources; in percent."""
    numbers = [
        _number(metric, value, LEADERBOARD, TEMPORAL, verified=True)
        for metric, value in zip(_METRICS, (29.9, 22.0, 59.8), strict=True)
    ]
    numbers += [
        _number(metric, value, ABSTRACT, TEMPORAL, verified=True)
        for metric, value in (("accuracy_video", 20.9), ("accuracy_static", 59.4))
    ]
    numbers += [
        _number(metric, value, TABLE, options, verified=False)
        for options, triple in UNVERIFIED
        for metric, value in zip(_METRICS, triple, strict=True)
    ]
    return tuple(numbers)


def cross_published(model: str) -> tuple[Published, ...]:
    """Those of ``uniter`` or ``vilbert``."""
    return tuple(
        _number(metric, value, TABLE, options, verified=False)
        for options, triple in zip(_ROWS, CROSS[model], strict=True)
        for metric, value in zip(_METRICS, triple, strict=True)
        if value is not None
    )


def _number(
    metric: str, value: float, source: str, options: dict[str, Any], *, verified: bool
) -> Published:
    return Published(
        dataset="imagecode",
        metric=metric,
        value=value,
        source=source,
        selection="last" if options["variant"] == "zero-shot" else "val",
        verified=verified,
        tolerance=1.0,
        options=options,
    )
