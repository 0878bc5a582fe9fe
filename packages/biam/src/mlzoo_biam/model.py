"""BiAM as an mlzoo model: the published training loop over full images or shards, and fine-tuning on
all training images afterwards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mlzoo.checkpoints import load_strict
from mlzoo.errors import UsageError
from mlzoo.prefetch import ahead
from mlzoo.runs import Run
from mlzoo_biam.batches import Sampler, trainable
from mlzoo_biam.config import BiAMConfig
from mlzoo_biam.losses import annotated_columns, image_losses
from mlzoo_biam.multilabel import Images, MultiLabelData
from mlzoo_biam.networks import BiAM
from mlzoo_biam.schedule import learning_rate
from mlzoo_biam.shown import shown_maps

Index = npt.NDArray[np.int64]

TAGS_AT_ONCE = 1024
"""Columns of scores that are computed together, which bounds the memory of large vocabularies."""


@dataclass(frozen=True)
class Batch:
    """What one step is given.

    Attributes:
        regions: [b, D, S].
        scene: [b, G].
        labels: int8 [b, C'], of the tags that some image of the whole batch has a label for.
        vectors: [C', E], of these tags.
        count: images of the whole batch, of which b are this process's.
    """

    regions: Tensor
    scene: Tensor
    labels: Tensor
    vectors: Tensor
    count: int


class BestWeights:
    """The network's best weights on val so far, from which fine-tuning starts; a later tie wins."""

    def __init__(self) -> None:
        self.score = float("-inf")
        self.epoch = 0
        self.weights: dict[str, Tensor] = {}

    def offer(self, epoch: int, score: float, network: BiAM) -> None:
        """Keep a copy if it is the best."""
        if score >= self.score:
            self.score, self.epoch = score, epoch
            self.weights = {name: value.clone() for name, value in network.state_dict().items()}

    def state_dict(self) -> dict[str, Any]:
        """For the checkpoint; -inf is kept as None."""
        score = None if self.score == float("-inf") else self.score
        return {"score": score, "epoch": self.epoch, "weights": self.weights}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Put back what :meth:`state_dict` returned."""
        self.score = float("-inf") if state["score"] is None else state["score"]
        self.epoch, self.weights = state["epoch"], dict(state["weights"])


class BiAMModel:
    """Region and scene attention, trained to rank present tags above absent ones.

    Args:
        config: the options.
        data: features of regions and of the whole image, labels of seen tags, word vectors of all.

    ``predict(split)`` gives ``scores`` float32 [n, C] of all tags, seen then unseen, and the labels.
    """

    def __init__(self, config: BiAMConfig, data: MultiLabelData) -> None:
        self.config = config
        self.data = data
        self.device = torch.device("cpu")
        features = data.train.features
        self.network = BiAM(
            config,
            features.channels,
            features.grid,
            features.scene_width,
            data.vectors.shape[1],
        )
        self.vectors = torch.from_numpy(data.vectors)  # [C, E]
        self._stages: dict[str, tuple[Sampler, Images]] = {}

    def to(self, device: torch.device | str) -> BiAMModel:
        """Move the network and the word vectors."""
        self.device = torch.device(device)
        self.network.to(self.device)
        self.vectors = self.vectors.to(self.device)
        return self

    def fit(self, run: Run) -> None:
        """Train on train with val to choose the epoch; then, if asked, on both from the best epoch."""
        config, tuned = self.config, self.config.fine_tune_epochs > 0
        if tuned and run.selector.rule != "last":
            raise UsageError(
                f"fine_tune_epochs trains on val too, so --select {run.selector.rule} has nothing to go by.",
                "Choose --select last, or a preset such as fine-tuned.",
            )
        optimizer = self._optimizer(config.learning_rate)
        network, optimizer = run.prepare(self.network, optimizer)
        best = BestWeights()
        state = {"model": self, "optimizer": optimizer} | ({"best": best} if tuned else {})

        for epoch in run.epochs(config.epochs + config.fine_tune_epochs, **state):
            first_stage = epoch <= config.epochs
            if epoch == config.epochs + 1:
                self._begin_fine_tuning(run, optimizer, best)
            self._set_rate(optimizer, epoch)
            sampler, images = self._stage("train" if first_stage else "trainval")
            for batch in self._batches(run, sampler, images, epoch):
                losses = image_losses(
                    network(batch.regions, batch.scene, batch.vectors),
                    batch.labels,
                    config.normalise,
                )
                loss = run.mean(losses, batch.count)
                optimizer.zero_grad()
                run.accelerator.backward(loss)
                optimizer.step()
                run.log(loss=loss, learning_rate=optimizer.param_groups[0]["lr"])
            if first_stage and self._is_scored(epoch, run):
                metrics = run.evaluate(self)
                if tuned and metrics:
                    best.offer(epoch, metrics[run.main_metric], self.network)

    def _optimizer(self, rate: float) -> torch.optim.Adam:
        config = self.config
        return torch.optim.Adam(  # with the L2 term in the gradient, and of all parameters
            self.network.parameters(),
            lr=rate,
            betas=(config.adam_beta1, 0.999),
            weight_decay=config.weight_decay,
            fused=True,
        )

    def _stage(self, part: str) -> tuple[Sampler, Images]:
        """What a stage of training draws from; made once."""
        if part not in self._stages:
            config, data = self.config, self.data
            images = data.part(part)
            kept = trainable(images.own_labels, data.seen, config.max_labels)
            shards = data.shards if part == "train" else data.shards[:0]
            self._stages[part] = Sampler(config, kept, shards), images
        return self._stages[part]

    def _set_rate(self, optimizer: Any, epoch: int) -> None:
        """The rate of an epoch of either stage."""
        config = self.config
        rate = config.fine_tune_learning_rate
        if epoch <= config.epochs:
            rate = learning_rate(
                epoch,
                base=config.learning_rate,
                minimum=config.min_learning_rate,
                epochs=config.epochs,
                warmup=min(config.warmup_epochs, config.epochs - 1),
                schedule=config.schedule,
            )
        for group in optimizer.param_groups:
            group["lr"] = rate

    def _begin_fine_tuning(self, run: Run, optimizer: Any, best: BestWeights) -> None:
        """From the best epoch on val (the last one without val), with moments that begin anew."""
        if best.weights:
            load_strict(self.network, best.weights, f"the best epoch, {best.epoch},")
        run.message(f"fine-tuning on train and val from epoch {best.epoch or self.config.epochs}")
        optimizer.state.clear()

    def _batches(self, run: Run, sampler: Sampler, images: Images, epoch: int) -> Iterator[Batch]:
        seen, labels = self.data.seen, images.own_labels

        def read(rows: Index) -> Batch:
            """Host work, done one batch ahead."""
            dense = torch.from_numpy(labels.dense(rows)[:, seen])  # [B, seen]
            columns = annotated_columns(dense)  # the loss looks at no others
            own = run.share(torch.arange(len(rows)))
            regions, scene = images.read(rows[own.numpy()])
            return Batch(
                self._moved(torch.from_numpy(regions)),
                self._moved(torch.from_numpy(scene)),
                self._moved(dense[own][:, columns]),
                self.vectors[columns.to(self.device)],
                len(rows),
            )

        # With fewer images than processes, one would have nothing to do.
        every = (rows for rows in sampler.epoch(run.generator(epoch)) if len(rows) >= run.processes)
        return ahead(read, every)

    def _moved(self, tensor: Tensor) -> Tensor:
        """On the device; the host does not wait for a copy."""
        if self.device.type == "cuda":
            tensor = tensor.pin_memory()
        return tensor.to(self.device, non_blocking=True)

    def _is_scored(self, epoch: int, run: Run) -> bool:
        config = self.config
        if epoch in (config.epochs, run.chosen_epoch):
            return True
        return epoch >= config.first_evaluation and epoch % config.evaluate_every == 0

    @torch.no_grad()
    def predict(self, split: str) -> dict[str, npt.NDArray[Any]]:
        """Scores of all tags, from one look at each image.

        Raises:
            UsageError: there is no such split.
        """
        if split not in self.data.splits:
            raise UsageError(f"there are no predictions of {split!r}.")
        images = self.data.part(split)
        scores = np.empty((len(images), len(self.data.tags)), dtype=np.float32)  # [n, C]
        self.network.eval()
        try:
            size = self.config.evaluation_batch
            starts = range(0, len(images), size)
            read = ahead(lambda start: images.read(slice(start, start + size)), starts)
            for start, (regions, scene) in zip(starts, read, strict=True):
                scores[start : start + size] = self.scores(regions, scene)
            shown = shown_maps(self.network, self.data, scores) if split == "test" else {}
        finally:
            self.network.train()
        return {"scores": scores, **self.data.beside_scores(split), **shown}

    @torch.no_grad()
    def scores(
        self, regions: npt.NDArray[np.float32], scene: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.float32]:
        """Scores [n, C] of all tags, of regions [n, D, S] and scenes [n, G], with the network as it is."""
        x, x_g = (torch.from_numpy(each).to(self.device) for each in (regions, scene))
        e_f = self.network.enriched(x, x_g)  # [n, S, J]
        parts = [self.network.logits(e_f, part) for part in self.vectors.split(TAGS_AT_ONCE)]
        found: npt.NDArray[np.float32] = torch.cat(parts, dim=1).cpu().numpy()
        return found

    def state_dict(self) -> dict[str, Any]:
        """The network's state, with the published program's names."""
        return self.network.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Strict.

        Raises:
            CheckpointError: keys or shapes do not fit this network.
        """
        load_strict(self.network, state, "the checkpoint")
