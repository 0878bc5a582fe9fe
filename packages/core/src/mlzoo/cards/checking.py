"""The rules by kind of card, and all cards of a registry."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from mlzoo.cards.papers import check_paper
from mlzoo.cards.published import check_claims, check_numbers, claims, label
from mlzoo.config import Layer
from mlzoo.contracts import Finding
from mlzoo.errors import MlzooError, did_you_mean
from mlzoo.planning import dataset_config, option_set, preset_layers, repeat_option
from mlzoo.plugins import Registered
from mlzoo.registry import Registry
from mlzoo.specs import DatasetSpec, EvaluatorSpec, Identity, Metric, ModelSpec

KINDS = {ModelSpec: "model", DatasetSpec: "dataset", EvaluatorSpec: "evaluator"}


@dataclass(frozen=True)
class Card:
    """What was found on one card.

    Attributes:
        entry: whose it is.
        findings: errors and warnings; their ``subject`` is the rule: ``paper``, ``published``,
            ``identities``, ``presets``, ``default dataset``, ``options``, ``files`` or ``evaluator``.
        counts: what was looked at, by name.
    """

    entry: Registered
    findings: tuple[Finding, ...]
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """``model``, ``dataset`` or ``evaluator``."""
        return KINDS[type(self.entry.spec)]

    @property
    def name(self) -> str:
        """Of the spec."""
        return str(self.entry.spec.name)

    def of_level(self, level: str, *subjects: str) -> list[Finding]:
        """Findings of a level, of some rules or of all."""
        mine = (f for f in self.findings if f.level == level)
        return [finding for finding in mine if not subjects or finding.subject in subjects]


def check_cards(reg: Registry) -> Iterator[Card]:
    """All cards, models first."""
    for entry in (*reg.models, *reg.datasets, *reg.evaluators):
        yield check_entry(entry, reg)


def check_entry(entry: Registered, reg: Registry) -> Card:
    """The card of one spec."""
    if isinstance(entry.spec, ModelSpec):
        return _model(entry, entry.spec, reg)
    if isinstance(entry.spec, DatasetSpec):
        found = _dataset(entry, entry.spec, reg)
        return Card(entry, tuple(found), {"files": len(entry.spec.files)})
    counts = {"metrics": len(entry.spec.metrics), "identities": len(entry.spec.identities)}
    return Card(entry, tuple(_evaluator(entry.spec, reg)), counts)


def _model(entry: Registered, spec: ModelSpec, reg: Registry) -> Card:
    datasets = {each.spec.name: each for each in reg.datasets if each.spec.task == spec.task}
    findings = list(check_paper(spec.paper))
    metrics: dict[str, Metric] = {}
    identities: list[Identity] = []
    try:
        for evaluator in reg.evaluators_for(spec.task):
            metrics |= evaluator.spec.metrics
            identities += evaluator.spec.identities
    except MlzooError as error:
        findings.append(_failed("evaluator", "", error))
    spoken = claims(spec.published, identities)
    findings += check_numbers(spec.published, metrics, datasets)
    findings += _published_options(entry, spec, datasets)
    findings += check_claims(spec.published, spoken)
    findings += _presets(entry, spec, datasets)
    findings += _default_dataset(spec, datasets)
    counts = {
        "published numbers": len(spec.published),
        "identities": len(spoken),
        "presets": sum(1 + len(spec.variants(name)) for name in datasets),
    }
    return Card(entry, tuple(findings), counts)


def _published_options(
    entry: Registered, spec: ModelSpec, datasets: Mapping[str, Registered]
) -> Iterator[Finding]:
    """The options under which numbers were reached can be asked for, with one preset at least."""
    tried = set()
    for number in spec.published:
        dataset = datasets.get(number.dataset)
        key = (number.dataset, repr(sorted(number.options.items())))
        if dataset is None or not number.options or key in tried:
            continue
        tried.add(key)
        layer = Layer("published number", number.options)
        first: Finding | None = None
        for variant in (None, *spec.variants(number.dataset)):
            what = label(number)
            finding = _does_not_build("published", what, entry, dataset, variant, layer)
            if finding is None:
                break
            first = first or finding
        else:
            assert first is not None
            yield first


def _presets(
    entry: Registered, spec: ModelSpec, datasets: Mapping[str, Registered]
) -> Iterator[Finding]:
    """Every preset is of a dataset of the task and, with what it starts from, makes valid options."""
    for name in dict.fromkeys(key.partition("/")[0] for key in spec.presets):
        if name not in ("*", *datasets):
            text = f"there are some of {name!r}, which is no dataset of the task {spec.task}"
            yield Finding("error", "presets", text, did_you_mean(name, datasets))
    for name, dataset in datasets.items():
        for variant in (None, *spec.variants(name)):
            where = f"{name}/{variant}" if variant else name
            if finding := _does_not_build("presets", where, entry, dataset, variant):
                yield finding


def _does_not_build(
    rule: str,
    what: str,
    entry: Registered,
    dataset: Registered,
    variant: str | None,
    *above: Layer,
) -> Finding | None:
    """Why options cannot be made of a preset and what lies above it; None if they can."""
    try:
        layers = preset_layers(entry.spec, dataset.spec.name, variant)
        option_set(entry, dataset).resolve([*layers, *above])
    except MlzooError as error:
        return _failed(rule, what, error)
    return None


def _default_dataset(spec: ModelSpec, datasets: Mapping[str, Registered]) -> Iterator[Finding]:
    """``mlzoo run NAME`` needs no files."""
    rule, name = "default dataset", spec.default_dataset
    if name not in datasets:
        text = f"{name!r} is no dataset of the task {spec.task}"
        yield Finding("error", rule, text, did_you_mean(name, datasets))
    elif not datasets[name].spec.embedded:
        yield Finding("error", rule, f"{name} needs files; it must be embedded")


def _dataset(entry: Registered, spec: DatasetSpec, reg: Registry) -> Iterator[Finding]:
    if spec.paper is not None:
        yield from check_paper(spec.paper)
    if spec.homepage and not spec.homepage.startswith(("https://", "http://")):
        yield Finding("error", "paper", f"its homepage is {spec.homepage!r}, no link with http")
    try:
        if (options := dataset_config(entry)) is not None:
            options()
        for file in spec.files:
            file.of(dict(options()) if options is not None else {})
        for model in [each for each in reg.models if each.spec.task == spec.task][:1]:
            repeat_option(entry, option_set(model, entry))
    except (MlzooError, ValueError, KeyError) as error:  # pydantic's errors are ValueErrors
        yield _failed("options", "its defaults", error)
    if spec.embedded and any(file.role == "needed" for file in spec.files):
        yield Finding("error", "files", "it is embedded, and yet needs files")
    if not spec.embedded and not spec.files:
        yield Finding("warning", "files", "it is not embedded, and yet names no files")
    for file in spec.files:
        if file.role != "made" and not (file.url or file.how_to_get):
            yield Finding("error", "files", f"nobody is told where to get {file.path}")


def _evaluator(spec: EvaluatorSpec, reg: Registry) -> Iterator[Finding]:
    """The task has one main metric, and identities speak of what somebody reports."""
    metrics: set[str] = set()
    try:
        metrics = {name for each in reg.evaluators_for(spec.task) for name in each.spec.metrics}
    except MlzooError as error:
        yield _failed("evaluator", "", error)
    models = [entry.spec for entry in reg.models if entry.spec.task == spec.task]
    beside = {name for model in models for n in model.published for name in n.beside}
    datasets = {entry.spec.name for entry in reg.datasets if entry.spec.task == spec.task}
    for identity in spec.identities:
        for name in sorted({*identity.of} - metrics - beside):
            text = f"{identity.metric} is said to follow from {name!r}, which nobody reports"
            yield Finding("error", "identities", text, did_you_mean(name, metrics | beside))
        for name in sorted({where.partition("/")[0] for where in identity.weights} - datasets):
            text = f"{identity.metric} has weights of {name!r}, which is no dataset of the task"
            yield Finding("error", "identities", text, did_you_mean(name, datasets))


def _failed(rule: str, what: str, error: Exception) -> Finding:
    message = error.message if isinstance(error, MlzooError) else " ".join(str(error).split())
    fix = error.fix if isinstance(error, MlzooError) else ""
    return Finding("error", rule, f"{what}: {message}" if what else message, fix)
