"""The baseline ``random-embeddings``: what a ranking is worth that knows nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy.typing as npt
import torch

from mlzoo import Run
from mlzoo.selection import require_choice
from mlzoo_multisk.baselines.config import RandomEmbeddingsConfig
from mlzoo_multisk.baselines.predicting import predicted
from mlzoo_multisk.clips import MODALITIES, ClipBatch, Floats
from mlzoo_multisk.draws import random_of
from mlzoo_multisk.retrieval import RetrievalData

_SPLITS = ("val", "test")


class RandomEmbeddings:
    """Normal vectors of length 1, which follow from a number; an epoch draws another one."""

    def __init__(self, config: RandomEmbeddingsConfig, data: RetrievalData) -> None:
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
        """The arrays of :mod:`mlzoo_multisk.retrieval`."""
        random = random_of(self.number, _SPLITS.index(split))

        def embed(batch: ClipBatch) -> dict[str, Floats]:
            drawn = random.standard_normal((len(batch), len(MODALITIES), self.config.projection))
            return {name: drawn[:, i].astype("float32") for i, name in enumerate(MODALITIES)}

        return predicted(self.data, split, self.config.batch_size, embed)

    def state_dict(self) -> dict[str, Any]:
        """The number."""
        return {"number": self.number}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Put back what :meth:`state_dict` returned.

        Raises:
            ValueError: other keys.
        """
        if set(state) != {"number"}:
            raise ValueError("a state of random-embeddings is a number")
        self.number = int(state["number"])
