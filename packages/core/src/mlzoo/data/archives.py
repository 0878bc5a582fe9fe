"""Unpack archives that nobody vouches for: .zip, .tar, .tar.gz/.bz2/.xz, and one packed file.

An archive holds folders and plain files with names below the target folder, and nothing else: no
link, no device, no name twice. That is narrower than ``tarfile``'s filter ``"data"``, and the same
for zip. Every unpacked byte is counted as it comes, whatever the headers declare, and the files
appear in the target folder only when the archive was read to its end.
"""

from __future__ import annotations

import bz2
import filecmp
import gzip
import lzma
import os
import re
import shutil
import stat
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any

from mlzoo.data.manifest import Progress
from mlzoo.errors import DataError

CHUNK_BYTES = 1 << 20
MAX_MEMBERS = 1_000_000
MAX_RATIO = 100
"""Unpacked bytes for each byte of an archive whose unpacked size is not declared."""

ALWAYS_BYTES = 1 << 26
"""What every archive may unpack to, however small it is."""

MAX_READ = 1 << 26
"""What a tar header may ask for at once; long names and attributes need a few kilobytes."""

_OPENERS: dict[str, Callable[[Path], IO[bytes]]] = {
    ".gz": gzip.GzipFile,  # type: ignore[dict-item]
    ".bz2": bz2.BZ2File,
    ".xz": lzma.LZMAFile,
}
_SHORT = {".tgz": ".tar.gz", ".tbz2": ".tar.bz2", ".txz": ".tar.xz"}
_NOT_IN_NAMES = re.compile(r"[\x00-\x1f\x7f\\]|^[A-Za-z]:")


def is_archive(name: str) -> bool:
    """Whether the name's ending is one that :func:`unpack` reads."""
    return _endings(name) != ("", "")


def unpack(
    archive: Path,
    folder: Path,
    *,
    start: str = "",
    max_bytes: int | None = None,
    max_members: int = MAX_MEMBERS,
    replace: bool = False,
    progress: Progress | None = None,
) -> list[str]:
    """Unpack an archive into a folder, whole or not at all.

    It is unpacked beside its files' places, in ``folder``, and moved when all is there. A file that
    exists with the same content stays; with other content it stops everything, unless ``replace``.

    Args:
        archive: the name's ending says what it is; ``x.csv.gz`` holds the one file ``x.csv``.
        folder: where the files go; made if it is missing.
        start: folder within the archive whose content is taken; the rest is left out.
        max_bytes: cap on unpacked bytes; by default 100 times the archive, at least 64 MiB.
        max_members: cap on files and folders.
        progress: called with the archive's name and a number of unpacked bytes.

    Returns:
        The unpacked files' paths below ``folder``, with ``/``, sorted.

    Raises:
        DataError: damaged, cut, encrypted, too large, or with a member that does not belong there;
            ``folder`` is then as it was.
    """
    if not is_archive(archive.name):
        raise DataError(
            f"{archive} is no archive of a known kind.", "Known: .zip .tar .gz .bz2 .xz"
        )
    cap = max_bytes
    if cap is None:
        cap = max(ALWAYS_BYTES, MAX_RATIO * archive.stat().st_size)
    staging = folder / f".{archive.name}.unpacking"
    _remove(staging)
    staging.mkdir(parents=True)
    try:
        sink = _Sink(archive, staging, PurePosixPath(start), cap, max_members, progress)
        with _readable(archive):
            _extract(archive, sink)
        if not sink.files:
            where = f" below {start!r}" if start else ""
            raise DataError(f"{archive} holds no file{where}.")
        _refuse_conflicts(archive, staging, folder, replace)
        _move(staging, folder)
    finally:
        _remove(staging)
    return sorted(sink.files)


@dataclass
class _Sink:
    """Where members go: names are checked and bytes are counted before anything is written."""

    archive: Path
    folder: Path
    start: PurePosixPath
    max_bytes: int
    max_members: int
    progress: Progress | None
    files: list[str] = field(default_factory=list)
    members: int = 0
    size: int = 0
    _names: dict[str, str] = field(default_factory=dict)
    _taken: set[PurePosixPath] = field(default_factory=set)

    def place(self, name: str, is_folder: bool) -> Path | None:
        """Where a member belongs, or None if it lies outside ``start``."""
        self.members += 1
        if self.members > self.max_members:
            raise self.refused(f"more than {self.max_members:,} members")
        path = self._checked(name, is_folder)
        if not path.is_relative_to(self.start) or (path == self.start and is_folder):
            return None
        below = path.relative_to(self.start)
        target = self.folder / below
        if is_folder:
            target.mkdir(parents=True, exist_ok=True)
            return None
        target.parent.mkdir(parents=True, exist_ok=True)
        self.files.append(below.as_posix())
        return target

    def _checked(self, name: str, is_folder: bool) -> PurePosixPath:
        path = PurePosixPath(name)
        bad = _NOT_IN_NAMES.search(name) or path.is_absolute() or ".." in path.parts
        if bad or not (path.parts or is_folder):
            raise self.refused(f"a member outside its folder, {name!r}")
        for part in (path, *path.parents):
            text = part.as_posix()
            folded = unicodedata.normalize("NFC", text).casefold()
            known = self._names.setdefault(folded, text)
            if known != text:
                raise self.refused(f"names that some systems take for one, {known!r} and {text!r}")
        if not is_folder:
            if path in self._taken:
                raise self.refused(f"the member {name!r} twice")
            self._taken.add(path)
        return path

    def count(self, size: int) -> None:
        """Some more bytes came out of the archive."""
        self.size += size
        if self.size > self.max_bytes:
            raise self.refused(f"more than {self.max_bytes:,} bytes, the most it may unpack to")
        if self.progress is not None:
            self.progress(self.archive.name, size)

    def refused(self, what: str) -> DataError:
        return DataError(f"{self.archive} holds {what}: not unpacked.")


