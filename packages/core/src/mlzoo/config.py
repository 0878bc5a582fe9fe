"""Options: one flat, frozen pydantic class per model and dataset, layered with provenance.

The layers, lowest first: **default < preset < config file < option**, whatever the order on the
command line. Each final value remembers where it came from.
"""

from __future__ import annotations

import json
import tomllib
import types
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic.fields import FieldInfo

from mlzoo.errors import UsageError, did_you_mean
from mlzoo.specs import Precision, Selection

RESERVED = ("model", "dataset", "preset", "sources")
"""Keys of a config file that are not options."""


class Config(BaseModel):
    """Base class of all options: unknown keys are errors and values never change afterwards.

    Fields are declared once, ``Field(default, gt=0, description=...)``; the command line, its help,
    the documentation and the checks derive from them.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False
    )

    @field_validator("*", mode="before")
    @classmethod
    def _as_typed(cls, value: Any, info: ValidationInfo) -> Any:
        """Let ``--columns 0,2`` fill a list or tuple, and never take ``true`` for the number 1."""
        field = cls.model_fields[info.field_name or ""]
        if isinstance(value, str) and _is_list(field):
            return [part.strip() for part in value.split(",") if part.strip()]
        if isinstance(value, bool) and unwrap(field.annotation) in (int, float):
            raise ValueError("a number is needed")
        return value


def _is_list(field: FieldInfo) -> bool:
    return get_origin(unwrap(field.annotation)) in (list, tuple)


def unwrap(annotation: Any) -> Any:
    """The type inside ``Optional`` and ``Annotated``."""
    if get_origin(annotation) is Annotated:
        return unwrap(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        inner = [arg for arg in get_args(annotation) if arg is not type(None)]
        if len(inner) == 1:
            return unwrap(inner[0])
    return annotation


class RunOptions(Config):
    """The options every run has, whatever the model."""

    seed: int = Field(0, ge=0, lt=2**63, description="seed of the weights, the order and the noise")
    select: Selection = Field(
        "val",
        description="which epoch is scored: best on val, the last, or best on test (labelled as such)",
    )
    limit: int | None = Field(
        None, gt=0, description="use at most this many samples a split (a try, not a result)"
    )
    precision: Precision = Field(
        "32", description="bits of the numbers in training; bf16 and fp16 are mixed with 32"
    )

    @field_validator("precision", mode="before")
    @classmethod
    def _as_word(cls, value: Any) -> Any:
        return "32" if type(value) is int and value == 32 else value


Owner = Literal["run", "model", "dataset"]


@dataclass(frozen=True)
class Option:
    """One option as the user sees it: ``key`` in files, ``--key`` on the command line."""

    key: str
    owner: Owner
    name: str
    field: FieldInfo

    @property
    def flag(self) -> str:
        """Its spelling on the command line."""
        return "--" + self.key.replace("_", "-")

    @property
    def choices(self) -> tuple[str, ...]:
        """The admitted words, if the field is a ``Literal``."""
        inner = unwrap(self.field.annotation)
        return tuple(map(str, get_args(inner))) if get_origin(inner) is Literal else ()


@dataclass(frozen=True)
class Layer:
    """Values from one place. ``source`` is ``preset NAME``, ``file NAME`` or ``option``."""

    source: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Options:
    """Validated options and where each value came from."""

    run: RunOptions
    model: Config
    dataset: Config | None
    values: Mapping[str, Any]
    sources: Mapping[str, str]

    def to_json(self, model: str, dataset: str, preset: str | None) -> dict[str, Any]:
        """The content of a run's ``config.json``, which is itself a valid config file."""
        names = {"model": model, "dataset": dataset, "preset": preset}
        return {**names, **self.values, "sources": dict(self.sources)}


