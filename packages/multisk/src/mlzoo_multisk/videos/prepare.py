"""``mlzoo data prepare videos``: a folder of videos and a table of captions become a dataset."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mlzoo.backbones.extraction import write_unreadable
from mlzoo.data.checks import ArraySpec, existing
from mlzoo.data.manifest import sha256_of
from mlzoo.data.readers import read_npz
from mlzoo.errors import DataError, UsageError
from mlzoo.progress import Progress
from mlzoo_multisk.clips import MEL_BANDS
from mlzoo_multisk.shards.writer import ShardWriter
from mlzoo_multisk.videos.captions import SPLIT, Clip, read_captions
from mlzoo_multisk.videos.describing import KINDS, Describer, Kind, describe_sound
from mlzoo_multisk.videos.loading import SHARDS, UNREADABLE, VECTORS, WORK
from mlzoo_multisk.videos.packing import Tally, stored_clips
from mlzoo_multisk.videos.pictures import library
from mlzoo_multisk.videos.prepare_config import PrepareVideosOptions
from mlzoo_multisk.videos.sources import SPECTROGRAM, Source, find_sources
from mlzoo_multisk.videos.work import Described, VideoWork
from mlzoo_multisk.views.word_vectors import read_word_vectors, words_in, write_word_vectors

_ARRAYS = {
    "2d": ("features", ArraySpec(ndim=2, kinds="f")),
    "3d": ("features", ArraySpec(ndim=2, kinds="f")),
    SPECTROGRAM: ("arr_0", ArraySpec(shape=(MEL_BANDS, None), kinds="f")),
}
"""Key and form of extracted features."""


def prepare(root: Path, options: PrepareVideosOptions, progress: Progress) -> Mapping[str, object]:
    """Make the shards ``videos/`` and, of ``--vectors``, ``word_vectors.npz``.

    The table and all names are checked before the first video is read. Videos that cannot be read are
    left out and listed in ``unreadable.csv``, as is sound that cannot be read, whose video stays without.
    Work that was stopped is gone on with by the same call, video by video.

    Args:
        root: the dataset's folder.
        options: what to make it of.
        progress: told how many videos are done.

    Returns:
        Facts of what was made.

    Raises:
        UsageError: an option is missing, or the dataset is there already.
        DataError: a file that is missing, damaged or does not fit the others, or no video can be read.
        RunError: a file cannot be written, or another process is at it.
        MlzooError: PyAV or soundfile is needed and not installed.
    """
    if options.captions is None:
        raise UsageError("--captions is missing.", "Add --captions FILE.csv.")
    if (root / SHARDS).exists():
        raise UsageError(f"{root / SHARDS} exists.", "Move it away, or choose another --data-dir.")
    clips = read_captions(options.captions)
    _require_test(clips, options.captions)
    sources = find_sources(clips, options)
    if any(source.decodes for source in sources):
        library()
    if any(source.listens and source.sound is not None for source in sources):
        library("soundfile")
    computed = {kind for source in sources for kind in source.computed}
    weights = _weights(options, computed)
    describer = Describer(
        weights,
        device=options.device,
        batch_size=options.batch_size,
        unit_rows=options.unit_rows,
    )
    digests = {kind: sha256_of(path) for kind, path in weights.items()}
    words = _keep_words(root, clips, options.vectors)
    with VideoWork.opened(root / WORK) as work:
        _describe_all(work, sources, describer, digests, options, progress)
        facts = _store(root, work, sources, digests, options)
        work.remove()
    return {**facts, **words}


def _require_test(clips: Sequence[Clip], path: Path) -> None:
    if clips[0].split is not None and not any(clip.split == "test" for clip in clips):
        raise DataError(f"{path}, column {SPLIT!r}: no video is in test, expected some to score.")
    if clips[0].split is None and len({clip.video for clip in clips}) < 2:
        raise DataError(f"{path} names one video; expected some to learn from and some to score.")


def _weights(options: PrepareVideosOptions, needed: set[str]) -> dict[Kind, Path]:
    given: dict[Kind, Path | None] = {"2d": options.weights_2d, "3d": options.weights_3d}
    return {kind: existing(path) for kind, path in given.items() if path and kind in needed}


def _keep_words(root: Path, clips: Sequence[Clip], path: Path | None) -> dict[str, Any]:
    """Write the vectors of the captions' words; nothing if no file is given."""
    if path is None:
        return {}
    used = words_in([caption for clip in clips for caption in clip.captions])
    table = read_word_vectors(existing(path), used)
    write_word_vectors(root / VECTORS, table)
    return {"words": len(table), "unknown words": len(used) - len(table)}


