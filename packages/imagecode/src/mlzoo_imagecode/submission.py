"""Files for the leaderboard: set name -> list of predicted positions, one for each description of the set, in
the order of the unlabeled file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from mlzoo.errors import DataError, UsageError
from mlzoo.files import write_json
from mlzoo_imagecode.scores.choices import chosen

if TYPE_CHECKING:
    from mlzoo_imagecode.contextual import Part

Submission: TypeAlias = dict[str, list[int]]

SHOWN = 3
"""Problems that an error names."""


def submission_of(predictions: Mapping[str, npt.NDArray[Any]]) -> Submission:
    """The positions that were chosen, by set, in the order of the split.

    Args:
        predictions: the arrays of :mod:`mlzoo_imagecode.contextual` of test, all of it.
    """
    choice = chosen(predictions["scores"])
    position = predictions["position"][np.arange(len(choice)), choice]
    found: Submission = {}
    for name, place in zip(predictions["set"].tolist(), position.tolist(), strict=True):
        found.setdefault(name, []).append(place)
    return found


def write_submission(
    path: Path, predictions: Mapping[str, npt.NDArray[Any]], *, force: bool = False
) -> Submission:
    """Write the file whole or not at all, and return what it holds.

    Raises:
        UsageError: the file exists, and ``force`` is not said.
        RunError: it cannot be written.
    """
    if path.exists() and not force:
        raise UsageError(f"{path} exists.", "Name another file, or delete this one.")
    found = submission_of(predictions)
    write_json(path, found)
    return found


def check_submission(path: Path, part: Part) -> Submission:
    """Read a file and hold it against the descriptions it must answer.

    Args:
        path: JSON, by anybody.
        part: the descriptions of test, all of them; targets are not looked at.

    Raises:
        DataError: it cannot be read, or does not fit; names the first problems and how many there are.
    """
    submission = _read(path)
    if problems := problems_of(submission, part):
        more = f" (and {len(problems) - SHOWN} more)" if len(problems) > SHOWN else ""
        raise DataError(
            f"{path} is no submission: {'; '.join(problems[:SHOWN])}{more}.",
            "It must hold set name -> list of positions, one for each description in the file's order.",
        )
    return submission  # type: ignore[return-value]


def problems_of(submission: Mapping[str, object], part: Part) -> list[str]:
    """What is wrong with a submission for these descriptions, a line each; empty if nothing is."""
    names, counts = np.unique(np.array(part.sets)[part.set_of], return_counts=True)
    expected = dict(zip(names.tolist(), counts.tolist(), strict=True))
    last = int(part.position[part.candidates].max())
    problems = [f"{name} is missing" for name in expected if name not in submission]
    problems += [f"{name} is no set of the split" for name in submission if name not in expected]
    for name in expected.keys() & submission.keys():
        answers, count = submission[name], expected[name]
        if not isinstance(answers, list):
            problems.append(f"{name} has {_short(answers)} instead of a list")
        elif len(answers) != count:
            problems.append(f"{name} has {len(answers)} answers to {count} descriptions")
        else:
            problems += [
                f"{name} has {_short(answer)} instead of a whole number from 0 to {last}"
                for answer in answers
                if type(answer) is not int or not 0 <= answer <= last  # True is no position
            ]
    return sorted(problems)


def _read(path: Path) -> dict[str, object]:
    """The object in a JSON file, of which no name stands twice."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_distinct)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} cannot be read: {error}.") from error
    if not isinstance(content, dict):
        raise DataError(f"{path} holds {type(content).__name__} instead of an object of sets.")
    return content


def _distinct(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"{name} stands twice")
        found[name] = value
    return found


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 30 else f"{text[:29]}…"
