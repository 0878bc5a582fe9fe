"""A training step of Multi-SK and of Everything at Once against the plain formulation, and the anchors.

    python benchmarks/multisk_step.py [--json FILE] [--device cuda] [--threads 1] [--repeats 2] [--quick]

Sizes are the published ones: 893 million parameters, clips of 20 words, 12 tokens of video and 768 frames
of audio; up to 14 GB of memory and half an hour on a CPU. "plain" is the networks' formulas as they stand:
attention weights in full, two-dimensional convolutions, and for Everything at Once every run of the
transformer from the clips on, so that the audio network runs three times. A step is forward and backward of
the contrastive losses. Beside it stands all that Multi-SK adds: similarities to the anchors, the twelve
plans over the queue and the batch, costs, and the queues' new rows.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from _measure import Call, Row, arguments, compare, peak, report
from torch import Tensor
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from mlzoo_multisk.anchor_loss import AnchorLoss
from mlzoo_multisk.clips import Shape
from mlzoo_multisk.config import EverythingAtOnceConfig, MultiSKConfig
from mlzoo_multisk.losses import combinatorial_loss, norm_softmax
from mlzoo_multisk.networks import EverythingAtOnceNetwork, MultiSKNetwork

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))
from plain_multisk import PlainNetwork

WEIGHTS = {"tv": 1.0, "ta": 0.1, "va": 0.1}
PAIRS = {"t_va": 0.1, "v_ta": 0.1, "a_tv": 0.1}
KINDS = {
    "Multi-SK": (MultiSKConfig, MultiSKNetwork, WEIGHTS),
    "Everything at Once": (EverythingAtOnceConfig, EverythingAtOnceNetwork, WEIGHTS | PAIRS),
}


PUBLISHED = Shape(words=20, word_width=300, video_tokens=12, video_width=4096, audio_frames=768)


@dataclass(frozen=True)
class Sizes:
    """Of a batch and the network; options that are not given are the published ones."""

    clips: int
    shape: Shape = PUBLISHED
    options: dict[str, Any] = field(default_factory=dict)


SMALL = Sizes(
    6,
    Shape(5, 7, 3, 9, 192),
    {
        "width": 16,
        "projection": 12,
        "heads": 4,
        "audio_widths": (4, 4, 6, 6, 8, 12, 16),
        "anchors": 8,
        "anchor_queue": 16,
    },
)


class World:
    """Both formulations with the same weights, which they share, and a batch."""

    def __init__(
        self, kind: str, sizes: Sizes, device: str, dtype: torch.dtype = torch.float32
    ) -> None:
        config_class, network_class, self.weights = KINDS[kind]
        known = {k: v for k, v in sizes.options.items() if k in config_class.model_fields}
        config = config_class(**known)
        self.ours = network_class(config, sizes.shape).to(device, dtype)
        with torch.device("meta"):
            self.plain = PlainNetwork(config, sizes.shape)
        self.plain.load_state_dict(self.ours.state_dict(), assign=True)
        self.plain.requires_grad_()
        self.batch = clips(sizes, device, dtype)
        self.tokens = sizes.shape.audio_tokens

    def embeddings(self, formulation: str) -> dict[str, Tensor]:
        if formulation == "plain":
            return self.plain(self.batch)  # type: ignore[no-any-return]
        return self.ours(self.batch, self.tokens).made()

    def step(self, formulation: str) -> Tensor:
        """Loss and gradients."""
        for network in (self.ours, self.plain):
            network.zero_grad()
        contrast = partial(norm_softmax, temperature=0.05)
        loss, _ = combinatorial_loss(self.embeddings(formulation), {}, self.weights, contrast)
        loss.backward()
        return loss.detach()


def clips(sizes: Sizes, device: str, dtype: torch.dtype) -> dict[str, Tensor]:
    """Made up, padded as clips are: some have few words, some little sound, one nothing of either."""
    shape, n = sizes.shape, sizes.clips
    found = {
        "text": torch.randn(n, shape.words, shape.word_width),
        "video": torch.randn(n, shape.video_tokens, shape.video_width),
        "audio": torch.randn(n, 40, shape.audio_frames),
    }
    for name, length in (
        ("text", shape.words),
        ("video", shape.video_tokens),
        ("audio", shape.audio_frames),
    ):
        there = torch.randint(1, length + 1, (n, 1))
        there[0] = 0 if name != "video" else length
        found[f"{name}_mask"] = (torch.arange(length) < there).float()
    found = {name: x.to(device, dtype) for name, x in found.items()}
    return found | {"audio_frames": torch.full((n,), -1, device=device)}


def check(kind: str, device: str) -> None:
    """The same embeddings, loss and gradients, in double: biases before a batch normalisation and ReLUs
    at 0 are on one side here and on the other there in single."""
    torch.manual_seed(0)
    world = World(kind, SMALL, device, torch.float64)
    one, other = (world.embeddings(name) for name in ("mlzoo", "plain"))
    for name, value in other.items():
        torch.testing.assert_close(one[name], value, rtol=1e-9, atol=1e-9)
    world.step("mlzoo")
    gradients = {name: x.grad.clone() for name, x in world.ours.named_parameters()}
    world.step("plain")
    for name, parameter in world.plain.named_parameters():
        torch.testing.assert_close(gradients[name], parameter.grad, rtol=1e-7, atol=1e-9)


def step_rows(kind: str, sizes: Sizes, options: argparse.Namespace) -> list[Row]:
    """A step of ours against plain; and, of Multi-SK, what anchors add."""
    torch.manual_seed(0)
    world = World(kind, sizes, options.device)
    torch.testing.assert_close(world.step("mlzoo"), world.step("plain"), rtol=1e-3, atol=1e-3)
    with FlopCounterMode(display=False) as counter:
        _, beside = peak(lambda: world.step("mlzoo"), options.device)
    print(f"a step holds {beside or 0:.0f} MB beside the weights")
    calls: dict[str, Call] = {
        "mlzoo": lambda: world.step("mlzoo"),
        "plain": lambda: world.step("plain"),
    }
    gflop = counter.get_total_flops() / 1e9
    row = compare(
        f"{kind}, forward and backward of {sizes.clips} clips",
        calls,
        options,
        against=["plain"],
        accelerated=True,
        gflop=gflop,
    )
    rows = [row | {"beside_mb": beside}]
    if kind == "Multi-SK":
        rows.append(anchor_row(world, sizes, options))
    return rows


def anchor_row(world: World, sizes: Sizes, options: argparse.Namespace) -> Row:
    """What anchors add to a step, beside the step."""
    anchors = AnchorLoss.from_config(MultiSKConfig(**sizes.options)).to(options.device)
    with torch.no_grad():
        sides = world.ours(world.batch, world.tokens).both_sides()
    while not anchors.queues.full:
        rows = {name: torch.randn_like(x) for name, x in sides.items()}
        anchors.queues.push({name: functional.normalize(x) for name, x in rows.items()})

    @torch.no_grad()
    def added() -> Tensor:
        return anchors(sides)[0]  # type: ignore[no-any-return]

    calls: dict[str, Call] = {
        "plans and queues": added,
        "forward and backward": lambda: world.step("mlzoo"),
    }
    return compare(
        f"Multi-SK, twelve plans and the queues of {sizes.clips} clips",
        calls,
        options,
        against=["forward and backward"],
        accelerated=True,
    )


def main() -> None:
    options = arguments(__doc__, repeats=2)
    torch.backends.cuda.matmul.allow_tf32 = False
    rows: list[Row] = []
    for kind, count in (("Multi-SK", 64), ("Everything at Once", 16)):
        check(kind, options.device)
        rows += step_rows(kind, SMALL if options.quick else Sizes(count), options)
    report(rows, options)


if __name__ == "__main__":
    main()
