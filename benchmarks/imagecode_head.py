"""ImageCoDe's contextual module: a step's descriptions together against one by one, and fused Adam.

    python benchmarks/imagecode_head.py [--json FILE] [--device cuda] [--threads 1] [--repeats 5] [--quick]

Sizes are the published ones: 36 descriptions of ten images, features of 512 numbers, two layers of 8 heads
and 3072 hidden. "one by one" is the published loop: forward and backward of each description by itself with
the attention's weights in full, gradients added up. The gradients are compared in double precision before;
in single precision those of a saturated softmax are rounding to a good part.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from _measure import Call, Row, arguments, compare, report
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from mlzoo_imagecode.config import ImageCoDeConfig
from mlzoo_imagecode.context_module import ContextModule
from mlzoo_imagecode.losses import matching_loss
from mlzoo_imagecode.optimisation import HEAD, make_optimizer

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))
from plain_imagecode import plain_context_logits, plain_loss

BATCH, CHOICES = 36, 10
WIDTH = 512
SMALL: dict[str, Any] = {"head_feed_forward": 24, "dropout": 0.0}
PUBLISHED: dict[str, Any] = {"dropout": 0.0}
"""Dropout draws other numbers for the one than for the other."""


class World:
    """The module, features of a step's descriptions, and both ways to the summed gradient."""

    def __init__(
        self, options: dict[str, Any], width: int, device: str, dtype: torch.dtype
    ) -> None:
        torch.manual_seed(0)
        self.config = ImageCoDeConfig(**options)
        self.module = ContextModule.from_config(self.config, width).to(device, dtype)
        self.images = torch.randn(BATCH, CHOICES, width).to(device, dtype)
        self.text = torch.randn(BATCH, width).to(device, dtype)
        self.positions = torch.arange(CHOICES, device=device).expand(BATCH, CHOICES)
        self.video = (torch.arange(BATCH) % 5 > 0).to(device)
        self.videos = self.video.tolist()  # the loop asks for each
        self.target = torch.randint(CHOICES, (BATCH,)).to(device)
        self.weights: Mapping[str, Tensor] = dict(self.module.named_parameters())

    def together(self) -> Tensor:
        """The sum of the losses; leaves gradients."""
        self.module.zero_grad()
        logits = self.module(self.images, self.text, self.positions, self.video)
        loss = matching_loss(logits, self.target, "sum")
        loss.backward()
        return loss.detach()

    def one_by_one(self) -> Tensor:
        """The same."""
        self.module.zero_grad()
        total = torch.zeros((), device=self.text.device, dtype=self.text.dtype)
        for row in range(BATCH):
            logits = plain_context_logits(
                self.weights, self.images[row], self.text[row], video=self.videos[row]
            )
            loss = plain_loss(logits, self.target[row])
            loss.backward()
            total += loss.detach()
        return total

    def gradients(self) -> dict[str, Tensor]:
        return {name: w.grad.clone() for name, w in self.weights.items() if w.grad is not None}


def check(options: dict[str, Any], width: int, device: str) -> None:
    """The same loss and summed gradients, in double."""
    world = World(options, width, device, torch.float64)
    loss, own = world.together(), world.gradients()
    torch.testing.assert_close(loss, world.one_by_one(), rtol=1e-10, atol=1e-10)
    for name, gradient in world.gradients().items():
        torch.testing.assert_close(own[name], gradient, rtol=1e-8, atol=1e-8)


def step_row(options: dict[str, Any], width: int, asked: argparse.Namespace) -> Row:
    """Forward and backward of a step's descriptions."""
    world = World(options, width, asked.device, torch.float32)
    with FlopCounterMode(display=False) as counter:
        world.together()
    calls: dict[str, Call] = {"mlzoo": world.together, "one by one": world.one_by_one}
    return compare(
        f"ImageCoDe, contextual module, forward and backward of {BATCH} descriptions",
        calls,
        asked,
        against=["one by one"],
        accelerated=True,
        gflop=counter.get_total_flops() / 1e9,
    )


def adam_row(options: dict[str, Any], width: int, asked: argparse.Namespace) -> Row:
    """A step of the optimiser, on weights of its own."""

    def stepping(fused: bool) -> tuple[nn.Module, torch.optim.Optimizer]:
        world = World(options, width, asked.device, torch.float32)
        world.together()
        optimizer = make_optimizer(world.config, {HEAD: world.module.parameters()})
        for group in optimizer.param_groups:
            group["fused"] = fused
        return world.module, optimizer

    (own, fused), (other, plain) = stepping(True), stepping(False)
    for optimizer in (fused, plain):
        optimizer.step()
    for name, weight in own.state_dict().items():
        torch.testing.assert_close(weight, other.state_dict()[name], rtol=1e-6, atol=1e-6)
    calls: dict[str, Call] = {"fused": fused.step, "by parameter": plain.step}
    return compare(
        "ImageCoDe, contextual module, Adam step",
        calls,
        asked,
        against=["by parameter"],
        accelerated=True,
    )


def main() -> None:
    asked = arguments(__doc__, repeats=5)
    torch.backends.cuda.matmul.allow_tf32 = False
    options, width = (SMALL, 32) if asked.quick else (PUBLISHED, WIDTH)
    check(options, width, asked.device)
    report([step_row(options, width, asked), adam_row(options, width, asked)], asked)


if __name__ == "__main__":
    main()
