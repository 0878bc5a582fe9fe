"""Images to rows of features in batches: what one process of an extraction does."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from mlzoo.backbones.images import Preprocessing, read_image
from mlzoo.backbones.registry import Backbone
from mlzoo.backbones.weights import read_weights
from mlzoo.errors import DataError, RunError

READERS = 16
"""Threads that decode images; Pillow works outside the interpreter's lock."""


@dataclass(frozen=True)
class Task:
    """What is to be done with images; goes to other processes as it is.

    Attributes:
        chosen: the backbone.
        weights: its file.
        root: the folder of the images.
        preprocessing: of the images.
        device: where, as torch names it.
        batch_size: images at once.
    """

    chosen: Backbone
    weights: Path
    root: Path
    preprocessing: Preprocessing
    device: str
    batch_size: int

    def read(self) -> nn.Module:
        """The backbone with its weights.

        Raises:
            DataError: the weights do not fit.
        """
        return read_weights(self.weights, self.chosen)

    def placed(self, network: nn.Module) -> nn.Module:
        """On the device."""
        network = network.to(self.device)
        if self.device == "cpu":  # a fifth faster there, where it was measured
            network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return network


class Part(NamedTuple):
    """What came of a batch.

    Attributes:
        rows: float32 [n, *shape] by output, for the images that could be read, in their order.
        reasons: why the others could not; empty text for those that could.
    """

    rows: dict[str, npt.NDArray[np.float32]]
    reasons: list[str]


def computed(
    task: Task, network: nn.Module, batches: Iterable[Sequence[str]]
) -> Generator[Part, None, None]:
    """A part for each batch of files, in order; decoded one batch ahead of what is computed.

    ``network`` is the task's, placed on its device.

    Raises:
        DataError: features that are not finite.
        RunError: the device has too little memory.
    """
    shapes = task.chosen.outputs(task.preprocessing.crop)
    for images in _decoded(task, batches):
        pixels = [image for image in images if not isinstance(image, str)]
        rows = {name: np.empty((0, *shape), np.float32) for name, shape in shapes.items()}
        if pixels:
            try:
                rows = described(task, network, np.stack(pixels))
            except torch.OutOfMemoryError as error:
                raise RunError(
                    f"{task.device} has too little memory for {task.batch_size} images at once.",
                    "Choose a smaller batch size; the work goes on from where it is.",
                ) from error
        for name, output in rows.items():
            if not np.isfinite(output).all():
                raise DataError(f"{task.weights} gives {name} that are not finite.")
        yield Part(rows, [image if isinstance(image, str) else "" for image in images])


Image = npt.NDArray[np.uint8] | str
"""Pixels, or why there are none."""


def _decoded(task: Task, batches: Iterable[Sequence[str]]) -> Iterator[list[Image]]:
    def read(file: str) -> Image:
        try:
            return read_image(task.root / file, task.preprocessing)
        except ValueError as error:
            return str(error)

    with ThreadPoolExecutor(READERS) as readers:
        ahead: Iterator[Image] | None = None
        for batch in batches:
            present, ahead = ahead, readers.map(read, batch)
            if present is not None:
                yield list(present)
        if ahead is not None:
            yield list(ahead)


@torch.inference_mode()
def described(
    task: Task, network: nn.Module, pixels: npt.NDArray[np.uint8]
) -> dict[str, npt.NDArray[np.float32]]:
    """Outputs in 32 bits of pixels [B, crop, crop, 3]; on one machine the same each time."""
    images = task.preprocessing.normalised(torch.from_numpy(pixels).to(task.device))
    with exact():
        outputs = task.chosen.describe(network, images)
        return {name: output.float().cpu().numpy() for name, output in outputs.items()}


@contextmanager
def exact() -> Iterator[None]:
    """Neither faster and rounded, nor different from one call to the next."""
    rounding = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = False
    try:
        with torch.backends.cudnn.flags(
            enabled=True, benchmark=False, deterministic=True, allow_tf32=False
        ):
            yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = rounding
