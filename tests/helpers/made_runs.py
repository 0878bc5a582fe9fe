"""Folders of finished runs of the made-up plugin ``toy``, with made-up numbers: nothing is trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlzoo.files import write_json
from mlzoo.run_directory import RunRecord

LABELS = {
    "val": "best epoch on validation data",
    "test": "selected on test data",
    "last": "last epoch",
}
OPTIONS = {
    "epochs": 4,
    "rate": 0.05,
    "break_at": 0,
    "ruin_at": 0,
    "stop_at": 0,
    "noise": 0.0,
    "samples": 16,
}
"""Those of the preset ``toys``."""


def made_run(
    folder: Path,
    seed: int = 0,
    error: float | None = 1.0,
    *,
    rule: str = "val",
    honest: float | None = None,
    preset: str | None = None,
    splits: Sequence[str] = ("val", "test"),
    evaluators: Mapping[str, str] | None = None,
    data: Mapping[str, Any] | None = None,
    started: str = "2026-01-01T00:00:00+0000",
    **options: Any,
) -> RunRecord:
    """A run with this error on every split.

    Args:
        honest: the error of the honestly selected weights, beside the rule ``test``.
        options: that differ from the preset ``toys``.
    """
    directory = folder / f"{rule}-s{seed}-{len(list(folder.glob('*')))}"
    directory.mkdir(parents=True)
    values = {**OPTIONS, **options}
    config = {"model": "toy", "dataset": "toys", "preset": preset, "seed": seed, "select": rule}
    config |= {"limit": None, "precision": "32", **values}
    config["sources"] = dict.fromkeys(config, "default")
    write_json(directory / "config.json", config)
    write_json(directory / "run.json", {"status": "done", "started": started})
    results: dict[str, Any] = {
        "model": "toy",
        "dataset": "toys",
        "task": "toy-regression",
        "seed": seed,
        "selection": {"rule": rule, "label": LABELS[rule], "epoch": 1},
        "evaluators": evaluators or {"toy-error": "1"},
        "plugins": {"mlzoo-toy": "1.0"},
        "main_metric": "error",
        "metrics": {split: {"error": error, "bias": 0.5} for split in splits},
        "references": {"error": {"ceiling": 0.0}},
        "data": {"fingerprint": "f" * 64, "limited": False, "incomparable": "", "hidden": []},
        "published": [],
    }
    results["data"] |= data or {}
    if honest is not None:
        results["honest"] = {
            "rule": "val",
            "label": LABELS["val"],
            "epoch": 1,
            "metrics": {split: {"error": honest, "bias": 0.5} for split in splits},
            "selection_inflation": {"error": (error or 0.0) - honest, "bias": 0.0},
        }
    write_json(directory / "results.json", results)
    return RunRecord(directory)


def made_group(folder: Path, errors: Sequence[float | None], **options: Any) -> list[RunRecord]:
    """Runs of seeds 0, 1, ... with these errors."""
    return [made_run(folder, seed, error, **options) for seed, error in enumerate(errors)]
