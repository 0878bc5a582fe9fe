"""Stored videos with their captions: the test clips of a benchmark, or those to learn from."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from mlzoo.errors import DataError
from mlzoo_multisk.benchmark.captions import sentences
from mlzoo_multisk.captioned import stream_widths
from mlzoo_multisk.clips import Index, Item, ItemStore
from mlzoo_multisk.memory import MemoryStore
from mlzoo_multisk.shards.store import ShardStore

CAPTIONS, VIDEO = "captions", "video"
"""Facts of an item: its sentences, and the video that the clip is cut out of."""

Widths = tuple[int | None, int | None]
"""Of the 2D and the 3D rows; None where no video has any."""


@dataclass(frozen=True, eq=False)
class CaptionedPart:
    """Some of the videos of a store.

    Attributes:
        store: the videos.
        rows: int64 [n], which of them.
        captions: by row of the store.
        videos: by row of the store, the video that it is cut out of.
        widths: of the rows of features.
        facts: what is to be told (JSON values).
    """

    store: ItemStore
    rows: Index
    captions: Sequence[tuple[str, ...]]
    videos: Sequence[str]
    widths: Widths
    facts: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        store: ItemStore,
        facts_of: Sequence[Mapping[str, Any]],
        widths: Widths,
        what: str,
        facts: Mapping[str, Any] | None = None,
    ) -> Self:
        """All videos of a store.

        Args:
            store: the videos.
            facts_of: of each of them, with :data:`CAPTIONS` and perhaps :data:`VIDEO`.
            widths: of the rows of features.
            what: the store is, for messages.
            facts: what is to be told.

        Raises:
            DataError: a video has no caption.
        """
        for key, own in zip(store.keys, facts_of, strict=True):
            if CAPTIONS not in own:
                raise DataError(f"{what}: {key!r} has no captions.")
        return cls(
            store=store,
            rows=np.arange(len(store), dtype=np.int64),
            captions=[
                sentences(own[CAPTIONS], repr(key))
                for key, own in zip(store.keys, facts_of, strict=True)
            ],
            videos=[
                str(own.get(VIDEO, key)) for key, own in zip(store.keys, facts_of, strict=True)
            ],
            widths=widths,
            facts=facts or {},
        )

    @classmethod
    def of_items(
        cls, items: Sequence[Item], what: str, facts: Mapping[str, Any] | None = None
    ) -> Self:
        """Of items in memory.

        Raises:
            DataError: there is none, an id stands twice, widths differ, or a video has no caption.
        """
        store = MemoryStore(items, what)
        widths = stream_widths(iter(items))
        return cls.of(store, [item.facts for item in items], widths, what, facts)

    @classmethod
    def of_shards(cls, folder: Path) -> Self:
        """Of a folder of shards.

        Raises:
            DataError: it is damaged, or a video has no caption.
        """
        store = ShardStore.opened(folder)
        facts_of = [store.item(row).facts for row in range(len(store))]
        widths = store.widths.get("2d"), store.widths.get("3d")
        return cls.of(store, facts_of, widths, str(folder), store.facts)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def keys(self) -> list[str]:
        """Ids of these videos."""
        return [self.store.keys[row] for row in self.rows]

    def own_captions(self) -> list[tuple[str, ...]]:
        """Of these videos."""
        return [self.captions[row] for row in self.rows]

    def own_videos(self) -> list[str]:
        """The videos that these are cut out of."""
        return [self.videos[row] for row in self.rows]

    def only(self, wanted: Callable[[str], bool]) -> Self:
        """Those cut out of certain videos."""
        rows = [row for row in self.rows if wanted(self.videos[row])]
        return replace(self, rows=np.array(rows, dtype=np.int64))

    def divided(self, count: int, seed: int) -> tuple[Self, Self | None]:
        """Those to learn from, and those held out.

        Whole videos are held out, so that no clip of one is learnt from; they are drawn until there are
        ``count`` clips, or a fifth of all.

        Args:
            count: clips to hold out; 0 for none.
            seed: of the draw.
        """
        count = min(count, len(self) // 5)
        if not count:
            return self, None
        own = self.own_videos()
        names = list(dict.fromkeys(own))
        sizes = dict.fromkeys(names, 0)
        for name in own:
            sizes[name] += 1
        held: set[str] = set()
        total = 0
        for place in np.random.default_rng(seed).permutation(len(names)):
            if total >= count or len(held) == len(names) - 1:
                break
            held.add(names[place])
            total += sizes[names[place]]
        return self.only(lambda name: name not in held), self.only(held.__contains__)


def common_widths(*parts: CaptionedPart) -> Widths:
    """Widths of several parts together.

    Raises:
        DataError: two parts have rows of different widths.
    """
    found: list[int | None] = []
    for place, name in enumerate(("2D", "3D")):
        widths = sorted({each.widths[place] for each in parts} - {None}, key=str)
        if len(widths) > 1:
            told = " and ".join(map(str, widths))
            raise DataError(
                f"the {name} features of test and training are {told} wide.",
                "Take the features of all videos from one network.",
            )
        found.append(widths[0] if widths else None)
    return found[0], found[1]


def refuse_shared(test: CaptionedPart, train: CaptionedPart, what: str) -> None:
    """Raises DataError where a video of the test clips is among those to learn from."""
    if shared := shared_videos(test, train):
        raise DataError(
            f"{what}: {len(shared)} videos are in the test and in the training list, such as {shared[0]!r}.",
            "Leave them out of training.",
        )


def shared_videos(test: CaptionedPart, train: CaptionedPart) -> list[str]:
    """Videos of both parts, in the order of the test clips."""
    known: Collection[str] = set(train.own_videos())
    return [name for name in dict.fromkeys(test.own_videos()) if name in known]
