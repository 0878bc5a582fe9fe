"""Baselines whose epochs are the points of a grid."""

from __future__ import annotations

from collections.abc import Sequence

from mlzoo import Run
from mlzoo.errors import UsageError


def require_choice(run: Run, option: str, values: Sequence[object]) -> None:
    """Refuse a grid that nothing chooses from.

    Raises:
        UsageError: several values under the rule ``last``.
    """
    if run.selector.rule == "last" and len(values) > 1:
        raise UsageError(
            f"--select last chooses none of the {len(values)} values of {option}.",
            f"Choose --select val, or give --{option} one value.",
        )
