"""What the pictures of the task ``zero-shot`` have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mlzoo.report.groups import Group, group_runs
from mlzoo.report.style import COLOURS
from mlzoo.run_directory import RunRecord
from mlzoo_tfvaegan.zero_shot import ZeroShotData

if TYPE_CHECKING:
    pass

SEEN, UNSEEN = COLOURS[0], COLOURS[1]


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
