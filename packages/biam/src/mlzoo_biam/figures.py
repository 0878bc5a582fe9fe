"""Pictures of runs of the task ``multilabel-zero-shot``. Each function takes runs and returns a figure, or
None where it does not apply."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from mlzoo.report.groups import Group, group_runs
from mlzoo.report.style import COLOURS, lines, style
from mlzoo.run_directory import RunRecord
from mlzoo_biam.attention import normalised, over_image
from mlzoo_biam.labels import Labels
from mlzoo_biam.metrics import precision_recall_f1_at
from mlzoo_biam.multilabel import MultiLabelData

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LOGGED = {"loss": "ranking loss", "learning_rate": "learning rate"}
SCORES = {
    "seen_f1_5": "seen F1@5",
    "seen_map": "seen mAP",
    "zsl_map": "ZSL mAP",
    "gzsl_map": "GZSL mAP",
}
MOST_TAGS = 50
"""The largest K of the precision–recall curves."""
PIXELS = 112
"""Side of a map where there is no picture to lay it over."""


def training(runs: Sequence[RunRecord]) -> Figure | None:
    """Loss, learning rate and scores by epoch; thin lines are seeds, a thick one their mean."""
    groups = [group for group in group_runs(runs) if any("loss" in row for row in group.first.rows)]
    if not groups:
        return None
    splits = [
        s for s in ("val", "test") if any(row.get("split") == s for row in groups[0].first.rows)
    ]
    count = len(LOGGED) + len(splits)
    figure = Figure(figsize=(3.6 * count, 3.1), layout="constrained")
    panels = figure.subplots(1, count, squeeze=False)[0]
    for ax, (name, title) in zip(panels, LOGGED.items(), strict=False):
        for colour, group in zip(cycle(COLOURS), groups, strict=False):
            lines(ax, [run.step_means(name) for run in group.runs], colour, group.label)
        style(ax, title)
    for ax, split in zip(panels[len(LOGGED) :], splits, strict=True):
        _score_panel(ax, groups, split)
    for ax in panels:
        ax.set_xlabel("epoch", fontsize=8)
    if len(groups) > 1:
        panels[0].legend(fontsize=7, frameon=False)
    return figure


def _score_panel(ax: Axes, groups: Sequence[Group], split: str) -> None:
    """All scores of one experiment, or the first of several."""
    alone = len(groups) == 1
    shown = SCORES if alone else dict(list(SCORES.items())[:1])
    for number, group in enumerate(groups):
        for index, (name, label) in enumerate(shown.items()):
            found = [
                {
                    row["epoch"]: row[name]
                    for row in run.rows
                    if row.get("split") == split and row.get(name) is not None
                }
                for run in group.runs
            ]
            lines(ax, found, COLOURS[(index if alone else number) % len(COLOURS)], label)
    style(ax, f"scores on {split}, %" if alone else f"seen F1@5 on {split}, %")
    ax.set_ylim(bottom=0)
    if alone:
        ax.legend(fontsize=7, frameon=False)


def precision_recall(runs: Sequence[RunRecord]) -> Figure | None:
    """Precision over recall as the K highest tags of every image are taken for present, K = 1, 2, …:
    unseen tags alone (ZSL) and all tags (GZSL). Thin lines are seeds."""
    groups = group_runs(runs)
    data = groups[0].first.load_data()
    assert isinstance(data, MultiLabelData)
    figure = Figure(figsize=(9.0, 4.0), layout="constrained")
    parts = {"ZSL: unseen tags": data.unseen, "GZSL: all tags": slice(0, len(data.tags))}
    for ax, (title, tags) in zip(figure.subplots(1, 2), parts.items(), strict=True):
        for colour, group in zip(cycle(COLOURS), groups, strict=False):
            curves = [_curve(run, data, tags) for run in group.runs]
            for recall, precision in curves:
                ax.plot(recall, precision, color=colour, linewidth=0.8, alpha=0.5)
            recall, precision = np.mean(curves, axis=0)
            ax.plot(recall, precision, color=colour, marker=".", markersize=4, label=group.label)
        style(ax, f"{title}, test")
        ax.set_xlim(left=0)
        ax.set_ylim(bottom=0)
        ax.set_xlabel("recall, %", fontsize=8)
        ax.set_ylabel("precision, %", fontsize=8)
        ax.legend(fontsize=7, frameon=False)
    return figure


def _curve(
    run: RunRecord, data: MultiLabelData, tags: slice
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Recall and precision in percent by K."""
    predictions = run.predictions("test")
    scores = predictions["scores"][:, tags]
    labels = Labels.from_predictions(predictions).of_tags(tags)
    ks = range(1, min(MOST_TAGS, scores.shape[1]) + 1)
    found = precision_recall_f1_at(scores, labels, ks)
    return 100 * found.recall, 100 * found.precision


