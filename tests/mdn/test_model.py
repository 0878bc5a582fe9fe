"""The model: its loop, its state, and the two ways to evaluate."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

import mlzoo
from mlzoo.checkpoints import load_checkpoint
from mlzoo.errors import CheckpointError, UsageError
from mlzoo.experiment import Interrupted
from mlzoo.progress import Progress
from mlzoo.testing import same
from mlzoo_mdn.config import MDNConfig
from mlzoo_mdn.data import load_synthetic
from mlzoo_mdn.dataset_config import SyntheticOptions
from mlzoo_mdn.model import MDN
from mlzoo_mdn.training import EarlyStopping, schedule_for


@pytest.fixture(scope="module")
def data():
    return load_synthetic(None, SyntheticOptions(group_size=20))


def model(data, **options):
    torch.manual_seed(0)
    return MDN(MDNConfig(batch_size=16, **options), data)


def run(tmp_path, **options):
    settings = {"preset": "smoke", "group_size": 20, "batch_size": 16, "figures": False}
    return mlzoo.run("mdn", out=tmp_path, progress=Progress(quiet=True), **{**settings, **options})


def test_prediction_does_not_see_the_label(data):
    net = model(data)
    net.finish()
    first = net.predict("test")["probability"]
    flipped = type(data.test)(data.test.images, 1 - data.test.label, data.test.metadata)
    net.data = replace(data, test=flipped)
    np.testing.assert_array_equal(net.predict("test")["probability"], first)


def test_recomputed_statistics_leave_no_linear_trace_of_the_confounder_on_train(data):
    net = model(data)
    net.finish()
    columns = np.column_stack([np.ones(40), data.train.label, data.train.metadata])
    with torch.no_grad():
        net.network.eval()
        batches = net._batches(data.train, with_label=True)
        features = torch.cat([net.network(*batch)[1] for batch in batches]).double().numpy()
    fitted = np.linalg.lstsq(columns, features, rcond=None)[0]  # [intercept, label, confounder]
    np.testing.assert_allclose(fitted[[0, 2]], 0, atol=1e-5)


def test_running_view_restores_the_exact_statistics_afterwards(data):
    net = model(data)
    net.finish()
    before = net.predict("val")
    running = net.predict("val@running")
    assert not np.array_equal(before["features"], running["features"])
    np.testing.assert_array_equal(net.predict("val")["features"], before["features"])


def test_unknown_view_is_refused(data):
    with pytest.raises(UsageError, match="no view 'exact'"):
        model(data).predict("val@exact")


@pytest.mark.parametrize(
    ("options", "views"),
    [
        ({}, ("running",)),
        ({"network": "linear"}, ("running",)),
        ({"network": "baseline"}, ()),
        ({"statistics": "running"}, ()),
    ],
)
def test_running_statistics_are_a_view_where_exact_ones_replace_them(data, options, views):
    assert model(data, **options).views == views


def test_state_survives_a_round_trip_with_both_statistics(data):
    net, other = model(data), model(data)
    net.finish()
    other.load_state_dict(net.state_dict())
    for split in ("val", "val@running"):
        np.testing.assert_array_equal(
            net.predict(split)["features"], other.predict(split)["features"]
        )


def test_state_of_another_network_is_refused_whole(data):
    net = model(data)
    with pytest.raises(CheckpointError, match="does not fit"):
        net.load_state_dict(model(data, network="baseline").state_dict())


@pytest.mark.parametrize("estimator", ["global", "batch", "control-variate"])
@pytest.mark.parametrize("network", ["baseline", "linear", "conv"])
def test_every_network_and_estimator_trains(tmp_path, network, estimator):
    done = run(tmp_path, network=network, estimator=estimator, epochs=1)
    assert 0 <= done.metrics["test"]["accuracy"] <= 100


def test_published_protocol_runs_with_its_schedule_and_running_statistics(tmp_path):
    done = run(tmp_path, preset="published", epochs=2)
    assert set(done.metrics) == {"val", "test"}
    config = mlzoo.RunRecord(done.directory).config
    assert (config["learning_rate"], config["schedule"], config["patience"]) == (
        1e-4,
        "plateau",
        200,
    )


def test_patience_stops_training(tmp_path):
    done = run(tmp_path, epochs=50, patience=1, learning_rate=1.0, schedule="constant")
    assert done.results["selection"]["epoch"] < 50
    assert "no better val loss in 1 epochs" in (done.directory / "log.txt").read_text()


def test_early_stop_is_scored_whatever_evaluate_every_says(tmp_path):
    options = {"epochs": 30, "patience": 1, "learning_rate": 1.0, "schedule": "constant"}
    done = run(tmp_path, select="val", evaluate_every=50, **options)
    epochs, _ = mlzoo.RunRecord(done.directory).curve("accuracy")
    assert epochs == [done.results["selection"]["epoch"]]


@pytest.mark.parametrize("schedule", ["plateau", "cosine", "constant"])
@pytest.mark.parametrize("select", ["val", "test"])
def test_every_schedule_and_rule_resumes_bit_for_bit(tmp_path, schedule, select):
    options = {"epochs": 3, "schedule": schedule, "select": select, "patience": 9}
    straight = run(tmp_path / "a", **options)
    with pytest.raises(Interrupted):
        run(tmp_path / "b", stop_after=2, **options)
    (half,) = (path.parent for path in (tmp_path / "b").rglob("run.json"))
    resumed = mlzoo.resume(half, figures=False, progress=Progress(quiet=True))
    assert resumed.metrics == straight.metrics
    for name in ("last.pt", "best.pt"):
        one, two = (
            load_checkpoint(r.directory / "checkpoints" / name) for r in (straight, resumed)
        )
        assert same(one, two)


def test_early_stopping_counts_as_the_original_program_does():
    stopping = EarlyStopping(patience=2)
    assert [stopping.should_stop(loss) for loss in (5, 4, 3.9995, 3.9, 4, 4)] == [False] * 5 + [
        True
    ]
    assert not any(EarlyStopping(patience=0).should_stop(9) for _ in range(10))


def test_cosine_ends_at_zero_and_constant_stays():
    parameter = torch.nn.Parameter(torch.zeros(1))
    for name, last in (("cosine", 0.0), ("constant", 1e-2)):
        optimizer = torch.optim.Adam([parameter], lr=1e-2)
        schedule = schedule_for(MDNConfig(schedule=name, epochs=5), optimizer)
        for _ in range(5):
            optimizer.step()
            schedule.step()
        assert optimizer.param_groups[0]["lr"] == pytest.approx(last, abs=1e-12)
