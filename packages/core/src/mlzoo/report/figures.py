"""Draws the figures a model declares, from one run or from many."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mlzoo.files import atomic_write
from mlzoo.plugins import Registered
from mlzoo.registry import resolve
from mlzoo.run_directory import RunRecord


def draw(model: Registered, runs: Sequence[RunRecord], folder: Path) -> list[str]:
    """Write ``folder/<name>.png`` for each figure of the model that applies to these runs.

    A figure is a function of runs that returns a matplotlib ``Figure``, or None when it does not
    apply (a comparison of a single run). Returns one line for each figure that failed.
    """
    problems = []
    for name, ref in model.spec.figures.items():
        try:
            figure = resolve(ref, model.plugin)(runs)
            if figure is None:
                continue
            folder.mkdir(parents=True, exist_ok=True)
            with atomic_write(folder / f"{name}.png") as file:
                figure.savefig(file, format="png", dpi=150)
        except Exception as error:  # a picture is never worth a run
            problems.append(f"figure {name!r} of {model.plugin} failed: {error}")
    return problems
