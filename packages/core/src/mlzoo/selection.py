"""Selection rules: which epoch a result speaks of, said by name."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlzoo.errors import UsageError
from mlzoo.specs import Selection

LABELS: dict[Selection, str] = {
    "val": "best epoch on validation data",
    "last": "last epoch",
    "test": "selected on test data",
}
RETRAINED = "best epoch on validation data, then trained on all training data"
"""The label of ``val`` where validation has a training set of its own."""

HONEST_UNDER_TEST = "best-val.pt"


@dataclass
class Best:
    """The best value of the main metric on one split so far, kept in the checkpoint ``file``."""

    split: str
    file: str
    higher_is_better: bool
    value: float | None = None
    epoch: int = 0

    def offer(self, epoch: int, value: float) -> bool:
        """Take the value if it is strictly better; NaN never is."""
        if math.isnan(value):
            return False
        sign = 1 if self.higher_is_better else -1
        if self.value is not None and sign * value <= sign * self.value:
            return False
        self.value, self.epoch = value, epoch
        return True


def require_choice(rule: Selection, option: str, values: Sequence[object]) -> None:
    """Refuse a grid that nothing chooses from, of a method whose "epochs" are the values of an option.

    Raises:
        UsageError: several values under the rule ``last``.
    """
    if rule == "last" and len(values) > 1:
        raise UsageError(
            f"--select last chooses none of the {len(values)} values of {option}.",
            f"Choose --select val, or give --{option} one value.",
        )


def require_labels(rule: Selection, hidden: Collection[str]) -> None:
    """Refuse to select an epoch on a split whose labels nobody has.

    Raises:
        UsageError: the rule is the name of such a split.
    """
    if rule in hidden:
        raise UsageError(
            f"the labels of {rule} are hidden: no epoch can be selected on it.",
            f"Choose --select {'last' if rule == 'val' else 'val, or --select last'}.",
        )


class Selector:
    """Follows a rule through the epochs.

    ``val`` keeps the best epoch on val; ``test`` keeps the best on test and, beside it, the best on
    val, so that the inflation between them can be stated; ``last`` keeps none.

    After a search (:mod:`mlzoo.search`) the epoch that val chose is known: ``val`` trains so far and
    keeps what that gives, ``test`` keeps the weights of that epoch beside its own.

    Args:
        chosen: the epoch that the search has found.
    """

    def __init__(
        self,
        rule: Selection,
        splits: Sequence[str],
        higher_is_better: bool,
        chosen: int | None = None,
    ) -> None:
        self.chosen_epoch = chosen if rule == "val" else None
        self.honest_epoch = chosen if rule == "test" else None
        has_val = "val" in splits and chosen is None
        if rule == "val" and chosen is None and not has_val:
            raise UsageError(
                "the data has no val split to select on.", "Choose --select last, or --select test."
            )
        self.rule = rule
        by_val = ["val"] if has_val else []
        kept = {"val": by_val, "test": ["test", *by_val], "last": []}[rule]
        files = ["best.pt", HONEST_UNDER_TEST]
        self.watched = [
            Best(split, file, higher_is_better) for split, file in zip(kept, files, strict=False)
        ]
        self.scored: list[str] = kept or by_val

    def state_dict(self) -> dict[str, Any]:
        """JSON values for the checkpoint."""
        return {best.split: [best.value, best.epoch] for best in self.watched}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Put back what :meth:`state_dict` returned."""
        for best in self.watched:
            best.value, best.epoch = state[best.split]
