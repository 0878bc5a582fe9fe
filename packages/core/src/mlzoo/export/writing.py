"""Where exported files go: all of them, or none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path, PurePath

from mlzoo.errors import RunError, UsageError
from mlzoo.files import atomic_write


def targets(out: Path, names: Sequence[str], run: Path, *, force: bool) -> dict[str, Path]:
    """The path of each file, by its name in a folder of exports.

    ``out`` is a folder, which may be new, or for a single file also that file itself.

    Raises:
        UsageError: it cannot be, or must not be, written there.
    """
    suffix = PurePath(names[0]).suffix
    if run.resolve() in (out.resolve(), *out.resolve().parents):
        raise UsageError(f"--out: {out} lies in the run's own folder.", "Choose another place.")
    if not out.parent.is_dir():
        raise UsageError(f"--out: there is no folder {out.parent}.", "Make it first.")
    if out.suffix == suffix and not out.is_dir():
        if len(names) > 1:
            raise UsageError(
                f"--out: {out} is one file, and {len(names)} are written.", "Name a folder."
            )
        found = {names[0]: out}
    elif out.exists() and not out.is_dir():
        raise UsageError(f"--out: {out} is a file; expected a folder, or a name in {suffix}.")
    else:
        found = {name: out / name for name in names}
    for path in found.values():
        if path.is_dir():
            raise UsageError(f"--out: {path} is a folder.", "Choose another name.")
        if path.exists() and not force:
            raise UsageError(
                f"--out: {path} exists.", "Choose another name, or replace it with --force."
            )
    return found


def write_all(files: Mapping[Path, bytes]) -> None:
    """Write every file, with the folders it needs; after a failure no new file or folder is left.

    Raises:
        RunError: a folder is not writable, or the disk is full.
    """
    new = [path for path in files if not path.exists()]
    made: list[Path] = []
    try:
        for path in files:
            _make_folders(path.parent, made)
        with ExitStack() as stack:
            opened = [stack.enter_context(atomic_write(path)) for path in files]
            for file, content in zip(opened, files.values(), strict=True):
                file.write(content)
                file.flush()
    except BaseException:
        for path in new:
            path.unlink(missing_ok=True)
        for folder in reversed(made):
            with suppress(OSError):
                folder.rmdir()
        raise


def _make_folders(folder: Path, made: list[Path]) -> None:
    """Those that are missing, from above; ``made`` gets each as soon as it is there."""
    for each in [each for each in (folder, *folder.parents) if not each.exists()][::-1]:
        try:
            each.mkdir()
        except OSError as error:
            raise RunError(f"cannot make {each}: {error.strerror or error}.") from error
        made.append(each)
