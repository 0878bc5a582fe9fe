"""The baseline ``tag-ridge``: a linear map from images to word vectors, in closed form.

With an image's vector x and the mean t of the word vectors of its positive seen tags, both less their means,

    W = (Σ x xᵀ + λ v N I)⁻¹ Σ x tᵀ

in which v is the mean variance of the features, so that λ has no unit, and N the number of images. The score
of a tag with word vector w is (Wᵀ(x - x̄) + t̄)ᵀ w. The sums are made in one pass over the images.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.linalg import solve

from mlzoo import Run
from mlzoo.errors import DataError
from mlzoo.selection import require_choice
from mlzoo_biam.baselines.config import TagRidgeConfig
from mlzoo_biam.baselines.image_vectors import ImageVectors
from mlzoo_biam.labels import Labels
from mlzoo_biam.multilabel import Images, MultiLabelData

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Moments:
    """What the closed form needs of a training set.

    Attributes:
        mean: x̄, [d].
        target_mean: t̄, [E].
        covariance: Σ (x - x̄)(x - x̄)ᵀ / N, [d, d].
        cross: Σ (x - x̄)(t - t̄)ᵀ / N, [d, E].
    """

    mean: Matrix
    target_mean: Matrix
    covariance: Matrix
    cross: Matrix

    @classmethod
    def of(
        cls, images: Images, vectors: ImageVectors, tags: slice, words: Matrix, batch: int
    ) -> Moments:
        """One pass over those images that have a positive tag.

        Args:
            tags: those to learn from.
            words: float64 [k, E], their word vectors.
            batch: images at once.

        Raises:
            DataError: no image has a positive tag.
        """
        labels = images.own_labels.of_tags(tags)
        has_tag = labels.positives_of_images() > 0
        width = vectors.width(images)
        count, sums, target_sums = int(has_tag.sum()), np.zeros(width), np.zeros(words.shape[1])
        if not count:
            raise DataError("no training image has a seen tag.")
        gram, cross = np.zeros((width, width)), np.zeros((width, words.shape[1]))
        for part, read in vectors.batches(images, batch):
            rows = has_tag[part]
            x = read[rows].astype(np.float64)  # [b, d]
            t = mean_words(labels.subset(part), words)[rows]  # [b, E]
            sums += x.sum(axis=0)
            target_sums += t.sum(axis=0)
            gram += x.T @ x
            cross += x.T @ t
        mean, target_mean = sums / count, target_sums / count
        return cls(
            mean,
            target_mean,
            gram / count - np.outer(mean, mean),
            cross / count - np.outer(mean, target_mean),
        )

    def solve(self, penalty: float) -> Matrix:
        """W, [d, E]."""
        width = len(self.mean)
        variance = np.trace(self.covariance) / width
        regular = self.covariance + penalty * max(variance, np.finfo(float).tiny) * np.eye(width)
        found: Matrix = solve(regular, self.cross, assume_a="pos")
        return found


def mean_words(labels: Labels, words: Matrix) -> Matrix:
    """float64 [n, E]: the mean of the word vectors of each image's positive tags; 0 without any."""
    positive = labels.values > 0
    image, tag = labels.image_of_entry()[positive], labels.tags[positive]
    sums = np.zeros((len(labels), words.shape[1]))
    np.add.at(sums, image, words[tag])
    counts = np.bincount(image, minlength=len(labels))[:, None]
    return sums / np.maximum(counts, 1)


class TagRidge:
    """W for one penalty after another; a penalty's place in the list is its epoch."""

    def __init__(self, config: TagRidgeConfig, data: MultiLabelData) -> None:
        self.config, self.data = config, data
        self.vectors = ImageVectors(config.vectors)
        width, words = self.vectors.width(data.train), data.vectors.shape[1]
        self.weight: Matrix = np.zeros((width, words))  # W
        self.bias: Matrix = np.zeros(words)  # t̄ - Wᵀ x̄

    def fit(self, run: Run) -> None:
        """Solve for every penalty.

        Raises:
            UsageError: nothing chooses between several penalties.
            DataError: no training image has a seen tag.
        """
        require_choice(run.selector.rule, "penalties", self.config.penalties)
        for epoch in run.epochs(len(self.config.penalties), model=self):
            penalty = self.config.penalties[epoch - 1]
            self.weight = self.moments.solve(penalty)
            self.bias = self.moments.target_mean - self.moments.mean @ self.weight
            run.log(penalty=penalty)
            run.evaluate(self)

    @cached_property
    def moments(self) -> Moments:
        """Of the training images."""
        data = self.data
        words = data.vectors[data.seen].astype(np.float64)
        return Moments.of(data.train, self.vectors, data.seen, words, self.config.batch_size)

    def predict(self, split: str) -> dict[str, npt.NDArray[Any]]:
        """The arrays of :mod:`mlzoo_biam.multilabel`."""
        part = self.data.part(split)
        scores = np.empty((len(part), len(self.data.tags)), dtype=np.float32)  # [n, C]
        words = self.data.vectors.T.astype(np.float64)  # [E, C]
        for rows, x in self.vectors.batches(part, self.config.batch_size):
            scores[rows] = (x @ self.weight + self.bias) @ words
        return {"scores": scores, **self.data.beside_scores(split)}

    def state_dict(self) -> dict[str, Any]:
        """W and the bias."""
        return {"weight": torch.from_numpy(self.weight), "bias": torch.from_numpy(self.bias)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Put back what :meth:`state_dict` returned.

        Raises:
            ValueError: other keys or shapes.
        """
        shapes = {name: tuple(value.shape) for name, value in state.items()}
        expected = {"weight": self.weight.shape, "bias": self.bias.shape}
        if shapes != expected:
            raise ValueError(f"a state of tag-ridge is {expected}, not {shapes}")
        self.weight, self.bias = state["weight"].numpy().copy(), state["bias"].numpy().copy()
