"""What is to be run: model, dataset, evaluators and options, settled before anything heavy happens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from mlzoo.config import (
    RESERVED,
    Config,
    Layer,
    Option,
    Options,
    OptionSet,
    RunOptions,
    read_config_file,
)
from mlzoo.data.manifest import require
from mlzoo.data.root import data_root, dataset_folder, is_demo
from mlzoo.errors import DataError, PluginError, RunError, UsageError, did_you_mean
from mlzoo.plugins import Plugin, Registered
from mlzoo.registry import Registry, registry, resolve
from mlzoo.specs import DatasetSpec, EvaluatorSpec, Metric, ModelSpec

if TYPE_CHECKING:
    from mlzoo.contracts import Model, TaskData
    from mlzoo.run_directory import RunRecord

PREDICT_TAKES = {
    "run", "directory", "inputs", "out", "force", "device", "data_dir", "progress", "json", "as_json",
    "help", "debug",
}  # fmt: skip
"""What ``mlzoo predict`` and :func:`mlzoo.predict` take whatever the model."""

DEMO_PRESET = "demo"
"""The variant that is taken on demo data if none is named; ``demo-x`` is taken for ``x``."""

Repetition: TypeAlias = tuple[tuple[str, int], ...]
"""``(("split", 7), ("seed", 0))``, or ``(("seed", 0),)`` where a dataset has no repetitions."""


@dataclass(frozen=True)
class Plan:
    """A model on a dataset with its options resolved. ``request`` is what :func:`make_plan` was asked:
    other processes make the same plan from it.
    """

    model_entry: Registered
    dataset_entry: Registered
    evaluator_entries: tuple[Registered, ...]
    options: Options
    preset: str | None
    data_dir: Path | None
    request: Mapping[str, Any]

    def __reduce__(self) -> tuple[Any, ...]:
        return _planned, (self.request,)

    @property
    def model(self) -> ModelSpec:
        """The model's spec."""
        return self.model_entry.spec  # type: ignore[no-any-return]

    @property
    def dataset(self) -> DatasetSpec:
        """The dataset's spec."""
        return self.dataset_entry.spec  # type: ignore[no-any-return]

    @property
    def evaluators(self) -> tuple[EvaluatorSpec, ...]:
        """The task's evaluators."""
        return tuple(entry.spec for entry in self.evaluator_entries)

    @cached_property
    def metrics(self) -> dict[str, Metric]:
        """Every metric of the task by name, in the order of display."""
        return {name: m for spec in self.evaluators for name, m in spec.metrics.items()}

    @property
    def main_metric(self) -> str:
        """The metric that steers the selection."""
        return next(name for name, metric in self.metrics.items() if metric.main)

    @property
    def plugins(self) -> set[Plugin]:
        """Everybody who contributes."""
        entries = (self.model_entry, self.dataset_entry, *self.evaluator_entries)
        return {entry.plugin for entry in entries}

    def config_json(self) -> dict[str, Any]:
        """The content of ``config.json``."""
        return self.options.to_json(self.model.name, self.dataset.name, self.preset)

    @property
    def repeat(self) -> dict[str, int]:
        """Which repetition of the experiment this is, ``{"split": 7}``; empty where there are none."""
        option = repeat_option(self.dataset_entry, option_set(self.model_entry, self.dataset_entry))
        return {option.key: self.options.values[option.key]} if option else {}

    @property
    def repetition(self) -> Repetition:
        """What tells this run from the others of its experiment."""
        return *self.repeat.items(), ("seed", self.options.run.seed)

    def departures(self) -> list[str]:
        """The model's and dataset's options that differ from the preset in force."""
        layers = preset_layers(self.model, self.dataset.name, self.preset)
        preset = option_set(self.model_entry, self.dataset_entry).resolve(layers).values
        mine = self.options.values
        chosen = {*RunOptions.model_fields, *self.repeat}
        return [key for key in mine if key not in chosen and mine[key] != preset[key]]

    def with_dataset(self, name: str) -> Plan:
        """The same model on another dataset of its task, for ``eval --dataset``; dataset options
        are that dataset's defaults."""
        entry = registry().dataset(name, self.model.task)
        cls = dataset_config(entry)
        options = replace(self.options, dataset=cls() if cls else None)
        request = {**self.request, "dataset": name}
        return replace(self, dataset_entry=entry, options=options, request=request)

    def require_files(self) -> None:
        """Refuse to go on without the dataset's files.

        Raises:
            DataError: files are missing or of the wrong size.
        """
        require_files(self.dataset_entry, self.data_dir, self.options.dataset)

    def load_data(self) -> TaskData:
        """Load the dataset, checked for its files first and limited last.

        Raises:
            DataError: files are missing or damaged.
        """
        return load(self.dataset_entry, self.data_dir, self.options.dataset, self.options.run.limit)

    def build(self, data: TaskData) -> Model:
        """The model, with fresh weights."""
        factory = resolve(self.model.factory, self.model_entry.plugin)
        return factory(self.options.model, data)  # type: ignore[no-any-return]


