"""How a text matches its images, and the loss of a choice among them (Krojer et al. 2022, Section 5)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from mlzoo_imagecode.config import Reduction


def cosines(images: Tensor, text: Tensor) -> Tensor:
    """cos(image_j, text) of every description with its own images; zero-shot CLIP's score.

    Args:
        images: float [n, k, d], as CLIP projects them.
        text: float [n, d], likewise.

    Returns:
        float [n, k].
    """
    f = functional.normalize(images, dim=-1)  # [n, k, d]
    t = functional.normalize(text, dim=-1)  # [n, d]
    return (f @ t[:, :, None]).squeeze(-1)  # [n, k]


def matching_logits(images: Tensor, text: Tensor, log_scale: Tensor) -> Tensor:
    """exp(log_scale) cos(image_j, text): [n, k] from [n, k, d], [n, d] and CLIP's learnt scalar."""
    return log_scale.exp() * cosines(images, text)


def matching_loss(logits: Tensor, target: Tensor, reduction: Reduction) -> Tensor:
    """Cross-entropy of each description's choice among its images, and of nothing else: other texts are no
    negatives of an image.

    Args:
        logits: float [n, k].
        target: int64 [n], the described image's column.
        reduction: ``sum`` over descriptions, as in the paper, or ``mean``.

    Returns:
        Scalar.
    """
    return functional.cross_entropy(logits, target, reduction=reduction)
