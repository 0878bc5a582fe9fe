"""ViLBERT and UNITER as models: training in all variants, resume, initial weights, what is refused."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from small_cross import small_values, small_world

import mlzoo
from mlzoo.checkpoints import load_checkpoint
from mlzoo.errors import CheckpointError, DataError, UsageError
from mlzoo.experiment import Interrupted
from mlzoo.metrics_log import read_rows
from mlzoo.progress import Progress
from mlzoo.run_directory import find_runs
from mlzoo.testing import same
from mlzoo_imagecode.cross.batches import epoch_batches, updates_in_epoch
from mlzoo_imagecode.cross.config import UniterConfig, VilbertConfig
from mlzoo_imagecode.cross.model import CrossModel
from mlzoo_imagecode.cross.predict import predict
from mlzoo_imagecode.predict_config import PredictOptions

SIZES = {
    "small": True, "width": 16, "heads": 2, "feed_forward": 16, "v_width": 16, "v_heads": 2,
    "v_feed_forward": 16, "layers": 1, "pooled": 16, "head_layers": 1, "batch_size": 12, "max_tokens": 40,
    "learning_rate": 1e-3,
}  # fmt: skip
TRAINED = {"variant": "contra", "epochs": 2}
SETS = {"train": 12, "val": 5, "test": 6}
DESCRIPTIONS = 24
"""To learn from."""


@pytest.fixture
def world(monkeypatch):
    """The small world in place of digit strips; returns what makes it another one."""

    def put(**options):
        monkeypatch.setattr(
            "mlzoo_imagecode.digit_strips.load", lambda root, o: small_world(**{**SETS, **options})
        )

    put()
    return put


def trained(tmp_path, name="uniter", **options):
    given = {"figures": False, "out": tmp_path, "progress": Progress(quiet=True), "device": "cpu"}
    return mlzoo.run(name, **{**SIZES, "select": "last", **TRAINED, **given, **options})


def state_of(result, file="last.pt"):
    return load_checkpoint(result.directory / "checkpoints" / file)


def weights_of(result, file="last.pt"):
    return state_of(result, file)["state"]["model"]


def rows_of(result, name="loss"):
    return [row[name] for row in read_rows(result.directory / "metrics.jsonl") if name in row]


def model_of(data=None, cls=UniterConfig, **options):
    torch.manual_seed(0)
    return CrossModel(cls(**{**SIZES, **TRAINED, **options}), data or small_world(**SETS))


@pytest.mark.parametrize("cls", [UniterConfig, VilbertConfig])
def test_predictions_are_what_the_task_promises(cls):
    data = small_world()
    model = model_of(data, cls, variant="contextual")
    found, part = model.predict("test"), data.part("test")
    assert found["scores"].shape == (len(part), 10)
    assert found["scores"].dtype == np.float32
    for name, array in part.arrays().items():
        np.testing.assert_array_equal(found[name], array)
    assert "shown_image" in found
    np.testing.assert_array_equal(found["scores"], model.predict("test")["scores"])
    with pytest.raises(UsageError, match="'other'"):
        model.predict("other")


def test_a_score_is_of_its_description_and_images_alone():
    data = small_world()
    model, part = model_of(data, variant="contextual"), data.part("test")
    every = model.scores(part)
    rows = np.array([7, 2])
    np.testing.assert_allclose(model.scores(part.taken(rows)), every[rows], atol=1e-6)
    targets = replace(part, target=(part.target + 1) % 10)
    np.testing.assert_array_equal(model.scores(targets), every)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("uniter", {**TRAINED, "select": "val", "dropout": 0.1}),
        ("uniter", {"variant": "nocontra", "batch_size": 100}),
        ("vilbert", {"variant": "contextual", "accumulation": 3, "batch_size": 9}),
        ("vilbert", {**TRAINED, "accumulation": 2, "once_in_training": False, "epochs": 3}),
    ],
    ids=["contra", "pairs", "contextual, accumulated", "contra, accumulated"],
)
def test_resuming_is_equal_bit_for_bit(name, options, tmp_path, world):
    straight = trained(tmp_path / "straight", name, **options)
    with pytest.raises(Interrupted):
        trained(tmp_path / "parts", name, stop_after=1, **options)
    (stopped,) = find_runs([tmp_path / "parts"])
    resumed = mlzoo.resume(stopped.directory, figures=False, progress=Progress(quiet=True))
    assert same(state_of(straight)["state"], state_of(resumed)["state"])
    assert same(state_of(straight, "best.pt")["model"], state_of(resumed, "best.pt")["model"])
    assert straight.metrics["test"] == pytest.approx(resumed.metrics["test"], nan_ok=True)


@pytest.mark.parametrize("variant", ["nocontra", "contra", "contextual"])
def test_how_many_pairs_go_through_at_once_changes_nothing_but_rounding(variant, tmp_path, world):
    options = {"variant": variant, "epochs": 1, "dropout": 0.0}
    whole = trained(tmp_path / "whole", pairs_at_once=1000, **options)
    cut = trained(tmp_path / "cut", pairs_at_once=20, **options)
    assert rows_of(whole) == pytest.approx(rows_of(cut), rel=1e-4)
    assert whole.metrics["test"]["mean_rank"] == pytest.approx(cut.metrics["test"]["mean_rank"])


def test_a_batch_in_parts_gives_the_same_steps(tmp_path, world):
    options = {**TRAINED, "dropout": 0.0}
    whole, parts = (trained(tmp_path / str(k), accumulation=k, **options) for k in (1, 3))
    assert rows_of(whole)[:3] == pytest.approx(rows_of(parts)[:3], rel=1e-4)
    assert len(rows_of(whole)) == len(rows_of(parts)) == 2 * updates_in_epoch(DESCRIPTIONS, 12)


def test_batches_hold_every_row_once_and_the_last_step_takes_what_is_left():
    batches = list(epoch_batches(25, 10, 2, seed=3, epoch=1))
    assert sorted(np.concatenate([b.rows for b in batches])) == list(range(25))
    assert [len(b.rows) for b in batches] == [5] * 5
    assert [b.update for b in batches] == [False, True, False, True, True]
    assert [b.share for b in batches] == [0.5, 0.5, 0.5, 0.5, 1.0]
    assert [b.number for b in batches] == [0, 0, 1, 1, 2]
    again, other = (
        np.concatenate([b.rows for b in epoch_batches(25, 10, 2, 3, e)]) for e in (1, 2)
    )
    np.testing.assert_array_equal(again, np.concatenate([b.rows for b in batches]))
    assert not np.array_equal(again, other)


def test_the_rate_rises_from_nothing_and_falls_to_nearly_nothing(tmp_path, world):
    rates = rows_of(trained(tmp_path, epochs=5), "learning_rate")
    assert rates[0] == 0
    assert len(rates) == 5 * updates_in_epoch(DESCRIPTIONS, 12)
    assert rates[1] == max(rates) == pytest.approx(1e-3)
    assert rates[-1] == pytest.approx(1e-3 / 9)


def test_a_cross_encoder_learns_which_colour_is_meant(tmp_path, world):
    world(train=60, val=20, test=40)
    options = {"epochs": 8, "learning_rate": 5e-3, "width": 32, "dropout": 0.0, "select": "val"}
    result = trained(tmp_path, **options)
    assert result.metrics["test"]["accuracy"] > 35  # chance 10


def test_a_run_starts_from_the_weights_of_another_variant(tmp_path, world):
    first = trained(tmp_path / "first", epochs=1)
    options = {"variant": "contextual", "epochs": 0, "initial_weights": first.directory}
    one = state_of(first, "best.pt")["model"]
    two = state_of(trained(tmp_path / "second", **options), "best.pt")["model"]
    encoder = [name for name in one if name.startswith("network.bert.")]
    assert len(encoder) > 20
    assert all(torch.equal(one[name], two[name]) for name in encoder)
    with pytest.raises(DataError, match="nowhere"):
        trained(tmp_path / "third", **{**options, "initial_weights": tmp_path / "nowhere"})


def test_zero_shot_needs_weights_and_trains_nothing(tmp_path, world):
    options = {"variant": "zero-shot", "epochs": 0}
    with pytest.raises(UsageError, match="pre-trained") as error:
        trained(tmp_path / "none", **options)
    assert "--initial-weights" in error.value.fix
    made = model_of(**options)
    contra = trained(tmp_path / "contra", epochs=1)
    with pytest.raises(CheckpointError, match="no head of the variant zero-shot"):
        trained(tmp_path / "headless", **options, initial_weights=contra.directory)
    file = tmp_path / "weights.pt"
    torch.save(made.network.state_dict(), file)
    result = trained(tmp_path / "run", **options, initial_weights=file)
    assert not rows_of(result)
    loaded = state_of(result, "best.pt")["model"]
    own = made.network.state_dict()
    assert all(torch.equal(value, loaded[f"network.{name}"]) for name, value in own.items())
    with pytest.raises((UsageError, ValidationError), match="zero-shot"):
        trained(tmp_path / "trained", **{**options, "epochs": 1})


def test_data_without_regions_are_refused_with_the_way_to_them():
    data = small_world()
    bare = replace(data, parts={"test": replace(data.part("test"), regions=None)})
    with pytest.raises(DataError, match="no regions") as error:
        model_of(bare)
    assert "--regions" in error.value.fix
    other = small_world(side=3)
    with pytest.raises(DataError, match="different kinds"):
        model_of(replace(data, parts={"test": other.part("test")}))


def test_a_published_network_needs_its_vocabulary_and_regions_of_its_width(tmp_path):
    with pytest.raises(UsageError, match="no vocabulary") as error:
        model_of(small=False)
    assert "--vocabulary" in error.value.fix
    file = tmp_path / "vocab.txt"
    file.write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the"]))
    with pytest.raises(DataError, match=r"6 tokens, expected 30,522"):
        model_of(small=False, vocabulary=file)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "one", "of", "train"]
    file.write_text("\n".join([*words, *map(str, range(40 - len(words)))]))
    scheme = tmp_path / "scheme.json"
    scheme.write_text(json.dumps(small_values("uniter", v_feature_size=99)))
    with pytest.raises(DataError, match="12 wide.* takes 99"):
        model_of(small=False, vocabulary=file, scheme=str(scheme), max_tokens=20)
    scheme.write_text(json.dumps(small_values("uniter")))
    fits = model_of(small=False, vocabulary=file, scheme=str(scheme), max_tokens=20)
    assert fits.predict("test")["scores"].shape[1] == 10


def test_weights_are_refused_with_other_regions_or_words():
    state = model_of().state_dict()
    with pytest.raises(CheckpointError, match="region features"):
        model_of(small_world(grid=2, **SETS)).load_state_dict(state)
    with pytest.raises(CheckpointError, match="vocabulary"):
        model_of(small_world(**{**SETS, "train": 20})).load_state_dict(state)
    with pytest.raises(CheckpointError, match="context"):
        model_of(variant="contextual").load_state_dict(state)
    with pytest.raises(CheckpointError, match="extra"):
        model_of().load_state_dict({**state, "extra": torch.zeros(1)})


def test_answers_can_be_written_but_new_images_have_no_regions(tmp_path):
    data = small_world(hidden=True)
    model, quiet = model_of(data), Progress(quiet=True)
    file = tmp_path / "answers.json"
    found = predict(model, data, [], quiet, PredictOptions(submission=file))
    assert len(found["chosen"]) == len(data.part("test"))
    assert file.is_file()
    with pytest.raises(UsageError, match="detector"):
        predict(model, data, [], quiet, PredictOptions(images=tmp_path, text="the red one"))
    with pytest.raises(UsageError, match="nothing to predict"):
        predict(model, data, [], quiet, PredictOptions())
