"""The baselines of contextual retrieval on a small planted world: runs, what they learn, what they refuse."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import check_grad
from small_contextual import small_contextual, small_part

import mlzoo
from mlzoo.checkpoints import load_checkpoint
from mlzoo.cli import output
from mlzoo.errors import DataError, UsageError
from mlzoo.experiment import Interrupted
from mlzoo.progress import Progress
from mlzoo.registry import registry
from mlzoo.testing import first_difference
from mlzoo_imagecode.baselines.cards import baselines
from mlzoo_imagecode.baselines.config import (
    ImageOnlyConfig,
    PositionPriorConfig,
    RandomChoiceConfig,
)
from mlzoo_imagecode.baselines.image_features import (
    PIXELS,
    ImageFeatures,
    image_features,
    read_thumbnails,
    width_of,
)
from mlzoo_imagecode.baselines.image_only import ImageOnly, logit_loss
from mlzoo_imagecode.baselines.position_prior import PositionPrior
from mlzoo_imagecode.baselines.random_choice import RandomChoice
from mlzoo_imagecode.contextual import ContextualData
from mlzoo_imagecode.evaluators import score
from mlzoo_imagecode.scores.chance import best_position

LADDER = ("random-choice", "position-prior", "image-only")
TASK = "contextual-retrieval"
PLANTED = """
from small_contextual import small_contextual
from mlzoo import DatasetSpec, hookimpl
from mlzoo_imagecode.baselines.cards import baselines
from mlzoo_imagecode.plugin import mlzoo_models as installed


def load(root, options):
    return small_contextual(favourite=True, train=120, val=24, test=40)


def load_hidden(root, options):
    return small_contextual(favourite=True, hidden=True)


@hookimpl
def mlzoo_datasets():
    for name, loader in (("favourites", "load"), ("hidden-favourites", "load_hidden")):
        yield DatasetSpec(
            name=name,
            summary="the darker image at position 3 or 5 is described",
            task="contextual-retrieval",
            load=f"mlzoo_favourites:{loader}",
            embedded=True,
        )


@hookimpl
def mlzoo_models():
    there = {spec.name for spec in installed()}
    yield from (spec for spec in baselines("contextual-retrieval") if spec.name not in there)
