"""The model and its training loop."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from mlzoo import Run

from .config import ModelConfig
from .data import CORNERS, ClusterData


class ClusterModel:
    """A network with one hidden layer. The loop is yours; ``run`` brings the services."""

    def __init__(self, config: ModelConfig, data: ClusterData) -> None:
        self.config, self.data = config, data
        self.network = nn.Sequential(
            nn.Linear(2, config.hidden), nn.Tanh(), nn.Linear(config.hidden, len(CORNERS))
        )
        self.device = torch.device("cpu")

    def to(self, device: str) -> None:
        """Move to a device; called once before training or prediction."""
        self.device = torch.device(device)
        self.network.to(self.device)

    def fit(self, run: Run) -> None:
        """Train; interrupted, it goes on exactly where it stopped."""
        points = torch.from_numpy(self.data.points["train"]).to(self.device)  # [N, 2]
        labels = torch.from_numpy(self.data.labels["train"]).to(self.device)  # [N]
        optimizer = torch.optim.Adam(self.network.parameters(), lr=self.config.learning_rate)
        network, optimizer = run.prepare(self.network, optimizer)  # device, precision, processes
        for epoch in run.epochs(self.config.epochs, model=self, optimizer=optimizer):
            order = torch.randperm(len(labels), generator=run.generator(epoch))
            for batch in order.split(self.config.batch_size):
                rows = run.share(batch)  # all of it, or the part of one process of several
                losses = functional.cross_entropy(
                    network(points[rows]), labels[rows], reduction="none"
                )
                loss = run.mean(losses, len(batch))
                optimizer.zero_grad()
                run.accelerator.backward(loss)
                optimizer.step()
                run.log(loss=loss)
            run.evaluate(self)

    @torch.no_grad()
    def predict(self, split: str) -> dict[str, npt.NDArray[np.int64]]:
        """The arrays that the task's evaluators read."""
        logits: Tensor = self.network(torch.from_numpy(self.data.points[split]).to(self.device))
        return {"predicted": logits.argmax(dim=1).cpu().numpy(), "label": self.data.labels[split]}

    def state_dict(self) -> dict[str, Any]:
        """Tensors and JSON values only."""
        return self.network.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Strict: a missing key is an error."""
        self.network.load_state_dict(state)
