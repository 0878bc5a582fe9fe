"""The epochs of ViLBERT and UNITER: on pairs, each right or wrong, or on sets of which one image is right."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, nullcontext
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from mlzoo.errors import UsageError
from mlzoo.prefetch import ahead
from mlzoo.runs import LAST, Run
from mlzoo_imagecode.contextual import Index, Part
from mlzoo_imagecode.cross.adamw import AdamW, decay_groups, set_rate, warm_up_linear
from mlzoo_imagecode.cross.batches import Batch, epoch_batches, updates_in_epoch
from mlzoo_imagecode.cross.encoder import Given
from mlzoo_imagecode.cross.heads import pair_loss
from mlzoo_imagecode.cross.inputs import moved
from mlzoo_imagecode.losses import matching_loss

if TYPE_CHECKING:
    from mlzoo_imagecode.cross.model import CrossModel

PRETRAINED = "Name pre-trained weights: --initial-weights FILE --vocabulary vocab.txt."


def fit(model: CrossModel, run: Run) -> None:
    """Train; each epoch ends with a score.

    Raises:
        UsageError: there is nothing to learn from, or zero-shot has no pre-trained weights.
    """
    config, train = model.config, model.data.train
    if config.epochs and train is None:
        raise UsageError(
            "there are no descriptions to train on.",
            "Score weights as they are: --preset zero-shot.",
        )
    _start(model, run)
    learning = Learning(model, run, train) if config.epochs and train is not None else None
    state = {} if learning is None else {"optimizer": learning.optimizer}
    for epoch in run.epochs(config.epochs, model=model, **state):
        assert learning is not None
        learning.train(epoch)
        if config.evaluate_last or epoch < config.epochs:
            run.evaluate(model)


def _start(model: CrossModel, run: Run) -> None:
    """From the initial weights, if there are any, unless a run goes on from its own."""
    config = model.config
    if config.variant == "zero-shot" and config.initial_weights is None:
        raise UsageError(
            "zero-shot scores pre-trained weights, of which there are none.", PRETRAINED
        )
    if (run.checkpoints / LAST).exists():
        return
    if config.initial_weights is None:
        run.message("no --initial-weights: from scratch")
        return
    from mlzoo_imagecode.cross.weights import start_from

    done = start_from(config.initial_weights, model.network)
    head = "with its head" if done["head"] else "without a head"
    run.message(f"starts from the weights of {config.initial_weights} ({done['file']}, {head})")


class Work(NamedTuple):
    """Some rows of a batch, whether they are its last, and whether they count or only take part in a step."""

    batch: Batch
    rows: Index
    last: bool
    counts: bool


class Learning:
    """Steps over a part.

    Args:
        model: what is trained.
        run: the run.
        part: what is learnt from.

    Attributes:
        optimizer: its state belongs to a checkpoint.
    """

    def __init__(self, model: CrossModel, run: Run, part: Part) -> None:
        self.model, self.run, self.part = model, run, part
        config = model.config
        self.pairs = config.variant == "nocontra"
        """Whether every pair stands for itself."""
        self.count = len(part) * (part.choices if self.pairs else 1)
        self.updates = updates_in_epoch(self.count, config.batch_size)
        self.inputs = model.inputs(part, training=True)
        self.target = torch.from_numpy(part.target)  # [n]
        optimizer = AdamW(
            decay_groups(model.network, config.weight_decay),
            config.learning_rate,
            correct_bias=config.correct_bias,
        )
        self.network, self.optimizer = run.prepare(model.network, optimizer)

    def train(self, epoch: int) -> None:
        """One epoch."""
        self.model.network.train()
        losses, right, rows = self._nothing(), self._nothing(), 0
        with closing(ahead(self._read, self._works(epoch))) as read:
            for work, given in read:
                with self._synchronised(work):
                    loss, correct = self._forward(work, given)
                losses, right = losses + loss, right + correct
                if not work.last:
                    continue
                rows += len(work.batch.rows)
                if work.batch.update:
                    rate = self._step(epoch, work.batch.number)
                    self._log(losses, right * self.run.processes / rows, rate)
                    losses, right, rows = self._nothing(), self._nothing(), 0

    def _works(self, epoch: int) -> Iterator[Work]:
        config = self.model.config
        batches = epoch_batches(
            self.count, config.batch_size, config.accumulation, self.run.seed, epoch
        )
        for batch in batches:
            own = np.asarray(self.run.share(torch.from_numpy(batch.rows)).numpy())
            counts = bool(len(own))
            # Every process takes part in a step, also one that has no row of a small batch.
            pieces = self._pieces(own if counts else batch.rows[:1])
            for place, rows in enumerate(pieces, start=1):
                yield Work(batch, rows, place == len(pieces), counts)

    def _pieces(self, rows: Index) -> list[Index]:
        if not self.pairs:
            return self.model.pieces(rows, self.inputs, self.part.choices)
        descriptions = rows // self.part.choices
        order = np.argsort(self.inputs.lengths[descriptions], kind="stable")
        at_once = self.model.config.pairs_at_once
        return [rows[order[at : at + at_once]] for at in range(0, len(rows), at_once)]

    def _read(self, work: Work) -> tuple[Work, Given]:
        read = self.inputs.of_pairs if self.pairs else self.inputs.of_descriptions
        return work, read(work.rows)

    def _forward(self, work: Work, given: Given) -> tuple[Tensor, Tensor]:
        """This process's share of the step's loss in some rows, whose gradients are added up, and how many
        descriptions choose their image."""
        device = self.model.device
        logits = self.network(moved(given, device))  # [b, k], of pairs [b, 1]
        rows = torch.from_numpy(work.rows)
        if self.pairs:
            k = self.part.choices
            belong = self.target[rows // k] == rows % k  # [b]
            loss = pair_loss(logits, belong[:, None].to(device), "sum")
            correct = (logits.detach() > 0).squeeze(1) == belong.to(device)
        else:
            target = self.target[rows].to(device)  # [b]
            loss = matching_loss(logits, target, "sum")
            correct = logits.detach().argmax(dim=1) == target
        # Gradients are averaged over the processes.
        scale = work.batch.share * self.run.processes * work.counts / len(work.batch.rows)
        self.run.accelerator.backward(loss * scale)
        return loss.detach() * scale, correct.sum() * work.counts

    def _synchronised(self, work: Work) -> AbstractContextManager[Any]:
        """Gradients stay this process's until the last rows of a step."""
        if self.run.processes == 1 or (work.last and work.batch.update):
            return nullcontext()
        stay: AbstractContextManager[Any] = self.run.accelerator.no_sync(self.network)
        return stay

    def _step(self, epoch: int, number: int) -> float:
        """Take a step; returns its rate, which follows from the number of the step alone."""
        config, total = self.model.config, self.updates * self.model.config.epochs
        done = (epoch - 1) * self.updates + number
        rate = config.learning_rate * warm_up_linear(done, config.warm_up * total, total)
        self.run.accelerator.clip_grad_norm_(self.network.parameters(), config.clip_norm)
        set_rate(self.optimizer, rate)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return rate

    def _log(self, loss: Tensor, right: Tensor, rate: float) -> None:
        share = {"pair_accuracy" if self.pairs else "training_accuracy": 100 * right}
        self.run.log(loss=loss, learning_rate=rate, **share)

    def _nothing(self) -> Tensor:
        return torch.zeros((), device=self.model.device)
