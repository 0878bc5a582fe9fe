"""The baselines on a world whose regions show their tags' word vectors: runs, closed forms, refusals."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner

import mlzoo
from mlzoo.checkpoints import load_checkpoint
from mlzoo.cli import output
from mlzoo.cli.main import cli
from mlzoo.errors import DataError, UsageError
from mlzoo.experiment import Interrupted
from mlzoo.progress import Progress
from mlzoo.registry import registry
from mlzoo.testing import first_difference
from mlzoo_biam.baselines.config import ConSEConfig, TagFrequencyConfig, TagRidgeConfig
from mlzoo_biam.baselines.conse import ConSE
from mlzoo_biam.baselines.image_vectors import ImageVectors
from mlzoo_biam.baselines.tag_frequency import TagFrequency
from mlzoo_biam.baselines.tag_ridge import Moments, TagRidge, mean_words
from mlzoo_biam.labels import Labels
from mlzoo_biam.multilabel import Images, MultiLabelData

LADDER = ("tag-frequency", "tag-ridge", "conse")
TASK = "multilabel-zero-shot"
PLANTED = """
import hashlib

import numpy as np
from pydantic import Field

from mlzoo import Config, DatasetSpec, hookimpl
from mlzoo_biam.labels import Labels
from mlzoo_biam.multilabel import Images, MultiLabelData

SEEN, UNSEEN, WORDS, CHANNELS, SCENE, REGIONS = 20, 6, 8, 16, 12, 9


class Options(Config):
    images: int = Field(240, gt=3, description="of training; half as many for val and test")
    partly: bool = Field(False, description="some pairs of seen tags are not annotated")


class Memory:
    channels, grid, scene_width = CHANNELS, (3, 3), SCENE

    def __init__(self, regions, scene):
        self.all_regions, self.all_scene = regions, scene

    def __len__(self):
        return len(self.all_scene)

    def regions(self, rows):
        return self.all_regions[rows]

    def scene(self, rows):
        return self.all_scene[rows]

    def digest(self):
        return hashlib.sha256(self.all_regions.tobytes() + self.all_scene.tobytes()).hexdigest()


