"""Pictures of runs of the task ``contextual-retrieval``. Each function takes runs and returns a figure, or
None where it does not apply."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from mlzoo.report.groups import Group, group_runs
from mlzoo.report.style import COLOURS, lines, style
from mlzoo.run_directory import RunRecord
from mlzoo_imagecode.evaluators import Described, checked
from mlzoo_imagecode.metric_specs import MAIN, TAG_NAMES, TAGS
from mlzoo_imagecode.scores.chance import position_distances
from mlzoo_imagecode.scores.choices import share
from mlzoo_imagecode.scores.intervals import wilson
from mlzoo_imagecode.scores.phenomena import phenomena as by_phenomenon
from mlzoo_imagecode.strip_figure import Strip, strip_figure, strips_figure
from mlzoo_imagecode.tables import GAPS, nearest_frames

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["distances", "phenomena", "strip_figure", "strips", "training"]

Float64 = npt.NDArray[np.float64]

CHANCE: dict[str, Any] = {"color": "0.45", "linestyle": "--", "linewidth": 1.2}
SCORES = {MAIN: "all", "accuracy_video": "video", "accuracy_static": "static"}


def strips(runs: Sequence[RunRecord]) -> Figure | None:
    """A handful of descriptions with their candidates, right ones first: scores below, the described image
    outlined, the chosen one marked. Of the first run; where all targets are hidden just cases."""
    first = group_runs(runs)[0].first
    split = _known_split(first) or "test"
    predictions = first.predictions(split)
    if "shown_row" not in predictions:
        return None
    found, rows = checked(predictions), np.asarray(predictions["shown_row"], dtype=np.int64)
    shown = [
        _strip(found, int(row), crops)
        for row, crops in zip(rows, predictions["shown_image"], strict=True)
    ]
    shown.sort(key=lambda strip: strip.chosen != strip.target)
    results = first.results
    return strips_figure(shown, f"{results['model']} on {results['dataset']}, {split}")


def _strip(found: Described, row: int, crops: npt.NDArray[Any]) -> Strip:
    """A description in the order of positions."""
    order = np.argsort(found["position"][row], kind="stable")
    chosen = int(np.flatnonzero(order == found.chosen[row])[0])
    target, heading = None, ""
    if not found.hidden:
        target = int(np.flatnonzero(order == found["target"][row])[0])
        heading = "right" if chosen == target else f"wrong, rank {found.ranks[row]}"
        heading += "  ·  "
    return Strip(
        crops=np.asarray(crops, dtype=np.uint8)[order],
        scores=found["scores"][row][order],
        text=str(found["text"][row]),
        chosen=chosen,
        target=target,
        heading=f"{heading}{found['set'][row]}",
        positions=found["position"][row][order].tolist(),
    )


def phenomena(runs: Sequence[RunRecord]) -> Figure | None:
    """Accuracy where a description shows a phenomenon, with 95 % intervals of the counts; of one experiment
    also, hollow, where it lacks. Means over seeds."""
    groups = group_runs(runs)
    split = next(
        (name for name in ("test", "val") if _has(groups[0].first, name) and _noted(groups, name)),
        None,
    )
    if split is None:
        return None
    each = [[checked(run.predictions(split)) for run in group.runs] for group in groups]
    base = each[0][0]
    counts = by_phenomenon(base.correct, base["tag"], base["annotated"])
    known = [column for column, one in enumerate(counts) if one.count]
    labels = [f"all  ({len(base)})"] + [
        f"{TAG_NAMES[TAGS[column]]}  ({counts[column].count} of {counts[column].base})"
        for column in known
    ]
    alone = len(groups) == 1
    bars = len(groups) + alone
    high = 0.15 * bars + 0.15
    figure = Figure(figsize=(7.2, 1.15 + high * len(labels)), layout="constrained")
    ax = figure.subplots()
    for number, (group, descriptions, colour) in enumerate(zip(groups, each, cycle(COLOURS))):
        place = np.arange(len(labels)) + 0.7 * ((number + 0.5) / bars - 0.5)
        with_tag = [_accuracy(descriptions, None, lacking=False)] + [
            _accuracy(descriptions, column, lacking=False) for column in known
        ]
        label = f"{group.label}: shown" if alone else group.label
        _points(ax, place, with_tag, label, {"color": colour, "marker": "o"})
        if alone:
            without = [_accuracy(descriptions, column, lacking=True) for column in known]
            hollow = {"color": colour, "marker": "o", "markerfacecolor": "white"}
            _points(ax, place[1:] + 0.35, without, "not shown", hollow)
    ax.axvline(100 / base.choices, label="chance", zorder=0, **CHANCE)
    ax.set_yticks(range(len(labels)), labels)
    ax.set_ylim(len(labels) - 0.5, -0.5)
    ax.set_xlim(left=0)
    ax.grid(axis="x", color="0.92")
    ax.set_axisbelow(True)
    style(ax, f"accuracy by phenomenon, {split}, %")
    _legend_below(figure, ax)
    return figure


def _points(
    ax: Axes,
    place: npt.NDArray[Any],
    found: Sequence[tuple[float, int]],
    label: str,
    look: dict[str, Any],
) -> None:
    """Percentages over counts, with their intervals, from left to right."""
    values = np.array([value for value, _ in found])
    ends = np.array([wilson(value, count) for value, count in found]).T  # [2, rows]
    errors = np.abs(ends - values)
    ax.errorbar(
        values, place, xerr=errors, linestyle="", markersize=5, elinewidth=1.3, label=label, **look
    )


def _accuracy(each: Sequence[Described], column: int | None, *, lacking: bool) -> tuple[float, int]:
    """The mean over runs and the count: of all descriptions, or of those with or without a tag."""
    accuracies, count = [], 0
    for found in each:
        rows = np.ones(len(found), dtype=bool)
        if column is not None:
            shows = found["tag"][:, column]
            rows = found["annotated"][:, column] & (~shows if lacking else shows)
        accuracies.append(share(found.correct, rows))
        count = int(rows.sum())
    return float(np.mean(accuracies)), count


def _noted(groups: Sequence[Group], split: str) -> bool:
    """Whether somebody looked for phenomena in descriptions whose targets are known."""
    found = checked(groups[0].first.predictions(split))
    return not found.hidden and bool(found["annotated"].any())


def distances(runs: Sequence[RunRecord]) -> Figure | None:
    """At which rank the described image stands, how far the chosen one is from it and, of videos, how right
    choices are by the frames to the nearest other candidate. Means over seeds; dashed is chance."""
    groups = group_runs(runs)
    split = _known_split(groups[0].first)
    if split is None:
        return None
    each = [[checked(run.predictions(split)) for run in group.runs] for group in groups]
    base = each[0][0]
    k = base.choices
    video = bool(base["video"].any())
    panels = 3 if video else 2
    figure = Figure(figsize=(4.1 * panels, 3.5), layout="constrained")
    axes = figure.subplots(1, panels)
    ranks = [[_shares(found.ranks - 1, k) for found in own] for own in each]
    _bars(axes[0], groups, ranks, np.full(k, 100 / k), [str(rank) for rank in range(1, k + 1)])
    longest = int(np.ptp(base["position"], axis=1).max())
    apart = [[_shares(found.distances, longest + 1) for found in own] for own in each]
    at_random = position_distances(base["position"], base["target"])
    names = [str(place) for place in range(longest + 1)]
    _bars(axes[1], groups, apart, _shares(at_random.ravel(), longest + 1), names)
    titles = ["rank of the described image", "places from the described to the chosen image"]
    heads = ["rank", "places (0: right)"]
    if video:
        gaps = [[_by_gap(found) for found in own] for own in each]
        there = ~np.isnan(gaps[0][0])
        kept = [[one[there] for one in own] for own in gaps]
        names = [name for name, is_there in zip(_gap_names(base), there, strict=True) if is_there]
        _bars(axes[2], groups, kept, np.full(int(there.sum()), 100 / k), names)
        titles.append("accuracy by gap, videos")
        heads.append("frames to the nearest candidate (count)")
    for ax, title, head in zip(axes, titles, heads, strict=True):
        style(ax, f"{title}, {split}, %")
        ax.set_xlabel(head, fontsize=8)
    _legend_below(figure, axes[0])
    return figure


def _by_gap(found: Described) -> Float64:
    """Accuracy of videos by the rows of the table ``frame-gap``; NaN of a row without descriptions."""
    place = np.searchsorted(GAPS, nearest_frames(found))
    rows = [found["video"] & (place == number) for number in range(len(GAPS) + 1)]
    return np.array([share(found.correct, row) for row in rows])


def _gap_names(found: Described) -> list[str]:
    gaps = nearest_frames(found)[found["video"]]
    counts = np.bincount(np.searchsorted(GAPS, gaps), minlength=len(GAPS) + 1)
    firsts = [1, *(gap + 1 for gap in GAPS[:-1])]
    names = [
        str(last) if first == last else f"{first}–{last}"
        for first, last in zip(firsts, GAPS, strict=True)
    ]
    return [
        f"{name}\n({count})" for name, count in zip([*names, f">{GAPS[-1]}"], counts, strict=True)
    ]


def _shares(values: npt.NDArray[Any], count: int) -> Float64:
    """Percent of whole numbers from 0 that are each of the first ones."""
    return np.bincount(values, minlength=count)[:count] * 100 / len(values)


def _bars(
    ax: Axes,
    groups: Sequence[Group],
    found: Sequence[Sequence[Float64]],
    chance: Float64,
    names: Sequence[str],
) -> None:
    """Means over runs, groups side by side, and chance as steps."""
    width = 0.8 / len(groups)
    for number, (group, each, colour) in enumerate(zip(groups, found, cycle(COLOURS))):
        place = np.arange(len(names)) - 0.4 + width * (number + 0.5)
        ax.bar(place, np.mean(each, axis=0), 0.95 * width, color=colour, label=group.label)
    edges = np.arange(len(names) + 1) - 0.5
    ax.stairs(chance, edges, baseline=None, label="chance", **CHANCE)
    ax.set_xticks(range(len(names)), names)
    ax.set_ylim(bottom=0)


def training(runs: Sequence[RunRecord]) -> Figure | None:
    """Loss and accuracy by epoch; thin lines are seeds, a thick one their mean. None without training."""
    groups = [group for group in group_runs(runs) if any("loss" in row for row in group.first.rows)]
    if not groups:
        return None
    splits = [s for s in ("val", "test") if groups[0].first.curve(MAIN, s)[0]]
    figure = Figure(figsize=(4.1 * (1 + len(splits)), 3.5), layout="constrained")
    loss, *panels = figure.subplots(1, 1 + len(splits), squeeze=False)[0]
    for colour, group in zip(cycle(COLOURS), groups, strict=False):
        lines(loss, [run.step_means("loss") for run in group.runs], colour, group.label)
    style(loss, "loss")
    if len(groups) > 1:
        loss.legend(fontsize=7, frameon=False)
    for ax, split in zip(panels, splits, strict=True):
        _score_panel(ax, groups, split)
    for ax in (loss, *panels):
        ax.set_xlabel("epoch", fontsize=8)
    return figure


def _score_panel(ax: Axes, groups: Sequence[Group], split: str) -> None:
    """All kinds of sets of one experiment, or accuracy over all of several."""
    alone = len(groups) == 1
    shown = SCORES if alone else {MAIN: SCORES[MAIN]}
    for number, group in enumerate(groups):
        for index, (name, label) in enumerate(shown.items()):
            found = [dict(zip(*run.curve(name, split), strict=True)) for run in group.runs]
            lines(ax, found, COLOURS[index if alone else number % len(COLOURS)], label)
        learnt = [run.step_means("training_accuracy") for run in group.runs]
        if alone and any(learnt):
            lines(ax, learnt, "0.6", "training")
    chance = groups[0].first.results["references"].get(MAIN, {}).get("chance")
    if chance is not None:
        ax.axhline(chance, label="chance", zorder=0, **CHANCE)
    style(ax, f"accuracy on {split}, %")
    ax.set_ylim(bottom=0)
    if alone:
        ax.legend(fontsize=7, frameon=False)


def _known_split(run: RunRecord) -> str | None:
    """Test, or where its targets are hidden val; None if there is neither."""
    for split in ("test", "val"):
        if _has(run, split) and not checked(run.predictions(split)).hidden:
            return split
    return None


def _has(run: RunRecord, split: str) -> bool:
    """Whether a run has scored a split."""
    return split in run.results["metrics"]


def _legend_below(figure: Figure, ax: Axes) -> None:
    """One legend for all panels, below them."""
    handles, labels = ax.get_legend_handles_labels()
    columns = 1 if max(map(len, labels)) > 60 else min(4, len(labels))
    figure.legend(
        handles, labels, loc="outside lower center", ncols=columns, fontsize=7.5, frameon=False
    )
