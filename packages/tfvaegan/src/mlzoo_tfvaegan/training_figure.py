"""The picture of how a run was trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from mlzoo.metrics_log import read_rows
from mlzoo.report.groups import Group, group_runs
from mlzoo.report.style import COLOURS, lines, style
from mlzoo.run_directory import RunRecord

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LOSSES = {
    "distance": "critic: γ (mean D(x) - mean D(x̃))",
    "penalty": "gradient penalty, times λ γ",
    "penalty_statistic": "gradient penalty: mean (‖∇D‖ - 1)²",
    "penalty_weight": "gradient penalty: weight λ",
    "vae": "variational loss (nats a sample)",
    "decoder": "decoder: weighted loss on real features",
    "reconstruction": "decoder: loss on synthesised features",
}
ON_LOG_SCALE = ("penalty_weight", "decoder", "reconstruction", "vae")
SCORES = {
    "gzsl_h": "H",
    "gzsl_unseen": "unseen u",
    "gzsl_seen": "seen s",
    "zsl_top1": "ZSL T1",
}


def training(runs: Sequence[RunRecord]) -> Figure | None:
    """Losses, λ and scores by epoch; thin lines are seeds, a thick one their mean."""
    groups = group_runs(runs)
    counted = [run for group in groups for run in group.runs]
    losses = {run.directory: _losses(run) for run in counted}
    scores = {run.directory: _scores(run) for run in counted}
    shown = [name for name in LOSSES if any(name in found for found in losses.values())]
    scored = [split for split in ("val", "test") if any(split in s for s in scores.values())]
    count = len(shown) + len(scored)
    if not count:
        return None
    columns = min(4, count)
    grid = -(-count // columns), columns
    figure = Figure(figsize=(3.6 * columns, 2.8 * grid[0] + 0.3), layout="constrained")
    panels = list(figure.subplots(*grid, squeeze=False).flat)
    for ax, name in zip(panels, shown, strict=False):
        for colour, group in zip(cycle(COLOURS), groups, strict=False):
            found = [losses[run.directory].get(name, {}) for run in group.runs]
            lines(ax, found, colour, group.label)
        style(ax, LOSSES[name])
        if name in ON_LOG_SCALE:
            _log_scale(ax)
    for ax, split in zip(panels[len(shown) :], scored, strict=False):
        _score_panel(ax, groups, scores, split)
    for ax in panels[count:]:
        ax.set_visible(False)
    for ax in panels[:count]:
        ax.set_xlabel("epoch", fontsize=8)
        ax.set_xlim(left=0)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    if len(groups) > 1:
        panels[0].legend(fontsize=7, frameon=False)
    return figure


def _losses(run: RunRecord) -> dict[str, dict[int, float]]:
    """Mean over the steps of each epoch, by name and epoch; what was not logged is left out."""
    sums: dict[str, dict[int, list[float]]] = {}
    for row in run.rows:
        if "step" not in row:
            continue
        values = {name: row.get(name) for name in LOSSES}
        if row.get("critic_real") is not None and row.get("critic_fake") is not None:
            values["distance"] = row["critic_real"] - row["critic_fake"]
        for name, value in values.items():
            if value is not None:
                sums.setdefault(name, {}).setdefault(row["epoch"], []).append(value)
    return {
        name: {epoch: float(np.mean(values)) for epoch, values in epochs.items()}
        for name, epochs in sums.items()
    }


def _scores(run: RunRecord) -> dict[str, list[dict[str, Any]]]:
    """The evaluations by split; those of val may be in the search before the training."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in (*run.rows, *read_rows(run.directory / "search" / "metrics.jsonl")):
        if "split" in row:
            found.setdefault(row["split"], []).append(row)
    return found


def _score_panel(ax: Axes, groups: Sequence[Group], scores: Mapping[Path, Any], split: str) -> None:
    """All four accuracies of one experiment, or H of several."""
    alone = len(groups) == 1
    for number, group in enumerate(groups):
        for index, (name, label) in enumerate(SCORES.items() if alone else [("gzsl_h", "H")]):
            found = [
                {row["epoch"]: row[name] for row in rows if row.get(name) is not None}
                for rows in (scores[run.directory].get(split, []) for run in group.runs)
            ]
            lines(ax, found, COLOURS[(index if alone else number) % len(COLOURS)], label)
    style(ax, f"{'accuracy' if alone else 'H'} on {split}, %")
    ax.set_ylim(0, 1.25 * ax.get_ylim()[1])  # room for the legend
    if alone:
        ax.legend(fontsize=7, frameon=False, ncols=4, columnspacing=0.8, loc="upper left")


def _log_scale(ax: Axes) -> None:
    """Where all is positive and reaches over a factor of ten."""
    values = np.concatenate([line.get_ydata() for line in ax.lines])
    if values.min() > 0 and values.max() > 10 * values.min():
        ax.set_yscale("log")
