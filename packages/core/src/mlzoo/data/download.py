"""Fetch a dataset's files, when asked to: what is missing, how large it is, then the bytes.

Nothing in the package calls this on its own. A file gets its name when its size and checksum are
right; until then it is ``NAME.part``, with which any later call goes on.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from mlzoo.data.archives import unpack
from mlzoo.data.download_plan import (
    DownloadPlan,
    Step,
    check_space,
    part_of,
    plan_download,
    source_of,
)
from mlzoo.data.manifest import FileStatus, Progress, sha256_of, verify
from mlzoo.data.part_files import discard, resumable
from mlzoo.data.transfer import Note, Patience, fetch
from mlzoo.errors import DataError, MlzooError
from mlzoo.files import take_lock, write_json
from mlzoo.specs import DataFile, DatasetSpec

RECORD = ".downloads.json"
"""In the dataset's folder: where each file came from, when, and the digest that was found."""

_HTML = (b"<!doctype html", b"<html")


@dataclass(frozen=True)
class Outcome:
    """What became of one declared file.

    Attributes:
        file: the declaration.
        path: where it lies, or belongs.
        state: ``verified`` has the declared SHA-256; ``unverified`` is whole as far as its size
            tells, but no digest is declared; ``unpacked`` came out of, or is, an archive whose
            content is there; ``missing`` is left to the person; ``failed`` says why in ``error``.
        sha256: the digest that was found, of files that were fetched.
        error: what went wrong, and what to do.
    """

    file: DataFile
    path: Path
    state: Literal["verified", "unverified", "unpacked", "missing", "failed"]
    sha256: str = ""
    error: str = ""

    @property
    def told(self) -> str:
        """The error with the file's name before it, once."""
        named = self.error.startswith(f"{self.file.path}: ")
        return self.error if named else f"{self.file.path}: {self.error}"

    @property
    def ok(self) -> bool:
        """Whether the file can be used, or need not be there."""
        lacking = self.state == "missing" and self.file.role == "needed"
        return self.state != "failed" and not lacking


def download(
    spec: DatasetSpec,
    root: Path,
    *,
    replace_existing: bool = False,
    keep_archives: bool = False,
    patience: Patience | None = None,
    progress: Progress | None = None,
    note: Note | None = None,
) -> list[Outcome]:
    """Fetch the missing files of a dataset into ``<root>/<name>``, and unpack its archives.

    Args:
        spec: the dataset.
        root: the data root.
        replace_existing: replace files that are there with another size, digest or content.
        keep_archives: keep a fetched archive after it was unpacked.
        patience: timeout and attempts of each transfer.
        progress: called with a label and a number of bytes; negative when a file starts over.
        note: called with a line about what goes wrong and is tried again.

    Raises:
        DataError: pooch is missing, the disk is too small, or a file could not be had; the other
            files were fetched then.
    """
    patience = patience or Patience()
    plan = plan_download(spec, root, replace_existing=replace_existing, patience=patience)
    outcomes = carry_out(
        plan,
        replace_existing=replace_existing,
        keep_archives=keep_archives,
        patience=patience,
        progress=progress,
        note=note,
    )
    bad = [outcome for outcome in outcomes if not outcome.ok]
    if bad:
        lines = [outcome.told for outcome in bad]
        raise DataError(f"dataset {spec.name!r} lacks {len(bad)} of its files:", "\n".join(lines))
    return outcomes


def carry_out(
    plan: DownloadPlan,
    *,
    replace_existing: bool = False,
    keep_archives: bool = False,
    patience: Patience | None = None,
    progress: Progress | None = None,
    note: Note | None = None,
) -> list[Outcome]:
    """Do what the plan says; arguments as in :func:`download`.

    A file that fails does not stop the others: its outcome says why.

    Raises:
        DataError: the disk is too small, or another process downloads into the same folder.
    """
    check_space(plan)
    job = _Job(plan, replace_existing, keep_archives, patience or Patience(), progress, note)
    done: dict[DataFile, Outcome] = {}
    if plan.work:
        with _alone(plan.folder):
            done = {step.file: job.settle(step) for step in plan.work}
    chosen = [step.file for step in plan.steps]  # of several layouts, those of one
    others = replace(plan.spec, files=tuple(file for file in chosen if file not in done))
    done |= {found.file: _left(found) for found in verify(others, plan.folder.parent, progress)}
    return [done[file] for file in chosen]


