"""YouCook2: the clips of its validation videos, each a step of a recipe with its sentence.

Three layouts, of which the first that is there is read:

shards   ``shards/test`` and ``shards/train``, made by ``mlzoo data prepare youcook2``
pickle   the published lists of clips; those without 2D features do not count
csv      ``validation_youcook.csv``, perhaps ``training_youcook.csv``, and the folder ``features`` of whole
         videos, out of which clips are cut by time
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from mlzoo.errors import DataError
from mlzoo_multisk.benchmark.assembling import Parts, assemble
from mlzoo_multisk.benchmark.captions import sentence
from mlzoo_multisk.benchmark.files import SHARDS, layout_of, shard_folder
from mlzoo_multisk.benchmark.folder import Entry, FeatureFolder, FolderStore
from mlzoo_multisk.benchmark.marker import DEMO, read_marker
from mlzoo_multisk.benchmark.part import CAPTIONS, VIDEO, CaptionedPart
from mlzoo_multisk.benchmark.pickled import PickleKeys, read_items, renamed
from mlzoo_multisk.benchmark.tables import read_table
from mlzoo_multisk.dataset_config import YouCook2Options
from mlzoo_multisk.retrieval import RetrievalData
from mlzoo_multisk.youcook2.files import (
    COMPLETE,
    FEATURES,
    TEST_CSV,
    TEST_FILES,
    TEST_PICKLE,
    TRAIN_CSV,
    TRAIN_PICKLE,
)

KEYS = PickleKeys("2d_full", "3d_full", "caption", needed=("2d_full",))
MOST_LACKING = 0.01
"""Of the benchmark's clips; with more of them missing, published numbers do not speak of a copy."""
ID_LENGTH = 11
"""Letters of a video's id on YouTube."""


@dataclass(frozen=True)
class Step:
    """A line of a list: a clip of a video.

    Attributes:
        key: ``<video>_<start>_<end>``; the second of a name is ``<name>#2``.
        video: its id.
        start: in seconds.
        end: in seconds.
        text: the sentence.
    """

    key: str
    video: str
    start: float
    end: float
    text: str


def load(root: Path, options: YouCook2Options) -> RetrievalData:
    """YouCook2; features are read now where they are pickled, else when they are asked for.

    Args:
        root: the dataset's folder.
        options: of the clips.

    Raises:
        DataError: a file is missing, damaged or hostile, there are more test clips than the benchmark
            has, or videos of them are in the training list.
        UsageError: the options do not fit together.
    """
    return assemble(root, read_parts(root), options, options.tokens)


def read_parts(root: Path, layout: str = "auto") -> Parts:
    """What a folder holds.

    Args:
        root: the folder.
        layout: to read, or ``auto``.

    Raises:
        DataError: as :func:`load`.
    """
    layout = layout_of(root, TEST_FILES, layout)
    readers = {SHARDS: _read_shards, "pickle": _read_pickles, "csv": _read_csv}
    test, train = readers[layout](root)
    planted = read_marker(root, test.keys)
    complete = int(test.facts.get("complete", COMPLETE))
    if planted is None and len(test) > complete:
        raise DataError(
            f"{root}: there are {len(test):,} test clips, the benchmark has {complete:,}.",
            "Fetch the published file again.",
        )
    dropped = {name: n for name in ("passed over",) if (n := test.facts.get(name))}
    return Parts(
        layout=layout,
        test=test,
        train=train,
        complete=complete if planted is None else planted.complete,
        incomparable=DEMO if planted is not None else _incomparable(len(test), complete),
        ceilings={} if planted is None else planted.ceilings,
        facts=dropped,
    )


def read_steps(path: Path) -> list[Step]:
    """The clips of a list, in its order.

    Two clips of the published list are of one time and differ in their sentence.

    Raises:
        DataError: the list is damaged, a time is no number, a clip ends before it starts, or a line
            stands twice.
    """
    steps: list[Step] = []
    texts: dict[str, list[str]] = {}
    for number, cells in read_table(path, ["end", "start", "text", "video_id"]):
        where = f"{path}, line {number}"
        video, text = cells["video_id"], sentence(cells["text"], where)
        if not video:
            raise DataError(f"{where}: video_id is blank.")
        start, end = (_seconds(cells[name], f"{where}: {name}") for name in ("start", "end"))
        if end <= start:
            raise DataError(f"{where}: the clip ends at {end:g} s and starts at {start:g} s.")
        name = f"{video}_{start:g}_{end:g}"
        own = texts.setdefault(name, [])
        if text in own:
            raise DataError(f"{where}: the clip {name} stands twice.", "Leave one out.")
        own.append(text)
        steps.append(Step(name if len(own) == 1 else f"{name}#{len(own)}", video, start, end, text))
    return steps


def video_of(key: str) -> str:
    """The video that a clip is cut out of: ``xHr8X2Wpmno`` of ``xHr8X2Wpmno_47_60``.

    An id that does not look like that is taken for a video of its own.
    """
    return key[:ID_LENGTH] if key[ID_LENGTH : ID_LENGTH + 1] in ("_", "#", ".") else key


def _seconds(text: str, what: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value < 0:
        raise DataError(f"{what} is {text!r}, expected seconds.")
    return value


def _incomparable(count: int, complete: int) -> str:
    if complete != COMPLETE:
        return f"the test list has {complete:,} clips, the benchmark {COMPLETE:,}"
    if count < (1 - MOST_LACKING) * COMPLETE:
        return f"{count:,} of {COMPLETE:,} test clips have features"
    return ""


def _read_pickles(root: Path) -> tuple[CaptionedPart, CaptionedPart | None]:
    found: list[CaptionedPart] = []
    for name in (TEST_PICKLE, TRAIN_PICKLE):
        path = root / name
        if name == TRAIN_PICKLE and not path.is_file():
            return found[0], None
        read = read_items(path, KEYS)
        items = [
            replace(item, facts={**item.facts, VIDEO: video_of(item.key)})
            for item in renamed(read.items)
        ]
        facts = {"layout": "pickle", "passed over": len(read.passed_over)}
        found.append(CaptionedPart.of_items(items, str(path), facts))
    return found[0], found[1]


def _read_shards(root: Path) -> tuple[CaptionedPart, CaptionedPart | None]:
    test = CaptionedPart.of_shards(shard_folder(root, "test"))
    folder = shard_folder(root, "train")
    return test, CaptionedPart.of_shards(folder) if folder.is_dir() else None


def _read_csv(root: Path) -> tuple[CaptionedPart, CaptionedPart | None]:
    folder = FeatureFolder(root / FEATURES)
    test = _part(folder, read_steps(root / TEST_CSV))
    path = root / TRAIN_CSV
    if not path.is_file():
        return test, None
    steps = read_steps(path)
    there = any(step.video in folder.videos["2d"] for step in steps)
    return test, _part(folder, steps) if there else None


def _part(folder: FeatureFolder, steps: list[Step]) -> CaptionedPart:
    entries = list(_entries(folder, steps))
    store = FolderStore(folder, entries)
    lacking = len(steps) - len(entries)
    facts = {"layout": "csv", "complete": len(steps), "passed over": lacking}
    facts_of = [entry.facts for entry in entries]
    return CaptionedPart.of(store, facts_of, store.widths, str(folder.folder), facts)


def _entries(folder: FeatureFolder, steps: list[Step]) -> Iterator[Entry]:
    for step in steps:
        if step.video in folder.videos["2d"]:
            facts = {CAPTIONS: [step.text], VIDEO: step.video}
            yield Entry(step.key, step.video, facts, (step.start, step.end))
