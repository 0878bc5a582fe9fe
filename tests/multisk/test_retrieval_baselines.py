"""The baselines on three planted views: runs, the closed form, what clips lack, cuts."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_retrieval import SHAPE, small_retrieval

import mlzoo
from mlzoo.checkpoints import load_checkpoint
from mlzoo.cli import output
from mlzoo.errors import DataError, UsageError
from mlzoo.experiment import Interrupted
from mlzoo.progress import Progress
from mlzoo.registry import registry
from mlzoo.testing import first_difference
from mlzoo_multisk.baselines.config import (
    PooledCCAConfig,
    PooledInfoNCEConfig,
    RandomEmbeddingsConfig,
)
from mlzoo_multisk.baselines.pooled import Pooled, pool, pooled_training, spans
from mlzoo_multisk.baselines.pooled_cca import Moments, PooledCCA, canonical
from mlzoo_multisk.baselines.pooled_infonce import LinearMaps, PooledInfoNCE, contrastive_loss
from mlzoo_multisk.baselines.random_embeddings import RandomEmbeddings
from mlzoo_multisk.clips import MEL_BANDS, MODALITIES
from mlzoo_multisk.evaluators import score
from mlzoo_multisk.metric_specs import AVERAGED, MAIN, SINGLE

LADDER = ("random-embeddings", "pooled-cca", "pooled-infonce")
PLANTED = """
from small_retrieval import small_retrieval
from mlzoo import DatasetSpec, hookimpl
from mlzoo_multisk.baselines.cards import baselines
from mlzoo_multisk.plugin import mlzoo_models as installed


def load(root, options):
    return small_retrieval(lacks=(("audio", (1, 5)), ("text", (2,))))


@hookimpl
def mlzoo_datasets():
    yield DatasetSpec(
        name="planted-views",
        summary="three views of a point",
        task="multimodal-retrieval",
        load="mlzoo_planted_views:load",
        embedded=True,
    )


@hookimpl
def mlzoo_models():
    there = {spec.name for spec in installed()}
    yield from (spec for spec in baselines("multimodal-retrieval") if spec.name not in there)