def _describe_all(
    work: VideoWork,
    sources: Sequence[Source],
    describer: Describer,
    digests: Mapping[Kind, str],
    options: PrepareVideosOptions,
    progress: Progress,
) -> None:
    """Every video that is not done yet is described and kept."""
    identities = [_identity(source, digests, options) for source in sources]
    left = [
        (source, identity)
        for source, identity in zip(sources, identities, strict=True)
        if not work.has(source.id, identity)
    ]
    before = len(sources) - len(left)
    if before:
        progress.message(f"{before} of {len(sources)} videos were done before.")
    progress.begin("videos", len(sources), before)
    try:
        for number, (source, identity) in enumerate(left, start=before + 1):
            work.keep(source.id, identity, _described(source, describer, options))
            progress.counted(number, len(sources))
    except KeyboardInterrupt:
        progress.message("stopped; the same command goes on from here.")
        raise
    finally:
        progress.end()


def _identity(
    source: Source, digests: Mapping[Kind, str], options: PrepareVideosOptions
) -> dict[str, Any]:
    """What the features of a video depend on."""
    files = {**source.files, "sound": source.sound}
    if source.decodes:
        files["video"] = source.video
    return {
        "id": source.id,
        "files": {name: _stamp(path) for name, path in files.items() if path is not None},
        "weights": {kind: digest for kind, digest in digests.items() if kind in source.computed},
        "unit_rows": options.unit_rows,
        "audio_padding": options.audio_padding,
    }


def _stamp(path: Path) -> list[object]:
    """By what another version of a file is told, without reading it."""
    status = path.stat()
    return [path.name, status.st_size, status.st_mtime_ns]


def _described(source: Source, describer: Describer, options: PrepareVideosOptions) -> Described:
    """One video, or why there is nothing of it.

    Raises:
        DataError: extracted features that are damaged or mis-shaped.
    """
    arrays: dict[str, npt.NDArray[Any]] = {}
    for kind, path in source.files.items():
        name, spec = _ARRAYS[kind]
        found = read_npz(path, {name: spec})[name]
        array = found if found.dtype.itemsize <= 4 else found.astype(np.float32)
        arrays["audio" if kind == SPECTROGRAM else kind] = array
    try:
        if source.computed and source.video is not None:
            rows = describer.video(source.video, [k for k in KINDS if k in source.computed])
            arrays.update({str(kind): array for kind, array in rows.items()})
    except ValueError as error:
        return Described({}, reason=str(error))
    silent = ""
    if source.listens:
        try:
            heard = describe_sound(source.video, source.sound, options.audio_padding)
        except ValueError as error:
            heard, silent = None, str(error)
        if heard is not None:
            arrays["audio"] = heard
    return Described(arrays, silent=silent)


def _store(
    root: Path,
    work: VideoWork,
    sources: Sequence[Source],
    digests: Mapping[Kind, str],
    options: PrepareVideosOptions,
) -> dict[str, Any]:
    """Write the shards, and list what could not be read."""
    identities = {source.id: _identity(source, digests, options) for source in sources}
    tally = Tally()
    with ShardWriter.opened(root / SHARDS, {"list": _digest(sources, identities)}) as writer:
        for number, (key, item) in enumerate(stored_clips(work, sources, tally)):
            if number < writer.done:  # written before a stop
                continue
            if isinstance(item, str):
                writer.leave_out(key, item)
            else:
                writer.add(item)
        if not tally.clips:
            first = tally.unreadable[0]
            raise DataError(
                f"none of the {len(sources)} videos can be read; {first.file}: {first.reason}."
            )
        (root / UNREADABLE).unlink(missing_ok=True)
        if tally.unreadable:
            write_unreadable(root / UNREADABLE, tally.unreadable)
        writer.finish(
            {
                "weights": dict(digests),
                "unit_rows": options.unit_rows,
                "audio_padding": options.audio_padding,
            }
        )
    return tally.facts(len(sources))


def _digest(sources: Sequence[Source], identities: Mapping[str, Any]) -> str:
    """SHA-256 of what the shards are made of."""
    listed = [[asdict(clip) for clip in source.clips] for source in sources]
    text = json.dumps([listed, list(identities.values())], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
