"""CLIP on ImageCoDe as an mlzoo model: as it is, fine-tuned, or with the contextual module on top."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from mlzoo.checkpoints import load_strict
from mlzoo.errors import CheckpointError, DataError, UsageError
from mlzoo.progress import Progress, default_progress
from mlzoo.runs import Run
from mlzoo_imagecode.clip.encoders import ClipEncoders
from mlzoo_imagecode.clip.folder import open_clip
from mlzoo_imagecode.clip.scratch import small_clip
from mlzoo_imagecode.clip.tokens import Tokenizer
from mlzoo_imagecode.config import ClipOptions, ImageCoDeConfig
from mlzoo_imagecode.context_module import ContextModule, temporal_mask
from mlzoo_imagecode.contextual import ContextualData, Part
from mlzoo_imagecode.features import Features, distances_to_target, features_of
from mlzoo_imagecode.losses import matching_logits
from mlzoo_imagecode.optimisation import Rates
from mlzoo_imagecode.shown import shown_examples

DESCRIPTIONS_AT_ONCE = 1024
"""Whose scores are computed at once from features."""

SHOWN_SEED = 0
"""Of dropout where it stays on when scored: the same numbers every time."""


class ImageCoDeModel:
    """CLIP's encoders and, in the variant ``contextual``, the module over a set.

    Args:
        config: the options.
        data: descriptions to learn from and to be scored.

    Attributes:
        encoders, tokens: of images and text.
        head: the contextual module; None in the other variants.
        uses_head: whether scores come from it; not before its own epochs begin.

    Raises:
        UsageError: encoders from scratch, and nothing to train them on; or the schedule ends too early.
        DataError: there are no such initial weights.
    """

    def __init__(self, config: ImageCoDeConfig, data: ContextualData) -> None:
        self.config, self.data = config, data
        if data.train is not None:  # a cycle that is too short is refused before a run begins
            Rates.of_training(config, data.train, 0, config.epochs)
        if config.initial_weights is not None and not config.initial_weights.exists():
            raise DataError(f"initial_weights: {config.initial_weights} does not exist.")
        self.encoders, self.tokens = encoders_of(config, data)
        self.head: ContextModule | None = None
        if config.variant == "contextual":
            self.head = ContextModule.from_config(config, self.encoders.width)
        self.uses_head = self.head is not None and not config.clip_epochs
        self.device = torch.device("cpu")
        self.progress: Progress = default_progress()
        self._frozen: dict[str, Features] = {}

    @property
    def trains_encoders(self) -> bool:
        """Whether any epoch changes the encoders."""
        return trains_encoders(self.config)

    def to(self, device: torch.device | str) -> ImageCoDeModel:
        """Move the networks."""
        self.device = torch.device(device)
        self.encoders.to(self.device)
        if self.head is not None:
            self.head.to(self.device)
        return self

    def fit(self, run: Run) -> None:
        """Train; each epoch ends with a score. See :mod:`mlzoo_imagecode.training`."""
        from mlzoo_imagecode.training import fit

        fit(self, run)

    def predict(self, split: str) -> dict[str, npt.NDArray[Any]]:
        """The arrays that :mod:`mlzoo_imagecode.contextual` lists, and examples that figures show.

        Raises:
            UsageError: there is no such split.
        """
        part = self.data.part(split)
        features = self.features(split)
        scores = self.scores(part, features)
        return {
            "scores": scores,
            **part.arrays(),
            "apart": distances_to_target(part, features.images),
            **shown_examples(part, scores),
        }

    def scores(self, part: Part, features: Features) -> npt.NDArray[np.float32]:
        """float32 [n, k], for each description and candidate."""
        positions = torch.from_numpy(part.position[part.candidates])  # [n, k]
        temporal = temporal_mask(self.config, torch.from_numpy(part.is_video), training=False)
        found = [
            self._logits(
                torch.from_numpy(features.images[part.candidates[rows]]),  # [b, k, d]
                torch.from_numpy(features.text[rows]),  # [b, d]
                positions[rows],
                temporal[rows],
            ).cpu()
            for rows in np.array_split(np.arange(len(part)), -(-len(part) // DESCRIPTIONS_AT_ONCE))
        ]
        return np.asarray(torch.cat(found).float().numpy())

    def _logits(self, *given: Tensor) -> Tensor:
        """Of images [b, k, d], text [b, d], positions [b, k] and whether they count [b]."""
        images, text, positions, temporal = (x.to(self.device) for x in given)
        head = self.head
        with torch.no_grad():
            if head is None or not self.uses_head:
                return matching_logits(images, text, self.encoders.log_scale)
            was_training = head.training
            head.train(self.config.dropout_in_evaluation)
            try:
                with torch.random.fork_rng():
                    torch.manual_seed(SHOWN_SEED)
                    logits: Tensor = head(images, text, positions, temporal)
                    return logits
            finally:
                head.train(was_training)

    def features(self, split: str) -> Features:
        """Of a part's images and descriptions by the present encoders; kept while these are frozen."""
        if split in self._frozen:
            return self._frozen[split]
        return features_of(
            self.data.part(split),
            self.encoders,
            self.tokens,
            self.config,
            keep=not self.trains_encoders,
            progress=self.progress,
        )

    def freeze(self, *splits: str) -> None:
        """From now on the encoders do not change: compute features of these parts once."""
        for split in splits:
            self._frozen[split] = self.features(split)

    def state_dict(self) -> dict[str, Any]:
        """Weights of the encoders and of the module; of encoders that are a CLIP's own, what they are."""
        state: dict[str, Any] = {"uses_head": self.uses_head}
        if self._stores_encoders:
            state |= _named("encoders", self.encoders)
        else:
            state["clip"] = self.identity
        return state | ({} if self.head is None else _named("head", self.head))

    @property
    def _stores_encoders(self) -> bool:
        config = self.config
        return self.trains_encoders or config.clip is None or config.initial_weights is not None

    @cached_property
    def identity(self) -> dict[str, str]:
        """Which CLIP the encoders are, where nothing changes them."""
        return self.encoders.identity()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Strict.

        Raises:
            CheckpointError: keys or shapes do not fit, or the CLIP that ``clip`` names is another one.
        """
        self._frozen.clear()
        expected = {"uses_head", *self.state_dict()}
        if set(state) != expected:
            odd = sorted(set(state) ^ expected)
            raise CheckpointError(
                f"the checkpoint does not fit: {', '.join(odd[:5])}.",
                "It is of another variant, or of other options.",
            )
        if not self._stores_encoders and dict(state["clip"]) != self.identity:
            raise CheckpointError(
                f"{self.config.clip} is another CLIP than the one of this run.",
                "Give the folder that it was trained with.",
            )
        self.uses_head = bool(state["uses_head"])
        parts: dict[str, nn.Module] = {"encoders": self.encoders} if self._stores_encoders else {}
        if self.head is not None:
            parts["head"] = self.head
        for name, module in parts.items():
            own = {
                k.removeprefix(f"{name}."): v for k, v in state.items() if k.startswith(f"{name}.")
            }
            load_strict(module, own, "the checkpoint")


def trains_encoders(config: ImageCoDeConfig) -> bool:
    """Whether any epoch changes the encoders."""
    if config.variant == "contextual":
        return bool(config.clip_epochs) or not config.frozen_clip
    return config.variant != "zero-shot"


def encoders_of(config: ClipOptions, data: ContextualData) -> tuple[ClipEncoders, Tokenizer]:
    """The CLIP that the options name, or a small one from scratch.

    Raises:
        UsageError: there is none, and nothing to train one on.
    """
    if config.clip is not None:
        return open_clip(config.clip, config.vocabulary)
    if data.train is None or not isinstance(config, ImageCoDeConfig):
        raise UsageError("there is no CLIP to use, and nothing to train one on.", GIVE_ONE)
    if config.epochs and not (trains_encoders(config) or config.initial_weights):
        raise UsageError("encoders from scratch would never be trained.", GIVE_ONE)
    return small_clip(config, data.train.texts)


GIVE_ONE = (
    "Give --clip DIR, a folder of a CLIP (config.json, model.safetensors, vocab.json, merges.txt); "
    "or train small encoders with --preset contra or --clip-epochs N."
)


def _named(prefix: str, module: nn.Module) -> dict[str, Tensor]:
    return {f"{prefix}.{name}": value.clone() for name, value in module.state_dict().items()}
