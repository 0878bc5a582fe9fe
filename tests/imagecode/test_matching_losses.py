"""Losses of CLIP against recorded values and plain formulas."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from plain_imagecode import plain_cosines, plain_loss
from torch import Tensor

from mlzoo_imagecode.losses import cosines, matching_logits, matching_loss

GOLDEN = Path(__file__).parents[1] / "golden" / "imagecode"
INPUTS = ("image_features", "text_features", "log_logit_scale")


def arrays(name: str) -> dict[str, Tensor]:
    with np.load(GOLDEN / f"{name}.npz", allow_pickle=False) as file:
        return {key: torch.from_numpy(np.asarray(file[key])) for key in file.files}


def checked(recorded: dict[str, Tensor], target: Tensor, reduction: Any, prefix: str) -> Tensor:
    """The loss, after its gradients have been compared."""
    inputs = [recorded[name].clone().requires_grad_() for name in INPUTS]
    loss = matching_loss(matching_logits(*inputs), target, reduction)
    loss.backward()
    for name, given in zip(INPUTS, inputs, strict=True):
        close(given.grad, recorded[f"{prefix}_{name}"])
    return loss.detach()


def close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_recorded_loss_among_the_images_of_a_set() -> None:
    recorded = arrays("clip_contra_loss")
    logits = matching_logits(*(recorded[name] for name in INPUTS))
    close(logits, recorded["similarity"])
    close(checked(recorded, recorded["target"], "mean", "g"), recorded["loss"])
    close(checked(recorded, recorded["target"], "sum", "gsum"), recorded["loss_each"].sum())


def test_recorded_loss_among_random_images() -> None:
    recorded = arrays("clip_nocontra_loss")
    logits = matching_logits(*(recorded[name] for name in INPUTS))
    close(logits, recorded["logits"])
    target = torch.zeros(len(logits), dtype=torch.int64)
    close(checked(recorded, target, "sum", "gsum"), recorded["loss_each"].sum())


@pytest.mark.parametrize("count", [1, 5])
def test_descriptions_together_are_the_same_as_one_by_one(count: int) -> None:
    torch.manual_seed(0)
    images, text = torch.randn(count, 10, 8).double(), torch.randn(count, 8).double()
    target, scale = torch.randint(10, (count,)), torch.tensor(2.5).double()
    logits = matching_logits(images, text, scale)
    each = []
    for row in range(count):
        own = plain_cosines(images[row], text[row])
        torch.testing.assert_close(cosines(images, text)[row], own)
        torch.testing.assert_close(logits[row], scale.exp() * own)
        each.append(plain_loss(scale.exp() * own, target[row]))
    torch.testing.assert_close(matching_loss(logits, target, "sum"), torch.stack(each).sum())
    torch.testing.assert_close(matching_loss(logits, target, "mean"), torch.stack(each).mean())