def require_files(entry: Registered, data_dir: Path | None, options: Config | None) -> None:
    """The files that these options ask for lie below the data root, or it is a DataError."""
    spec: DatasetSpec = entry.spec
    values = dict(options) if options is not None else {}
    files = tuple(file.of(values) for file in spec.files)
    require(replace(spec, files=files), data_root(data_dir))


def load(
    entry: Registered, data_dir: Path | None, options: Config | None, limit: int | None = None
) -> TaskData:
    """Load a dataset from ``<data root>/<name>``."""
    spec: DatasetSpec = entry.spec
    require_files(entry, data_dir, options)
    folder = dataset_folder(data_root(data_dir), spec.name)
    data: TaskData = resolve(spec.load, entry.plugin)(folder, options)
    if "test" not in data.splits:
        raise DataError(f"dataset {spec.name!r} has no test split, only {', '.join(data.splits)}.")
    return data.limited(limit) if limit is not None else data


def model_config(entry: Registered) -> type[Config]:
    """The option class of a model."""
    return _config_class(entry, entry.spec.config)


def dataset_config(entry: Registered) -> type[Config] | None:
    """The option class of a dataset, if it has options."""
    return _config_class(entry, entry.spec.config) if entry.spec.config else None


def prepare_config(entry: Registered) -> type[Config] | None:
    """The option class of ``mlzoo data prepare`` for a dataset, if it has options."""
    ref = entry.spec.prepare_config
    return _config_class(entry, ref) if ref else None


def download_config(entry: Registered) -> type[Config] | None:
    """The option class of ``mlzoo data download`` for a dataset, if it has options of its own."""
    ref = entry.spec.download_config
    return _config_class(entry, ref) if ref else None


def predict_options(entry: Registered) -> OptionSet | None:
    """The options of ``mlzoo predict`` for a model, if it has some.

    Raises:
        PluginError: one has a name that the command itself uses.
    """
    ref = entry.spec.predict_config
    if ref is None:
        return None
    options = OptionSet(_config_class(entry, ref), None, run=False)
    for key in PREDICT_TAKES & options.options.keys():
        raise PluginError(f"{entry.plugin}: {ref} has an option {key!r}, which predict has itself.")
    return options


def _config_class(entry: Registered, ref: str) -> type[Config]:
    cls = resolve(ref, entry.plugin)
    if not (isinstance(cls, type) and issubclass(cls, Config)):
        raise PluginError(f"{entry.plugin}: {ref} must be a subclass of mlzoo.Config.")
    return cls


def option_set(model: Registered, dataset: Registered) -> OptionSet:
    """All options of a model on a dataset."""
    return OptionSet(model_config(model), dataset_config(dataset))


def repeat_option(dataset: Registered, options: OptionSet) -> Option | None:
    """The option that tells repetitions of an experiment apart (``DatasetSpec.repeats``).

    Raises:
        PluginError: the dataset has no such option, or it is no integer.
    """
    name = dataset.spec.repeats
    if name is None:
        return None
    for option in options.options.values():
        if (option.owner, option.name) == ("dataset", name) and option.field.annotation is int:
            return option
    raise PluginError(
        f"{dataset.plugin}: dataset {dataset.spec.name!r} repeats over {name!r}, "
        "which is no integer option of its config."
    )


