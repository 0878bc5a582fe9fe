"""ImageCoDe's training at ViT-B/16 size: features that are computed once, images that are encoded once.

    python benchmarks/imagecode_training.py [--json FILE] [--device cuda] [--repeats 1] [--quick]

CLIP has random weights, and images and texts are made up: nothing here hangs on them. About five minutes on
a CPU, and 3 GB of memory.

Encoders that stay: "re-encoding" is the published loop, which encodes ten images and a text anew for every
description, and has forward and backward of the contextual module one by one. Ours reads features from a
file that is mapped into memory. Both are measured on a few descriptions and **extrapolated** to an epoch of
the 16,594 real ones, and to the 30 epochs with a score after each, in which ours has to encode all images
and texts of train and valid once. Decoding of images is in neither.

Fine-tuning: "a description at a time" encodes a set's images for each of its descriptions; ours once for all
of them. Four sets with 1, 2, 3 and 3 descriptions, as published ones have 2.27 on average.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _measure import Call, Row, arguments, compare, report, times
from torch import Tensor
from transformers import CLIPConfig, CLIPModel

from mlzoo_imagecode.config import ImageCoDeConfig
from mlzoo_imagecode.context_module import ContextModule
from mlzoo_imagecode.losses import matching_logits, matching_loss
from mlzoo_imagecode.optimisation import HEAD, make_optimizer
from mlzoo_imagecode.pieces import pieces

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))
from imagecode_sets import described
from plain_imagecode import plain_context_logits, plain_cosines, plain_loss

TRAIN, VALID = (16594, 73170), (2302, 10390)
"""Descriptions and images."""

EPOCHS, BATCH, CHOICES = 30, 36, 10
DESCRIPTIONS = (1, 2, 3, 3)
"""Of the sets that fine-tuning is measured on."""


@dataclass(frozen=True)
class Sizes:
    """Of the encoders and the module, and how many descriptions the published loop is measured on."""

    vision: dict[str, int]
    text: dict[str, int]
    embedding: int
    feed_forward: int
    measured: int


PUBLISHED = Sizes(
    vision={
        "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12,
        "num_attention_heads": 12, "image_size": 224, "patch_size": 16,
    },
    text={
        "hidden_size": 512, "intermediate_size": 2048, "num_hidden_layers": 12,
        "num_attention_heads": 8, "max_position_embeddings": 77, "vocab_size": 49408,
    },
    embedding=512,
    feed_forward=3072,
    measured=2,
)  # fmt: skip
SMALL = Sizes(
    vision={
        "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1,
        "num_attention_heads": 2, "image_size": 16, "patch_size": 8,
    },
    text={
        "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1,
        "num_attention_heads": 2, "max_position_embeddings": 12, "vocab_size": 50,
    },
    embedding=16,
    feed_forward=24,
    measured=2,
)  # fmt: skip


class World:
    """Encoders, the module, and made-up images and texts of some sets."""

    def __init__(self, sizes: Sizes, device: str, dtype: torch.dtype = torch.float32) -> None:
        torch.manual_seed(0)
        end = sizes.text["vocab_size"] - 1
        text = {**sizes.text, "hidden_act": "quick_gelu", "bos_token_id": end - 1}
        text |= {"eos_token_id": end, "pad_token_id": 0}
        vision = {**sizes.vision, "hidden_act": "quick_gelu"}
        config = CLIPConfig(text_config=text, vision_config=vision, projection_dim=sizes.embedding)
        self.clip = CLIPModel(config).to(device, dtype).eval()
        options = {"head_feed_forward": sizes.feed_forward, "dropout": 0.0}
        self.config = ImageCoDeConfig.model_validate(options)
        self.module = ContextModule.from_config(self.config, sizes.embedding).to(device, dtype)
        self.optimizer = make_optimizer(self.config, {HEAD: self.module.parameters()})
        self.part = described(DESCRIPTIONS)
        side = sizes.vision["image_size"]
        self.pixels = torch.randn(len(self.part.images), 3, side, side).to(device, dtype)
        self.ids = torch.zeros(len(self.part), sizes.text["max_position_embeddings"]).long()
        for row, length in enumerate(torch.randint(4, 9, (len(self.ids),)).tolist()):
            self.ids[row, :length] = torch.randint(1, end - 1, (length,))
            self.ids[row, 0], self.ids[row, length] = end - 1, end
        self.ids = self.ids.to(device)
        self.target = torch.from_numpy(self.part.target).to(device)
        self.candidates = torch.from_numpy(self.part.candidates).to(device)
        self.videos = self.part.is_video.tolist()
        self.device, self.width = device, sizes.embedding

    def image(self, pixels: Tensor) -> Tensor:
        """[n, d] from [n, 3, R, R]."""
        return self.clip.get_image_features(pixel_values=pixels).pooler_output  # type: ignore[no-any-return]

    def text(self, ids: Tensor) -> Tensor:
        """[n, d] from [n, C], padded as they are."""
        return self.clip.get_text_features(input_ids=ids).pooler_output  # type: ignore[no-any-return]

    # Encoders that stay.

    def encode(self, row: int) -> tuple[Tensor, Tensor]:
        """Features [k, d] and [d] of a description."""
        with torch.no_grad():
            return self.image(self.pixels[self.candidates[row]]), self.encode_text(row)

    def encode_text(self, row: int) -> Tensor:
        """The second of them."""
        with torch.no_grad():
            return self.text(self.ids[row : row + 1])[0]

    def learn_again(self, count: int) -> None:
        """The module's gradients of so many descriptions, each encoded anew."""
        weights = dict(self.module.named_parameters())
        self.module.zero_grad()
        for row in range(count):
            images, text = self.encode(row)
            logits = plain_context_logits(weights, images, text, video=self.videos[row])
            plain_loss(logits, self.target[row]).backward()

    def learn(self, images: Tensor, text: Tensor, target: Tensor, video: Tensor) -> None:
        """The same of features [n, k, d] and [n, d]."""
        self.module.zero_grad()
        positions = torch.arange(images.shape[1], device=self.device).expand(images.shape[:2])
        logits = self.module(images, text, positions, video)
        matching_loss(logits, target, "sum").backward()

    # Fine-tuning.

    def tune_again(self) -> None:
        """Gradients of the encoders, a description at a time."""
        self.clip.zero_grad()
        for row in range(len(self.part)):
            images = self.image(self.pixels[self.candidates[row]])  # [k, d]
            text = self.text(self.ids[row : row + 1])[0]  # [d]
            logits = self.clip.logit_scale.exp() * plain_cosines(images, text)
            plain_loss(logits, self.target[row]).backward()

    def tune(self) -> None:
        """The same, the images of a set once."""
        self.clip.zero_grad()
        for piece in pieces(self.part, np.arange(len(self.part)), images_at_once=CHOICES):
            rows, places = torch.from_numpy(piece.rows), torch.from_numpy(piece.places)
            images = self.image(self.pixels[torch.from_numpy(piece.images)])  # [u, d]
            given = images[places.to(self.device)], self.text(self.ids[rows])
            logits = matching_logits(*given, self.clip.logit_scale)
            matching_loss(logits, self.target[rows], "sum").backward()


