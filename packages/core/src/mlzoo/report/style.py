"""What pictures of runs have in common, whatever the task. Needs matplotlib: ``mlzoo-core[figures]``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import MaxNLocator

from mlzoo.report.colours import COLOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["COLOURS", "lines", "style"]


def style(ax: Axes, title: str) -> None:
    """A title, and no more frame than needed."""
    ax.set_title(title, fontsize=9)
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(labelsize=8)


def lines(ax: Axes, found: Sequence[Mapping[int, float]], colour: str, label: str) -> None:
    """One thin line a run by whole numbers, and their mean where all have a value."""
    found = [values for values in found if values]
    if not found:
        return
    common = sorted(set.intersection(*map(set, found)))
    if len(found) > 1:
        for values in found:
            ax.plot(list(values), list(values.values()), color=colour, linewidth=0.7, alpha=0.4)
    mean = [float(np.mean([values[place] for values in found])) for place in common]
    marker = "." if len(common) < 15 else ""
    ax.plot(common, mean, color=colour, linewidth=1.8, marker=marker, label=label)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
