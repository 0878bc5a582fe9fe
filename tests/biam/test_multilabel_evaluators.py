"""Evaluators of the task ``multilabel-zero-shot``: published protocols, chance, tables, wrong arrays."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from mlzoo.errors import NonFiniteError, PluginError
from mlzoo_biam.evaluators import at_k, at_k_table, per_tag, score, score_pooled
from mlzoo_biam.labels import Labels
from mlzoo_biam.metric_specs import MAIN, METRICS, POOLED_METRICS
from mlzoo_biam.metrics import average_precision
from mlzoo_biam.scores.chance import chance_levels
from mlzoo_biam.scores.protocol import precision_by_section, sections

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "biam"


@dataclass
class World:
    """What evaluators read of the data."""

    tags: tuple[str, ...]
    seen_count: int


def world(seen: int, unseen: int) -> World:
    return World(tuple(f"tag {i}" for i in range(seen + unseen)), seen)


def predictions(scores: np.ndarray, labels: np.ndarray, default: int) -> dict[str, np.ndarray]:
    return {"scores": scores, **Labels.from_dense(labels, default).arrays()}


def golden(name: str, default: int) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], World]:
    with np.load(GOLDEN / f"{name}.npz") as file:
        arrays = dict(file)
    data = world(int(arrays["n_seen"]), int(arrays["n_unseen"]))
    return arrays, predictions(arrays["scores"], arrays["labels"], default), data


def test_where_all_is_annotated_all_images_count_as_in_the_oracle() -> None:
    g, given, data = golden("nus_eval", -1)
    found = score(given, data)
    for section in ("zsl", "gzsl"):
        expected = 100 * float(g[f"{section}_map"])
        assert found[f"{section}_map_published"] == pytest.approx(expected, abs=1e-4)
        filled = g[f"{section}_ap"][g[f"{section}_ap"] > 0]
        assert found[f"{section}_map"] == pytest.approx(100 * filled.mean(), abs=1e-4)
        for k in (3, 5):
            expected = 100 * g[f"{section}_f1_p_r_at{k}"][0]
            assert found[f"{section}_f1_{k}"] == pytest.approx(expected, abs=1e-4)
    assert all(math.isnan(value) for value in score_pooled(given, data).values())


def test_where_some_is_annotated_images_and_tags_are_left_out_as_in_the_oracle() -> None:
    g, given, data = golden("openimages_eval", 0)
    found = score(given, data) | score_pooled(given, data)
    labels = Labels.from_predictions(given)
    parts = sections(labels, data.seen_count)
    precision = precision_by_section(given["scores"], labels, parts)
    for name, ks in {"zsl": (1, 3, 10, 20), "gzsl": (1, 5, 10, 20), "seen": (1, 5, 10, 20)}.items():
        part = parts[name]
        assert len(part.labels) == g[f"{name}_n_images"]
        assert part.counted.sum() == g[f"{name}_n_columns"]
        own = np.nan_to_num(precision[name][part.counted])
        np.testing.assert_allclose(own, g[f"{name}_ap_per_class"], atol=1e-6)
        for metric, key in {
            "map_published": "map_per_class",
            "weighted_map": "weighted_map_per_class",
            "map_pooled": "map",
            "weighted_map_pooled": "weighted_map",
        }.items():
            expected = 100 * float(g[f"{name}_{key}"])
            assert found[f"{name}_{metric}"] == pytest.approx(expected, abs=1e-4), metric
        for k, at in at_k(given["scores"], part, ks).items():
            np.testing.assert_allclose(np.ravel(at), g[f"{name}_f1_p_r_at{k}"], atol=1e-6)


def test_every_declared_metric_is_returned_and_the_main_one_reads_seen_tags_alone() -> None:
    _, given, data = golden("openimages_eval", 0)
    found = score(given, data)
    assert list(found) == list(METRICS)
    assert list(score_pooled(given, data)) == list(POOLED_METRICS)
    assert [name for name, metric in METRICS.items() if metric.main] == [MAIN]
    other = {**given, "scores": given["scores"].copy()}
    other["scores"][:, data.seen_count :] = 0
    assert score(other, data)[MAIN] == found[MAIN]


def test_a_split_without_unseen_labels_scores_seen_tags_alone() -> None:
    """As the validation images of Open Images."""
    random = np.random.RandomState(0)
    labels = random.choice([-1, 0, 1], size=(30, 12))
    labels[:, 8:] = 0
    found = score(predictions(random.rand(30, 12), labels, 0), world(8, 4))
    assert {name for name, value in found.items() if not math.isnan(value)} == {
        *("seen_map", "seen_map_published", "seen_weighted_map", MAIN)
    }


@pytest.mark.parametrize("default", [-1, 0])
def test_the_main_metric_is_always_a_number(default) -> None:
    nothing = np.full((4, 5), default)
    assert score(predictions(np.zeros((4, 5)), nothing, default), world(3, 2))[MAIN] == 0
    few = nothing.copy()
    few[0, 0] = few[1, 2] = 1
    found = score(predictions(np.zeros((4, 5)), few, default), world(3, 2))
    assert found[MAIN] > 0  # of all three tags that are seen
    assert math.isnan(found["gzsl_f1_1"])  # no unseen tag is present anywhere


def test_f1_of_more_tags_than_there_are_is_left_out() -> None:
    labels = np.where(np.random.RandomState(1).rand(20, 12) < 0.4, 1, -1)
    given = predictions(np.random.RandomState(2).rand(20, 12), labels, -1)
    found = score(given, world(8, 4))
    assert [k for k in (1, 3, 5, 10, 20) if math.isnan(found[f"zsl_f1_{k}"])] == [5, 10, 20]
    assert [k for k in (1, 3, 5, 10, 20) if math.isnan(found[f"gzsl_f1_{k}"])] == [20]
    table = at_k_table(given, world(8, 4))
    rows = list(zip(table["section"], table["k"], strict=True))
    zsl, gzsl = [("zsl", k) for k in (1, 3)], [("gzsl", k) for k in (1, 3, 5, 10)]
    assert rows == [*zsl, *gzsl, *(("seen", k) for k in (1, 3, 5))]
    assert table["f1"][rows.index(("zsl", 3))] == pytest.approx(found["zsl_f1_3"])


def test_table_by_tag_has_each_tag_among_those_of_its_kind() -> None:
    g, given, data = golden("openimages_eval", 0)
    table = per_tag(given, data)
    assert list(table["tag"]) == list(data.tags)
    assert {len(column) for column in table.values()} == {len(data.tags)}
    seen = np.array(table["kind"]) == "seen"
    assert seen.sum() == data.seen_count
    own = 100 * np.nan_to_num(g["zsl_ap_per_class"])
    np.testing.assert_allclose(np.nan_to_num(table["average_precision"])[~seen], own, atol=1e-4)
    pooled = np.array(table["pooled_precision"])[~seen]
    np.testing.assert_allclose(np.nan_to_num(pooled), 100 * g["zsl_ap_pooled"], atol=1e-4)
    positives, recall = np.array(table["positives"]), np.array(table["recall_5"])
    zsl = sections(Labels.from_predictions(given), data.seen_count)["zsl"]
    hits = (recall[~seen] * positives[~seen]).sum() / positives[~seen].sum()
    assert hits == pytest.approx(100 * at_k(given["scores"], zsl, [5])[5].recall[0])


def test_table_by_tag_of_fully_annotated_tags_has_no_pooled_column() -> None:
    _, given, data = golden("nus_eval", -1)
    table = per_tag(given, data)
    assert "pooled_precision" not in table
    assert set(table["annotated"]) == {len(given["scores"])}
    expected = 100 * average_precision(given["scores"], Labels.from_predictions(given))
    np.testing.assert_allclose(table["average_precision"], expected)


@pytest.mark.parametrize(("name", "default"), [("nus_eval", -1), ("openimages_eval", 0)])
def test_chance_is_what_random_scores_have_in_the_mean(name, default) -> None:
    g, _, data = golden(name, default)
    labels = Labels.from_dense(g["labels"], default)
    test = SimpleNamespace(own_labels=labels)
    levels = chance_levels(SimpleNamespace(test=test, seen_count=data.seen_count))
    random, draws = np.random.RandomState(3), []
    for _ in range(300):
        given = {"scores": random.rand(*g["labels"].shape), **labels.arrays()}
        draws.append(score(given, data) | score_pooled(given, data))
    present = {metric for metric, value in draws[0].items() if not math.isnan(value)}
    assert set(levels) == present
    for metric, level in levels.items():
        values = [draw[metric] for draw in draws]
        assert abs(np.mean(values) - level) < 5 * np.std(values) / len(values) ** 0.5 + 1e-9, metric


GIVEN = predictions(np.zeros((2, 3), dtype=np.float32), np.array([[1, -1, 1], [-1, 1, -1]]), -1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scores": np.zeros((2, 4))}, r"scores of shape \[2, 4\] and type float64"),
        ({"scores": np.zeros((2, 3), dtype=int)}, "type int64; expected floating-point numbers"),
        ({"label_default": np.full(4, -1, np.int8)}, "labels of 4 tags; the data has 3"),
        ({"label_values": np.full(3, 2, np.int8)}, "expected a value of -1 or \\+1"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(change, message) -> None:
    with pytest.raises(PluginError, match=message):
        score({**GIVEN, **change}, world(2, 1))


def test_missing_arrays_are_named() -> None:
    with pytest.raises(PluginError, match="lack scores, label_values"):
        score({k: GIVEN[k] for k in GIVEN if k not in ("scores", "label_values")}, world(2, 1))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_scores_that_are_no_numbers_are_named_with_their_row(bad) -> None:
    scores = np.zeros((2, 3), dtype=np.float32)
    scores[1, 2] = bad
    with pytest.raises(NonFiniteError, match="scores, row 1"):
        score({**GIVEN, "scores": scores}, world(2, 1))
