"""MSR-VTT with the jsfusion test set: a caption for each of 1000 videos; 968 have published features.

Three layouts, of which the first that is there is read:

shards   ``shards/test`` and ``shards/train``, made by ``mlzoo data prepare msrvtt``
pickle   the published lists of clips
csv      ``msrvtt_test.csv``, a training list, the benchmark's own captions, and the folder ``features``
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from mlzoo.errors import DataError, MlzooError
from mlzoo.files import read_json
from mlzoo_multisk.benchmark.assembling import Parts, assemble
from mlzoo_multisk.benchmark.captions import sentence, sentences
from mlzoo_multisk.benchmark.files import SHARDS, layout_of, shard_folder
from mlzoo_multisk.benchmark.folder import Entry, FeatureFolder, FolderStore
from mlzoo_multisk.benchmark.marker import DEMO, Planted, read_marker
from mlzoo_multisk.benchmark.part import CAPTIONS, VIDEO, CaptionedPart
from mlzoo_multisk.benchmark.pickled import PickleKeys, read_items
from mlzoo_multisk.benchmark.tables import read_names, read_table
from mlzoo_multisk.dataset_config import MsrvttOptions
from mlzoo_multisk.msrvtt.files import (
    CAPTIONS_JSON,
    COMPLETE,
    FEATURES,
    PRESENT,
    TEST_CSV,
    TEST_FILES,
    TEST_PICKLE,
    TRAIN_LIST,
    TRAIN_PICKLE,
)
from mlzoo_multisk.retrieval import RetrievalData

TEST_KEYS = PickleKeys("2d", "3d", "eval_caption")
TRAIN_KEYS = PickleKeys("2d", "3d", "caption")


def load(root: Path, options: MsrvttOptions) -> RetrievalData:
    """MSR-VTT; features are read now where they are pickled, else when they are asked for.

    Args:
        root: the dataset's folder.
        options: of the clips and the training list.

    Raises:
        DataError: a file is missing, damaged or hostile, the test clips are not those of the benchmark,
            or videos of it are in the training list.
        UsageError: the options do not fit together.
    """
    return assemble(root, read_parts(root, options.train_list), options, options.tokens)


def read_parts(root: Path, train_list: str = "9k", layout: str = "auto") -> Parts:
    """What a folder holds.

    Args:
        root: the folder.
        train_list: which videos to learn from, ``9k`` or ``7k``.
        layout: to read, or ``auto``.

    Raises:
        DataError: as :func:`load`.
    """
    layout = layout_of(root, TEST_FILES, layout)
    readers = {SHARDS: _read_shards, "pickle": _read_pickles, "csv": _read_csv}
    test, train = readers[layout](root, train_list)
    planted = read_marker(root, test.keys)
    made_of = str(test.facts.get("layout", layout))
    complete = int(test.facts.get("complete", COMPLETE))
    _check_count(root, len(test), made_of, planted)
    return Parts(
        layout=layout,
        test=test,
        train=train,
        complete=complete if planted is None else planted.complete,
        incomparable=DEMO if planted is not None else _incomparable(len(test), complete),
        ceilings={} if planted is None else planted.ceilings,
        facts={"training list": train_list} if train is not None else {},
    )


def listed_videos(root: Path, train_list: str) -> set[str] | None:
    """The videos of a training list; None where the list is not there and all are meant.

    Raises:
        DataError: the list is damaged, or that of ``7k`` is missing.
    """
    path = root / TRAIN_LIST.format(train_list=train_list)
    if path.is_file():
        return set(read_names(path, "video_id"))
    if train_list != "9k":
        raise DataError(
            f"{path} does not exist.", "Put it there, or take all videos: --train-list 9k."
        )
    return None


def _check_count(root: Path, count: int, made_of: str, planted: Planted | None) -> None:
    if made_of == "pickle" and planted is None and count != PRESENT:
        raise DataError(
            f"{root}: the test pickle has {count:,} clips, the jsfusion test set has {PRESENT}.",
            "Fetch the published file again; lists of your own belong into the csv layout.",
        )


def _incomparable(count: int, complete: int) -> str:
    if complete != COMPLETE:
        return f"the test list has {complete:,} clips, the jsfusion test set {COMPLETE:,}"
    if count != PRESENT:
        return f"{count:,} test clips have features, published rows use {PRESENT}"
    return ""


def _of_list(train: CaptionedPart, root: Path, train_list: str) -> CaptionedPart:
    wanted = listed_videos(root, train_list)
    if wanted is None:
        return train
    kept = train.only(wanted.__contains__)
    if not len(kept):
        raise DataError(
            f"{root}: no training video is in the list {TRAIN_LIST.format(train_list=train_list)}."
        )
    return replace(kept, facts={**kept.facts, "complete": len(wanted)})


def _read_pickles(root: Path, train_list: str) -> tuple[CaptionedPart, CaptionedPart | None]:
    path = root / TEST_PICKLE
    test = CaptionedPart.of_items(read_items(path, TEST_KEYS).items, str(path))
    path = root / TRAIN_PICKLE
    if not path.is_file():
        return test, None
    train = CaptionedPart.of_items(read_items(path, TRAIN_KEYS).items, str(path))
    return test, _of_list(train, root, train_list)


def _read_shards(root: Path, train_list: str) -> tuple[CaptionedPart, CaptionedPart | None]:
    test = CaptionedPart.of_shards(shard_folder(root, "test"))
    folder = shard_folder(root, "train")
    if not folder.is_dir():
        return test, None
    train = CaptionedPart.of_shards(folder)
    made_with = train.facts.get("training list", "9k")
    if made_with == train_list:
        return test, train
    if made_with != "9k":
        raise DataError(
            f"{folder} was made of the list {made_with}, not of {train_list}.",
            f"Move it away and make it anew: mlzoo data prepare msrvtt --train-list {train_list}.",
        )
    return test, _of_list(train, root, train_list)


def _read_csv(root: Path, train_list: str) -> tuple[CaptionedPart, CaptionedPart | None]:
    folder = FeatureFolder(root / FEATURES)
    captions = read_test_captions(root / TEST_CSV)
    test = _part(folder, {video: [own] for video, own in captions.items()}, len(captions))
    wanted = listed_videos(root, train_list)
    if wanted is None or not any(folder.kinds(video) for video in wanted):
        return test, None
    own = read_captions_json(root / CAPTIONS_JSON)
    lacking = sorted(wanted - own.keys())
    if lacking:
        raise DataError(
            f"{root / CAPTIONS_JSON} has no sentence of {len(lacking)} videos of the training list, such as "
            f"{lacking[0]!r}."
        )
    return test, _part(folder, {name: own[name] for name in own if name in wanted}, len(wanted))


def _part(folder: FeatureFolder, captions: dict[str, list[str]], complete: int) -> CaptionedPart:
    entries = [
        Entry(video, video, {CAPTIONS: own, VIDEO: video})
        for video, own in captions.items()
        if folder.kinds(video)
    ]
    store = FolderStore(folder, entries)
    facts = {"layout": "csv", "complete": complete}
    facts_of = [entry.facts for entry in entries]
    return CaptionedPart.of(store, facts_of, store.widths, str(folder.folder), facts)


def read_test_captions(path: Path) -> dict[str, str]:
    """The sentence of each test video, in the order of the list.

    Raises:
        DataError: the list is damaged, or a video stands twice.
    """
    found: dict[str, str] = {}
    for number, cells in read_table(path, ["video_id", "sentence"]):
        video = cells["video_id"]
        if not video or video in found:
            how = "stands twice" if video else "is blank"
            raise DataError(f"{path}, line {number}: the video {video!r} {how}.")
        found[video] = sentence(cells["sentence"], repr(video))
    return found


def read_captions_json(path: Path) -> dict[str, list[str]]:
    """The captions of each video in the benchmark's own file, in the order in which they stand.

    Raises:
        DataError: missing, damaged, or without the list ``sentences`` of video_id and caption.
    """
    if not path.is_file():
        raise DataError(
            f"{path} does not exist.", "The training captions of the csv layout are there."
        )
    try:
        entries = read_json(path).get("sentences")
    except MlzooError as error:
        raise DataError(error.message, "Fetch the file again.") from error
    if not isinstance(entries, list):
        raise DataError(f"{path}: expected a list 'sentences'.")
    found: dict[str, list[Any]] = {}
    for number, entry in enumerate(entries):
        if not isinstance(entry, dict) or not {"video_id", "caption"} <= entry.keys():
            raise DataError(f"{path}: sentence {number} has no video_id and caption.")
        found.setdefault(str(entry["video_id"]), []).append(entry["caption"])
    return {video: list(sentences(own, repr(video))) for video, own in found.items()}
