"""Files of word vectors: text, word2vec's binary files, arrays."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlzoo.data import word_vectors
from mlzoo.data.word_vectors import read_vectors, write_binary_vectors
from mlzoo.errors import DataError


def test_only_wanted_words_are_kept_and_a_header_is_passed_over(tmp_path):
    path = tmp_path / "v.txt"
    path.write_text("4 2\ncat 1 2\ncat 7 7\n. . 3 4\ndog 5 6\n", encoding="utf-8")
    found = read_vectors(path, [". .", "cat", "cow"])
    assert {word: row.tolist() for word, row in found.by_word().items()} == {
        "cat": [1, 2],
        ". .": [3, 4],
    }
    assert found.vectors.dtype == np.float32
    assert read_vectors(path).words == ("cat", ". .", "dog")
    assert read_vectors(path, ["cow"]).words == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("cat 1 2\ndog 1\n", "line 2: expected a word and 2 numbers, found 1"),
        ("cat 1 x\n", "line 1: could not convert"),
        ("dog 1 2\ncat nan 2\n", r"line 2 \('cat'\): a value is not finite"),
        ("cat\n", "line 1"),
        ("5 2\n", "is empty"),
        ("3 2\ncat 1 2\ndog 1 2\n", "ends after 2 of 3 words"),
        ("1 3\ncat 1 2\n", "line 2: expected a word and 3 numbers, found 2"),
    ],
)
def test_damaged_text_file_is_named_with_its_line(tmp_path, text, said):
    path = tmp_path / "v.txt"
    path.write_text(text)
    with pytest.raises(DataError, match=said) as caught:
        read_vectors(path, ["cat"])
    assert "v.txt" in str(caught.value)


def test_bytes_without_lines_are_refused_without_reading_them_into_one(tmp_path):
    path = tmp_path / "v.txt"
    path.write_bytes(bytes(3 << 20))
    with pytest.raises(DataError, match="expected a word"):
        read_vectors(path, ["cat"])


def test_arrays_are_read_like_text(tmp_path):
    path = tmp_path / "v.npz"
    np.savez(path, words=np.array(["cat", "dog"]), vectors=np.eye(2, dtype=np.float32))
    assert read_vectors(path, ["dog", "cow", "dog"]).by_word()["dog"].tolist() == [0, 1]
    assert read_vectors(path).words == ("cat", "dog")
    np.savez(path, words=np.array(["cat", "cat"]), vectors=np.eye(2))
    with pytest.raises(DataError, match="'cat' stands twice"):
        read_vectors(path, ["cat"])
    np.savez(path, words=np.array(["cat"]), vectors=np.eye(2))
    with pytest.raises(DataError, match="1 words and 2 vectors"):
        read_vectors(path, ["cat"])
    np.savez(path, words=np.array(["cat"], dtype=object), vectors=np.eye(1))
    with pytest.raises(DataError, match="pickled"):
        read_vectors(path, ["cat"])
    np.savez(path, words=np.array(["cat"]), vectors=np.array([[np.nan]]))
    with pytest.raises(DataError, match="finite"):
        read_vectors(path, ["cat"])


WORDS = ["</s>", "cat", "New_York", "café", "\u732b", "dog"]
TABLE = np.random.default_rng(0).normal(size=(6, 5)).astype(np.float32)
TABLE[1].view(np.uint8)[:4] = (10, 32, 10, 32)  # bytes of blanks and line feeds in a vector


@pytest.mark.parametrize("feeds", [True, False])
def test_binary_file_is_read_with_and_without_line_feeds(tmp_path, feeds, monkeypatch):
    path = tmp_path / "v.bin"
    write_binary_vectors(path, WORDS, TABLE)
    if not feeds:
        rows = [
            word.encode() + b" " + row.tobytes() for word, row in zip(WORDS, TABLE, strict=True)
        ]
        path.write_bytes(b"6 5\n" + b"".join(rows))
    for chunk in (1, 7, 1 << 20):
        monkeypatch.setattr(word_vectors, "_CHUNK", chunk)
        found = read_vectors(path)
        assert list(found.words) == WORDS
        np.testing.assert_array_equal(found.vectors, TABLE)
        some = read_vectors(path, {"dog", "cat", "CAT"})
        assert some.words == ("cat", "dog")
        np.testing.assert_array_equal(some.vectors, TABLE[[1, 5]])


def test_first_place_of_a_word_counts_in_a_binary_file(tmp_path):
    write_binary_vectors(tmp_path / "v.bin", ["a", "b", "a"], np.eye(3, dtype=np.float32))
    found = read_vectors(tmp_path / "v.bin")
    assert (found.words, found.vectors.tolist()) == (("a", "b"), [[1, 0, 0], [0, 1, 0]])


def binary(path: Path) -> bytes:
    write_binary_vectors(path, WORDS, TABLE)
    return path.read_bytes()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda data: data[:-30], "ends in word 5 of 6"),
        (lambda data: data[:-60], "declares 6 words of 5 numbers and holds"),
        (lambda data: data[:-2], "ends in word 6 of 6"),
        (lambda data: data.replace(b"6 5\n", b"7 5\n"), "ends in word 7 of 7"),
        (lambda data: data.replace(b"6 5\n", b"5 5\n"), "goes on after the 5 words"),
        (lambda data: data.replace(b"6 5\n", b"6 4000000000\n"), "declares 6 words of 4000000000"),
        (lambda data: data.replace(b"6 5\n", b"99999999999 5\n"), "declares 99999999999 words"),
        (lambda data: data.replace(b"6 5\n", b"0 5\n"), "declares 0 words"),
        (lambda data: data.replace(b"6 5\n", b"6 0\n"), "declares 6 words of 0"),
        (lambda data: data[4:], "does not begin with a line of two numbers"),
        (lambda data: b"6" * 5000, "does not begin with a line of two numbers"),
        (lambda data: b"\x1f\x8b\x08 packed\n", "does not begin with a line of two numbers"),
        (lambda data: b"2 5\n" + b"x" * 9000, "word 1 of 2 does not end"),
        (lambda data: b"", "is empty"),
    ],
)
def test_damaged_binary_file_is_named(tmp_path, damage, said):
    path = tmp_path / "v.bin"
    path.write_bytes(damage(binary(path)))
    for wanted in (None, ["cat"]):
        with pytest.raises(DataError, match=said) as caught:
            read_vectors(path, wanted)
        assert "v.bin" in str(caught.value)


def test_values_that_are_not_finite_are_named_with_their_word(tmp_path):
    table = TABLE.copy()
    table[3, 2] = np.nan
    write_binary_vectors(tmp_path / "v.bin", WORDS, table)
    with pytest.raises(DataError, match=r"v.bin, word 4 \('café'\): a value is not finite"):
        read_vectors(tmp_path / "v.bin", ["café"])
    assert read_vectors(tmp_path / "v.bin", ["cat"]).words == ("cat",)


def test_words_that_a_binary_file_cannot_hold_are_refused(tmp_path):
    for bad in ("", "a b", "a\n"):
        with pytest.raises(DataError, match="cannot stand"):
            write_binary_vectors(tmp_path / "v.bin", [bad], TABLE[:1])
    with pytest.raises(DataError, match="2 words and 1 vectors"):
        write_binary_vectors(tmp_path / "v.bin", ["a", "b"], TABLE[:1])
    assert not (tmp_path / "v.bin").exists()


def test_binary_file_is_read_in_little_memory(tmp_path):
    words = [f"w{number}" for number in range(20_000)]
    write_binary_vectors(tmp_path / "v.bin", words, np.ones((20_000, 300), np.float32))  # 24 MB
    tracemalloc.start()
    found = read_vectors(tmp_path / "v.bin", ["w7", "w19999"])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.vectors.shape == (2, 300)
    assert peak < 6 << 20


@settings(deadline=None)
@given(st.binary(max_size=80), st.integers(0, 60), st.integers(0, 4))
def test_whatever_the_bytes_the_answer_is_vectors_or_one_error(tmp_path_factory, noise, at, count):
    path = tmp_path_factory.getbasetemp() / "noise.bin"
    whole = b"%d 2\n" % count + b"".join(b"w%d " % row + bytes(8) for row in range(count))
    path.write_bytes(whole[:at] + noise + whole[at:])
    try:
        found = read_vectors(path)
    except DataError:
        return
    assert len(found.words) == len(found.vectors)
    assert np.isfinite(found.vectors).all()
