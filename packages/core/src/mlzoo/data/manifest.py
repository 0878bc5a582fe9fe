"""The files a dataset declares: are they there, and are they the right ones?"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Literal

from mlzoo.data.root import dataset_folder
from mlzoo.errors import DataError, MlzooError
from mlzoo.files import write_json
from mlzoo.specs import DataFile, DatasetSpec

State = Literal[
    "present", "missing", "wrong size", "wrong checksum", "verified", "packed", "unpacked"
]
"""``packed``: an archive that lies there and was not unpacked; ``unpacked``: what it holds is there."""

CHUNK_BYTES = 1 << 20
Progress = Callable[[str, int], None]
"""Called with what is worked on and a number of bytes more."""


@dataclass(frozen=True)
class FileStatus:
    """One declared file and what was found. ``found`` is its size, or its digest if that is wrong."""

    file: DataFile
    path: Path
    state: State
    found: str = ""

    @property
    def ok(self) -> bool:
        """Whether nothing is known to be wrong with it; not every file need be there."""
        return self.state in ("present", "verified", "unpacked") or self.optional

    @property
    def optional(self) -> bool:
        """Whether it is not there and need not be."""
        return self.state == "missing" and self.file.role in ("raw", "optional")

    @property
    def told(self) -> str:
        """The state as a person reads it."""
        if not self.optional:
            return self.state
        return (
            "not there, only to prepare from" if self.file.role == "raw" else "not there, optional"
        )


def status(spec: DatasetSpec, root: Path) -> list[FileStatus]:
    """Presence and size of every file; reads none of them.

    Of several layouts, only the files of the one nearest to being whole are told.
    """
    return status_in(spec, dataset_folder(root, spec.name))


def status_in(spec: DatasetSpec, folder: Path) -> list[FileStatus]:
    """The same for a dataset's own folder, wherever it lies."""
    return _of_one_layout([_look(file, folder, spec) for file in spec.files])


def verify(spec: DatasetSpec, root: Path, progress: Progress | None = None) -> list[FileStatus]:
    """Sizes first, then SHA-256 where one is declared and the size is right.

    Digests are remembered by path, size and time of change, so that a repeat costs nothing.

    Args:
        progress: called with a path and a number of bytes as they are read.
    """
    cache = _Cache()
    checked = [_verified(found, cache, progress) for found in status(spec, root)]
    cache.save()
    return checked


def require(spec: DatasetSpec, root: Path) -> None:
    """Refuse to go on without the files.

    Raises:
        DataError: which files are missing or of the wrong size, where they belong, how to get them.
    """
    needed = replace(
        spec, files=tuple(file for file in spec.files if file.role not in ("raw", "optional"))
    )
    bad = [found for found in status(needed, root) if not found.ok]
    if not bad:
        return
    lines = [_describe(found) for found in bad]
    folder = dataset_folder(root, spec.name)
    helps = dict.fromkeys(found.file.how_to_get for found in bad if found.file.how_to_get)
    fix = [*lines, *(f"How to get it: {text}" for text in helps)]
    fix += _other_layouts(spec, bad)
    if spec.demo is not None:
        fix.append(f"To try it without: mlzoo data demo {spec.name} DIR")
    count = f"{len(bad)} file{'s' if len(bad) > 1 else ''}"
    raise DataError(f"dataset {spec.name!r} needs {count} in {folder}:", "\n".join(fix))


def _of_one_layout(found: list[FileStatus]) -> list[FileStatus]:
    """The files of the layout nearest to being whole, and those that every layout needs."""
    layouts: dict[str, list[bool]] = {}
    for each in found:
        if each.file.layout and not (each.optional and each.file.role == "optional"):
            layouts.setdefault(each.file.layout, []).append(each.state != "missing")
    # A whole one, else one that was begun, else the one with the fewest files.
    order = {x: (not all(there), not any(there), len(there)) for x, there in layouts.items()}
    nearest = min(order, key=order.__getitem__, default="")
    return [each for each in found if each.file.layout in ("", nearest)]


