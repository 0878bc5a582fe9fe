"""What a plugin declares: frozen, keyword-only dataclasses of the standard library only.

``task`` is the join between them: a model, a dataset and an evaluator work together when their task
is the same. Anything heavy is named by a :data:`Ref`, so that declaring it imports nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal, TypeAlias, get_args

Ref: TypeAlias = str
"""``"package.module:attribute"``, imported when it is needed and not before."""

Selection: TypeAlias = Literal["val", "last", "test"]
"""How the epoch that is scored was chosen; ``test`` is offered and always labelled."""

Role: TypeAlias = Literal["needed", "optional", "raw", "made"]
"""Of a file: a run needs it; a run uses it if it is there; ``prepare`` alone reads it; a run needs it, and
``prepare`` makes it."""

IdentityKind: TypeAlias = Literal[
    "harmonic-mean", "geometric-mean", "mean", "weighted-mean", "difference", "at-least"
]
"""How a metric follows from others."""

IMPORTED = "imported"
"""In place of a rule, for weights that were not trained here (``mlzoo weights import``)."""

Precision: TypeAlias = Literal["32", "bf16", "fp16"]
"""Of training; scores are always computed in 32 bits."""

_REF = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def _check_name(owner: object, **names: str) -> None:
    for label, value in names.items():
        if not isinstance(value, str) or not _NAME.fullmatch(value):
            raise ValueError(
                f"{type(owner).__name__} {label} must be lower-case words joined by '-', got {value!r}"
            )


def _check_ref(owner: object, **refs: str | None) -> None:
    for label, value in refs.items():
        if value is not None and not (isinstance(value, str) and _REF.fullmatch(value)):
            raise ValueError(
                f"{type(owner).__name__} {label} must look like 'package.module:attribute', got {value!r}"
            )


@dataclass(frozen=True, kw_only=True)
class Paper:
    """The publication a spec stands for."""

    title: str
    authors: str
    venue: str
    year: int
    url: str
    bibtex: str
    official_code: str = ""


@dataclass(frozen=True, kw_only=True)
class Published:
    """One number as printed in a paper. ``verified`` is true only if somebody saw it in ``source``.

    ``selection`` is the rule by which its epoch was chosen: ``val``, ``last``, ``test`` or ``unknown``;
    ``imported`` for a number that published weights themselves give.
    ``options`` are those under which it was reached, where that is not the dataset's preset, e.g.
    ``{"features": "finetuned"}``.

    ``beside`` are numbers that the source prints with it and that are no metrics, such as the precision and
    the recall that an F1 is made of: ``mlzoo card check`` holds them against an :class:`Identity`.
    ``inconsistent`` says why the number does not obey one, where the source itself prints it so; a number
    that does not obey and says nothing is an error of the card.
    """

    dataset: str
    metric: str
    value: float
    source: str
    selection: str
    verified: bool
    tolerance: float
    split: str = "test"
    options: Mapping[str, Any] = field(default_factory=dict)
    beside: Mapping[str, float] = field(default_factory=dict)
    inconsistent: str = ""


@dataclass(frozen=True, kw_only=True)
class DataFile:
    """One file a dataset needs, relative to the dataset's folder below the data root.

    Attributes:
        path: where it lies; the name's ending says what kind of archive it is.
        template: the path as it follows from the dataset's options, e.g. ``"{features}.mat"``, where
            they decide; ``path`` is what their defaults give.
        role: ``raw`` and ``optional`` are fetched and verified like the others, but a run does without
            them, and ``raw`` is not even read by it; ``made`` is never fetched: ``mlzoo data prepare``
            makes it.
        size: in bytes.
        sha256: its digest in hexadecimal.
        url: given only where the file may be linked; http or https.
        how_to_get: where a person finds it, in a sentence.
        unpacks: for an archive, the files and folders it leaves in the dataset's folder. When they
            are there the archive is not needed any more.
        unpack_from: the folder within the archive whose content is unpacked, without its own name.
        unpacked_size: at most so many bytes come out of it.
    """

    path: str
    template: str = ""
    layout: str = ""
    role: Role = "needed"
    size: int | None = None
    sha256: str | None = None
    url: str | None = None
    licence: str = ""
    how_to_get: str = ""
    unpacks: tuple[str, ...] = ()
    unpack_from: str = ""
    unpacked_size: int | None = None

    def __post_init__(self) -> None:
        if self.url is not None and not self.url.startswith(("https://", "http://")):
            raise ValueError(f"DataFile url must be http or https, got {self.url!r}")
        if self.sha256 is not None and not _SHA256.fullmatch(self.sha256):
            raise ValueError(f"DataFile sha256 must be 64 hexadecimal digits, got {self.sha256!r}")

    def of(self, options: Mapping[str, Any]) -> DataFile:
        """The file that these options of the dataset ask for."""
        path = self.template.format(**options) if self.template else self.path
        return self if path == self.path else replace(self, path=path, size=None, sha256=None)


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One number an evaluator returns.

    Attributes:
        unit: ``"%"`` or empty.
        main: steers the selection.
        detail: tables leave it out unless asked (``mlzoo report RUN --all``); ``results.json`` has it.
    """

    higher_is_better: bool
    summary: str
    unit: str = ""
    main: bool = False
    detail: bool = False


