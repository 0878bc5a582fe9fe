"""The baseline ``pooled-infonce``: a linear map of each pooled modality, trained contrastively.

With the means x_m of a clip's words, tokens and frames, standardised, an embedding is A_m x_m + b_m brought
to length 1. The loss is the normalised softmax of all three pairs of modalities, InfoNCE in both directions
(van den Oord et al., 2018), over the clips of a batch that have both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from mlzoo import Run
from mlzoo_multisk.baselines.config import PooledInfoNCEConfig
from mlzoo_multisk.baselines.pooled import Pooled, deviations, pool, pooled_training, spans
from mlzoo_multisk.baselines.predicting import predicted
from mlzoo_multisk.batches import Steps
from mlzoo_multisk.clips import MODALITIES, ClipBatch, Floats
from mlzoo_multisk.losses import norm_softmax
from mlzoo_multisk.retrieval import RetrievalData


class LinearMaps(nn.Module):
    """Standardises features and maps those of each modality.

    Args:
        parts: where the features of text, video and audio stand among d.
        projection: P.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, parts: list[slice], projection: int) -> None:
        super().__init__()
        self.parts = parts
        self.register_buffer("mean", torch.zeros(parts[-1].stop))
        self.register_buffer("deviation", torch.ones(parts[-1].stop))
        self.maps = nn.ModuleList(nn.Linear(p.stop - p.start, projection) for p in parts)

    def forward(self, features: Tensor) -> Tensor:
        """[3, b, P], of length 1, of features [b, d]."""
        x = (features - self.mean) / self.deviation
        found = [own(x[:, part]) for own, part in zip(self.maps, self.parts, strict=True)]
        return functional.normalize(torch.stack(found), dim=2)

    def standardise(self, batches: Iterable[Pooled]) -> None:
        """Take means and deviations of a training set, of each feature over the clips that have it."""
        width = self.parts[-1].stop
        counts, sums, squares = np.zeros(3), np.zeros(width), np.zeros(width)
        for batch in batches:
            x = batch.features.astype(np.float64)
            counts += batch.there.sum(axis=0)
            sums += x.sum(axis=0)
            squares += (x**2).sum(axis=0)
        own = np.repeat(np.maximum(counts, 1), [part.stop - part.start for part in self.parts])
        mean = sums / own
        deviation = deviations(squares / own - mean**2, mean)
        self.mean.copy_(torch.from_numpy(mean))
        self.deviation.copy_(torch.from_numpy(deviation))


def contrastive_loss(embeddings: Tensor, there: Tensor, temperature: float) -> Tensor:
    """The mean over the three pairs of modalities, of the clips that have both; a pair that no clip has
    counts as 0.

    Args:
        embeddings: [3, b, P], of length 1.
        there: bool [b, 3].
        temperature: of the softmax.
    """
    losses = [
        norm_softmax(
            embeddings[one] @ embeddings[other].T,  # [b, b]
            temperature,
            rows=there[:, one] & there[:, other],
        )
        for one, other in combinations(range(len(MODALITIES)), 2)
    ]
    return torch.stack(losses).mean()


class PooledInfoNCE:
    """Three linear maps."""

    def __init__(self, config: PooledInfoNCEConfig, data: RetrievalData) -> None:
        self.config, self.data = config, data
        self.device = torch.device("cpu")
        self.network = LinearMaps(spans(data.shape), config.projection)

    def to(self, device: str) -> None:
        """Move to a device."""
        self.device = torch.device(device)
        self.network.to(self.device)

    def fit(self, run: Run) -> None:
        """Every process takes the step of the whole batch, which is small: contrasts are not shared out.

        Raises:
            DataError: there is nothing to learn from.
        """
        config = self.config
        optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        network, optimizer = run.prepare(self.network, optimizer)
        for epoch in run.epochs(config.epochs, model=self, optimizer=optimizer):
            if epoch == 1:
                self.network.standardise(pooled_training(self.data, config.batch_size, run.seed))
            assert self.data.train is not None
            steps = Steps(self.data.train, config.batch_size, None, run.seed)
            for step in steps.epoch(epoch):
                pooled = pool(self.data.train.draw(step.rows, run.seed, step.number))
                there = torch.from_numpy(pooled.there).to(self.device)
                embeddings = network(torch.from_numpy(pooled.features).to(self.device))
                loss = contrastive_loss(embeddings.float(), there, config.temperature)
                optimizer.zero_grad()
                run.accelerator.backward(loss)
                optimizer.step()
                run.log(loss=loss)
            run.evaluate(self)

    def predict(self, split: str) -> dict[str, npt.NDArray[Any]]:
        """The arrays of :mod:`mlzoo_multisk.retrieval`."""
        return predicted(self.data, split, self.config.batch_size, self._embed)

    @torch.no_grad()
    def _embed(self, batch: ClipBatch) -> dict[str, Floats]:
        pooled = pool(batch)
        found = self.network(torch.from_numpy(pooled.features).to(self.device)).cpu().numpy()
        return {name: found[m] * pooled.there[:, [m]] for m, name in enumerate(MODALITIES)}

    def state_dict(self) -> dict[str, Any]:
        """The maps, and what features are standardised by."""
        return self.network.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Put back what :meth:`state_dict` returned."""
        self.network.load_state_dict(state)
