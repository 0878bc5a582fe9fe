"""The paper's point, in the small setting that fits a test: half the data, smaller batches."""

from __future__ import annotations

import pytest

import mlzoo
from mlzoo.progress import Progress
from mlzoo.run_directory import RunRecord

SMALL = {"group_size": 500, "batch_size": 100, "seed": 0, "device": "cpu"}


@pytest.fixture(scope="module")
def baseline(tmp_path_factory):
    return train("baseline", tmp_path_factory)


@pytest.fixture(scope="module")
def conv(tmp_path_factory):
    return train("conv", tmp_path_factory)


def train(network, tmp_path_factory):
    out = tmp_path_factory.mktemp(network)
    return mlzoo.run("mdn", network=network, out=out, progress=Progress(quiet=True), **SMALL)


def dependence(result, split="test"):
    return [result.metrics[split][name] for name in ("dcor2_0", "dcor2_1")]


def test_baseline_uses_the_confounder(baseline):
    assert baseline.metrics["test"]["accuracy"] >= 92.5, "above what the true effect allows"
    assert min(dependence(baseline)) >= 0.15
    assert set(baseline.metrics) == {"val", "test"}, "without layers there is nothing to recompute"


def test_metadata_normalization_does_not(conv, baseline):
    assert 79 <= conv.metrics["test"]["accuracy"] <= 88
    assert max(dependence(conv)) <= 0.02
    assert max(dependence(conv)) <= min(dependence(baseline)) / 10


def test_both_statistics_are_shown_and_differ(conv):
    assert set(conv.metrics) == {"val", "val@running", "test", "test@running"}
    assert conv.metrics["test"] != conv.metrics["test@running"]
    references = conv.results["references"]["accuracy"]
    assert references["true effect"] == pytest.approx(83.3, abs=0.05)
    assert references["with the confounder"] == pytest.approx(94.4, abs=0.05)


def test_eval_repeats_both_statistics(conv):
    assert mlzoo.evaluate(conv.directory, device="cpu") == conv.metrics


def test_figures_are_drawn(conv):
    for name in ("samples", "curves", "features"):
        header = (conv.directory / "figures" / f"{name}.png").read_bytes()[:8]
        assert header == b"\x89PNG\r\n\x1a\n"
    assert not (conv.directory / "figures" / "comparison.png").exists()


def test_comparison_needs_two_experiments(conv, baseline):
    from mlzoo_mdn.figures import comparison

    records = [RunRecord(result.directory) for result in (baseline, conv)]
    figure = comparison(records)
    assert next(ax.get_title() for ax in figure.axes) == "test accuracy, %"
    assert comparison(records[:1]) is None
