"""Pictures of MDN runs. Each function takes runs and returns a matplotlib figure, or None."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from mlzoo.report.groups import Group, group_runs
from mlzoo.run_directory import RunRecord
from mlzoo_mdn.confounded import ConfoundedData

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = ("#4c566a", "#1b7837", "#b35806", "#542788", "#2166ac", "#c51b7d")
CEILING_STYLES = {
    "chance": (0, (1, 3)),
    "true effect": (0, (6, 3)),
    "with the confounder": (0, (2, 2)),
}
VIEW_NAMES = {"": "exact statistics", "running": "running statistics"}


def samples(runs: Sequence[RunRecord]) -> Figure:
    """Four training images of each label, with their confounder."""
    data = runs[0].load_data()
    assert isinstance(data, ConfoundedData)
    figure = Figure(figsize=(7.2, 4.0), layout="constrained")
    axes = figure.subplots(2, 4)
    top = float(data.train.images.max())
    for label, rows in enumerate(data.train.rows_by_label()):
        for ax, row in zip(axes[label], rows[:4], strict=False):
            ax.imshow(data.train.images[row].mean(axis=0), cmap="gray", vmin=0, vmax=top)
            values = data.train.metadata[row]
            pairs = zip(data.metadata_names, values, strict=True)
            ax.set_title(", ".join(f"{name} {value:.2f}" for name, value in pairs), fontsize=8)
            ax.set_xticks([])
            ax.set_yticks([])
        axes[label][0].set_ylabel(f"label {label}")
    figure.suptitle(f"{runs[0].config['dataset']}: training images", fontsize=11)
    return figure


def curves(runs: Sequence[RunRecord]) -> Figure:
    """Validation accuracy and dcor² by epoch; thin lines are seeds. A diamond marks the statistics
    that were recomputed after training, where the curve shows running ones."""
    groups = group_runs(runs)
    figure = Figure(figsize=(9.0, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    for ax, metric, title in (
        (left, "accuracy", "accuracy on val, %"),
        (right, "dcor2_within", "dcor² of features and metadata within a label, val"),
    ):
        for colour, group in zip(cycle(COLOURS), groups, strict=False):
            _curve(ax, group, metric, colour)
        _style(ax, title)
        ax.set_xlabel("epoch")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    _ceilings(left, groups[0].first)
    right.axhline(0, color="#999999", linewidth=0.8)
    if any("val@running" in run.results["metrics"] for run in runs):
        right.plot(
            [], [], "D", color="#777777", markersize=4, label="exact statistics, after training"
        )
    right.legend(fontsize=8, frameon=False)
    return figure


def _value(metrics: Mapping[str, float | None], metric: str) -> float:
    """A metric, or the mean of the two labels' dcor²; NaN where there were too few samples."""
    names = ("dcor2_0", "dcor2_1") if metric == "dcor2_within" else (metric,)
    found = np.array([metrics[name] for name in names], dtype=np.float64)  # None becomes NaN
    return float(found.mean())


def _curve(ax: Axes, group: Group, metric: str, colour: str) -> None:
    lines = []
    for run in group.runs:
        rows = [row for row in run.rows if row.get("split") == "val"]
        epochs = [row["epoch"] for row in rows]
        values = [_value(row, metric) for row in rows]
        ax.plot(epochs, values, color=colour, linewidth=0.8, alpha=0.35)
        lines.append(values)
        if "val@running" in run.results["metrics"] and epochs:
            final = _value(run.results["metrics"]["val"], metric)
            ax.plot(epochs[-1] + 0.5, final, "D", color=colour, markersize=4)
    shortest = min(map(len, lines))
    if shortest:
        mean = np.mean([line[:shortest] for line in lines], axis=0)
        ax.plot(epochs[:shortest], mean, color=colour, linewidth=2, label=group.label)


def features(runs: Sequence[RunRecord]) -> Figure:
    """First two principal components of the test features, coloured by the first metadata column."""
    panels = _panels(runs)
    figure = Figure(figsize=(3.6 * len(panels), 3.7), layout="constrained")
    row = figure.subplots(1, len(panels), squeeze=False)[0]
    points = None
    for ax, (title, predictions) in zip(row, panels, strict=True):
        plane = _principal_plane(predictions["features"])  # [N, 2]
        for label, marker in ((0, "o"), (1, "^")):
            chosen = predictions["label"] == label
            points = ax.scatter(
                *plane[chosen].T,
                c=predictions["metadata"][chosen, 0],
                cmap="viridis",
                marker=marker,
                s=8,
                vmin=predictions["metadata"][:, 0].min(),
                vmax=predictions["metadata"][:, 0].max(),
                label=f"label {label}",
            )
        _style(ax, title)
        ax.set_xlabel("first component")
    row[0].set_ylabel("second component")
    row[0].legend(fontsize=8, frameon=False)
    if points is not None:
        figure.colorbar(points, ax=list(row), label="metadata")
    return figure


