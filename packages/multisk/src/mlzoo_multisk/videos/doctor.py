"""``mlzoo data doctor videos``: what one's own videos became, and what is wrong with them."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from mlzoo import Finding
from mlzoo.errors import MlzooError
from mlzoo_multisk.benchmark.assembling import words_of
from mlzoo_multisk.benchmark.part import CaptionedPart
from mlzoo_multisk.dataset_config import VideosOptions
from mlzoo_multisk.shards.store import ShardStore
from mlzoo_multisk.videos.loading import SHARDS, UNREADABLE, WORK, divided, load, read_part
from mlzoo_multisk.views.word_vectors import words_in

_FEW_WORDS = 0.8  # share of the words in use that should have a vector
_FEW_CLIPS = 20  # of which a recall says little


def examine(root: Path, options: VideosOptions) -> Sequence[Finding]:
    """Everything that a run would use; the shards are read through and compared with their digests."""
    return list(_findings(root, options))


def _findings(root: Path, options: VideosOptions) -> Iterator[Finding]:
    if (root / WORK).is_dir():
        done = sum(1 for _ in (root / WORK).glob("*.npz"))
        text = f"unfinished: {done} videos are described"
        yield Finding("note", WORK, text, "The same mlzoo data prepare goes on from there.")
    try:
        whole = read_part(root)
        assert isinstance(whole.store, ShardStore)
        whole.store.verify()
    except MlzooError as error:
        yield Finding("error", SHARDS, error.message, error.fix)
        return
    yield Finding("ok", SHARDS, f"{len(whole)} clips of {len(set(whole.videos))} videos")
    yield from _streams(whole.store, options)
    yield from _left_out(root)
    yield from _words(root, whole, options)
    yield from _parts(root, whole, options)


def _streams(store: ShardStore, options: VideosOptions) -> Iterator[Finding]:
    for part in ("2d", "3d"):
        if part not in store.widths:
            yield Finding(
                "warning", part, "no clip has such features; the published model has both"
            )
            continue
        width = store.widths[part]
        more = "" if width == 2048 else ", those of the papers 2048"
        text = f"rows are {width} wide{more}; {_spread(store.lengths(part))} a clip"
        yield Finding("note" if more else "ok", part, text)
    frames = store.lengths("audio")
    without = int((frames < 0).sum())
    if without == len(store):
        yield Finding("warning", "audio", "no clip has sound", "Train with --modalities tv.")
    elif without:
        yield Finding("note", "audio", f"{without} of {len(store)} clips have no sound")
    else:
        yield Finding("ok", "audio", f"every clip has sound, {_spread(frames)} frames")
    longer = int((frames > 64 * options.tokens).sum())
    if longer and options.strategy in ("at_once", "clips"):
        yield Finding(
            "note",
            "tokens",
            f"of {longer} clips the sound goes on beyond {options.tokens} tokens and is cut there",
            f"Choose more --tokens (for all: {-(-int(frames.max()) // 64)}), or --strategy nearest.",
        )


def _spread(lengths: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> str:
    there = lengths[lengths >= 0]
    return f"{there.min()} to {there.max()}"


def _left_out(root: Path) -> Iterator[Finding]:
    path = root / UNREADABLE
    if not path.is_file():
        return
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        rows = list(csv.reader(file))[1:]
    if rows:
        first = ": ".join(rows[0])
        yield Finding("warning", UNREADABLE, f"{len(rows)} could not be read, first {first}")


def _words(root: Path, whole: CaptionedPart, options: VideosOptions) -> Iterator[Finding]:
    used = words_in([caption for own in whole.captions for caption in own])
    try:
        table = words_of(root, [whole], options)
    except MlzooError as error:
        yield Finding("error", "word vectors", error.message, error.fix)
        return
    known = sum(word in table for word in used)
    text = f"{known} of {len(used)} words of the captions have a vector"
    few = known < _FEW_WORDS * len(used)
    yield Finding(
        "warning" if few else "ok",
        "word vectors",
        text,
        "Case counts; take vectors of the captions' language." if few else "",
    )
    silent = sum(not any(table.tokens_known(each) for each in own) for own in whole.captions)
    if silent:
        yield Finding("warning", "captions", f"{silent} clips have no caption with a known word")


def _parts(root: Path, whole: CaptionedPart, options: VideosOptions) -> Iterator[Finding]:
    try:
        parts = divided(whole, root, options)
        data = load(root, options)
    except MlzooError as error:
        yield Finding("error", "splits", error.message, error.fix)
        return
    counts = ", ".join(f"{name} {len(part)}" for name, part in parts.items())
    yield Finding("ok", "clips", counts)
    if "train" not in parts:
        yield Finding("note", "train", "nothing to learn from: weights can be scored as they are")
    for name in ("val", "test"):
        if name in parts and len(parts[name]) < _FEW_CLIPS:
            yield Finding("note", name, f"{len(parts[name])} clips: recall moves in large steps")
    yield Finding("note", "published", data.incomparable)
