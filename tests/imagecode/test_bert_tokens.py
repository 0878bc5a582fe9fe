"""BERT's tokens are those of its vocabulary, also of the published descriptions with the published one."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlzoo.errors import DataError
from mlzoo_imagecode.cross.regions.bert_tokens import SPECIAL, BertTokens
from mlzoo_imagecode.cross.scheme import WORDS

TOKENS = [*SPECIAL, "a", "dog", "##s", "run", "##ning", ",", "cafe", "!", "犬", "'"]
A, DOG, S, RUN, NING, COMMA, CAFE, BANG, KANJI, QUOTE = range(5, 15)
CLS, SEP, UNK = 2, 3, 1


SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"
VOCABULARY, REAL = SHARED / "vocab" / "bert-base-uncased-vocab.txt", SHARED / "imagecode"
real = pytest.mark.skipif(
    not (VOCABULARY.is_file() and REAL.is_dir()), reason="the published files are not here"
)


def plain(text: str, ids: dict[str, int]) -> list[int]:
    """Word pieces, letter by letter: lower, without accents, cut at punctuation, the longest piece first."""
    spread = ""
    for letter in unicodedata.normalize("NFD", text.lower()):
        category = unicodedata.category(letter)
        if category == "Mn" or letter in "\x00\ufffd":
            continue
        if letter in "\t\n\r" or category == "Zs":
            spread += " "
        elif category.startswith("C"):
            continue
        elif (
            category.startswith("P")
            or (letter.isascii() and not letter.isalnum())
            or "一" <= letter <= "鿿"
        ):
            spread += f" {letter} "
        else:
            spread += letter
    return [id_ for word in spread.split() for id_ in pieces(word, ids)]


def pieces(word: str, ids: dict[str, int]) -> list[int]:
    found, start = [], 0
    while start < len(word):
        ends = range(len(word), start, -1)
        mark = "##" if start else ""
        end = next((end for end in ends if mark + word[start:end] in ids), None)
        if end is None or len(word) > 100:
            return [ids["[UNK]"]]
        found.append(ids[mark + word[start:end]])
        start = end
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a dog", [A, DOG]),
        ("  A\tDOGS\n", [A, DOG, S]),
        ("running,a dog!", [RUN, NING, COMMA, A, DOG, BANG]),
        ("Café", [CAFE]),
        ("a犬犬", [A, KANJI, KANJI]),
        ("cat dogx", [UNK, UNK]),
        ("dog\u00a0a\u200b", [DOG, A]),
        ("dog's", [DOG, QUOTE, UNK]),
        ("", []),
        ("a" * 101, [UNK]),
    ],
)
def test_texts_become_pieces_of_words(text: str, expected: list[int]) -> None:
    tokens = BertTokens(TOKENS, context=12)
    row = [CLS, *expected, SEP]
    (found,) = tokens.encode([text])
    assert found.tolist() == row + [0] * (12 - len(row))
    assert found.dtype == np.int64
    assert (found != 0).astype(int).tolist() == [1] * len(row) + [0] * (12 - len(row))
    assert tokens.lengths([text]).tolist() == [len(row)]
    assert plain(text, {token: number for number, token in enumerate(TOKENS)}) == expected


def test_of_long_texts_the_first_tokens_and_the_end_stay() -> None:
    tokens = BertTokens(TOKENS, context=5)
    found = tokens.encode(["a dog run dog", "a dog run", "a"])
    assert found.tolist() == [[CLS, A, DOG, RUN, SEP]] * 2 + [[CLS, A, SEP, 0, 0]]
    assert tokens.lengths(["a dog run dog"]).tolist() == [6]
    assert tokens.encode([]).shape == (0, 5)


def test_names_of_special_tokens_are_no_special_tokens_in_a_text() -> None:
    tokens = BertTokens(TOKENS, context=8)
    (found,) = tokens.encode(["[PAD] [SEP]"])
    assert (found != 0).sum() == 8
    assert set(found[1:-1].tolist()) == {UNK}


def write(path: Path, tokens: list[str], end: str = "\n") -> Path:
    path.write_bytes("".join(token + end for token in tokens).encode())
    return path


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_vocabulary_is_read_from_a_file_or_its_folder(tmp_path: Path, end: str) -> None:
    path = write(tmp_path / "vocab.txt", TOKENS, end)
    for place in (path, tmp_path):
        tokens = BertTokens.read(place, size=len(TOKENS))
        assert (tokens.size, tokens.context, tokens.vocabulary) == (15, 120, tuple(TOKENS))
        assert (tokens.unknown, tokens.start, tokens.end, tokens.mask) == (1, 2, 3, 4)
        assert tokens.encode(["dogs"]).tolist()[0][:4] == [CLS, DOG, S, SEP]


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (["a", "b"], "is no vocabulary of BERT: it lacks .PAD., .UNK., .CLS., .SEP., .MASK."),
        ([*TOKENS, "dog"], "has the token 'dog' twice"),
        ([*TOKENS[1:], "[PAD]"], r"\[PAD\] has the id 14, expected 0"),
        ([*TOKENS[:3], *TOKENS[4:]], r"lacks \[SEP\]"),
    ],
)
def test_what_is_no_vocabulary_of_bert_is_refused(
    tmp_path: Path, tokens: list[str], message: str
) -> None:
    with pytest.raises(DataError, match=message) as raised:
        BertTokens.read(write(tmp_path / "words.txt", tokens))
    assert "words.txt" in str(raised.value)


def test_files_that_are_missing_or_of_another_kind_or_size_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"vocab.txt does not exist"):
        BertTokens.read(tmp_path)
    path = tmp_path / "x.txt"
    path.write_bytes(b"")
    with pytest.raises(DataError, match=r"x.txt is empty"):
        BertTokens.read(path)
    path.write_bytes(b"\xff\xfe\n")
    with pytest.raises(DataError, match=r"x.txt is not a vocabulary of one token a line"):
        BertTokens.read(path)
    with pytest.raises(DataError, match=r"has 15 tokens, expected 30,522"):
        BertTokens.read(write(path, TOKENS), size=WORDS)


def test_a_vocabulary_that_knows_nothing_is_noticed() -> None:
    tokens = BertTokens(TOKENS)
    assert tokens.unknown_share(["a dog runs", "cat"]) == pytest.approx(1 / 5)
    assert tokens.unknown_share([]) == tokens.unknown_share([""]) == 0
    assert tokens.require_known(["a dog", "cat"]) == pytest.approx(1 / 3)
    with pytest.raises(DataError, match=r"the vocabulary does not know 67% of the words"):
        tokens.require_known(["cat horse dog"])


def test_words_of_texts_make_a_vocabulary_that_knows_them_all() -> None:
    texts = ["The second 7, counting from left.", "Café [SEP]"]
    tokens = BertTokens.of_texts(texts, context=16)
    words = [",", ".", "7", "[", "]", "cafe", "counting", "from", "left", "second", "sep", "the"]
    assert tokens.vocabulary == (*SPECIAL, *words)
    assert tokens.unknown_share(texts) == 0
    assert BertTokens.of_texts(texts[::-1]).vocabulary == tokens.vocabulary
    assert tokens.unknown_share(["the 8"]) == 0.5


def published(name: str) -> list[str]:
    found: dict[str, Any] = json.loads((REAL / f"{name}.json").read_text(encoding="utf-8"))
    values = (own.values() if isinstance(own, dict) else own for own in found.values())
    return [text for own in values for text in own]


@real
@pytest.mark.parametrize(
    ("name", "mean", "longest", "cut"),
    [
        ("train_data", 26.11, 153, 2),
        ("valid_data", 25.25, 86, 0),
        ("test_data_unlabeled", 25.88, 80, 0),
    ],
)
def test_published_descriptions_fit_and_are_known(
    name: str, mean: float, longest: int, cut: int
) -> None:
    tokens = BertTokens.read(VOCABULARY, size=WORDS)
    texts = published(name)
    lengths = tokens.lengths(texts)
    assert (round(float(lengths.mean()), 3), int(lengths.max())) == (mean, longest)
    assert int((lengths > 120).sum()) == cut
    assert tokens.unknown_share(texts) == 0
    ids = tokens.encode(texts)
    assert ids.shape == (len(texts), 120)
    assert ((ids != 0).sum(axis=1) == np.minimum(lengths, 120)).all()
    assert (ids[:, 0] == 101).all()
    assert ((ids == 102).sum(axis=1) == 1).all()
    known = {token: number for number, token in enumerate(tokens.vocabulary)}
    for row in range(0, len(texts), 7):
        expected = [101, *plain(texts[row], known)[:118], 102]
        assert ids[row, : len(expected)].tolist() == expected, texts[row]


@real
def test_tokens_are_those_of_transformers() -> None:
    transformers = pytest.importorskip("transformers")
    theirs = transformers.BertTokenizer(vocab=str(VOCABULARY))
    assert len(theirs) == WORDS
    texts = published("valid_data")[:300]
    found = theirs(texts, max_length=120, truncation=True, padding="max_length")["input_ids"]
    assert BertTokens.read(VOCABULARY).encode(texts).tolist() == found
