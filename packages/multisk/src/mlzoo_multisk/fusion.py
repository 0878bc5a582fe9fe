"""The fusion transformer: tokens of one modality or of several look at each other and become embeddings.

b: clips, n: tokens of a modality, C: their width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor, nn

from mlzoo_multisk.clips import Modality
from mlzoo_multisk.layers import Block, drawn

Group: TypeAlias = tuple[Modality, ...]
"""Modalities that are fused, in the order text, video, audio."""

TINY = 1e-5
"""Added to the number of tokens that a mean is over."""


class Tokens(NamedTuple):
    """Tokens of a modality.

    Attributes:
        x: [b, n, C].
        mask: [b, n], 1 where there is a token.
    """

    x: Tensor
    mask: Tensor


def masked_mean(tokens: Tokens) -> Tensor:
    """Sum of the tokens that are there over their number plus 1e-5: [b, C]."""
    x, mask = tokens
    return (x * mask[..., None]).sum(1) / (mask.sum(1, keepdim=True) + TINY)  # [b, C]


def stand_in(tokens: Tokens, masking_token: Tensor) -> Tokens:
    """The masking token [C] at the first place of every clip that has no token."""
    x, mask = tokens
    lacks = (mask == 0).all(1)  # [b]
    first = torch.where(lacks[:, None], masking_token.to(x.dtype), x[:, 0])  # [b, C]
    x = torch.cat([first[:, None], x[:, 1:]], 1)  # [b, n, C]
    mask = torch.cat([(mask[:, :1] + lacks[:, None]).clamp(max=1), mask[:, 1:]], 1)  # [b, n]
    return Tokens(x, mask)


class FusionTransformer(nn.Module):
    """Blocks over the tokens of the modalities side by side.

    Args:
        width: C.
        heads: of attention.
        depth: blocks.
        mlp_ratio: hidden width of a block's MLP over C.
        cls_token: put a token of its own before all others; it becomes the one embedding.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        depth: int = 1,
        mlp_ratio: float = 1.0,
        *,
        cls_token: bool = False,
    ) -> None:
        super().__init__()
        self.cls_token = drawn(1, 1, width) if cls_token else None
        self.blocks = nn.ModuleList(Block(width, heads, mlp_ratio) for _ in range(depth))

    def forward(
        self, tokens: Mapping[Modality, Tokens], groups: Sequence[Group]
    ) -> dict[Group, tuple[Tensor, ...]]:
        """Embeddings of each group: of its modalities one after the other, or of the cls token alone.

        Args:
            tokens: of every modality; each clip has at least one token of each.
            groups: which modalities look at each other. What the first block makes of a token by itself
                is computed once for all of them.

        Returns:
            For each group, [b, C] for every modality: the masked mean of its tokens. With a cls token,
            a single [b, C].
        """
        looked = {name: self._looked(part) for name, part in tokens.items()}
        cls = [] if self.cls_token is None else [self._looked(self._cls(self.cls_token, tokens))]
        found: dict[Group, tuple[Tensor, ...]] = {}
        for group in groups:
            parts = [*cls, *(looked[name] for name in group)]
            outputs = self._transformed(parts)
            if cls:
                found[group] = (outputs[0][:, 0],)
            else:
                pairs = zip(outputs, parts, strict=True)
                found[group] = tuple(masked_mean(Tokens(y, part.mask)) for y, part in pairs)
        return found

    def _cls(self, token: Tensor, beside: Mapping[Modality, Tokens]) -> Tokens:
        """The cls token in every clip."""
        mask = next(iter(beside.values())).mask
        return Tokens(token.expand(mask.shape[0], 1, -1), mask.new_ones(mask.shape[0], 1))

    def _looked(self, tokens: Tokens) -> _Looked:
        """With q, k and v of the first block, if there is one."""
        return _Looked(*tokens, [block.look(tokens.x) for block in self._blocks[:1]])

    def _transformed(self, parts: Sequence[_Looked]) -> tuple[Tensor, ...]:
        """Each part [b, n, C] after all of them have looked at each other."""
        x = torch.cat([part.x for part in parts], 1)  # [b, Σn, C]
        mask = torch.cat([part.mask for part in parts], 1)  # [b, Σn]
        for number, block in enumerate(self._blocks):
            qkv = block.look(x) if number else torch.cat([part.qkv[0] for part in parts], 1)
            x = block.mix(x, qkv, mask)
        return tuple(x.split([part.x.shape[1] for part in parts], 1))

    @property
    def _blocks(self) -> list[Block]:
        return [block for block in self.blocks if isinstance(block, Block)]


class _Looked(NamedTuple):
    """Tokens, their mask, and q, k, v [b, n, 3C] of the first block, if there is one."""

    x: Tensor
    mask: Tensor
    qkv: list[Tensor]
