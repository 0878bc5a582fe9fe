"""The optimizer, the learning-rate schedules and the early stopping of the original program."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.optim import SGD, Adam, Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, ReduceLROnPlateau

from mlzoo_mdn.config import MDNConfig
from mlzoo_mdn.penalty import coefficients_of

Schedule = ReduceLROnPlateau | CosineAnnealingLR | LambdaLR


def optimizer_for(config: MDNConfig, network: nn.Module, added: nn.Module | None) -> Optimizer:
    """Adam or plain descent over the network; what a method trains beside it is a second group with
    a rate of its own.

    Both treat every parameter by itself, so two groups do what two optimizers would, in one step.
    """
    fitted = coefficients_of(network)
    apart = {id(parameter) for parameter in fitted}
    weights = [p for p in network.parameters() if id(p) not in apart]
    groups: list[dict[str, Any]] = [{"params": weights, "weight_decay": config.weight_decay}]
    if fitted:
        groups.append({"params": fitted, "lr": config.penalty_learning_rate})
    if added is not None and (adversary := list(added.parameters())):
        groups.append({"params": adversary, "lr": config.adversary_learning_rate})
    kind = Adam if config.optimizer == "adam" else SGD
    return kind(groups, lr=config.learning_rate)


def schedule_for(config: MDNConfig, optimizer: Optimizer) -> Schedule:
    """The schedule, stepped once an epoch."""
    if config.schedule == "plateau":
        return ReduceLROnPlateau(optimizer, factor=0.5, patience=10, threshold=1e-4, min_lr=1e-6)
    if config.schedule == "cosine":
        return CosineAnnealingLR(optimizer, T_max=config.epochs)
    return LambdaLR(optimizer, lambda epoch: 1.0)


def watches(schedule: Schedule) -> bool:
    """Whether the schedule follows the val loss."""
    return isinstance(schedule, ReduceLROnPlateau)


def advance(schedule: Schedule, val_loss: float) -> None:
    """One epoch further."""
    if isinstance(schedule, ReduceLROnPlateau):
        schedule.step(val_loss)
    else:
        schedule.step()


class EarlyStopping:
    """Counts the epochs since the val loss last fell by more than ``margin``."""

    def __init__(self, patience: int, margin: float = 1e-3) -> None:
        self.patience = patience
        self.margin = margin
        self.best = float("inf")
        self.waited = 0

    def should_stop(self, loss: float) -> bool:
        """True once ``patience`` epochs were in vain; never with a patience of 0."""
        if loss + self.margin < self.best:
            self.best, self.waited = loss, 0
        self.waited += 1
        return self.patience > 0 and self.waited > self.patience

    def state_dict(self) -> dict[str, Any]:
        """JSON values for the checkpoint."""
        return {"best": self.best, "waited": self.waited}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put back what :meth:`state_dict` returned."""
        self.best, self.waited = state["best"], state["waited"]
