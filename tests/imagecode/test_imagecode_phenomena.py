"""Accuracy by annotated phenomenon and by annotator, on made-up annotations and on the published ones."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from small_contextual import scores_of, small_part

from mlzoo_imagecode.evaluators import score_phenomena
from mlzoo_imagecode.metric_specs import TAGS
from mlzoo_imagecode.scores.phenomena import annotator_accuracies, phenomena
from mlzoo_imagecode.tables import phenomena_table

GOLDEN = Path(__file__).parents[1] / "golden" / "imagecode"
REAL = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "imagecode" / "analysis"
needs_real = pytest.mark.skipif(not REAL.is_dir(), reason="the published files are not here")
FIRST_FOUR, OTHERS = 1000, 200
"""Rows, in the order of the file, in which somebody looked for the tags."""


def made_up_correct(name: str, target: str) -> bool:
    """What the recorded predictor gets right."""
    return int(hashlib.md5(f"{name}|{target}".encode()).hexdigest(), 16) % 10 < 3


@pytest.fixture(scope="module")
def annotated() -> dict[str, np.ndarray]:
    """Arrays of the published annotations, read on their own."""
    text = (REAL / "manual_annotation_valid.yaml").read_text(encoding="utf-8")
    rows = [
        (name, str(target), {tag.strip() for tag in row["annotation"].split(",")})
        for name, targets in yaml.load(text, Loader=yaml.CSafeLoader).items()
        for target, row in targets.items()
    ]
    looked = np.zeros((len(rows), len(TAGS)), bool)
    looked[:FIRST_FOUR, :4] = True
    looked[:OTHERS, 4:] = True
    return {
        "correct": np.array([made_up_correct(name, target) for name, target, _ in rows]),
        "tag": np.array([[tag in tags for tag in TAGS] for _, _, tags in rows]),
        "annotated": looked,
    }


@needs_real
def test_published_annotations_give_the_recorded_counts_and_accuracies(annotated) -> None:
    found = phenomena(**annotated)
    with np.load(GOLDEN / "phenomena.npz") as recorded:
        assert tuple(recorded["tags"]) == TAGS
        assert recorded["n_rows"] == len(annotated["correct"])
        counts = [*recorded["count_0_1000"][:4], *recorded["count_0_200"][4:]]
        assert [each.count for each in found] == counts
        accuracy = [each.accuracy / 100 for each in found]
        np.testing.assert_allclose(accuracy, recorded["accuracy_md5_first1000"], atol=1e-12)
        assert annotated["correct"][:1000].mean() == recorded["overall_md5_first1000"]
    assert [each.base for each in found] == [1000] * 4 + [200] * 6
    assert [round(each.share, 1) for each in found] == [
        47.2, 45.6, 26.3, 17.9, 70.5, 48.5, 42.5, 41.5, 15.0, 12.0,
    ]  # fmt: skip
    for each in found:  # with and without make up the base
        right = np.nansum(
            [each.accuracy * each.count, each.accuracy_without * (each.base - each.count)]
        )
        among = annotated["annotated"][:, TAGS.index(each.tag)]
        assert right / 100 == pytest.approx(annotated["correct"][among].sum())


@needs_real
def test_published_annotators_are_1800_unseen_and_502_seen() -> None:
    content = json.loads((REAL / "annotator_split_valid.json").read_text(encoding="utf-8"))
    kinds = {"train_worker": 1, "unseen_worker": 0}
    rows = [
        (made_up_correct(name, target), kinds[kind])
        for name, targets in content.items()
        for target, kind in targets.items()
    ]
    correct, annotator = np.array([r for r, _ in rows]), np.array([k for _, k in rows], np.int8)
    assert ((annotator == 0).sum(), (annotator == 1).sum()) == (1800, 502)
    found = annotator_accuracies(correct, annotator)
    assert found["accuracy_seen_annotators"] == 100 * correct[annotator == 1].mean()
    assert found["accuracy_unseen_annotators"] == 100 * correct[annotator == 0].mean()


def test_a_tag_where_nobody_looked_counts_for_nothing() -> None:
    tag = np.zeros((6, 10), bool)
    tag[[0, 1, 5], 0] = True
    looked = np.zeros((6, 10), bool)
    looked[:4, 0] = True
    correct = np.array([True, False, True, True, False, True])
    found = phenomena(correct, tag, looked)[0]
    assert (found.tag, found.base, found.count, found.share) == ("con", 4, 2, 50.0)
    assert (found.accuracy, found.accuracy_without) == (50.0, 100.0)
    nothing = phenomena(correct, tag, looked)[1]
    assert (nothing.base, nothing.count) == (0, 0)
    assert np.isnan([nothing.share, nothing.accuracy, nothing.accuracy_without]).all()


def test_score_and_table_agree_with_a_count_by_hand() -> None:
    part = small_part(30, seed=8, annotated=True)
    predictions: dict[str, Any] = {"scores": scores_of(part), **part.arrays()}
    correct = predictions["scores"].argmax(axis=1) == part.target
    found, table = score_phenomena(predictions, None), phenomena_table(predictions, None)
    assert part.tag is not None
    assert part.annotated is not None
    for column, tag in enumerate(TAGS):
        rows = part.annotated[:, column] & part.tag[:, column]
        others = part.annotated[:, column] & ~part.tag[:, column]
        assert found[f"accuracy_{tag}"] == pytest.approx(100 * correct[rows].mean())
        assert table["accuracy"][column] == found[f"accuracy_{tag}"]
        expected = 100 * (correct[rows].mean() - correct[others].mean())
        assert table["difference"][column] == pytest.approx(expected)
    seen = found["accuracy_seen_annotators"]
    assert seen == pytest.approx(100 * correct[part.annotator == 1].mean())
    hidden = small_part(6, hidden=True, annotated=True)
    table = phenomena_table({"scores": scores_of(hidden), **hidden.arrays()}, None)
    assert np.isnan(table["accuracy"]).all()
    assert sum(table["count"]) == hidden.tag.sum()
