"""The softmax classifier behind ZSL and GZSL numbers: one linear layer, trained anew for every epoch of
the networks on real and synthesised features (spec "Classifier").

W: width of a feature, K: classes, B: batch.

The step has its gradient in closed form. With p = softmax(x Wᵀ + b) and the mean negative
log-likelihood L over a batch,

    dL/dlogits = (p - onehot(y)) / B,    dL/dW = dL/dlogitsᵀ x,    dL/db = column sums of dL/dlogits

which is two matrix products, and nothing else of the size of the batch is ever made.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeAlias, TypeVar

import torch
from torch import Tensor, nn

from mlzoo.errors import DataError
from mlzoo_tfvaegan.discriminative import discriminative
from mlzoo_tfvaegan.networks import Decoder
from mlzoo_tfvaegan.sampling import RowStream, permuting

Model = TypeVar("Model", bound=nn.Module)
Task: TypeAlias = tuple[Tensor, Tensor, Tensor]
"""Features [n, W], label int64 [n] and classes int64 [K], ascending: what a classifier learns."""

BETA2 = 0.999
INITIAL_SCALE = 0.02


class LinearClassifier(nn.Module):
    """One linear layer over the classes whose ids ``classes`` holds; all weights 0 at first."""

    classes: Tensor

    def __init__(self, width: int, classes: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(len(classes), width), requires_grad=False)
        self.bias = nn.Parameter(torch.zeros(len(classes)), requires_grad=False)
        self.register_buffer("classes", classes)

    def initialise(self, generator: torch.Generator | None) -> None:
        """Weights from N(0, 0.02²), biases 0."""
        device = "cpu" if generator is None else generator.device
        drawn = torch.empty(self.weight.shape, dtype=self.weight.dtype, device=device)
        self.weight.copy_(drawn.normal_(std=INITIAL_SCALE, generator=generator))
        self.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        """x [n, W] to logits [n, K]."""
        return torch.addmm(self.bias, x, self.weight.T)

    @torch.no_grad()
    def scores(self, x: Tensor) -> Tensor:
        """x [n, W] to log-probabilities [n, K]."""
        return torch.log_softmax(self(x), dim=1)

    def predict(self, x: Tensor) -> Tensor:
        """x [n, W] to class ids, int64 [n]; of equal scores the first class wins."""
        return self.classes[self.scores(x).argmax(dim=1)]


@dataclass(frozen=True, eq=False)
class TrainingRows:
    """Real rows of seen classes, then synthesised rows of unseen ones: one matrix for all classifiers.

    Attributes:
        features: [n, W].
        label: int64 [n], class ids.
        real: how many rows are real.
    """

    features: Tensor
    label: Tensor
    real: int

    @classmethod
    def of(
        cls,
        decoder: Decoder | None,
        real: Tensor,
        real_label: Tensor,
        synthetic: Tensor,
        synthetic_label: Tensor,
    ) -> TrainingRows:
        """Both sets of features [., R], transformed (:func:`discriminative`), with their class ids."""
        features = discriminative(decoder, real, synthetic)
        return cls(features, torch.cat([real_label, synthetic_label]), len(real))

    def generalized(self) -> Task:
        """All rows and classes, for GZSL."""
        return self.features, self.label, self.label.unique()

    def unseen(self) -> Task:
        """The synthesised rows, for ZSL: views, not copies."""
        label = self.label[self.real :]
        return self.features[self.real :], label, label.unique()

    def seen(self) -> Task:
        """The real rows, for the classifier behind the out-of-distribution detector: views."""
        label = self.label[: self.real]
        return self.features[: self.real], label, label.unique()


@dataclass
class Best(Generic[Model]):
    """An ``after_epoch`` that keeps the model of the best epoch; of equal ones the first.

    Measured on test rows this is how the published program chooses: an optimistic number.

    Attributes:
        measure: what to maximise.
        history: its value after each epoch.
        model: a copy from the best epoch; None before the first.
    """

    measure: Callable[[Model], float]
    history: list[float] = field(default_factory=list)
    model: Model | None = None

    def __call__(self, epoch: int, model: Model) -> None:
        value = self.measure(model)
        if self.model is None or value > max(self.history):
            self.model = copy.deepcopy(model)
        self.history.append(value)


@torch.no_grad()
def train_classifier(
    features: Tensor,
    label: Tensor,
    classes: Tensor,
    *,
    batch_size: int,
    epochs: int,
    learning_rate: float,
    beta1: float = 0.5,
    generator: torch.Generator | None = None,
    permutations: Iterable[Tensor] | None = None,
    initial: LinearClassifier | None = None,
    after_epoch: Callable[[int, LinearClassifier], None] | None = None,
) -> LinearClassifier:
    """Adam on the mean negative log-likelihood, ceil(n / B) batches an epoch.

    Beside ``features`` it holds one batch [B, W] and four matrices [K, W]: weights, gradient, moments.
    Nothing waits for the device.

    Args:
        features: [n, W]; only read.
        label: int64 [n], class ids.
        classes: int64 [K], ascending, all that ``label`` holds at least.
        batch_size: B; that of all rows if there are fewer (the published program fails then).
        epochs: passes over the rows; an order that ends within a batch goes over into the next.
        generator: of initial weights, then orders.
        permutations: int64 [n] each, in place of drawn ones: the first order, and what reorders it
            whenever it is used up.
        initial: weights to begin with, in place of drawn ones; left as it is.
        after_epoch: called with the number of the epoch, from 0, and the classifier as it is.

    Raises:
        DataError: a label is none of the classes, or there are no rows.
    """
    target = positions(label, classes)  # [n], 0..K-1
    if initial is None:
        classifier = LinearClassifier(features.shape[1], classes).to(features)
        classifier.initialise(generator)
    else:
        classifier = copy.deepcopy(initial)
    step = _Step(classifier, min(batch_size, len(features)), learning_rate, beta1)
    stream = RowStream(len(features), permuting(generator, permutations))
    batches = -(-len(features) // step.batch)
    for epoch in range(epochs):
        rows = stream.take(batches * step.batch).to(features.device)
        for batch in rows.split(step.batch):
            step(features, target, batch)
        if after_epoch is not None:
            after_epoch(epoch, classifier)
    classifier.weight.grad = classifier.bias.grad = None
    return classifier


class _Step:
    """One batch of B rows into one step of Adam, in memory that is taken once."""

    def __init__(
        self, classifier: LinearClassifier, batch: int, learning_rate: float, beta1: float
    ) -> None:
        self.classifier = classifier
        self.batch = batch
        weight, bias = classifier.weight, classifier.bias
        weight.grad, bias.grad = torch.empty_like(weight), torch.empty_like(bias)
        self.x = weight.new_empty(batch, weight.shape[1])
        self.minus_one = weight.new_full((batch, 1), -1.0)
        self.optimizer = torch.optim.Adam(
            [weight, bias], lr=learning_rate, betas=(beta1, BETA2), fused=True
        )

    def __call__(self, features: Tensor, target: Tensor, rows: Tensor) -> None:
        weight, bias = self.classifier.weight, self.classifier.bias
        assert weight.grad is not None
        assert bias.grad is not None
        x = torch.index_select(features, 0, rows, out=self.x)  # [B, W]
        y = target[rows].unsqueeze(1)  # [B, 1]
        p = torch.softmax(self.classifier(x), dim=1)  # [B, K]
        gradient = p.scatter_add_(1, y, self.minus_one).div_(self.batch)  # (p - onehot) / B
        torch.mm(gradient.T, x, out=weight.grad)  # [K, W]
        torch.sum(gradient, dim=0, out=bias.grad)  # [K]
        self.optimizer.step()


def positions(label: Tensor, classes: Tensor) -> Tensor:
    """Where each label stands among ``classes`` (ascending): int64 [n].

    Raises:
        DataError: a label is none of them, or there are none.
    """
    if len(label) == 0:
        raise DataError("There are no rows to train a classifier on.")
    place = torch.searchsorted(classes, label).clamp_(max=len(classes) - 1)
    foreign = label[classes[place] != label]
    if len(foreign) > 0:
        raise DataError(
            f"Label {int(foreign[0])} is none of the {len(classes)} classes of the classifier."
        )
    return place
