"""CLIP's tokeniser: recorded ids, an independent plain formulation, real descriptions, damaged files."""

from __future__ import annotations

import gzip
import json
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_clip_tokens import PlainClipTokens

from mlzoo.errors import DataError
from mlzoo_imagecode.clip.tiny import small_vocabulary
from mlzoo_imagecode.clip.tokens import ClipTokens, WordTokens, cleaned
from mlzoo_imagecode.clip.vocabulary import PUBLISHED_NAME, read_vocabulary, vocabulary_of

GOLDEN = Path(__file__).parents[1] / "golden" / "imagecode" / "clip_tokenizer.npz"
SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"
VOCAB, DESCRIPTIONS = SHARED / "vocab", SHARED / "imagecode"
with_vocabulary = pytest.mark.skipif(
    not VOCAB.is_dir(), reason="CLIP's published vocabulary is not here"
)

SMALL = small_vocabulary()
TOKENS = ClipTokens(SMALL)
PLAIN = PlainClipTokens(list(SMALL.merges))


@pytest.fixture(scope="module")
def published() -> ClipTokens:
    return ClipTokens(read_vocabulary(VOCAB / PUBLISHED_NAME))


@with_vocabulary
def test_ids_and_lengths_are_the_recorded_ones(published: ClipTokens) -> None:
    with np.load(GOLDEN, allow_pickle=False) as golden:
        texts = golden["texts"].tolist()
        found = published.encode(texts)
        assert found.dtype == np.int64
        np.testing.assert_array_equal(found, golden["ids"])
        np.testing.assert_array_equal(published.lengths(texts), golden["raw_lengths"])


@with_vocabulary
def test_published_forms_are_one_vocabulary(published: ClipTokens) -> None:
    other = ClipTokens(read_vocabulary(VOCAB / "clip"))
    assert dict(other.vocabulary.ids) == dict(published.vocabulary.ids)
    assert tuple(other.vocabulary.merges) == tuple(published.vocabulary.merges)
    assert (other.size, other.start, other.end) == (49408, 49406, 49407)


@with_vocabulary
@pytest.mark.skipif(not DESCRIPTIONS.is_dir(), reason="the published descriptions are not here")
def test_every_real_description_has_the_plain_formulations_ids(published: ClipTokens) -> None:
    texts = []
    for split in ("train", "valid"):
        sets = json.loads((DESCRIPTIONS / f"{split}_data.json").read_text(encoding="utf-8"))
        texts += [text for each in sets.values() for text in each.values()]
    assert len(texts) == 18896
    plain = PlainClipTokens.published(VOCAB / PUBLISHED_NAME)
    found = published.encode(texts)
    np.testing.assert_array_equal(found, [plain.row(text) for text in texts])
    np.testing.assert_array_equal(found, ClipTokens(read_vocabulary(VOCAB / "clip")).encode(texts))
    assert int((published.lengths(texts) > 77).sum()) == 48


def assigned(letter: str) -> bool:
    """Long ago, so that all tables of Unicode agree on it."""
    return unicodedata.ucd_3_2_0.category(letter) not in ("Cn", "Cs")


LETTERS = st.characters(exclude_categories=["Cs", "Cn"]).filter(assigned)
SNIPPETS = st.sampled_from(
    [
        "the girl", "isn't", "WE'LL", "don'ſ", "3/4", "12,345", "&amp;amp;", "&#769;", "<b>", "“it’s”",
        "<|startoftext|>", "<|endoftext|>", "!<|endoftext|>", "Ã©", "İ", "ß", "ﬁ", "\x1b[31m", "\u0345", "²",
        "½", "e\u0301", "\u200d", "…", "\u00a0", "\r\n", "''s", "😀", "ＡＢ", "ǅ", "K",
    ]
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(st.text(LETTERS, max_size=6), SNIPPETS, st.just(" ")), max_size=12))
def test_any_text_has_the_plain_formulations_ids(parts: list[str]) -> None:
    text = "".join(parts)
    assert TOKENS.encode([text]).tolist() == [PLAIN.row(text)]
    assert TOKENS.lengths([text]).tolist() == [len(PLAIN.tokens(text)) + 2]


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(max_codepoint=127), max_size=30))
def test_plain_letters_need_no_mending(text: str) -> None:
    """The short way for ASCII gives what the long one gives."""
    assert cleaned(text) == cleaned(text + " ü").removesuffix("ü").strip()


def test_curly_quotes_are_straight_ones() -> None:
    curly, straight = TOKENS.encode(["the girl’s “hat”", 'the girl\'s "hat"'])
    np.testing.assert_array_equal(curly, straight)


def test_lone_surrogates_of_damaged_json_are_tokens_like_any() -> None:
    text = json.loads('"a \\ud800 b"')
    assert TOKENS.encode([text])[0, 0] == TOKENS.start


def test_long_text_keeps_its_first_tokens_and_the_end() -> None:
    tokens = ClipTokens(SMALL, context=8)
    (row,) = tokens.encode(["a b c d e f g h i j"])
    assert (row[0], row[-1]) == (tokens.start, tokens.end)
    np.testing.assert_array_equal(row[:7], TOKENS.encode(["a b c d e f g h i j"])[0, :7])
    assert tokens.lengths(["a b c d e f g h i j"]).tolist() == [12]


def test_no_texts_are_no_rows() -> None:
    assert TOKENS.encode([]).shape == (0, 77)


