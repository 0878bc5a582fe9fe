"""Evaluators of the task ``multimodal-retrieval``: the oracles, chance, degenerate predictions, tables."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from small_retrieval import small_retrieval

from mlzoo.errors import NonFiniteError, PluginError
from mlzoo.prediction import checked_columns
from mlzoo_multisk.evaluators import directions, examples, score, score_anchors
from mlzoo_multisk.metric_specs import ANCHOR_METRICS, AVERAGED, DIRECTIONS, FUSED, METRICS, SINGLE
from mlzoo_multisk.scores import anchors
from mlzoo_multisk.scores.chance import chance_levels, expected_geometric_mean

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "multisk"
ENDINGS = ("r1", "r5", "r10", "r50", "median_rank", "mean_rank", "geometric_mean")
WORLD = SimpleNamespace(parts={})


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(GOLDEN / "metrics.npz") as file:
        return dict(file)


def predictions(
    rows: dict[str, np.ndarray], complete: int | None = None, **more: Any
) -> dict[str, Any]:
    count = len(rows["text"])
    return {**rows, "complete": np.array(complete or count), **more}


def drawn(
    count: int, width: int = 8, names: tuple[str, ...] = ("text", "video", "audio"), seed: int = 0
):
    random = np.random.RandomState(seed)
    return {name: random.standard_normal((count, width)).astype(np.float32) for name in names}


def test_all_directions_of_embeddings_are_the_oracles(golden) -> None:
    names = {name: f"{name}_embed" for name in ("text", "video", "audio", "tv", "ta", "va")}
    rows = {name: golden[f"emb.{key}"] for name, key in names.items()}
    found = score(predictions(rows, len(rows["text"]) + 3), WORLD)
    assert set(found) == set(METRICS)
    for direction in DIRECTIONS:
        values = [found[f"{direction}_{ending}"] for ending in ENDINGS]
        np.testing.assert_allclose(
            values, golden[f"task.{direction}"], rtol=1e-6, err_msg=direction
        )


def test_what_a_model_has_no_embeddings_for_is_nan_and_every_metric_is_there() -> None:
    for names, there in (
        (("text", "video", "audio"), {*SINGLE, *AVERAGED}),
        (("text", "video"), {"t2v", "v2t"}),
        (("text", "video", "va"), {"t2v", "v2t", "t2va", "va2t"}),
        (("text", "video", "audio", "tv", "ta", "va"), set(DIRECTIONS)),
    ):
        found = score(predictions(drawn(20, names=names)), WORLD)
        assert list(found) == list(METRICS)
        known = {name for name, value in found.items() if not math.isnan(value)}
        assert known == {f"{direction}_{ending}" for direction in there for ending in ENDINGS}


def test_lengths_of_embeddings_do_not_matter() -> None:
    rows = drawn(30)
    scaled = {name: array * np.float32(1 + i) for i, (name, array) in enumerate(rows.items())}
    assert score(predictions(rows), WORLD) == pytest.approx(
        score(predictions(scaled), WORLD), nan_ok=True
    )


def test_equal_embeddings_have_the_middle_rank() -> None:
    for row in (np.ones((41, 7), np.float32), np.zeros((41, 7), np.float32)):
        found = score(predictions(dict.fromkeys(("text", "video", "audio"), row)), WORLD)
        for direction in (*SINGLE, *AVERAGED):
            assert found[f"{direction}_median_rank"] == found[f"{direction}_mean_rank"] == 21
            assert found[f"{direction}_r10"] == 0
            assert found[f"{direction}_r50"] == 100


def test_opposite_embeddings_have_a_mean_of_zeros_and_tie() -> None:
    rows = drawn(12)
    found = score(predictions({**rows, "audio": -rows["video"]}), WORLD)
    assert found["t2v+a_mean_rank"] == 6.5


def test_one_clip_is_found_in_every_direction() -> None:
    found = score(predictions(drawn(1), 4), WORLD)
    assert found["t2v_r1"] == found["v+a2t_geometric_mean"] == 25
    assert found["t2v_median_rank"] == 1
    table = directions(predictions(drawn(1)), WORLD)
    assert table["r1_low"][0] == table["r1_high"][0] == 100
    assert examples(predictions(drawn(1)), WORLD)["second"] == [None]


BASE = predictions(drawn(3))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"video": np.zeros((3, 9), np.float32)}, r"video of shape \[3, 9\] and type float32"),
        (
            {"audio": np.zeros((2, 8), np.float32)},
            r"expected floating-point numbers of shape \[3, 8\]",
        ),
        ({"text": np.zeros((3, 8), int)}, "text of shape .* and type int64"),
        ({"text": np.zeros(3, np.float32)}, r"text of shape \[3\]"),
        ({"complete": np.array(2)}, "3 clips and complete = 2"),
        ({"complete": np.array(3.5)}, "3 clips and complete = 3.5"),
        ({"ids": np.array(["a"])}, "1 ids of 3 clips"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(change, message) -> None:
    for call in (score, directions, examples):
        with pytest.raises(PluginError, match=message):
            call({**BASE, **change}, WORLD)


def test_missing_and_empty_arrays_are_named() -> None:
    with pytest.raises(PluginError, match="lack video, complete"):
        score({"text": BASE["text"]}, WORLD)
    with pytest.raises(PluginError, match="0 clips"):
        score(predictions(drawn(0), 1), WORLD)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_embeddings_that_are_no_numbers_are_named_with_their_row(bad) -> None:
    rows = drawn(5)
    rows["audio"][3, 1] = bad
    with pytest.raises(NonFiniteError, match="audio, row 3"):
        score(predictions(rows), WORLD)


def test_table_of_directions_has_a_row_each_and_intervals_around_the_values() -> None:
    rows = drawn(60, seed=3)
    rows["video"] = rows["text"] + rows["video"]
    given = predictions(rows, 66)
    table, found = directions(given, WORLD), score(given, WORLD)
    columns = checked_columns(table, "it", gaps=True)
    assert columns["direction"] == list(DIRECTIONS)
    for number, direction in enumerate(DIRECTIONS):
        if direction in FUSED:
            assert {column[number] for name, column in columns.items() if name != "direction"} == {
                ""
            }
            continue
        assert table["queries"][number] == 60
        assert table["complete"][number] == 66
        assert table["mean_rank"][number] == found[f"{direction}_mean_rank"]
        for name in ("r1", "r5", "r10", "r50", "median_rank"):
            value, low, high = (table[f"{name}{end}"][number] for end in ("", "_low", "_high"))
            assert value == found[f"{direction}_{name}"]
            assert low <= value <= high
    assert directions(given, WORLD)["r5_low"] == table["r5_low"]


def test_table_of_examples_names_what_a_caption_finds() -> None:
    data = small_retrieval()
    test = data.part("test")
    rows = drawn(32)
    rows["video"] = rows["text"][np.roll(np.arange(32), 1)]  # the right one is the next
    given = predictions(rows, ids=np.array(test.ids))
    table = examples(given, data)
    assert table["clip"] == list(test.ids)
    assert table["caption"] == list(test.captions)
    assert table["first"] == [*test.ids[1:], test.ids[0]]
    assert (table["rank"] > 1).all()
    assert list(checked_columns(table, "it", gaps=True))[-5:] == [
        "first",
        "second",
        "third",
        "fourth",
        "fifth",
    ]
    unknown = examples({**given, "ids": np.arange(32)}, data)
    assert unknown["caption"] == [""] * 32
    del given["ids"], given["audio"]
    table = examples(given, data)
    assert table["first"][0] == "1"
    assert table["rank_with_audio"] == [None] * 32


@pytest.mark.parametrize(("clips", "complete"), [(1, 1), (4, 9), (30, 30), (80, 90)])
def test_chance_is_what_random_embeddings_have_in_the_mean(clips, complete) -> None:
    data = SimpleNamespace(part=lambda _: range(clips), complete={"test": complete})
    levels = chance_levels(data)
    assert set(levels) == set(METRICS)
    names = ("text", "video")
    draws = [
        score(predictions(drawn(clips, 64, names, seed), complete), WORLD) for seed in range(400)
    ]
    for ending in ENDINGS:
        values = np.array([[draw[f"{d}_{ending}"] for d in ("t2v", "v2t")] for draw in draws]).mean(
            axis=1
        )
        slack = 5 * values.std() / len(values) ** 0.5 + 0.02 * levels[f"t2v_{ending}"]
        assert abs(values.mean() - levels[f"t2v_{ending}"]) < slack, ending
        assert levels[f"a2tv_{ending}"] == levels[f"t2v_{ending}"]


@pytest.mark.parametrize("clips", [1, 2, 3, 12])
def test_chance_of_the_geometric_mean_is_exact(clips) -> None:
    ranks = np.random.RandomState(0).randint(clips, size=(200_000 // clips, clips))
    shares = [(ranks < k).mean(axis=1) for k in (1, 5, 10)]
    values = np.cbrt(np.prod(shares, axis=0))
    slack = 5 * values.std() / len(values) ** 0.5 + 1e-12
    assert abs(expected_geometric_mean(clips) - values.mean()) < slack


def test_references_are_chance_and_ceilings() -> None:
    data = small_retrieval(ceilings={"t2v_r1": 90.0})
    found = data.references()
    assert found["t2v_r1"] == {"chance": 100 / 32, "ceiling": 90.0}
    assert found["tv2a_median_rank"] == {"chance": 16.5}


def anchor_predictions(count: int = 24, anchors_of_a_set: int = 6, seed: int = 0) -> dict[str, Any]:
    random = np.random.RandomState(seed)
    names = ("text", "video", "audio")
    given = predictions(drawn(count))
    for one in names:
        for other in names:
            given[f"out_{one}_{other}"] = random.standard_normal((count, anchors_of_a_set))
        given[f"plan_{one}"] = random.uniform(size=(count, anchors_of_a_set))
        given[f"has_{one}"] = np.ones(count, dtype=bool)
    return given


def test_models_without_anchors_have_nan() -> None:
    found = score_anchors(BASE, WORLD)
    assert list(found) == list(ANCHOR_METRICS)
    assert all(math.isnan(value) for value in found.values())


def test_even_use_and_agreement_are_complete() -> None:
    given = anchor_predictions(24, 6)
    for one in ("text", "video", "audio"):
        for other in ("text", "video", "audio"):
            given[f"out_{one}_{other}"] = np.eye(6)[np.arange(24) % 6]
        given[f"plan_{one}"] = np.eye(6)[np.arange(24) % 6]
    found = score_anchors(given, WORLD)
    assert found == pytest.approx(
        {
            "anchor_marginal_error": 0,
            "anchor_entropy": 100,
            "anchors_used": 100,
            "anchor_agreement": 100,
        }
    )


def test_a_single_anchor_in_use_is_told() -> None:
    given = anchor_predictions(10, 5)
    for name in given:
        if name.startswith(("out_", "plan_")):
            given[name] = np.eye(5)[np.zeros(10, int)]
    found = score_anchors(given, WORLD)
    # Shares 10, 0, 0, 0, 0 with a mean of 2: (8 + 4 · 2) / 5 / 2.
    assert found == pytest.approx(
        {
            "anchor_marginal_error": 160,
            "anchor_entropy": 0,
            "anchors_used": 20,
            "anchor_agreement": 100,
        }
    )


def test_what_a_clip_lacks_is_no_sample() -> None:
    given = anchor_predictions()
    given["has_audio"][:] = False
    some = {name: array for name, array in given.items() if "audio" not in name}
    all_but_sets = score_anchors(given, WORLD)
    without = score_anchors(some, WORLD)
    assert without["anchor_entropy"] == pytest.approx(all_but_sets["anchor_entropy"])
    assert without["anchor_marginal_error"] == pytest.approx(all_but_sets["anchor_marginal_error"])
    pairs = [
        np.mean(given[f"out_text_{s}"].argmax(1) == given[f"out_video_{s}"].argmax(1))
        for s in ("text", "video", "audio")
    ]
    assert all_but_sets["anchor_agreement"] == pytest.approx(100 * np.mean(pairs))
    for name in ("text", "video", "audio"):
        given[f"has_{name}"] = np.zeros(24, dtype=bool)
    assert all(math.isnan(value) for value in score_anchors(given, WORLD).values())


def test_rows_of_a_plan_that_are_nan_count_nothing() -> None:
    plan = np.array([[1.0, 0], [np.nan, np.nan], [0, 1]])
    assert anchors.marginal_error(plan) == 0
    assert math.isnan(anchors.marginal_error(plan[1:2]))
    assert math.isnan(anchors.marginal_error(np.zeros((2, 2))))
    assert math.isnan(anchors.entropy_of_use(np.zeros(3, int), 1))


def test_lacking_or_misshaped_similarities_to_anchors_are_refused() -> None:
    given = anchor_predictions()
    with pytest.raises(PluginError, match="lack out_video_text"):
        score_anchors({k: v for k, v in given.items() if k != "out_video_text"}, WORLD)
    with pytest.raises(PluginError, match=r"out_text_audio of shape \[3, 6\]; expected \[24, K\]"):
        score_anchors({**given, "out_text_audio": np.zeros((3, 6))}, WORLD)
    given["out_text_audio"][4, 0] = np.nan
    with pytest.raises(NonFiniteError, match="out_text_audio, row 4"):
        score_anchors(given, WORLD)
