"""Multi-SK and Everything at Once as mlzoo models: one training loop, two networks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from mlzoo.checkpoints import load_strict
from mlzoo.errors import UsageError
from mlzoo.files import read_json
from mlzoo.prefetch import ahead
from mlzoo.runs import LAST, Run
from mlzoo_multisk.anchor_loss import AnchorLoss
from mlzoo_multisk.batches import Step, Steps, tensors
from mlzoo_multisk.clips import MODALITIES, ClipBatch, Floats
from mlzoo_multisk.config import EverythingAtOnceConfig, MultiSKConfig, RetrievalConfig
from mlzoo_multisk.ema import MovingAverage
from mlzoo_multisk.embedding import Embedded, embedded, text_batch
from mlzoo_multisk.gathering import gather_batch, process_count
from mlzoo_multisk.losses import PAIRS, combinatorial_loss, mms, norm_softmax
from mlzoo_multisk.networks import (
    Embeddings,
    EverythingAtOnceNetwork,
    MultiSKNetwork,
    TokenNetwork,
)
from mlzoo_multisk.retrieval import RetrievalData
from mlzoo_multisk.views.text import WordTable

READERS = 2
"""Threads that read the clips of the steps to come."""


SIZES = (
    "width", "projection", "heads", "depth", "mlp_ratio", "audio_widths", "audio_blocks", "modalities",
    "shared_projection", "cls_token", "position_embeddings", "anchors",
)  # fmt: skip
"""Options that decide which weights there are."""


class RetrievalModel:
    """What both models share: the loop, the contrastive losses, the embeddings of a split.

    Args:
        config: the options.
        data: clips to learn from and to be scored.
        network: from clips to embeddings.
        anchors: the anchor loss; None without.

    Attributes:
        network, anchors: as given.
        average: the moving average of their weights; None before training.

    ``predict(split)`` gives the arrays that :mod:`mlzoo_multisk.retrieval` lists.
    """

    def __init__(
        self,
        config: RetrievalConfig,
        data: RetrievalData,
        network: TokenNetwork,
        anchors: AnchorLoss | None = None,
    ) -> None:
        require_sizes(config)
        self.config = config
        self.data = data
        self.network = network
        self.anchors = anchors
        self.average: MovingAverage | None = None
        self.device = torch.device("cpu")
        self._contrast = (
            partial(norm_softmax, temperature=config.temperature)
            if config.loss == "norm_softmax"
            else partial(mms, margin=config.margin)
        )
        self._weights = {
            pair: value
            for pair in PAIRS
            if (value := getattr(config, f"weight_{pair}", 0.0)) and self._has(pair)
        }

    def _has(self, pair: str) -> bool:
        return self.config.modalities == "tva" or "a" not in pair

    def to(self, device: torch.device | str) -> RetrievalModel:
        """Move the network and the anchors."""
        self.device = torch.device(device)
        self.network.to(self.device)
        if self.anchors is not None:
            self.anchors.to(self.device)
        return self

    def fit(self, run: Run) -> None:
        """Train on what the passes over the training clips draw; each epoch ends with a score."""
        config = self.config
        self._start(run)
        optimizer = torch.optim.Adam(self._parameters(), lr=config.learning_rate, fused=True)
        network, optimizer = run.prepare(self.network, optimizer)
        if self.anchors is not None and run.processes > 1:
            run.keep_equal(self.anchors)  # each process has the whole batch's gradient of them
        self.average = MovingAverage(config.ema_decay, self.network, self.anchors)
        state: dict[str, Any] = {
            "model": _Weights(self),
            "optimizer": optimizer,
            "average": self.average,
        }
        if self.anchors is not None:
            state["queues"] = self.anchors.queues

        for epoch in run.epochs(config.epochs, **state):
            for step, batch in self._batches(run, epoch):
                for group in optimizer.param_groups:
                    group["lr"] = config.learning_rate * config.decay**step.number
                given = network(batch, self.data.audio_tokens, self.data.audio_pooling)
                loss, values = self._loss(given)
                optimizer.zero_grad()
                run.accelerator.backward(loss)
                optimizer.step()
                self.average.update()
                run.log(loss=loss, **values, learning_rate=optimizer.param_groups[0]["lr"])
            run.evaluate(self)

    def _start(self, run: Run) -> None:
        """From the initial weights, if there are any, unless a run goes on from its own."""
        config = self.config
        if config.epochs and self.data.train is None:
            raise UsageError(
                "there are no clips to train on.",
                "Score weights as they are: --preset zero-shot --initial-weights RUN.",
            )
        if not (run.checkpoints / LAST).exists():
            if config.initial_weights is not None:
                from mlzoo_multisk.weights import start_from

                done = start_from(config.initial_weights, self)
                run.message(f"starts from the weights of {config.initial_weights} ({done['file']})")
                if done["interpolated"]:
                    run.message(f"brought to another number of tokens: {done['interpolated']}")
            elif not config.epochs:
                run.message("no --initial-weights: random weights are scored")

    def _parameters(self) -> list[nn.Parameter]:
        anchors = [] if self.anchors is None else list(self.anchors.parameters())
        return [*self.network.parameters(), *anchors]

    def _batches(self, run: Run, epoch: int) -> Iterator[tuple[Step, dict[str, Tensor]]]:
        """This process's part of every step, read ahead."""
        train = self.data.train
        assert train is not None  # _start has looked

        def read(step: Step) -> tuple[Step, dict[str, Tensor]]:
            own = run.share(torch.from_numpy(step.rows)).numpy()
            return step, tensors(train.draw(own, run.seed, step.number), self.device)

        config = self.config
        steps = Steps(train, config.batch_size, config.epoch_videos, run.seed)
        # With fewer videos than processes, one would have nothing to do.
        every = (step for step in steps.epoch(epoch) if len(step.rows) >= run.processes)
        return ahead(read, every, threads=READERS)

    def _loss(self, given: Embeddings) -> tuple[Tensor, dict[str, Tensor]]:
        """Of the batch of all processes; the values are for the log."""
        named = {name: x for name, x in given._asdict().items() if x is not None}
        if process_count() > 1:
            named = gather_batch(named)
        has = {name: f"has_{name}" for name in MODALITIES}
        present: dict[str, Tensor] = {n: named[key] for n, key in has.items() if key in named}
        loss, values = combinatorial_loss(
            named, present, self._weights, self._contrast, self.config.contrastive_weight
        )
        values = {f"loss_{pair}": value for pair, value in values.items() if pair in PAIRS}
        if self.anchors is None:
            return loss, values
        kinds = {f"in_{name}": f"in_{name}" for name in present}
        kinds |= {f"out_{name}": name for name in present}
        anchor_loss, _ = self.anchors({kind: named[name] for kind, name in kinds.items()})
        return loss + anchor_loss, values | self._anchor_values(anchor_loss)

    def _anchor_values(self, loss: Tensor) -> dict[str, Any]:
        """The anchor loss, and how full the queue is: that it is 0 while filling is no secret."""
        assert self.anchors is not None
        queues = self.anchors.queues
        share = queues.count / queues.length if queues.length else 1.0
        return {"loss_anchors": loss.detach(), "queue": share}

    def predict(self, split: str) -> dict[str, npt.NDArray[Any]]:
        """Embeddings of a split's clips and their similarity to the anchors.

        Raises:
            UsageError: there is no such split.
        """
        clips = self.data.part(split)
        with self._scored_weights():
            found = self._embedded(clips.batch, len(clips))
            arrays = found.arrays(self.anchors, self.device)
        return {
            **arrays,
            "complete": np.array(self.data.complete[split], dtype=np.int64),
            "ids": np.array(clips.ids),
        }

    def text_embeddings(self, captions: Sequence[str], words: WordTable | None = None) -> Floats:
        """Embeddings float32 [n, P] of length 1 of captions.

        Args:
            captions: raw sentences.
            words: vectors of their words; the data's if not given.
        """
        table = self.data.words if words is None else words

        def read(rows: npt.NDArray[np.int64]) -> ClipBatch:
            return text_batch([captions[row] for row in rows], table, self.data.shape)

        with self._scored_weights():
            return self._embedded(read, len(captions)).unit["text"]

    def _embedded(self, read: Any, count: int) -> Embedded:
        def forward(batch: ClipBatch) -> Embeddings:
            given = tensors(batch, self.device)
            found: Embeddings = self.network(given, self.data.audio_tokens, self.data.audio_pooling)
            return found

        training = self.network.training
        self.network.eval()
        try:
            with torch.no_grad():
                size = self.config.evaluation_batch
                starts = range(0, count, size)
                blocks = [np.arange(start, min(start + size, count)) for start in starts]
                return embedded(forward, ahead(read, blocks, threads=READERS))
        finally:
            self.network.train(training)

    def _scored_weights(self) -> AbstractContextManager[None]:
        """The weights that are scored, in place of those that are trained."""
        if self.config.score_ema and self.average is not None:
            return self.average.in_their_place()
        return nullcontext()

    def state_dict(self) -> dict[str, Any]:
        """What is scored: weights of the network and of the anchors, or their moving average."""
        with self._scored_weights():
            return {name: value.clone() for name, value in _Weights(self).state_dict().items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Strict.

        Raises:
            CheckpointError: keys or shapes do not fit.
        """
        self.average = None
        _Weights(self).load_state_dict(state)


def require_sizes(config: RetrievalConfig) -> None:
    """Initial weights of a run must be of networks of the same size.

    Raises:
        UsageError: they are not; names the options that make them so.
    """
    path = config.initial_weights
    if path is None or not (path / "config.json").is_file():
        return
    theirs, own = read_json(path / "config.json"), config.model_dump(mode="json")
    differ = [name for name in SIZES if name in theirs and theirs[name] != own.get(name)]
    if differ:
        flags = " ".join(_flag(name, theirs[name]) for name in differ)
        raise UsageError(
            f"{path} has networks of other sizes: {', '.join(differ)}.", f"Add {flags}"
        )


def _flag(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return f"--{'' if value else 'no-'}{name.replace('_', '-')}"
    text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    return f"--{name.replace('_', '-')} {text}"


class _Weights:
    """The weights as they are trained, by one name each."""

    def __init__(self, model: RetrievalModel) -> None:
        parts: dict[str, nn.Module] = {"network": model.network}
        if model.anchors is not None:
            parts["anchors"] = model.anchors
        self.parts = nn.ModuleDict(parts)

    def state_dict(self) -> dict[str, Any]:
        return self.parts.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        load_strict(self.parts, state, "the checkpoint")


class MultiSKModel(RetrievalModel):
    """Multi-SK: a transformer for each modality, contrastive losses and the anchor loss."""

    def __init__(self, config: MultiSKConfig, data: RetrievalData) -> None:
        anchors = AnchorLoss.from_config(config) if config.anchor_weight else None
        super().__init__(config, data, MultiSKNetwork(config, data.shape), anchors)


class EverythingAtOnceModel(RetrievalModel):
    """Everything at Once: one transformer, contrastive losses of modalities and fused pairs."""

    def __init__(self, config: EverythingAtOnceConfig, data: RetrievalData) -> None:
        network = EverythingAtOnceNetwork(config, data.shape, data.audio_tokens)
        super().__init__(config, data, network)
