"""The baseline ``image-only``: which image of a set people describe, without the description.

A conditional logit (McFadden, 1973): with the standardised features x of k candidates, described is

    p(j) = exp(w·x_j) / Σ_i exp(w·x_i)

and w minimises the mean of -log p over training descriptions and λ/2 |w|², a convex problem. What all
candidates of a set share, such as whether they are frames of a video, counts only together with what they do
not, here the position.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.optimize import minimize
from scipy.special import log_softmax

from mlzoo import Run
from mlzoo.selection import require_choice
from mlzoo_imagecode.baselines.config import ImageOnlyConfig
from mlzoo_imagecode.baselines.image_features import ImageFeatures, width_of
from mlzoo_imagecode.baselines.predicting import predicted, training_part
from mlzoo_imagecode.contextual import ContextualData, Floats, Index, Part
from mlzoo_imagecode.scores.positions import position_count

Float64 = npt.NDArray[np.float64]


def logit_loss(
    weight: Float64, x: Floats, candidates: Index, target: Index, penalty: float
) -> tuple[float, Float64]:
    """The value to be minimised, and its gradient [w].

    An image that is a candidate of several descriptions is multiplied once.

    Args:
        weight: w, float64 [w].
        x: float32 [M, w] of images.
        candidates: int64 [n, k], rows of x.
        target: int64 [n], columns.
        penalty: λ.
    """
    n = len(target)
    score = (x @ weight.astype(np.float32)).astype(np.float64)  # [M]
    logs = log_softmax(score[candidates], axis=1)  # [n, k]
    residual = np.exp(logs)
    residual[np.arange(n), target] -= 1
    by_image = np.bincount(candidates.ravel(), residual.ravel() / n, minlength=len(x))  # [M]
    gradient = (x.T @ by_image.astype(np.float32)).astype(np.float64) + penalty * weight
    value = -float(logs[np.arange(n), target].mean()) + penalty / 2 * float(weight @ weight)
    return value, gradient


class ImageOnly:
    """w, and what features are standardised by."""

    def __init__(self, config: ImageOnlyConfig, data: ContextualData) -> None:
        self.config, self.data = config, data
        parts = [*data.parts.values(), *([] if data.train is None else [data.train])]
        self.positions = position_count(*parts)
        width = width_of(self.positions)
        self.mean, self.deviation = np.zeros(width), np.ones(width)
        self.weight: Float64 = np.zeros(width)
        self._features: dict[str, ImageFeatures] = {}

    def fit(self, run: Run) -> None:
        """One problem for each penalty, from zero; a penalty's place in the list is its epoch.

        Raises:
            DataError: there is nothing to learn from, or an image is damaged.
            UsageError: nothing chooses between several penalties.
        """
        penalties = self.config.penalties
        require_choice(run.selector.rule, "penalties", penalties)
        target = training_part(self.data).target
        for epoch in run.epochs(len(penalties), model=self):
            self.mean, self.deviation, train = self._standardised
            found = minimize(
                logit_loss,
                np.zeros_like(self.weight),
                args=(train.x, train.candidates, target, penalties[epoch - 1]),
                jac=True,
                method="L-BFGS-B",
                options={"maxiter": self.config.iterations},
            )
            self.weight = found.x
            run.log(penalty=penalties[epoch - 1], loss=float(found.fun))
            run.evaluate(self)

    @cached_property
    def _standardised(self) -> tuple[Float64, Float64, ImageFeatures]:
        """Mean and deviation of the features over training images, and the features by them."""
        train = self._of_images(training_part(self.data))
        mean = train.x.mean(axis=0, dtype=np.float64)
        deviation = train.x.std(axis=0, dtype=np.float64)
        deviation[deviation < 1e-6] = 1
        return mean, deviation, replace(train, x=_scaled(train.x, mean, deviation))

    def _of_images(self, part: Part) -> ImageFeatures:
        return ImageFeatures.of(part, self.positions, self.config.images_at_once)

    def predict(self, split: str) -> dict[str, npt.NDArray[Any]]:
        """The arrays of :mod:`mlzoo_imagecode.contextual`; the images of a split are read once."""
        part = self.data.part(split)
        if split not in self._features:
            self._features[split] = self._of_images(part)
        features = self._features[split]
        x = _scaled(features.x, self.mean, self.deviation)
        score = x @ self.weight.astype(np.float32)  # [M]
        return predicted(part, score[features.candidates])

    def state_dict(self) -> dict[str, Any]:
        """All three arrays."""
        return {name: torch.from_numpy(array) for name, array in self._arrays().items()}

    def _arrays(self) -> dict[str, Float64]:
        return {"mean": self.mean, "deviation": self.deviation, "weight": self.weight}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Put back what :meth:`state_dict` returned.

        Raises:
            ValueError: other keys or shapes.
        """
        shapes = {name: tuple(value.shape) for name, value in state.items()}
        expected = {name: array.shape for name, array in self._arrays().items()}
        if shapes != expected:
            raise ValueError(f"a state of image-only is {expected}, not {shapes}")
        self.mean, self.deviation, self.weight = (
            state[name].numpy().copy() for name in ("mean", "deviation", "weight")
        )


def _scaled(x: Floats, mean: Float64, deviation: Float64) -> Floats:
    return ((x - mean.astype(np.float32)) / deviation.astype(np.float32)).astype(np.float32)
