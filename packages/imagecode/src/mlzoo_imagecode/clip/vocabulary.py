"""The published forms of CLIP's byte-pair vocabulary."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlzoo.data.checks import AGAIN, existing
from mlzoo.errors import DataError

START, END = "<|startoftext|>", "<|endoftext|>"
WORD_END = "</w>"
PUBLISHED_NAME = "bpe_simple_vocab_16e6.txt.gz"
PUBLISHED_MERGES = 48894
"""Of the published file, which lists more, CLIP uses the first."""

EXPECTED = f"vocab.json with merges.txt, or tokenizer.json, or {PUBLISHED_NAME}"
MAX_BYTES = 2**26

Merge = tuple[str, str]


@dataclass(frozen=True)
class Vocabulary:
    """Tokens with their ids, and the pairs that are merged, first things first.

    Attributes:
        ids: by token; bytes are written as in :func:`byte_symbols`, ends of words as ``</w>``.
        merges: pairs of tokens.
        words: tokens are whole words, there are no merges (a vocabulary of this package's own).
        source: where it comes from.
    """

    ids: Mapping[str, int]
    merges: Sequence[Merge]
    source: str
    words: bool = False

    def __len__(self) -> int:
        return len(self.ids)


def byte_symbols() -> dict[int, str]:
    """A printable letter for each byte, in the vocabulary's order: itself where it is one, else one
    from 256 on (as in GPT-2's byte-pair encoding)."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {byte: chr(byte) for byte in printable} | {
        byte: chr(256 + number) for number, byte in enumerate(others)
    }


def vocabulary_of(merges: Sequence[Merge], source: str) -> Vocabulary:
    """CLIP's order: bytes, bytes that end a word, what merges make, start and end."""
    symbols = list(byte_symbols().values())
    tokens = [*symbols, *(symbol + WORD_END for symbol in symbols)]
    tokens += [*("".join(pair) for pair in merges), START, END]
    ids = {token: number for number, token in enumerate(tokens)}
    if len(ids) < len(tokens):
        raise DataError(f"{source} makes a token twice.", AGAIN)
    return Vocabulary(ids, tuple(merges), source)


def read_vocabulary(where: Path) -> Vocabulary:
    """From a folder, or from one of its files.

    Args:
        where: a folder with ``vocab.json`` and ``merges.txt``, ``tokenizer.json`` or
            ``bpe_simple_vocab_16e6.txt.gz``; or one of these files.

    Raises:
        DataError: there is none of them, or one is damaged; names it and lists what is expected.
    """
    if not where.is_dir():
        return _read_file(existing(where))
    if (where / "vocab.json").is_file() and (where / "merges.txt").is_file():
        return _read_pair(where / "vocab.json", where / "merges.txt")
    for name in ("tokenizer.json", PUBLISHED_NAME, PUBLISHED_NAME.removesuffix(".gz")):
        if (where / name).is_file():
            return _read_file(where / name)
    here = [name for name in ("vocab.json", "merges.txt") if (where / name).is_file()]
    there = f" It has {here[0]} alone." if here else ""
    raise DataError(f"{where} holds no vocabulary: expected {EXPECTED}.{there}")


def _read_file(file: Path) -> Vocabulary:
    if file.name == "vocab.json" or file.name == "merges.txt":
        return _read_pair(file.with_name("vocab.json"), file.with_name("merges.txt"))
    if file.suffix == ".json":
        return _read_tokenizer(file)
    lines = _text(file).split("\n")[1:]  # the first names the file
    if len(lines) < PUBLISHED_MERGES:
        raise DataError(f"{file} has {len(lines)} merges, expected {PUBLISHED_MERGES}.", AGAIN)
    return vocabulary_of(_merges(lines[:PUBLISHED_MERGES], file), str(file))


def _read_pair(tokens: Path, merges: Path) -> Vocabulary:
    ids = _ids(_json(existing(tokens)), tokens)
    lines = _text(existing(merges)).split("\n")
    header = 1 if lines[0].startswith("#version") else 0
    kept = [line for line in lines[header:] if line.strip()]
    return Vocabulary(ids, _merges(kept, merges), str(tokens))


def _read_tokenizer(file: Path) -> Vocabulary:
    """Of ``tokenizer.json`` the vocabulary; what it says of cleaning is this package's own business."""
    found = _json(file)
    model = found.get("model") if isinstance(found, Mapping) else None
    kind = model.get("type", "BPE") if isinstance(model, Mapping) else None
    if not isinstance(model, Mapping) or kind not in ("BPE", "WordLevel"):
        raise DataError(f"{file} is no vocabulary of CLIP: its model is {kind or 'missing'}.")
    added = found.get("added_tokens") or []
    try:
        extra = {each["content"]: each["id"] for each in added}
    except (TypeError, KeyError) as error:
        raise DataError(f"{file}: added_tokens are no tokens with ids.") from error
    ids = _ids({**_mapping(model.get("vocab"), file), **extra}, file)
    if kind == "WordLevel":
        return Vocabulary(ids, (), str(file), words=True)
    if model.get("end_of_word_suffix") != WORD_END:
        raise DataError(f"{file} is no vocabulary of CLIP: its words do not end in {WORD_END}.")
    lines = model.get("merges")
    if not isinstance(lines, list):
        raise DataError(f"{file} has no list of merges.")
    texts = [" ".join(line) if isinstance(line, list) else line for line in lines]
    return Vocabulary(ids, _merges(texts, file), str(file))


def _merges(lines: Iterable[object], file: Path) -> tuple[Merge, ...]:
    found = []
    for number, line in enumerate(lines, 1):
        parts = line.split() if isinstance(line, str) else []
        if len(parts) != 2:
            raise DataError(
                f"{file}: merge {number} is {str(line)[:40]!r}, expected a pair.", AGAIN
            )
        found.append((parts[0], parts[1]))
    return tuple(found)


def _ids(found: object, file: Path) -> dict[str, int]:
    ids = _mapping(found, file)
    if sorted(ids.values()) != list(range(len(ids))):
        raise DataError(f"{file} does not number its {len(ids)} tokens from 0 on.", AGAIN)
    return ids


def _mapping(found: object, file: Path) -> dict[str, int]:
    if not isinstance(found, Mapping) or not all(type(each) is int for each in found.values()):
        raise DataError(f"{file} is no vocabulary: expected an object of tokens and ids.", AGAIN)
    return dict(found)


def _json(file: Path) -> Any:
    try:
        return json.loads(_text(file))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{file} is damaged: it is no JSON.", AGAIN) from error


def _text(file: Path) -> str:
    """A text, perhaps compressed; as much as a vocabulary can be."""
    try:
        with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise DataError(f"{file} is too large for a vocabulary.")
        return content.decode("utf-8").replace("\r\n", "\n")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise DataError(f"{file} is damaged: {error}.", AGAIN) from error
