"""The paired test of F1 at 5 over images, and of average precision over tags."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from mlzoo.errors import DataError, PluginError
from mlzoo.registry import registry, resolve
from mlzoo_biam.evaluators import score
from mlzoo_biam.labels import Labels
from mlzoo_biam.paired import paired
from mlzoo_biam.scores.at_k import hits_by_image, precision_recall_f1_at

SEEN, UNSEEN, IMAGES = 12, 7, 150
RANDOM = np.random.default_rng(0)
FULL = np.where(RANDOM.random((IMAGES, SEEN + UNSEEN)) < 0.25, 1, -1).astype(np.int8)
PARTIAL = (FULL * (RANDOM.random(FULL.shape) < 0.6)).astype(np.int8)


def predictions(
    skill: float, seed: int, labels: np.ndarray = FULL, seen: int = SEEN
) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    scores = (random.normal(size=labels.shape) + skill * (labels > 0)).astype(np.float32)
    default = -1 if (labels != 0).all() else 0
    stored = Labels.from_dense(labels, default).arrays()
    return {"scores": scores, **stored, "seen_count": np.array(seen)}


def scored(given: dict[str, np.ndarray]) -> dict[str, float]:
    tags = tuple(map(str, range(given["scores"].shape[1])))
    return score(given, SimpleNamespace(tags=tags, seen_count=int(given["seen_count"])))


@pytest.mark.parametrize("labels", [FULL, PARTIAL], ids=["full", "partial"])
def test_values_are_those_of_the_evaluator(labels) -> None:
    runs = predictions(0.5, 1, labels), predictions(0.8, 2, labels)
    found, (one, other) = paired(*runs), map(scored, runs)
    assert found["seen_f1_5_one"] == pytest.approx(one["seen_f1_5"])
    assert found["seen_f1_5_other"] == pytest.approx(other["seen_f1_5"])
    for name in ("zsl_f1_5", "gzsl_f1_5", "zsl_map"):
        assert found[f"{name}_difference"] == pytest.approx(other[name] - one[name])
        assert found[f"{name}_low"] < found[f"{name}_difference"] < found[f"{name}_high"]
    having = (labels[:, :SEEN] > 0).any(axis=1).sum()
    assert found["images"] == (IMAGES if labels is FULL else having)


@pytest.mark.parametrize("k", [1, 3, 12])
def test_hits_of_images_add_up_to_f1(k) -> None:
    scores = np.round(np.random.default_rng(3).normal(size=FULL.shape), 1)  # with equals
    columns = np.arange(12)
    hits, positives = hits_by_image(scores, FULL[:, :12], k, columns=columns)
    f1 = precision_recall_f1_at(scores, FULL[:, :12], [k], columns=columns).f1[0]
    assert 2 * hits.sum() / (k * IMAGES + positives.sum()) == pytest.approx(f1)
    best = np.argsort(-scores[:, :12], axis=1, kind="stable")[:, :k]
    expected = (np.take_along_axis(FULL, best, axis=1) == 1).sum(axis=1)
    np.testing.assert_array_equal(hits, expected)
    with pytest.raises(DataError, match="K must be from 1 to 12"):
        hits_by_image(scores, FULL[:, :12], 13, columns=columns)


def test_equal_runs_cannot_be_told_apart_and_very_different_ones_can() -> None:
    one = predictions(0.5, 4)
    same = paired(one, one)
    assert (same["p"], same["difference"], same["zsl_map_p"]) == (1, 0, 1)
    better = paired(one, predictions(2.0, 5))
    assert better["p"] <= 0.001
    assert better["difference_low"] > 0
    assert paired(one, predictions(0.5, 6))["p"] > 0.01


def test_fewer_than_five_tags_are_all_taken_and_what_cannot_be_said_is_left_out() -> None:
    runs = [predictions(skill, 7, FULL[:, :7], seen=3) for skill in (0.5, 1.0)]
    found = paired(*runs)
    assert "F1 at 3 of seen tags" in found["test"]
    assert found["seen_f1_5_one"] == pytest.approx(scored(runs[0])["seen_f1_5"])
    assert "zsl_f1_5_p" not in found
    assert "zsl_map_p" in found
    nothing = [predictions(0.5, 8, np.where(np.arange(9) < 5, FULL[:, :9], -1), seen=5)] * 2
    assert "gzsl_f1_5_p" not in paired(*nothing)


def test_other_labels_and_runs_that_do_not_say_what_is_seen_are_refused() -> None:
    one = predictions(0.5, 9)
    with pytest.raises(DataError, match="not the same images: label_"):
        paired(one, predictions(0.5, 9, -FULL))
    with pytest.raises(DataError, match="seen_count differs"):
        paired(one, {**one, "seen_count": np.array(11)})
    old = {name: array for name, array in one.items() if name != "seen_count"}
    with pytest.raises(DataError, match="of one run hold no 'seen_count'"):
        paired(old, one)
    with pytest.raises(PluginError, match="lack scores"):
        paired(one, {name: array for name, array in one.items() if name != "scores"})
    empty = predictions(0.5, 9, np.full((4, 8), -1, np.int8), seen=6)
    with pytest.raises(DataError, match="no image of the split has a seen tag"):
        paired(empty, empty)


def test_the_evaluator_names_it() -> None:
    entries = [e for e in registry().evaluators_for("multilabel-zero-shot") if e.spec.paired]
    assert [resolve(entry.spec.paired, entry.plugin) for entry in entries] == [paired]
