"""What ``run.json`` and ``results.json`` must hold for other code to rely on: people edit them, disks
damage them. Further keys are admitted."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from mlzoo.errors import RunError


def _with_test(metrics: dict[str, dict[str, float | None]]) -> dict[str, dict[str, float | None]]:
    if "test" not in metrics:
        raise ValueError("no metrics of test")
    return metrics


Metrics = Annotated[dict[str, dict[str, float | None]], AfterValidator(_with_test)]
"""By split, ``test`` among them; null stands for NaN."""


class _Part(BaseModel):
    model_config = ConfigDict(strict=True)


class Facts(_Part):
    """Of ``run.json``; all may be missing in a run that has only begun."""

    status: str | None = None
    started: str | None = None
    finished: str | None = None
    seconds: float | None = None
    data: dict[str, Any] = {}
    data_dir: str | None = None
    device: str | None = None
    sessions: list[dict[str, Any]] = []
    versions: dict[str, str] | None = None


class Tuning(Facts):
    """Of ``tune.json``."""

    model: str
    dataset: str
    trials: int
    search: dict[str, str]
    sampler: Literal["tpe", "random"]
    pruner: Literal["median", "none"]


class _Selection(_Part):
    rule: str
    label: str
    epoch: int


class _Data(_Part):
    fingerprint: str
    limited: bool
    family: str | None = None
    repeat: dict[str, int] = {}
    hidden: list[str] = []
    incomparable: str = ""


class _Honest(_Part):
    rule: str
    label: str
    epoch: int
    metrics: Metrics
    selection_inflation: dict[str, float | None]


class _Weights(_Part):
    file: str
    sha256: str


class Results(_Part):
    """Of ``results.json``."""

    model: str
    dataset: str
    task: str
    seed: int
    selection: _Selection
    evaluators: dict[str, str]
    plugins: dict[str, str]
    main_metric: str
    metrics: Metrics
    references: dict[str, dict[str, float | None]]
    data: _Data
    published: list[dict[str, Any]] = []
    honest: _Honest = None  # type: ignore[assignment]  # may be missing, but not null
    weights: _Weights = None  # type: ignore[assignment]
    rescored: list[dict[str, Any]] = []


class Values(_Part):
    """Of ``config.json``, beside a key for each option."""

    model: str
    dataset: str
    preset: str | None = None
    sources: dict[str, str] = {}


def check_schema(kind: type[BaseModel], value: Mapping[str, Any], path: Path) -> None:
    """Hold a file's content against what it must be.

    Raises:
        RunError: names the file and the first place that is wrong.
    """
    try:
        kind.model_validate(dict(value))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise RunError(f"{path} is damaged: {where}: {first['msg']}.") from error
