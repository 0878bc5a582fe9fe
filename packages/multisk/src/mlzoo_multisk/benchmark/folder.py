"""Features of whole videos in a folder, an npz file for each network and each video.

<video>_2d.npz    features [r2, D2], 1 row a second
<video>_3d.npz    features [r3, D3], 1.5 rows a second
<video>_spec.npz  arr_0 [40, frames], 100 frames a second
"""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy.typing as npt

from mlzoo.data.checks import ArraySpec, readable
from mlzoo.data.readers import read_npz
from mlzoo.errors import DataError
from mlzoo_multisk.benchmark.stored import feature_rows, spectrogram
from mlzoo_multisk.clips import Item
from mlzoo_multisk.views.audio import crop
from mlzoo_multisk.views.video import cut_by_time

Array = npt.NDArray[Any]

FEATURES, SPECTROGRAM = "features", "arr_0"
ENDINGS = {"2d": "_2d.npz", "3d": "_3d.npz", "audio": "_spec.npz"}
KEPT = 8
"""Videos whose arrays are kept for the next clip of them."""


@dataclass(frozen=True)
class Entry:
    """A clip, or a whole video.

    Attributes:
        key: its id.
        video: whose files it is of.
        facts: of the item.
        span: seconds at which it starts and ends; None for the whole video.
    """

    key: str
    video: str
    facts: Mapping[str, Any]
    span: tuple[float, float] | None = None


class FeatureFolder:
    """Which files a folder has.

    Args:
        folder: of the files.

    Raises:
        DataError: there is no such folder, or it has none of these files.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise DataError(
                f"{folder} does not exist.",
                "Put <video>_2d.npz, <video>_3d.npz and <video>_spec.npz there.",
            )
        self.folder = folder
        names = set(os.listdir(folder))
        self.videos: dict[str, set[str]] = {
            kind: {name.removesuffix(ending) for name in names if name.endswith(ending)}
            for kind, ending in ENDINGS.items()
        }
        if not any(self.videos.values()):
            raise DataError(
                f"{folder} has no features.", "They are called <video>_2d.npz, and so on."
            )

    def kinds(self, video: str) -> list[str]:
        """Of ``2d``, ``3d`` and ``audio``, what there is of a video."""
        return [kind for kind, names in self.videos.items() if video in names]

    def path(self, video: str, kind: str) -> Path:
        """Where it lies."""
        return self.folder / f"{video}{ENDINGS[kind]}"

    def read(self, video: str, kind: str, width: int | None = None) -> Array | None:
        """The array of a file; None where it has no rows.

        Raises:
            DataError: it is damaged, of the wrong shape or width, or has a value that is not finite.
        """
        path = self.path(video, kind)
        name = SPECTROGRAM if kind == "audio" else FEATURES
        array = read_npz(path, {name: ArraySpec(kinds="f", finite=False)})[name]
        what = f"{path}: array {name!r}"
        return spectrogram(array, what) if kind == "audio" else feature_rows(array, what, width)


class FolderStore:
    """Clips of the videos of a folder, read when they are asked for: an ``ItemStore``.

    Args:
        folder: which files there are.
        entries: the clips.

    Raises:
        DataError: there is no clip, or an id stands twice; or the file from which widths are taken is
            damaged.
    """

    def __init__(self, folder: FeatureFolder, entries: Sequence[Entry]) -> None:
        self.folder, self.entries = folder, list(entries)
        self.keys = [entry.key for entry in self.entries]
        if not self.keys:
            raise DataError(f"{folder.folder} has no features of any clip of the list.")
        self._kept: OrderedDict[str, Mapping[str, Array | None]] = OrderedDict()
        self._widths: dict[str, int | None] = {"2d": None, "3d": None}
        self._widths |= {kind: self._first_width(kind) for kind in ("2d", "3d")}

    @property
    def widths(self) -> tuple[int | None, int | None]:
        """Of the 2D and the 3D rows, as of the first video that has any."""
        return self._widths["2d"], self._widths["3d"]

    def __len__(self) -> int:
        return len(self.keys)

    def item(self, row: int) -> Item:
        """One clip; what there is no file of, or no row at its time, it lacks.

        Raises:
            DataError: a file is damaged, of the wrong shape or width, or has values that are not finite.
        """
        entry = self.entries[row]
        whole = self._video(entry.video)
        rows_2d, rows_3d, audio = whole["2d"], whole["3d"], whole["audio"]
        if entry.span is not None:
            rows_2d, rows_3d = cut_by_time(rows_2d, rows_3d, *entry.span)
            audio = None if audio is None else crop(audio, *entry.span)
        return Item(entry.key, _some(rows_2d), _some(rows_3d), _some(audio), entry.facts)

    def digest(self) -> str:
        """SHA-256 of ids, times, and the checksum that each array has in its file; computed once.

        Raises:
            DataError: a file is damaged.
        """
        return self._digest

    def _video(self, video: str) -> Mapping[str, Array | None]:
        if video in self._kept:
            self._kept.move_to_end(video)
            return self._kept[video]
        there = self.folder.kinds(video)
        found = {
            kind: self.folder.read(video, kind, self._widths.get(kind)) if kind in there else None
            for kind in ENDINGS
        }
        self._kept[video] = found
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return found

    def _first_width(self, kind: str) -> int | None:
        there = self.folder.videos[kind]
        for entry in self.entries:
            if entry.video in there:
                array = self.folder.read(entry.video, kind)
                if array is not None:
                    return int(array.shape[1])
        return None

    @cached_property
    def _digest(self) -> str:
        digest = hashlib.sha256()
        for entry in self.entries:
            digest.update(f"{entry.key}\n{entry.video}\n{entry.span}\n".encode())
        for video in dict.fromkeys(entry.video for entry in self.entries):
            for kind in self.folder.kinds(video):
                path = self.folder.path(video, kind)
                with readable(path, "a whole .npz file"), zipfile.ZipFile(path) as archive:
                    parts = [(m.filename, m.file_size, m.CRC) for m in archive.infolist()]
                digest.update(f"{video} {kind} {sorted(parts)}\n".encode())
        return digest.hexdigest()


def _some(array: Array | None) -> Array | None:
    return array if array is not None and array.size else None
