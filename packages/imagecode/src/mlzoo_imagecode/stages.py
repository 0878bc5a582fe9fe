"""The two kinds of epochs: encoders that learn from images, and the module that learns from features."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from mlzoo.runs import Run
from mlzoo_imagecode.batches import Batch
from mlzoo_imagecode.context_module import ContextModule
from mlzoo_imagecode.contextual import Bytes, Index, Part
from mlzoo_imagecode.images.reading import crops_ahead
from mlzoo_imagecode.learning import Learning
from mlzoo_imagecode.losses import matching_loss
from mlzoo_imagecode.network import Given, MatchingNetwork
from mlzoo_imagecode.pieces import Piece, pieces

if TYPE_CHECKING:
    from mlzoo_imagecode.model import ImageCoDeModel


class Work(NamedTuple):
    """A piece of a batch, whether it is the last one, and whether it counts or only takes part in a step."""

    batch: Batch
    piece: Piece
    last: bool
    counts: bool


class EncoderStage(Learning):
    """Epochs that train the encoders, alone or under the module.

    Args:
        model: whose encoders.
        run: the run.
        part: what is learnt from.
        head: the module on top; None for the cosine.
        epochs: how many.
    """

    def __init__(
        self,
        model: ImageCoDeModel,
        run: Run,
        part: Part,
        head: ContextModule | None,
        epochs: int,
    ) -> None:
        network = MatchingNetwork(model.encoders, head)
        groups = {"encoders": list(model.encoders.parameters())}
        if head is not None:
            # The module takes no part of the logit scale: no gradient, no step, no decay.
            groups["encoders"] = [
                p for p in groups["encoders"] if p is not model.encoders.log_scale
            ]
            model.encoders.log_scale.requires_grad_(False)
            groups["head"] = list(head.parameters())
        super().__init__(model, run, part, network, groups, epochs)
        self.head = head
        self.ids = torch.from_numpy(model.tokens.encode(part.texts))  # [n, C]

    def begin(self) -> None:
        """Nothing to do."""

    def train(self, number: int) -> None:
        """One epoch over the descriptions."""
        if self.head is not None:
            self.head.train()
        losses, right = self.nothing(), self.nothing()
        for work, crops in self._read(number):
            piece, batch = work.piece, work.batch
            if work.last and batch.update:
                logits, loss = self._forward(piece, crops, work)
            else:
                with self.unsynchronised():
                    logits, loss = self._forward(piece, crops, work)
            losses = losses + loss
            right = right + self.right(logits, piece.rows) * work.counts
            if work.last:
                self.step(batch, number)
                self.log(batch, losses, right)
                losses, right = self.nothing(), self.nothing()

    def nothing(self) -> Tensor:
        """The sum of no losses."""
        return torch.zeros((), device=self.model.device)

    def _forward(self, piece: Piece, crops: Bytes, work: Work) -> tuple[Tensor, Tensor]:
        """Logits [b, k] and the sum of the losses of a piece, whose gradients are added up."""
        logits = self.network(self._given(piece, crops))
        loss = matching_loss(logits, self.on_device(self.target[piece.rows]), "sum")
        self.run.accelerator.backward(loss * self.scale(work.batch) * work.counts)
        return logits.detach(), loss.detach() * work.counts

    def _given(self, piece: Piece, crops: Bytes) -> Given:
        rows = torch.from_numpy(piece.rows)
        return Given(
            pixels=self.on_device(torch.from_numpy(crops)),
            places=self.on_device(torch.from_numpy(piece.places)),
            ids=self.ids[rows],  # where texts are cut is known without waiting for the device
            positions=self.on_device(self.positions[rows]),
            temporal=self.on_device(self.temporal[rows]),
        )

    def _read(self, number: int) -> Iterator[tuple[Work, Bytes]]:
        """The pieces of every batch with their images, read ahead."""
        config, images = self.model.config, self.part.images
        works = list(self._works(number))
        blocks = (work.piece.images for work in works)
        size, fast = self.model.encoders.image_size, config.fast_images
        read = crops_ahead(images, blocks, size, fast=fast)
        for work, (_, crops) in zip(works, read, strict=True):
            yield work, crops

    def _works(self, number: int) -> Iterator[Work]:
        for batch in self.batches(number):
            own = self.share(batch.rows)
            counts = bool(len(own))
            # Every process takes part in a step, also one that has no description of a small batch.
            found = list(
                pieces(
                    self.part, own if counts else batch.rows[:1], self.model.config.images_at_once
                )
            )
            for place, piece in enumerate(found, start=1):
                yield Work(batch, piece, place == len(found), counts)


class HeadStage(Learning):
    """Epochs that train the module on features of encoders that stay.

    Args:
        model: whose module.
        run: the run.
        part: what is learnt from.
        head: the module.
        epochs: how many.
    """

    def __init__(
        self, model: ImageCoDeModel, run: Run, part: Part, head: ContextModule, epochs: int
    ) -> None:
        super().__init__(model, run, part, head, {"head": list(head.parameters())}, epochs)
        self.head = head
        self.images = self.text = torch.empty(0)
        self.candidates = torch.from_numpy(part.candidates)

    def begin(self) -> None:
        """Compute the features once; from here on the module's scores count."""
        self.model.uses_head = True
        self.model.freeze("train", *self.model.data.splits)
        features = self.model.features("train")
        self.images, self.text = (
            self.on_device(torch.from_numpy(np.array(x))) for x in (features.images, features.text)
        )

    def train(self, number: int) -> None:
        """One epoch over the descriptions."""
        self.head.train()
        for batch in self.batches(number):
            own = self.share(batch.rows)
            counts = bool(len(own))
            rows = own if counts else batch.rows[:1]
            scale = self.scale(batch) * counts
            if batch.update:
                logits, loss = self._forward(rows, scale)
            else:
                with self.unsynchronised():
                    logits, loss = self._forward(rows, scale)
            self.step(batch, number)
            self.log(batch, loss * counts, self.right(logits, rows) * counts)

    def _forward(self, chosen: Index, scale: float) -> tuple[Tensor, Tensor]:
        rows = torch.from_numpy(chosen)
        images = self.images[self.on_device(self.candidates[rows])]  # [b, k, d]
        text = self.text[self.on_device(rows)]  # [b, d]
        positions, temporal = (self.on_device(x[rows]) for x in (self.positions, self.temporal))
        logits = self.network(images, text, positions, temporal)  # [b, k]
        loss = matching_loss(logits, self.on_device(self.target[rows]), "sum")
        self.run.accelerator.backward(loss * scale)
        return logits.detach(), loss.detach()