class OptionSet:
    """The options of one model on one dataset, under one flat set of keys.

    A dataset's option whose name the model or the run already has is offered as ``data_NAME``.

    Args:
        run: whether the options of a run are among them.
    """

    def __init__(
        self, model: type[Config], dataset: type[Config] | None, *, run: bool = True
    ) -> None:
        self.classes: dict[Owner, type[Config]] = {"run": RunOptions} if run else {}
        self.classes["model"] = model
        if dataset is not None:
            self.classes["dataset"] = dataset

    @cached_property
    def options(self) -> dict[str, Option]:
        """Every option by its key."""
        found: dict[str, Option] = {}
        for owner, cls in self.classes.items():
            for name, field in cls.model_fields.items():
                key = f"data_{name}" if owner == "dataset" and name in found else name
                if key in found or key in RESERVED:
                    raise UsageError(f"option {key!r} of {cls.__name__} clashes with another one.")
                found[key] = Option(key, owner, name, field)
        return found

    def resolve(self, layers: Iterable[Layer]) -> Options:
        """Merge the layers, lowest first, and validate.

        Raises:
            UsageError: an unknown key, or a value of the wrong type or range; names its source.
        """
        given: dict[str, Any] = {}
        sources: dict[str, str] = {}
        for layer in layers:
            for key, value in layer.values.items():
                if key not in self.options:
                    raise UsageError(
                        f"{layer.source}: unknown option {key!r}.", did_you_mean(key, self.options)
                    )
                given[key], sources[key] = value, layer.source
        built = {owner: self._build(owner, given, sources) for owner in self.classes}
        values = {
            key: getattr(built[option.owner], option.name) for key, option in self.options.items()
        }
        return Options(
            run=built.get("run") or RunOptions.model_validate({}),  # type: ignore[arg-type]
            model=built["model"],
            dataset=built.get("dataset"),
            values={key: _plain(value) for key, value in values.items()},
            sources={key: sources.get(key, "default") for key in self.options},
        )

    def _build(self, owner: Owner, given: Mapping[str, Any], sources: Mapping[str, str]) -> Config:
        mine = {o.name: o for o in self.options.values() if o.owner == owner}
        values = {o.name: given[o.key] for o in mine.values() if o.key in given}
        try:
            return self.classes[owner](**values)
        except ValidationError as error:
            first = error.errors()[0]
            where = str(first["loc"][0]) if first["loc"] else ""
            message = first["msg"].removeprefix("Value error, ")
            if where not in mine:  # a rule between options
                raise UsageError(f"options of the {owner}: {message}.") from error
            option = mine[where]
            source = sources.get(option.key, "default")
            name = option.flag if source == "option" else f"{option.key} in {source}"
            hint = did_you_mean(str(first["input"]), option.choices) if option.choices else ""
            raise UsageError(f"{name}: {message}, got {first['input']!r}.", hint) from error


def _plain(value: Any) -> Any:
    """A JSON value for config.json."""
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value


def read_config_file(path: Path) -> dict[str, Any]:
    """A flat mapping of options from a .json, .toml, .yaml or .yml file.

    Raises:
        UsageError: missing, unreadable, or not a flat mapping.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the config file {path}: {error}") from error
    try:
        values = _parse(text, path.suffix.lower())
    except (ValueError, RecursionError) as error:  # JSON and TOML errors are ValueErrors
        raise UsageError(f"{path} is not valid {path.suffix.lstrip('.')}: {error}") from error
    if not isinstance(values, dict):
        raise UsageError(f"{path} must be a mapping of option names to values.")
    nested = [key for key, value in values.items() if isinstance(value, dict) and key != "sources"]
    if nested:
        raise UsageError(f"{path} must be flat, but {nested[0]!r} is a mapping.")
    for key in ("model", "dataset", "preset"):
        if not isinstance(values.get(key), str | None):
            raise UsageError(f"{path}: {key} must be a name, not {str(values[key])[:40]!r}.")
    return {str(key): value for key, value in values.items()}


def _parse(text: str, suffix: str) -> Any:
    if suffix == ".json":
        return json.loads(text)
    if suffix == ".toml":
        return tomllib.loads(text)
    if suffix in (".yaml", ".yml"):
        import yaml

        try:
            return yaml.safe_load(text) or {}
        except yaml.YAMLError as error:
            raise ValueError(" ".join(str(error).split())) from error
    raise UsageError(
        f"config files end in .json, .toml, .yaml or .yml, not {suffix or 'nothing'!r}."
    )
