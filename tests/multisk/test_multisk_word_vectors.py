"""The table of the words in use, and where it is found."""

from __future__ import annotations

import numpy as np
import pytest

from mlzoo.errors import DataError
from mlzoo_multisk.views.text import WordTable
from mlzoo_multisk.views.word_vectors import (
    find_word_vectors,
    read_word_vectors,
    words_in,
    write_word_vectors,
)

TABLE = WordTable.of(["cut", "the", "Onion"], np.eye(3, 4, dtype=np.float32))


@pytest.mark.parametrize("suffix", ["bin", "npz"])
def test_table_is_read_as_written_and_only_the_words_in_use(tmp_path, suffix):
    path = tmp_path / f"word_vectors.{suffix}"
    write_word_vectors(path, TABLE)
    whole = read_word_vectors(path)
    assert whole.words == TABLE.words
    np.testing.assert_array_equal(whole.vectors, TABLE.vectors)
    some = read_word_vectors(path, words_in(["the Onion, 7 times", float("nan")]))
    assert some.words == {"the": 0, "Onion": 1}
    np.testing.assert_array_equal(some.vectors, TABLE.vectors[1:])


def test_text_table_is_read(tmp_path):
    (tmp_path / "v.txt").write_text("cut 1 0\nthe 0 1\n")
    assert read_word_vectors(tmp_path / "v.txt", ["the"]).vectors.tolist() == [[0, 1]]


def test_file_without_any_word_in_use_is_refused(tmp_path):
    write_word_vectors(tmp_path / "v.bin", TABLE)
    with pytest.raises(DataError, match="no vector of any of the 2 words"):
        read_word_vectors(tmp_path / "v.bin", ["THE", "onion"])


def test_file_of_the_folder_is_found_and_the_option_goes_before(tmp_path):
    with pytest.raises(DataError, match="has no word vectors") as caught:
        find_word_vectors(tmp_path)
    assert "--word-vectors" in str(caught.value)
    write_word_vectors(tmp_path / "word_vectors.npz", TABLE)
    assert find_word_vectors(tmp_path) == tmp_path / "word_vectors.npz"
    write_word_vectors(tmp_path / "other.bin", TABLE)
    assert find_word_vectors(tmp_path, tmp_path / "other.bin") == tmp_path / "other.bin"
    write_word_vectors(tmp_path / "word_vectors.bin", TABLE)
    with pytest.raises(DataError, match=r"holds word_vectors.bin and word_vectors.npz"):
        find_word_vectors(tmp_path)
    with pytest.raises(DataError, match="does not exist"):
        find_word_vectors(tmp_path, tmp_path / "none.bin")


def test_unknown_suffix_is_not_written(tmp_path):
    with pytest.raises(DataError, match=r"as \.bin or \.npz"):
        write_word_vectors(tmp_path / "v.vec", TABLE)
