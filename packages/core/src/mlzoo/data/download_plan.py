"""What a download would do: what is there, what is missing, how large it is. Fetches nothing."""

from __future__ import annotations

import importlib.util
import shutil
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from mlzoo.data.archives import is_archive
from mlzoo.data.manifest import FileStatus, Progress, human_size, verify
from mlzoo.data.part_files import Source, resumable
from mlzoo.data.root import dataset_folder
from mlzoo.data.transfer import Patience, offered_size
from mlzoo.errors import DataError, PluginError
from mlzoo.specs import DataFile, DatasetSpec

Action = Literal["keep", "fetch", "unpack", "comes unpacked", "by hand", "prepare", "in the way"]


@dataclass(frozen=True)
class Step:
    """What is to be done about one declared file.

    Attributes:
        found: the file and what lies there now.
        action: what will be done; ``by hand``, ``prepare`` (another command makes it) and ``in the
            way`` are left to the person.
        size: in bytes, declared or offered by the server; None if neither says.
        done: bytes of it that an earlier call left and that will be used.
    """

    found: FileStatus
    action: Action
    size: int | None = None
    done: int = 0

    @property
    def file(self) -> DataFile:
        """The declaration."""
        return self.found.file


@dataclass(frozen=True)
class DownloadPlan:
    """All steps, before anything is fetched."""

    spec: DatasetSpec
    folder: Path
    steps: tuple[Step, ...]
    free: int

    @property
    def to_fetch(self) -> int | None:
        """Bytes that will come over the network; None if a size is unknown."""
        sizes = [step.size for step in self.steps if step.action == "fetch"]
        done = sum(step.done for step in self.steps)
        return None if None in sizes else sum(size or 0 for size in sizes) - done

    @property
    def work(self) -> tuple[Step, ...]:
        """The steps that fetch or unpack."""
        return tuple(step for step in self.steps if step.action in ("fetch", "unpack"))


def plan_download(
    spec: DatasetSpec,
    root: Path,
    *,
    replace_existing: bool = False,
    patience: Patience | None = None,
    progress: Progress | None = None,
) -> DownloadPlan:
    """Look at what is there, and ask the servers for sizes; fetches nothing.

    Raises:
        DataError: a file would be fetched and pooch is missing, or a declared path leads outside.
        PluginError: a file is declared to unpack and is no archive.
    """
    folder = dataset_folder(root, spec.name)
    found = verify(spec, root, progress)
    provided = [PurePosixPath(name) for file in spec.files if file.url for name in file.unpacks]
    steps = [_step(f, provided, replace_existing, patience or Patience()) for f in found]
    existing = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    return DownloadPlan(spec, folder, tuple(steps), shutil.disk_usage(existing).free)


def _step(
    found: FileStatus, provided: list[PurePosixPath], replace_existing: bool, patience: Patience
) -> Step:
    file = found.file
    if file.unpacks and not is_archive(file.path):
        raise PluginError(f"{file.path} is declared to unpack, but its name is no archive's.")
    wrong = found.state in ("wrong size", "wrong checksum")
    size = found.path.stat().st_size if found.path.is_file() else file.size
    there = found.ok and not found.optional
    if there or found.state == "packed":
        return Step(found, "keep" if there else "unpack", size)
    if wrong and not replace_existing:
        return Step(found, "in the way", file.size)
    if file.role == "made":
        return Step(found, "prepare", file.size)
    if file.url is None:
        inside = any(PurePosixPath(file.path).is_relative_to(place) for place in provided)
        return Step(found, "comes unpacked" if inside else "by hand", file.size)
    _require_libraries()
    source = source_of(file)
    offered = file.size if file.size is not None else offered_size(source, patience)
    return Step(found, "fetch", offered, resumable(source, part_of(found.path)))


def check_space(plan: DownloadPlan) -> None:
    """Refuse to start what cannot fit.

    Raises:
        DataError: what is needed, archives beside their content, and what is free.
    """
    unpacked = sum(step.file.unpacked_size or 0 for step in plan.work)
    needed = (plan.to_fetch or 0) + unpacked
    if needed > plan.free:
        raise DataError(
            f"{plan.folder} has {human_size(plan.free)} free; {plan.spec.name} needs "
            f"{human_size(needed)} more.",
            "Make room, or choose another data root: --data-dir DIR",
        )


def source_of(file: DataFile) -> Source:
    """What the transfer needs to know of a declaration."""
    web_page = file.path.lower().endswith((".html", ".htm", ".xhtml"))
    return Source(file.url or "", file.size, file.sha256 is not None, web_page)


def part_of(path: Path) -> Path:
    """Where a file collects until it is whole."""
    return path.with_name(path.name + ".part")


def _require_libraries() -> None:
    for name in ("pooch", "requests"):
        if importlib.util.find_spec(name) is None:
            raise DataError(
                f"downloading needs {name}, which is not installed.",
                "pip install 'mlzoo-core[download]'",
            )