def preset_layers(spec: ModelSpec, dataset: str, variant: str | None) -> list[Layer]:
    """The dataset's preset, then the variant's.

    Raises:
        UsageError: there is no such variant.
    """
    names = [dataset] if dataset in spec.presets else []
    if variant is not None:
        variants = spec.variants(dataset)
        if variant not in variants:
            raise UsageError(
                f"{spec.name} has no preset {variant!r} for {dataset}.",
                did_you_mean(variant, variants),
            )
        names.append(variants[variant])
    return [Layer(f"preset {name}", spec.presets[name]) for name in names]


def _on_demo(
    variant: str | None, spec: ModelSpec, dataset: str, data_dir: Path | None
) -> str | None:
    """What stands for a variant where the dataset's folder holds demo data: ``demo`` for none, ``demo-x`` for
    ``x``, if the model has that. Published sizes on data made to be tried would take hours."""
    small = DEMO_PRESET if variant is None else f"{DEMO_PRESET}-{variant}"
    if small in spec.variants(dataset) and is_demo(data_root(data_dir), dataset):
        return small
    return variant


def choose(
    model: str, dataset: str | None, config_file: Path | None, reg: Registry
) -> tuple[Registered, Registered, dict[str, Any]]:
    """Model and dataset: the dataset named, else the file's, else the model's embedded default.

    Returns them with the content of the config file.
    """
    model_entry = reg.model(model)
    spec: ModelSpec = model_entry.spec
    content = read_config_file(config_file) if config_file else {}
    if content.get("model", model) != model:
        raise UsageError(f"{config_file} is for the model {content['model']!r}, not {model!r}.")
    name = dataset if dataset is not None else content.get("dataset", spec.default_dataset)
    return model_entry, reg.dataset(str(name), spec.task), content


def make_plan(
    model: str,
    dataset: str | None = None,
    *,
    preset: str | None = None,
    config_file: Path | None = None,
    options: Mapping[str, Any] | None = None,
    data_dir: Path | None = None,
) -> Plan:
    """Settle everything that needs no data.

    Raises:
        UsageError: unknown name, key or preset, or a value that does not fit.
    """
    request = {
        "model": model,
        "dataset": dataset,
        "preset": preset,
        "config_file": config_file,
        "options": options,
        "data_dir": data_dir,
    }
    reg = registry()
    model_entry, dataset_entry, content = choose(model, dataset, config_file, reg)
    # A run's config.json holds every value: its preset is history, not a layer.
    if preset is None and "sources" not in content:
        preset = content.get("preset")
    if preset is not None or config_file is None:
        preset = _on_demo(preset, model_entry.spec, dataset_entry.spec.name, data_dir)
    values = {key: value for key, value in content.items() if key not in RESERVED}
    layers = preset_layers(model_entry.spec, dataset_entry.spec.name, preset)
    if config_file:
        layers.append(Layer(f"file {config_file.name}", values))
    layers.append(Layer("option", dict(options or {})))
    return Plan(
        model_entry=model_entry,
        dataset_entry=dataset_entry,
        evaluator_entries=tuple(reg.evaluators_for(model_entry.spec.task)),
        options=option_set(model_entry, dataset_entry).resolve(layers),
        preset=preset,
        data_dir=data_dir,
        request=request,
    )


def _planned(request: Mapping[str, Any]) -> Plan:
    return make_plan(**request)


def plan_of(record: RunRecord, data_dir: Path | None = None) -> Plan:
    """The plan a run was made from; its preset is the one that the run was made with."""
    config = record.config
    if not all(isinstance(config.get(key), str) for key in ("model", "dataset")):
        raise RunError(
            f"{record.directory / 'config.json'} is damaged: it names no model or dataset."
        )
    kept = record.info.get("data_dir")
    plan = make_plan(
        config["model"],
        config["dataset"],
        config_file=record.directory / "config.json",
        data_dir=data_dir or (Path(kept) if kept else None),
    )
    # Published numbers are held against the preset that the run was made with, if there still is one.
    known = config.get("preset") in plan.model.variants(plan.dataset.name)
    return replace(plan, preset=config["preset"] if known else None)
