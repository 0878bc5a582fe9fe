"""Accuracy, ranks, distances, chance and tables of contextual retrieval."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_contextual import scores_of, small_contextual, small_part

from mlzoo.errors import NonFiniteError, PluginError
from mlzoo.prediction import checked_columns
from mlzoo_imagecode import tables
from mlzoo_imagecode.contextual import Part
from mlzoo_imagecode.evaluators import checked, score, score_phenomena
from mlzoo_imagecode.metric_specs import METRICS, PHENOMENA_METRICS
from mlzoo_imagecode.scores.chance import best_position, chance_levels
from mlzoo_imagecode.scores.choices import accuracies, chosen, margins, ranks

GOLDEN = Path(__file__).parents[1] / "golden" / "imagecode"
TABLES = {
    "rank-histogram": tables.rank_histogram,
    "frame-distance": tables.frame_distance,
    "frame-gap": tables.frame_gap,
    "phenomena": tables.phenomena_table,
    "positions": tables.positions,
    "examples": tables.examples,
}


def predictions_of(part: Part, scores: np.ndarray | None = None) -> dict[str, Any]:
    return {"scores": scores_of(part) if scores is None else scores, **part.arrays()}


def test_recorded_scores_with_ties_give_the_recorded_choices_and_accuracies() -> None:
    with np.load(GOLDEN / "evaluation.npz") as recorded:
        scores, target, video = (recorded[name] for name in ("scores", "target", "is_video"))
        np.testing.assert_array_equal(chosen(scores), recorded["pred"])
        found = accuracies(scores, target, video)
        for name, kind in (("", "all"), ("_video", "video"), ("_static", "static")):
            assert round(found[f"accuracy{name}"] / 100, 4) == pytest.approx(
                float(recorded[f"acc_{kind}"])
            )
        assert (video.sum(), (~video).sum()) == (recorded["n_video"], recorded["n_static"])
        # Not first of equals means not chosen, and the other way round.
        np.testing.assert_array_equal(ranks(scores, target) == 1, recorded["pred"] == target)


def test_ranks_are_those_of_a_stable_descending_sort() -> None:
    random = np.random.RandomState(0)
    scores = random.randint(0, 4, size=(200, 7)).astype(np.float32)  # many ties
    target = random.randint(0, 7, size=200)
    order = np.argsort(-scores, axis=1, kind="stable")
    expected = 1 + np.argmax(order == target[:, None], axis=1)
    np.testing.assert_array_equal(ranks(scores, target), expected)
    np.testing.assert_array_equal(chosen(scores), order[:, 0])
    first_two = np.take_along_axis(scores, order[:, :2], axis=1)
    np.testing.assert_array_equal(margins(scores), first_two[:, 0] - first_two[:, 1])


def test_metrics_by_hand() -> None:
    part = small_part(4, seed=1)
    positions = part.position[part.candidates]
    scores = np.zeros((len(part), 10), np.float32)
    # Right, one place off, two places off, right, ...
    off = np.arange(len(part)) % 3
    choice = (part.target + off) % 10
    scores[np.arange(len(part)), choice] = 1
    found = score(predictions_of(part, scores), None)
    assert set(found) == set(METRICS)
    right = off == 0
    assert found["accuracy"] == pytest.approx(100 * right.mean())
    assert found["accuracy_video"] == pytest.approx(100 * right[part.is_video].mean())
    assert found["accuracy_static"] == pytest.approx(100 * right[~part.is_video].mean())
    apart = np.abs(choice - part.target)
    assert found["mean_distance"] == pytest.approx(apart.mean())
    assert found["errors_next_to_target"] == pytest.approx(100 * (apart[~right] == 1).mean())
    order = np.argsort(-scores, axis=1, kind="stable")
    rank = 1 + np.argmax(order == part.target[:, None], axis=1)
    assert found["mean_rank"] == pytest.approx(rank.mean())
    assert (positions == np.arange(10)).all()


def test_distances_are_between_positions_and_not_columns() -> None:
    part = small_part(6, seed=2)
    order = np.random.RandomState(0).permutation(10)
    turned = replace(
        part, candidates=part.candidates[:, order], target=np.argsort(order)[part.target]
    )
    scores = scores_of(part)
    one = score(predictions_of(part, scores), None)
    other = score(predictions_of(turned, scores[:, order]), None)
    assert one == pytest.approx(other)


def test_hidden_targets_and_missing_kinds_are_nan() -> None:
    part = small_part(4, hidden=True)
    found = predictions_of(part)
    assert np.isnan([*score(found, None).values(), *score_phenomena(found, None).values()]).all()
    assert set(score_phenomena(found, None)) == set(PHENOMENA_METRICS)
    alone = small_part(5).taken(np.flatnonzero(small_part(5).is_video))
    values = score(predictions_of(alone), None)
    assert np.isnan(values["accuracy_static"])
    assert values["accuracy_video"] == values["accuracy"]
    perfect = np.eye(10, dtype=np.float32)[alone.target]
    assert np.isnan(score(predictions_of(alone, perfect), None)["errors_next_to_target"])


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({"scores": np.zeros(5)}, PluginError, r"scores of shape \[5\]"),
        ({"video": None}, PluginError, "lack video"),
        ({"position": np.zeros((3, 10), int)}, PluginError, "position of shape"),
        ({"target": np.full(8, 1.0)}, PluginError, "type float64"),
        ({"target": np.full(8, 10)}, PluginError, "the target 10 of 10"),
        ({"scores": np.full((8, 10), np.nan)}, NonFiniteError, "scores, row 0"),
    ],
)
def test_arrays_that_do_not_fit_are_named(change, error, said) -> None:
    part = small_part(5).taken(np.arange(8))
    given = {**predictions_of(part), **change}
    given = {name: value for name, value in given.items() if value is not None}
    for scorer in (score, score_phenomena):
        with pytest.raises(error, match=said):
            scorer(given, None)


@pytest.mark.parametrize("choices", [2, 3, 10])
def test_chance_is_the_mean_over_random_choices(choices) -> None:
    data = small_contextual(choices=choices, test=7, val=3)
    part = data.part("test")
    random = np.random.RandomState(4)
    found: dict[str, list[float]] = {name: [] for name in METRICS}
    for _ in range(3000):
        scores = random.uniform(size=(len(part), choices))
        for name, value in score(predictions_of(part, scores), None).items():
            found[name].append(value)
    chance = chance_levels(data)
    for name, values in found.items():
        error = np.nanstd(values) / np.sqrt(3000)
        assert np.nanmean(values) == pytest.approx(chance[name], abs=4 * error + 1e-9), name


def test_chance_is_told_where_a_metric_is_defined() -> None:
    data = small_contextual()
    levels = chance_levels(data)
    assert levels["accuracy"] == levels["accuracy_video"] == levels["accuracy_static"] == 10
    assert levels["accuracy_con"] == levels["accuracy_seen_annotators"] == 10  # of val
    assert set(levels) <= {*METRICS, *PHENOMENA_METRICS}
    hidden = chance_levels(small_contextual(hidden=True))  # distances are val's then
    val = replace(small_contextual(), parts={"test": small_contextual().part("val")})
    assert hidden["mean_distance"] == pytest.approx(chance_levels(val)["mean_distance"])
    alone = chance_levels(small_contextual(hidden=True, val=0))
    assert set(alone) == {"accuracy", "accuracy_video", "accuracy_static", "mean_rank"}


def test_the_best_constant_position_stands_beside_chance() -> None:
    data = small_contextual(favourite=True, train=60, test=60)
    best = np.bincount(data.part("train").target, minlength=10).argmax()
    assert best in (3, 5)
    expected = 100 * float((data.part("test").target == best).mean())
    assert data.references()["accuracy"] == pytest.approx({"chance": 10, "best position": expected})
    hidden = small_contextual(favourite=True, train=60, hidden=True)
    on_val = 100 * float((hidden.part("val").target == best).mean())
    assert best_position(hidden) == pytest.approx(on_val)
    assert best_position(small_contextual(train=0)) is None
    assert best_position(small_contextual(hidden=True, val=0)) is None


@pytest.mark.parametrize("hidden", [False, True])
@pytest.mark.parametrize("choices", [2, 10])
def test_every_table_can_be_written(choices, hidden) -> None:
    part = small_part(7, choices=choices, hidden=hidden, annotated=True)
    for name, make in TABLES.items():
        assert checked_columns(make(predictions_of(part), None), name, gaps=True)


def test_counts_of_tables_add_up() -> None:
    part = small_part(20, seed=5, annotated=True)
    found = predictions_of(part)
    accuracy = score(found, None)["accuracy"]
    ranks_ = tables.rank_histogram(found, None)
    assert ranks_["rank"] == list(range(1, 11))
    assert sum(ranks_["count"]) == len(part)
    assert ranks_["share"][0] == pytest.approx(accuracy)
    assert ranks_["chance"].tolist() == [10.0] * 10
    apart = tables.frame_distance(found, None)
    assert apart["distance"] == list(range(10))
    assert apart["share"][0] == pytest.approx(accuracy)
    assert apart["chance"][0] == pytest.approx(10)
    assert sum(apart["chance"]) == pytest.approx(100)
    mean = np.dot(apart["distance"], apart["share"]) / 100
    assert mean == pytest.approx(score(found, None)["mean_distance"])
    where = tables.positions(found, None)
    assert sum(where["described"]) == sum(where["chosen"]) == len(part)
    assert sum(where["right"]) == pytest.approx(accuracy * len(part) / 100)
    gaps = tables.frame_gap(found, None)
    assert sum(gaps["descriptions"]) == part.is_video.sum()
    rights = np.nansum(np.multiply(gaps["accuracy"], gaps["descriptions"])) / 100
    assert rights == pytest.approx((checked(found).correct & part.is_video).sum())


def test_gaps_are_to_the_nearest_other_frame() -> None:
    part = small_part(6, seed=3)
    frames = part.frame[part.candidates]
    expected = [
        min(abs(row[goal] - other) for place, other in enumerate(row) if place != goal)
        for row, goal in zip(frames.tolist(), part.target.tolist(), strict=True)
    ]
    assert tables.nearest_frames(checked(predictions_of(part))).tolist() == expected
    table = tables.frame_gap(predictions_of(part), None)
    videos = np.array(expected)[part.is_video]
    for first, last, count in zip(table["from"], table["to"], table["descriptions"], strict=True):
        assert count == ((videos >= first) & (videos <= (last or 10**9))).sum()


def test_examples_name_positions_and_margins() -> None:
    part = small_part(4, seed=6)
    found = tables.examples(predictions_of(part), None)
    assert found["text"] == list(part.texts)
    assert found["set"][0] == "set-0"
    right = np.array(found["chosen"]) == np.array(found["target"])
    np.testing.assert_array_equal(right, np.array(found["rank"]) == 1)
    hidden = tables.examples(predictions_of(small_part(4, hidden=True)), None)
    assert hidden["target"] == hidden["rank"] == [None] * len(hidden["text"])
