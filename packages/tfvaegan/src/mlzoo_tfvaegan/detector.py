"""Generalized zero-shot classification of actions: a detector decides between two classifiers.

After Mandal et al., "Out-of-distribution detection for generalized zero-shot action recognition"
(CVPR 2019): a network over the seen classes is trained to be sure of real samples and unsure of
synthesised unseen ones, and the entropy of its answer tells them apart. A sample below the threshold
goes to the classifier of the seen classes, any other to that of the unseen ones:

    unseen = train_classifier(*rows.unseen(), ...)
    seen = train_classifier(*rows.seen(), ...)
    classifier = train_detector(rows, seen, unseen, ...)

W: width of a feature, S: seen classes, U: unseen classes, C = S + U.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

from mlzoo.errors import DataError
from mlzoo_tfvaegan.classifier import (
    BETA2,
    INITIAL_SCALE,
    LinearClassifier,
    TrainingRows,
    positions,
)
from mlzoo_tfvaegan.sampling import Permute, RestartingRows, permuting

ThresholdRule: TypeAlias = Literal["mean", "published"]


def entropy(logits: Tensor) -> Tensor:
    """Of softmax(logits) [n, K], in nats: [n]."""
    return -(torch.softmax(logits, dim=1) * torch.log_softmax(logits, dim=1)).sum(dim=1)


class Detector(nn.Module):
    """Three layers to logits over the seen classes."""

    def __init__(self, width: int, seen: int, hidden: int = 512) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, hidden)
        self.classifier = nn.Linear(hidden, seen)

    @torch.no_grad()
    def initialise(self, generator: torch.Generator | None) -> None:
        """Weights from N(0, 0.02²), biases 0."""
        device = "cpu" if generator is None else generator.device
        for layer in (self.fc1, self.fc2, self.classifier):
            drawn = torch.empty(layer.weight.shape, dtype=layer.weight.dtype, device=device)
            layer.weight.copy_(drawn.normal_(std=INITIAL_SCALE, generator=generator))
            layer.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        """x [n, W] to logits [n, S]."""
        hidden = functional.relu(self.fc1(x))
        return self.classifier(functional.relu(self.fc2(hidden)))  # type: ignore[no-any-return]


class OutOfDistributionClassifier(nn.Module):
    """Detector, threshold and the two classifiers it decides between.

    Attributes:
        threshold: of the entropy; a scalar tensor.
        classes: int64 [C], ids of seen and unseen classes, ascending.
    """

    threshold: Tensor
    classes: Tensor

    def __init__(
        self, detector: Detector, seen: LinearClassifier, unseen: LinearClassifier
    ) -> None:
        super().__init__()
        self.detector, self.seen, self.unseen = detector, seen, unseen
        self.register_buffer("threshold", seen.weight.new_zeros(()))
        self.register_buffer("classes", torch.cat([seen.classes, unseen.classes]).sort().values)

    @torch.no_grad()
    def entropy(self, x: Tensor) -> Tensor:
        """x [n, W] to the detector's entropy [n]."""
        return entropy(self.detector(x))

    def is_seen(self, x: Tensor) -> Tensor:
        """x [n, W] to bool [n]: entropy strictly below the threshold."""
        return self.entropy(x) < self.threshold

    def predict(self, x: Tensor) -> Tensor:
        """x [n, W] to class ids, int64 [n]."""
        return torch.where(self.is_seen(x), self.seen.predict(x), self.unseen.predict(x))

    @torch.no_grad()
    def scores(self, x: Tensor) -> Tensor:
        """x [n, W] to float32 [n, C], one column a class, the largest of which is the prediction.

        Seen columns are log p - max log p + (threshold - entropy), unseen ones log p - max log p of
        their own classifier. A constant added to all seen columns thus moves the threshold by it.
        """
        margin = self.threshold - self.entropy(x)  # [n]
        least = torch.finfo(torch.float32).tiny  # a margin of 0 is unseen, and must not be a draw
        lift = margin.float()
        lift = torch.where(margin > 0, lift.clamp(min=least), lift.clamp(max=-least))
        made = x.new_empty(len(x), len(self.classes), dtype=torch.float32)
        for classifier, top in ((self.seen, lift), (self.unseen, torch.zeros_like(lift))):
            columns = torch.searchsorted(self.classes, classifier.classes)
            made[:, columns] = _topped(classifier.scores(x), top.unsqueeze(1))
        return made


def _topped(scores: Tensor, top: Tensor) -> Tensor:
    """Scores [n, K] shifted so that the first best of each row is ``top`` [n, 1], float32; all others
    are below it even where rounding would make them equal."""
    best = scores.argmax(dim=1, keepdim=True)
    shifted = (scores - scores.gather(1, best)).float() + top
    below = torch.nextafter(top, torch.full_like(top, -torch.inf))
    return torch.minimum(shifted, below).scatter(1, best, top)


