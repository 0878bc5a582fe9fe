"""Captions as vectors of known words."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlzoo.errors import DataError
from mlzoo_multisk.views.text import WordTable, plain, tokenise

GOLDEN = Path(__file__).parents[1] / "golden" / "multisk"


def table() -> WordTable:
    with np.load(GOLDEN / "text.npz") as golden:
        return WordTable.of(golden["vocab"].tolist(), golden["vectors"])


@pytest.mark.parametrize("words", [4, 20])
def test_sentences_are_those_of_the_published_program(words):
    golden = np.load(GOLDEN / "text.npz")
    for number, sentence in enumerate(golden["sentences"].tolist()):
        text, mask, kept = table().embed(sentence, words)
        np.testing.assert_array_equal(text, golden[f"{number}.{words}.text"])
        np.testing.assert_array_equal(mask, golden[f"{number}.{words}.mask"])
        assert text.dtype == mask.dtype == np.float32
        assert tokenise(sentence) == golden[f"{number}.tokens"].tolist()
        assert plain(sentence) == str(golden[f"{number}.raw"])
        assert len(kept.split()) == mask.sum()


def test_numbers_and_nan_among_captions_are_read_as_printed():
    golden = np.load(GOLDEN / "text.npz")
    assert tokenise(math.nan) == golden["nan_tokens"].tolist() == ["nan"]
    assert tokenise(12.5) == golden["num_tokens"].tolist() == ["12", "5"]


def test_unknown_words_take_no_place():
    text, mask, kept = table().embed("zzz the yyy cut and Cut onion", 3)
    assert (kept, mask.tolist()) == ("the cut Cut", [1, 1, 1])
    np.testing.assert_array_equal(text, table().vectors[:3])


def test_sentence_of_unknown_words_alone_counts_as_empty():
    text, mask, kept = table().embed("Und nun?", 5)
    assert (kept, text.any(), mask.any(), text.shape) == ("", False, False, (5, 12))


def test_table_knows_its_words():
    words = table()
    assert (len(words), words.width, "Cut" in words, "CUT" in words) == (21, 12, True, False)
    assert words.tokens_known("CUT the new_york café!") == ["the", "new_york", "café"]


def test_first_of_two_equal_words_counts():
    words = WordTable.of(["a", "b", "a"], np.eye(3, dtype=np.float32))
    assert words.embed("a", 1)[0].tolist() == [[1, 0, 0]]
    assert len(words) == 2


def test_bad_tables_are_refused():
    eye = np.eye(2, dtype=np.float32)
    with pytest.raises(DataError, match="3 words and 2 vectors"):
        WordTable.of(["a", "b", "c"], eye)
    with pytest.raises(DataError, match="'b' has row 2 of 2"):
        WordTable({"a": 0, "b": 2}, eye)
    with pytest.raises(DataError, match="found nan at"):
        WordTable.of(["a", "b"], eye * np.float32(np.nan))
    with pytest.raises(DataError, match="expected float32"):
        WordTable({"a": 0}, np.eye(2))  # type: ignore[arg-type]
    with pytest.raises(DataError, match="expected 2 axes"):
        WordTable({}, np.zeros(3, np.float32))


@settings(deadline=None)
@given(st.text(max_size=60), st.integers(1, 8))
def test_mask_counts_the_kept_words_of_any_text(sentence, words):
    known = WordTable.of(["a", "b", "0"], np.eye(3, dtype=np.float32))
    text, mask, kept = known.embed(sentence, words)
    tokens = [token for token in tokenise(sentence) if token in known]
    assert kept.split() == tokens[:words]
    assert mask.tolist() == [float(place < len(tokens)) for place in range(words)]
    np.testing.assert_array_equal(text.sum(axis=1), mask)
