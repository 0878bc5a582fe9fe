"""McNemar's test of two runs: which descriptions belong together."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from small_contextual import scores_of, small_part

from mlzoo.errors import DataError
from mlzoo.paired_tests import McNemar
from mlzoo_imagecode.evaluators import paired


def predictions_of(part: Any, scores: np.ndarray) -> dict[str, Any]:
    return {"scores": scores, **part.arrays()}


def test_two_runs_are_paired_by_set_and_text_whatever_their_order() -> None:
    part = small_part(40, seed=4)
    scores = [scores_of(part, seed=seed, right=right) for seed, right in ((1, 0.3), (2, 0.7))]
    one, other = (predictions_of(part, each) for each in scores)
    right = [each.argmax(axis=1) == part.target for each in scores]
    expected = McNemar.of(*right)
    found = paired(one, other)
    assert found["p"] == expected.exact < 0.05
    assert found["only_one_right"] == expected.only_one
    assert found["only_other_right"] == expected.only_other
    assert found["descriptions"] == len(part)
    assert found["accuracy_one"] == pytest.approx(100 * right[0].mean())
    assert found["difference"] == pytest.approx(100 * (right[1].mean() - right[0].mean()))
    order = np.random.RandomState(0).permutation(len(part))
    turned = {name: array[order] for name, array in other.items()}
    assert paired(one, turned) == found
    same = paired(one, one)
    assert (same["p"], same["p_mid"], same["p_chi_square"]) == (1, 1, 1)


def test_the_same_text_twice_in_a_set_is_paired_in_order() -> None:
    part = small_part(6, seed=4)
    arrays = predictions_of(part, scores_of(part))
    twice = {**arrays, "text": np.where(arrays["set"] == "set-2", "the same", arrays["text"])}
    assert (arrays["set"] == "set-2").sum() == 3
    assert paired(twice, twice)["p"] == 1


def test_runs_of_other_descriptions_or_targets_are_refused() -> None:
    part = small_part(6, seed=4)
    one = predictions_of(part, scores_of(part))
    fewer = {name: array[:-1] for name, array in one.items()}
    renamed = {**one, "text": np.char.add(one["text"], " .")}
    for given in ((one, fewer), (fewer, one), (one, renamed)):
        with pytest.raises(DataError, match="not the same descriptions"):
            paired(*given)
    moved = {**one, "target": (one["target"] + 1) % 10}
    with pytest.raises(DataError, match="disagree on what 'the "):
        paired(one, moved)
    hidden = small_part(6, seed=4, hidden=True)
    nobody = predictions_of(hidden, scores_of(hidden))
    with pytest.raises(DataError, match=r"hidden.*\nTake --split val"):
        paired(nobody, nobody)
