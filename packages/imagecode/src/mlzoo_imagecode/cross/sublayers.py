"""The two kinds of sublayers of a cross-encoder (Bugliarello et al. 2021, Section 3).

P: pairs of a description and an image; T: tokens, h: width of their states; R: regions, hv: width of theirs;
C: width of an attention. Parameters have the published names and shapes; where streams share weights, they
stand once, under the text's names.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from mlzoo_imagecode.cross.scheme import (
    EPSILON,
    Activation,
    Attention,
    FeedForward,
    Scheme,
)

ACTIVATIONS: dict[Activation, Callable[[Tensor], Tensor]] = {
    "gelu": functional.gelu,  # exact: x Φ(x)
    "relu": functional.relu,
}


class Streams(NamedTuple):
    """What a sublayer changes.

    Attributes:
        text: states [P, T, h].
        vision: states [P, R, hv].
        text_mask, vision_mask: [P, T] and [P, R], what is added to a key's scores: 0, or -10000 where there
            is nothing.
    """

    text: Tensor
    vision: Tensor
    text_mask: Tensor
    vision_mask: Tensor


class AttentionSublayer(nn.Module):
    """LN(x + dropout(dense(context))) for each stream that looks at one or both.

    A stream that looks at both takes one softmax over words and regions.
    """

    def __init__(self, scheme: Scheme, made: Attention) -> None:
        super().__init__()
        self.made, self.text, self.vision = made, scheme.text, scheme.vision
        self.attention_self, self.attention_output = nn.ModuleDict(), nn.ModuleDict()
        parts = (
            ("", scheme.text.width, made.text_width, made.text, made.text or made.vt),
            ("v_", scheme.vision.width, made.vision_width, made.vision, made.vision or made.tv),
        )
        for prefix, width, inner, asks, used in parts:
            if prefix and made.shared:
                continue
            if used or made.shared:
                for name in ("query", "key", "value"):
                    self.attention_self[prefix + name] = nn.Linear(width, inner)
            if asks or made.shared:
                self.attention_output[f"{prefix}dense"] = nn.Linear(inner, width)
                if not (prefix and made.one_norm):
                    self.attention_output[f"{prefix}LayerNorm"] = nn.LayerNorm(width, EPSILON)

    def forward(self, x: Streams, first: bool = False) -> Streams:
        """Of the same shapes; a stream that asks nobody stays as it is. With ``first`` only the first word
        and the first region ask, and states are [P, 1, h] and [P, 1, hv]: the others are not needed any
        more."""
        made = self.made
        asking = x._replace(text=x.text[:, :1], vision=x.vision[:, :1]) if first else x
        if made.shared and made.tt and made.tv and made.vt and made.vv:
            return self._joint(x, asking)
        text_keys = self._keys("", x.text, x.text_mask) if made.tt or made.vt else None
        vision_keys = self._keys("v_", x.vision, x.vision_mask) if made.vv or made.tv else None
        text, vision = asking.text, asking.vision
        if made.text:
            seen = [keys for asks, keys in ((made.tt, text_keys), (made.tv, vision_keys)) if asks]
            text = self._changed("", text, seen)
        if made.vision:
            seen = [keys for asks, keys in ((made.vt, text_keys), (made.vv, vision_keys)) if asks]
            vision = self._changed("v_", vision, seen)
        return x._replace(text=text, vision=vision)

    def _joint(self, x: Streams, asking: Streams) -> Streams:
        """Both streams as one sequence, words first: one transformer layer."""
        both = torch.cat([x.text, x.vision], dim=1)  # [P, T + R, h]
        mask = torch.cat([x.text_mask, x.vision_mask], dim=1)  # [P, T + R]
        who = both if asking is x else torch.cat([asking.text, asking.vision], dim=1)
        changed = self._changed("", who, [self._keys("", both, mask)])
        text, vision = changed.split([asking.text.shape[1], asking.vision.shape[1]], dim=1)
        return x._replace(text=text, vision=vision)

    def _keys(self, prefix: str, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return self._projected(prefix, "key", x), self._projected(prefix, "value", x), mask

    def _projected(self, prefix: str, name: str, x: Tensor) -> Tensor:
        layer = self.attention_self[name if self.made.shared else prefix + name]
        heads = self.made.vision_heads if prefix else self.made.text_heads
        states: Tensor = layer(x).unflatten(2, (heads, -1))  # [P, n, heads, C / heads]
        return states.transpose(1, 2)  # [P, heads, n, C / heads]

    def _changed(
        self, prefix: str, x: Tensor, seen: list[tuple[Tensor, Tensor, Tensor] | None]
    ) -> Tensor:
        """A stream after it has looked at one stream or two, in one softmax."""
        stream = self.vision if prefix else self.text
        found = [keys for keys in seen if keys is not None]
        keys, values = (torch.cat([one[n] for one in found], dim=2) for n in (0, 1))
        mask = torch.cat([one[2] for one in found], dim=1)[:, None, None, :]  # [P, 1, 1, n]
        query = self._projected(prefix, "query", x)
        context = functional.scaled_dot_product_attention(
            query,
            keys,
            values,
            attn_mask=mask.to(query.dtype),
            dropout_p=stream.attention_dropout if self.training else 0.0,
        )  # [P, heads, n, C / heads]
        output = self.attention_output
        dense = output["dense" if self.made.shared else f"{prefix}dense"]
        norm = output["LayerNorm" if self.made.one_norm else f"{prefix}LayerNorm"]
        added = dense(context.transpose(1, 2).flatten(2))  # [P, n, h]
        return norm(x + functional.dropout(added, stream.dropout, self.training))  # type: ignore[no-any-return]


class FeedForwardSublayer(nn.Module):
    """LN(x + dropout(dense(activation(dense x)))) of one stream or both."""

    def __init__(self, scheme: Scheme, made: FeedForward) -> None:
        super().__init__()
        self.made, self.text, self.vision = made, scheme.text, scheme.vision
        self.intermediate, self.output = nn.ModuleDict(), nn.ModuleDict()
        parts = (
            ("", scheme.text.width, made.text_width, made.text),
            ("v_", scheme.vision.width, made.vision_width, made.vision and not made.shared),
        )
        for prefix, width, inner, used in parts:
            if used:
                self.intermediate[f"{prefix}dense"] = nn.Linear(width, inner)
                self.output[f"{prefix}dense"] = nn.Linear(inner, width)
                if not (prefix and made.one_norm):
                    self.output[f"{prefix}LayerNorm"] = nn.LayerNorm(width, EPSILON)

    def forward(self, x: Streams) -> Streams:
        """Of the same shapes; a stream that it does not touch stays as it is."""
        text = self._changed("", x.text) if self.made.text else x.text
        vision = self._changed("v_", x.vision) if self.made.vision else x.vision
        return x._replace(text=text, vision=vision)

    def _changed(self, prefix: str, x: Tensor) -> Tensor:
        stream = self.vision if prefix else self.text
        dense = "dense" if self.made.shared else f"{prefix}dense"
        norm = self.output["LayerNorm" if self.made.one_norm else f"{prefix}LayerNorm"]
        hidden = ACTIVATIONS[stream.activation](self.intermediate[dense](x))  # [P, n, F]
        added = functional.dropout(self.output[dense](hidden), stream.dropout, self.training)
        return norm(x + added)  # type: ignore[no-any-return]