@dataclass(frozen=True, kw_only=True)
class Identity:
    """What a metric must be, given other numbers of the same evaluation.

    Attributes:
        metric: the one that follows from the others.
        kind: how: a ``harmonic-mean``, ``geometric-mean``, ``mean`` or ``weighted-mean`` of them, the
            absolute ``difference`` of two, or ``at-least`` as high as each of them.
        of: metrics of the task, or names of ``Published.beside``.
        weights: of a weighted mean, by ``dataset/split``, one for each of ``of``, such as the samples of
            each part. Of other splits the identity says nothing.
    """

    metric: str
    kind: IdentityKind
    of: tuple[str, ...]
    weights: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.kind not in get_args(IdentityKind):
            known = ", ".join(get_args(IdentityKind))
            raise ValueError(f"Identity kind must be one of {known}, got {self.kind!r}")
        if not self.of or (self.kind == "difference" and len(self.of) != 2):
            raise ValueError(f"Identity of {self.metric}: {self.kind} of {self.of!r} means nothing")
        if (self.kind == "weighted-mean") != bool(self.weights):
            raise ValueError(
                f"Identity of {self.metric}: a weighted-mean, and no other, has weights"
            )
        for where, weights in self.weights.items():
            if len(weights) != len(self.of) or min(weights) < 0 or not sum(weights):
                raise ValueError(
                    f"Identity of {self.metric}: weights of {where} must be {len(self.of)} numbers that "
                    f"are not negative, got {weights!r}"
                )
        object.__setattr__(self, "weights", MappingProxyType(dict(self.weights)))


@dataclass(frozen=True, kw_only=True)
class MtebTask:
    """How some metrics of an evaluator are called in a results file of MTEB, the embedding benchmark.

    Attributes:
        type: the kind of task in MTEB's words, e.g. ``"Any2AnyRetrieval"``.
        main: the metric of ours that becomes ``main_score``.
        scores: MTEB's names by ours, e.g. ``{"t2v_r1": "recall_at_1"}``; holds ``main``.
        languages: as MTEB writes them, e.g. ``("eng-Latn",)``.
        suffix: what the dataset's name gets to make the task's, where an evaluator has several tasks.
    """

    type: str
    main: str
    scores: Mapping[str, str]
    languages: tuple[str, ...]
    suffix: str = ""

    def __post_init__(self) -> None:
        if self.main not in self.scores:
            raise ValueError(f"MtebTask scores must hold the main metric {self.main!r}")
        object.__setattr__(self, "scores", MappingProxyType(dict(self.scores)))


