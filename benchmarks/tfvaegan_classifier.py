"""The softmax classifier's epoch and the detector's step against reordered copies of the data.

    python benchmarks/tfvaegan_classifier.py [--json FILE] [--device cuda] [--threads 1] [--repeats 5]

"plain" is nn.Linear, log-softmax and NLLLoss with automatic gradients and Adam as it comes, on a copy of
the data that is put into a new order once an epoch (the classifier) or at every step after the first
pass (the detector). What the classifier holds in memory beside the features is recorded, too.
"""

from __future__ import annotations

import argparse
import copy

import torch
from _measure import Row, arguments, compare, peak, report
from torch import Tensor, nn
from torch.nn import functional

from mlzoo_tfvaegan.classifier import LinearClassifier, TrainingRows, train_classifier
from mlzoo_tfvaegan.detector import Detector, DetectorTraining, entropy
from mlzoo_tfvaegan.sampling import Permute, permuting

RATE, BETAS = 1e-3, (0.5, 0.999)
REAL, SYNTHESISED = 2686, 15000
"""Half of UCF101's rows; all of them, reordered, would need 5 GB."""


def assert_same(found: Tensor, expected: Tensor) -> None:
    """To 1e-6, but for a few entries of next to no gradient: Adam makes steps of its rounding.

    On a GPU float32 is not looked at: products round in another order for every shape there.
    """
    if found.is_cuda and found.dtype == torch.float32:
        return
    difference = (found - expected).abs()
    assert (difference > 1e-6).double().mean().item() < 1e-3
    assert difference.max().item() < RATE


class PlainClassifier:
    """Epochs of the classifier on a reordered copy of the features."""

    def __init__(self, x: Tensor, y: Tensor, initial: LinearClassifier, permute: Permute) -> None:
        self.layer = nn.Linear(x.shape[1], len(initial.bias)).to(x)
        self.layer.load_state_dict({"weight": initial.weight, "bias": initial.bias})
        self.optimizer = torch.optim.Adam(self.layer.parameters(), lr=RATE, betas=BETAS)
        self.permute = permute
        self.x, self.y, self.used = x.clone(), y.clone(), 0
        self.reorder()

    def reorder(self) -> None:
        order = self.permute(len(self.x)).to(self.x.device)
        self.x, self.y, self.used = self.x[order], self.y[order], 0

    def batch(self, size: int) -> tuple[Tensor, Tensor]:
        x, y = self.x[self.used : self.used + size], self.y[self.used : self.used + size]
        self.used += len(x)
        if len(x) == size:
            return x, y
        self.reorder()
        self.used = size - len(x)
        return torch.cat([x, self.x[: self.used]]), torch.cat([y, self.y[: self.used]])

    def epoch(self, size: int) -> None:
        for _ in range(0, len(self.x), size):
            x, y = self.batch(size)
            self.optimizer.zero_grad()
            loss = functional.nll_loss(self.layer(x).log_softmax(dim=1), y)
            torch.autograd.backward(loss)
            self.optimizer.step()


class Reordered:
    """The detector's batches from data that are put into a new order at every call but the first ones."""

    def __init__(self, permute: Permute, *data: Tensor) -> None:
        self.permute, self.data, self.position = permute, data, 0

    def batch(self, size: int) -> tuple[Tensor, ...]:
        rows = len(self.data[0])
        start = self.position
        if start + size > rows - size:
            order = self.permute(rows).to(self.data[0].device)
            self.data = tuple(each[order] for each in self.data)
            return tuple(each[:size] for each in self.data)
        self.position += size
        return tuple(each[start : start + size] for each in self.data)


