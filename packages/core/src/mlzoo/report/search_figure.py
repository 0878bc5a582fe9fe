"""A picture of a search for options: its scores in order, and over each option."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from mlzoo.report.style import COLOURS, style
from mlzoo.tuning_space import Choices, Domain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLUMNS = 3
ROW_HEIGHT, COLUMN_WIDTH = 2.6, 3.4  # inches


def search_figure(
    rows: Sequence[Mapping[str, Any]], space: Mapping[str, Domain], score: str, higher: bool
) -> Figure:
    """The history of a search, then a panel for each option.

    Args:
        rows: of ``trials.jsonl``.
        score: the label of the score, e.g. ``val accuracy %``.
        higher: whether a higher score is better.
    """
    choose = max if higher else min
    complete = [row for row in rows if row["state"] == "complete"]
    best = choose(complete, key=lambda row: row["value"], default=None)
    height = 1 + -(-len(space) // COLUMNS)
    figure = Figure(figsize=(COLUMNS * COLUMN_WIDTH, height * ROW_HEIGHT), layout="constrained")
    grid = figure.add_gridspec(height, COLUMNS)
    _history(figure.add_subplot(grid[0, :]), rows, score, higher)
    for place, (key, domain) in enumerate(space.items()):
        panel = figure.add_subplot(grid[1 + place // COLUMNS, place % COLUMNS])
        _slice(panel, rows, key, domain, best)
        panel.set_ylabel(score, fontsize=8)
    return figure


def _history(ax: Axes, rows: Sequence[Mapping[str, Any]], score: str, higher: bool) -> None:
    complete = [row for row in rows if row["state"] == "complete"]
    numbers = [row["trial"] for row in complete]
    values = [row["value"] for row in complete]
    ax.plot(numbers, values, "o", color=COLOURS[0], markersize=4, label="complete")
    if values:
        best = [*accumulate(values, max if higher else min)]
        ax.step(numbers, best, where="post", color=COLOURS[1], linewidth=1.5, label="best so far")
    pruned = [row for row in rows if row["state"] == "pruned" and row["seen"] is not None]
    if pruned:
        seen = [row["seen"] for row in pruned]
        ax.plot(
            [row["trial"] for row in pruned], seen, "o", **_hollow(), label="given up (its best)"
        )
    failed = [row["trial"] for row in rows if row["state"] == "failed"]
    for number in failed:
        ax.axvline(number, color="0.8", linewidth=1, zorder=0)
    style(ax, f"trials in their order{'; a grey line is one that failed' if failed else ''}")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel("trial", fontsize=8)
    ax.set_ylabel(score, fontsize=8)
    if ax.get_legend_handles_labels()[0]:
        ax.legend(fontsize=7, frameon=False)


def _slice(
    ax: Axes,
    rows: Sequence[Mapping[str, Any]],
    key: str,
    domain: Domain,
    best: Mapping[str, Any] | None,
) -> None:
    """Scores over one option's values, the best trial in the colour of the best so far."""
    pruned = [row for row in rows if row["state"] == "pruned" and row["seen"] is not None]
    complete = [row for row in rows if row["state"] == "complete"]
    words = [str(value) for value in domain.values] if isinstance(domain, Choices) else []
    for of, colour in (
        (pruned, None),
        (complete, COLOURS[0]),
        ([best] if best else [], COLOURS[1]),
    ):
        look = {"color": colour, "markersize": 4} if colour else _hollow()
        values = [row["options"][key] for row in of]
        places = [words.index(str(value)) for value in values] if words else values
        scores = [row["value"] if colour else row["seen"] for row in of]
        ax.plot(places, scores, "o", **look)
    if words:
        ax.set_xticks(range(len(words)), words)
        ax.set_xlim(-0.5, len(words) - 0.5)
    elif not isinstance(domain, Choices):
        ax.set_xscale("log" if domain.log else "linear")
        ax.set_xlim(domain.low, domain.high)
        ax.margins(x=0.05)
    style(ax, key)


def _hollow() -> dict[str, Any]:
    return {"color": "0.55", "markerfacecolor": "none", "markersize": 4}
