"""The baseline ``position-prior``: people describe the images in the middle of a set more often than those at
its ends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from mlzoo import Run
from mlzoo.selection import require_choice
from mlzoo_imagecode.baselines.config import PositionPriorConfig
from mlzoo_imagecode.baselines.predicting import predicted, training_part
from mlzoo_imagecode.contextual import ContextualData, Part
from mlzoo_imagecode.scores.positions import position_count, position_rates, scores_by_position


class PositionPrior:
    """Scores that follow from the position alone, or with the kind of a set.

    Attributes:
        rates: float64 [2, P], of sets that are no videos and of videos: how often the image at a position is
            described, of the times it is a candidate in training.
    """

    def __init__(self, config: PositionPriorConfig, data: ContextualData) -> None:
        self.config, self.data = config, data
        parts = [*data.parts.values(), *([] if data.train is None else [data.train])]
        self.rates = np.zeros((2, position_count(*parts)))

    def fit(self, run: Run) -> None:
        """Count, for each way to count.

        Raises:
            DataError: there is nothing to learn from.
            UsageError: nothing chooses between several ways.
        """
        counts = self.config.counts
        require_choice(run.selector.rule, "counts", counts)
        for epoch in run.epochs(len(counts), model=self):
            self.rates = self._rates(training_part(self.data), counts[epoch - 1])
            run.log(highest_rate=float(self.rates.max()))
            run.evaluate(self)

    def _rates(self, train: Part, counted: str) -> npt.NDArray[np.float64]:
        width = self.rates.shape[1]
        everything = position_rates(train, width)
        found = np.stack([everything, everything])
        for kind in (0, 1) if counted == "kind" else ():
            rows = np.flatnonzero(train.is_video == bool(kind))
            if len(rows):
                found[kind] = position_rates(train.taken(rows), width)
        return found

    def predict(self, split: str) -> dict[str, npt.NDArray[Any]]:
        """The arrays of :mod:`mlzoo_imagecode.contextual`."""
        part = self.data.part(split)
        still, moving = (scores_by_position(part, rates) for rates in self.rates)
        return predicted(part, np.where(part.is_video[:, None], moving, still))

    def state_dict(self) -> dict[str, Any]:
        """The rates."""
        return {"rates": torch.from_numpy(self.rates)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Put back what :meth:`state_dict` returned.

        Raises:
            ValueError: other keys or shapes.
        """
        shapes = {name: tuple(value.shape) for name, value in state.items()}
        if shapes != {"rates": self.rates.shape}:
            raise ValueError(
                f"a state of position-prior is rates of {self.rates.shape}, not {shapes}"
            )
        self.rates = state["rates"].numpy().copy()
