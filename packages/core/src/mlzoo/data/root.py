"""Where data lies: ``<data root>/<dataset>/...``."""

from __future__ import annotations

import os
from pathlib import Path


def data_root(explicit: Path | None = None) -> Path:
    """``--data-dir``, else ``MLZOO_DATA``, else the platform's user data folder."""
    if explicit is not None:
        return explicit
    if named := os.environ.get("MLZOO_DATA"):
        return Path(named)
    from platformdirs import user_data_path

    return user_data_path("mlzoo", appauthor=False)


def dataset_folder(root: Path, name: str) -> Path:
    """The folder of one dataset."""
    return root / name


DEMO = "demo.json"
"""In a dataset's folder, says that ``mlzoo data demo`` wrote it, and what was planted."""


def is_demo(root: Path, name: str) -> bool:
    """Whether the dataset that lies there is a demo."""
    return (dataset_folder(root, name) / DEMO).is_file()
