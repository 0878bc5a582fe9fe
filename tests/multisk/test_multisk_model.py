"""Multi-SK and Everything at Once as models: training, resume, scores, initial weights, prediction."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from small_retrieval import SHAPE, small_retrieval

import mlzoo
from mlzoo.checkpoints import load_checkpoint, save_checkpoint
from mlzoo.errors import CheckpointError, DataError, UsageError
from mlzoo.experiment import Interrupted
from mlzoo.metrics_log import read_rows
from mlzoo.progress import Progress
from mlzoo.run_directory import find_runs
from mlzoo.testing import same
from mlzoo_multisk.config import EverythingAtOnceConfig, MultiSKConfig
from mlzoo_multisk.embedding import text_batch
from mlzoo_multisk.model import EverythingAtOnceModel, MultiSKModel
from mlzoo_multisk.weights import official_state

SIZES = {
    "width": 16,
    "projection": 24,
    "heads": 4,
    "audio_widths": (8,) * 7,
    "audio_blocks": (1,) * 6,
    "batch_size": 12,
    "learning_rate": 1e-3,
    "ema_decay": 0.9,
}
ANCHORS = {"anchors": 8, "anchor_queue": 120}
STEPS = 8  # of an epoch: 96 videos by 12


@pytest.fixture
def world(monkeypatch):
    """The small world in place of spoken digits; returns what makes it another one."""

    def put(**options):
        monkeypatch.setattr(
            "mlzoo_multisk.spoken_digits.load", lambda root, o: small_retrieval(**options)
        )

    put(lacks={"audio": np.arange(5), "text": np.arange(5, 8)})
    return put


def trained(tmp_path, model="multisk", **options):
    own = {**SIZES, **(ANCHORS if model == "multisk" else {}), "epochs": 2, "select": "last"}
    given = {"figures": False, "out": tmp_path, "progress": Progress(quiet=True)}
    return mlzoo.run(model, **{**own, **given, **options})


def state_of(result, file="last.pt"):
    return load_checkpoint(result.directory / "checkpoints" / file)


def multisk(data=None, **options):
    return MultiSKModel(MultiSKConfig(**{**SIZES, **ANCHORS, **options}), data or small_retrieval())


def everything(data=None, **options):
    config = EverythingAtOnceConfig(**{**SIZES, **options})
    return EverythingAtOnceModel(config, data or small_retrieval())


def test_predictions_are_what_the_task_promises():
    data = small_retrieval()
    found = multisk(data).predict("test")
    count, anchors = len(data.part("test")), 8
    for name in ("text", "video", "audio"):
        assert found[name].shape == (count, 24)
        assert found[name].dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(found[name], axis=1), 1, atol=1e-5)
        assert found[f"has_{name}"].all()
        assert found[f"in_{name}"].shape == found[f"plan_{name}"].shape == (count, anchors)
        for other in ("text", "video", "audio"):
            assert np.abs(found[f"out_{name}_{other}"]).max() <= 1 + 1e-5
        assert found[f"plan_{name}"].min() == 0
        assert found[f"plan_{name}"].max() == 1
    assert found["complete"] == count
    assert found["ids"].tolist() == list(data.part("test").ids)
    assert "tv" not in found
    fused = everything(data).predict("val")
    assert fused["va"].shape == (24, 24)
    assert not any(name.startswith(("out_", "plan_")) for name in fused)
    with pytest.raises(UsageError, match="'train'"):
        multisk(data).predict("train")


def test_size_of_the_evaluation_batch_changes_nothing():
    model = multisk(evaluation_batch=5)
    whole = multisk(evaluation_batch=1000)
    whole.load_state_dict(model.state_dict())
    one, other = model.predict("test"), whole.predict("test")
    for name in ("text", "video", "audio", "in_text"):
        np.testing.assert_allclose(one[name], other[name], atol=1e-5)


def test_cuts_of_a_clip_become_one_embedding_and_some_do_not_count():
    data = small_retrieval(cuts=3)
    model = multisk(data)
    model.network.eval()
    clips = data.part("test")
    batch = clips.batch(np.arange(2))  # the third cut of each does not count
    assert batch.ids == ("test 000", "test 000", "-1", "test 001", "test 001", "-1")
    tensors = {name: torch.from_numpy(array) for name, array in batch.arrays().items()}
    with torch.no_grad():
        raw = model.network(tensors, 1, "clip").video.numpy()
    mean = raw[[3, 4]].mean(0)
    found = model.predict("test")["video"]
    assert found.shape == (32, 24)
    np.testing.assert_allclose(found[1], mean / np.linalg.norm(mean), atol=1e-5)


@pytest.mark.parametrize("model", ["multisk", "everything-at-once"])
def test_training_finds_what_is_planted(model, tmp_path, world):
    result = trained(tmp_path, model, epochs=15, learning_rate=3e-3)
    found = result.metrics["test"]
    assert found["t2v_r5"] > 50  # chance 16
    assert found["t2v+a_r5"] > 50
    assert np.isnan(found["t2va_r5"]) == (model == "multisk")
    if model == "multisk":
        assert 0 < found["anchors_used"] <= 100


@pytest.mark.parametrize("model", ["multisk", "everything-at-once"])
def test_resuming_is_equal_bit_for_bit_also_while_the_queue_fills(model, tmp_path, world):
    options = {"epochs": 3, "select": "val", "score_ema": True}
    straight = trained(tmp_path / "straight", model, **options)
    with pytest.raises(Interrupted):
        trained(tmp_path / "parts", model, stop_after=1, **options)
    (stopped,) = find_runs([tmp_path / "parts"])
    half = load_checkpoint(stopped.directory / "checkpoints" / "last.pt")["state"]
    if model == "multisk":
        assert 0 < half["queues"]["count"] < 120  # 8 steps of 12 clips
        assert half["queues"]["position"] == half["queues"]["count"] == 96
    resumed = mlzoo.resume(stopped.directory, figures=False, progress=Progress(quiet=True))
    one, two = state_of(straight), state_of(resumed)
    assert set(one["state"]) >= {"model", "optimizer", "average"}
    assert same(one["state"], two["state"])
    assert same(state_of(straight, "best.pt")["model"], state_of(resumed, "best.pt")["model"])
    assert straight.metrics["test"] == pytest.approx(resumed.metrics["test"], nan_ok=True)


def test_the_anchor_loss_begins_when_the_queue_is_full_and_says_how_full_it_is(tmp_path, world):
    result = trained(tmp_path, epochs=2)
    rows = [row for row in read_rows(result.directory / "metrics.jsonl") if "loss" in row]
    queue = [row["queue"] for row in rows]
    assert queue[:10] == pytest.approx([0.1 * (step + 1) for step in range(10)])
    assert [row["loss_anchors"] > 0 for row in rows] == [step >= 10 for step in range(2 * STEPS)]
    assert rows[12]["loss"] > rows[12]["loss_anchors"]
    first = state_of(trained(tmp_path / "once", epochs=1))["state"]
    steps = [value["step"] for value in first["optimizer"]["state"].values() if "step" in value]
    assert len(first["model"]) - sum(
        "running" in n or "tracked" in n for n in first["model"]
    ) > len(steps), "anchors that were never trained have no state of the optimiser"


def test_without_weight_there_are_no_anchors(tmp_path, world):
    result = trained(tmp_path, anchor_weight=0.0, epochs=1)
    assert "loss_anchors" not in next(iter(read_rows(result.directory / "metrics.jsonl")))
    assert np.isnan(result.metrics["test"]["anchors_used"])


def test_the_moving_average_is_scored_if_asked(tmp_path, world):
    result = trained(tmp_path, score_ema=True)
    last, best = state_of(result)["state"], state_of(result, "best.pt")["model"]
    average = last["average"]
    weights = {name: value for name, value in best.items() if name in average}
    assert len(weights) > 20
    assert all(torch.equal(value, average[name]) for name, value in weights.items())
    assert not same(weights, {name: last["model"][name] for name in weights})
    again = mlzoo.evaluate(result.directory)
    assert again["test"] == pytest.approx(result.metrics["test"], nan_ok=True)


def test_the_rate_falls_after_every_pass_and_epochs_may_be_shorter(tmp_path, world):
    result = trained(tmp_path, epochs=4, epoch_videos=48, decay=0.5)
    rows = [row for row in read_rows(result.directory / "metrics.jsonl") if "loss" in row]
    assert [row["learning_rate"] for row in rows] == pytest.approx([1e-3] * 8 + [5e-4] * 8)
    assert [row["epoch"] for row in rows] == [1] * 4 + [2] * 4 + [3] * 4 + [4] * 4


def test_audio_can_be_left_out(tmp_path, world):
    for model in ("multisk", "everything-at-once"):
        result = trained(tmp_path / model, model, modalities="tv", epochs=1)
        assert not any("davenet" in name for name in state_of(result, "best.pt")["model"])
        assert np.isnan(result.metrics["test"]["t2a_r1"])
        assert not np.isnan(result.metrics["test"]["t2v_r1"])


@pytest.mark.parametrize("options", [{"loss": "mms"}, {"plan": "log"}, {"plan": "clamped"}])
def test_every_switch_trains(options, tmp_path, world):
    result = trained(tmp_path, epochs=2, **options)
    assert result.metrics["test"]["t2v_mean_rank"] >= 1


def test_training_in_sixteen_bits_is_close(tmp_path, world):
    exact = trained(tmp_path / "32", epochs=1)
    mixed = trained(tmp_path / "bf16", epochs=1, precision="bf16")
    losses = [
        [row["loss"] for row in read_rows(r.directory / "metrics.jsonl") if "loss" in row]
        for r in (exact, mixed)
    ]
    assert losses[0] == pytest.approx(losses[1], rel=0.05)
    assert losses[0] != losses[1]


def test_two_processes_train_as_one(tmp_path, request):
    """Batch statistics, contrasts and queues are those of the whole batch."""
    sizes = [f"--{name.replace('_', '-')}" for name in SIZES]
    values = [",".join(map(str, v)) if isinstance(v, tuple) else str(v) for v in SIZES.values()]
    words = [word for pair in zip(sizes, values, strict=True) for word in pair]
    words += ["--anchors", "8", "--anchor-queue", "24", "--videos", "48", "--limit", "60"]
    words += ["--epochs", "1", "--select", "last", "--device", "cpu", "--no-figures", "--json"]
    rows = []
    for devices in (1, 2):
        done = request.getfixturevalue("mlzoo")(
            "run", "multisk", *words, "--devices", devices, "--out", tmp_path / str(devices)
        )
        assert done.returncode == 0, done.stderr
        (log,) = (tmp_path / str(devices)).rglob("metrics.jsonl")
        rows.append([row for row in read_rows(log) if "loss" in row])
    one, two = rows
    assert len(one) == len(two) == 4
    assert one[-1]["loss_anchors"] > 0
    for alone, together in zip(one, two, strict=True):
        for name, value in alone.items():
            assert value == pytest.approx(together[name], rel=1e-3), name


def test_a_run_starts_from_another_ones_weights_and_scores_them_as_they_are(tmp_path, world):
    first = trained(tmp_path / "first")
    options = {"epochs": 0, "initial_weights": first.directory}
    scored = trained(tmp_path / "second", **options)
    for name, value in first.metrics["test"].items():
        assert value == pytest.approx(scored.metrics["test"][name], nan_ok=True)
    last = first.directory / "checkpoints" / "last.pt"
    again = trained(tmp_path / "last", epochs=0, initial_weights=last)
    assert again.metrics["test"] == pytest.approx(scored.metrics["test"], nan_ok=True)
    tuned = trained(tmp_path / "third", initial_weights=first.directory, epochs=1)
    assert not same(state_of(first, "best.pt")["model"], state_of(tuned, "best.pt")["model"])
    gone = trained(tmp_path / "x", epochs=1, initial_weights=None)
    with pytest.raises(CheckpointError, match="nowhere"):
        trained(tmp_path / "y", epochs=1, initial_weights=tmp_path / "nowhere")
    assert gone.directory.is_dir()


def test_initial_weights_of_another_size_are_refused_with_what_to_add(tmp_path, world):
    first = trained(tmp_path / "first", epochs=1)
    with pytest.raises(UsageError, match="other sizes: width, anchors") as error:
        trained(tmp_path / "x", width=32, anchors=4, initial_weights=first.directory)
    assert error.value.fix == "Add --width 16 --anchors 8"
    assert not (tmp_path / "x").exists()


def test_published_files_become_a_run_with_the_same_scores(tmp_path, world):
    first = trained(tmp_path / "first")
    model = multisk()
    model.load_state_dict(state_of(first, "best.pt")["model"])
    state = official_state(model.network, model.anchors)
    file = tmp_path / "latest_model.pth"
    save_checkpoint(
        file, {"arch": "M", "epoch": 3, "state_dict": {f"module.{n}": x for n, x in state.items()}}
    )
    found = mlzoo.import_weights(
        "multisk", file, out=tmp_path / "in", figures=False, progress=Progress(quiet=True),
        **SIZES, **ANCHORS,
    )  # fmt: skip
    assert found.metrics["test"] == pytest.approx(first.metrics["test"], nan_ok=True)
    facts = json.loads((found.directory / "run.json").read_text())
    assert facts["status"] == "done"
    damaged = {name: x for name, x in state.items() if "text_proj.fc.weight" not in name}
    save_checkpoint(file, {"state_dict": damaged})
    with pytest.raises(CheckpointError, match="text_proj"):
        mlzoo.import_weights("multisk", file, out=tmp_path / "no", **SIZES, **ANCHORS)
    assert not (tmp_path / "no").exists()


def test_data_without_training_clips_can_only_be_scored():
    data = replace(small_retrieval(), train=None)
    assert data.describe()["training videos"] == 0
    with pytest.raises(UsageError, match="no clips to train on") as error:
        multisk(data).fit(run=None)
    assert "zero-shot" in error.value.fix


def test_text_is_embedded_as_the_clips_text_is():
    data = small_retrieval()
    model = multisk(data)
    one = model.text_embeddings(["caption caption", "caption"])
    assert one.shape == (2, 24)
    batch = text_batch(["caption"], data.words, SHAPE)
    assert batch.text_mask.sum() == 1
    assert not batch.video.any()
    np.testing.assert_allclose(np.linalg.norm(one, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(one[0], one[1], atol=1e-5)  # a mean of equal words


def test_an_unknown_key_of_weights_is_refused():
    state = multisk().state_dict()
    with pytest.raises(CheckpointError, match="extra"):
        multisk().load_state_dict({**state, "network.extra": torch.zeros(1)})
    with pytest.raises((CheckpointError, DataError)):
        multisk().load_state_dict({})
