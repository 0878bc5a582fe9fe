"""The losses of Multi-SK (Swetha et al., ICCV 2023) and Everything at Once (Shvetsova et al., CVPR 2022).

n: clips, D: width of an embedding, K: anchors. All are computed in float32 or more, also where mixed
precision is on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from mlzoo.errors import UsageError
from mlzoo_multisk.clips import FUSED, MODALITIES, Modality

LEAST_NORM = 1e-8
"""What a cosine divides by at least."""

PAIRS: dict[str, tuple[str, str]] = {
    "tv": ("text", "video"),
    "ta": ("text", "audio"),
    "va": ("video", "audio"),
    "t_va": ("text", "va"),
    "v_ta": ("video", "ta"),
    "a_tv": ("audio", "tv"),
}
"""The embeddings that a contrastive loss brings together; ``va`` is of video and audio fused."""

_PARTS: dict[str, tuple[Modality, ...]] = {**{name: (name,) for name in MODALITIES}, **FUSED}


class Contrast(Protocol):
    """A loss of similarities [n, n] whose diagonal belongs together, of some of the n clips."""

    def __call__(self, x: Tensor, *, rows: Tensor | None = None) -> Tensor: ...


def cosine_similarity(a: Tensor, b: Tensor) -> Tensor:
    """[n, m]: cosines of the rows of a [n, D] and b [m, D]; a norm below 1e-8 counts as 1e-8."""
    return scaled_rows(a) @ scaled_rows(b).T


def scaled_rows(x: Tensor) -> Tensor:
    """x [n, D] with rows of length 1, those shorter than 1e-8 excepted."""
    norms = torch.linalg.vector_norm(x, dim=1, keepdim=True)
    scaled: Tensor = x / norms.clamp(min=LEAST_NORM)
    return scaled


def norm_softmax(x: Tensor, temperature: float = 0.05, rows: Tensor | None = None) -> Tensor:
    """Noise-contrastive estimation in both directions:

        l = - 1/n Σ_i ln softmax(x_i. / T)_i - 1/n Σ_i ln softmax(x_.i / T)_i

    Args:
        x: similarities [n, n].
        temperature: T.
        rows: bool [n], the clips that count; all if not given. The others are neither query nor
            candidate.

    Returns:
        A scalar; 0 with gradient 0 where no clip counts (the formula is 0/0 there).
    """
    return _both_ways(x / temperature, rows)


def mms(x: Tensor, margin: float = 0.001, rows: Tensor | None = None) -> Tensor:
    """Masked margin softmax: the diagonal of x is lowered by the margin, and there is no temperature.

    Arguments and result as of :func:`norm_softmax`.
    """
    return _both_ways(x - margin * torch.eye(len(x), dtype=x.dtype, device=x.device), rows)


def _both_ways(logits: Tensor, rows: Tensor | None) -> Tensor:
    """Cross-entropy of the diagonal over rows plus that over columns, logits [n, n].

    Clips are left out by what they weigh, not by cutting the matrix: the shapes stay what they are, and
    a GPU need not tell the host how many there are.
    """
    own = logits.diagonal()  # [n]
    if rows is None:
        rows = torch.ones_like(own, dtype=torch.bool)
    else:
        # Not -inf: where no clip counts, softmax would be NaN, and so would 0 times its gradient.
        least = torch.finfo(logits.dtype).min
        logits = logits.masked_fill(~(rows.unsqueeze(1) & rows), least)
    losses = logits.logsumexp(dim=1) + logits.logsumexp(dim=0) - 2 * own  # [n]
    return losses.where(rows, 0).sum() / rows.sum().clamp(min=1)


def combinatorial_loss(
    embeddings: Mapping[str, Tensor],
    present: Mapping[str, Tensor],
    weights: Mapping[str, float],
    contrast: Contrast,
    alpha: float = 1.0,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Contrastive losses of pairs of modalities, averaged with weights:

        L = α Σ_p w_p l_p / Σ_p w_p

    A pair stands for the clips that have all modalities of it. Pairs without an embedding, without
    weight, or without any such clip in the batch leave both sums; where none is left the loss is 0, with
    gradient 0.

    Args:
        embeddings: [n, D] each, by the names that occur in :data:`PAIRS`; some may lack.
        present: bool [n] by ``text``, ``video``, ``audio``: whether a clip has any of it. All have
            what is not in it.
        weights: w by the pair's name; a pair that is not in it has none.
        contrast: :func:`norm_softmax` or :func:`mms`, with its options set.
        alpha: α.

    Returns:
        The loss, and values without gradient: l of each pair (0 where no clip has both sides) and L as
        ``Retrieval``.

    Raises:
        UsageError: no pair has both its embeddings and a weight, or a pair is unknown.
    """
    if unknown := sorted(set(weights) - set(PAIRS)):
        raise UsageError(f"there is no pair {unknown[0]!r}; there are {', '.join(PAIRS)}.")
    used = [p for p in PAIRS if weights.get(p, 0) > 0 and set(PAIRS[p]) <= set(embeddings)]
    if not used:
        raise UsageError("no pair of modalities has both its embeddings and a weight above 0.")
    with without_autocast(next(iter(embeddings.values()))):
        names = {name for pair in used for name in PAIRS[pair]}
        unit = {name: scaled_rows(widened(embeddings[name])) for name in sorted(names)}
        losses, counted = [], []
        for pair in used:
            one, other = PAIRS[pair]
            rows = _all_of(present, {*_PARTS[one], *_PARTS[other]})
            losses.append(contrast(unit[one] @ unit[other].T, rows=rows))
            there = losses[-1].new_tensor(1) if rows is None else rows.any().to(losses[-1].dtype)
            counted.append(weights[pair] * there)
        values, w = torch.stack(losses), torch.stack(counted)  # [pairs]
        loss = alpha * (w * values).sum() / w.sum().clamp(min=torch.finfo(w.dtype).tiny)
    info = dict(zip(used, values.detach(), strict=True)) | {"Retrieval": loss.detach()}
    return loss, info


def _all_of(present: Mapping[str, Tensor], modalities: set[str]) -> Tensor | None:
    """bool [n]: clips that have all of these; None where nothing says that any lacks."""
    rows: Tensor | None = None
    for name in sorted(modalities & set(present)):
        rows = present[name].bool() if rows is None else rows & present[name].bool()
    return rows


def anchor_costs(similarities: Tensor, targets: Tensor, temperature: float = 0.1) -> Tensor:
    """Binary cross-entropy of similarities s [*, n, K] to anchors with targets [*, n, K] in [0, 1],
    the mean over clips and anchors of each problem, [*]. exp(s / T) stands where a logit should: so
    the program has it, and a probability is never below 1/2."""
    logits = torch.exp(similarities / temperature)
    entries = functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return entries.mean(dim=(-2, -1))


def anchor_cost(similarities: Tensor, targets: Tensor, temperature: float = 0.1) -> Tensor:
    """:func:`anchor_costs` of one problem, s and targets [n, K]: a scalar."""
    return anchor_costs(similarities, targets, temperature)


def widened(x: Tensor) -> Tensor:
    """x in float32 if it has 16 bits."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def without_autocast(x: Tensor) -> torch.autocast:
    """A context in which nothing on the device of x is computed in less precision than it has."""
    return torch.autocast(x.device.type, enabled=False)
