"""What everything that prepares packed features does."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlzoo.errors import RunError
from mlzoo.progress import Progress


def require_space(folder: Path, size: int) -> None:
    """Raises RunError where the disk has less than ``size`` bytes free, before hours of work."""
    free = shutil.disk_usage(folder).free
    if free < size:
        raise RunError(
            f"{folder} has {free / 1e9:.1f} GB free, the packed images need {size / 1e9:.1f} GB more.",
            "Choose another place with --data-dir DIR.",
        )


@contextmanager
def going_on(progress: Progress) -> Iterator[None]:
    """Tells whoever stops the work that nothing is lost."""
    try:
        yield
    except KeyboardInterrupt:
        progress.message("stopped; the same command goes on from here.")
        raise
