"""The baseline ``pooled-cca``: canonical analysis of pooled text, video and audio, in closed form.

Three sets of standardised features x_m give one set of variates each, z_m = W_mᵀ x_m. With R the correlation
matrix of all features, D its three blocks on the diagonal and κ a ridge, the columns w of W = (W_t; W_v; W_a)
solve

    (R - D) w = ρ (D + κ I) w

for the largest ρ: the sum of the covariances between the sets is as large as can be while the sum of their
variances stays fixed (a form of Kettenring's canonical analysis of several sets, 1971; for two sets it is
Hotelling's, 1936). ρ is at most 2, twice the mean correlation of three sets. A variate counts by a power
of ρ/2.

What a clip lacks is taken for the mean, so that every clip tells what it can. One pass over the training
videos suffices, of which only sums are kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.linalg import eigh

from mlzoo import Run
from mlzoo.errors import DataError
from mlzoo.selection import require_choice
from mlzoo_multisk.baselines.config import PooledCCAConfig
from mlzoo_multisk.baselines.pooled import Pooled, deviations, pool, pooled_training, spans
from mlzoo_multisk.baselines.predicting import predicted
from mlzoo_multisk.clips import MODALITIES, ClipBatch, Floats
from mlzoo_multisk.retrieval import RetrievalData

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Moments:
    """What the closed form needs of a training set.

    Attributes:
        mean: [d], each over the clips that have it.
        deviation: [d], of constant features 1.
        correlation: R, [d, d], with what lacks at its mean.
    """

    mean: Matrix
    deviation: Matrix
    correlation: Matrix

    @classmethod
    def of(cls, batches: Iterable[Pooled], parts: list[slice]) -> Moments:
        """One pass.

        Args:
            batches: of the training set.
            parts: where each modality's features stand.

        Raises:
            DataError: no clip has two of text, video and audio.
        """
        width = parts[-1].stop
        gram, sums, counts = np.zeros((width, width)), np.zeros((3, width)), np.zeros((3, 3))
        total = 0
        for batch in batches:
            x, there = batch.features.astype(np.float64), batch.there.astype(np.float64)
            gram += x.T @ x
            sums += there.T @ x  # of the features of clips that have text, video, audio
            counts += there.T @ there
            total += len(x)
        if not (counts - np.diag(counts.diagonal())).any():
            raise DataError("no training clip has two of text, video and audio.")
        own = np.maximum(counts.diagonal(), 1)
        mean = np.concatenate([sums[m, part] / own[m] for m, part in enumerate(parts)])
        for i, one in enumerate(parts):  # to Σ (x - mean)(y - mean)ᵀ over clips that have both
            for j, other in enumerate(parts):
                gram[one, other] -= np.outer(sums[j, one], mean[other])
                gram[one, other] -= np.outer(mean[one], sums[i, other])
                gram[one, other] += counts[i, j] * np.outer(mean[one], mean[other])
        squares = [gram.diagonal()[part] / own[m] for m, part in enumerate(parts)]
        deviation = deviations(np.concatenate(squares), mean)
        return cls(mean, deviation, gram / np.outer(deviation, deviation) / total)


def canonical(
    correlation: Matrix, parts: list[slice], ridge: float, count: int
) -> tuple[Matrix, Matrix]:
    """W and ρ of the equation above.

    Args:
        correlation: R, [d, d].
        parts: where each set stands.
        ridge: κ.
        count: variates, at most d.

    Returns:
        W [d, P], for which wᵀ (D + κ I) w = 1 and whose largest entry is positive; ρ [P], descending.
    """
    inside = np.zeros_like(correlation)
    for part in parts:
        inside[part, part] = correlation[part, part]
    width = len(correlation)
    found = eigh(
        correlation - inside,
        inside + ridge * np.eye(width),
        subset_by_index=[width - count, width - 1],
    )
    rho, weight = found[0][::-1], found[1][:, ::-1]
    largest = np.abs(weight).argmax(axis=0)
    return weight * np.sign(weight[largest, np.arange(count)]), rho


class PooledCCA:
    """W, scaled, and what features are standardised by."""

    def __init__(self, config: PooledCCAConfig, data: RetrievalData) -> None:
        self.config, self.data = config, data
        self.parts = spans(data.shape)
        width = self.parts[-1].stop
        self.mean, self.deviation = np.zeros(width), np.ones(width)
        self.weight: Matrix = np.zeros((width, min(config.projection, width)))

    def fit(self, run: Run) -> None:
        """One pass, and one equation for each ridge; a ridge's place in the list is its epoch.

        Raises:
            UsageError: nothing chooses between several ridges.
            DataError: there is nothing to learn from, or no clip has two of text, video and audio.
        """
        config = self.config
        require_choice(run.selector.rule, "ridges", config.ridges)
        for epoch in run.epochs(len(config.ridges), model=self):
            ridge, count = config.ridges[epoch - 1], self.weight.shape[1]
            weight, rho = canonical(self.moments.correlation, self.parts, ridge, count)
            self.mean, self.deviation = self.moments.mean, self.moments.deviation
            self.weight = weight * np.maximum(rho / 2, 0) ** config.power * (rho > 0)
            run.log(ridge=ridge, largest_correlation=float(rho[0] / 2))
            run.evaluate(self)

    @cached_property
    def moments(self) -> Moments:
        """Of the training clips, as their first pass draws them with seed 0, whatever the run's."""
        return Moments.of(pooled_training(self.data, self.config.batch_size), self.parts)

    def predict(self, split: str) -> dict[str, npt.NDArray[Any]]:
        """The arrays of :mod:`mlzoo_multisk.retrieval`."""
        return predicted(self.data, split, self.config.batch_size, self._embed)

    def _embed(self, batch: ClipBatch) -> dict[str, Floats]:
        pooled = pool(batch)
        found: dict[str, Floats] = {}
        for m, (name, part) in enumerate(zip(MODALITIES, self.parts, strict=True)):
            x = (pooled.features[:, part] - self.mean[part]) / self.deviation[part]
            z = x @ self.weight[part] * pooled.there[:, [m]]  # what lacks is at the mean
            found[name] = z.astype(np.float32)
        return found

    def state_dict(self) -> dict[str, Any]:
        """All three arrays."""
        return {name: torch.from_numpy(array) for name, array in self._arrays().items()}

    def _arrays(self) -> dict[str, Matrix]:
        return {"mean": self.mean, "deviation": self.deviation, "weight": self.weight}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Put back what :meth:`state_dict` returned.

        Raises:
            ValueError: other keys or shapes.
        """
        shapes = {name: tuple(value.shape) for name, value in state.items()}
        expected = {name: array.shape for name, array in self._arrays().items()}
        if shapes != expected:
            raise ValueError(f"a state of pooled-cca is {expected}, not {shapes}")
        self.mean, self.deviation, self.weight = (
            state[name].numpy().copy() for name in ("mean", "deviation", "weight")
        )
