"""ImageCoDe as a model: training in all variants, resume, what the published program did, initial weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from small_contextual import small_contextual

import mlzoo
from mlzoo.checkpoints import load_checkpoint
from mlzoo.errors import CheckpointError, DataError, UsageError
from mlzoo.experiment import Interrupted
from mlzoo.metrics_log import read_rows
from mlzoo.progress import Progress
from mlzoo.run_directory import find_runs
from mlzoo.testing import same
from mlzoo_imagecode.clip.folder import open_clip
from mlzoo_imagecode.clip.tiny import tiny_clip_folder
from mlzoo_imagecode.config import ImageCoDeConfig
from mlzoo_imagecode.model import ImageCoDeModel
from mlzoo_imagecode.tables import image_distance

SIZES = {
    "width": 16,
    "depth": 1,
    "heads": 2,
    "embedding": 16,
    "image_size": 16,
    "patch": 8,
    "head_feed_forward": 16,
    "head_heads": 2,
    "batch_size": 12,
    "learning_rate": 1e-3,
    "head_learning_rate": 1e-3,
}
TRAINED = {"variant": "contra", "epochs": 2, "clip_epochs": 0}
STAGES = {"variant": "contextual", "clip_epochs": 1, "epochs": 2}


@pytest.fixture
def world(monkeypatch):
    """The small world in place of digit strips; returns what makes it another one."""

    def put(**options):
        monkeypatch.setattr(
            "mlzoo_imagecode.digit_strips.load", lambda root, o: small_contextual(**options)
        )

    put()
    return put


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A folder with a tiny CLIP."""
    folder = tmp_path_factory.mktemp("clip") / "tiny"
    tiny_clip_folder(folder, seed=0)
    return folder


def trained(tmp_path, **options):
    given = {"figures": False, "out": tmp_path, "progress": Progress(quiet=True)}
    own = {**SIZES, "select": "last", "optimizer": "adamw", "weight_decay": 0.01}
    return mlzoo.run("imagecode", **{**own, **TRAINED, **given, **options})


def state_of(result, file="last.pt"):
    return load_checkpoint(result.directory / "checkpoints" / file)


def weights_of(result, file="last.pt"):
    return state_of(result, file)["state"]["model"]


def losses_of(result):
    rows = read_rows(result.directory / "metrics.jsonl")
    return [row["loss"] for row in rows if "loss" in row]


def model_of(data=None, **options):
    return ImageCoDeModel(
        ImageCoDeConfig(**{**SIZES, **TRAINED, **options}), data or small_contextual()
    )


def test_predictions_are_what_the_task_promises():
    data = small_contextual()
    found = model_of(data, **STAGES).predict("test")
    part = data.part("test")
    assert found["scores"].shape == (len(part), 10)
    assert found["scores"].dtype == np.float32
    for name, array in part.arrays().items():
        np.testing.assert_array_equal(found[name], array)
    with pytest.raises(UsageError, match="'other'"):
        model_of(data).predict("other")


def test_the_distance_of_images_is_that_of_their_features():
    data = small_contextual()
    model, part = model_of(data), data.part("test")
    found = model.predict("test")
    images = model.features("test").images.astype(np.float64)
    unit = images / np.linalg.norm(images, axis=1, keepdims=True)
    expected = [
        [np.sqrt(((unit[c] - unit[own[t]]) ** 2).sum()) for c in own]
        for own, t in zip(part.candidates, part.target, strict=True)
    ]
    np.testing.assert_allclose(found["apart"], expected, atol=1e-5)
    table = image_distance(found, data)
    others = np.array([[d for d in row if d > 1e-6] for row in expected])
    assert table["distance"][2] == pytest.approx(others.mean(), rel=1e-4)
    assert table["nearest"][1] == pytest.approx(others[part.is_video].min(axis=1).mean(), rel=1e-4)
    del found["apart"]
    assert image_distance(found, data)["distance"] == [None] * 3


def test_how_many_images_are_encoded_at_once_changes_nothing_but_rounding(tmp_path, world):
    whole = trained(tmp_path / "whole", images_at_once=1000, epochs=1)
    cut = trained(tmp_path / "cut", images_at_once=10, epochs=1)
    assert losses_of(whole) == pytest.approx(losses_of(cut), rel=1e-4)
    one, two = weights_of(whole), weights_of(cut)
    for name, value in one.items():
        if isinstance(value, torch.Tensor):
            torch.testing.assert_close(value, two[name], atol=2e-4, rtol=1e-3, msg=name)


