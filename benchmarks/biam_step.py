"""BiAM's training step and the scores of an evaluation batch against the plain formulation.

    python benchmarks/biam_step.py [--json FILE] [--device cuda] [--threads 1] [--repeats 5] [--quick]

Sizes are those of NUS-WIDE and Open Images: 512 x 14 x 14 features, 256 channels, 32 images. "plain" is
the paper's formulas as they stand: maps, channel_conv twice, attention weights and masks in full, joined
maps, all pairs in the loss, and ordinary Adam. A training step ends with the optimiser's. On a GPU
there are rows with TF32 and in bf16, too. What a step holds beside is recorded.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from _measure import Call, Row, arguments, compare, peak, report
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from mlzoo_biam.config import BiAMConfig
from mlzoo_biam.losses import annotated_columns, ranking_loss
from mlzoo_biam.networks import BiAM

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))
from plain_biam import PlainBiAM, plain_ranking_loss


@dataclass(frozen=True)
class Sizes:
    """Of a batch and the network."""

    images: int = 32
    features: int = 512
    side: int = 14
    scene: int = 4096
    vectors: int = 300
    joint: int = 512
    channels: int = 256
    heads: int = 8
    tags: int = 925
    annotated: int | None = None  # an image; all if None


SMALL = Sizes(4, 6, 4, 10, 5, 7, 8, 2, 20)


class World:
    """Both networks with the same weights, and a batch."""

    def __init__(
        self, sizes: Sizes, device: str, dtype: torch.dtype = torch.float32, **options: Any
    ) -> None:
        self.sizes, self.device = sizes, device
        config = BiAMConfig(channels=sizes.channels, heads=sizes.heads, **options)
        shape = (sizes.features, (sizes.side, sizes.side), sizes.scene, sizes.vectors, sizes.joint)
        self.ours = BiAM(config, *shape).to(device, dtype)
        self.plain = PlainBiAM(config, *shape).to(device, dtype)
        self.plain.load_state_dict(self.ours.state_dict())
        regions = torch.rand(sizes.images, sizes.features, sizes.side**2, dtype=dtype)
        self.regions = (8 * (regions - 0.86)).relu().to(device)  # 86 % zeros
        self.scene = (torch.rand(sizes.images, sizes.scene, dtype=dtype) - 0.7).relu().to(device)
        vectors = torch.randn(sizes.tags, sizes.vectors, dtype=dtype)
        self.vectors = functional.normalize(vectors, dim=1).to(device)
        self.labels = torch.zeros(sizes.images, sizes.tags, dtype=torch.int8)
        for row in self.labels:
            order = torch.randperm(sizes.tags)
            row[order[: sizes.annotated]] = -1
            row[order[: 8 if sizes.annotated is None else sizes.annotated // 2]] = 1
        self.labels_there = self.labels.to(device)

    def our_loss(self) -> Tensor:
        """Of the annotated columns, which are found where labels are made: on the host."""
        if self.sizes.annotated is None:
            return ranking_loss(
                self.ours(self.regions, self.scene, self.vectors), self.labels_there
            )
        columns = annotated_columns(self.labels)
        labels = self.labels[:, columns].to(self.device)
        vectors = self.vectors[columns.to(self.device)]
        return ranking_loss(self.ours(self.regions, self.scene, vectors), labels)

    def plain_loss(self) -> Tensor:
        scores = self.plain(self.regions, self.scene, self.vectors)
        return plain_ranking_loss(scores, self.labels_there)


def stepping(network: nn.Module, loss: Callable[[], Tensor], **adam: Any) -> Call:
    """A whole training step."""
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4, weight_decay=5e-4, **adam)

    def step() -> None:
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()

    return step


def check_training(sizes: Sizes, device: str, **options: Any) -> None:
    """The same loss, gradients and later losses, of a few images in double and without dropout.

    In single, some of the millions of leaky ReLUs are on one side of 0 here and on the other there.
    """
    few = replace(sizes, images=4)
    world = World(few, device, torch.float64, dropout=0, scene_dropout=0, **options)
    pairs = ((world.ours, world.our_loss), (world.plain, world.plain_loss))
    losses = [loss() for _, loss in pairs]
    torch.testing.assert_close(*losses, rtol=1e-9, atol=0)
    for loss in losses:
        loss.backward()
    for (name, one), other in zip(
        world.ours.named_parameters(), world.plain.parameters(), strict=True
    ):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-8, atol=1e-10, msg=name)
    for fused, (network, loss) in zip((True, False), pairs, strict=True):
        step = stepping(network, loss, fused=fused)
        step()
        step()
    torch.testing.assert_close(*(loss() for _, loss in pairs), rtol=1e-6, atol=0)


@contextmanager
def tf32() -> Iterator[None]:
    """Products of float32 with 10 bits, on a GPU."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    yield
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False


def in_tf32(call: Call) -> Call:
    def lowered() -> object:
        with tf32():
            return call()

    return lowered


def in_bf16(loss: Callable[[], Tensor]) -> Callable[[], Tensor]:
    def lowered() -> Tensor:
        with torch.autocast("cuda", torch.bfloat16):
            return loss()

    return lowered