def detector_loss(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """mean H(real) + mean NLL(real) - mean H(synthesised), with H the entropy of the softmax.

    Args:
        logits: [B, S], those of real rows first.
        target: int64 [real], places of the real rows' classes.

    Returns:
        The loss, and H(real) [real].
    """
    uncertainty = entropy(logits)  # [B]
    real, synthesised = uncertainty[: len(target)], uncertainty[len(target) :]
    likelihood = functional.cross_entropy(logits[: len(target)], target)
    return real.mean() + likelihood - synthesised.mean(), real


class DetectorTraining:
    """Batches and steps of one detector.

    Attributes:
        real: real rows in a batch.
    """

    def __init__(
        self,
        rows: TrainingRows,
        detector: Detector,
        classes: Tensor,
        batch_size: int,
        permute: Permute,
        *,
        learning_rate: float,
        beta1: float,
    ) -> None:
        """``classes``: int64 [S], ascending, the detector's; otherwise as in :func:`train_detector`."""
        synthesised = len(rows.label) - rows.real
        if synthesised == 0:
            raise DataError("There are no synthesised rows to train a detector on.")
        self.target = positions(rows.label[: rows.real], classes)
        self.rows, self.detector, self.batch_size = rows, detector, batch_size
        self.real = min(batch_size // 2, rows.real)
        self.orders = (RestartingRows(rows.real, permute), RestartingRows(synthesised, permute))
        self.optimizer = torch.optim.Adam(
            detector.parameters(), lr=learning_rate, betas=(beta1, BETA2), fused=True
        )

    def batches(self, steps: int | None = None) -> Tensor:
        """Row numbers of an epoch, or so many steps, on the device: int64 [steps, B], real ones first."""
        real, synthesised = self.orders
        half = self.batch_size // 2
        drawn = [
            torch.cat([real.take(half), self.rows.real + synthesised.take(half)])
            for _ in range(steps or -(-self.rows.real // self.batch_size))
        ]
        return torch.stack(drawn).to(self.rows.features.device)

    @torch.enable_grad()
    def step(self, batch: Tensor) -> Tensor:
        """One step of Adam on the rows of ``batch`` [B]; the sum of its real rows' entropies before."""
        logits = self.detector(self.rows.features.index_select(0, batch))  # [B, S]
        loss, uncertainty = detector_loss(logits, self.target[batch[: self.real]])
        self.optimizer.zero_grad()
        torch.autograd.backward(loss)
        self.optimizer.step()
        return uncertainty.detach().sum()


def train_detector(
    rows: TrainingRows,
    seen: LinearClassifier,
    unseen: LinearClassifier,
    *,
    threshold: ThresholdRule,
    batch_size: int = 128,
    hidden: int = 512,
    epochs: int = 50,
    learning_rate: float = 1e-3,
    beta1: float = 0.5,
    generator: torch.Generator | None = None,
    permutations: Iterable[Tensor] | None = None,
    initial: Detector | None = None,
    after_epoch: Callable[[int, OutOfDistributionClassifier], None] | None = None,
) -> OutOfDistributionClassifier:
    """Adam on :func:`detector_loss`, ceil(real rows / batch) steps an epoch; half of a batch is real.

    The threshold is set after each epoch from the entropies of its real rows, each taken before its
    step. Rows are gathered by index; nothing waits for the device within an epoch.

    Args:
        rows: what to learn from: real rows of seen and synthesised rows of unseen classes.
        seen, unseen: the classifiers to decide between; ``seen.classes`` are the detector's.
        threshold: ``mean`` of those entropies, or their sum over the number of all real rows, as
            ``published``: about half of it, since an epoch takes every second real row only.
        batch_size: of both halves together.
        hidden: units of the detector's two layers.
        generator: of initial weights, then orders.
        permutations: int64, in place of drawn ones, in the order of need: in each step first that of
            the real rows, then that of the synthesised ones, if their order is used up.
        initial: detector to begin with, in place of a drawn one; left as it is.
        after_epoch: called with the number of the epoch, from 0, and the classifier as it is.

    Raises:
        DataError: a real label is none of ``seen.classes``, or one kind of rows is missing.
    """
    detector = copy.deepcopy(initial)
    if detector is None:
        detector = Detector(rows.features.shape[1], len(seen.classes), hidden).to(rows.features)
        detector.initialise(generator)
    classifier = OutOfDistributionClassifier(detector, seen, unseen)
    training = DetectorTraining(
        rows,
        detector,
        seen.classes,
        batch_size,
        permuting(generator, permutations),
        learning_rate=learning_rate,
        beta1=beta1,
    )
    for epoch in range(epochs):
        uncertainty = [training.step(batch) for batch in training.batches()]
        taken = len(uncertainty) * training.real if threshold == "mean" else rows.real
        classifier.threshold = torch.stack(uncertainty).sum() / taken
        if after_epoch is not None:
            after_epoch(epoch, classifier)
    return classifier


def accepted_accuracy(
    predicted: Tensor, label: Tensor, accepted: Tensor, classes: Tensor
) -> Tensor:
    """Share of each class's rows that are both accepted by the detector and classified right.

    Args:
        predicted, label: int64 [n], class ids.
        accepted: bool [n].
        classes: int64 [K], ascending; every label is one of them.

    Returns:
        float64 [K]; NaN for a class without rows.
    """
    place = positions(label, classes)
    right = (accepted & (predicted == label)).double()
    count = torch.bincount(place, minlength=len(classes))
    return torch.bincount(place, right, minlength=len(classes)) / count
