"""Optimisers, their rates, and gradients that outlive an epoch.

Every rate follows from the epoch and the number of the update alone: nothing has to be remembered for a run
to be resumed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import cos, pi
from typing import Any, Protocol, Self

import torch
from torch import Tensor, nn

from mlzoo.errors import UsageError
from mlzoo_imagecode.batches import epoch_batches, updates_by_epoch
from mlzoo_imagecode.config import ImageCoDeConfig
from mlzoo_imagecode.contextual import Part

ENCODERS, HEAD = "encoders", "head"
"""Names of the groups of parameters."""

BETAS, EPSILON = (0.9, 0.98), 1e-6
"""Of both optimisers."""

FUSED = ("cpu", "cuda")
"""Devices on which all parameters take the step in one kernel; up to rounding the same step."""

WARM_UP, DIVIDED, FINALLY_DIVIDED = 0.3, 25.0, 1e4
"""One cycle: share of its steps that rise; peak over first rate; first over last rate."""

MOMENTA = (0.95, 0.85)
"""One cycle: β₁ at its ends and at the peak."""


class Groups(Protocol):
    """What an optimiser and Accelerate's wrapper of one have in common."""

    @property
    def param_groups(self) -> list[dict[str, Any]]: ...


def make_optimizer(
    config: ImageCoDeConfig, groups: Mapping[str, Iterable[nn.Parameter]]
) -> torch.optim.Optimizer:
    """Adam with L2 decay in the gradient (``adam-l2``), or with decoupled decay (``adamw``).

    Args:
        config: kind, decay, and the groups' rates.
        groups: parameters by :data:`ENCODERS` and :data:`HEAD`; those that need no gradient are left out,
            and so is a group without any. All of a group's parameters decay.

    Raises:
        UsageError: nothing is left to train.
    """
    rates = {ENCODERS: config.learning_rate, HEAD: config.head_learning_rate}
    trained = {
        name: [p for p in parameters if p.requires_grad] for name, parameters in groups.items()
    }
    made = [{"name": n, "params": ps, "lr": rates[n]} for n, ps in trained.items() if ps]
    if not made:
        raise UsageError("there is no parameter to train.")
    kind = torch.optim.Adam if config.optimizer == "adam-l2" else torch.optim.AdamW
    fused = all(p.device.type in FUSED for parameters in trained.values() for p in parameters)
    return kind(made, betas=BETAS, eps=EPSILON, weight_decay=config.weight_decay, fused=fused)


def one_cycle(step: int, steps: int, peak: float) -> tuple[float, float]:
    """Rate and β₁ of the one-cycle schedule (Smith and Topin 2018, arXiv 1708.07120) with PyTorch's
    defaults: half a cosine up to the peak while β₁ falls, and half a cosine down to nearly 0 while it rises.

    Args:
        step: from 0.
        steps: of the whole cycle.
        peak: the highest rate.
    """
    top, end = WARM_UP * steps - 1, steps - 1
    low, last = peak / DIVIDED, peak / DIVIDED / FINALLY_DIVIDED
    outside, inside = MOMENTA
    if step <= top:
        share = step / top
        return _annealed(low, peak, share), _annealed(outside, inside, share)
    share = (step - top) / (end - top)
    return _annealed(peak, last, share), _annealed(inside, outside, share)


def _annealed(start: float, end: float, share: float) -> float:
    return end + (start - end) / 2 * (1 + cos(pi * share))


def cycle_steps(config: ImageCoDeConfig, updates: Sequence[int], batches: int) -> int:
    """Steps of the cycle.

    ``one-cycle``: as many as there are updates. ``one-cycle-published``: ⌊batches / (batch size · k)⌋ an
    epoch, which divides by the batch size twice.

    Args:
        config: the schedule, batch size and accumulation k.
        updates: of each epoch.
        batches: of an epoch.

    Raises:
        UsageError: the cycle would end before training does; says when.
    """
    if config.schedule == "one-cycle":
        return sum(updates)
    counted = batches // (config.batch_size * config.accumulation)
    steps = counted * len(updates)
    if steps < sum(updates):
        raise UsageError(
            f"schedule one-cycle-published ends after {steps} of {sum(updates)} updates: it counts {counted} "
            f"in an epoch of {batches} batches.",
            "Take --schedule one-cycle, which lasts as long as training.",
        )
    return steps


