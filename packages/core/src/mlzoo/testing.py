"""The contract suite for plugin authors, two lines in a test file::

    from mlzoo.testing import ContractSuite
    class TestContract(ContractSuite): distribution = "my-distribution"

Every check is also a plain function that raises ``AssertionError`` with the culprit's name. Models
are trained with their preset ``<default dataset>/smoke``, which should take seconds.
"""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

from mlzoo.cards import check_entry
from mlzoo.config import Config
from mlzoo.experiment import Result, evaluate, resume, run
from mlzoo.identities import disagreements
from mlzoo.plugins import Registered
from mlzoo.progress import Progress
from mlzoo.registry import registry, resolve
from mlzoo.report.paired import paired_test
from mlzoo.run_directory import RunRecord
from mlzoo.specs import DatasetSpec, ModelSpec, refs_of

HEAVY = ("torch", "numpy", "pydantic", "transformers", "sklearn", "scipy", "matplotlib", "h5py")
MOST_OPTIONS = 40
SMOKE = "smoke"


def check_loads(distribution: str | None = None) -> None:
    """Discovery takes all plugins of a distribution as they are, and finds at least one."""
    reg = registry()
    wrong = [f for f in reg.failures if distribution in (None, f.plugin.distribution)]
    assert not wrong, "; ".join(f"{f.plugin}: {f.reason}" for f in wrong)
    found = [plugin for plugin in reg.plugins if distribution in (None, plugin.distribution)]
    assert found, f"no plugin of the distribution {distribution!r} is installed"


def check_refs(entry: Registered) -> None:
    """Every Ref can be imported, and is callable or a class."""
    for field, ref in refs_of(entry.spec):
        assert callable(resolve(ref, entry.plugin)), f"{entry.spec.name}.{field} is not callable"


def check_options(entry: Registered) -> None:
    """Options are described, typed as ``Config``, and few enough to read."""
    from mlzoo.planning import predict_options

    fields = ("config", "prepare_config", "download_config", "predict_config")
    for ref in (getattr(entry.spec, field, None) for field in fields):
        if ref is None:
            continue
        cls = resolve(ref, entry.plugin)
        assert issubclass(cls, Config), f"{cls.__name__} must derive from mlzoo.Config"
        assert len(cls.model_fields) <= MOST_OPTIONS, f"{cls.__name__} has too many options"
        for name, field in cls.model_fields.items():
            assert field.description, f"option {name} of {cls.__name__} has no description"
    if isinstance(entry.spec, ModelSpec):
        predict_options(entry)


def check_presets(entry: Registered) -> None:
    """Every preset belongs to a dataset of the task and makes a valid config."""
    _check_card(entry, "presets")


def check_default_dataset(entry: Registered) -> None:
    """``mlzoo run NAME`` needs no files, and can be tried in seconds."""
    spec: ModelSpec = entry.spec
    _check_card(entry, "default dataset")
    assert SMOKE in spec.variants(spec.default_dataset), f"{spec.name} has no smoke preset"


def check_published(entry: Registered) -> None:
    """Published numbers name their source and speak of what exists: metrics, datasets and options."""
    _check_card(entry, "published")


def check_card(entry: Registered) -> None:
    """No error on the card of a model, dataset or evaluator, as ``mlzoo card check`` finds them: its
    citation, identities among published numbers, and the rest."""
    _check_card(entry)


def _check_card(entry: Registered, *rules: str) -> None:
    wrong = check_entry(entry, registry()).of_level("error", *rules)
    assert not wrong, "; ".join(f"{entry.spec.name}: {f.subject}: {f.text}" for f in wrong)


