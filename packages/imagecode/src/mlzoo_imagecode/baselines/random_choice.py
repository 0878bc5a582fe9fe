"""The baseline ``random-choice``: what a choice is worth that knows nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from mlzoo import Run
from mlzoo.selection import require_choice
from mlzoo_imagecode.baselines.config import RandomChoiceConfig
from mlzoo_imagecode.baselines.predicting import predicted
from mlzoo_imagecode.contextual import ContextualData

_SPLITS = ("val", "test")


class RandomChoice:
    """Uniform scores, which follow from a number and the split; an epoch draws another number."""

    def __init__(self, config: RandomChoiceConfig, data: ContextualData) -> None:
        self.config, self.data = config, data
        self.number = int(torch.randint(2**31, ()))

    def fit(self, run: Run) -> None:
        """There is nothing to learn. Of several draws the best on val is no better on test.

        Raises:
            UsageError: nothing chooses between several draws.
        """
        draws = self.config.draws
        require_choice(run.selector.rule, "draws", range(draws))
        for epoch in run.epochs(draws, model=self):
            self.number = int(torch.randint(2**31, (), generator=run.generator(epoch)))
            run.evaluate(self)

    def predict(self, split: str) -> dict[str, npt.NDArray[Any]]:
        """The arrays of :mod:`mlzoo_imagecode.contextual`."""
        part = self.data.part(split)
        random = np.random.default_rng((self.number, _SPLITS.index(split)))
        return predicted(part, random.random((len(part), part.choices)))

    def state_dict(self) -> dict[str, Any]:
        """The number."""
        return {"number": self.number}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Put back what :meth:`state_dict` returned.

        Raises:
            ValueError: other keys.
        """
        if set(state) != {"number"}:
            raise ValueError("a state of random-choice is a number")
        self.number = int(state["number"])
