"""Every published caption of MSR-VTT and YouCook2, where the lists are at hand, with a made word table."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path

import numpy as np
import pytest

from mlzoo_multisk.views.text import WordTable, plain, tokenise
from mlzoo_multisk.views.word_vectors import read_word_vectors, words_in, write_word_vectors

REAL = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "video"
pytestmark = pytest.mark.skipif(not REAL.is_dir(), reason="the published files are not here")

LISTS = {
    "msrvtt_test.csv": ("sentence", 1000),
    "MSRVTT_val_fold1.csv": ("sentence", 2250),
    "validation_youcook.csv": ("text", 3350),
}
WORDS = 20


def captions_of(name: str) -> list[str]:
    column, count = LISTS[name]
    with (REAL / name).open(encoding="utf-8", newline="") as file:
        captions = [row[column] for row in csv.DictReader(file)]
    assert len(captions) == count
    return captions


def made_table(captions: list[str]) -> WordTable:
    """Vectors that follow from the words; one word in seven has none."""
    words = sorted(words_in(captions))
    words = [word for word in words if hashlib.sha256(word.encode()).digest()[0] % 7]
    rows = [np.frombuffer(hashlib.sha256(word.encode()).digest()[:8], np.uint8) for word in words]
    return WordTable.of(words, np.stack(rows).astype(np.float32))


def runs(caption: str) -> list[str]:
    """Words letter by letter."""
    kept = (letter if letter.isalnum() or letter in "_'" else " " for letter in caption)
    return "".join(kept).split()


@pytest.mark.parametrize("name", LISTS)
def test_every_caption_becomes_its_known_words(name):
    captions = captions_of(name)
    table = made_table(captions)
    kept_words, empty = 0, 0
    for caption in captions:
        tokens = tokenise(caption)
        assert tokens == runs(caption)
        assert plain(caption).split() == tokens
        known = [word for word in tokens if word in table][:WORDS]
        text, mask, kept = table.embed(caption, WORDS)
        assert kept.split() == known
        assert mask.tolist() == [1.0] * len(known) + [0.0] * (WORDS - len(known))
        for place, word in enumerate(known):
            np.testing.assert_array_equal(text[place], table.vectors[table.words[word]])
        assert not text[len(known) :].any()
        kept_words += len(known)
        empty += not known
    assert kept_words > 3 * len(captions)
    assert empty < len(captions) / 20


@pytest.mark.parametrize("suffix", ["bin", "npz"])
def test_table_of_the_words_in_use_embeds_like_the_whole(tmp_path, suffix):
    captions = captions_of("msrvtt_test.csv")
    whole = made_table([*captions, *captions_of("validation_youcook.csv")])
    path = tmp_path / f"word_vectors.{suffix}"
    write_word_vectors(path, whole)
    table = read_word_vectors(path, words_in(captions))
    assert len(table) < len(whole)
    for caption in captions:
        for found, want in zip(table.embed(caption, 4), whole.embed(caption, 4), strict=True):
            np.testing.assert_array_equal(found, want)
