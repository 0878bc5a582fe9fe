"""The picture of which anchors modalities of a clip are nearest to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure

from mlzoo.report.groups import group_runs
from mlzoo.run_directory import RunRecord
from mlzoo_multisk.clips import Modality
from mlzoo_multisk.evaluators import nearest_anchor, presence_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PAIRS: tuple[tuple[Modality, Modality], ...] = (
    ("text", "video"),
    ("text", "audio"),
    ("video", "audio"),
)
MOST_LABELS = 12
"""Anchors of a map that are numbered."""


def anchor_map(runs: Sequence[RunRecord]) -> Figure | None:
    """Which anchor of one set is nearest to two modalities of a clip: counts of test clips of the first run.
    Anchors are in the order of their use; what lies on the diagonal agrees."""
    first = group_runs(runs)[0].first
    predictions = first.predictions("test")
    if "out_text_text" not in predictions:
        return None
    pairs = [pair for pair in PAIRS if all(f"out_{name}_text" in predictions for name in pair)]
    nearest = {
        name: nearest_anchor(predictions, name, "text")
        for name in dict.fromkeys(name for pair in pairs for name in pair)
    }
    order = _order_of_use(list(nearest.values()), predictions["out_text_text"].shape[1])
    there = {pair: _both(predictions, *pair) for pair in pairs}
    counts = {
        (one, other): _counts(nearest[one][rows], nearest[other][rows], order)
        for (one, other), rows in there.items()
    }
    most = max(1, *(int(each.max()) for each in counts.values()))
    figure = Figure(figsize=(3.6 * len(pairs) + 0.6, 3.9), layout="constrained")
    panels = figure.subplots(1, len(pairs), squeeze=False)[0]
    for ax, ((one, other), each) in zip(panels, counts.items(), strict=True):
        shown = ax.imshow(each, cmap="Blues", norm=PowerNorm(0.5, 0, most))
        ax.axline((0, 0), slope=1, color="0.6", linewidth=0.6, linestyle=":")
        _label(ax, order, one, other)
        total = int(each.sum())
        agree = 100 * float(each.trace()) / total if total else float("nan")
        ax.set_title(f"the same for {agree:.0f} % of {total} clips", fontsize=9)
    bar = figure.colorbar(shown, ax=panels, shrink=0.8, pad=0.01)
    bar.set_ticks(sorted({round(most * share) for share in (0, 0.1, 0.4, 1)}))
    bar.ax.tick_params(labelsize=8)
    bar.set_label("clips", fontsize=8)
    figure.suptitle(
        f"{first.results['model']} on {first.results['dataset']}, test: "
        "nearest anchors of the text set, the most used first",
        fontsize=9,
    )
    return figure


def _both(
    predictions: Mapping[str, npt.NDArray[Any]], one: Modality, other: Modality
) -> npt.NDArray[np.bool_]:
    return presence_of(predictions, one) & presence_of(predictions, other)


def _order_of_use(nearest: Sequence[npt.NDArray[np.int64]], anchors: int) -> npt.NDArray[np.int64]:
    """Anchors that anything is nearest to, by how often."""
    counts = sum((np.bincount(each, minlength=anchors) for each in nearest), np.zeros(anchors))
    order = np.argsort(-counts, kind="stable")
    return order[counts[order] > 0]


def _counts(
    one: npt.NDArray[np.int64], other: npt.NDArray[np.int64], order: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """int64 [used, used]: how often the anchors of two modalities meet."""
    place = np.zeros(order.max() + 1, dtype=np.int64)
    place[order] = np.arange(len(order))
    counts = np.zeros((len(order), len(order)), dtype=np.int64)
    np.add.at(counts, (place[one], place[other]), 1)
    return counts


def _label(ax: Axes, order: npt.NDArray[np.int64], one: Modality, other: Modality) -> None:
    """Numbers of some anchors."""
    ticks = list(range(0, len(order), -(-len(order) // MOST_LABELS)))
    labels = [str(order[tick]) for tick in ticks]
    ax.set_xticks(ticks, labels, fontsize=7)
    ax.set_yticks(ticks, labels, fontsize=7)
    ax.set_ylabel(f"nearest to {one}", fontsize=8)
    ax.set_xlabel(f"nearest to {other}", fontsize=8)
