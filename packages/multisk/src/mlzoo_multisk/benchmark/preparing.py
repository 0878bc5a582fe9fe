"""Shards of the parts of a benchmark. They need no pickle, and only what is used of them is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mlzoo.errors import RunError, UsageError
from mlzoo.progress import Progress
from mlzoo_multisk.benchmark.assembling import Parts
from mlzoo_multisk.benchmark.files import layout_of, shard_folder
from mlzoo_multisk.benchmark.part import CAPTIONS, VIDEO, CaptionedPart, refuse_shared
from mlzoo_multisk.benchmark.prepare_config import PrepareBenchmarkOptions
from mlzoo_multisk.clips import Item
from mlzoo_multisk.shards.store import ShardStore
from mlzoo_multisk.shards.writer import ShardWriter

SOURCE = "source"


def prepared(
    root: Path,
    test_files: Mapping[str, str],
    options: PrepareBenchmarkOptions,
    progress: Progress,
    read: Callable[[str], Parts],
) -> Mapping[str, object]:
    """Make ``shards/test`` and ``shards/train`` of a benchmark.

    Args:
        root: the dataset's folder, where the files lie.
        test_files: by layout, the file of the test clips.
        options: what to make them of.
        progress: told how many clips are done.
        read: the clips of a layout.

    Returns:
        Facts of what was made.

    Raises:
        UsageError: shards are there already.
        DataError: a file is missing, damaged or hostile, or a test video is in the training list.
        RunError: a file cannot be written.
    """
    refuse_existing(root)
    layout = layout_of(root, test_files, options.layout)
    progress.message(f"reading the {layout} layout")
    parts = read(layout)
    if parts.train is not None:
        refuse_shared(parts.test, parts.train, str(root))
    return make_shards(root, parts, options.shard_megabytes, progress)


def refuse_existing(root: Path) -> None:
    """Raises UsageError where shards of the test clips lie already: they are never replaced."""
    folder = shard_folder(root, "test")
    if folder.exists():
        raise UsageError(f"{folder} exists.", f"Move {folder.parent} away to make shards anew.")


def make_shards(
    root: Path, parts: Parts, shard_megabytes: int, progress: Progress
) -> Mapping[str, object]:
    """Write ``shards/train`` and then ``shards/test``; work that was stopped is gone on with.

    Every value is read and checked.

    Args:
        root: the dataset's folder.
        parts: what shards are made of.
        shard_megabytes: of an archive, at most.
        progress: told how many clips are done.

    Returns:
        Facts of what was made.

    Raises:
        UsageError: other shards are there already.
        DataError: a clip cannot be read, or has values that are not finite.
        RunError: a file cannot be written, or unfinished work is of something else.
    """
    facts: dict[str, object] = {"made of": parts.layout}
    for name, part in (("train", parts.train), ("test", parts.test)):
        if part is None:
            continue
        told = {
            **parts.facts,
            **part.facts,
            "layout": parts.layout,
            "complete": parts.complete if name == "test" else part.facts.get("complete", len(part)),
        }
        _make(root, name, part, told, shard_megabytes, progress)
        facts[name] = len(part)
    return facts


def _make(
    root: Path,
    name: str,
    part: CaptionedPart,
    told: Mapping[str, Any],
    shard_megabytes: int,
    progress: Progress,
) -> None:
    folder = shard_folder(root, name)
    source = f"{part.store.digest()} {len(part)}"
    if folder.is_dir() and ShardStore.opened(folder).facts.get(SOURCE) == source:
        progress.message(f"{folder} is there already.")
        return
    try:
        folder.parent.mkdir(exist_ok=True)
    except OSError as error:
        raise RunError(f"cannot write {folder.parent}: {error.strerror or error}.") from error
    size = shard_megabytes * 10**6
    try:
        with ShardWriter.opened(folder, {"source": source}, shard_bytes=size) as writer:
            progress.begin(name, len(part), writer.done)
            for row in part.rows[writer.done :]:
                writer.add(_with_captions(part, int(row)))
                progress.counted(writer.done, len(part))
            writer.finish({**told, SOURCE: source})
    except KeyboardInterrupt:
        progress.message("stopped; the same command goes on from here.")
        raise


def _with_captions(part: CaptionedPart, row: int) -> Item:
    item = part.store.item(row)
    facts = {CAPTIONS: list(part.captions[row]), VIDEO: part.videos[row]}
    return Item(item.key, item.video_2d, item.video_3d, item.audio, {**item.facts, **facts})