@dataclass(frozen=True, kw_only=True)
class DatasetSpec:
    """A dataset of one task.

    Attributes:
        name: unique within the task.
        summary: one line.
        task: the join with models and evaluators.
        load: Ref ``(root: Path, options: Config) -> TaskData``.
        config: Ref to the pydantic class of its options (split version and the like), or None.
        files: what must lie below ``<data root>/<name>``; empty for embedded data. Files that name a
            ``layout`` are alternatives: all files of one layout are enough.
        prepare: Ref ``(root: Path, options: Config, progress: Progress) -> Mapping[str, object]`` for
            ``mlzoo data prepare``: makes the dataset's files from raw ones, whole or not at all, and
            returns facts of what was made (JSON values).
        prepare_config: Ref to the pydantic class of the options of ``prepare``, or None: it then gets
            None.
        download: Ref like ``prepare``, for what ``mlzoo data download`` fetches beyond the files, such
            as a million images of a list; called after the files, and what it does its options say.
            Whatever it fetches is whole or not there, and the same call goes on after a stop.
        download_config: Ref to the pydantic class of the options of ``download``, or None.
        doctor: Ref ``(root: Path, options: Config) -> Sequence[Finding]`` for ``mlzoo data doctor``:
            which variant a copy is, what it may be compared with and what is wrong with it. Without
            one, the files are looked for and loaded.
        stats: Ref ``(root: Path, options: Config) -> Mapping[str, Mapping[str, Sequence]]`` for
            ``mlzoo data info NAME --stats``: tables by name, each of named columns of equal length;
            NaN or None is an empty cell. What it needs of the files it looks for itself, and raises
            DataError if one is not there; it need not be all that a run needs.
        demo: Ref ``(root: Path, seed: int) -> Mapping[str, object]``; writes a small dataset in the
            real file format with a planted answer, and returns what was planted.
        embedded: needs no files at all.
        versions: known split versions.
        repeats: name of an integer option whose values are repetitions of one experiment, such as
            ``"split"`` where a benchmark has thirty random splits. ``mlzoo run`` then offers it in the
            plural (``--splits 1-30``), and a report takes the mean over these runs.
    """

    name: str
    summary: str
    task: str
    load: Ref
    config: Ref | None = None
    files: tuple[DataFile, ...] = ()
    prepare: Ref | None = None
    prepare_config: Ref | None = None
    download: Ref | None = None
    download_config: Ref | None = None
    doctor: Ref | None = None
    stats: Ref | None = None
    demo: Ref | None = None
    embedded: bool = False
    versions: tuple[str, ...] = ()
    repeats: str | None = None
    paper: Paper | None = None
    homepage: str = ""
    licence: str = ""

    def __post_init__(self) -> None:
        _check_name(self, name=self.name, task=self.task)
        _check_ref(
            self,
            load=self.load,
            config=self.config,
            prepare=self.prepare,
            prepare_config=self.prepare_config,
            download=self.download,
            download_config=self.download_config,
            doctor=self.doctor,
            stats=self.stats,
            demo=self.demo,
        )


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """A published method.

    Attributes:
        name: unique among all models.
        config: Ref to the pydantic class of its options.
        factory: Ref ``(config, data) -> Model``.
        presets: option values by ``dataset``, ``dataset/variant`` or ``*/variant`` (of every dataset that
            has none of its own); a variant starts from its dataset's. On demo data the variant ``demo`` is
            taken if none is named, and ``demo-x`` for ``x`` if there is one.
        published: numbers of the paper, with their source.
        default_dataset: an embedded dataset, so that ``mlzoo run NAME`` needs no files.
        figures: Ref ``(runs: Sequence[RunRecord]) -> matplotlib Figure`` by name.
        predict: Ref ``(model: Model, data: TaskData, inputs: Sequence[Path], progress: Progress) ->
            Mapping[str, Sequence | ndarray]`` for ``mlzoo predict``: files of new inputs to named
            columns of equal length, one row a sample, of finite numbers, truth values or text. The
            model has its selected weights, ``data`` is what it was trained with; ``progress.message``
            takes what the person should know. It must not read a label.
        predict_config: Ref to the pydantic class of the options of ``predict``, which then gets them as
            its fifth argument ``options``; or None.
        predict_without_inputs: the options alone can say what to predict (``--text "..."``), so that the
            command needs no INPUT; ``predict`` raises UsageError if they do not.
        weights: Ref ``(file: Path, model: Model, data: TaskData, progress: Progress) ->
            Mapping[str, object]`` for ``mlzoo weights import``: fills the model, which was just built for
            ``data``, with the weights of a file that others have published, all of them or none, and
            returns facts of the file (JSON values). It raises CheckpointError or DataError with the
            keys that are missing, unknown or mis-shaped. The file is hostile.
        onnx: Ref ``(model: Model, data: TaskData) -> OnnxNetwork`` for ``mlzoo export RUN --to onnx``:
            what maps features to scores or embeddings, as one network with example inputs, see
            :class:`mlzoo.OnnxNetwork`. The model has its selected weights and is on the CPU. It raises
            UsageError where the model has such a network under other options alone.
        deterministic: nothing in it is drawn at random: every seed gives the same weights.
        budget: one line of measured time and memory.
    """

    name: str
    summary: str
    task: str
    paper: Paper
    config: Ref
    factory: Ref
    default_dataset: str
    presets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    published: tuple[Published, ...] = ()
    figures: Mapping[str, Ref] = field(default_factory=dict)
    predict: Ref | None = None
    predict_config: Ref | None = None
    predict_without_inputs: bool = False
    weights: Ref | None = None
    onnx: Ref | None = None
    deterministic: bool = False
    budget: str = ""

    def __post_init__(self) -> None:
        _check_name(self, name=self.name, task=self.task, default_dataset=self.default_dataset)
        _check_ref(
            self,
            config=self.config,
            factory=self.factory,
            predict=self.predict,
            predict_config=self.predict_config,
            weights=self.weights,
            onnx=self.onnx,
        )
        if self.predict_config is not None and self.predict is None:
            raise ValueError("ModelSpec predict_config needs a predict")
        if self.predict_without_inputs and self.predict_config is None:
            raise ValueError("ModelSpec predict_without_inputs needs a predict_config")
        _check_ref(self, **{f"figures[{name!r}]": ref for name, ref in self.figures.items()})
        object.__setattr__(self, "presets", MappingProxyType(dict(self.presets)))
        object.__setattr__(self, "figures", MappingProxyType(dict(self.figures)))

    def variants(self, dataset: str) -> dict[str, str]:
        """The keys of the presets that a dataset has beside its own, by variant."""
        found = {}
        for name in ("*", dataset):
            keys = (key for key in self.presets if key.startswith(f"{name}/"))
            found.update({key.partition("/")[2]: key for key in keys})
        return found


