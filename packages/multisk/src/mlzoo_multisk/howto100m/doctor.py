"""Doctor of HowTo100M: list, captions, features and spectrograms, words, shards.

Every kind of file is examined on its own, so that a part of them is enough.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from mlzoo import Finding
from mlzoo.errors import DataError, MlzooError
from mlzoo_multisk.dataset_config import HowTo100MOptions
from mlzoo_multisk.howto100m.captions import facts_of, read_captions
from mlzoo_multisk.howto100m.files import (
    AUDIO,
    CAPTIONS,
    FEATURES,
    SHARDS,
    VIDEOS,
    Video,
    evenly,
    find,
    read_part,
    read_videos,
)
from mlzoo_multisk.howto100m.folder import ShardedVideos
from mlzoo_multisk.howto100m.loading import PRETRAINING, load, vocabulary
from mlzoo_multisk.howto100m.prepare import LEFT_OUT
from mlzoo_multisk.shards.layout import PARTS
from mlzoo_multisk.shards.store import ShardStore
from mlzoo_multisk.shards.writer import part_folder
from mlzoo_multisk.views.text import tokenise
from mlzoo_multisk.views.word_vectors import find_word_vectors, read_word_vectors

LOOKED_FOR, READ = 20_000, 500
"""Videos whose files are looked for, and read, at most."""
SHOWN = 10
LARGE = 50 * 10**9
"""Bytes of shards that are not compared with their digests: that would take many minutes."""
_NAMES = {"2d": "2D features", "3d": "3D features", "audio": "audio"}
Level = Literal["ok", "note", "error"]
Told = Callable[[], Iterator[Finding]]


def examine(root: Path, options: HowTo100MOptions) -> Sequence[Finding]:
    """All findings about the copy of HowTo100M in ``root``: the published files, shards, or both."""
    findings: list[Finding] = []
    sharded = (root / SHARDS).is_dir()
    if not sharded or (root / VIDEOS).is_file():
        findings += _guarded(VIDEOS, lambda: _files(root, options))
    if part_folder(root / SHARDS).is_dir():
        text = "is not finished: the same mlzoo data prepare goes on"
        findings.append(Finding("note", part_folder(root / SHARDS).name, text))
    if sharded:
        findings += _guarded(SHARDS, lambda: _shards(root, options))
    return [*findings, *_together(root, options)]


def _guarded(subject: str, told: Told) -> list[Finding]:
    """What cannot be read is a finding, too."""
    found: list[Finding] = []
    try:
        for finding in told():  # one by one: what was told before an error stays
            found.append(finding)
    except MlzooError as error:
        found.append(Finding("error", subject, error.message, error.fix))
    return found


def _level(having: int, of: int) -> Level:
    """Some may lack a thing; that all do is an error."""
    return "ok" if having == of else "note" if having else "error"


def _files(root: Path, options: HowTo100MOptions) -> Iterator[Finding]:
    videos = read_videos(root / VIDEOS)
    yield Finding("ok", VIDEOS, f"{len(videos):,} videos")
    yield from _guarded(FEATURES, lambda: _missing(root, videos))
    yield from _guarded(FEATURES, lambda: _damaged(root, videos))
    captions = read_captions(root / CAPTIONS)
    yield from _guarded(CAPTIONS, lambda: _captions(videos, captions))
    yield from _guarded("word vectors", lambda: _words(root, options, _texts(videos, captions)))


def _missing(root: Path, videos: list[Video]) -> Iterator[Finding]:
    """How many videos lack which kind of file."""
    places = evenly(len(videos), LOOKED_FOR)
    there: Counter[str] = Counter()
    for place in places:
        found = [p for p in PARTS if find(videos[place], p, root / FEATURES, root / AUDIO)]
        there.update(found or ["nothing"])
    of = f"of {len(places):,} videos" + (" looked at" if len(places) < len(videos) else "")
    for part in PARTS:
        lacking = len(places) - there[part]
        text = f"{lacking:,} {of} have none" if lacking else f"all {of}"
        yield Finding(_level(there[part], len(places)), _NAMES[part], text)
    if there["nothing"]:
        text = f"{there['nothing']:,} {of} have no file at all"
        yield Finding("warning", FEATURES, text, "They count as clips without video and audio.")


def _damaged(root: Path, videos: list[Video]) -> Iterator[Finding]:
    """Files that cannot be used, each by name, and how many can."""
    places = evenly(len(videos), READ)
    widths: dict[str, int] = {}
    good = bad = 0
    for place in places:
        for part in PARTS:
            path = find(videos[place], part, root / FEATURES, root / AUDIO)
            if path is None:
                continue
            try:
                array = read_part(path, part, widths.get(part))
            except DataError as error:
                bad += 1
                if bad <= SHOWN:
                    yield Finding("error", path.name, error.message, error.fix)
                continue
            good += 1
            if part != "audio":
                widths.setdefault(part, array.shape[1])
    shapes = ", ".join(f"{part.upper()} {width} wide" for part, width in widths.items())
    text = f"{good:,} files of {len(places):,} videos read: {shapes or 'none with features'}"
    yield Finding("ok" if good else "warning", FEATURES, text)
    if bad > SHOWN:
        yield Finding("error", FEATURES, f"{bad:,} files are damaged, {SHOWN} of them are named")


def _captions(videos: list[Video], captions: Mapping[str, Any]) -> Iterator[Finding]:
    covered = count = bad = 0
    for video in videos:
        try:
            texts = facts_of(captions.get(video.id), f"the video {video.id!r}")["text"]
        except DataError as error:
            bad += 1
            if bad <= SHOWN:
                yield Finding("error", CAPTIONS, error.message, error.fix)
            continue
        covered += bool(texts)
        count += len(texts)
    share = f"{covered:,} of {len(videos):,} videos have captions"
    yield Finding(_level(covered, len(videos)), CAPTIONS, f"{share}, {count:,} in all")
    unused = len(captions.keys() - {video.id for video in videos})
    if unused:
        yield Finding("note", CAPTIONS, f"{unused:,} videos with captions are not in {VIDEOS}")


def _texts(videos: list[Video], captions: Mapping[str, Any]) -> Iterator[str]:
    for place in evenly(len(videos), LOOKED_FOR):
        try:
            yield from facts_of(captions.get(videos[place].id), "")["text"]
        except DataError:
            continue


def _words(root: Path, options: HowTo100MOptions, texts: Iterator[str]) -> Iterator[Finding]:
    """How much of what is said has a vector."""
    said: Counter[str] = Counter()
    for text in texts:
        said.update(tokenise(text))
    path = find_word_vectors(root, options.word_vectors)
    table = read_word_vectors(path, said.keys())
    known = sum(number for word, number in said.items() if word in table)
    rate = 100 * known / max(1, said.total())
    text = f"{rate:.1f} % of {said.total():,} words, {len(table):,} of {len(said):,} different ones"
    yield Finding("ok" if rate >= 50 else "warning", path.name, f"has vectors of {text}")


def _shards(root: Path, options: HowTo100MOptions) -> Iterator[Finding]:
    store = ShardStore.opened(root / SHARDS)
    videos = ShardedVideos(store)
    yield Finding("ok", SHARDS, f"{len(store):,} videos in {len(store.sizes)} shards")
    for part in PARTS:
        lacking = int((store.lengths(part) < 0).sum())
        if lacking:
            yield Finding("note", _NAMES[part], f"{lacking:,} videos in shards have none")
    if store.left_out:
        key, reason = next(iter(store.left_out.items()))
        text = f"{len(store.left_out):,} videos were left out, such as {key}: {reason}"
        yield Finding("note", LEFT_OUT, text)
    size = sum(path.stat().st_size for path in (root / SHARDS).glob("*.tar"))
    if size > LARGE:
        yield Finding("note", SHARDS, f"{size:,} bytes, not compared with their digests")
    else:
        store.verify()
        yield Finding("ok", SHARDS, f"{size:,} bytes are what was written")
    for row in evenly(len(store), READ if size > LARGE else 20):
        store.item(row)
    spoken = sum(bool(videos.captions(row)["text"]) for row in evenly(len(store), READ))
    looked = len(evenly(len(store), READ))
    text = f"{spoken:,} of {looked:,} videos looked at have some"
    yield Finding(_level(spoken, looked), "captions in shards", text)
    vocabulary(videos)
    texts = islice(videos.all_texts(), 100_000)
    yield from _guarded("word vectors", lambda: _words(root, options, iter(texts)))


def _together(root: Path, options: HowTo100MOptions) -> Iterator[Finding]:
    """The verdict of the loader itself."""
    try:
        data = load(root, options)
    except MlzooError as error:
        yield Finding("error", "the files together", error.message, error.fix)
        return
    held = len(data.parts["test"])
    train = 0 if data.train is None else len(data.train)
    yield Finding("ok", "the files together", f"{train:,} videos to learn from, {held:,} held out")
    yield Finding("note", "published rows", f"not comparable: {PRETRAINING}")
    yield Finding("ok", "fingerprint", data.fingerprint())
