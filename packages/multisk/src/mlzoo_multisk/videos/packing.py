"""From the features of whole videos to what is stored: the clips of the table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy.typing as npt

from mlzoo.backbones.extraction import Unreadable
from mlzoo_multisk.benchmark.part import CAPTIONS, VIDEO
from mlzoo_multisk.clips import Item
from mlzoo_multisk.videos.captions import SPLIT, Clip
from mlzoo_multisk.videos.sources import Source
from mlzoo_multisk.videos.work import Described, VideoWork
from mlzoo_multisk.views.audio import crop
from mlzoo_multisk.views.video import cut_by_time

Array = npt.NDArray[Any]


@dataclass
class Tally:
    """What came of a list of videos.

    Attributes:
        videos: of which at least one clip is stored.
        clips: that are stored.
        sounding: those with sound.
        captions: of those.
        unreadable: files with the reason.
    """

    videos: int = 0
    clips: int = 0
    sounding: int = 0
    captions: int = 0
    unreadable: list[Unreadable] = field(default_factory=list)

    def facts(self, listed: int) -> dict[str, Any]:
        """As JSON values, of so many videos of the table."""
        return {
            "videos": self.videos,
            "left out": listed - self.videos,
            "clips": self.clips,
            "with sound": self.sounding,
            "captions": self.captions,
            "unreadable": len(self.unreadable),
        }


def stored_clips(
    work: VideoWork, sources: Sequence[Source], tally: Tally
) -> Iterator[tuple[str, Item | str]]:
    """Every clip of the table by its key: as it is stored, or why it is not.

    Args:
        work: with the features of all videos.
        sources: the videos, in their order.
        tally: is filled as the clips come.

    Raises:
        RunError: features are lost.
    """
    for source in sources:
        described = work.read(source.id)
        file = source.video.name if source.video is not None else source.id
        if described.silent:
            heard = source.sound.name if source.sound is not None else file
            tally.unreadable.append(Unreadable(heard, f"no sound: {described.silent}"))
        if described.reason:
            tally.unreadable.append(Unreadable(file, described.reason))
        stored = 0
        for clip in source.clips:
            key = clip_key(source.id, clip)
            item = described.reason or _item(key, source, clip, described)
            if not isinstance(item, str):
                stored += 1
                tally.clips += 1
                tally.sounding += item.audio is not None
                tally.captions += len(clip.captions)
            elif not described.reason:
                tally.unreadable.append(Unreadable(key, item))
            yield key, item
        tally.videos += stored > 0


def clip_key(video: str, clip: Clip) -> str:
    """The video's id, and the seconds of a part: ``talk@12.5-20``."""
    if clip.start is None or clip.end is None:
        return video
    start, end = (f"{time:.3f}".rstrip("0").rstrip(".") for time in (clip.start, clip.end))
    return f"{video}@{start}-{end}"


def _item(key: str, source: Source, clip: Clip, described: Described) -> Item | str:
    facts: dict[str, Any] = {CAPTIONS: list(clip.captions), VIDEO: source.id}
    if clip.split is not None:
        facts[SPLIT] = clip.split
    arrays: dict[str, Array | None] = {
        name: described.arrays.get(name) for name in ("2d", "3d", "audio")
    }
    if clip.start is not None and clip.end is not None:
        facts |= {"start": clip.start, "end": clip.end}
        cut = cut_by_time(arrays["2d"], arrays["3d"], clip.start, clip.end)
        heard = arrays["audio"]
        sound = None if heard is None else crop(heard, clip.start, clip.end)
        arrays = {"2d": cut[0], "3d": cut[1], "audio": sound}
    for name in ("2d", "3d"):
        rows = arrays[name]
        if rows is not None and not len(rows):
            return (
                "it begins after the end of the video"
                if clip.start
                else f"no rows of {name.upper()}"
            )
    if arrays["audio"] is not None and not arrays["audio"].shape[1]:
        arrays["audio"] = None
    return Item(key, arrays["2d"], arrays["3d"], arrays["audio"], facts)