def check(device: str) -> None:
    """The same gradients both ways, of the module and of the encoders, in double."""
    world = World(SMALL, device, torch.float64)
    count = len(world.part)
    world.learn_again(count)
    gradients = gradients_of(world.module)
    features = [world.encode(row) for row in range(count)]
    images, text = (torch.stack(each) for each in zip(*features, strict=True))
    world.learn(images, text, world.target, torch.tensor(world.videos, device=device))
    require_equal(gradients, gradients_of(world.module))
    world.tune_again()
    gradients = gradients_of(world.clip)
    world.tune()
    require_equal(gradients, gradients_of(world.clip))


def gradients_of(network: torch.nn.Module) -> dict[str, Tensor]:
    named = network.named_parameters()
    return {name: p.grad.clone() for name, p in named if p.grad is not None}


def require_equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    for name, gradient in one.items():
        torch.testing.assert_close(gradient, other[name], rtol=1e-7, atol=1e-9)


def cached_step(world: World, folder: Path, options: argparse.Namespace) -> Call:
    """A step of 36 descriptions that reads features from files."""
    count, width = (64 if options.quick else TRAIN[1]), world.width
    images = np.lib.format.open_memmap(
        folder / "images.npy", mode="w+", dtype=np.float32, shape=(count, width)
    )
    for start in range(0, count, 4096):
        block = images[start : start + 4096]
        block[:] = np.random.default_rng(start).standard_normal(block.shape, dtype=np.float32)
    images.flush()
    texts = torch.randn(BATCH, width)
    mapped = np.load(folder / "images.npy", mmap_mode="r")
    random = np.random.default_rng(0)

    def step() -> None:
        sets = random.integers(count // CHOICES, size=BATCH) * CHOICES
        rows = sets[:, None] + np.arange(CHOICES)  # [n, k]
        read = torch.from_numpy(mapped[rows]).to(world.device)  # [n, k, d]
        video = torch.from_numpy(sets % 5 > 0).to(world.device)
        target = torch.from_numpy(random.integers(CHOICES, size=BATCH)).to(world.device)
        world.learn(read, texts.to(world.device), target, video)
        world.optimizer.step()

    return step


def cache_rows(world: World, sizes: Sizes, options: argparse.Namespace) -> list[Row]:
    """An epoch, and all epochs, from the time of a few descriptions."""
    measured = sizes.measured
    with tempfile.TemporaryDirectory() as folder:
        calls: dict[str, Call] = {
            "step": cached_step(world, Path(folder), options),
            "loop": lambda: world.learn_again(measured),
            "encoding": lambda: [world.encode(row) for row in range(measured)],
            "text": lambda: world.encode_text(0),
            "adam": world.optimizer.step,
        }
        found = times(calls, options.repeats, options.device)

    def combined(**parts: float) -> dict[str, float]:
        return {
            kind: sum(share * found[name][kind] for name, share in parts.items())
            for kind in ("best", "median")
        }

    steps = -(-TRAIN[0] // BATCH)
    epoch = {
        "mlzoo": combined(step=steps),
        "re-encoding": combined(loop=TRAIN[0] / measured, adam=steps),
    }
    # The features: ten images and a text for every set, and the texts of its other descriptions.
    sets = (TRAIN[1] + VALID[1]) / CHOICES
    made = {"encoding": sets / measured, "text": TRAIN[0] + VALID[0] - sets}
    scored = EPOCHS * VALID[0]
    whole = {
        "mlzoo": combined(step=EPOCHS * steps + scored / BATCH, **made),
        "re-encoding": combined(
            loop=EPOCHS * TRAIN[0] / measured, adam=EPOCHS * steps, encoding=scored / measured
        ),
    }
    say = f"extrapolated from {measured} descriptions"
    return [
        extrapolated(f"ImageCoDe, contextual epoch on features computed before, {say}", epoch),
        extrapolated(f"ImageCoDe, {EPOCHS} contextual epochs and the features, {say}", whole),
    ]


def extrapolated(what: str, ms: dict[str, dict[str, float]]) -> Row:
    """A row of the table that nobody has waited for."""
    ours, theirs = (ms[name]["best"] for name in ("mlzoo", "re-encoding"))
    print(f"{what}: mlzoo {ours / 1e3:.4g} s, re-encoding {theirs / 1e3:.4g} s", end=" ")
    print(f"({theirs / ours:.1f}x)", flush=True)
    row: dict[str, Any] = {"what": what, "ours": "mlzoo", "against": ["re-encoding"], "ms": ms}
    return row | {"accelerated": True, "gflop": None, "gigabytes": None}


def tuning_row(world: World, options: argparse.Namespace) -> Row:
    """Forward and backward of fine-tuning."""
    calls: dict[str, Call] = {"mlzoo": world.tune, "a description at a time": world.tune_again}
    return compare(
        f"ImageCoDe, fine-tuning on {sum(DESCRIPTIONS)} descriptions of {len(DESCRIPTIONS)} sets",
        calls,
        options,
        against=["a description at a time"],
        accelerated=True,
    )


def main() -> None:
    options = arguments(__doc__, repeats=1)
    torch.backends.cuda.matmul.allow_tf32 = False
    check(options.device)
    sizes = SMALL if options.quick else PUBLISHED
    world = World(sizes, options.device)
    report([*cache_rows(world, sizes, options), tuning_row(world, options)], options)


if __name__ == "__main__":
    main()
