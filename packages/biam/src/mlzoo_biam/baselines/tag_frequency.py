"""The baseline ``tag-frequency``: the same tags for every image, the frequent ones first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from mlzoo import Run
from mlzoo.selection import require_choice
from mlzoo_biam.baselines.config import TagFrequencyConfig
from mlzoo_biam.multilabel import MultiLabelData


class TagFrequency:
    """Scores that know nothing of the image.

    A seen tag has the share of training images in which it is present. An unseen tag has the mean of the
    seen tags whose word vectors are nearest: its own labels are not looked at. As each column of the scores
    is constant, average precision says nothing beyond the order of the images; F1 is what this is for.
    """

    def __init__(self, config: TagFrequencyConfig, data: MultiLabelData) -> None:
        self.config, self.data = config, data
        self.scores = np.zeros(len(data.tags))

    def fit(self, run: Run) -> None:
        """Count, for each way to count.

        Raises:
            UsageError: nothing chooses between several ways.
        """
        require_choice(run.selector.rule, "counts", self.config.counts)
        for epoch in run.epochs(len(self.config.counts), model=self):
            self.scores = self.frequencies(self.config.counts[epoch - 1])
            run.log(mean_share=float(self.scores[self.data.seen].mean()))
            run.evaluate(self)

    def frequencies(self, counted: str) -> npt.NDArray[np.float64]:
        """float64 [C]; ``counted`` is ``images`` or ``annotated``."""
        labels = self.data.train.own_labels.of_tags(self.data.seen)
        among = np.full(labels.width, len(labels)) if counted == "images" else labels.annotated()
        seen = np.divide(labels.positives(), among, out=np.zeros(len(among)), where=among > 0)
        vectors = self.data.vectors
        alike = vectors[self.data.unseen] @ vectors[self.data.seen].T  # [unseen, seen]
        nearest = np.argsort(-alike, axis=1, kind="stable")[:, : self.config.neighbours]
        return np.concatenate([seen, seen[nearest].mean(axis=1)])

    def predict(self, split: str) -> dict[str, npt.NDArray[Any]]:
        """The arrays of :mod:`mlzoo_biam.multilabel`."""
        part = self.data.part(split)
        scores = np.tile(self.scores.astype(np.float32), (len(part), 1))  # [n, C]
        return {"scores": scores, **self.data.beside_scores(split)}

    def state_dict(self) -> dict[str, Any]:
        """The scores."""
        return {"scores": torch.from_numpy(self.scores)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Put back what :meth:`state_dict` returned.

        Raises:
            ValueError: it is of other tags.
        """
        if set(state) != {"scores"} or state["scores"].shape != self.scores.shape:
            raise ValueError(f"expected scores of {len(self.scores)} tags")
        self.scores = state["scores"].numpy().copy()