def _other_layouts(spec: DatasetSpec, bad: list[FileStatus]) -> list[str]:
    """What would do instead of the files that are missing, a line for each layout."""
    told = {found.file.layout for found in bad if found.file.layout}
    lines = []
    for layout in dict.fromkeys(file.layout for file in spec.files if file.layout and told):
        if layout not in told:
            files = [file for file in spec.files if file.layout == layout]
            ways = "; ".join(dict.fromkeys(file.how_to_get for file in files if file.how_to_get))
            lines.append(f"Or instead {', '.join(file.path for file in files)}: {ways}")
    return lines


def human_size(size: int | None) -> str:
    """``1.5 GB``; powers of 1000."""
    if size is None:
        return "?"
    amount = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} B" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"


def _describe(found: FileStatus) -> str:
    size = f" ({human_size(found.file.size)})" if found.file.size is not None else ""
    if found.state == "wrong size":
        return f"{found.file.path}{size}: wrong size, found {found.found} bytes"
    if found.state == "packed":
        return f"{found.file.path}{size}: not unpacked yet, mlzoo data download unpacks it"
    return f"{found.file.path}{size}: {found.state}"


def _inside(folder: Path, path: str, spec: DatasetSpec) -> Path:
    """A declared place; a path that leads out of the dataset's folder is a plugin's fault."""
    relative = PurePosixPath(path)
    if relative.is_absolute() or ".." in relative.parts or not relative.parts:
        raise DataError(f"dataset {spec.name!r} declares a file outside its folder: {path!r}.")
    return folder / relative


def _look(file: DataFile, folder: Path, spec: DatasetSpec) -> FileStatus:
    path = _inside(folder, file.path, spec)
    unpacked = [_inside(folder, name, spec) for name in file.unpacks]
    if unpacked and all(place.exists() for place in unpacked):
        return FileStatus(file, path, "unpacked")
    if not path.is_file():
        return FileStatus(file, path, "missing")
    size = path.stat().st_size
    if file.size is not None and size != file.size:
        return FileStatus(file, path, "wrong size", str(size))
    return FileStatus(file, path, "packed" if unpacked else "present", str(size))


def _verified(found: FileStatus, cache: _Cache, progress: Progress | None) -> FileStatus:
    if found.state not in ("present", "packed") or found.file.sha256 is None:
        return found
    digest = cache.digest(found.path, progress)
    if digest != found.file.sha256.lower():
        return FileStatus(found.file, found.path, "wrong checksum", digest)
    return found if found.state == "packed" else replace(found, state="verified", found=digest)


class _Cache:
    """Digests by path, size and time of change; losing it costs only time."""

    def __init__(self) -> None:
        self.path = cache_folder() / "checksums.json"
        self.changed = False
        try:
            loaded = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            loaded = {}
        self.digests: dict[str, str] = loaded if isinstance(loaded, dict) else {}

    def digest(self, path: Path, progress: Progress | None) -> str:
        """SHA-256 of a file, computed at most once for each of its states."""
        facts = path.stat()
        key = f"{path.resolve()}|{facts.st_size}|{facts.st_mtime_ns}"
        if key not in self.digests:
            self.digests[key] = sha256_of(path, progress)
            self.changed = True
        return self.digests[key]

    def save(self) -> None:
        """Keep what is new, if the folder can be written."""
        if self.changed:
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                write_json(self.path, self.digests)
            except (OSError, MlzooError):
                return  # a cache that cannot be kept is no failure


def cache_folder() -> Path:
    """``MLZOO_CACHE``, else the platform's user cache folder."""
    if named := os.environ.get("MLZOO_CACHE"):
        return Path(named)
    from platformdirs import user_cache_path

    return user_cache_path("mlzoo", appauthor=False)


def sha256_of(path: Path, progress: Progress | None = None) -> str:
    """SHA-256 of a file, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(CHUNK_BYTES):
            digest.update(piece)
            if progress is not None:
                progress(str(path), len(piece))
    return digest.hexdigest()