def load(root, options):
    random = np.random.RandomState(7)
    words = random.randn(SEEN + UNSEEN, WORDS)
    words /= np.linalg.norm(words, axis=1, keepdims=True)
    to_channels, to_scene = random.randn(WORDS, CHANNELS), random.randn(WORDS, SCENE)
    count = 2 * options.images
    often = np.linspace(0.03, 0.3, SEEN + UNSEEN)[random.permutation(SEEN + UNSEEN)]
    present = random.rand(count, SEEN + UNSEEN) < often
    regions = 0.1 * random.rand(count, CHANNELS, REGIONS)
    for image, tag in zip(*np.nonzero(present)):
        regions[image, :, random.randint(REGIONS)] += words[tag] @ to_channels
    scene = present @ words @ to_scene + 0.1 * random.randn(count, SCENE)
    labels = np.where(present, 1, -1)
    if options.partly:
        labels[random.rand(*labels.shape) < 0.5] = 0
    features = Memory(regions.astype(np.float32), scene.astype(np.float32))
    names = [f"{i:04}.jpg" for i in range(count)]
    whole = Images(features, Labels.from_dense(labels, 0 if options.partly else -1), names, np.arange(count))
    ends = np.cumsum([options.images, options.images // 2])
    train, val, test = (whole.only(part) for part in np.split(whole.rows, ends))
    return MultiLabelData(
        tags=tuple(f"tag {i}" for i in range(SEEN + UNSEEN)),
        seen_count=SEEN,
        vectors=words.astype(np.float32),
        train=train,
        val=val,
        test=test,
    )


@hookimpl
def mlzoo_datasets():
    yield DatasetSpec(
        name="planted-tags",
        summary="regions that show word vectors",
        task="multilabel-zero-shot",
        load="mlzoo_planted:load",
        config="mlzoo_planted:Options",
        embedded=True,
    )
"""


@pytest.fixture
def planted(site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """The dataset ``planted-tags`` beside what is installed."""
    site.add("mlzoo-planted", PLANTED)
    monkeypatch.setenv("MLZOO_DATA", str(tmp_path / "data-root"))
    forget_plugins()
    yield
    forget_plugins()


def forget_plugins() -> None:
    registry.cache_clear()
    output.installed.cache_clear()


@pytest.fixture
def load(planted) -> Callable[..., MultiLabelData]:
    return lambda **options: mlzoo.load_dataset("planted-tags", **options)


def run(model: str, out: Path, **options: Any) -> mlzoo.Result:
    given = {"dataset": "planted-tags", "device": "cpu", "figures": False, **options}
    return mlzoo.run(model, out=out, progress=Progress(quiet=True), **given)


@pytest.mark.parametrize("partly", [False, True])
def test_the_ladder_rises_above_chance_and_stands_in_one_table(planted, tmp_path, partly) -> None:
    found = {model: run(model, tmp_path, partly=partly) for model in LADDER}
    frequency, ridge, conse = (found[model].metrics["test"] for model in LADDER)
    chance = found["conse"].results["references"]
    assert frequency["seen_f1_5"] > chance["seen_f1_5"]["chance"] + 3
    for learned in (ridge, conse):
        assert learned["seen_f1_5"] > frequency["seen_f1_5"] + 5
        assert learned["seen_map"] > chance["seen_map"]["chance"] + 10
    assert ridge["zsl_map"] > chance["zsl_map"]["chance"] + 10
    shown = CliRunner().invoke(cli, ["report", str(tmp_path), "--format", "md"])
    heads = next(line for line in shown.output.splitlines() if line.startswith("| metric"))
    assert all(model in heads for model in LADDER)
    assert ("| zsl_map_pooled %" in shown.output) == partly
    assert "| zsl_f1_10 %" not in shown.output  # there are but six unseen tags
    assert "| zsl_f1_5 %" in shown.output


@pytest.mark.parametrize("model", LADDER)
def test_stopped_and_resumed_equals_straight_and_scores_again_the_same(
    planted, tmp_path, model
) -> None:
    straight = run(model, tmp_path / "a", preset="smoke")
    with pytest.raises(Interrupted):
        run(model, tmp_path / "b", preset="smoke", stop_after=1)
    (half,) = (path.parent for path in (tmp_path / "b").rglob("run.json"))
    resumed = mlzoo.resume(half, figures=False, progress=Progress(quiet=True))
    for name in ("best.pt", "last.pt"):
        one, two = (
            load_checkpoint(r.directory / "checkpoints" / name) for r in (straight, resumed)
        )
        assert first_difference(one, two) is None
    again = mlzoo.evaluate(straight.directory, device="cpu")
    assert first_difference(again, straight.metrics) is None
    assert {path.name for path in (straight.directory / "tables").iterdir()} == {
        f"{split}-{table}.csv" for split in ("val", "test") for table in ("per-tag", "at-k")
    }


@pytest.mark.parametrize("model", LADDER)
def test_the_seed_changes_what_is_not_deterministic(planted, tmp_path, model) -> None:
    entry = next(entry for entry in registry().models if entry.spec.name == model)
    one, two = (
        load_checkpoint(
            run(model, tmp_path / str(seed), preset="smoke", seed=seed).directory
            / "checkpoints"
            / "best.pt"
        )["model"]
        for seed in (0, 1)
    )
    assert (first_difference(one, two) is None) == entry.spec.deterministic


@pytest.mark.parametrize(
    ("model", "option"), [("tag-ridge", "penalties"), ("tag-frequency", "counts")]
)
def test_a_grid_that_nothing_chooses_from_is_refused(planted, tmp_path, model, option) -> None:
    with pytest.raises(UsageError, match=f"chooses none of the . values of {option}"):
        run(model, tmp_path, select="last")


def test_labels_of_unseen_tags_change_no_baseline(load, tmp_path) -> None:
    data = load()
    dense = data.train.labels.dense()
    dense[:, data.seen_count :] = -1
    blind = Images(
        data.train.features, Labels.from_dense(dense, -1), data.train.names, data.train.rows
    )
    for cls, config in ((TagFrequency, TagFrequencyConfig()), (TagRidge, TagRidgeConfig())):
        states = []
        for train in (data.train, blind):
            model = cls(config, with_train(data, train))
            model.fit(Walk())
            states.append(model.state_dict())
        assert first_difference(*states) is None
    conse = ConSE(ConSEConfig(), with_train(data, blind))
    assert conse.classifier.out_features == data.seen_count


def with_train(data: MultiLabelData, train: Images) -> MultiLabelData:
    return MultiLabelData(
        tags=data.tags,
        seen_count=data.seen_count,
        vectors=data.vectors,
        train=train,
        test=data.test,
    )


class Walk:
    """The part of a run that a closed form calls."""

    selector = type("Selector", (), {"rule": "val"})

    def epochs(self, count: int, **state: Any) -> Iterator[int]:
        return iter(range(1, count + 1))

    def log(self, **values: float) -> None:
        self.logged = values

    def evaluate(self, model: Any) -> None:
        model.predict("test")


def test_ridge_is_the_closed_form_whatever_the_batches(load) -> None:
    data, vectors = load(images=40), ImageVectors()
    words = data.vectors[data.seen].astype(np.float64)
    labels = data.train.own_labels.of_tags(data.seen)
    has_tag = labels.positives_of_images() > 0
    x = vectors.read(data.train, slice(None))[has_tag].astype(np.float64)
    t = mean_words(labels, words)[has_tag]
    centred = x - x.mean(axis=0)
    gram = centred.T @ centred
    penalty = 0.3 * np.trace(gram) / len(gram)
    expected = np.linalg.solve(gram + penalty * np.eye(len(gram)), centred.T @ (t - t.mean(axis=0)))
    for batch in (7, 1000):
        found = Moments.of(data.train, vectors, data.seen, words, batch)
        np.testing.assert_allclose(found.solve(0.3), expected, rtol=1e-8, atol=1e-10)


def test_mean_words_are_those_of_the_positive_tags() -> None:
    words = np.eye(3)
    labels = Labels.from_dense(np.array([[1, -1, 1], [-1, 0, 0], [0, 1, 0]]), 0)
    np.testing.assert_allclose(mean_words(labels, words), [[0.5, 0, 0.5], [0, 0, 0], [0, 1, 0]])


def test_conse_mixes_the_words_of_the_likeliest_tags(load) -> None:
    data = load(images=8)
    model = ConSE(ConSEConfig(top=2), data)
    torch.nn.init.normal_(model.classifier.weight, generator=torch.Generator().manual_seed(0))
    x = ImageVectors().read(data.test, slice(0, 3))
    logits = x @ model.classifier.weight.detach().numpy().T
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    for row, found in enumerate(model.scores(torch.from_numpy(x)).detach().numpy()):
        first, second = np.argsort(-p[row])[:2]
        f = p[row, first] * data.vectors[first] + p[row, second] * data.vectors[second]
        np.testing.assert_allclose(
            found, data.vectors @ f / np.linalg.norm(f), rtol=1e-4, atol=1e-5
        )


def test_frequency_of_an_unseen_tag_is_the_mean_of_its_nearest_seen_tags(load) -> None:
    data = load(partly=True)
    model = TagFrequency(TagFrequencyConfig(neighbours=2), data)
    labels = data.train.own_labels.dense()[:, data.seen]
    for counted, among in (("images", len(labels)), ("annotated", (labels != 0).sum(axis=0))):
        found = model.frequencies(counted)
        seen = (labels == 1).sum(axis=0) / among
        np.testing.assert_allclose(found[data.seen], seen)
        alike = data.vectors[data.unseen] @ data.vectors[data.seen].T
        nearest = np.argsort(-alike, axis=1)[:, :2]
        np.testing.assert_allclose(found[data.unseen], seen[nearest].mean(axis=1))


def test_image_vectors_have_parts_of_length_one_and_read_what_is_asked_for(load) -> None:
    data = load(images=8)
    regions, scene = data.train.read(slice(0, 4))
    both = ImageVectors().read(data.train, slice(0, 4))
    assert both.shape == (4, ImageVectors().width(data.train))
    unit = [
        part / np.linalg.norm(part, axis=1, keepdims=True)
        for part in (regions.mean(axis=2), regions.max(axis=2), scene)
    ]
    np.testing.assert_allclose(both, np.concatenate(unit, axis=1), rtol=1e-5)
    data.train.features.regions = None  # not callable
    only = ImageVectors("scene").read(data.train, slice(0, 4))
    np.testing.assert_allclose(only, unit[2], rtol=1e-5)


@pytest.mark.parametrize(("cls", "config"), [(TagRidge, TagRidgeConfig()), (ConSE, ConSEConfig())])
def test_training_images_without_any_seen_tag_are_refused(load, cls, config) -> None:
    data = load(images=8)
    nothing = Labels.from_dense(np.full_like(data.train.labels.dense(), -1), -1)
    train = Images(data.train.features, nothing, data.train.names, data.train.rows)
    with pytest.raises(DataError, match="no training image has a seen tag"):
        cls(config, with_train(data, train)).fit(Walk())