def _panels(
    runs: Sequence[RunRecord],
) -> list[tuple[str, dict[str, npt.NDArray[np.generic]]]]:
    """The first seed of each group, under each view."""
    panels = []
    for group in group_runs(runs):
        for split in group.splits("test"):
            view = split.partition("@")[2]
            shown = f"\n{VIEW_NAMES[view]}" if len(group.splits("test")) > 1 else ""
            title = f"{group.label}, seed {group.seeds[0]}{shown}"
            panels.append((title, group.first.predictions(split)))
    return panels


def _principal_plane(rows: npt.NDArray[np.generic]) -> npt.NDArray[np.float64]:
    centred = rows.astype(np.float64) - rows.mean(axis=0, dtype=np.float64)  # [N, F]
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    plane: npt.NDArray[np.float64] = centred @ directions[:2].T
    return plane


def comparison(runs: Sequence[RunRecord]) -> Figure | None:
    """Test accuracy and dcor² of several experiments: each dot a seed, the bar mean ± sd."""
    groups = group_runs(runs)
    if len(groups) < 2:
        return None
    columns = [(group, split) for group in groups for split in group.splits("test")]
    figure = Figure(figsize=(max(9.5, 2.4 * len(columns)), 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    for ax, metric, title in (
        (left, "accuracy", "test accuracy, %"),
        (right, "dcor2_within", "dcor² of features and metadata within a label, test"),
    ):
        for position, (group, split) in enumerate(columns):
            colour = COLOURS[groups.index(group) % len(COLOURS)]
            values = [_value(run.results["metrics"][split], metric) for run in group.runs]
            _dots(ax, position, values, colour, hollow="@" in split)
        ax.set_xticks(
            range(len(columns)), [_column_name(*column) for column in columns], fontsize=9
        )
        ax.set_xlim(-0.6, len(columns) - 0.4)
        _style(ax, title)
    _ceilings(left, groups[0].first)
    right.axhline(0, color="#999999", linewidth=0.8)
    counts = sorted({len(group.runs) for group in groups})
    seeds = " or ".join(map(str, counts))
    figure.suptitle(f"{groups[0].first.config['dataset']}: {seeds} seeds each", fontsize=11)
    return figure


def _column_name(group: Group, split: str) -> str:
    name = group.label.replace("network=", "").replace(" ", "\n")
    view = split.partition("@")[2]
    return f"{name}\n{VIEW_NAMES[view]}" if len(group.splits("test")) > 1 else name


def _dots(ax: Axes, position: float, values: Sequence[float], colour: str, *, hollow: bool) -> None:
    spread = np.linspace(-0.12, 0.12, len(values)) if len(values) > 1 else [0.0]
    face = "white" if hollow else colour
    ax.scatter(
        position + np.asarray(spread), values, s=26, facecolor=face, edgecolor=colour, zorder=3
    )
    mean = float(np.nanmean(values)) if np.isfinite(values).any() else np.nan
    sd = float(np.nanstd(values, ddof=1)) if np.isfinite(values).sum() > 1 else 0.0
    ax.errorbar(position + 0.26, mean, yerr=sd, fmt="_", color=colour, capsize=4, markersize=12)


def _ceilings(ax: Axes, run: RunRecord) -> None:
    """Chance level and ceilings of the accuracy as labelled lines."""
    for label, value in run.results["references"].get("accuracy", {}).items():
        ax.axhline(value, color="#666666", linewidth=1, linestyle=CEILING_STYLES.get(label, "-"))
        where = (0.01, value)
        ax.annotate(
            f"{label} {value:.1f}",
            where,
            xycoords=("axes fraction", "data"),
            fontsize=7,
            va="bottom",
            color="#444444",
            zorder=1,  # below the points
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.5},
        )


def _style(ax: Axes, title: str) -> None:
    ax.set_title(title, fontsize=9)
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(labelsize=8)
