"""What both kinds of stages share: the optimiser's steps, their rates, and the log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from mlzoo.runs import Run
from mlzoo_imagecode.batches import Batch, epoch_batches
from mlzoo_imagecode.context_module import temporal_mask
from mlzoo_imagecode.contextual import Index, Part
from mlzoo_imagecode.optimisation import ENCODERS, CarriedGradients, Rates, make_optimizer

if TYPE_CHECKING:
    from mlzoo_imagecode.model import ImageCoDeModel


class Learning:
    """Epochs that train the same parameters.

    Args:
        model: what is trained.
        run: the run.
        part: what is learnt from.
        network: what gets a forward and a backward a step.
        groups: its trained parameters, by :data:`~mlzoo_imagecode.optimisation.ENCODERS` and ``HEAD``.
        epochs: how many.
    """

    def __init__(
        self,
        model: ImageCoDeModel,
        run: Run,
        part: Part,
        network: nn.Module,
        groups: dict[str, list[nn.Parameter]],
        epochs: int,
    ) -> None:
        self.model, self.run, self.part, self.epochs = model, run, part, epochs
        config = model.config
        self.name = "_".join(groups)
        self.trained = [parameter for group in groups.values() for parameter in group]
        # The published cycle is of the encoders' rate; the module's decays alone.
        cycles = ENCODERS in groups
        constant = config.model_copy(update={"schedule": "constant"})
        self.rates = Rates.of_training(config if cycles else constant, part, run.seed, epochs)
        self.network, self.optimizer = run.prepare(network, make_optimizer(config, groups))
        self.positions = torch.from_numpy(part.position[part.candidates])  # [n, k]
        self.target = torch.from_numpy(part.target)  # [n]
        self.temporal = temporal_mask(config, torch.from_numpy(part.is_video), training=True)  # [n]

    def state(self) -> dict[str, Any]:
        """The optimiser, the cycle, and gradients that wait for the next epoch."""
        state: dict[str, Any] = {f"optimizer_{self.name}": self.optimizer}
        if self.rates.steps:
            state[f"rates_{self.name}"] = self.rates
        if self.model.config.leftover == "carry":
            state[f"gradients_{self.name}"] = CarriedGradients(self.trained)
        return state

    def batches(self, number: int) -> Iterator[Batch]:
        """Of an epoch of the stage, from 1."""
        return epoch_batches(self.part, self.model.config, self.run.seed, number)

    def share(self, rows: Index) -> Index:
        """This process's descriptions of a batch."""
        return np.asarray(self.run.share(torch.from_numpy(rows)).numpy())

    def scale(self, batch: Batch) -> float:
        """What the sum of some losses of a batch is multiplied by: over all processes, whose gradients are
        averaged, it makes the batch's sum or mean."""
        mean = self.model.config.reduction == "mean"
        return batch.scale * self.run.processes / (len(batch.rows) if mean else 1)

    def on_device(self, x: Tensor) -> Tensor:
        """A tensor where the model is; the host does not wait for the copy."""
        device = self.model.device
        return (
            x.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else x.to(device)
        )

    def unsynchronised(self) -> AbstractContextManager[Any]:
        """Gradients stay this process's until the last piece of a step."""
        several = self.run.processes > 1
        return self.run.accelerator.no_sync(self.network) if several else nullcontext()

    def step(self, batch: Batch, number: int) -> None:
        """Take a step if the batch ends one."""
        if batch.update:
            self.rates.set(self.optimizer, number, batch.number)
            self.optimizer.step()
            self.optimizer.zero_grad()

    def right(self, logits: Tensor, rows: Index) -> Tensor:
        """How many descriptions choose their image."""
        return (logits.argmax(dim=1) == self.on_device(self.target[torch.from_numpy(rows)])).sum()

    def log(self, batch: Batch, losses: Tensor, right: Tensor) -> None:
        """Mean loss and share of right choices of a batch, from the sums over this process's part."""
        share = self.run.processes / len(batch.rows)
        rates = {f"{g['name']}_rate": g["lr"] for g in self.optimizer.param_groups}
        self.run.log(loss=losses * share, training_accuracy=100 * right * share, **rates)
