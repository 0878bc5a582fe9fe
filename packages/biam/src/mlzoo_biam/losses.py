"""The ranking loss of BiAM, and the tags that it looks at.

B: images, C: tags, P: positives of an image.
"""

from __future__ import annotations

from functools import cached_property
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

    Arguments as of :func:`ranking_loss`. A score that is not finite makes its image's loss NaN. Scores of
    16 bits are widened first.
    """
    losses: Tensor = _ImageLosses.apply(_widened(scores), labels, normalise)  # type: ignore[no-untyped-call]
    return losses


def violations(scores: Tensor, labels: Tensor) -> Tensor:
    """int64 [B]: pairs of a positive p and a negative n with 1 + s_n - s_p > 0."""
    if not scores.numel():
        return torch.zeros(len(scores), dtype=torch.int64, device=scores.device)
    return _Pairs(_widened(scores.detach()), labels).violations()


def _widened(scores: Tensor) -> Tensor:
    return scores.float() if scores.dtype in (torch.float16, torch.bfloat16) else scores


def annotated_columns(labels: Tensor) -> Tensor:
    """int64 [C']: the tags that any image of a batch has a label for, of labels [B, C].

    The loss looks at no other, so the scores of these alone give the same loss and the same gradients:
    ``ranking_loss(network(regions, scene, vectors[columns]), labels[:, columns])``. Look for them where
    the labels are made; on a GPU the host would have to wait for the answer.
    """
    return (labels != 0).any(dim=0).nonzero().squeeze(1)


class _ImageLosses(torch.autograd.Function):
    """Losses with their gradient, which is as cheap as they are and made with them."""

    @staticmethod
    def forward(ctx: Any, scores: Tensor, labels: Tensor, normalise: Normalise) -> Tensor:
        if not scores.numel():
            ctx.save_for_backward(torch.zeros_like(scores))
            return scores.new_zeros(len(scores))
        pairs = _Pairs(scores, labels)
        count = pairs.violations() if normalise == "violations" else pairs.count()  # [B]
        count = count.double()
        # Without a violation every term is 0, and so must be what rounding leaves of their sum.
        losses = pairs.total() / (count.clamp(min=1) + EPSILON)
        gradient = pairs.slopes().div_((count + EPSILON).to(scores.dtype).unsqueeze(1))
        ctx.save_for_backward(gradient)
        return losses.to(scores.dtype)

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator, unused-ignore]
    def backward(ctx: Any, cotangent: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = ctx.saved_tensors  # [B, C]
        return gradient * cotangent.unsqueeze(1), None, None


class _Pairs:
    """The pairs of a positive p and a negative n of each image, none of which is formed.

    Attributes:
        thresholds: [B, C], 1 + s_n: a positive below it makes a pair that costs something.
        ranked: [B, P], the positives' scores in ascending order, then infinity. P is the largest
            number of positives; where the scores are not in the host's memory it is C, for which
            nothing has to be waited for.
        columns: int64 [B, P], the tags that these are of.
        reaches: int64 [B, C], how many positives, the first of their row, are below a negative's
            threshold or at it; 0 for what is no negative.
    """

    def __init__(self, scores: Tensor, labels: Tensor) -> None:
        self.positive, self.others = labels > 0, labels >= 0  # [B, C]
        self.on_host = scores.device.type == "cpu"
        width = max(1, int(self.positive.sum(1).max())) if self.on_host else scores.shape[1]
        ranked = scores.masked_fill(~self.positive, torch.inf).topk(width, largest=False)
        self.ranked, self.columns = ranked
        self.thresholds = (1 + scores).contiguous()
        self.reaches = self._reaches(right=True)

    def _reaches(self, *, right: bool) -> Tensor:
        found = torch.searchsorted(self.ranked, self.thresholds, right=right)
        return found.masked_fill_(self.others, 0)

    def count(self) -> Tensor:
        """int64 [B]: all pairs."""
        return self.positive.sum(1) * (~self.others).sum(1)

    def violations(self) -> Tensor:
        """int64 [B]: pairs with 1 + s_n - s_p > 0."""
        last = self.ranked.gather(1, (self.reaches - 1).clamp_(min=0))  # [B, C]
        if self.on_host and not (last == self.thresholds).any():
            return self.reaches.sum(1)  # no pair is at exactly 0
        return self._reaches(right=False).sum(1)

    def total(self) -> Tensor:
        """float64 [B]: Σ max(0, 1 + s_n - s_p), each score as often as it occurs."""
        of_negatives = self.thresholds.double() * self.reaches  # [B, C]
        of_positives = self.ranked.double() * self.reached  # [B, P]
        return of_negatives.sum(1) - of_positives.nan_to_num(0).sum(1)

    def slopes(self) -> Tensor:
        """[B, C], derivatives of the total: how many positives a negative reaches, and minus how many
        negatives reach a positive."""
        slopes = self.reaches.to(self.ranked.dtype)
        return slopes.scatter_add_(1, self.columns, -self.reached.to(self.ranked.dtype))

    @cached_property
    def reached(self) -> Tensor:
        """int64 [B, P]: how many negatives reach each positive."""
        images, width = self.ranked.shape
        ending = self.reaches.new_zeros(images, width + 1)  # negatives by how many they reach
        ending.scatter_add_(1, self.reaches, self.reaches.new_ones(1, 1).expand_as(self.reaches))
        return ending.flip(1).cumsum(1).flip(1)[:, 1:]
