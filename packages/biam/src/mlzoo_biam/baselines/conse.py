"""ConSE: an image is where the word vectors of its likeliest seen tags meet (Norouzi et al., ICLR 2014).

A linear classifier gives probabilities p over the seen tags. With the T likeliest tags and their word
vectors s,

    f(x) = Σ_t p(t|x) s(t) / Σ_t p(t|x)

and the score of any tag is the cosine of its word vector with f(x). The paper's images have one label
each; here an image has several, and the classifier is trained towards all of its tags in equal shares.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from mlzoo import Run
from mlzoo.errors import DataError
from mlzoo_biam.baselines.config import ConSEConfig
from mlzoo_biam.baselines.image_vectors import ImageVectors
from mlzoo_biam.multilabel import MultiLabelData


class ConSE:
    """Convex combination of semantic embeddings."""

    def __init__(self, config: ConSEConfig, data: MultiLabelData) -> None:
        self.config, self.data = config, data
        self.device = torch.device("cpu")
        self.vectors = ImageVectors(config.vectors)
        self.classifier = nn.Linear(self.vectors.width(data.train), data.seen_count)
        nn.init.zeros_(self.classifier.weight)
        nn.init.zeros_(self.classifier.bias)
        self.words = torch.from_numpy(data.vectors)  # [C, E]

    def to(self, device: str) -> None:
        """Move to a device."""
        self.device = torch.device(device)
        self.classifier.to(self.device)
        self.words = self.words.to(self.device)

    def fit(self, run: Run) -> None:
        """Softmax regression on the images that have a seen tag.

        Raises:
            DataError: there is none.
        """
        config, train = self.config, self.data.train
        self.labels = train.own_labels.of_tags(self.data.seen)
        tagged = torch.from_numpy(np.flatnonzero(self.labels.positives_of_images()))
        if not len(tagged):
            raise DataError("no training image has a seen tag.")
        optimizer = torch.optim.Adam(
            self.classifier.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        classifier, optimizer = run.prepare(self.classifier, optimizer)
        for epoch in run.epochs(config.epochs, model=self, optimizer=optimizer):
            order = tagged[torch.randperm(len(tagged), generator=run.generator(epoch))]
            for batch in order.split(config.batch_size):
                x, target = self._batch(run.share(batch))
                losses = functional.cross_entropy(classifier(x), target, reduction="none")  # [b]
                loss = run.mean(losses, len(batch))
                optimizer.zero_grad()
                run.accelerator.backward(loss)
                optimizer.step()
                run.log(loss=loss)
            run.evaluate(self)

    def _batch(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Vectors [b, d] and shares of the seen tags [b, seen]."""
        index = rows.numpy()
        x = torch.from_numpy(self.vectors.read(self.data.train, index))
        positive = torch.from_numpy(self.labels.dense(index) > 0).float()
        target = positive / positive.sum(dim=1, keepdim=True)
        return x.to(self.device), target.to(self.device)

    @torch.no_grad()
    def predict(self, split: str) -> dict[str, npt.NDArray[Any]]:
        """The arrays of :mod:`mlzoo_biam.multilabel`."""
        part = self.data.part(split)
        scores = np.empty((len(part), len(self.data.tags)), dtype=np.float32)  # [n, C]
        for rows, x in self.vectors.batches(part, self.config.batch_size):
            scores[rows] = self.scores(torch.from_numpy(x).to(self.device)).cpu().numpy()
        return {"scores": scores, **self.data.beside_scores(split)}

    def scores(self, x: Tensor) -> Tensor:
        """[b, C] of vectors [b, d]."""
        probability = self.classifier(x).softmax(dim=1)  # [b, seen]
        p, tag = probability.topk(min(self.config.top, self.data.seen_count), dim=1)  # [b, T]
        mixed = torch.einsum("bt,bte->be", p, self.words[tag])  # [b, E]; its length does not matter
        return functional.normalize(mixed, dim=1) @ self.words.T

    def state_dict(self) -> dict[str, Any]:
        """The classifier."""
        return self.classifier.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Put back what :meth:`state_dict` returned."""
        self.classifier.load_state_dict(state)
