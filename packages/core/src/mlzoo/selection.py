"""Selection rules: which epoch a result speaks of, said by name."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlzoo.errors import UsageError
from mlzoo.specs import Selection

LABELS: dict[Selection, str] = {
    "val": "best epoch on validation data",
    "last": "last epoch",
    "test": "selected on test data",
}
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


class Selector:
    """Follows a rule through the epochs.

    ``val`` keeps the best epoch on val; ``test`` keeps the best on test and, beside it, the best on
    val, so that the inflation between them can be stated; ``last`` keeps none.
    """

    def __init__(self, rule: Selection, splits: Sequence[str], higher_is_better: bool) -> None:
        has_val = "val" in splits
        if rule == "val" and not has_val:
            raise UsageError(
                "the data has no val split to select on.", "Choose --select last, or --select test."
            )
        self.rule = rule
        kept = {"val": ["val"], "test": ["test", "val"] if has_val else ["test"], "last": []}[rule]
        files = ["best.pt", HONEST_UNDER_TEST]
        self.watched = [
            Best(split, file, higher_is_better) for split, file in zip(kept, files, strict=False)
        ]
        self.scored: list[str] = kept or (["val"] if has_val else [])

    def state_dict(self) -> dict[str, Any]:
        """JSON values for the checkpoint."""
        return {best.split: [best.value, best.epoch] for best in self.watched}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Put back what :meth:`state_dict` returned."""
        for best in self.watched:
            best.value, best.epoch = state[best.split]