@pytest.mark.parametrize(
    "options",
    [
        {**TRAINED, "select": "val"},
        {"variant": "nocontra", "epochs": 2},
        STAGES,
        {"variant": "contextual", "frozen_clip": False, "epochs": 2},
        {**TRAINED, "leftover": "carry", "batch_size": 7, "group_sets": False},
        {**TRAINED, "schedule": "one-cycle", "accumulation": 2},
    ],
    ids=["contra", "nocontra", "stages", "unfrozen", "carried gradients", "cycle"],
)
def test_resuming_is_equal_bit_for_bit(options, tmp_path, world):
    straight = trained(tmp_path / "straight", **options)
    with pytest.raises(Interrupted):
        trained(tmp_path / "parts", stop_after=1, **options)
    (stopped,) = find_runs([tmp_path / "parts"])
    resumed = mlzoo.resume(stopped.directory, figures=False, progress=Progress(quiet=True))
    assert same(state_of(straight)["state"], state_of(resumed)["state"])
    assert same(state_of(straight, "best.pt")["model"], state_of(resumed, "best.pt")["model"])
    assert straight.metrics["test"] == pytest.approx(resumed.metrics["test"], nan_ok=True)


def test_the_module_learns_on_encoders_that_stay(tmp_path, world):
    options = {"variant": "contextual", "clip_epochs": 1, "select": "last"}
    first = weights_of(trained(tmp_path / "1", epochs=0, **options))
    both = weights_of(trained(tmp_path / "2", epochs=1, **options))
    encoders = [name for name in both if name.startswith("encoders.")]
    assert encoders
    assert all(torch.equal(first[name], both[name]) for name in encoders)
    assert not torch.equal(
        first["head.prediction_layer.weight"], both["head.prediction_layer.weight"]
    )
    assert (first["uses_head"], both["uses_head"]) == (False, True)


def test_encoders_under_the_module_learn_if_asked_but_not_the_logit_scale(tmp_path, world, clip):
    options = {
        "variant": "contextual",
        "frozen_clip": False,
        "clip": str(clip),
        "weight_decay": 0.2,
    }
    after = weights_of(trained(tmp_path, epochs=1, **options))
    before, _ = open_clip(str(clip), None)
    own = {f"encoders.{name}": value for name, value in before.state_dict().items()}
    changed = [name for name, value in own.items() if not torch.equal(value, after[name])]
    scale = [name for name in own if name.endswith("logit_scale")]
    assert len(scale) == 1
    assert scale[0] not in changed
    assert len(changed) > len(own) // 2


def test_a_frozen_clip_is_not_copied_into_checkpoints_and_another_one_is_refused(
    tmp_path, world, clip
):
    options = {"variant": "contextual", "clip": str(clip), "epochs": 1}
    result = trained(tmp_path / "run", **options)
    state = state_of(result, "best.pt")["model"]
    assert not any(name.startswith("encoders.") for name in state)
    assert mlzoo.evaluate(result.directory)["test"] == pytest.approx(
        result.metrics["test"], nan_ok=True
    )
    other = tmp_path / "other"
    tiny_clip_folder(other, seed=1)
    model = model_of(**{**options, "clip": str(other)})
    with pytest.raises(CheckpointError, match="another CLIP"):
        model.load_state_dict(state)


def test_the_program_never_scored_its_last_epoch(tmp_path, world):
    result = trained(tmp_path, evaluate_last=False, epochs=3, select="val")
    rows = read_rows(result.directory / "metrics.jsonl")
    assert [row["epoch"] for row in rows if row.get("split") == "val"] == [1, 2]
    assert result.results["selection"]["epoch"] in (1, 2)
    with pytest.raises(ValidationError, match="evaluate_last"):
        ImageCoDeConfig(evaluate_last=False, epochs=1)