def waits(step: Call) -> str:
    """Where, if anywhere, the host waits for the GPU within a step; labels that are sent there may."""
    torch.cuda.set_sync_debug_mode("error")
    try:
        step()
    except RuntimeError as error:
        return str(error).splitlines()[0]
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return "nowhere"


def training_row(what: str, sizes: Sizes, options: argparse.Namespace) -> Row:
    """One step."""
    check_training(sizes, options.device)
    world = World(sizes, options.device)
    calls = {
        "mlzoo": stepping(world.ours, world.our_loss, fused=True),
        "plain": stepping(world.plain, world.plain_loss),
    }
    with FlopCounterMode(display=False) as counter:
        calls["mlzoo"]()
    beside = {name: peak(call, options.device)[1] for name, call in calls.items()}
    print(*(f"{name} {mb:.0f} MB beside;" for name, mb in beside.items() if mb is not None))
    against = ["plain"]
    if options.device == "cuda":
        print("waits for the device:", waits(calls["mlzoo"]))
        calls["plain, TF32"] = in_tf32(calls["plain"])
        calls["mlzoo, TF32"] = in_tf32(calls["mlzoo"])
        calls["mlzoo, bf16"] = stepping(world.ours, in_bf16(world.our_loss), fused=True)
        against += list(calls)[2:]
    gflop = counter.get_total_flops() / 1e9
    row = compare(what, calls, options, against=against, accelerated=True, gflop=gflop)
    return row | {"beside_mb": beside}


def evaluation_row(what: str, parts: list[slice], sizes: Sizes, options: argparse.Namespace) -> Row:
    """Scores of several sets of tags, each a range of all."""
    world = World(sizes, options.device)
    world.ours.eval()
    world.plain.eval()

    @torch.no_grad()
    def once() -> list[Tensor]:
        scores = world.ours(world.regions, world.scene, world.vectors)
        return [scores[:, part] for part in parts]

    @torch.no_grad()
    def each() -> list[Tensor]:
        return [world.plain(world.regions, world.scene, world.vectors[part]) for part in parts]

    if options.device == "cpu":
        torch.testing.assert_close(once(), each(), rtol=1e-5, atol=1e-5)
    calls: dict[str, Call] = {"mlzoo": once, "plain, a pass a set": each}
    against = list(calls)[1:]
    if options.device == "cuda":
        calls["mlzoo, TF32"] = in_tf32(once)
        against.append("mlzoo, TF32")
    with FlopCounterMode(display=False) as counter:
        once()
    gflop = counter.get_total_flops() / 1e9
    return compare(what, calls, options, against=against, accelerated=True, gflop=gflop)


def scene_row(options: argparse.Namespace) -> Row:
    """The global feature of a batch: read from where it was stored, or VGG-19's last layers each time."""
    images, side, width = (4, 4, 16) if options.quick else (32, 14, 4096)
    channels = 6 if options.quick else 512
    maps = torch.rand(images, channels, side, side, device=options.device)
    head = nn.Sequential(
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(channels * (side // 2) ** 2, width),
        nn.ReLU(),
        nn.Linear(width, width),
        nn.ReLU(),
    ).to(options.device)
    with torch.no_grad():
        stored = head(maps)
        rows = torch.randperm(images, device=options.device)
        torch.testing.assert_close(stored[rows], head(maps[rows]), rtol=1e-3, atol=1e-4)

        def computed() -> Tensor:
            with torch.no_grad():
                return head(maps)  # type: ignore[no-any-return]

        calls: dict[str, Call] = {"stored": lambda: stored[rows], "VGG-19's last layers": computed}
    return compare(
        f"global feature of {images} images",
        calls,
        options,
        against=("VGG-19's last layers",),
        accelerated=True,
    )


def main() -> None:
    options = arguments(__doc__, repeats=5)
    torch.backends.cuda.matmul.allow_tf32 = False
    check_training(replace(SMALL, annotated=5, side=14), options.device, zero_score_mask=True)
    nus = SMALL if options.quick else Sizes()
    seen, unseen = (20, 6) if options.quick else (925, 81)
    wide = SMALL if options.quick else Sizes(tags=7186, heads=16)
    many, new = (20, 6) if options.quick else (7186, 400)
    rows = [
        training_row(f"BiAM, training step of {nus.images} images, {nus.tags} tags", nus, options),
        training_row(
            f"BiAM, training step of {wide.images} images, {wide.tags} tags, 9 annotated an image",
            replace(wide, annotated=9),
            options,
        ),
        evaluation_row(
            f"BiAM, scores of {nus.images} images for {unseen} and {seen + unseen} tags",
            [slice(seen, None), slice(None)],
            replace(nus, tags=seen + unseen),
            options,
        ),
        evaluation_row(
            f"BiAM, scores of {wide.images} images for {many}, {new} and {many + new} tags",
            [slice(many), slice(many, None), slice(None)],
            replace(wide, tags=many + new),
            options,
        ),
        scene_row(options),
    ]
    report(rows, options)


if __name__ == "__main__":
    main()
