"""CLIP's two encoders (Radford et al. 2021) around transformers' ``CLIPModel``.

N: images, R: their side, n: texts, C: tokens of a text, L ≤ C: those that are computed, d: width of features.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Self, cast

import torch
from torch import Tensor, nn
from transformers import CLIPModel

from mlzoo.data.fingerprint import fingerprint
from mlzoo.errors import CheckpointError, DataError
from mlzoo_imagecode.clip.lengths import Index, length_buckets

LEGACY_END = 2
"""What older configurations have as ``eos_token_id``: the end is then the largest id of a text."""

PUBLISHED_ACTIVATION = "quick_gelu"
"""x · sigmoid(1.702 x), with which OpenAI's weights were trained."""


class ClipEncoders(nn.Module):
    """Images and texts to features of one space.

    It stays in evaluation mode: CLIP has no dropout, and an image that several texts share is encoded once.

    Args:
        clip: with weights; float32, whatever the precision of a run.
        remarks: what a person should know of where it comes from.

    Attributes:
        clip: as given.
        remarks: as given.

    Raises:
        CheckpointError: images are not square.
    """

    def __init__(self, clip: CLIPModel, remarks: Sequence[str] = ()) -> None:
        super().__init__()
        self.clip = clip
        self._texts = cast(Any, clip.config.text_config)  # the library's types allow dicts, too
        self._images = cast(Any, clip.config.vision_config)
        self.remarks = tuple(remarks)
        self.image_size = _side(self._images.image_size)
        self._end_id = _end_id(self._texts)
        self.train(False)

    def train(self, mode: bool = True) -> Self:
        """Evaluation mode, whatever ``mode`` is."""
        return super().train(False)

    @property
    def width(self) -> int:
        """d."""
        return self.clip.visual_projection.out_features

    @property
    def context(self) -> int:
        """The most tokens of a text."""
        return int(self._texts.max_position_embeddings)

    @property
    def vocabulary(self) -> int:
        """How many tokens there are."""
        return int(self._texts.vocab_size)

    @property
    def end_id(self) -> int | None:
        """The id at whose first place a text is read; None: at the largest id's."""
        return self._end_id

    @property
    def log_scale(self) -> nn.Parameter:
        """The logarithm of what cosines are multiplied with; initially ln(1/0.07)."""
        return self.clip.logit_scale

    @property
    def activations(self) -> frozenset[str]:
        """Names of the activations of both encoders."""
        return frozenset({self._texts.hidden_act, self._images.hidden_act})

    def image(self, pixels: Tensor) -> Tensor:
        """Features of images: the class token after the last layer normalisation, projected.

        Args:
            pixels: float32 [N, 3, R, R], normalised.

        Returns:
            [N, d] in the type of the weights, not normalised.
        """
        features = self.clip.get_image_features(pixel_values=pixels).pooler_output  # [N, d]
        return features.to(self.log_scale.dtype)  # type: ignore[no-any-return]

    def text(self, ids: Tensor | Index, buckets: int = 1) -> Tensor:
        """Features of texts: the state at their end, normalised by the last layer, projected.

        Attention is causal, so that what follows the end changes nothing: texts are cut after the end of the
        longest, and with ``buckets`` after that of the longest of their group.

        Args:
            ids: int64 [n, C]; whatever follows the end of a text. On the CPU, their lengths cost no
                waiting for a device.
            buckets: groups of similar lengths. Changes time, not results beyond rounding.

        Returns:
            [n, d] in the type of the weights, not normalised.

        Raises:
            DataError: a text has no end.
        """
        ids = torch.as_tensor(ids)
        ends = self._ends(ids)  # [n]
        if not len(ids):
            return self.log_scale.new_zeros(0, self.width)
        groups = length_buckets((ends + 1).cpu().numpy(), buckets)
        if len(groups) == 1:
            return self._text(ids, ends)
        rows = [torch.from_numpy(group).to(ids.device) for group in groups]
        features = torch.cat([self._text(ids[each], ends[each]) for each in rows])  # [n, d]
        return features[torch.cat(rows).argsort().to(features.device)]

    def identity(self) -> dict[str, str]:
        """What features depend on: ``weights`` (sha256 over names, types, shapes and values) and
        ``architecture`` (the sizes and rules that weights do not show)."""
        state = self.clip.state_dict()
        arrays = {name: value.detach().cpu().numpy() for name, value in state.items()}
        parts = {
            name: [config.num_attention_heads, config.hidden_act, config.layer_norm_eps]
            for name, config in (("text", self._texts), ("vision", self._images))
        }
        facts = {**parts, "image": self.image_size, "end": self._end_id}
        return {"weights": fingerprint(arrays), "architecture": json.dumps(facts, sort_keys=True)}

    def _ends(self, ids: Tensor) -> Tensor:
        """Where texts end, [n]."""
        if self._end_id is None:
            return ids.argmax(dim=1)
        at_end = ids == self._end_id  # [n, C]
        if not bool(at_end.any(dim=1).all()):
            row = int((~at_end.any(dim=1)).nonzero()[0])
            raise DataError(
                f"text {row} of {len(ids)} has no end token ({self._end_id}).",
                "Tokenise with the vocabulary that belongs to the encoders.",
            )
        return at_end.int().argmax(dim=1)

    def _text(self, ids: Tensor, ends: Tensor) -> Tensor:
        device = self.log_scale.device
        shown = ids[:, : int(ends.max()) + 1].to(device)  # [n, L]
        states = self.clip.text_model(input_ids=shown).last_hidden_state  # [n, L, w], normalised
        at_end = states[torch.arange(len(ids), device=device), ends.to(device)]  # [n, w]
        return self.clip.text_projection(at_end).to(self.log_scale.dtype)  # type: ignore[no-any-return]


def _side(size: int | Sequence[int]) -> int:
    sides = [size] if isinstance(size, int) else list(size)
    if len(set(sides)) != 1:
        raise CheckpointError(f"the CLIP sees images of {sides} pixels; only square ones are read.")
    return int(sides[0])


def _end_id(config: Any) -> int | None:
    """transformers silently reads the first token where its configuration's id does not occur."""
    told = config.eos_token_id
    if isinstance(told, int) and told != LEGACY_END and 0 <= told < config.vocab_size:
        return told
    return None
