"""McNemar's test of two runs on the same samples."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from mlzoo.errors import DataError, PluginError
from mlzoo.identities import disagreements
from mlzoo.registry import registry, resolve
from mlzoo_mdn.evaluators import score
from mlzoo_mdn.metrics import IDENTITIES
from mlzoo_mdn.paired import paired


def predictions(share: float, seed: int, count: int = 200) -> dict[str, np.ndarray]:
    """Right with a probability; 0.5 predicts 0."""
    random = np.random.default_rng(seed)
    label = np.arange(count) % 2
    right = random.random(count) < share
    return {
        "probability": np.where(right, label, 1 - label).astype(np.float32),
        "label": label,
        "metadata": np.random.default_rng(0).normal(size=(count, 2)),
        "features": random.normal(size=(count, 3)).astype(np.float32),
    }


def test_samples_that_one_run_alone_has_right_are_binomial() -> None:
    one, other = predictions(0.6, 1), predictions(0.8, 2)
    found = paired(one, other)
    only = found["only_one_right"], found["only_other_right"]
    assert found["p"] == binomtest(only[0], sum(only)).pvalue < 0.01
    assert found["samples"] == 200
    for name, run in (("one", one), ("other", other)):
        assert found[f"accuracy_{name}"] == pytest.approx(score(run)["accuracy"])
    assert 0 < found["difference_low"] < found["difference"] < found["difference_high"]
    assert paired(one, one)["p"] == 1


def test_other_samples_are_refused() -> None:
    one = predictions(0.6, 1)
    for changes in ({"label": 1 - one["label"]}, {"metadata": one["metadata"] + 1}):
        with pytest.raises(DataError, match="not the same samples"):
            paired(one, {**one, **changes})
    with pytest.raises(DataError, match="not the same samples"):
        paired(one, predictions(0.6, 1, count=100))
    broken = {key: array for key, array in one.items() if key != "features"}
    with pytest.raises(PluginError, match="lack features"):
        paired(one, broken)


def test_the_evaluator_names_it_and_its_metrics_obey_the_identities() -> None:
    (entry,) = registry().evaluators_for("confounded-classification")
    assert resolve(entry.spec.paired, entry.plugin) is paired
    for seed in range(5):
        assert disagreements(IDENTITIES, score(predictions(0.3 + seed / 8, seed))) == []
