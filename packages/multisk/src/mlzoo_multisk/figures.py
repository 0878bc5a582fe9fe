"""Pictures of runs of the task ``multimodal-retrieval``. Each function takes runs and returns a figure, or
None where it does not apply."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from matplotlib.ticker import StrMethodFormatter

from mlzoo.report.groups import Group, group_runs
from mlzoo.report.style import COLOURS, lines, style
from mlzoo.run_directory import RunRecord
from mlzoo_multisk.anchor_figure import anchor_map
from mlzoo_multisk.evaluators import checked, ranks_by_direction
from mlzoo_multisk.metric_specs import KS, MAIN

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Float64 = npt.NDArray[np.float64]

__all__ = ["anchor_map", "rank_histogram", "recall_at_k", "training"]

CHANCE: dict[str, Any] = {"color": "0.45", "linestyle": "--", "linewidth": 1.2}
CEILING: dict[str, Any] = {
    "color": "black",
    "marker": "_",
    "markersize": 11,
    "markeredgewidth": 1.6,
    "linestyle": "",
}
EDGES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000)
"""Last ranks of a histogram's bars."""
HISTOGRAM = ("t2v", "t2v+a")
FROM_TEXT, TO_TEXT = ("t2v", "t2a", "t2v+a", "t2va"), ("v2t", "a2t", "v+a2t", "va2t")
SCORES = {"t2v_r1": "R@1", "t2v_r5": "R@5", "t2v_r10": "R@10", MAIN: "geometric mean"}
CONTRASTS = {
    "tv": "t2v", "ta": "t2a", "va": "v2a", "t_va": "t2va", "v_ta": "v2ta", "a_tv": "a2tv",
}  # fmt: skip
"""Directions by the names of contrastive losses."""


def rank_histogram(runs: Sequence[RunRecord]) -> Figure | None:
    """How many test captions have their video, or video with audio, at which rank; means over seeds. The
    dashed line is what random ranks give."""
    groups = group_runs(runs)
    found = [_ranks(group, HISTOGRAM) for group in groups]
    shown = [direction for direction in HISTOGRAM if any(direction in each for each in found)]
    figure = Figure(figsize=(5.0 * len(shown), 3.4), layout="constrained")
    for ax, direction in zip(figure.subplots(1, len(shown), squeeze=False)[0], shown, strict=True):
        there = [
            (group.label, each[direction], colour)
            for group, each, colour in zip(groups, found, cycle(COLOURS))
            if direction in each
        ]
        _histogram(ax, there)
        style(ax, f"rank of the right clip, {arrow(direction)}, test")
    return figure


def _histogram(ax: Axes, shown: Sequence[tuple[str, list[Float64], str]]) -> None:
    """Bars of several groups side by side: label, ranks of each run, colour."""
    most = max(len(ranks) for _, each, _ in shown for ranks in each)
    last = [edge for edge in EDGES if edge < most] + [most]
    first = [1, *(edge + 1 for edge in last[:-1])]
    width = 0.8 / len(shown)
    for number, (label, each, colour) in enumerate(shown):
        shares = np.mean([_shares(ranks, last) for ranks in each], axis=0)
        place = np.arange(len(last)) - 0.4 + width * (number + 0.5)
        ax.bar(place, shares, width=0.95 * width, color=colour, label=label)
    chance = [100 * (b - a + 1) / most for a, b in zip(first, last, strict=True)]
    edges = np.arange(len(last) + 1) - 0.5
    ax.stairs(chance, edges, baseline=None, label="chance", **CHANCE)
    names = [str(a) if a == b else f"{a}–{b}" for a, b in zip(first, last, strict=True)]
    ax.set_xticks(range(len(last)), names, rotation=35, ha="right", rotation_mode="anchor")
    ax.set_xlabel("rank", fontsize=8)
    ax.set_ylabel("queries, %", fontsize=8)
    ax.legend(fontsize=7, frameon=False)


def _shares(ranks: Float64, last: Sequence[int]) -> Float64:
    """Percent of the ranks up to each of the last ones, and beyond the one before."""
    return np.diff(found_up_to(ranks, np.array(last)), prepend=0) * 100 / len(ranks)


def found_up_to(ranks: Float64, ks: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """How many of the ranks [n], from 0, count as found among the first K, for ascending K."""
    ordered = np.sort(ranks)
    counts = np.searchsorted(ordered, ks, side="left")
    counts[ks == 1] = np.searchsorted(ordered, 0, side="right")  # first, and without equals
    return counts


def recall_at_k(runs: Sequence[RunRecord]) -> Figure | None:
    """Recall on test over K, with chance (dashed) and, where the data know it, the ceiling at 1, 5, 10 and 50
    (short bars). One experiment: all directions from and to text. Several: t → v and t → v+a."""
    groups = group_runs(runs)
    alone = len(groups) == 1
    panels = (FROM_TEXT, TO_TEXT) if alone else tuple((each,) for each in HISTOGRAM)
    titles = ("from text", "to text") if alone else tuple(arrow(each) for each in HISTOGRAM)
    figure = Figure(figsize=(9.6, 4.1), layout="constrained")
    for ax, directions, title in zip(figure.subplots(1, 2), panels, titles, strict=True):
        for number, group in enumerate(groups):
            ranks = _ranks(group, directions)
            for index, direction in enumerate(each for each in directions if each in ranks):
                colour = COLOURS[(index if alone else number) % len(COLOURS)]
                label = arrow(direction) if alone else group.label
                _recall_curves(ax, group.first, ranks[direction], colour, label)
        _references(ax, groups[0].first, directions)
        style(ax, f"R@K, {title}, test")
        _log_k(ax)
        ax.set_ylabel("found among the first K, %", fontsize=8)
        below = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.14), "ncol": 3}
        ax.legend(fontsize=7.5, frameon=False, **below)
    return figure


