"""Metadata Normalization and its family as an mlzoo model: the loop and the two ways to evaluate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from mlzoo.checkpoints import load_strict
from mlzoo.errors import UsageError
from mlzoo.runs import Run
from mlzoo_mdn import methods
from mlzoo_mdn.config import LAYERS, MDNConfig
from mlzoo_mdn.confounded import ConfoundedData, ConfoundedSplit
from mlzoo_mdn.networks import FEATURES, ConfoundedClassifier
from mlzoo_mdn.recalibration import recalibrate, running_statistics, using_statistics
from mlzoo_mdn.residualise import Residualise
from mlzoo_mdn.training import EarlyStopping, advance, optimizer_for, schedule_for, watches


class MDN:
    """Baseline, Linear or Conv network with Metadata Normalization (section 3 of the paper), or with
    another method against confounders in its place.

    Args:
        config: the options.
        data: images float32 [N, C, H, W], label int64 [N], metadata float64 [N, k] a split.

    ``predict`` gives ``probability`` [N], ``label`` [N], ``metadata`` [N, k] and ``features`` [N, 84]
    (fc1 after normalisation, before its relu). With ``statistics="exact"`` the view ``running`` shows
    the published running averages beside the recomputed statistics.
    """

    def __init__(self, config: MDNConfig, data: ConfoundedData) -> None:
        self.config = config
        self.data = data
        self.device = torch.device("cpu")
        columns = _columns(data.train)
        names = ("label", *data.metadata_names)
        inputs = None
        if config.method == "residualise":
            images = torch.from_numpy(data.train.images)
            inputs = Residualise(images, columns, ridge=config.ridge, names=names)
        self.network = ConfoundedClassifier(
            config.network if config.method in LAYERS else "baseline",
            columns,
            data.train.images.shape[1:],
            method=config.method,
            inputs=inputs,
            **methods.layer_options(config, names),
        )
        self.added_loss = methods.added_loss(config, self.network, columns, FEATURES)
        self.running: dict[str, Tensor] = {}

    @property
    def views(self) -> tuple[str, ...]:
        """``running``, where the statistics were recomputed and both are worth a look."""
        has_layers = bool(running_statistics(self.network))
        return ("running",) if has_layers and self.config.statistics == "exact" else ()

    def to(self, device: torch.device | str) -> MDN:
        """Move the network, and the adversary if there is one."""
        self.device = torch.device(device)
        self.network.to(self.device)
        if self.added_loss is not None:
            self.added_loss.to(self.device)
        return self

    def fit(self, run: Run) -> None:
        """Binary cross entropy with Adam, and the losses that the method adds to it. Every method takes
        one forward and one backward a step; what its losses train is settled by what they detach."""
        train = self.data.train
        images = torch.from_numpy(train.images).to(self.device)  # [N, C, H, W]
        label = torch.from_numpy(train.label).to(self.device, torch.float32)  # [N]
        metadata = _columns(train).to(self.device)  # [N, 1 + k]

        optimizer = optimizer_for(self.config, self.network, self.added_loss)
        schedule = schedule_for(self.config, optimizer)
        stopping = EarlyStopping(self.config.patience)
        network, optimizer = run.prepare(self.network, optimizer)
        added_loss = self.added_loss
        if added_loss is not None and list(added_loss.parameters()):
            added_loss = run.prepare(added_loss)

        for epoch in run.epochs(
            self.config.epochs,
            model=self,
            optimizer=optimizer,
            schedule=schedule,
            stopping=stopping,
        ):
            self.network.train()
            order = torch.randperm(len(label), generator=run.generator(epoch)).to(self.device)
            for batch in order.split(self.config.batch_size):
                rows = run.share(batch)  # [m]: all of it, or this process's part
                logit, features = network(images[rows], metadata[rows])  # [m, 1], [m, 84]
                losses = functional.binary_cross_entropy_with_logits(
                    logit.squeeze(1), label[rows], reduction="none"
                )  # [m]
                loss = run.mean(losses, len(batch))
                added = added_loss(features, metadata[rows]) if added_loss else {}
                optimizer.zero_grad(set_to_none=True)
                run.accelerator.backward(sum(added.values(), start=loss))
                optimizer.step()
                run.log(loss=loss, **added)
            watched = stopping.patience or watches(schedule)
            with run.plain_networks():
                val_loss = run.on_main(self.val_loss) if watched else 0.0
            advance(schedule, val_loss)
            if stopping.should_stop(val_loss):
                run.stop(f"no better val loss in {stopping.patience} epochs")
            is_last = bool(run.stopped) or epoch == self.config.epochs
            if is_last or epoch % self.config.evaluate_every == 0:
                run.evaluate(self)

    def finish(self) -> None:
        """Replace the running averages by exact statistics over the training set."""
        if self.config.statistics == "exact":
            self.running = running_statistics(self.network)
            recalibrate(self.network, list(self._batches(self.data.train, with_label=True)))

    @torch.no_grad()
    def val_loss(self) -> float:
        """Sum of the val batches' mean losses, as the original program watches it."""
        self.network.eval()
        total = torch.zeros((), device=self.device)
        label = torch.from_numpy(self.data.val.label).to(self.device, torch.float32)
        batches = self._batches(self.data.val)
        for rows, batch in zip(label.split(self.config.batch_size), batches, strict=True):
            logit, _ = self.network(*batch)
            total += functional.binary_cross_entropy_with_logits(logit.squeeze(1), rows)
        return float(total)

    @torch.no_grad()
    def predict(self, split: str) -> dict[str, npt.NDArray[Any]]:
        """Prediction arrays of ``val``, ``test``, or ``val@running``, ``test@running``."""
        name, _, view = split.partition("@")
        if view and view not in self.views:
            raise UsageError(f"there is no view {view!r} of the predictions of {name!r}.")
        samples = self.data[name]
        if view and self.running:
            with using_statistics(self.network, self.running):
                return self._predict(samples)
        return self._predict(samples)

    def _predict(self, samples: ConfoundedSplit) -> dict[str, npt.NDArray[Any]]:
        self.network.eval()
        outputs = [self.network(*batch) for batch in self._batches(samples)]
        return {
            "probability": torch.cat([logit for logit, _ in outputs]).sigmoid()[:, 0].cpu().numpy(),
            "label": samples.label,
            "metadata": samples.metadata,
            "features": torch.cat([features for _, features in outputs]).cpu().numpy(),
        }

    def _batches(
        self, samples: ConfoundedSplit, *, with_label: bool = False
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Images and metadata in order. Evaluation never needs the label, so it is not given it."""
        images = torch.from_numpy(samples.images)
        columns = _columns(samples)
        if not with_label:
            columns[:, 0] = 0
        size = self.config.batch_size
        for rows, metadata in zip(images.split(size), columns.split(size), strict=True):
            yield rows.to(self.device), metadata.to(self.device)

    def state_dict(self) -> dict[str, Any]:
        """The network, the running averages that recomputed statistics replaced, and the adversary."""
        state = {"network": self.network.state_dict(), "running": dict(self.running)}
        if self.added_loss is not None:
            state["added_loss"] = self.added_loss.state_dict()
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Strict.

        Raises:
            CheckpointError: keys or shapes do not fit this network.
        """
        load_strict(self.network, state["network"], "the checkpoint")
        if self.added_loss is not None:
            load_strict(self.added_loss, state.get("added_loss", {}), "the checkpoint")
        self.running = {name: value.to(self.device) for name, value in state["running"].items()}


def _columns(samples: ConfoundedSplit) -> Tensor:
    """The design without its intercept, [label, confounders...], float64 [N, 1 + k]."""
    table = np.column_stack([samples.label.astype(np.float64), samples.metadata])
    return torch.from_numpy(table)