def check_listing_is_light(distribution: str | None = None) -> None:
    """Discovering plugins imports none of the heavy packages."""
    code = (
        "import sys; from mlzoo.registry import registry; registry(); "
        f"print(*[name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not done.stdout.split(), f"listing {distribution or 'plugins'} imports {done.stdout}"


def smoke_run(entry: Registered, out: Path, **changes: Any) -> Result:
    """A short run of the model on its default dataset."""
    settings: dict[str, Any] = {"preset": SMOKE, "device": "cpu", "seed": 0, "figures": False}
    quiet = Progress(quiet=True)
    return run(entry.spec.name, out=out, progress=quiet, **{**settings, **changes})


def check_scores(entry: Registered, result: Result) -> None:
    """The result has every scored split, finite main metrics unless its labels are hidden, metrics that
    obey the task's identities, stored predictions and tables."""
    evaluators = registry().evaluators_for(entry.spec.task)
    identities = [identity for each in evaluators for identity in each.spec.identities]
    main, hidden = result.results["main_metric"], result.results["data"]["hidden"]
    tables = [table for each in evaluators for table in each.spec.tables]
    assert "test" in result.metrics, f"{entry.spec.name}: the split test is not scored"
    for split, metrics in result.metrics.items():
        if split.partition("@")[0] not in hidden:
            finite = math.isfinite(metrics[main])
            assert finite, f"{entry.spec.name}: {main} on {split} is not finite"
        wrong = disagreements(identities, metrics, f"{result.results['dataset']}/{split}")
        assert not wrong, f"{entry.spec.name} on {split}: {'; '.join(wrong)}"
        kept = result.directory / "predictions" / f"{split}.npz"
        assert kept.is_file(), f"{entry.spec.name}: the predictions of {split} are not stored"
        for name in tables:
            kept = result.directory / "tables" / f"{split}-{name}.csv"
            assert kept.is_file(), f"{entry.spec.name}: the table {name!r} of {split} is not stored"


def check_eval_equals_results(result: Result) -> None:
    """Scoring the checkpoint again gives results.json's numbers."""
    again = evaluate(result.directory, device="cpu")
    assert same(again, result.metrics), f"scored again: {again}, in results.json: {result.metrics}"


def check_paired(entry: Registered, result: Result) -> None:
    """The task's paired tests read what the model predicts, and tell no run from itself."""
    record, hidden = RunRecord(result.directory), result.results["data"]["hidden"]
    tests = [each for each in registry().evaluators_for(entry.spec.task) if each.spec.paired]
    for split in result.metrics:
        if split.partition("@")[0] not in hidden:
            for test in tests:
                p = paired_test(test, record, record, split).p
                assert p > 0.99, f"{test.spec.name} tells {entry.spec.name} from itself, p = {p}"


def check_resume_is_exact(entry: Registered, straight: Result, out: Path) -> None:
    """Stopped and resumed: the same weights, bit for bit, and the same numbers."""
    from mlzoo.experiment import Interrupted

    with pytest.raises(Interrupted):
        smoke_run(entry, out, stop_after=1)
    (half,) = (path.parent for path in out.rglob("run.json"))
    resumed = resume(half, progress=Progress(quiet=True), figures=False)
    assert same(resumed.metrics, straight.metrics), "the numbers differ after resuming"
    rows = [RunRecord(result.directory).rows for result in (straight, resumed)]
    assert same(*rows), "the log differs after resuming"
    for name in ("last.pt", "best.pt"):
        one, two = (_checkpoint(r.directory / "checkpoints" / name) for r in (straight, resumed))
        difference = first_difference(one, two)
        assert difference is None, f"{name} after resuming: {difference}"


def check_full_disk_is_survived(entry: Registered, straight: Result, out: Path) -> None:
    """A disk that is full from the middle of a run on: one error, whole files, an exact resume."""
    from mlzoo.errors import RunError
    from mlzoo.faults import broken_files, failing_writes

    log = (straight.directory / "metrics.jsonl").read_text(encoding="utf-8").count("\n")
    with failing_writes(out, at=30 + log, lasting=True), pytest.raises(RunError, match="write"):
        smoke_run(entry, out)
    assert not (broken := broken_files(out)), f"{entry.spec.name} leaves {broken}"
    (half,) = (path.parent for path in out.rglob("run.json"))
    resumed = resume(half, progress=Progress(quiet=True), figures=False)
    assert same(resumed.metrics, straight.metrics), "the numbers differ after a full disk"
    one, two = (_checkpoint(r.directory / "checkpoints" / "best.pt") for r in (straight, resumed))
    assert same(one, two), "best.pt differs after a full disk"


def check_seed_decides(entry: Registered, result: Result, out: Path) -> None:
    """The same seed gives the same weights, another seed others, unless the model draws nothing."""
    name = Path("checkpoints") / "best.pt"
    first = _checkpoint(result.directory / name)["model"]
    again = _checkpoint(smoke_run(entry, out / "again").directory / name)["model"]
    other = _checkpoint(smoke_run(entry, out / "other", seed=1).directory / name)["model"]
    assert same(first, again), f"{entry.spec.name}: the same seed gave other weights"
    if entry.spec.deterministic:
        assert same(first, other), (
            f"{entry.spec.name} is declared deterministic, yet the seed decides"
        )
    else:
        assert not same(first, other), f"{entry.spec.name}: the seed changes nothing"


def check_demo(entry: Registered, out: Path) -> None:
    """A dataset's demo is written in its real format: it verifies, loads, and can be run."""
    from mlzoo.data.manifest import require
    from mlzoo.data.root import dataset_folder
    from mlzoo.experiment import load_dataset

    spec: DatasetSpec = entry.spec
    assert spec.demo is not None
    folder = dataset_folder(out / "data", spec.name)
    folder.mkdir(parents=True)
    planted = resolve(spec.demo, entry.plugin)(folder, 0)
    assert planted, f"{spec.name}: the demo does not tell what it planted"
    require(spec, out / "data")
    first, second = (
        load_dataset(spec.name, task=spec.task, data_dir=out / "data").fingerprint() for _ in "ab"
    )
    assert first == second, f"{spec.name}: loading twice gives different data"
    for model in registry().models:
        if model.spec.task == spec.task and SMOKE in model.spec.variants(spec.name):
            at = {"dataset": spec.name, "data_dir": out / "data"}
            check_scores(model, smoke_run(model, out / "runs", **at))


def _checkpoint(path: Path) -> dict[str, Any]:
    from mlzoo.checkpoints import load_checkpoint

    return dict(load_checkpoint(path))


def same(one: Any, two: Any) -> bool:
    """Equality of nested containers, bit for bit for tensors; NaN equals NaN."""
    return first_difference(one, two) is None


def first_difference(one: Any, two: Any, where: str = "") -> str | None:
    """The place of the first difference and what differs there; None if they are the same."""
    import torch

    if isinstance(one, torch.Tensor) and isinstance(two, torch.Tensor):
        if one.dtype == two.dtype and torch.equal(one, two):
            return None
        fits = one.shape == two.shape
        gap = f"by {(one.double() - two.double()).abs().max():.3g}" if fits else "in shape"
        return f"{where} differs {gap}"
    if isinstance(one, Mapping) and isinstance(two, Mapping) and one.keys() == two.keys():
        pairs = [(f"{where}.{key}".lstrip("."), one[key], two[key]) for key in one]
    elif isinstance(one, list | tuple) and isinstance(two, list | tuple) and len(one) == len(two):
        pairs = [(f"{where}[{i}]", a, b) for i, (a, b) in enumerate(zip(one, two, strict=True))]
    else:
        nan = [isinstance(value, float) and math.isnan(value) for value in (one, two)]
        equal = all(nan) or (type(one) is not torch.Tensor and one == two)
        return None if equal else f"{where}: {one!r} and {two!r}"[:200]
    found = (first_difference(a, b, place) for place, a, b in pairs)
    return next((difference for difference in found if difference is not None), None)


class ContractSuite:
    """Runs every check over the specs of one distribution, or of all when none is named."""

    distribution: ClassVar[str | None] = None

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        reg = registry()
        kinds = {
            "model": reg.models,
            "dataset": reg.datasets,
            "demo_dataset": [entry for entry in reg.datasets if entry.spec.demo],
            "entry": [*reg.models, *reg.datasets, *reg.evaluators],
            "optioned": [*reg.models, *reg.datasets],
        }
        for name, entries in kinds.items():
            if name in metafunc.fixturenames:
                mine = [e for e in entries if self.distribution in (None, e.plugin.distribution)]
                ids = [f"{type(e.spec).__name__}-{e.spec.name}" for e in mine]
                metafunc.parametrize(name, mine, ids=ids, scope="class")

    @pytest.fixture(scope="class")
    @classmethod
    def smoke(cls, model: Registered, tmp_path_factory: pytest.TempPathFactory) -> Result:
        """One smoke run a model, shared by the checks that only read it."""
        return smoke_run(model, tmp_path_factory.mktemp("smoke"))

    def test_plugin_loads_without_complaint(self) -> None:
        check_loads(self.distribution)

    def test_listing_imports_nothing_heavy(self) -> None:
        check_listing_is_light(self.distribution)

    def test_every_ref_resolves(self, entry: Registered) -> None:
        check_refs(entry)

    def test_every_option_is_described(self, optioned: Registered) -> None:
        check_options(optioned)

    def test_every_preset_makes_a_config(self, model: Registered) -> None:
        check_presets(model)

    def test_default_dataset_needs_no_files(self, model: Registered) -> None:
        check_default_dataset(model)

    def test_published_numbers_name_known_metrics_and_sources(self, model: Registered) -> None:
        check_published(model)

    def test_card_has_no_error(self, entry: Registered) -> None:
        check_card(entry)

    def test_smoke_run_scores_every_split(self, model: Registered, smoke: Result) -> None:
        check_scores(model, smoke)

    def test_eval_equals_results(self, smoke: Result) -> None:
        check_eval_equals_results(smoke)

    def test_paired_tests_tell_no_run_from_itself(self, model: Registered, smoke: Result) -> None:
        check_paired(model, smoke)

    def test_resume_is_bit_equal(self, model: Registered, smoke: Result, tmp_path: Path) -> None:
        check_resume_is_exact(model, smoke, tmp_path)

    def test_full_disk_is_survived(self, model: Registered, smoke: Result, tmp_path: Path) -> None:
        check_full_disk_is_survived(model, smoke, tmp_path)

    def test_seed_decides(self, model: Registered, smoke: Result, tmp_path: Path) -> None:
        check_seed_decides(model, smoke, tmp_path)

    def test_demo_loads_and_runs(self, demo_dataset: Registered, tmp_path: Path) -> None:
        check_demo(demo_dataset, tmp_path)
