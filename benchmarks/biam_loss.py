"""BiAM's ranking loss in order of the scores against the tensor of all pairs.

    python benchmarks/biam_loss.py [--json FILE] [--device cuda] [--threads 1] [--repeats 7] [--quick]

Forward and backward. "all pairs" is the formula as it stands, with a term for each of C x C pairs of tags
of an image, after tags without any label are dropped; of 32 images with 7186 labelled tags each of
its tensors would have 6.6 GB, so there it is done for one image. "pairs of positives" keeps the pairs
of an image's few positives alone, B x P x C. What each holds beside its inputs is recorded, too.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from _measure import Row, arguments, compare, peak, report
from torch import Tensor

from mlzoo_biam.losses import ranking_loss

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))
from plain_biam import plain_ranking_loss

Loss = Callable[[Tensor, Tensor], Tensor]


def positives_loss(scores: Tensor, labels: Tensor) -> Tensor:
    """The same over [B, P, C], P being the largest number of positives of an image."""
    positive = labels > 0  # [B, C]
    count = int(positive.sum(1).max())
    chosen = positive.to(torch.int8).topk(count, dim=1).indices  # [B, P]
    hinge = (1 + scores.unsqueeze(1) - scores.gather(1, chosen).unsqueeze(2)).clamp(min=0)
    hinge = hinge * (positive.gather(1, chosen).unsqueeze(2) & (labels < 0).unsqueeze(1))
    violations = (hinge > 0).sum(dim=(1, 2))  # [B]
    return (hinge.sum(dim=(1, 2)) / (violations + 1e-8)).mean()


def batch(
    images: int, tags: int, annotated: int | None, device: str, dtype: torch.dtype = torch.float32
) -> tuple[Tensor, Tensor]:
    """Scores, and labels with 6 to 10 positives an image: the rest negative, or ``annotated`` in all."""
    labels = torch.zeros(images, tags, dtype=torch.int8)
    for row in labels:
        order = torch.randperm(tags)
        positives = int(torch.randint(6, 11, ())) if annotated is None else annotated // 2
        row[order[:annotated]] = -1
        row[order[:positives]] = 1
    return torch.randn(images, tags, dtype=dtype).to(device).requires_grad_(), labels.to(device)


def both_ways(loss: Loss, scores: Tensor, labels: Tensor) -> Callable[[], Tensor]:
    """Loss and gradient; returns the gradient."""

    def call() -> Tensor:
        (gradient,) = torch.autograd.grad(loss(scores, labels), scores)
        return gradient

    return call


def check(losses: list[Loss], scores: Tensor, labels: Tensor) -> None:
    """All say the same as the first."""
    tolerance = 1e-5 if scores.dtype == torch.float32 else 1e-10
    expected = losses[0](scores, labels).detach(), both_ways(losses[0], scores, labels)()
    for loss in losses[1:]:
        found = loss(scores, labels).detach(), both_ways(loss, scores, labels)()
        torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)


def row(what: str, losses: dict[str, Loss], options: argparse.Namespace, *data: Tensor) -> Row:
    """One batch."""
    check(list(losses.values()), *data)
    calls = {name: both_ways(loss, *data) for name, loss in losses.items()}
    beside = {name: peak(call, options.device)[1] for name, call in calls.items()}
    print(*(f"{name} {mb:.0f} MB beside;" for name, mb in beside.items() if mb is not None))
    return compare(what, calls, options, against=list(losses)[1:], accelerated=True) | {
        "beside_mb": beside
    }


def main() -> None:
    options = arguments(__doc__, repeats=7)
    ours: dict[str, Loss] = {"mlzoo": ranking_loss}
    pairs: dict[str, Loss] = {"all pairs": plain_ranking_loss}
    few: dict[str, Loss] = {"pairs of positives": positives_loss}
    device = options.device
    check(
        [*ours.values(), *pairs.values(), *few.values()], *batch(8, 60, None, device, torch.float64)
    )
    images, nus, open_images = (4, 30, 50) if options.quick else (32, 925, 7186)
    rows = [
        row(
            f"ranking loss, {images} images, {nus} tags, all labelled",
            {**ours, **pairs, **few},
            options,
            *batch(images, nus, None, device),
        ),
        row(
            f"ranking loss, 1 image, {open_images} tags, all labelled",
            {**ours, **pairs, **few},
            options,
            *batch(1, open_images, None, device),
        ),
        row(
            f"ranking loss, {images} images, {open_images} tags, all labelled",
            {**ours, **few},
            options,
            *batch(images, open_images, None, device),
        ),
        row(
            f"ranking loss, {images} images, {open_images} tags, 9 labelled an image",
            {**ours, **pairs, **few},
            options,
            *batch(images, open_images, 9, device),
        ),
    ]
    report(rows, options)


if __name__ == "__main__":
    main()
