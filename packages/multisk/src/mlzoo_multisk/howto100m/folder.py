"""HowTo100M from its published files, three a video, and from shards made of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol, Self

from mlzoo.errors import DataError
from mlzoo_multisk.clips import Index, Item
from mlzoo_multisk.howto100m.captions import Facts, facts_of, read_captions
from mlzoo_multisk.howto100m.files import (
    AUDIO,
    CAPTIONS,
    FEATURES,
    VIDEOS,
    Video,
    evenly,
    find,
    read_arrays,
    read_part,
    read_videos,
)
from mlzoo_multisk.shards.layout import PARTS
from mlzoo_multisk.shards.store import ShardStore, file_digest

LOOKED_AT = 200
"""Videos among which some must have features."""
SIZED = 2000
"""Videos the sizes of whose files are part of the digest."""


class VideoStore(Protocol):
    """Stored videos (:class:`~mlzoo_multisk.clips.ItemStore`), of which one can be told what they have
    without reading it."""

    @property
    def keys(self) -> list[str]:
        """Their ids."""

    @property
    def widths(self) -> Mapping[str, int]:
        """Numbers of a row by part, of those that some video has."""

    @property
    def sizes(self) -> Index | None:
        """int64 [S], videos of each shard; None where every video has files of its own."""

    def __len__(self) -> int: ...

    def item(self, row: int) -> Item:
        """One video."""

    def parts(self, row: int) -> set[str]:
        """Which of ``2d``, ``3d`` and ``audio`` it has."""

    def captions(self, row: int) -> Facts:
        """What is said in it."""

    def all_texts(self) -> Iterable[str]:
        """All captions of all videos."""

    def digest(self) -> str:
        """Of the content, as far as it is recorded."""


class FolderStore:
    """Videos whose arrays lie in files of their own. A file that is not there is a modality that a video
    lacks; a damaged one is an error that names it.

    Args:
        videos: the list.
        features: folder of 2D and 3D files.
        audio: folder of spectrograms.
        captions: by id.
        listed: digest of list and captions.

    Raises:
        DataError: none of the videos that were looked at has features.
    """

    sizes: Index | None = None

    def __init__(
        self,
        videos: list[Video],
        features: Path,
        audio: Path,
        captions: Mapping[str, Any],
        listed: str = "",
    ) -> None:
        self.videos, self.features, self.audio = videos, features, audio
        self.keys = [video.id for video in videos]
        self._captions, self._listed = captions, listed
        self.widths = self._find_widths()

    @classmethod
    def opened(cls, root: Path) -> Self:
        """The files of a dataset's folder.

        Raises:
            DataError: list or captions are missing or damaged, or no video has features.
        """
        videos = read_videos(root / VIDEOS)
        captions = read_captions(root / CAPTIONS)
        listed = " ".join(file_digest(root / name) for name in (VIDEOS, CAPTIONS))
        return cls(videos, root / FEATURES, root / AUDIO, captions, listed)

    def __len__(self) -> int:
        return len(self.videos)

    def item(self, row: int) -> Item:
        """One video; reads its files.

        Raises:
            DataError: a file or the captions are damaged, or rows have another width than those of the
                other videos.
        """
        video = self.videos[row]
        arrays = read_arrays(video, self.features, self.audio, self.widths)
        return Item(
            video.id, arrays.get("2d"), arrays.get("3d"), arrays.get("audio"), self.captions(row)
        )

    def parts(self, row: int) -> set[str]:
        """Which of its files there are."""
        return {part for part in PARTS if self._find(row, part) is not None}

    def captions(self, row: int) -> Facts:
        """What is said in it; raises DataError if that is damaged."""
        key = self.keys[row]
        return facts_of(self._captions.get(key), f"the video {key!r}")

    def all_texts(self) -> Iterable[str]:
        """All captions of the videos of the list."""
        for row in range(len(self)):
            yield from self.captions(row)["text"]

    def digest(self) -> str:
        """SHA-256 of list and captions, and of the sizes of some videos' files: to read terabytes would
        take hours. Shards have a digest of all content."""
        digest = hashlib.sha256(self._listed.encode())
        for row in evenly(len(self), SIZED):
            for part in PARTS:
                path = self._find(row, part)
                digest.update(f" {path.stat().st_size if path is not None else 0}".encode())
        return digest.hexdigest()

    def _find(self, row: int, part: str) -> Path | None:
        return find(self.videos[row], part, self.features, self.audio)

    def _find_widths(self) -> dict[str, int]:
        found: dict[str, int] = {}
        places = evenly(len(self), LOOKED_AT)
        for row in places:
            for part in ("2d", "3d"):
                path = None if part in found else self._find(row, part)
                if path is not None:
                    found[part] = read_part(path, part).shape[1]
            if len(found) == 2:
                return found
        if not found:
            raise DataError(
                f"none of {len(places)} videos that were looked at has features below {self.features}.",
                f"They lie in <path>/<id>_2d.npz and <path>/<id>_3d.npz, <path> as {VIDEOS} has it.",
            )
        return found


class ShardedVideos:
    """Videos in shards, made of such files or by others.

    Raises:
        DataError: no video has features.
    """

    def __init__(self, store: ShardStore) -> None:
        self.store = store
        self.keys = list(store.keys)
        self.sizes: Index | None = store.sizes
        self.widths = {part: store.widths[part] for part in ("2d", "3d") if part in store.widths}
        if not self.widths:
            raise DataError(f"{store.folder}: no video has 2D or 3D features.")
        self._lengths = {part: store.lengths(part) for part in PARTS}

    def __len__(self) -> int:
        return len(self.keys)

    def item(self, row: int) -> Item:
        """One video; what is read of it are the pages of the archive that are used."""
        return self.store.item(row)

    def parts(self, row: int) -> set[str]:
        """What the index says that it has."""
        return {part for part in PARTS if self._lengths[part][row] >= 0}

    def captions(self, row: int) -> Facts:
        """What is said in it; raises DataError if that is damaged."""
        return facts_of(self.store.facts_of(row) or None, f"the video {self.keys[row]!r}")

    def all_texts(self) -> Iterable[str]:
        """All captions."""
        for row in range(len(self)):
            yield from self.captions(row)["text"]

    def digest(self) -> str:
        """Of all content, as its maker recorded it."""
        return self.store.digest()