def _extract(archive: Path, sink: _Sink) -> None:
    kind, packed = _endings(archive.name)
    if archive.stat().st_size == 0:
        raise EOFError("it is empty")
    if kind == ".zip":
        _extract_zip(archive, sink)
        return
    with _OPENERS[packed](archive) if packed else archive.open("rb") as source:
        stream = _Counted(source, sink)
        if kind == ".tar":
            _extract_tar(stream, sink)
        elif target := sink.place(archive.name[: -len(packed)], is_folder=False):
            _write(stream, target)


def _endings(name: str) -> tuple[str, str]:
    """What holds the files (``.zip``, ``.tar``, or nothing for one file), and how it is packed."""
    name = name.lower()
    for short, full in _SHORT.items():
        if name.endswith(short):
            name = name.removesuffix(short) + full
    packed = next((ending for ending in _OPENERS if name.endswith(ending)), "")
    kinds = (".tar",) if packed else (".tar", ".zip")
    return next((k for k in kinds if name.removesuffix(packed).endswith(k)), ""), packed


def _extract_zip(archive: Path, sink: _Sink) -> None:
    with zipfile.ZipFile(archive) as opened:
        for member in opened.infolist():
            kind = stat.S_IFMT(member.external_attr >> 16)
            if member.flag_bits & 1:
                raise sink.refused(f"an encrypted member, {member.filename!r}")
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise sink.refused(f"a link or device, {member.filename!r}")
            target = sink.place(member.filename, member.is_dir())
            if target is not None:
                with opened.open(member) as source:
                    _write(_Counted(source, sink), target)


def _extract_tar(stream: _Counted, sink: _Sink) -> None:
    source: Any = stream  # all that tarfile calls: read, tell, seek
    with tarfile.open(fileobj=source, mode="r:") as opened:
        while (member := opened.next()) is not None:
            opened.members = []  # type: ignore[attr-defined]  # a million of them fill the memory
            if member.issparse() or not (member.isreg() or member.isdir()):
                raise sink.refused(f"a link, device or sparse file, {member.name!r}")
            target = sink.place(member.name, member.isdir())
            content = opened.extractfile(member)
            if target is not None and content is not None:
                _write(content, target)
        while stream.read(CHUNK_BYTES):  # a damaged end shows at the end only
            pass
    if not stream.last.endswith(bytes(tarfile.BLOCKSIZE)):
        raise EOFError("it ends before its end mark")


class _Counted:
    """A packed file as it comes out, read once from start to end, every byte counted."""

    def __init__(self, source: IO[bytes], sink: _Sink) -> None:
        self.source, self.sink = source, sink
        self.position = 0
        self.last = b""

    def read(self, size: int) -> bytes:
        if not 0 <= size <= MAX_READ:
            raise self.sink.refused("a header of absurd size")
        piece = self.source.read(size)
        self.position += len(piece)
        self.last = piece or self.last
        self.sink.count(len(piece))
        return piece

    def tell(self) -> int:
        return self.position

    def seek(self, position: int) -> int:
        if position < self.position:
            raise ValueError("its members overlap")
        while self.position < position and self.read(min(CHUNK_BYTES, position - self.position)):
            pass
        return self.position


def _write(source: Any, target: Path) -> None:
    with target.open("xb") as file:
        while piece := source.read(CHUNK_BYTES):
            file.write(piece)


@contextmanager
def _readable(archive: Path) -> Iterator[None]:
    """Whatever a damaged archive raises, as one error; a full disk keeps its own."""
    try:
        yield
    except OSError as error:
        if error.errno is not None:
            reason = error.strerror or str(error)
            raise DataError(f"cannot unpack {archive}: {reason}.") from error
        raise _damaged(archive, error) from error
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError) as error:
        raise _damaged(archive, error) from error
    except (EOFError, ValueError, LookupError, NotImplementedError, RuntimeError) as error:
        raise _damaged(archive, error) from error


def _damaged(archive: Path, error: Exception) -> DataError:
    detail = str(error).splitlines()[0] if str(error) else type(error).__name__
    return DataError(f"{archive} is damaged: {detail}.", "Delete it and fetch it again.")


def _refuse_conflicts(archive: Path, source: Path, target: Path, replace: bool) -> None:
    """What is in the way is found before anything is moved."""
    for new in source.iterdir():
        old = target / new.name
        if new.is_dir() and old.is_dir():
            _refuse_conflicts(archive, new, old, replace)
        elif os.path.lexists(old) and new.is_dir() != old.is_dir():
            raise DataError(f"{old} is in the way: a file and a folder have the same name.")
        elif not replace and os.path.lexists(old) and not _same_file(new, old):
            raise DataError(
                f"{archive.name} would replace {old}, which is another file.",
                "Move that away, or replace it on purpose: --replace",
            )


def _same_file(new: Path, old: Path) -> bool:
    return new.is_file() and old.is_file() and filecmp.cmp(new, old, shallow=False)


def _move(source: Path, target: Path) -> None:
    for new in source.iterdir():
        old = target / new.name
        if new.is_dir() and old.is_dir():
            _move(new, old)
        else:
            new.replace(old)


def _remove(folder: Path) -> None:
    if folder.is_symlink():
        raise DataError(f"{folder} is a link; remove it.")
    if folder.exists():
        shutil.rmtree(folder)