"""


@pytest.fixture
def planted(site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """The dataset ``planted-views`` beside what is installed."""
    site.add("mlzoo-planted-views", PLANTED)
    monkeypatch.setenv("MLZOO_DATA", str(tmp_path / "data-root"))
    forget_plugins()
    yield
    forget_plugins()


def forget_plugins() -> None:
    registry.cache_clear()
    output.installed.cache_clear()


def run(model: str, out: Path, **options: Any) -> mlzoo.Result:
    given = {"dataset": "planted-views", "device": "cpu", "figures": False, **options}
    return mlzoo.run(model, out=out, progress=Progress(quiet=True), **given)


class Walk:
    """The part of a run that a fit calls."""

    seed = 0
    selector = type("Selector", (), {"rule": "val"})
    accelerator = type("Accelerator", (), {"backward": staticmethod(lambda loss: loss.backward())})

    def epochs(self, count: int, **state: Any) -> Iterator[int]:
        return iter(range(1, count + 1))

    def generator(self, epoch: int) -> torch.Generator:
        return torch.Generator().manual_seed(epoch)

    def prepare(self, *objects: Any) -> Any:
        return objects

    def log(self, **values: Any) -> None:
        self.logged = values

    def evaluate(self, model: Any) -> None:
        model.predict("val")


def test_the_ladder_rises_above_chance(planted, tmp_path) -> None:
    found = {
        "random-embeddings": run("random-embeddings", tmp_path),
        "pooled-cca": run("pooled-cca", tmp_path, projection=16),
        "pooled-infonce": run(
            "pooled-infonce", tmp_path, projection=16, batch_size=32, learning_rate=0.05, epochs=8
        ),
    }
    random, cca, infonce = (found[model].metrics["test"] for model in LADDER)
    assert random[MAIN] < 30
    for learned in (cca, infonce):
        for direction in (*SINGLE, *AVERAGED):
            assert learned[f"{direction}_r5"] > 80
            assert learned[f"{direction}_median_rank"] < 3
    references = found["pooled-cca"].results["references"]
    assert references["t2v_r5"]["chance"] == 100 * 5 / 32


@pytest.mark.parametrize("model", LADDER)
def test_stopped_and_resumed_equals_straight_and_scores_again_the_same(
    planted, tmp_path, model
) -> None:
    straight = run(model, tmp_path / "a", preset="smoke")
    again = mlzoo.evaluate(straight.directory, device="cpu")
    assert first_difference(again, straight.metrics) is None
    assert {path.name for path in (straight.directory / "tables").iterdir()} == {
        f"{split}-{table}.csv" for split in ("val", "test") for table in ("directions", "examples")
    }
    with pytest.raises(Interrupted):
        run(model, tmp_path / "b", preset="smoke", stop_after=1)
    (half,) = (path.parent for path in (tmp_path / "b").rglob("run.json"))
    resumed = mlzoo.resume(half, figures=False, progress=Progress(quiet=True))
    for name in ("best.pt", "last.pt"):
        one, two = (
            load_checkpoint(r.directory / "checkpoints" / name) for r in (straight, resumed)
        )
        assert first_difference(one, two) is None


@pytest.mark.parametrize(
    ("model", "options", "option"),
    [("pooled-cca", {}, "ridges"), ("random-embeddings", {"draws": 3}, "draws")],
)
def test_a_grid_that_nothing_chooses_from_is_refused(
    planted, tmp_path, model, options, option
) -> None:
    with pytest.raises(UsageError, match=f"chooses none of the . values of {option}"):
        run(model, tmp_path, select="last", **options)


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


def models(**options: Any) -> list[Any]:
    torch.manual_seed(0)
    data = small_retrieval(**options)
    made = [
        RandomEmbeddings(RandomEmbeddingsConfig(batch_size=10), data),
        PooledCCA(PooledCCAConfig(projection=8, batch_size=10), data),
        PooledInfoNCE(PooledInfoNCEConfig(projection=8, epochs=1, batch_size=10), data),
    ]
    for model in made:
        model.fit(Walk())
    return made


@pytest.mark.parametrize("cuts", [1, 3])
def test_predictions_are_the_arrays_of_the_task(cuts) -> None:
    for model in models(cuts=cuts, complete={"val": 24, "test": 40}):
        found = model.predict("test")
        assert set(found) == {
            *MODALITIES,
            *(f"has_{name}" for name in MODALITIES),
            "complete",
            "ids",
        }
        for name in MODALITIES:
            assert found[name].dtype == np.float32
            np.testing.assert_allclose(np.linalg.norm(found[name], axis=1), 1, rtol=1e-5)
            assert found[f"has_{name}"].dtype == bool
            assert found[f"has_{name}"].all()
        assert found["complete"] == 40
        assert found["ids"].tolist() == list(model.data.part("test").ids)
        again = model.predict("test")
        assert all(np.array_equal(found[name], again[name]) for name in found)
        assert score(found, model.data)["t2v_r50"] == 80


def test_cuts_are_averaged_and_the_one_that_does_not_count_left_out() -> None:
    whole = models(cuts=1)[1]
    test = small_retrieval(cuts=3).part("test")
    batch = test.batch(np.arange(32))
    assert batch.ids[:3] == (test.ids[0], test.ids[0], "-1")
    whole.data = small_retrieval(cuts=3)
    z = whole._embed(batch)["video"].reshape(32, 3, -1)[:, :2].mean(axis=1)
    expected = z / np.linalg.norm(z, axis=1, keepdims=True)
    np.testing.assert_allclose(whole.predict("test")["video"], expected, atol=1e-6)


def test_pooled_features_are_means_over_what_there_is() -> None:
    data = small_retrieval(lacks=(("audio", (0,)),))
    batch = data.train.draw(np.array([0, 3]), 0, 0)
    found = pool(batch)
    text, video, audio = (found.features[:, part] for part in spans(SHAPE))
    np.testing.assert_allclose(
        text, batch.text[:, :2].mean(axis=1), rtol=1e-5
    )  # the rest is padding
    np.testing.assert_allclose(video, batch.video.mean(axis=1), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(audio[1], batch.audio[1].mean(axis=1), rtol=1e-5, atol=1e-6)
    assert (audio[0] == 0).all()
    np.testing.assert_array_equal(found.there, [[True, True, False], [True, True, True]])


def with_gaps(count: int = 50) -> tuple[np.ndarray, np.ndarray, list[slice]]:
    random = np.random.RandomState(3)
    features = (random.standard_normal((count, 9)) + 4 + random.standard_normal((count, 1))).astype(
        np.float32
    )
    features[:, 2] = 7  # constant
    parts = [slice(0, 3), slice(3, 7), slice(7, 9)]
    there = random.uniform(size=(count, 3)) > 0.2
    for m, part in enumerate(parts):
        features[~there[:, m], part] = 0
    return features, there, parts


def test_moments_put_the_mean_where_something_lacks_whatever_the_batches() -> None:
    features, there, parts = with_gaps()
    widths = [part.stop - part.start for part in parts]
    known = np.where(np.repeat(there, widths, axis=1), features.astype(np.float64), np.nan)
    mean, deviation = np.nanmean(known, axis=0), np.nanstd(known, axis=0)
    deviation[2] = 1
    x = np.nan_to_num((known - mean) / deviation)
    for size in (7, 50):
        batches = [Pooled(features[a : a + size], there[a : a + size]) for a in range(0, 50, size)]
        found = Moments.of(batches, parts)
        np.testing.assert_allclose(found.mean, mean, rtol=1e-10)
        np.testing.assert_allclose(found.deviation, deviation, rtol=1e-8)
        np.testing.assert_allclose(found.correlation, x.T @ x / 50, atol=1e-9)
        maps = LinearMaps(parts, 4)
        maps.standardise(batches)
        np.testing.assert_allclose(maps.mean, mean, rtol=1e-5)
        np.testing.assert_allclose(maps.deviation, deviation, rtol=1e-4)


def test_of_two_sets_the_closed_form_is_hotellings() -> None:
    random = np.random.RandomState(1)
    common = random.standard_normal((400, 3))
    one = common @ random.standard_normal((3, 5)) + random.standard_normal((400, 5))
    other = common @ random.standard_normal((3, 4)) + random.standard_normal((400, 4))
    x, y = ((each - each.mean(axis=0)) / each.std(axis=0) for each in (one, other))
    correlation = np.corrcoef(np.concatenate([x, y], axis=1).T)
    weight, rho = canonical(correlation, [slice(0, 5), slice(5, 9)], 1e-12, 4)
    # Canonical correlations are the singular values between orthonormal bases of the two sets.
    expected = np.linalg.svd(np.linalg.qr(x)[0].T @ np.linalg.qr(y)[0], compute_uv=False)
    np.testing.assert_allclose(rho, expected, rtol=1e-8)
    first = np.corrcoef(x @ weight[:5, 0], y @ weight[5:, 0])[0, 1]
    assert first == pytest.approx(expected[0])
    assert (weight[np.abs(weight).argmax(axis=0), np.arange(4)] > 0).all()


def test_a_set_that_nobody_has_changes_nothing_of_the_others() -> None:
    data = small_retrieval(lacks=(("audio", tuple(range(96))),))
    model = PooledCCA(PooledCCAConfig(projection=8), data)
    model.fit(Walk())
    found = model.predict("test")
    assert (model.weight[spans(SHAPE)[2]] == 0).all()
    assert score(found, data)["t2v_r5"] > 80
    assert (found["audio"] == 0).all()


def test_contrasts_are_over_clips_that_have_both() -> None:
    random = torch.Generator().manual_seed(0)
    embeddings = torch.nn.functional.normalize(torch.randn(3, 6, 4, generator=random), dim=2)
    there = torch.ones(6, 3, dtype=torch.bool)
    there[[1, 4], 2] = False
    there[0, 0] = False
    losses = []
    for one, other in ((0, 1), (0, 2), (1, 2)):
        rows = [i for i in range(6) if there[i, one] and there[i, other]]
        x = embeddings[one][rows] @ embeddings[other][rows].T / 0.1
        target = torch.arange(len(rows))
        losses += [torch.nn.functional.cross_entropy(each, target) for each in (x, x.T)]
    assert contrastive_loss(embeddings, there, 0.1) == pytest.approx(
        float(sum(losses)) / 3, rel=1e-5
    )
    there[:, 1:] = False
    assert contrastive_loss(embeddings, there, 0.1) == 0


def test_nothing_to_learn_from_is_refused() -> None:
    with pytest.raises(DataError, match="no training clip has two"):
        Moments.of(
            [Pooled(np.ones((2, MEL_BANDS), np.float32), np.eye(3, dtype=bool)[:2])],
            [slice(0, 1), slice(1, 2), slice(2, MEL_BANDS)],
        )
    nothing = dataclasses.replace(small_retrieval(), train=None)
    for model in (
        PooledCCA(PooledCCAConfig(), nothing),
        PooledInfoNCE(PooledInfoNCEConfig(), nothing),
    ):
        with pytest.raises(DataError, match="nothing to learn from"):
            model.fit(Walk())
    assert RandomEmbeddings(RandomEmbeddingsConfig(), nothing).predict("val")["text"].shape == (
        24,
        64,
    )


def test_a_pass_of_training_is_read_in_blocks_and_whole() -> None:
    data = small_retrieval()
    sizes = [len(block.features) for block in pooled_training(data, 40)]
    assert sizes == [40, 40, 16]


def test_states_of_other_shapes_are_refused() -> None:
    random, cca, _ = models()
    with pytest.raises(ValueError, match="a state of random-embeddings is a number"):
        random.load_state_dict({"seed": 1})
    state = cca.state_dict()
    with pytest.raises(ValueError, match="a state of pooled-cca is"):
        cca.load_state_dict({**state, "weight": torch.zeros(3, 3)})
