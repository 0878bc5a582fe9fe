"""Multi-SK (Swetha et al., ICCV 2023) and Everything at Once (Shvetsova et al., CVPR 2022): from text,
video and audio to embeddings of one space.

b: clips, n: tokens of a modality, C: their width, P: width of embeddings; letters of the data are those of
``mlzoo_multisk.clips``. Each network has one forward, in which every parameter gets a gradient; what the
published programs hold and never use is left out. ``mlzoo_multisk.official_names`` has their names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from mlzoo.errors import DataError, UsageError
from mlzoo_multisk.audio_network import AudioNetwork, token_mask
from mlzoo_multisk.clips import FRAMES_PER_TOKEN, FUSED, MODALITIES, Modality, Pooling, Shape
from mlzoo_multisk.config import EverythingAtOnceConfig, MultiSKConfig, RetrievalConfig
from mlzoo_multisk.fusion import FusionTransformer, Group, Tokens, masked_mean, stand_in
from mlzoo_multisk.layers import EPSILON, GatedEmbedding, drawn
from mlzoo_multisk.views.pooling import pool_audio_tokens

Batch = Mapping[str, Tensor]
"""The arrays of a ``ClipBatch`` as tensors."""


class Embeddings(NamedTuple):
    """What a network makes of b clips; None where it does not make it.

    Attributes:
        text, video, audio: [b, P], of any length.
        tv, ta, va: [b, P], of two modalities that have looked at each other.
        in_text, in_video, in_audio: [b, C], mean tokens before the transformer.
        has_text, has_video, has_audio: bool [b], whether the clip has any of it.
    """

    text: Tensor
    video: Tensor
    audio: Tensor | None = None
    tv: Tensor | None = None
    ta: Tensor | None = None
    va: Tensor | None = None
    in_text: Tensor | None = None
    in_video: Tensor | None = None
    in_audio: Tensor | None = None
    has_text: Tensor | None = None
    has_video: Tensor | None = None
    has_audio: Tensor | None = None

    def made(self) -> dict[str, Tensor]:
        """By name, without what was not made."""
        return {name: value for name, value in self._asdict().items() if value is not None}

    def both_sides(self) -> dict[str, Tensor]:
        """Before the transformers and after them, by the names of the anchors: in_text, out_text..."""
        made = self.made()
        found = {f"out_{name}": made[name] for name in MODALITIES if name in made}
        return found | {name: value for name, value in made.items() if name.startswith("in_")}


GROUPS: dict[str, Group] = {**{name: (name,) for name in MODALITIES}, **FUSED}
"""Modalities that Everything at Once lets look at each other."""


def modalities_of(config: RetrievalConfig) -> tuple[Modality, ...]:
    """Those that a network looks at."""
    return MODALITIES if config.modalities == "tva" else ("text", "video")


def by_modality(parts: Mapping[Modality, nn.Module]) -> nn.ModuleDict:
    """Modules of the same kind, for text, video and audio."""
    return nn.ModuleDict({str(name): part for name, part in parts.items()})


def transformer(config: RetrievalConfig, *, cls_token: bool = False) -> FusionTransformer:
    """A transformer of the options' sizes."""
    return FusionTransformer(
        config.width, config.heads, config.depth, config.mlp_ratio, cls_token=cls_token
    )


def projection(config: RetrievalConfig) -> GatedEmbedding:
    """From the width of tokens to that of embeddings."""
    return GatedEmbedding(config.width, config.projection)


class TokenNetwork(nn.Module):
    """What both networks begin with: every modality's tokens, brought to one width and normalised.

    Args:
        config: the options.
        shape: of the clips.
    """

    def __init__(self, config: RetrievalConfig, shape: Shape) -> None:
        super().__init__()
        self.modalities, self.heads = modalities_of(config), config.heads
        widths = {"text": shape.word_width, "video": shape.video_width}
        if "audio" in self.modalities:
            self.davenet = AudioNetwork(
                config.audio_widths, config.audio_blocks, frozen=config.freeze_batch_norm
            )
            widths["audio"] = config.audio_widths[-1]
        self.token_proj = by_modality(
            {name: GatedEmbedding(widths[name], config.width) for name in self.modalities}
        )
        self.norm = by_modality(
            {name: nn.LayerNorm(config.width, EPSILON) for name in self.modalities}
        )
        self.masking_token = drawn(config.width)

    def tokens(
        self, batch: Batch, audio_tokens: int, audio_pooling: Pooling
    ) -> dict[Modality, Tokens]:
        """Tokens [b, n, C] of each modality and their masks [b, n]; the audio network runs once.

        Raises:
            DataError: the frames of audio are no multiple of 64.
        """
        found = {}
        for name in self.modalities:
            x, mask = batch[name], batch[f"{name}_mask"]
            if name == "audio":
                x = self._audio(x)  # [b, T/64, D']
                mask = token_mask(mask, x.shape[1])
                frames = batch["audio_frames"]
                x, mask = pool_audio_tokens(x, mask, frames, audio_tokens, audio_pooling)
            found[name] = Tokens(self.norm[name](self.token_proj[name](x)), mask)
        return found

    def _audio(self, spectrogram: Tensor) -> Tensor:
        frames = spectrogram.shape[2]
        if frames % FRAMES_PER_TOKEN or not frames:
            raise DataError(
                f"audio has {frames} frames; expected a multiple of {FRAMES_PER_TOKEN}.",
                "Pad the spectrogram and its mask with zeros.",
            )
        return self.davenet(spectrogram)  # type: ignore[no-any-return]


