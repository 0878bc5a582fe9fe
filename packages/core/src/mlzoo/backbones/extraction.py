"""Features of many images: computed in batches, kept as they come, gone on with after a stop."""

from __future__ import annotations

import csv
import hashlib
import io
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from mlzoo.backbones.images import Preprocessing, pillow, read_image
from mlzoo.backbones.part_work import PartWork
from mlzoo.backbones.registry import Backbone, backbone
from mlzoo.backbones.weights import load_weights
from mlzoo.data.manifest import sha256_of
from mlzoo.errors import DataError, RunError, UsageError
from mlzoo.files import atomic_write
from mlzoo.machine import choose_device
from mlzoo.progress import Progress

FEATURES = "features"

READERS = 16
"""Threads that decode images; Pillow works outside the interpreter's lock."""


@dataclass(frozen=True)
class Unreadable:
    """An image that could not be read. ``file`` is as it was asked for."""

    file: str
    reason: str


@dataclass(frozen=True)
class Extracted:
    """What came of a list of images.

    Attributes:
        features: float32 [n, width], a row for each image that could be read, in their order; read
            from the folder of the work as they are used.
        rows: int64 [n], which of the images these are.
        unreadable: the others.
    """

    features: npt.NDArray[np.float32]
    rows: npt.NDArray[np.int64]
    unreadable: tuple[Unreadable, ...]


def extract(
    name: str,
    weights: Path,
    files: Sequence[str],
    folder: Path,
    *,
    root: Path = Path(),
    batch_size: int = 32,
    device: str = "auto",
    progress: Progress | None = None,
) -> Extracted:
    """The features of images, in their order; goes on where a former call was stopped.

    A call that was stopped goes on at the batch it was in, and an unreadable image is left out of its
    own batch: on the same machine with the same batch size the features are the same bit for bit,
    wherever the work was stopped. With another batch size or device they are the same up to rounding.

    Args:
        name: the backbone, a key of :data:`mlzoo.backbones.BACKBONES`.
        weights: its file, see :func:`mlzoo.backbones.load_weights`.
        files: paths of the images below ``root``.
        folder: where the work is kept; made if need be, and the caller's to delete.
        root: a folder.
        batch_size: images at once.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        progress: told how many images are done.

    Raises:
        DataError: the weights do not fit or give features that are not finite, or no image can be
            read.
        RunError: the folder holds work on other images, weights or backbone, or another process is
            at it, or the disk or the device's memory is full.
        UsageError: no image, no such backbone or device, or a batch size below 1.
    """
    if not files:
        raise UsageError("there are no images to extract features from.")
    if batch_size < 1:
        raise UsageError(f"the batch size must be at least 1, got {batch_size}.")
    pillow()
    chosen = backbone(name)
    where = choose_device(device)
    network = load_weights(weights, name).to(where)
    if where == "cpu":  # a fifth faster there, where it was measured
        network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    identity = {
        "backbone": name,
        "weights": sha256_of(weights),
        "images": list_digest(files, root),
        "preprocessing": repr(chosen.preprocessing),
    }
    progress = progress or Progress(quiet=True)
    with PartWork.opened(folder, identity, {FEATURES: (chosen.width,)}) as work:
        if work.done:
            progress.message(f"{work.done} of {len(files)} images were done before.")
        progress.begin("images", len(files), work.done)
        try:
            for batch in _batches(files[work.done :], root, chosen.preprocessing, batch_size):
                rows = _features(chosen, network, [x for x in batch if not isinstance(x, str)])
                if not np.isfinite(rows).all():
                    raise DataError(f"{weights} gives features that are not finite.")
                work.append({FEATURES: rows}, [x if isinstance(x, str) else "" for x in batch])
                progress.counted(work.done, len(files))
        except torch.OutOfMemoryError as error:
            raise RunError(
                f"{where} has too little memory for {batch_size} images at once.",
                "Choose a smaller batch size; the work goes on from where it is.",
            ) from error
        finally:
            progress.end()
        return _result(work, files)


def list_digest(files: Sequence[str], root: Path) -> str:
    """SHA-256 of the names and sizes of files; one that is missing has the size -1."""
    digest = hashlib.sha256()
    for file in files:
        path = root / file
        size = path.stat().st_size if path.is_file() else -1
        digest.update(os.fsencode(f"{file}\0{size}\0"))
    return digest.hexdigest()


def write_unreadable(path: Path, unreadable: Sequence[Unreadable]) -> None:
    """A csv with the columns ``file`` and ``reason``, whole or not at all."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["file", "reason"])
    writer.writerows((each.file, each.reason) for each in unreadable)
    with atomic_write(path) as file:
        file.write(text.getvalue().encode("utf-8", "surrogateescape"))


Image = npt.NDArray[np.uint8] | str
"""Pixels, or why there are none."""


def _batches(
    files: Sequence[str], root: Path, how: Preprocessing, size: int
) -> Iterator[list[Image]]:
    """Decoded one batch ahead of what the network works on."""

    def read(file: str) -> Image:
        try:
            return read_image(root / file, how)
        except ValueError as error:
            return str(error)

    with ThreadPoolExecutor(READERS) as readers:
        ahead = readers.map(read, files[:size])
        for start in range(size, len(files) + size, size):
            batch, ahead = ahead, readers.map(read, files[start : start + size])
            yield list(batch)


@torch.inference_mode()
def _features(
    chosen: Backbone, network: nn.Module, pixels: Sequence[npt.NDArray[np.uint8]]
) -> npt.NDArray[np.float32]:
    """[B, width] in 32 bits and, on one machine, the same each time."""
    if not pixels:
        return np.empty((0, chosen.width), np.float32)
    device = next(network.parameters()).device
    images = chosen.preprocessing.normalised(torch.from_numpy(np.stack(pixels)).to(device))
    with torch.backends.cudnn.flags(
        enabled=True, benchmark=False, deterministic=True, allow_tf32=False
    ):
        rows: npt.NDArray[np.float32] = chosen.features(network, images).float().cpu().numpy()
    return rows


def _result(work: PartWork, files: Sequence[str]) -> Extracted:
    unreadable = tuple(Unreadable(files[i], reason) for i, reason in work.left_out.items())
    if len(unreadable) == len(files):
        first = unreadable[0]
        raise DataError(
            f"none of the {len(files)} images can be read; {first.file}: {first.reason}."
        )
    rows = np.delete(np.arange(len(files)), list(work.left_out))
    return Extracted(work.rows(FEATURES), rows, unreadable)
