"""``mlzoo data prepare howto100m --shards``: three files a video and one pickle become shards."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Mapping
from pathlib import Path

from mlzoo.errors import DataError, UsageError
from mlzoo.files import atomic_write
from mlzoo.prefetch import ahead
from mlzoo.progress import Progress
from mlzoo_multisk.clips import Item
from mlzoo_multisk.howto100m.captions import read_captions
from mlzoo_multisk.howto100m.files import (
    AUDIO,
    CAPTIONS,
    FEATURES,
    SHARDS,
    VIDEOS,
    read_videos,
)
from mlzoo_multisk.howto100m.folder import FolderStore
from mlzoo_multisk.howto100m.prepare_config import PrepareHowTo100MOptions
from mlzoo_multisk.shards.layout import PARTS
from mlzoo_multisk.shards.store import file_digest
from mlzoo_multisk.shards.writer import ShardWriter
from mlzoo_multisk.views.text import tokenise

WORDS, WORDS_DIGEST = "words.txt", "words"
"""The different words of all captions, one a line, so that nobody has to read all captions for them; and
the fact of the index that has their digest."""
LEFT_OUT = "left_out.csv"
NOTHING = "it has no file of features or audio"


def prepare(
    root: Path, options: PrepareHowTo100MOptions, progress: Progress
) -> Mapping[str, object]:
    """Make ``shards``, whole or not at all; work that was stopped is gone on with by the same call.

    A modality whose file is missing is missing in the shards. A video whose file is damaged, or that has
    no file at all, is left out and listed in ``left_out.csv``.

    Args:
        root: the dataset's folder.
        options: what to make them of.
        progress: told how many videos are done.

    Returns:
        Facts of what was made.

    Raises:
        UsageError: ``shards`` is not asked for, or is there already.
        DataError: list or captions are missing or damaged, or no video can be stored.
        RunError: a file cannot be written, or unfinished work is of something else.
    """
    if not options.shards:
        raise UsageError("there is nothing else to make of HowTo100M than shards.", "Add --shards.")
    target = root / SHARDS
    if target.exists():
        raise UsageError(f"{target} exists.", "Move it away to make shards anew.")
    source, identity = _source(root, options, progress)
    vocabulary = "".join(f"{word}\n" for word in sorted(_words(source))).encode()
    with ShardWriter.opened(
        target,
        identity,
        shard_bytes=options.shard_megabytes * 10**6,
        shard_videos=options.shard_videos,
    ) as writer:
        try:
            _write(writer, source, options.threads, progress)
        except KeyboardInterrupt:
            progress.message("stopped; the same command goes on from here.")
            raise
        progress.end()
        with atomic_write(writer.store / WORDS) as file:
            file.write(vocabulary)
        _write_left_out(root / LEFT_OUT, writer.left_out)
        store = writer.finish(
            {WORDS_DIGEST: hashlib.sha256(vocabulary).hexdigest(), "made of": "files of HowTo100M"}
        )
    missing = {part: int((store.lengths(part) < 0).sum()) for part in PARTS}
    facts: dict[str, object] = {
        "videos": len(store),
        "shards": len(store.sizes),
        "gigabytes": round(sum(p.stat().st_size for p in target.glob("*.tar")) / 1e9, 3),
        "without": missing,
    }
    if store.left_out:
        facts["left out"] = f"{len(store.left_out)}, see {LEFT_OUT}"
    return facts


def _source(
    root: Path, options: PrepareHowTo100MOptions, progress: Progress
) -> tuple[FolderStore, dict[str, str]]:
    """The videos, and what the shards depend on."""
    listed = options.videos or root / VIDEOS
    captions = options.captions or root / CAPTIONS
    features, audio = options.features or root / FEATURES, options.audio or root / AUDIO
    for folder in (features, audio):
        if not folder.is_dir():
            raise DataError(f"{folder} is no folder.", "Name it: --features DIR, --audio DIR.")
    videos = read_videos(listed)
    progress.message(f"reading {captions.name}")
    store = FolderStore(videos, features, audio, read_captions(captions))
    identity = {
        "videos": file_digest(listed),
        "captions": file_digest(captions),
        "features": str(features.resolve()),
        "audio": str(audio.resolve()),
    }
    return store, identity


def _words(source: FolderStore) -> set[str]:
    words: set[str] = set()
    for row in range(len(source)):
        try:
            for text in source.captions(row)["text"]:
                words.update(tokenise(text))
        except DataError:  # the video will be left out with this reason
            continue
    return words


def _write(writer: ShardWriter, source: FolderStore, threads: int, progress: Progress) -> None:
    """All videos that are not done yet."""

    def read(row: int) -> Item | str:
        try:
            return source.item(row)
        except DataError as error:
            return error.message

    total = len(source)
    progress.begin("videos", total, writer.done)
    done = writer.done
    for row, found in zip(
        range(done, total), ahead(read, range(done, total), threads=threads), strict=True
    ):
        if isinstance(found, str):
            writer.leave_out(source.keys[row], found)
        elif found.video_2d is None and found.video_3d is None and found.audio is None:
            writer.leave_out(found.key, NOTHING)
        else:
            writer.add(found)
        progress.counted(writer.done, total)


def _write_left_out(path: Path, left_out: Mapping[str, str]) -> None:
    """The csv, or none where nothing is left out."""
    if not left_out:
        path.unlink(missing_ok=True)
        return
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([("video", "reason"), *left_out.items()])
    with atomic_write(path) as file:
        file.write(text.getvalue().encode())
