"""The figures that models declare, drawn over the runs of a leaderboard and put into the page."""

from __future__ import annotations

import base64
import inspect
import io
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mlzoo.errors import MlzooError
from mlzoo.plugins import Registered
from mlzoo.registry import registry, resolve
from mlzoo.report.figures import draw
from mlzoo.report.groups import Group
from mlzoo.run_directory import RunRecord

SHOWN = 0.55
"""CSS pixels for each pixel of a figure."""
LARGEST = 400_000
"""Bytes of a picture; a larger one is reduced."""


@dataclass(frozen=True)
class Picture:
    """A figure as a data URL, with the size at which its letters are as large as the page's, in CSS pixels,
    and what it shows."""

    model: str
    name: str
    caption: str
    url: str
    width: int
    height: int


def pictures_of(groups: Sequence[Group]) -> tuple[list[Picture], list[str]]:
    """Every figure of every model over all its runs, and what could not be drawn."""
    by_model: dict[str, list[RunRecord]] = {}
    for group in groups:
        by_model.setdefault(group.first.results["model"], []).extend(group.runs)
    pictures, problems = [], []
    for name, runs in by_model.items():
        try:
            found, told = _drawn(registry().model(name), runs)
        except MlzooError as error:
            found, told = [], [error.message]
        pictures += found
        problems += told
    return pictures, problems


def _drawn(model: Registered, runs: Sequence[RunRecord]) -> tuple[list[Picture], list[str]]:
    with tempfile.TemporaryDirectory(prefix="mlzoo-page-") as folder:
        problems = draw(model, runs, Path(folder))
        pictures = [
            _picture(model, file.stem, file.read_bytes())
            for name in model.spec.figures
            if (file := Path(folder) / f"{name}.png").exists()
        ]
    return pictures, problems


def _picture(model: Registered, name: str, png: bytes) -> Picture:
    from PIL import Image  # comes with matplotlib, which drew it

    with Image.open(io.BytesIO(png)) as image:
        width, height = image.size
        width_shown, height_shown = round(width * SHOWN), round(height * SHOWN)
        if len(png) > LARGEST:
            # Half the pixels of a side have a quarter of the bytes, roughly; a palette a third of them.
            scale = min(1.0, (3 * LARGEST / len(png)) ** 0.5)
            size = (max(1, round(width * scale)), max(1, round(height * scale)))
            small = image.convert("RGB").resize(size, Image.Resampling.LANCZOS).quantize(256)
            out = io.BytesIO()
            small.save(out, format="png", optimize=True)
            png = out.getvalue()
    url = "data:image/png;base64," + base64.b64encode(png).decode("ascii")
    return Picture(model.spec.name, name, _caption(model, name), url, width_shown, height_shown)


def _caption(model: Registered, name: str) -> str:
    """The first sentence of the function's documentation; without one, the figure's name."""
    text = inspect.getdoc(resolve(model.spec.figures[name], model.plugin)) or ""
    sentence = " ".join(text.split("\n\n")[0].split()).partition(". ")[0].rstrip(".")
    return sentence or name.replace("_", " ").replace("-", " ")
