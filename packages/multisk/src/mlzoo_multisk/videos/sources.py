"""Which file gives what of each video."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from mlzoo.errors import DataError, UsageError, did_you_mean
from mlzoo_multisk.videos import pictures, sound
from mlzoo_multisk.videos.captions import VIDEO, Clip
from mlzoo_multisk.videos.prepare_config import PrepareVideosOptions

KINDS = ("2d", "3d")
SPECTROGRAM = "spec"


@dataclass(frozen=True)
class Source:
    """Where the features of one video come from.

    Attributes:
        id: the video's path below its folder without the ending.
        clips: of the table, in its order.
        video: the file; None where everything was extracted before.
        computed: kinds of features that networks give.
        files: extracted features by kind (``2d``, ``3d``, ``spec``).
        sound: a sound file in place of the video's own sound.
    """

    id: str
    clips: tuple[Clip, ...]
    video: Path | None
    computed: tuple[str, ...]
    files: Mapping[str, Path] = field(default_factory=dict)
    sound: Path | None = None

    @property
    def listens(self) -> bool:
        """Whether a spectrogram is to be computed."""
        return SPECTROGRAM not in self.files and (self.sound is not None or self.video is not None)

    @property
    def decodes(self) -> bool:
        """Whether the video itself is read."""
        return bool(self.computed) or (self.listens and self.sound is None)


def find_sources(clips: Sequence[Clip], options: PrepareVideosOptions) -> list[Source]:
    """The videos of a table, in the order in which they first occur.

    Extracted features go before networks, and a spectrogram or sound file before the video's own sound.

    Raises:
        UsageError: a folder is no folder, or there would be neither 2D nor 3D features.
        DataError: a video that is in no folder, may be several files, has one id with another, or lacks
            features that others have; the line of the table is named.
    """
    for name in ("videos", "features", "audio"):
        folder: Path | None = getattr(options, name)
        if folder is not None and not folder.is_dir():
            raise UsageError(f"{folder} is no folder.", f"Name a folder with --{name}.")
    weights = {"2d": options.weights_2d, "3d": options.weights_3d}
    named = _Folder(options.videos)
    owned: dict[str, str] = {}
    gathered: dict[str, list[Clip]] = {}
    files: dict[str, Path | None] = {}
    for clip in clips:
        at = f"{options.captions}, line {clip.line}, column {VIDEO!r}"
        key, file = named.find(clip.video, at)
        if files.setdefault(key, file) != file:
            raise DataError(
                f"{at}: {clip.video} and {owned[key]} have one id, {key!r}.", "Rename one."
            )
        owned.setdefault(key, clip.video)
        gathered.setdefault(key, []).append(clip)
    found = [
        _source(key, tuple(own), files[key], weights, options) for key, own in gathered.items()
    ]
    _check(found, options)
    return found


def _source(
    key: str,
    clips: tuple[Clip, ...],
    video: Path | None,
    weights: Mapping[str, Path | None],
    options: PrepareVideosOptions,
) -> Source:
    files: dict[str, Path] = {}
    if options.features is not None:
        for kind in (*KINDS, SPECTROGRAM):
            path = options.features / f"{key}_{kind}.npz"
            if path.is_file():
                files[kind] = path
    computed = tuple(
        kind
        for kind in KINDS
        if kind not in files and weights[kind] is not None and video is not None
    )
    heard = None
    if options.audio is not None:
        tried = (options.audio / f"{key}{ending}" for ending in sound.ENDINGS)
        heard = next((path for path in tried if path.is_file()), None)
    return Source(key, clips, video, computed, files, heard)


def _check(sources: Sequence[Source], options: PrepareVideosOptions) -> None:
    """What one video has, all have; but for sound, which may be missing."""
    weights = {"2d": options.weights_2d, "3d": options.weights_3d}
    asked = [
        kind for kind in KINDS if weights[kind] or any(_has(source, kind) for source in sources)
    ]
    if not asked and options.features is None:
        raise UsageError(
            "there would be neither 2D nor 3D features.",
            "Add --videos DIR with --weights-2d FILE and --weights-3d FILE, or --features DIR.",
        )
    for source in sources:
        for kind in asked or KINDS:
            if not _has(source, kind):
                raise _lacking(source, kind, options)


def _lacking(source: Source, kind: str, options: PrepareVideosOptions) -> DataError:
    clip = source.clips[0]
    ways = [f"{source.id}_{kind}.npz in {options.features}"] if options.features else []
    if source.video is not None:
        ways.append(f"--weights-{kind}")
    else:
        ways.append(f"such a file in {options.videos}" if options.videos else "--videos")
    known = list(_Folder(options.videos).files)
    return DataError(
        f"{options.captions}, line {clip.line}, column {VIDEO!r}: no {kind.upper()} features of "
        f"{clip.video!r}: there is no {' and no '.join(ways)}.",
        did_you_mean(clip.video, known) if source.video is None and 0 < len(known) < 2000 else "",
    )


def _has(source: Source, kind: str) -> bool:
    return kind in source.files or kind in source.computed


class _Folder:
    """The videos of a folder by their paths, with and without ending."""

    def __init__(self, root: Path | None) -> None:
        self.root = root
        self.files: dict[str, Path] = {}
        self._without: dict[str, list[str]] = {}
        for name, path in sorted(_videos(root)) if root is not None else ():
            self.files[name] = path
            self._without.setdefault(without_ending(name), []).append(name)

    def find(self, name: str, at: str) -> tuple[str, Path | None]:
        """Id and file of what a table calls ``name``; no file where there is none."""
        if name in self.files:
            return without_ending(name), self.files[name]
        several = self._without.get(name, [])
        if several[1:]:
            raise DataError(f"{at}: {name!r} may be {' or '.join(several)}.", "Write the ending.")
        if several:
            return name, self.files[several[0]]
        return without_ending(name), None


def _videos(root: Path) -> Iterator[tuple[str, Path]]:
    for path in root.rglob("*"):
        if path.suffix.lower() in pictures.ENDINGS and path.is_file():
            yield path.relative_to(root).as_posix(), path


def without_ending(name: str) -> str:
    """A video's id: its path without the ending of a video file, if it has one."""
    pure = PurePosixPath(name)
    return pure.with_suffix("").as_posix() if pure.suffix.lower() in pictures.ENDINGS else name