def test_words_are_numbered_in_alphabetical_order_between_unknown_and_start() -> None:
    tokens = WordTokens.of(["The digit is Red.", "the digit moves, red"])
    assert tokens.words == (",", ".", "digit", "is", "moves", "red", "the")
    assert (tokens.size, tokens.start, tokens.end, tokens.context) == (11, 9, 10, 7)
    assert tokens.encode(["RED digit!"]).tolist() == [[9, 7, 4, 1, 10, 0, 0]]
    assert tokens.encode(["the the the the the the"]).tolist() == [[9, 8, 8, 8, 8, 8, 10]]
    assert tokens.lengths(["the digit", ""]).tolist() == [4, 2]


def test_words_beyond_any_text_have_room_when_asked_for() -> None:
    assert WordTokens.of(["a"], context=20).encode(["a"]).shape == (1, 20)
    with pytest.raises(DataError, match="twice"):
        WordTokens(["a", "a"])


def as_pair(folder: Path) -> Path:
    (folder / "vocab.json").write_text(json.dumps(dict(SMALL.ids)), encoding="utf-8")
    merges = "\n".join(" ".join(pair) for pair in SMALL.merges)
    (folder / "merges.txt").write_text(f"#version: 0.2\n{merges}\n", encoding="utf-8")
    return folder


def test_tokenizer_json_of_transformers_gives_the_same_ids(tmp_path: Path) -> None:
    from transformers import CLIPTokenizer

    pair = read_vocabulary(as_pair(tmp_path))
    CLIPTokenizer.from_pretrained(tmp_path).save_pretrained(tmp_path / "saved")
    saved = read_vocabulary(tmp_path / "saved")
    assert not (tmp_path / "saved" / "vocab.json").exists()
    assert (dict(saved.ids), tuple(saved.merges)) == (dict(pair.ids), tuple(pair.merges))


def test_folder_without_a_vocabulary_lists_the_files_expected(tmp_path: Path) -> None:
    with pytest.raises(DataError) as raised:
        read_vocabulary(tmp_path)
    for name in (str(tmp_path), "vocab.json", "merges.txt", "tokenizer.json", PUBLISHED_NAME):
        assert name in str(raised.value)
    (tmp_path / "vocab.json").write_text("{}")
    with pytest.raises(DataError, match="vocab.json alone"):
        read_vocabulary(tmp_path)
    with pytest.raises(DataError, match="merges.txt does not exist"):
        read_vocabulary(tmp_path / "vocab.json")


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("vocab.json", b"{", "no JSON"),
        ("vocab.json", b"[1]", "no vocabulary"),
        ("vocab.json", b'{"a": 0, "b": 2}', "from 0 on"),
        ("vocab.json", b'{"a": "0"}', "no vocabulary"),
        ("vocab.json", b"\xff\xfe", "damaged"),
        ("merges.txt", b"#version: 0.2\na b c\n", "merge 1"),
    ],
)
def test_damaged_pair_is_named(tmp_path: Path, name: str, content: bytes, told: str) -> None:
    (as_pair(tmp_path) / name).write_bytes(content)
    with pytest.raises(DataError, match=told) as raised:
        read_vocabulary(tmp_path)
    assert name in str(raised.value)


@pytest.mark.parametrize(
    ("found", "told"),
    [
        ({}, "its model is missing"),
        ({"model": {"type": "Unigram"}}, "its model is Unigram"),
        ({"model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}}, "do not end in"),
        ({"model": {"end_of_word_suffix": "</w>", "vocab": {"a": 0}, "merges": [1]}}, "merge 1"),
        ({"model": {"end_of_word_suffix": "</w>", "vocab": {"a": 0}}}, "no list of merges"),
        ({"model": {"vocab": {"a": 0}}, "added_tokens": [1]}, "added_tokens"),
    ],
)
def test_tokenizer_json_of_another_kind_is_refused(
    tmp_path: Path, found: dict[str, object], told: str
) -> None:
    (tmp_path / "tokenizer.json").write_text(json.dumps(found))
    with pytest.raises(DataError, match=told):
        read_vocabulary(tmp_path)


def test_damaged_or_short_published_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / PUBLISHED_NAME
    file.write_bytes(gzip.compress(b"header\na b\n"))
    with pytest.raises(DataError, match="expected 48894"):
        read_vocabulary(tmp_path)
    file.write_bytes(file.read_bytes()[:-6])
    with pytest.raises(DataError, match=f"{PUBLISHED_NAME} is damaged"):
        read_vocabulary(file)


def test_vocabulary_of_another_kind_is_refused(tmp_path: Path) -> None:
    ids = {token: number for number, token in enumerate(["[PAD]", "[UNK]", "the"])}
    (tmp_path / "vocab.json").write_text(json.dumps(ids))
    (tmp_path / "merges.txt").write_text("#version: 0.2\n")
    with pytest.raises(DataError, match="no vocabulary of CLIP: it lacks 514 of the 514"):
        ClipTokens(read_vocabulary(tmp_path))


def test_merges_of_another_vocabulary_are_refused(tmp_path: Path) -> None:
    (as_pair(tmp_path) / "merges.txt").write_text("#version: 0.2\nx zz\n")
    with pytest.raises(DataError, match="do not belong together"):
        ClipTokens(read_vocabulary(tmp_path))
    with pytest.raises(DataError, match="twice"):
        vocabulary_of([("a", "b"), ("a", "b")], "merges")
