"""Features of HowTo100M's videos from shards against single .npz files, three a video.

python benchmarks/multisk_shards.py [--json FILE] [--repeats 5] [--quick]

Videos of about five minutes with the published widths: 2D and 3D rows of 2048 float32 numbers, a float16
spectrogram. Files of both kinds, np.savez and np.savez_compressed, hold the same arrays as the shards and lie
in the memory of the disk's cache, as the shards do: what is measured is work, not a disk. Three rows: what
ten clips of eight seconds use of each video, copied out, which is what training reads; whole videos, copied
out; ten clips of each, drawn and brought to tokens. An .npz can only be read whole.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from _measure import Call, Row, arguments, compare, report

from mlzoo_multisk.clips import ClipBatch, Item, ItemStore
from mlzoo_multisk.dataset_config import HowTo100MOptions
from mlzoo_multisk.howto100m.clips import ClipForm, HowTo100MTraining
from mlzoo_multisk.howto100m.files import Video
from mlzoo_multisk.howto100m.folder import FolderStore, ShardedVideos, VideoStore
from mlzoo_multisk.planted import PlantedWorld
from mlzoo_multisk.shards.layout import Array
from mlzoo_multisk.shards.writer import ShardWriter
from mlzoo_multisk.views.audio import crop
from mlzoo_multisk.views.text import WordTable
from mlzoo_multisk.views.video import cut_by_time

VIDEOS, SECONDS, WIDTH, CLIPS = 24, 300, 2048, 10
Save = Callable[..., None]


def videos(options: argparse.Namespace) -> tuple[PlantedWorld, list[Item]]:
    """Planted videos with a caption every five seconds."""
    count, seconds = (4, 20) if options.quick else (VIDEOS, SECONDS)
    world = PlantedWorld(0, width_2d=WIDTH, width_3d=WIDTH)
    random = np.random.RandomState(0)
    made = []
    for number in range(count):
        topic = number % len(world)
        rows = world.video_rows(topic, seconds, random)
        starts = [float(start) for start in range(0, seconds, 5)]
        facts = {
            "start": starts,
            "end": [start + 4 for start in starts],
            "text": [world.sentence(topic, random) for _ in starts],
        }
        made.append(Item(f"v{number}", *rows, world.spectrogram(topic, seconds, random), facts))
    return world, made


def write_files(folder: Path, items: Sequence[Item], save: Save) -> FolderStore:
    """The published layout, saved one way or the other."""
    folder.mkdir()
    for item in items:
        for name, key, array in (
            ("_2d", "features", item.video_2d),
            ("_3d", "features", item.video_3d),
            ("_spec", "arr_0", item.audio),
        ):
            save(folder / f"{item.key}{name}.npz", **{key: array})
    captions = {item.key: item.facts for item in items}
    return FolderStore([Video(item.key, item.key) for item in items], folder, folder, captions)


def plain_numpy(store: FolderStore, rows: Sequence[int]) -> list[list[Array]]:
    """Without any check, as a program does that trusts its files."""
    found = []
    for row in rows:
        start = store.features / store.keys[row]
        names = (("_2d", "features"), ("_3d", "features"), ("_spec", "arr_0"))
        found.append([np.load(f"{start}{ending}.npz")[key] for ending, key in names])
    return found


def parts_of_unchecked(
    store: FolderStore, rows: Sequence[int], starts: Sequence[Sequence[float]]
) -> list[Array]:
    """The parts of clips, likewise."""
    found = []
    for row in rows:
        ((video_2d, video_3d, audio),) = plain_numpy(store, [row])
        for start in starts[row]:
            own = cut_by_time(video_2d, video_3d, start, start + 8)
            found += [np.array(part) for part in (*own, crop(audio, start, start + 8))]
    return found


def into_memory(store: ItemStore, rows: Sequence[int]) -> list[list[Array]]:
    """Whole videos as arrays of their own."""
    found = []
    for row in rows:
        item = store.item(row)
        arrays = (item.video_2d, item.video_3d, item.audio)
        found.append([np.array(array) for array in arrays if array is not None])
    return found


def parts_of_clips(
    store: ItemStore, rows: Sequence[int], starts: Sequence[Sequence[float]]
) -> list[Array]:
    """Rows and frames of the clips that begin then, copied out."""
    found = []
    for row in rows:
        item = store.item(row)
        assert item.audio is not None
        for start in starts[row]:
            own = cut_by_time(item.video_2d, item.video_3d, start, start + 8)
            found += [np.array(part) for part in (*own, crop(item.audio, start, start + 8))]
    return found


def trainer(store: VideoStore, world: PlantedWorld, count: int) -> HowTo100MTraining:
    """Ten clips of each video."""
    options = HowTo100MOptions()
    form = ClipForm.of(store, WordTable.of(world.words, world.vectors), options)
    return HowTo100MTraining(store, np.arange(count), form, options)


def same(one: ClipBatch, other: ClipBatch) -> bool:
    """Equal in every bit."""
    arrays = other.arrays()
    return all(array.tobytes() == arrays[name].tobytes() for name, array in one.arrays().items())


def main() -> None:
    options = arguments(__doc__, repeats=5)
    world, items = videos(options)
    rows = np.random.RandomState(1).permutation(len(items)).tolist()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        saves: dict[str, Save] = {"np.savez": np.savez, "np.savez_compressed": np.savez_compressed}
        files = {how: write_files(root / how, items, save) for how, save in saves.items()}
        with ShardWriter.opened(root / "shards", {}) as writer:
            for item in items:
                writer.add(item)
            shards = writer.finish()
        results = [
            used_parts(shards, files, rows, options),
            whole_videos(shards, files, rows, options),
            clips(ShardedVideos(shards), files, world, options),
        ]
    report(results, options)


def used_parts(
    shards: ItemStore, files: dict[str, FolderStore], rows: list[int], options: argparse.Namespace
) -> Row:
    """Rows and frames of ten clips of each video, in a random order."""
    seconds = len(shards.item(0).video_2d)  # type: ignore[arg-type]
    starts = np.random.RandomState(2).uniform(0, seconds - 8, (len(rows), CLIPS)).tolist()
    ours = parts_of_clips(shards, rows, starts)
    for store in files.values():
        others = parts_of_clips(store, rows, starts)
        assert all(a.tobytes() == b.tobytes() for a, b in zip(ours, others, strict=True))
    size = sum(array.nbytes for array in ours)
    calls: dict[str, Call] = {"mlzoo": partial(parts_of_clips, shards, rows, starts)}
    calls |= {how: partial(parts_of_unchecked, store, rows, starts) for how, store in files.items()}
    calls["npz, checked"] = partial(parts_of_clips, files["np.savez"], rows, starts)
    what = f"what {CLIPS} clips use of each of {len(rows)} videos, from shards"
    return compare(what, calls, options, against=tuple(files), gigabytes=2 * size / 1e9)


def whole_videos(
    shards: ItemStore, files: dict[str, FolderStore], rows: list[int], options: argparse.Namespace
) -> Row:
    """All arrays of all videos, in a random order."""
    ours = into_memory(shards, rows)
    for store in files.values():
        for other in (plain_numpy(store, rows), into_memory(store, rows)):
            for mine, its in zip(ours, other, strict=True):
                assert all(a.tobytes() == b.tobytes() for a, b in zip(mine, its, strict=True))
    size = sum(array.nbytes for arrays in ours for array in arrays)
    calls: dict[str, Call] = {"mlzoo": partial(into_memory, shards, rows)}
    calls |= {how: partial(plain_numpy, store, rows) for how, store in files.items()}
    calls["npz, checked"] = partial(into_memory, files["np.savez"], rows)
    what = f"{len(rows)} whole videos of {size / len(rows) / 1e6:.1f} MB from shards"
    return compare(what, calls, options, against=tuple(files), gigabytes=2 * size / 1e9)


def clips(
    shards: VideoStore,
    files: dict[str, FolderStore],
    world: PlantedWorld,
    options: argparse.Namespace,
) -> Row:
    """Ten clips of each video, as a step of training makes them."""
    rows = np.arange(len(shards))
    ours = trainer(shards, world, len(rows))
    others = {how: trainer(store, world, len(rows)) for how, store in files.items()}
    drawn = ours.draw(rows, 0, 0)
    assert all(same(drawn, other.draw(rows, 0, 0)) for other in others.values())
    calls: dict[str, Call] = {"mlzoo": lambda: ours.draw(rows, 0, 0)}
    calls |= {how: partial(other.draw, rows, 0, 0) for how, other in others.items()}
    what = f"{len(drawn)} clips of {len(rows)} videos"
    return compare(f"{what} drawn from shards", calls, options, against=tuple(files))


if __name__ == "__main__":
    main()