"""


@pytest.fixture
def planted(site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """The datasets ``favourites`` and ``hidden-favourites`` beside what is installed."""
    site.add("mlzoo-favourites", PLANTED)
    monkeypatch.setenv("MLZOO_DATA", str(tmp_path / "data-root"))
    monkeypatch.setenv("MLZOO_CACHE", str(tmp_path / "cache"))
    forget_plugins()
    yield
    forget_plugins()


def forget_plugins() -> None:
    registry.cache_clear()
    output.installed.cache_clear()


def run(model: str, out: Path, **options: Any) -> mlzoo.Result:
    given = {"dataset": "favourites", "device": "cpu", "figures": False, **options}
    return mlzoo.run(model, out=out, progress=Progress(quiet=True), **given)


class Walk:
    """The part of a run that a fit calls."""

    seed = 0
    selector = type("Selector", (), {"rule": "val"})

    def epochs(self, count: int, **state: Any) -> Iterator[int]:
        return iter(range(1, count + 1))

    def generator(self, epoch: int) -> torch.Generator:
        return torch.Generator().manual_seed(epoch)

    def log(self, **values: Any) -> None:
        self.logged = values

    def evaluate(self, model: Any) -> None:
        model.predict("val")


def test_the_ladder_rises(planted, tmp_path) -> None:
    found = {model: run(model, tmp_path) for model in LADDER}
    random, prior, blind = (found[model].metrics["test"]["accuracy"] for model in LADDER)
    assert random < 35
    references = found["position-prior"].results["references"]["accuracy"]
    assert references["chance"] == 10
    assert prior == pytest.approx(references["best position"])
    assert 35 < prior < 70
    assert blind > prior + 10


def test_image_only_stopped_and_resumed_equals_straight(planted, tmp_path) -> None:
    straight = run("image-only", tmp_path / "a", preset="smoke")
    with pytest.raises(Interrupted):
        run("image-only", tmp_path / "b", preset="smoke", stop_after=1)
    (half,) = (path.parent for path in (tmp_path / "b").rglob("run.json"))
    resumed = mlzoo.resume(half, figures=False, progress=Progress(quiet=True))
    for name in ("best.pt", "last.pt"):
        one, two = (
            load_checkpoint(r.directory / "checkpoints" / name) for r in (straight, resumed)
        )
        assert first_difference(one, two) is None


def test_a_run_on_hidden_targets_keeps_its_predictions(planted, tmp_path) -> None:
    found = run("image-only", tmp_path, dataset="hidden-favourites", penalties=(0.01,))
    assert np.isnan(found.metrics["test"]["accuracy"])
    assert found.metrics["val"]["accuracy"] >= 30
    with np.load(found.directory / "predictions" / "test.npz") as kept:
        assert (kept["target"] == -1).all()
        assert len(kept["shown_row"]) == len(kept["shown_image"]) == 8


@pytest.mark.parametrize(
    ("model", "options", "option"),
    [
        ("random-choice", {"draws": 3}, "draws"),
        ("position-prior", {"counts": ("all", "kind")}, "counts"),
        ("image-only", {}, "penalties"),
    ],
)
def test_a_grid_that_nothing_chooses_from_is_refused(
    planted, tmp_path, model, options, option
) -> None:
    with pytest.raises(UsageError, match=f"chooses none of the . values of {option}"):
        run(model, tmp_path, select="last", **options)


def models(data: ContextualData) -> list[Any]:
    torch.manual_seed(0)
    return [
        RandomChoice(RandomChoiceConfig(), data),
        PositionPrior(PositionPriorConfig(), data),
        ImageOnly(ImageOnlyConfig(penalties=(0.01,), images_at_once=7), data),
    ]


@pytest.mark.parametrize("choices", [2, 10])
def test_predictions_are_the_arrays_of_the_task(choices) -> None:
    data = small_contextual(choices=choices)
    part = data.part("test")
    for model in models(data):
        model.fit(Walk())
        found = model.predict("test")
        assert set(found) == {"scores", *part.arrays(), "shown_row", "shown_image"}
        assert found["scores"].dtype == np.float32
        assert found["scores"].shape == (len(part), choices)
        assert score(found, data)
        again = model.predict("test")
        assert all(np.array_equal(found[name], again[name]) for name in found)


@pytest.mark.parametrize("model", [0, 1, 2])
def test_neither_targets_nor_other_descriptions_nor_texts_change_a_score(model) -> None:
    data = small_contextual()
    made = models(data)[model]
    made.fit(Walk())
    whole = made.predict("test")["scores"]
    part = data.part("test")
    blind = replace(part, target=np.full(len(part), -1), texts=tuple("nothing" for _ in part.texts))
    made.data = replace(data, parts={**data.parts, "test": blind})
    if model == 2:
        made._features = {}
    np.testing.assert_array_equal(made.predict("test")["scores"], whole)
    if model:  # random scores are drawn for the split
        made.data = data.limited(5)
        made._features = {}
        np.testing.assert_allclose(made.predict("test")["scores"], whole[:5], atol=1e-6)


def test_position_prior_counts_kinds_together_or_apart() -> None:
    data = small_contextual(train=40)
    train = data.part("train")
    model = PositionPrior(PositionPriorConfig(), data)
    model.fit(Walk())
    share = np.bincount(train.target, minlength=10) / len(train)
    np.testing.assert_allclose(model.rates, [share, share])
    found = score(model.predict("test"), data)
    assert found["accuracy"] == pytest.approx(best_position(data))
    apart = PositionPrior(PositionPriorConfig(counts=("kind",)), data)
    apart.fit(Walk())
    for kind in (0, 1):
        of_kind = train.target[train.is_video == bool(kind)]
        expected = np.bincount(of_kind, minlength=10) / len(of_kind)
        np.testing.assert_allclose(apart.rates[kind], expected)


def test_of_few_candidates_a_position_counts_by_how_often_it_was_one() -> None:
    part = small_part(12, seed=1)
    random = np.random.RandomState(0)
    pairs = np.stack([random.permutation(10)[:2] for _ in part.texts])
    pairs = np.sort(pairs, axis=1)
    target = random.randint(0, 2, size=len(part))
    chosen = np.take_along_axis(part.candidates, pairs, axis=1)
    two = replace(part, candidates=chosen, target=target)
    data = ContextualData(train=two, parts={"test": two, "val": two})
    model = PositionPrior(PositionPriorConfig(), data)
    model.fit(Walk())
    for place in range(10):
        offered = (pairs == place).sum()
        described = (pairs[np.arange(len(pairs)), target] == place).sum()
        assert model.rates[0, place] == pytest.approx(described / offered if offered else 0)


def test_image_only_finds_the_minimum_of_its_loss() -> None:
    random = np.random.RandomState(0)
    x = random.standard_normal((12, 5)).astype(np.float32)
    candidates = random.randint(0, 12, size=(20, 4))
    target = random.randint(0, 4, size=20)
    weight = random.standard_normal(5)

    def plain(w: np.ndarray) -> float:
        logits = torch.from_numpy(x[candidates]).double() @ torch.from_numpy(w)
        loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(target))
        return float(loss) + 0.3 / 2 * float(w @ w)

    value, gradient = logit_loss(weight, x, candidates, target, 0.3)
    assert value == pytest.approx(plain(weight), abs=1e-5)
    error = check_grad(plain, lambda w: logit_loss(w, x, candidates, target, 0.3)[1], weight)
    assert error < 1e-4
    assert gradient.shape == (5,)


def test_features_speak_of_an_image_among_its_set() -> None:
    part = small_part(3, seed=2, choices=4)
    thumbnails = read_thumbnails(part.images, np.arange(12), 5)
    found = image_features(part, np.arange(12), thumbnails, 6)
    assert found.shape == (12, width_of(6))
    of_set = thumbnails.reshape(3, 4, PIXELS)
    apart = (of_set - of_set.mean(axis=1, keepdims=True)).reshape(12, PIXELS)
    np.testing.assert_allclose(found[:, :PIXELS], apart, atol=1e-6)
    np.testing.assert_allclose(found[:, PIXELS : 2 * PIXELS], np.abs(apart), atol=1e-6)
    np.testing.assert_allclose(found[:, 2 * PIXELS], (apart**2).mean(axis=1), rtol=1e-4)
    for image in range(12):
        own = of_set[image // 4]
        squares = ((own - thumbnails[image]) ** 2).mean(axis=1)
        place = image % 4
        following = squares[place + 1] if place < 3 else squares[2]
        nearest = np.delete(squares, place).min()
        np.testing.assert_allclose(
            found[image, 2 * PIXELS + 1 : 2 * PIXELS + 3], [following, nearest], atol=1e-5
        )
        hot = np.flatnonzero(found[image, 2 * PIXELS + 3 :])
        assert hot.tolist() == [6 * int(part.video[image // 4]) + place]


def test_only_images_of_described_sets_are_read() -> None:
    part = small_part(5, seed=2, choices=4)
    asked: list[int] = []

    class Watched(type(part.images)):
        def crops(self, rows, size, *, fast=False):
            asked.extend(rows.tolist())
            return super().crops(rows, size, fast=fast)

    watched = replace(part, images=Watched(part.images.pixels, part.images.names))
    rows = np.flatnonzero(np.isin(part.set_of, [1, 3]))
    found = ImageFeatures.of(watched.taken(rows), 4, at_once=3)
    assert sorted(asked) == [4, 5, 6, 7, 12, 13, 14, 15]
    whole = ImageFeatures.of(part, 4, at_once=100)
    np.testing.assert_allclose(
        found.x[found.candidates], whole.x[whole.candidates[rows]], atol=1e-6
    )


def test_nothing_to_learn_from_is_refused() -> None:
    random, prior, blind = models(small_contextual(train=0))
    random.fit(Walk())
    for model in (prior, blind):
        with pytest.raises(DataError, match="nothing to learn from"):
            model.fit(Walk())


def test_states_of_other_shapes_are_refused() -> None:
    data = small_contextual()
    random, prior, blind = models(data)
    with pytest.raises(ValueError, match="a state of random-choice is a number"):
        random.load_state_dict({"seed": 1})
    with pytest.raises(ValueError, match="a state of position-prior is"):
        prior.load_state_dict({"rates": torch.zeros(2, 3)})
    with pytest.raises(ValueError, match="a state of image-only is"):
        blind.load_state_dict({**blind.state_dict(), "weight": torch.zeros(3)})


def test_cards_have_papers_and_smoke_presets_of_two_epochs() -> None:
    cards = {spec.name: spec for spec in baselines(TASK)}
    assert tuple(cards) == LADDER
    for spec in cards.values():
        assert spec.paper.url.startswith("https://")
        assert "smoke" in spec.variants("digit-strips")
        assert not spec.published