def region_maps(runs: Sequence[RunRecord]) -> Figure | None:
    """A handful of test images: where the three highest tags of each are seen. Of the first run."""
    first = group_runs(runs)[0].first
    predictions = first.predictions("test")
    if "shown_map" not in predictions:
        return None
    data = first.load_data()
    assert isinstance(data, MultiLabelData)
    images, tags, maps = (predictions[f"shown_{name}"] for name in ("image", "tag", "map"))
    pictures = predictions.get("shown_picture")
    labels = Labels.from_predictions(predictions).dense(
        np.asarray(images, dtype=np.int64)
    )  # [m, C]
    figure = Figure(figsize=(1.9 * (tags.shape[1] + 1), 2.05 * len(images)), layout="constrained")
    grid = figure.subplots(len(images), tags.shape[1] + 1, squeeze=False)
    for number, axes in enumerate(grid):
        picture = None if pictures is None else pictures[number]
        name = str(data.test.own_names[images[number]])
        _picture(axes[0], picture, _present(data, labels[number]), name)
        for ax, tag, heat in zip(axes[1:], tags[number], normalised(maps[number]), strict=True):
            _heat(ax, heat, picture)
            kind = "seen" if tag < data.seen_count else "unseen"
            mark = {1: "✓", -1: "✗"}.get(int(labels[number, tag]), "?")
            ax.set_title(f"{mark} {data.tags[tag]}\n({kind})", fontsize=8)
    figure.suptitle(
        f"{first.results['model']} on {first.results['dataset']}: regions of the highest tags",
        fontsize=9,
    )
    return figure


def _present(data: MultiLabelData, labels: npt.NDArray[np.int8]) -> str:
    names = [data.tags[tag] for tag in np.flatnonzero(labels > 0)]
    return ", ".join(names[:4]) + (" …" if len(names) > 4 else "")


def _picture(ax: Axes, picture: npt.NDArray[np.float32] | None, present: str, name: str) -> None:
    """The image, or what is known of it."""
    ax.set_xticks([])
    ax.set_yticks([])
    if picture is None:
        ax.text(0.5, 0.5, name, fontsize=6, ha="center", va="center", wrap=True)
        ax.set_frame_on(False)
    else:
        ax.imshow(picture, cmap="gray", vmin=0, vmax=1)
    ax.set_title(present, fontsize=7, wrap=True)


def _heat(ax: Axes, heat: npt.NDArray[np.float32], picture: npt.NDArray[np.float32] | None) -> None:
    height, width = (PIXELS, PIXELS) if picture is None else picture.shape[:2]
    if picture is not None:
        ax.imshow(picture, cmap="gray", vmin=0, vmax=1)
    over = over_image(heat[None], height, width)[0]
    ax.imshow(over, cmap="inferno", vmin=0, vmax=1, alpha=1.0 if picture is None else 0.6)
    ax.set_xticks([])
    ax.set_yticks([])