class PlainDetector:
    """Steps of the detector, a forward pass for each half of the batch."""

    def __init__(self, rows: TrainingRows, initial: Detector, permute: Permute) -> None:
        x, label, classes = rows.seen()
        self.detector = copy.deepcopy(initial)
        self.optimizer = torch.optim.Adam(self.detector.parameters(), lr=RATE, betas=BETAS)
        self.seen = Reordered(permute, x, torch.searchsorted(classes, label))
        self.unseen = Reordered(permute, rows.unseen()[0])

    def step(self, size: int) -> None:
        x, y = self.seen.batch(size // 2)
        (other,) = self.unseen.batch(size // 2)
        real, synthesised = self.detector(x), self.detector(other)
        loss = functional.nll_loss(real.log_softmax(dim=1), y)
        loss = entropy(real).mean() + loss - entropy(synthesised).mean()
        self.optimizer.zero_grad()
        torch.autograd.backward(loss)
        self.optimizer.step()


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def classifier_row(options: argparse.Namespace) -> Row:
    """One epoch over real and synthesised features of CUB's size."""
    n, width, count, batch = (500, 64, 20, 60) if options.quick else (22057, 6456, 200, 300)
    classes = torch.arange(count, device=options.device)
    x = torch.rand(n, width, device=options.device)
    y = torch.arange(n, device=options.device) % count
    initial = LinearClassifier(width, classes).to(x)
    initial.initialise(generator())
    settings = {"batch_size": batch, "epochs": 1, "learning_rate": RATE, "initial": initial}

    def ours() -> LinearClassifier:
        return train_classifier(x, y, classes, generator=generator(), **settings)

    trained = ours()  # libraries take their own memory at the first call
    _, memory = peak(ours, options.device)

    def begin() -> PlainClassifier:
        plain = PlainClassifier(x, y, initial, permuting(generator(), None))
        plain.epoch(batch)
        return plain

    plain, plain_memory = peak(begin, options.device)
    if memory is not None and plain_memory is not None:
        print(
            f"{x.nbytes / 1e6:.0f} MB; beside: mlzoo {memory:.0f} MB, plain {plain_memory:.0f} MB"
        )
    assert_same(trained.weight, plain.layer.weight)
    return compare(
        f"classifier's epoch, {n} x {width}, {count} classes",
        {"mlzoo": ours, "plain": lambda: plain.epoch(batch)},
        options,
        against=("plain",),
        accelerated=True,
        gflop=2 * 2 * -(-n // batch) * batch * width * count / 1e9,
    ) | {"data_mb": x.nbytes / 1e6, "beside_mb": {"mlzoo": memory, "plain": plain_memory}}


def detector_row(options: argparse.Namespace) -> Row:
    """One step, after the first pass, over features of UCF101's width."""
    real, synthesised, width = (80, 100, 60) if options.quick else (REAL, SYNTHESISED, 12403)
    n, size, device = real + synthesised, 128, options.device
    size = 16 if options.quick else size
    label = torch.arange(n, device=device) % 50
    label[real:] += 50
    rows = TrainingRows(torch.rand(n, width, device=device), label, real)
    classes = rows.seen()[2]
    initial = Detector(width, len(classes)).to(rows.features)
    initial.initialise(generator())
    ours = DetectorTraining(
        rows,
        copy.deepcopy(initial),
        classes,
        size,
        permuting(generator(), None),
        learning_rate=RATE,
        beta1=BETAS[0],
    )
    plain = PlainDetector(rows, initial, permuting(generator(), None))
    for each in (*ours.orders, plain.seen, plain.unseen):
        each.position = n  # the first pass is over

    def step() -> None:
        ours.step(ours.batches(1)[0])

    for _ in range(2):
        step()
        plain.step(size)
    for a, b in zip(ours.detector.parameters(), plain.detector.parameters(), strict=True):
        assert_same(a, b)
    forward = size * (width * 512 + 512 * 512 + 512 * len(classes))
    return compare(
        f"detector's step, {n} x {width}",
        {"mlzoo": step, "plain": lambda: plain.step(size)},
        options,
        against=("plain",),
        accelerated=True,
        gflop=2 * (3 * forward - size * width * 512) / 1e9,  # features need no gradient
    )


def main() -> None:
    options = arguments(__doc__, repeats=5)
    if options.device == "cuda":  # the same in double, where rounding hides nothing
        torch.set_default_dtype(torch.float64)
        once = argparse.Namespace(**{**vars(options), "repeats": 1})
        classifier_row(once)
        detector_row(once)
        torch.set_default_dtype(torch.float32)
        print("equal in double; in single:")
    report([classifier_row(options), detector_row(options)], options)


if __name__ == "__main__":
    main()