class MultiSKNetwork(TokenNetwork):
    """A transformer for each modality. None sees another; anchors and losses tie them together.

    Args:
        config: the options.
        shape: of the clips.
    """

    def __init__(self, config: MultiSKConfig, shape: Shape) -> None:
        super().__init__(config, shape)
        self.fusion = by_modality({name: transformer(config) for name in self.modalities})
        self.proj = by_modality({name: projection(config) for name in self.modalities})

    def forward(
        self, batch: Batch, audio_tokens: int, audio_pooling: Pooling = "clip"
    ) -> Embeddings:
        """Embeddings of clips, and mean tokens before the transformers.

        Args:
            batch: text, video and audio, their masks, and ``audio_frames``.
            audio_tokens: to which the audio network's tokens are brought.
            audio_pooling: how.

        Raises:
            DataError: the frames of audio are no multiple of 64.
        """
        found: dict[str, Tensor] = {}
        for name, given in self.tokens(batch, audio_tokens, audio_pooling).items():
            tokens = stand_in(given, self.masking_token)
            group: Group = (name,)
            (mean,) = self.fusion[name]({name: tokens}, [group])[group]  # [b, C]
            found[name] = self.proj[name](mean)  # [b, P]
            found[f"in_{name}"] = masked_mean(tokens)  # [b, C]
            found[f"has_{name}"] = given.mask.any(1)  # [b]
        return Embeddings(**found)


class EverythingAtOnceNetwork(TokenNetwork):
    """One transformer for single modalities and for pairs of them.

    Args:
        config: the options.
        shape: of the clips.
        audio_tokens: to which the audio network's tokens are brought, where tokens know their place; the
            shape's if not given.
    """

    def __init__(
        self, config: EverythingAtOnceConfig, shape: Shape, audio_tokens: int | None = None
    ) -> None:
        super().__init__(config, shape)
        self.fusion = transformer(config, cls_token=config.cls_token)
        self.proj = (
            projection(config)
            if config.shared_projection
            else by_modality({name: projection(config) for name in self.modalities})
        )
        positions = {
            "text": shape.words,
            "video": shape.video_tokens,
            "audio": audio_tokens or shape.audio_tokens,
        }
        self.pos_embed = nn.ParameterDict()
        for name in self.modalities if config.position_embeddings else ():
            self.pos_embed[name] = drawn(1, positions[name], config.width)

    def forward(
        self, batch: Batch, audio_tokens: int, audio_pooling: Pooling = "clip"
    ) -> Embeddings:
        """Embeddings of clips: of single modalities, and of pairs that have looked at each other.

        Args:
            batch: text, video and audio, their masks, and ``audio_frames``.
            audio_tokens: to which the audio network's tokens are brought.
            audio_pooling: how.

        Raises:
            DataError: the frames of audio are no multiple of 64.
            UsageError: there are more tokens than positions.
        """
        given = self.tokens(batch, audio_tokens, audio_pooling)
        found = {f"has_{name}": tokens.mask.any(1) for name, tokens in given.items()}  # [b]
        tokens = {
            name: self._placed(name, stand_in(part, self.masking_token))
            for name, part in given.items()
        }
        groups = {name: group for name, group in GROUPS.items() if set(group) <= set(given)}
        means = self.fusion(tokens, list(groups.values()))
        for name, group in groups.items():
            found[name] = self._projected(group, means[group])  # [b, P]
        return Embeddings(**found)

    def _placed(self, name: Modality, tokens: Tokens) -> Tokens:
        """Tokens with their positions added, if they are to know them."""
        if name not in self.pos_embed:
            return tokens
        table, count = self.pos_embed[name], tokens.x.shape[1]
        if count > table.shape[1]:
            raise UsageError(
                f"there are {count} tokens of {name}, but positions for {table.shape[1]}.",
                "Train and evaluate with as many tokens, or leave position_embeddings out.",
            )
        return tokens._replace(x=tokens.x + table[:, :count])

    def _projected(self, group: Group, means: tuple[Tensor, ...]) -> Tensor:
        """The one projection, or the mean of normalised ones: [b, P]."""
        if isinstance(self.proj, GatedEmbedding):
            parts = [self.proj(mean) for mean in means]
        else:
            parts = [self.proj[name](mean) for name, mean in zip(group, means, strict=True)]
        if len(parts) > 1:
            parts = [functional.normalize(part, dim=1) for part in parts]
        embedding: Tensor = torch.stack(parts).mean(0)
        return embedding