@dataclass(frozen=True)
class _Job:
    plan: DownloadPlan
    replace_existing: bool
    keep_archives: bool
    patience: Patience
    progress: Progress | None
    note: Note | None

    def settle(self, step: Step) -> Outcome:
        """Fetch, check, name and unpack one file."""
        path, file = step.found.path, step.file
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            fetching = step.action == "fetch"
            digest = self._fetched(step) if fetching else _checked(path, file, self.progress)
            if not file.unpacks:
                return Outcome(file, path, "verified" if file.sha256 else "unverified", digest)
            self._unpack(step)
            return Outcome(file, path, "unpacked", digest)
        except MlzooError as error:
            return Outcome(file, path, "failed", error=str(error))
        except OSError as error:
            return Outcome(file, path, "failed", error=f"{path}: {error.strerror or error}.")

    def _fetched(self, step: Step) -> str:
        """The file under its own name, and its digest."""
        path, part, source = step.found.path, part_of(step.found.path), source_of(step.file)
        resumed = resumable(source, part) > 0
        while True:
            fetch(source, part, self.patience, self.progress, self.note)
            try:
                digest = _checked(part, step.file, self.progress)
                break
            except DataError:
                discard(part)
                if not resumed:
                    raise
                resumed = False  # perhaps bytes of two versions: once more from the start
        if path.exists() and not self.replace_existing:
            raise DataError(f"{path} appeared meanwhile; it is left alone.")
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(path)
        discard(part)
        _record(self.plan.folder, step.file, digest)
        return digest

    def _unpack(self, step: Step) -> None:
        file, folder = step.file, self.plan.folder
        unpack(
            step.found.path,
            folder,
            start=file.unpack_from,
            max_bytes=file.unpacked_size,
            replace=self.replace_existing,
            progress=self.progress,
        )
        lacking = [name for name in file.unpacks if not (folder / name).exists()]
        if lacking:
            raise DataError(f"{step.found.path} was unpacked but held no {', '.join(lacking)}.")
        if step.action == "fetch" and not self.keep_archives:
            step.found.path.unlink()


def _left(found: FileStatus) -> Outcome:
    """The outcome of a file that nothing was done about, as it lies there now."""
    file, path = found.file, found.path
    if found.state == "missing" and file.role == "made":
        return Outcome(file, path, "missing")
    if found.state == "missing":
        how = file.how_to_get or "its package does not say where it is found"
        error = f"get it by hand: {how}\nIt belongs at {path}"
        return Outcome(file, path, "missing", error=error)
    if not found.ok:
        hint = "Move it away, or replace it on purpose: --replace"
        return Outcome(file, path, "failed", error=f"{path}: {found.state}.\n{hint}")
    if found.state == "present":
        return Outcome(file, path, "unverified")
    return Outcome(file, path, "verified" if found.state == "verified" else "unpacked")


def _checked(path: Path, file: DataFile, progress: Progress | None) -> str:
    """The digest of a file that is what it should be.

    Raises:
        DataError: expected and found size or digest, or that it is a web page.
    """
    size = path.stat().st_size
    if file.size is not None and size != file.size:
        raise DataError(f"{file.path}: expected {file.size:,} bytes, found {size:,}.")
    digest = sha256_of(path, progress)
    if file.sha256 is not None and digest != file.sha256.lower():
        raise DataError(
            f"{file.path}: expected SHA-256 {file.sha256.lower()}, found {digest}.",
            "The server's file is another one; what came was deleted.",
        )
    with path.open("rb") as start:
        head = start.read(512).lstrip().lower()
    if file.sha256 is None and head.startswith(_HTML) and not source_of(file).web_page:
        raise DataError(f"{file.path}: found a web page in its place.")
    return digest


def _record(folder: Path, file: DataFile, digest: str) -> None:
    path = folder / RECORD
    try:
        known: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        known = {}
    entry = {
        "url": file.url,
        "sha256": digest,
        "declared": file.sha256 is not None,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    write_json(path, {**(known if isinstance(known, dict) else {}), file.path: entry})


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process at a time downloads into a folder."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("ab")
    except OSError as error:
        raise DataError(f"cannot write into {folder}: {error.strerror or error}.") from error
    with lock:
        try:
            take_lock(lock.fileno())
        except OSError as error:
            raise DataError(f"another process downloads into {folder}.", "Wait for it.") from error
        yield
