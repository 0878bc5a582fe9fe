"""Vectors of phrases."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mlzoo.errors import DataError
from mlzoo_biam.word_vectors import (
    needed_words,
    phrase_vectors,
    unit_rows,
    words_of,
)


def test_words_are_those_of_the_phrase_and_their_parts():
    assert words_of("Ducks, geese & swans") == [("ducks",), ("geese",), ("swans",)]
    assert words_of("Sprenger's tulip") == [("sprenger's", "sprenger", "'s"), ("tulip",)]
    assert words_of("Mercedes-benz (car)") == [("mercedes-benz", "mercedes", "benz"), ("car",)]
    assert words_of("O'Neill St. A.C.") == [("o'neill", "o", "neill"), ("st",), ("a.c", "a", "c")]


def row(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)


def test_phrase_is_the_mean_of_its_words_unless_it_has_a_vector_itself():
    words = {"big": row(1, 0), "dog": row(0, 3), "hot dog": row(0, 2), "ice-cream": row(2, 0)}
    found = phrase_vectors(["Big dog", "Hot dog", "Ice-cream"], words, Path("x"))
    mean = np.array([0.5, 1.5]) / np.linalg.norm([0.5, 1.5])
    np.testing.assert_allclose(found.vectors, [mean, [0, 1], [1, 0]], rtol=1e-6)
    assert (found.missing, found.unknown) == ({}, ())


def test_words_without_a_vector_are_listed_and_parts_stand_in():
    words = {"red": row(1, 0), "hot": row(0, 1)}
    found = phrase_vectors(["Red panda", "red-hot", "Okapi"], words, Path("x"))
    assert found.missing == {"Red panda": ("panda",), "Okapi": ("okapi",)}
    assert found.unknown == ("Okapi",)
    np.testing.assert_allclose(np.linalg.norm(found.vectors, axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(found.vectors[1], [np.sqrt(0.5)] * 2, rtol=1e-6)


def test_phrase_without_any_vector_is_refused_where_all_must_have_one():
    with pytest.raises(DataError, match="no vector of 'Okapi' and of 1 others"):
        phrase_vectors(["cat", "Okapi", "Gnu"], {"cat": row(1, 0)}, Path("x"), complete=True)
    with pytest.raises(DataError, match="no vector of 'Okapi'"):
        phrase_vectors(["Okapi"], {"cat": row(1, 0)}, Path("x"))


def test_needed_words_cover_wholes_and_parts():
    assert {"Big red-hot dog", "big red-hot dog", "red-hot", "red", "hot"} <= needed_words(
        ["Big red-hot dog"]
    )


def test_rows_of_length_zero_or_nan_are_named():
    for bad, said in ((0.0, "is zero"), (np.nan, "not finite"), (np.inf, "not finite")):
        with pytest.raises(DataError, match=f"'dog' {said}|'dog' has values"):
            unit_rows(np.array([[1.0, 0.0], [bad, 0.0]]), ["cat", "dog"], "x")
