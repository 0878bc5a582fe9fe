"""BiAM as a model: training, both stages, resume, prediction."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

import mlzoo
from mlzoo.checkpoints import load_checkpoint
from mlzoo.errors import CheckpointError, UsageError
from mlzoo.experiment import Interrupted
from mlzoo.progress import Progress
from mlzoo.run_directory import RunRecord, find_runs
from mlzoo.testing import same
from mlzoo_biam.config import BiAMConfig
from mlzoo_biam.labels import Labels
from mlzoo_biam.model import BestWeights, BiAMModel
from mlzoo_biam.multilabel import Images, MultiLabelData
from mlzoo_biam.packed.store import ArrayFeatures

TINY = {
    "channels": 8,
    "heads": 2,
    "top_k": 2,
    "batch_size": 8,
    "first_evaluation": 1,
    "evaluate_every": 1,
    "limit": 40,
    "figures": False,
}


def quiet(**options):
    return {**TINY, "progress": Progress(quiet=True), **options}


def world(count=24, seen=5, unseen=3, seed=0):
    random = np.random.default_rng(seed)
    regions = random.random((count, 6, 12), dtype=np.float32)
    scene = random.random((count, 7), dtype=np.float32)
    features = ArrayFeatures(regions, (3, 4), scene)
    dense = np.where(random.random((count, seen + unseen)) < 0.4, 1, -1)
    vectors = random.standard_normal((seen + unseen, 9)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    labels, names = Labels.from_dense(dense, -1), [f"image {i}" for i in range(count)]
    rows = np.arange(count)
    images = Images(features, labels, names, rows)
    return MultiLabelData(
        tags=tuple("abcdefgh"[: seen + unseen]),
        seen_count=seen,
        vectors=vectors,
        train=images.only(rows[:12]),
        val=images.only(rows[12:16]),
        test=images.only(rows[16:]),
    )


def config(**options):
    return BiAMConfig(**{"channels": 8, "heads": 2, "top_k": 3, **options})


def test_predictions_have_all_tags_and_the_labels_of_the_split():
    data = world()
    model = BiAMModel(config(evaluation_batch=3), data)
    found = model.predict("test")
    assert found["scores"].shape == (8, 8)
    assert found["scores"].dtype == np.float32
    assert (Labels.from_predictions(found).dense() == data.test.own_labels.dense()).all()
    assert found["shown_map"].shape[1:] == (3, 3, 4)
    one = BiAMModel(config(evaluation_batch=100), data)
    one.load_state_dict(model.state_dict())
    np.testing.assert_allclose(one.predict("test")["scores"], found["scores"], atol=1e-5)


def test_a_large_vocabulary_is_scored_in_parts(monkeypatch):
    data = world()
    model = BiAMModel(config(), data)
    model.network.eval()
    regions, scene = data.test.read(slice(None))
    whole = model.scores(regions, scene)
    monkeypatch.setattr("mlzoo_biam.model.TAGS_AT_ONCE", 3)
    np.testing.assert_allclose(model.scores(regions, scene), whole, atol=1e-6)


def test_an_unknown_split_is_refused():
    with pytest.raises(UsageError, match="'train'"):
        BiAMModel(config(), world()).predict("train")


def test_a_checkpoint_of_another_network_is_refused():
    other = BiAMModel(config(channels=16), world())
    with pytest.raises(CheckpointError, match="does not fit BiAM"):
        BiAMModel(config(), world()).load_state_dict(other.state_dict())


def test_no_label_of_an_unseen_tag_reaches_training(tmp_path, monkeypatch):
    """Training with all labels of unseen tags turned round gives the same weights."""
    found = []
    for flip in (False, True):
        data = world()
        if flip:
            dense = data.train.labels.dense()
            dense[:, data.unseen] *= -1
            images = {
                name: Images(p.features, Labels.from_dense(dense, -1), p.names, p.rows)
                for name, p in (("train", data.train), ("val", data.val), ("test", data.test))
            }
            data = MultiLabelData(
                tags=data.tags, seen_count=data.seen_count, vectors=data.vectors, **images
            )
        monkeypatch.setattr("mlzoo_biam.digit_mosaics.load", lambda root, options, d=data: d)
        result = mlzoo.run("biam", out=tmp_path / str(flip), epochs=2, **quiet(limit=None))
        found.append(
            load_checkpoint(result.directory / "checkpoints" / "last.pt")["state"]["model"]
        )
    assert same(*found)


@pytest.mark.parametrize("sampling", ["shuffled", "replacement"])
def test_resumed_training_equals_straight_bit_for_bit(tmp_path, sampling):
    options = quiet(epochs=4, sampling=sampling)
    straight = mlzoo.run("biam", out=tmp_path / "a", **options)
    with pytest.raises(Interrupted):
        mlzoo.run("biam", out=tmp_path / "b", stop_after=2, **options)
    (half,) = find_runs([tmp_path / "b"])
    resumed = mlzoo.resume(half.directory, figures=False, progress=Progress(quiet=True))
    kept = [
        load_checkpoint(d / "checkpoints" / "last.pt") for d in (straight.directory, half.directory)
    ]
    assert same(*kept)
    assert resumed.metrics == straight.metrics


def test_fine_tuning_begins_from_the_best_epoch_and_resumes_exactly(tmp_path):
    options = quiet(epochs=3, fine_tune_epochs=2, select="last")
    straight = mlzoo.run("biam", out=tmp_path / "a", **options)
    kept = load_checkpoint(straight.directory / "checkpoints" / "last.pt")
    scores = {
        row["epoch"]: row["seen_f1_5"]
        for row in RunRecord(straight.directory).rows
        if row.get("split") == "val"
    }
    assert set(scores) == {1, 2, 3}, "epochs that train on val are not scored on it"
    highest = max(scores.values())
    assert kept["state"]["best"]["epoch"] == max(e for e, s in scores.items() if s == highest)
    rates = {
        row["epoch"]: row["learning_rate"]
        for row in RunRecord(straight.directory).rows
        if "loss" in row
    }
    assert rates[4] == rates[5] == pytest.approx(3.33e-4)
    for stop in (3, 4):
        out = tmp_path / str(stop)
        with pytest.raises(Interrupted):
            mlzoo.run("biam", out=out, stop_after=stop, **options)
        (half,) = find_runs([out])
        mlzoo.resume(half.directory, figures=False, progress=Progress(quiet=True))
        assert same(kept, load_checkpoint(half.directory / "checkpoints" / "last.pt")), stop


def test_fine_tuning_trains_on_train_and_val(tmp_path):
    result = mlzoo.run("biam", out=tmp_path, **quiet(epochs=1, fine_tune_epochs=1, select="last"))
    steps = [row["epoch"] for row in RunRecord(result.directory).rows if "loss" in row]
    assert (steps.count(1), steps.count(2)) == (5, 10), "40 images of train, then with 40 of val"


def test_fine_tuning_needs_the_last_epoch(tmp_path):
    with pytest.raises(UsageError, match="--select val has nothing to go by"):
        mlzoo.run("biam", out=tmp_path, **quiet(epochs=1, fine_tune_epochs=1))


def test_of_equal_epochs_the_later_one_is_best():
    network = torch.nn.Linear(1, 1)
    best = BestWeights()
    for epoch, score in ((1, 2.0), (2, 3.0), (3, 3.0), (4, 1.0)):
        best.offer(epoch, score, network)
    assert best.epoch == 3
    again = BestWeights()
    again.load_state_dict(best.state_dict())
    assert same(again.state_dict(), best.state_dict())
    empty = BestWeights()
    empty.load_state_dict(BestWeights().state_dict())
    assert empty.score == float("-inf")


def test_heads_must_divide_channels(mlzoo):
    done = mlzoo("run", "biam", "--channels", 10, "--heads", 4, "--show-config")
    assert done.returncode == 2
    assert "heads 4 must divide channels 10" in done.stderr


def test_a_run_tags_new_features_and_draws_them(tmp_path, mlzoo):
    ran = mlzoo("run", "biam", "--preset", "smoke", "--limit", 60, "--out", tmp_path / "runs")
    assert ran.returncode == 0, ran.stderr
    (record,) = find_runs([tmp_path / "runs"])
    assert {path.name for path in (record.directory / "figures").glob("*.png")} >= {
        "training.png",
        "precision_recall.png",
        "region_maps.png",
    }
    random = np.random.default_rng(0)
    np.savez(
        tmp_path / "new.npz",
        regions=random.random((2, 64, 9), dtype=np.float32),
        scene=random.random((2, 144), dtype=np.float32),
    )
    picture = tmp_path / "maps.png"
    words = [
        "predict",
        record.directory,
        tmp_path / "new.npz",
        "--top",
        3,
        "--figure",
        picture,
        "--json",
    ]
    done = mlzoo(*words)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert [row["rank"] for row in rows] == [1, 2, 3, 1, 2, 3]
    assert rows[0]["image"] == "new.npz[0]"
    assert rows[0]["score"] >= rows[1]["score"] >= rows[2]["score"]
    assert picture.stat().st_size > 5000
    named = mlzoo("predict", record.directory, tmp_path / "new.npz", "--tags", "3 plain", "--json")
    assert [row["tag"] for row in json.loads(named.stdout)] == ["3 plain", "3 plain"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--tags", "3 plane"], "did you mean"),
        (["--figure", "maps.xyz"], "must end in one of"),
    ],
)
def test_wrong_options_of_predict_are_named(tmp_path, mlzoo, trained, words, message):
    np.savez(
        tmp_path / "new.npz",
        regions=np.zeros((1, 64, 9), dtype=np.float32),
        scene=np.zeros((1, 144), dtype=np.float32),
    )
    done = mlzoo("predict", trained, tmp_path / "new.npz", *words)
    assert done.returncode == 2
    assert message in done.stderr.lower()


def test_inputs_of_other_shapes_are_named(tmp_path, mlzoo, trained):
    np.savez(
        tmp_path / "new.npz",
        regions=np.zeros((1, 64, 4), dtype=np.float32),
        scene=np.zeros((1, 144), dtype=np.float32),
    )
    done = mlzoo("predict", trained, tmp_path / "new.npz")
    assert done.returncode == 1
    assert "the run was trained on [64, 9]" in done.stderr
    (tmp_path / "image.jpg").write_bytes(b"")
    done = mlzoo("predict", trained, tmp_path / "image.jpg")
    assert done.returncode == 2
    assert "--weights" in done.stderr


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a small finished run."""
    out = tmp_path_factory.mktemp("runs")
    return mlzoo.run("biam", out=out, epochs=1, **quiet()).directory