def _recall_curves(
    ax: Axes, run: RunRecord, each: Sequence[Float64], colour: str, label: str
) -> None:
    """One thin line a seed, and their mean."""
    complete = int(run.predictions("test")["complete"])
    ks = _ks(max(len(ranks) for ranks in each))
    curves = [100 * found_up_to(ranks, ks) / complete for ranks in each]
    for curve in curves if len(curves) > 1 else []:
        ax.plot(ks, curve, color=colour, linewidth=0.7, alpha=0.4)
    ax.plot(ks, np.mean(curves, axis=0), color=colour, linewidth=1.8, label=label)


def _references(ax: Axes, run: RunRecord, directions: Sequence[str]) -> None:
    predictions = run.predictions("test")
    count, complete = len(predictions["text"]), int(predictions["complete"])
    ks = _ks(count)
    ax.plot(ks, 100 * ks / complete, label="chance", **CHANCE)
    known = run.results["references"]
    ceilings = {k: known.get(f"{directions[0]}_r{k}", {}).get("ceiling") for k in KS if k <= count}
    shown = {k: value for k, value in ceilings.items() if value is not None}
    if shown:
        ax.plot(list(shown), list(shown.values()), label="ceiling", **CEILING)


def _ks(count: int) -> npt.NDArray[np.int64]:
    """Every K up to 100, then fewer."""
    ks = np.unique(np.concatenate([np.arange(1, 101), np.geomspace(100, max(count, 101), 200)]))
    return np.unique(ks[ks <= count].astype(np.int64))


def _log_k(ax: Axes) -> None:
    ax.set_xscale("log")
    ax.xaxis.set_major_formatter(StrMethodFormatter("{x:.0f}"))
    ax.set_xlabel("K", fontsize=8)
    ax.set_ylim(0, 102)


def training(runs: Sequence[RunRecord]) -> Figure | None:
    """What was logged and the scores from text to video by epoch; thin lines are seeds, a thick one their
    mean."""
    groups = [group for group in group_runs(runs) if any("loss" in row for row in group.first.rows)]
    if not groups:
        return None
    alone = len(groups) == 1
    parts = _logged_parts(groups[0].first) if alone else []
    splits = [s for s in ("val", "test") if any(r.get("split") == s for r in groups[0].first.rows)]
    titles = ["loss"] + (["parts of the loss"] if parts else []) + splits
    figure = Figure(figsize=(3.7 * len(titles), 3.2), layout="constrained")
    panels = dict(zip(titles, figure.subplots(1, len(titles), squeeze=False)[0], strict=True))
    for colour, group in zip(cycle(COLOURS), groups, strict=False):
        lines(panels["loss"], [run.step_means("loss") for run in group.runs], colour, group.label)
    for colour, name in zip(cycle(COLOURS), parts, strict=False):
        found = [run.step_means(name) for run in groups[0].runs]
        lines(panels["parts of the loss"], found, colour, _part(name))
    for title, ax in panels.items():
        style(ax, f"text → video on {title}, %" if title in splits else title)
        ax.set_xlabel("epoch", fontsize=8)
    for split in splits:
        _score_panel(panels[split], groups, split)
    if parts:
        panels["parts of the loss"].legend(fontsize=7, frameon=False)
    if not alone:
        panels["loss"].legend(fontsize=7, frameon=False)
    return figure


def _logged_parts(run: RunRecord) -> list[str]:
    """Names of losses that were logged beside the sum."""
    names: dict[str, None] = {}
    for row in run.rows:
        names |= dict.fromkeys(row)
    return [name for name in names if name.startswith("loss_")]


def _part(name: str) -> str:
    """``loss_t_va`` as ``text ↔ video with audio``."""
    pair = name.removeprefix("loss_")
    if pair in CONTRASTS:
        return arrow(CONTRASTS[pair]).replace("→", "↔")
    return pair.replace("_", " ")


def _score_panel(ax: Axes, groups: Sequence[Group], split: str) -> None:
    """Several scores of one experiment, or the main one of several."""
    alone = len(groups) == 1
    shown = SCORES if alone else {MAIN: SCORES[MAIN]}
    for number, group in enumerate(groups):
        for index, (name, label) in enumerate(shown.items()):
            found = [dict(zip(*run.curve(name, split), strict=True)) for run in group.runs]
            lines(ax, found, COLOURS[(index if alone else number) % len(COLOURS)], label)
    ax.set_ylim(bottom=0)
    if alone:
        ax.legend(fontsize=7, frameon=False)
    else:
        ax.set_title(f"text → video on {split}: geometric mean of R@1, 5, 10, %", fontsize=9)


def _ranks(group: Group, directions: Sequence[str]) -> dict[str, list[Float64]]:
    """Ranks of test, from 0, one array a run, by direction."""
    found: dict[str, list[Float64]] = {}
    for run in group.runs:
        sides = checked(run.predictions("test"))
        for direction, ranks in ranks_by_direction(sides, directions).items():
            found.setdefault(direction, []).append(ranks)
    return found


def arrow(direction: str) -> str:
    """``t2v+a`` as ``text → video+audio``."""
    names = {"t": "text", "v": "video", "a": "audio"}
    sides = [
        ("+" if "+" in side else " with ").join(names[c] for c in side if c != "+")
        for side in direction.split("2")
    ]
    return " → ".join(sides)
