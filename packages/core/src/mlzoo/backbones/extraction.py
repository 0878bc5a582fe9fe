"""Features of many images: computed in batches, kept as they come, gone on with after a stop."""

from __future__ import annotations

import csv
import hashlib
import io
import os
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from torch import nn

from mlzoo.backbones.computing import Part, Task, computed
from mlzoo.backbones.images import Preprocessing
from mlzoo.backbones.part_work import PartWork
from mlzoo.backbones.registry import backbone
from mlzoo.backbones.workers import computed_by
from mlzoo.data.image_files import pillow
from mlzoo.data.manifest import sha256_of
from mlzoo.data.row_store import RowStore
from mlzoo.errors import DataError, UsageError
from mlzoo.files import atomic_write
from mlzoo.machine import choose_device
from mlzoo.progress import Progress


@dataclass(frozen=True)
class Unreadable:
    """An image that could not be read. ``file`` is as it was asked for."""

    file: str
    reason: str


@dataclass(frozen=True)
class Extracted:
    """What came of a list of images.

    Attributes:
        arrays: float32 [n, *shape] by output, a row for each image that could be read, in their order;
            read from the folder of the work as they are used.
        rows: int64 [n], which of the images these are.
        unreadable: the others.
        store: the folder of the arrays; what else is written there goes along when they move.
        folder: of the work.
        identity: what the rows depend on.
    """

    arrays: Mapping[str, npt.NDArray[np.float32]]
    rows: npt.NDArray[np.int64]
    unreadable: tuple[Unreadable, ...]
    store: Path
    folder: Path
    identity: Mapping[str, str]

    @property
    def features(self) -> npt.NDArray[np.float32]:
        """Of a backbone with one output, the array [n, width]."""
        (features,) = self.arrays.values()
        return features

    def finish(self, target: Path) -> RowStore:
        """Make a folder of the arrays, ``<output>.npy`` each, without copying them; the work is gone then.

        Args:
            target: appears whole or not at all; on the same disk as the work.

        Raises:
            UsageError: it exists.
            RunError: it cannot be written.
        """
        shapes = {name: array.shape[1:] for name, array in self.arrays.items()}
        with PartWork.opened(self.folder, self.identity, shapes) as work:
            work.finish(target)
        return RowStore.opened(target)


def extract(
    name: str,
    weights: Path,
    files: Sequence[str],
    folder: Path,
    *,
    root: Path = Path(),
    preprocessing: Preprocessing | None = None,
    batch_size: int = 32,
    device: str = "auto",
    processes: int = 1,
    progress: Progress | None = None,
) -> Extracted:
    """The features of images, in their order; goes on where a former call was stopped.

    A call that was stopped goes on at the batch it was in, and an unreadable image is left out of its
    own batch: on the same machine with the same batch size the features are the same bit for bit,
    wherever the work was stopped and in however many processes. With another batch size or device
    they are the same up to rounding.

    Args:
        name: the backbone, a key of :data:`mlzoo.backbones.BACKBONES`.
        weights: its file, see :func:`mlzoo.backbones.load_weights`.
        files: paths of the images below ``root``.
        folder: where the work is kept; made if need be, and the caller's to delete, unless the work is
            finished (:meth:`Extracted.finish`).
        root: a folder.
        preprocessing: of the images; what the published weights were trained to see if omitted.
        batch_size: images at once.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``. Several processes are dealt out to all GPUs
            there are, unless one is named.
        processes: that decode and compute, see :mod:`mlzoo.backbones.workers`.
        progress: told how many images are done.

    Raises:
        DataError: the weights do not fit or give features that are not finite, or no image can be
            read.
        RunError: the folder holds work on other images, weights or backbone, or another process is
            at it, or the disk or the device's memory is full, or one of several processes has ended.
        UsageError: no image, no such backbone or device, or a batch size or number of processes
            below 1.
    """
    if not files:
        raise UsageError("there are no images to extract features from.")
    for what, number in (("batch size", batch_size), ("number of processes", processes)):
        if number < 1:
            raise UsageError(f"the {what} must be at least 1, got {number}.")
    pillow()
    chosen = backbone(name)
    how = preprocessing or chosen.preprocessing
    task = Task(chosen, weights, root, how, choose_device(device), batch_size)
    network: nn.Module | None = task.read()  # weights that do not fit are refused first
    if processes > 1:  # each reads them for itself
        network = None
    identity = {
        "backbone": name,
        "weights": sha256_of(weights),
        "images": list_digest(files, root),
        "preprocessing": repr(how),
    }
    progress = progress or Progress(quiet=True)
    with PartWork.opened(folder, identity, chosen.outputs(how.crop)) as work:
        if work.done:
            progress.message(f"{work.done} of {len(files)} images were done before.")
        progress.begin("images", len(files), work.done)
        try:
            with closing(_parts(task, network, files[work.done :], processes)) as parts:
                for part in parts:
                    work.append(part.rows, part.reasons)
                    progress.counted(work.done, len(files))
        finally:
            progress.end()
        return _result(work, files)


def _parts(
    task: Task, network: nn.Module | None, files: Sequence[str], processes: int
) -> Generator[Part, None, None]:
    starts = range(0, len(files), task.batch_size)
    batches = [files[start : start + task.batch_size] for start in starts]
    processes = min(processes, len(batches))
    if processes > 1:
        return computed_by(processes, task, batches)
    return computed(task, task.placed(network or task.read()), batches)


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


def _result(work: PartWork, files: Sequence[str]) -> Extracted:
    unreadable = tuple(Unreadable(files[i], reason) for i, reason in work.left_out.items())
    if len(unreadable) == len(files):
        first = unreadable[0]
        raise DataError(
            f"none of the {len(files)} images can be read; {first.file}: {first.reason}."
        )
    rows = np.delete(np.arange(len(files)), list(work.left_out))
    arrays = {name: work.rows(name) for name in work.shapes}
    return Extracted(arrays, rows, unreadable, work.store, work.folder, work.identity)