@dataclass(frozen=True, kw_only=True)
class EvaluatorSpec:
    """A scorer of stored predictions.

    Attributes:
        score: Ref ``(predictions: Mapping[str, ndarray], data: TaskData) -> dict[str, float]``.
        metrics: every key that ``score`` returns; exactly one evaluator of a task has the main metric.
        tables: Ref ``(predictions, data) -> Mapping[str, Sequence | ndarray]`` by name: what numbers
            for the whole split leave out, such as each class's accuracy. Named columns of equal
            length; NaN or None is an empty cell. A finished run keeps them as
            ``tables/<split>-<name>.csv``, ``mlzoo report RUN --table NAME`` shows them.
        paired: Ref ``(one: Mapping[str, ndarray], other: Mapping[str, ndarray]) -> Mapping[str, float |
            str]`` of two runs' predictions of one split, for ``mlzoo compare RUN RUN``: a test of whether
            they differ by more than chance. It pairs what belongs together itself, and returns ``test``,
            its name, ``p``, its p-value, and what else it says in finite numbers or text.
        identities: what its metrics must obey among themselves, whoever reports them: ``mlzoo card check``
            holds published numbers against them, the contract suite those of a run.
        mteb: tasks of MTEB's kind that its metrics are numbers of, for ``mlzoo export RUN --to mteb-json``.
        version: raised whenever a value may change.
    """

    name: str
    summary: str
    task: str
    score: Ref
    metrics: Mapping[str, Metric]
    tables: Mapping[str, Ref] = field(default_factory=dict)
    paired: Ref | None = None
    identities: tuple[Identity, ...] = ()
    mteb: tuple[MtebTask, ...] = ()
    version: str = "1"

    def __post_init__(self) -> None:
        _check_name(self, name=self.name, task=self.task)
        _check_name(self, **{f"tables[{name!r}]": name for name in self.tables})
        _check_ref(self, score=self.score, paired=self.paired)
        _check_ref(self, **{f"tables[{name!r}]": ref for name, ref in self.tables.items()})
        if not self.metrics:
            raise ValueError("EvaluatorSpec metrics must name at least one metric")
        for identity in self.identities:
            if identity.metric not in self.metrics:
                raise ValueError(
                    f"EvaluatorSpec identities speak of {identity.metric!r}, which is no metric of its"
                )
        unknown = {name for each in self.mteb for name in each.scores} - set(self.metrics)
        if unknown:
            raise ValueError(f"EvaluatorSpec mteb names unknown metrics {sorted(unknown)}")
        object.__setattr__(self, "metrics", MappingProxyType(dict(self.metrics)))
        object.__setattr__(self, "tables", MappingProxyType(dict(self.tables)))


Spec: TypeAlias = DatasetSpec | ModelSpec | EvaluatorSpec


def refs_of(spec: Spec) -> Iterator[tuple[str, Ref]]:
    """Every Ref of a spec with the name of its field."""
    prepared = ("prepare", "prepare_config", "download", "download_config")
    datasets = ("load", "config", *prepared, "doctor", "stats", "demo")
    models = ("factory", "predict", "predict_config", "weights", "onnx")
    for name in (*datasets, *models, "score", "paired"):
        ref = getattr(spec, name, None)
        if ref is not None:
            yield name, ref
    yield from getattr(spec, "figures", {}).items()
    yield from getattr(spec, "tables", {}).items()
