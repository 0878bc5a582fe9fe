"""Files for the leaderboard: written in the order of descriptions, held against them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_contextual import scores_of, small_part

from mlzoo.errors import DataError, RunError, UsageError
from mlzoo_imagecode.submission import (
    check_submission,
    problems_of,
    submission_of,
    write_submission,
)

PART = small_part(6, seed=1, name="test", hidden=True)


def predictions() -> dict[str, Any]:
    return {"scores": scores_of(PART), **PART.arrays()}


def test_a_submission_lists_chosen_positions_by_set_in_order(tmp_path: Path) -> None:
    arrays = predictions()
    choice = arrays["scores"].argmax(axis=1).tolist()
    path = tmp_path / "answers.json"
    written = write_submission(path, arrays)
    assert json.loads(path.read_text()) == written == submission_of(arrays)
    assert list(written) == list(dict.fromkeys(arrays["set"].tolist()))
    assert [answer for answers in written.values() for answer in answers] == choice
    assert [len(answers) for answers in written.values()] == [1, 2, 3, 1, 2, 3]
    assert check_submission(path, PART) == written


def test_answers_are_positions_in_the_set_and_not_columns() -> None:
    arrays = predictions()
    order = np.random.RandomState(1).permutation(10)
    turned = {
        **arrays,
        "scores": arrays["scores"][:, order],
        "position": arrays["position"][:, order],
    }
    assert submission_of(turned) == submission_of(arrays)


def test_an_existing_file_is_kept_unless_forced(tmp_path: Path) -> None:
    path = tmp_path / "answers.json"
    path.write_text("precious")
    with pytest.raises(UsageError, match=r"answers.json exists"):
        write_submission(path, predictions())
    assert path.read_text() == "precious"
    write_submission(path, predictions(), force=True)
    check_submission(path, PART)
    with pytest.raises(RunError, match="cannot write"):
        write_submission(tmp_path / "none" / "answers.json", predictions())
    assert [file.name for file in tmp_path.iterdir()] == ["answers.json"]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"test-1": None}, "test-1 is missing"),
        ({"other": [1]}, "other is no set of the split"),
        ({"test-1": [1]}, "test-1 has 1 answers to 2 descriptions"),
        ({"test-1": [1, 2, 3]}, "test-1 has 3 answers to 2 descriptions"),
        ({"test-1": [1, 10]}, "test-1 has 10 instead of a whole number from 0 to 9"),
        ({"test-1": [-1, 0]}, "test-1 has -1 instead"),
        ({"test-1": [1.0, 0]}, "test-1 has 1.0 instead"),
        ({"test-1": ["1", 0]}, 'test-1 has "1" instead'),
        ({"test-1": [True, 0]}, "test-1 has true instead"),
        ({"test-1": 3}, "test-1 has 3 instead of a list"),
        ({"test-1": {"0": 3}}, 'test-1 has {"0": 3} instead of a list'),
    ],
)
def test_what_does_not_fit_is_named(tmp_path: Path, change, problem) -> None:
    content: dict[str, Any] = {**submission_of(predictions()), **change}
    content = {name: answers for name, answers in content.items() if answers is not None}
    (found,) = problems_of(content, PART)
    assert found.startswith(problem)
    path = tmp_path / "answers.json"
    path.write_text(json.dumps(content))
    with pytest.raises(DataError) as error:
        check_submission(path, PART)
    assert problem in error.value.message
    assert error.value.fix.startswith("It must hold set name -> list")


def test_of_many_problems_the_first_are_named_and_the_rest_counted(tmp_path: Path) -> None:
    path = tmp_path / "answers.json"
    path.write_text("{}")
    with pytest.raises(DataError, match=r"test-0 is missing.*\(and 3 more\)"):
        check_submission(path, PART)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"a": [1], "a": [2]}', "a stands twice"),
        ("[1, 2]", "holds list instead of an object"),
        ("{", "cannot be read"),
        ("[" * 100_000, "cannot be read"),
        ("\udcff", "cannot be read"),
    ],
)
def test_what_is_no_file_of_answers_is_one_error(tmp_path: Path, content, said) -> None:
    path = tmp_path / "answers.json"
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(DataError, match=said):
        check_submission(path, PART)
    with pytest.raises(DataError, match="cannot be read: No such file"):
        check_submission(tmp_path / "none.json", PART)
