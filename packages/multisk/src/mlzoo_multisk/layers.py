"""The layers of both networks: gated embeddings, pooled sentences, and transformer blocks.

b: clips, n: tokens of a clip, C: their width, h: attention heads. The modules have the published
programs' names and shapes, so that their checkpoints load as they are.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

EPSILON = 1e-6
"""Of every layer normalisation."""

STD = 0.02
"""Of the truncated normal that a transformer's weights and tokens are drawn from at first."""


def drawn(*shape: int) -> nn.Parameter:
    """A learned token, or several: a draw from a truncated normal."""
    return nn.Parameter(nn.init.trunc_normal_(torch.empty(shape), std=STD))


class Gate(nn.Module):
    """y = h · sigmoid(W h + b), number by number (context gating, Miech et al. 2017, arXiv 1706.06905)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc = nn.Linear(width, width)

    def forward(self, h: Tensor) -> Tensor:
        """[..., C] to the same."""
        return h * functional.sigmoid(self.fc(h))


class GatedEmbedding(nn.Module):
    """The gated embedding unit: h = W₁ x + b₁, then y = h · sigmoid(W₂ h + b₂)."""

    def __init__(self, width_in: int, width_out: int) -> None:
        super().__init__()
        self.fc = nn.Linear(width_in, width_out)
        self.cg = Gate(width_out)

    def forward(self, x: Tensor) -> Tensor:
        """[..., in] to [..., out]; of tokens, each by itself."""
        return self.cg(self.fc(x))  # type: ignore[no-any-return]


class SentenceMaxPool(nn.Module):
    """A sentence from its words: the maximum over words of relu(W x + b)."""

    def __init__(self, width_in: int, width_out: int) -> None:
        super().__init__()
        self.fc = nn.Linear(width_in, width_out)

    def forward(self, x: Tensor) -> Tensor:
        """[b, n, in] to [b, out]."""
        return functional.relu(self.fc(x)).amax(dim=1)  # [b, out]


class Attention(nn.Module):
    """softmax(q kᵀ / √(C/h)) v over the keys that the mask leaves, with h heads; then a linear layer."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, qkv: Tensor, mask: Tensor | None) -> Tensor:
        """q, k, v side by side [b, n, 3C], as ``self.qkv`` gives them, to [b, n, C].

        A key whose mask is 0 scores -∞; queries are not masked.
        """
        q, k, v = qkv.unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)  # [b, h, n, C/h]
        keys = None if mask is None else mask.bool()[:, None, None]  # [b, 1, 1, n]
        looked = functional.scaled_dot_product_attention(q, k, v, keys)
        return self.proj(looked.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]


class MLP(nn.Module):
    """Two linear layers with a GELU between."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """[b, n, C] to the same."""
        return self.fc2(functional.gelu(self.fc1(x)))  # type: ignore[no-any-return]


class Block(nn.Module):
    """x + attention(LN(x)), then x + MLP(LN(x)); no dropout.

    Args:
        width: C.
        heads: h, which divides C.
        mlp_ratio: hidden width of the MLP over C.
    """

    def __init__(self, width: int, heads: int, mlp_ratio: float = 1.0) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, EPSILON)
        self.attn = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width, EPSILON)
        self.mlp = MLP(width, int(width * mlp_ratio))
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                nn.init.trunc_normal_(layer.weight, std=STD)
                nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Tokens [b, n, C] and their mask [b, n], 1 or 0, to [b, n, C].

        A clip without a single token has nothing to look at, and no defined output. The networks never
        ask for it: a masking token stands in for a modality that a clip lacks.
        """
        return self.mix(x, self.look(x), mask)

    def look(self, x: Tensor) -> Tensor:
        """q, k and v [b, n, 3C] of x; every token's by itself, whatever it is put beside later."""
        return self.attn.qkv(self.norm1(x))  # type: ignore[no-any-return]

    def mix(self, x: Tensor, qkv: Tensor, mask: Tensor | None) -> Tensor:
        """The rest of the block."""
        x = x + self.attn(qkv, mask)
        return x + self.mlp(self.norm2(x))  # type: ignore[no-any-return]