class Rates:
    """Sets the rates of an optimiser's groups before each update.

    The encoders' rate is ``learning_rate · base_decay^e`` in epoch e (from 0), or that of one cycle over all
    updates, with its β₁; the head's is ``head_learning_rate · head_decay^e``.

    Args:
        config: rates, decay and schedule.
        updates: how many updates each epoch makes; only cycles ask for it.
        batches: batches of an epoch; only ``one-cycle-published`` asks for it.

    Raises:
        UsageError: the cycle would end before training does, or the encoders' rate were to follow both a
            cycle and a decay.
    """

    def __init__(
        self, config: ImageCoDeConfig, updates: Sequence[int] = (), batches: int = 0
    ) -> None:
        self.config = config
        self.updates = list(updates)
        self.steps = 0
        if config.schedule != "constant":
            if config.base_decay != 1:
                raise UsageError(
                    f"base_decay {config.base_decay} has no meaning under {config.schedule}.",
                    "Leave one of them out.",
                )
            self.steps = cycle_steps(config, updates, batches)

    @classmethod
    def of_training(cls, config: ImageCoDeConfig, part: Part, seed: int, epochs: int) -> Self:
        """Those of so many epochs over a part. What is refused does not hang on the seed."""
        if config.schedule == "constant" or not epochs:
            return cls(config)
        batches = sum(1 for _ in epoch_batches(part, config, seed, 1))
        return cls(config, updates_by_epoch(part, config, seed, epochs), batches)

    def of(self, group: str, epoch: int, number: int) -> tuple[float, float]:
        """Rate and β₁ of a group.

        Args:
            group: its name.
            epoch: from 1.
            number: of the update in its epoch, from 0 (:attr:`mlzoo_imagecode.batches.Batch.number`).
        """
        config = self.config
        if group == HEAD:
            return config.head_learning_rate * config.head_decay ** (epoch - 1), BETAS[0]
        if config.schedule == "constant":
            return config.learning_rate * config.base_decay ** (epoch - 1), BETAS[0]
        done = sum(self.updates[: epoch - 1]) + number
        return one_cycle(done, self.steps, config.learning_rate)

    def set(self, optimizer: Groups, epoch: int, number: int) -> None:
        """Give every group of ``optimizer`` its rate and β₁ for an update."""
        for group in optimizer.param_groups:
            group["lr"], beta = self.of(group["name"], epoch, number)
            group["betas"] = (beta, BETAS[1])

    def state_dict(self) -> dict[str, Any]:
        """What must be the same when a run is resumed."""
        return {"updates": list(self.updates), "steps": self.steps}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Nothing is taken over.

        Raises:
            ValueError: a resumed run would have other rates.
        """
        if self.steps and dict(state) != self.state_dict():
            raise ValueError(
                f"its cycle has {state.get('steps')} steps, here it would have {self.steps}"
            )


class CarriedGradients:
    """The gradients that an epoch leaves to the next one, so that a resumed run has them, too.

    Args:
        parameters: whose gradients, in an order that does not change.
    """

    def __init__(self, parameters: Iterable[nn.Parameter]) -> None:
        self.parameters = list(parameters)

    def state_dict(self) -> dict[str, Tensor]:
        """Gradients by the parameter's number; none where there is none."""
        return {
            str(number): parameter.grad.detach().clone()
            for number, parameter in enumerate(self.parameters)
            if parameter.grad is not None
        }

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Put them back.

        Raises:
            ValueError: they are not of these parameters.
        """
        known = {str(number): parameter for number, parameter in enumerate(self.parameters)}
        for number, gradient in state.items():
            if number not in known or known[number].shape != gradient.shape:
                raise ValueError(f"gradient {number} {list(gradient.shape)} has no parameter")
        for number, parameter in known.items():
            kept = state.get(number)
            parameter.grad = None if kept is None else kept.to(parameter).clone()
