"""ViLBERT and UNITER on ImageCoDe as mlzoo models: as pre-trained, fine-tuned on pairs or on sets, or with
the contextual module on top."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from mlzoo.checkpoints import load_strict
from mlzoo.data.fingerprint import fingerprint
from mlzoo.errors import CheckpointError, DataError, UsageError
from mlzoo.prefetch import ahead
from mlzoo.runs import Run
from mlzoo_imagecode.context_module import PLACES, temporal_mask
from mlzoo_imagecode.contextual import ContextualData, Index, Part
from mlzoo_imagecode.cross.building import network_for
from mlzoo_imagecode.cross.config import CrossConfig
from mlzoo_imagecode.cross.encoder import Given
from mlzoo_imagecode.cross.inputs import Inputs, moved, require_one_kind
from mlzoo_imagecode.cross.pieces import pieces_by_length
from mlzoo_imagecode.cross.regions.bert_tokens import BertTokens
from mlzoo_imagecode.cross.scheme_reading import open_scheme
from mlzoo_imagecode.cross.weights import NETWORK
from mlzoo_imagecode.images.absent import AbsentImages
from mlzoo_imagecode.shown import shown_examples

REGIONS, VOCABULARY = "regions", "vocabulary"
"""What a checkpoint tells beside the weights: the kind of the regions, and a digest of the vocabulary."""

GIVE_VOCABULARY = (
    "Give BERT's own: --vocabulary vocab.txt; or train a small network of that build: --small."
)


class CrossModel:
    """A cross-encoder of words and image regions, with the head of a variant.

    Args:
        config: the options.
        data: descriptions to learn from and to be scored, with regions of their images.

    Attributes:
        tokens: of the descriptions.
        network: the encoder and its head.

    Raises:
        DataError: images have no regions, regions of another width than the network reads, or no such file.
        UsageError: there is no vocabulary, or the options contradict each other or the data.
    """

    def __init__(self, config: CrossConfig, data: ContextualData) -> None:
        self.config, self.data = config, data
        width, self.kind = require_one_kind(data)
        if config.initial_weights is not None and not config.initial_weights.exists():
            raise DataError(f"initial_weights: {config.initial_weights} does not exist.")
        self.tokens = tokens_of(config, data)
        self.network = network_for(
            config, words=self.tokens.size, region_width=width, places=_places(data)
        )
        self.device = torch.device("cpu")

    def to(self, device: torch.device | str) -> CrossModel:
        """Move the network."""
        self.device = torch.device(device)
        self.network.to(self.device)
        return self

    def fit(self, run: Run) -> None:
        """Train; each epoch ends with a score. See :mod:`mlzoo_imagecode.cross.training`."""
        from mlzoo_imagecode.cross.training import fit

        fit(self, run)

    def predict(self, split: str) -> dict[str, npt.NDArray[Any]]:
        """The arrays that :mod:`mlzoo_imagecode.contextual` lists and, where there are images beside their
        regions, examples that figures show.

        Raises:
            UsageError: there is no such split.
        """
        part = self.data.part(split)
        scores = self.scores(part)
        shown = {} if isinstance(part.images, AbsentImages) else shown_examples(part, scores)
        return {"scores": scores, **part.arrays(), **shown}

    def scores(self, part: Part) -> npt.NDArray[np.float32]:
        """float32 [n, k], for each description and candidate."""
        inputs = self.inputs(part, training=False)
        rows = list(self.pieces(np.arange(len(part)), inputs, part.choices))
        scores = np.zeros((len(part), part.choices), np.float32)
        was_training = self.network.training
        self.network.eval()
        try:
            with torch.no_grad(), closing(ahead(inputs.of_descriptions, rows)) as read:
                for own, given in zip(rows, read, strict=True):
                    scores[own] = self._logits(given)
        finally:
            self.network.train(was_training)
        return scores

    def _logits(self, given: Given) -> npt.NDArray[np.float32]:
        logits = self.network(moved(given, self.device))  # [b, k]
        return np.asarray(logits.float().cpu().numpy())

    def inputs(self, part: Part, *, training: bool) -> Inputs:
        """A part as the network reads it; in training the order of frames may count more often."""
        video = torch.from_numpy(part.is_video)
        return Inputs(part, self.tokens, temporal_mask(self.config, video, training))

    def pieces(self, rows: Index, inputs: Inputs, choices: int) -> list[Index]:
        """Descriptions of similar length, of which so many go through the network at once as fit."""
        at_once = max(1, self.config.pairs_at_once // choices)
        return list(pieces_by_length(rows, inputs.lengths, at_once))

    def state_dict(self) -> dict[str, Any]:
        """The network's weights, and of which regions and words."""
        weights = {NETWORK + name: x.clone() for name, x in self.network.state_dict().items()}
        return {REGIONS: self.kind, VOCABULARY: self.words, **weights}

    @property
    def words(self) -> str:
        """Digest of the vocabulary."""
        return fingerprint({"vocabulary": np.array(self.tokens.vocabulary)})

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Strict.

        Raises:
            CheckpointError: names or shapes do not fit, or regions or words are others than in training.
        """
        for name, own, what in (
            (REGIONS, self.kind, "region features are"),
            (VOCABULARY, self.words, "vocabulary is"),
        ):
            if state.get(name) != own:
                raise CheckpointError(
                    f"the {what} not what the network was trained with.",
                    "Score it with the same regions and --vocabulary.",
                )
        given = {n: x for n, x in state.items() if n not in (REGIONS, VOCABULARY)}
        odd = [name for name in given if not name.startswith(NETWORK)]
        if odd:
            raise CheckpointError(
                f"the checkpoint has {odd[0]!r}, which is no weight of a network."
            )
        weights = {name.removeprefix(NETWORK): x for name, x in given.items()}
        load_strict(self.network, weights, "the checkpoint")


def tokens_of(config: CrossConfig, data: ContextualData) -> BertTokens:
    """BERT's tokens over the vocabulary of the options; for a small network else the words of train.

    Raises:
        DataError: the file is no vocabulary, of another size than the network's, or of another language.
        UsageError: there is none, or the config json is missing or contradicts itself.
    """
    texts = (data.part("test") if data.train is None else data.train).texts
    # What is wrong with a config json is said first.
    size = None if config.small else open_scheme(config.scheme).vocabulary
    if config.vocabulary is not None:
        tokens = BertTokens.read(config.vocabulary, config.max_tokens, size)
        tokens.require_known(texts)
        return tokens
    if not config.small:
        raise UsageError(f"{config.scheme} has no vocabulary.", GIVE_VOCABULARY)
    if data.train is None:
        raise UsageError("there are no descriptions to take words from.", GIVE_VOCABULARY)
    return BertTokens.of_texts(texts, config.max_tokens)


def _places(data: ContextualData) -> int:
    """Places of images in the largest set, ten at least."""
    parts = [*data.parts.values(), *([] if data.train is None else [data.train])]
    return max(PLACES, *(int(part.position.max()) + 1 for part in parts))
