"""The ranking loss of BiAM, and the tags that it looks at.

B: images, C: tags, P: positives of an image.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

Normalise: TypeAlias = Literal["violations", "pairs"]

EPSILON = 1e-8
"""Beside the number of pairs, which may be 0."""


def ranking_loss(scores: Tensor, labels: Tensor, normalise: Normalise = "violations") -> Tensor:
    """The mean of :func:`image_losses` over all images; 0 without any.

    Args:
        scores: [B, C], float32 or float64.
        labels: [B, C], positive where a tag is present, negative where it is absent, 0 where unknown.
        normalise: what an image's sum is divided by.

    Returns:
        A scalar of the dtype of the scores.
    """
    return image_losses(scores, labels, normalise).sum() / max(len(scores), 1)


def image_losses(scores: Tensor, labels: Tensor, normalise: Normalise = "violations") -> Tensor:
    """The loss [B] of each image, with its positives P and negatives N:

        l = Σ_{p∈P, n∈N} max(0, 1 + s_n - s_p) / (V + 1e-8)

    V is the number of pairs whose term is above 0 (``violations``), or of all pairs (``pairs``); no
    gradient goes through it. An image without a pair has loss 0. A pair at exactly 0 is not counted in
    V, but the gradient goes through it, as in the published program on today's torch.

    No pair is ever formed. With the positives in order of their scores, the pairs of a negative are a
    beginning of that row, which a binary search finds: O(B C log P) time, O(B C) memory. 1 + s_n is
    rounded before it is compared, as where the pairs are formed, so that V is the same number.

    Arguments as of :func:`ranking_loss`. Non-finite scores of labelled tags make a loss non-finite.
    """
    losses: Tensor = _ImageLosses.apply(scores, labels, normalise)
    return losses


def violations(scores: Tensor, labels: Tensor) -> Tensor:
    """int64 [B]: pairs of a positive p and a negative n with 1 + s_n - s_p > 0."""
    if not scores.numel():
        return torch.zeros(len(scores), dtype=torch.int64, device=scores.device)
    ranked, _ = _ranked_positives(scores, labels > 0)
    return _below(ranked, 1 + scores, labels < 0).sum(dim=1)


def annotated_columns(labels: Tensor) -> Tensor:
    """int64 [C']: the tags that any image of a batch has a label for, of labels [B, C].

    The loss looks at no other, so scores of these alone give the same loss and the same gradients:
    ``ranking_loss(network(regions, scene, vectors[columns]), labels[:, columns])``. Look for them where the
    labels are made; on a GPU the host would have to wait for the answer.
    """
    return (labels != 0).any(dim=0).nonzero().squeeze(1)


class _ImageLosses(torch.autograd.Function):
    """Losses with their gradient, which is as cheap as they are and made with them."""

    @staticmethod
    def forward(ctx: Any, scores: Tensor, labels: Tensor, normalise: Normalise) -> Tensor:
        if not scores.numel():
            ctx.save_for_backward(torch.zeros_like(scores))
            return scores.new_zeros(len(scores))
        losses, gradient = _losses_and_gradient(scores, labels, normalise)
        ctx.save_for_backward(gradient)
        return losses

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, cotangent: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * cotangent.unsqueeze(1), None, None


def _losses_and_gradient(
    scores: Tensor, labels: Tensor, normalise: Normalise
) -> tuple[Tensor, Tensor]:
    """[B] and the derivative [B, C] of each image's loss in its scores."""
    positive, negative = labels > 0, labels < 0  # [B, C]
    ranked, columns = _ranked_positives(scores, positive)  # [B, P], ascending
    thresholds = 1 + scores  # [B, C]: a positive below this makes a pair that costs
    touched = _below(
        ranked, thresholds, negative, right=True
    )  # [B, C], pairs at exactly 0 with them
    if normalise == "violations":
        pairs = _below(ranked, thresholds, negative).sum(dim=1, keepdim=True)  # [B, 1]
    else:
        pairs = positive.sum(1, keepdim=True) * negative.sum(1, keepdim=True)  # [B, 1]

    # Of the negatives, touched[n] reaches the first so many positives: how many reach each of them?
    reached = torch.zeros(len(ranked), ranked.shape[1] + 1, dtype=torch.int64, device=scores.device)
    reached.scatter_add_(1, touched, negative.long())
    reached = reached.flip(1).cumsum(1).flip(1)[:, 1:]  # [B, P]

    share = 1 / (pairs + EPSILON)  # [B, 1]
    total = (thresholds.double() * touched).sum(1) - (
        ranked.double().where(reached > 0, 0) * reached
    ).sum(1)
    gradient = touched * share.to(scores.dtype)
    gradient = gradient.scatter_add(1, columns, -(reached * share).to(scores.dtype))
    return (total * share.squeeze(1).double()).to(scores.dtype), gradient


def _ranked_positives(scores: Tensor, positive: Tensor) -> tuple[Tensor, Tensor]:
    """The positives' scores [B, P] in ascending order, then infinity, and their columns [B, P].

    P is the largest number of positives; where the scores are not in the host's memory it is C, for
    which nothing has to be waited for.
    """
    count = scores.shape[1]
    if scores.device.type == "cpu":
        count = max(1, int(positive.sum(dim=1).max()))
    ranked = scores.masked_fill(~positive, torch.inf).topk(count, dim=1, largest=False)
    return ranked.values, ranked.indices


def _below(ranked: Tensor, thresholds: Tensor, negative: Tensor, *, right: bool = False) -> Tensor:
    """int64 [B, C]: positives below each negative's threshold (``right``: or at it), else 0."""
    return torch.searchsorted(ranked, thresholds, right=right) * negative
