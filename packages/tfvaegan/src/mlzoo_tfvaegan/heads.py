"""The classifiers behind a prediction, trained anew for every state of the networks.

GZSL has one over all classes: softmax (images), or a detector of unseen classes before two classifiers
(actions). ZSL has one over the unseen classes alone. Each is trained to its last epoch. Beside that the
published program looks at the test samples after every epoch and keeps the best; it is there on request,
under a name that says so.

W: width of a transformed feature, R: of a feature, U: unseen classes, C: all classes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from mlzoo_tfvaegan.classifier import Best, LinearClassifier, Task, TrainingRows, train_classifier
from mlzoo_tfvaegan.config import TFVAEGANConfig
from mlzoo_tfvaegan.detector import Detector, OutOfDistributionClassifier, train_detector
from mlzoo_tfvaegan.discriminative import discriminative
from mlzoo_tfvaegan.evaluators import harmonic_mean, per_class_accuracy
from mlzoo_tfvaegan.networks import Decoder
from mlzoo_tfvaegan.zero_shot import Index, Samples, ZeroShotData

SHOWN = 10
"""Synthetic features of each unseen class that are kept to be looked at."""


class Pair(nn.Module):
    """The classifiers of GZSL and of ZSL.

    Attributes:
        generalized: over all classes.
        unseen: over the unseen classes.
    """

    def __init__(
        self, generalized: LinearClassifier | OutOfDistributionClassifier, unseen: LinearClassifier
    ) -> None:
        super().__init__()
        self.generalized, self.unseen = generalized, unseen

    def scores(self, x: Tensor) -> dict[str, Tensor]:
        """Transformed features [n, W] to ``scores`` [n, C] and ``unseen_scores`` [n, U]."""
        return {"scores": self.generalized.scores(x), "unseen_scores": self.unseen.scores(x)}


class Heads(nn.Module):
    """What one state of the networks was given.

    Attributes:
        last: the classifiers after their last epoch.
        best: after the epoch that was best on test, where asked for.
        synthetic, synthetic_label: a few synthesised features [m, R] and their class ids [m].
    """

    synthetic: Tensor
    synthetic_label: Tensor

    def __init__(
        self, last: Pair, best: Pair | None, synthetic: Tensor, synthetic_label: Tensor
    ) -> None:
        super().__init__()
        self.last, self.best = last, best
        self.register_buffer("synthetic", synthetic)
        self.register_buffer("synthetic_label", synthetic_label)

    @classmethod
    def blank(cls, config: TFVAEGANConfig, data: ZeroShotData) -> Heads:
        """Of the right shapes, for weights that are to be loaded."""
        width = data.features.shape[1]
        shown = len(data.unseen) * min(SHOWN, config.synthetic_samples)
        transformed = width + config.hidden + data.attributes.shape[1]
        pair = partial(_blank_pair, config, data, transformed if config.transform else width)
        return cls(
            pair(),
            pair() if config.best_classifier_epoch else None,
            torch.zeros(shown, width),
            torch.zeros(shown, dtype=torch.int64),
        )

    def class_ids(self) -> dict[str, Tensor]:
        """Of every classifier, by its name."""
        named = self.named_buffers()
        return {name: ids for name, ids in named if name.rpartition(".")[2] == "classes"}


def _blank_pair(config: TFVAEGANConfig, data: ZeroShotData, width: int) -> Pair:
    def linear(classes: Index) -> LinearClassifier:
        return LinearClassifier(width, torch.tensor(classes))

    if config.classifier == "softmax":
        return Pair(linear(data.classes), linear(data.unseen))
    detector = Detector(width, len(data.seen), config.detector_hidden)
    both = OutOfDistributionClassifier(detector, linear(data.seen), linear(data.unseen))
    return Pair(both, linear(data.unseen))


@dataclass(frozen=True)
class TestRows:
    """Transformed test samples, for who chooses an epoch by them."""

    features: Tensor  # [n, W]
    samples: Samples
    data: ZeroShotData

    @classmethod
    def of(cls, data: ZeroShotData, decoder: Decoder | None, device: torch.device) -> TestRows:
        """All of test."""
        features = torch.from_numpy(data.test.features).to(device)
        return cls(discriminative(decoder, features), data.test, data)

    def accuracy(self, kind: str, model: LinearClassifier) -> float:
        """Per-class mean of a classifier of seen or unseen classes, on their own test samples."""
        rows = slice(None, len(self.data.split.test_seen))
        classes = self.data.seen
        if kind == "unseen":
            rows, classes = slice(rows.stop, None), self.data.unseen
        predicted = model.predict(self.features[rows]).cpu().numpy()
        return per_class_accuracy(self.samples.label[rows], predicted, classes).mean

    def harmonic_mean(self, model: LinearClassifier | OutOfDistributionClassifier) -> float:
        """H of a classifier of all classes."""
        predicted = model.predict(self.features).cpu().numpy()
        parts = (self.data.seen, self.data.unseen)
        s, u = (per_class_accuracy(self.samples.label, predicted, part).mean for part in parts)
        return harmonic_mean(s, u)


def train_heads(
    config: TFVAEGANConfig,
    data: ZeroShotData,
    decoder: Decoder | None,
    *,
    real: Tensor,
    synthetic: tuple[Tensor, Tensor],
    generator: torch.Generator,
) -> Heads:
    """Train all classifiers.

    Args:
        config: rates, epochs, batches, and which kind for GZSL.
        data: labels; test samples are read only with ``best_classifier_epoch``.
        decoder: transforms features; None leaves them as they are.
        real: features of the training samples [N, R].
        synthetic: features of unseen classes [U·n, R] and their class ids [U·n].
        generator: of initial weights and orders.
    """
    label = torch.from_numpy(data.train.label).to(real.device)
    rows = TrainingRows.of(decoder, real, label, *synthetic)
    test = TestRows.of(data, decoder, real.device) if config.best_classifier_epoch else None
    train = _Trainer(config, rows, test, generator)
    generalized = train.softmax() if config.classifier == "softmax" else train.detector()
    unseen = train.linear(rows.unseen(), config.classifier_learning_rate, train.measure("unseen"))
    last, best = (
        Pair(g, u) if g is not None and u is not None else None
        for g, u in zip(generalized, unseen, strict=True)
    )
    assert last is not None
    each = config.synthetic_samples
    shown = torch.arange(len(synthetic[1])).reshape(-1, each)[:, :SHOWN].reshape(-1)
    shown = shown.to(real.device)
    return Heads(last, best, synthetic[0][shown], synthetic[1][shown])


@dataclass(frozen=True)
class _Trainer:
    """Trains one classifier after the other; each method gives the last one and, or None, the best."""

    config: TFVAEGANConfig
    rows: TrainingRows
    test: TestRows | None
    generator: torch.Generator

    def measure(self, kind: str) -> Callable[[LinearClassifier], float] | None:
        """What chooses a classifier of seen or unseen classes, if something does."""
        return partial(self.test.accuracy, kind) if self.test else None

    def linear(
        self, task: Task, rate: float, measure: Callable[[LinearClassifier], float] | None
    ) -> tuple[LinearClassifier, LinearClassifier | None]:
        config = self.config
        best = Best(measure) if measure else None
        last = train_classifier(
            *task,
            batch_size=config.classifier_batch or config.synthetic_samples,
            epochs=config.classifier_epochs,
            learning_rate=rate,
            generator=self.generator,
            after_epoch=best,
        )
        return last, best.model if best else None

    def softmax(self) -> tuple[LinearClassifier, LinearClassifier | None]:
        """One over all classes."""
        measure = self.test.harmonic_mean if self.test else None
        return self.linear(self.rows.generalized(), self.config.classifier_learning_rate, measure)

    def detector(
        self,
    ) -> tuple[OutOfDistributionClassifier, OutOfDistributionClassifier | None]:
        """A detector before two classifiers; the best has the best of each of the three."""
        config, test = self.config, self.test
        rate = config.detector_learning_rate
        unseen, best_unseen = self.linear(self.rows.unseen(), rate, self.measure("unseen"))
        seen, best_seen = self.linear(self.rows.seen(), rate, self.measure("seen"))
        best: Best[OutOfDistributionClassifier] | None = Best(test.harmonic_mean) if test else None

        def offer(epoch: int, found: OutOfDistributionClassifier) -> None:
            if best is not None and best_seen is not None and best_unseen is not None:
                candidate = OutOfDistributionClassifier(found.detector, best_seen, best_unseen)
                candidate.threshold = found.threshold
                best(epoch, candidate)

        last = train_detector(
            self.rows,
            seen,
            unseen,
            threshold=config.threshold,
            batch_size=config.detector_batch,
            hidden=config.detector_hidden,
            epochs=config.detector_epochs,
            learning_rate=rate,
            generator=self.generator,
            after_epoch=offer,
        )
        return last, best.model if best else None
