"""The paired test of retrieval from text to video, over queries."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from mlzoo.errors import DataError, PluginError
from mlzoo.identities import disagreements
from mlzoo.registry import registry, resolve
from mlzoo_multisk.evaluators import score
from mlzoo_multisk.metric_specs import IDENTITIES
from mlzoo_multisk.paired import paired

CLIPS = 90


def predictions(noise: float, seed: int, complete: int = CLIPS) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    video = np.random.default_rng(0).normal(size=(CLIPS, 16))
    text = video + noise * random.normal(size=(CLIPS, 16))
    return {
        "text": text.astype(np.float32),
        "video": video.astype(np.float32),
        "complete": np.array(complete),
        "ids": np.array([f"clip-{i:02d}" for i in range(CLIPS)]),
    }


def scored(given) -> dict[str, float]:
    return score(given, SimpleNamespace(parts={}))


@pytest.mark.parametrize("complete", [CLIPS, 120])
def test_values_are_those_of_the_evaluator(complete) -> None:
    runs = predictions(2.0, 1, complete), predictions(1.2, 2, complete)
    found, (one, other) = paired(*runs), map(scored, runs)
    assert found["t2v_geometric_mean_one"] == pytest.approx(one["t2v_geometric_mean"])
    assert found["t2v_geometric_mean_other"] == pytest.approx(other["t2v_geometric_mean"])
    assert found["r1_difference"] == pytest.approx(other["t2v_r1"] - one["t2v_r1"])
    assert found["r1_low"] < found["r1_difference"] < found["r1_high"]
    assert found["difference_low"] < found["difference"] < found["difference_high"]
    assert found["queries"] == CLIPS
    assert disagreements(IDENTITIES, one) == []


def test_clips_are_paired_by_id_whatever_their_order() -> None:
    one, other = predictions(2.0, 3), predictions(1.6, 4)
    order = np.random.default_rng(5).permutation(CLIPS)
    turned = {k: v if k == "complete" else v[order] for k, v in other.items()}
    assert paired(one, turned) == paired(one, other)
    unnamed = [{k: v for k, v in each.items() if k != "ids"} for each in (one, other)]
    assert paired(*unnamed) == paired(one, other)


def test_equal_runs_cannot_be_told_apart_and_very_different_ones_can() -> None:
    one = predictions(2.0, 6)
    same = paired(one, one)
    assert (same["p"], same["difference"], same["p_mcnemar"]) == (1, 0, 1)
    better = paired(one, predictions(0.5, 7))
    assert better["p"] <= 0.001
    assert better["only_other_first"] > better["only_one_first"]


def test_other_clips_and_benchmarks_are_refused() -> None:
    one = predictions(2.0, 8)
    with pytest.raises(DataError, match="not the same clips: 'clip-00'"):
        paired(one, {**one, "ids": np.char.add(one["ids"], "x")})
    fewer = {k: v if k == "complete" else v[:-1] for k, v in one.items()}
    with pytest.raises(DataError, match="not the same clips"):
        paired(one, fewer)
    with pytest.raises(DataError, match="has 90 clips, the other 100"):
        paired(one, predictions(2.0, 8, complete=100))
    with pytest.raises(PluginError, match="lack video"):
        paired(one, {k: v for k, v in one.items() if k != "video"})


def test_the_evaluator_names_it() -> None:
    entries = [e for e in registry().evaluators_for("multimodal-retrieval") if e.spec.paired]
    assert [resolve(entry.spec.paired, entry.plugin) for entry in entries] == [paired]
