"""Text files of word vectors, and vectors of phrases."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mlzoo.errors import DataError
from mlzoo_biam.word_vectors import (
    needed_words,
    phrase_vectors,
    read_text_vectors,
    read_vectors,
    unit_rows,
    words_of,
)


def test_words_are_those_of_the_phrase_and_their_parts():
    assert words_of("Ducks, geese & swans") == [("ducks",), ("geese",), ("swans",)]
    assert words_of("Sprenger's tulip") == [("sprenger's", "sprenger", "'s"), ("tulip",)]
    assert words_of("Mercedes-benz (car)") == [("mercedes-benz", "mercedes", "benz"), ("car",)]
    assert words_of("O'Neill St. A.C.") == [("o'neill", "o", "neill"), ("st",), ("a.c", "a", "c")]


def test_only_wanted_words_are_kept_and_a_header_is_passed_over(tmp_path):
    path = tmp_path / "v.txt"
    path.write_text("3 2\ncat 1 2\ncat 7 7\n. . 3 4\ndog 5 6\n", encoding="utf-8")
    found = read_text_vectors(path, ["cat", ". .", "cow"])
    assert {word: row.tolist() for word, row in found.items()} == {"cat": [1, 2], ". .": [3, 4]}
    assert found["cat"].dtype == np.float32


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("cat 1 2\ndog 1\n", "line 2: expected a word and 2 numbers, found 1"),
        ("cat 1 x\n", "line 1: could not convert"),
        ("dog 1 2\ncat nan 2\n", "line 2: a value is not finite"),
        ("cat\n", "line 1"),
        ("5 2\n", "is empty"),
    ],
)
def test_damaged_text_file_is_named_with_its_line(tmp_path, text, said):
    path = tmp_path / "v.txt"
    path.write_text(text)
    with pytest.raises(DataError, match=said) as caught:
        read_text_vectors(path, ["cat"])
    assert "v.txt" in str(caught.value)


def test_binary_file_is_refused_without_reading_it_into_one_line(tmp_path):
    path = tmp_path / "v.bin"
    path.write_bytes(bytes(3 << 20))
    with pytest.raises(DataError, match="expected a word"):
        read_text_vectors(path, ["cat"])


def test_arrays_are_read_like_text(tmp_path):
    path = tmp_path / "v.npz"
    np.savez(path, words=np.array(["cat", "dog"]), vectors=np.eye(2, dtype=np.float32))
    assert read_vectors(path, ["dog", "cow"])["dog"].tolist() == [0, 1]
    np.savez(path, words=np.array(["cat", "cat"]), vectors=np.eye(2))
    with pytest.raises(DataError, match="'cat' stands twice"):
        read_vectors(path, ["cat"])
    np.savez(path, words=np.array(["cat"]), vectors=np.eye(2))
    with pytest.raises(DataError, match="1 words and 2 vectors"):
        read_vectors(path, ["cat"])


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
