"""What the pictures of the task ``zero-shot`` have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mlzoo.report.groups import Group, group_runs
from mlzoo.run_directory import RunRecord
from mlzoo_tfvaegan.zero_shot import ZeroShotData

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Of Okabe and Ito: told apart whatever one's colour vision.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
SEEN, UNSEEN = COLOURS[0], COLOURS[1]


def style(ax: Axes, title: str) -> None:
    """A title, and no more frame than needed."""
    ax.set_title(title, fontsize=9)
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(labelsize=8)


def one_world(runs: Sequence[RunRecord]) -> tuple[ZeroShotData, list[Group], str]:
    """The data of the first run, the groups of all runs on exactly these, and what to call them.

    Runs on other random splits of a dataset have other classes and are left out.
    """
    first = group_runs(runs)[0].first
    data = first.load_data()
    assert isinstance(data, ZeroShotData)
    found = first.results["data"]
    same = [run for run in runs if run.results["data"]["fingerprint"] == found["fingerprint"]]
    which = [f"{name} {number}" for name, number in found.get("repeat", {}).items()]
    return data, group_runs(same), ", ".join([first.results["dataset"], *which])
