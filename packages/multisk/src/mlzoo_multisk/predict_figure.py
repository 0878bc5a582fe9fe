"""A picture of the best clips of each query."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from mlzoo.errors import UsageError
from mlzoo.files import atomic_write
from mlzoo.report.style import COLOURS, style
from mlzoo_multisk.clips import Floats, Index

MOST_QUERIES = 8
WIDEST = 60
"""Letters of a caption that are shown."""


def write_figure(
    path: Path,
    queries: Sequence[str],
    scores: Floats,
    best: Index,
    captions: Sequence[str],
    ids: Sequence[str],
) -> None:
    """Bars of the scores of the best clips, over the spread of all scores.

    Raises:
        UsageError: too many queries for one picture, or a file's ending that is no picture's.
    """
    if len(queries) > MOST_QUERIES:
        raise UsageError(f"--figure: a picture shows {MOST_QUERIES} queries, not {len(queries)}.")
    ending = path.suffix.removeprefix(".").lower()
    if ending not in Figure().canvas.get_supported_filetypes():
        raise UsageError(f"--figure: {path.name} is no kind of picture.", "Use .png or .svg.")
    figure = drawn(queries, scores, best, captions, ids)
    with atomic_write(path) as file:
        figure.savefig(file, format=ending, dpi=150)


def drawn(
    queries: Sequence[str],
    scores: Floats,
    best: Index,
    captions: Sequence[str],
    ids: Sequence[str],
) -> Figure:
    """The picture itself; see :func:`write_figure`."""
    height = 0.9 + len(queries) * (0.7 + 0.3 * best.shape[1])
    figure = Figure(figsize=(9, height), layout="constrained")
    panels = figure.subplots(len(queries), squeeze=False)[:, 0]
    lowest = min(0.0, float(scores.min()))
    for panel, query, row, chosen in zip(panels, queries, scores, best, strict=True):
        places = np.arange(len(chosen))
        panel.barh(places, row[chosen], color=COLOURS[0], height=0.7)
        low, high = np.percentile(row, [5, 95])
        panel.axvspan(low, high, color="0.88", zorder=0)
        labels = [_short(captions[clip] or "(no caption)") + f"  [{ids[clip]}]" for clip in chosen]
        panel.set_yticks(places, labels)
        panel.set_ylim(len(chosen) - 0.5, -0.5)
        panel.set_xlim(lowest, max(1.0, float(scores.max())))
        style(panel, f"“{_short(query)}”")
    panels[-1].set_xlabel("cosine similarity; grey: 5 to 95 % of all clips", fontsize=8)
    return figure


def _short(text: str) -> str:
    return text if len(text) <= WIDEST else text[: WIDEST - 1] + "…"
