"""A tag's score: the mean of its k best regions.

B: images, S: regions of an image, J: width of the joint space, C: tags, k: regions averaged.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

SPARSE = 8
"""Where less than one region in so many is chosen, a CPU reads the chosen ones faster than it multiplies
all of them with zeros."""


def region_scores(classifiers: Tensor, e_f: Tensor) -> Tensor:
    """classifiers · e_f as [C, B, S], of classifiers [C, J] and e_f [B, S, J]: one product for all."""
    scores: Tensor = classifiers @ e_f.flatten(0, 1).T  # [C, B·S]
    return scores.view(-1, *e_f.shape[:2])


def mean_of_best(classifiers: Tensor, e_f: Tensor, k: int) -> Tensor:
    """Scores of tags:

        m[c, b, r] = classifiers[c] · e_f[b, r],    score[b, c] = 1/k Σ of the k largest m[c, b, ·]

    Only the chosen regions get a gradient, g/k each. It has k of S entries that are not 0, which is made
    use of where that is faster: on a CPU, if k is small beside S.

    Args:
        classifiers: [C, J].
        e_f: [B, S, J], features of the regions.
        k: at most S.

    Returns:
        [B, C].
    """
    if (
        e_f.device.type == "cpu"
        and SPARSE * k < e_f.shape[1]
        and not torch.is_autocast_enabled("cpu")
    ):
        scores: Tensor = _MeanOfBest.apply(classifiers, e_f, k)  # type: ignore[no-untyped-call]
        return scores
    return _best(classifiers, e_f, k)[0]


def _best(classifiers: Tensor, e_f: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Scores [B, C], and the chosen regions [C, B, k] in no order."""
    best = region_scores(classifiers, e_f).topk(k, dim=2, sorted=False)
    return best.values.mean(dim=2).T.contiguous(), best.indices


class _MeanOfBest(torch.autograd.Function):
    """Keeps which regions were chosen rather than all scores, and adds up over these alone."""

    @staticmethod
    def forward(ctx: Any, classifiers: Tensor, e_f: Tensor, k: int) -> Tensor:
        scores, chosen = _best(classifiers, e_f, k)
        first = torch.arange(len(e_f)).unsqueeze(1) * e_f.shape[1]  # [B, 1]
        ctx.save_for_backward(classifiers, e_f, chosen + first)  # rows of e_f as [B·S, J]
        return scores

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator, unused-ignore]
    def backward(ctx: Any, cotangent: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        classifiers, e_f, rows = ctx.saved_tensors  # rows: [C, B, k]
        weights = (cotangent.T / rows.shape[2]).unsqueeze(2).expand_as(rows)  # [C, B, k]
        rows, weights = rows.flatten(1), weights.flatten(1)  # [C, B·k]
        for_classifiers = for_e_f = None
        if ctx.needs_input_grad[0]:
            for_classifiers = _weighted_sums(rows, e_f.flatten(0, 1), weights)  # [C, J]
        if ctx.needs_input_grad[1]:
            # The tags that chose a row, row by row: those of row r begin at starts[r].
            order = rows.flatten().argsort(stable=True)
            tags = order // rows.shape[1]
            counts = rows.flatten().bincount(minlength=e_f.shape[0] * e_f.shape[1])
            starts = counts.cumsum(0) - counts
            sums = _weighted_sums(tags, classifiers, weights.flatten()[order], starts)
            for_e_f = sums.view_as(e_f)  # [B, S, J]
        return for_classifiers, for_e_f, None


def _weighted_sums(
    rows: Tensor, table: Tensor, weights: Tensor, starts: Tensor | None = None
) -> Tensor:
    """Σ weights · table[rows] over each row of ``rows``, or from each of ``starts`` to the next."""
    return functional.embedding_bag(
        rows, table, starts, mode="sum", per_sample_weights=weights.contiguous()
    )