def test_dropout_in_evaluation_changes_scores_the_same_way_every_time(clip):
    data, options = small_contextual(), {**STAGES, "clip_epochs": 0, "clip": str(clip)}
    with_dropout = model_of(data, **options, dropout_in_evaluation=True)
    without = model_of(data, **options)
    without.load_state_dict(with_dropout.state_dict())
    state = torch.random.get_rng_state()
    one, two = (with_dropout.predict("val")["scores"] for _ in "ab")
    assert torch.equal(state, torch.random.get_rng_state())
    np.testing.assert_array_equal(one, two)
    assert not np.allclose(one, without.predict("val")["scores"])


def test_zero_shot_trains_nothing(tmp_path, world, clip):
    options = {"variant": "zero-shot", "epochs": 0, "clip": str(clip), "seed": 0}
    one = trained(tmp_path / "1", **options)
    two = trained(tmp_path / "2", **{**options, "seed": 5})
    assert same(one.metrics, two.metrics)
    assert not losses_of(one)
    with pytest.raises((UsageError, ValidationError), match="zero-shot"):
        trained(tmp_path / "3", **{**options, "epochs": 1})


def test_without_a_clip_something_must_be_trained(tmp_path, world):
    with pytest.raises(UsageError, match="never be trained") as error:
        trained(tmp_path, variant="contextual", epochs=1)
    assert "--clip" in error.value.fix
    assert not list(tmp_path.iterdir())


def test_the_published_cycle_is_refused_before_anything_begins(tmp_path, world):
    with pytest.raises(UsageError, match="one-cycle-published ends after"):
        trained(tmp_path, schedule="one-cycle-published", epochs=2)


def test_contra_learns_what_nocontra_cannot_see_less(tmp_path, world):
    world(train=60, val=20, test=40)
    result = trained(
        tmp_path, epochs=12, learning_rate=5e-3, reduction="mean", select="val", width=32,
        embedding=32, group_sets=True,
    )  # fmt: skip
    assert result.metrics["test"]["accuracy"] > 35  # chance 10


def test_a_run_starts_from_the_weights_of_contra(tmp_path, world):
    first = trained(tmp_path / "first")
    options = {"variant": "contextual", "initial_weights": first.directory, "epochs": 1}
    second = trained(tmp_path / "second", **options)
    one, two = state_of(first, "best.pt")["model"], weights_of(second)
    encoders = [name for name in one if name.startswith("encoders.")]
    assert all(torch.equal(one[name], two[name]) for name in encoders)
    with pytest.raises(DataError, match="nowhere"):
        trained(tmp_path / "third", **{**options, "initial_weights": tmp_path / "nowhere"})
    assert not (tmp_path / "third").exists()


def test_weights_of_another_variant_are_refused():
    state = model_of(**STAGES).state_dict()
    with pytest.raises(CheckpointError, match="head"):
        model_of().load_state_dict(state)
    with pytest.raises(CheckpointError):
        model_of(**STAGES).load_state_dict({**state, "head.extra": torch.zeros(1)})


def test_training_in_sixteen_bits_is_close(tmp_path, world):
    exact = losses_of(trained(tmp_path / "32", epochs=1))
    mixed = losses_of(trained(tmp_path / "bf16", epochs=1, precision="bf16"))
    assert exact == pytest.approx(mixed, rel=0.1)
    assert exact != mixed


def test_two_processes_train_as_one(tmp_path, request):
    """Gradients are sums over the whole batch, however many pieces each process makes of its part."""
    words = [
        "--limit",
        "30",
        "--strips",
        "20",
        "--width",
        "16",
        "--depth",
        "1",
        "--embedding",
        "16",
    ]
    words += ["--head-feed-forward", "16", "--batch-size", "8", "--images-at-once", "20"]
    words += ["--dropout", "0", "--clip-epochs", "1", "--epochs", "1", "--select", "last"]
    words += ["--preset", "smoke", "--device", "cpu", "--no-figures", "--json"]
    rows = []
    for devices in (1, 2):
        done = request.getfixturevalue("mlzoo")(
            "run", "imagecode", *words, "--devices", devices, "--out", tmp_path / str(devices)
        )
        assert done.returncode == 0, done.stderr
        (log,) = (tmp_path / str(devices)).rglob("metrics.jsonl")
        rows.append([row for row in read_rows(log) if "loss" in row])
    one, two = rows
    assert len(one) == len(two) > 6
    for alone, together in zip(one, two, strict=True):
        for name, value in alone.items():
            assert value == pytest.approx(together[name], rel=1e-3), name
