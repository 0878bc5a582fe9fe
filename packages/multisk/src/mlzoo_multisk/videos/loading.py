"""One's own videos, from their shards.

videos/             shards, see :mod:`mlzoo_multisk.shards`
word_vectors.*      vectors of words, unless ``--word-vectors`` names a file
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mlzoo.errors import DataError
from mlzoo_multisk.benchmark.assembling import scored_clips, words_of
from mlzoo_multisk.benchmark.marker import read_marker
from mlzoo_multisk.benchmark.part import CaptionedPart
from mlzoo_multisk.captioned import CaptionedTraining, ClipForm
from mlzoo_multisk.clips import Clips
from mlzoo_multisk.dataset_config import VideosOptions
from mlzoo_multisk.retrieval import RetrievalData
from mlzoo_multisk.videos.captions import PARTS, SPLIT
from mlzoo_multisk.views.word_vectors import look_up

SHARDS, VECTORS, WORK, UNREADABLE = "videos", "word_vectors.npz", "videos.work", "unreadable.csv"
OWN = "these are your own videos; no published number is of them"


def load(root: Path, options: VideosOptions) -> RetrievalData:
    """One's own data; nothing of the features is read but their sizes.

    Of a clip with several captions, the first is scored, and any is learnt from.

    Args:
        root: made by ``mlzoo data prepare videos`` or ``mlzoo data demo videos``.
        options: which videos are held out, and how clips are brought to tokens.

    Raises:
        DataError: a file is missing, damaged or does not fit the others, or there are no clips to score.
        UsageError: tokens that cannot be cut as the strategy asks.
    """
    whole = read_part(root)
    parts = divided(whole, root, options)
    table = words_of(root, [whole], options)
    form = ClipForm(
        table=table,
        words=options.words,
        tokens=options.tokens,
        strategy=options.strategy,
        width_2d=whole.widths[0],
        width_3d=whole.widths[1],
    )
    planted = read_marker(root, parts["test"].keys)
    train = parts.pop("train", None)
    scored: dict[str, Clips] = {name: scored_clips(part, form) for name, part in parts.items()}
    learnt = None
    if train is not None:
        learnt = CaptionedTraining(train.store, train.rows, train.own_captions(), form)
    return RetrievalData(
        shape=form.shape,
        words=table,
        look_up=look_up(root, options.word_vectors),
        parts=scored,
        complete={name: len(clips) for name, clips in scored.items()},
        train=learnt,
        audio_tokens=form.audio_tokens,
        audio_pooling=form.audio_pooling,
        protocol=options.strategy,
        facts=_facts(whole, parts),
        ceilings=planted.ceilings if planted is not None else {},
        incomparable=OWN,
    )


def read_part(root: Path) -> CaptionedPart:
    """All stored clips.

    Raises:
        DataError: they are missing or damaged.
    """
    folder = root / SHARDS
    if not folder.is_dir():
        raise DataError(f"{folder} does not exist.", "Make it: mlzoo data prepare videos.")
    return CaptionedPart.of_shards(folder)


def divided(whole: CaptionedPart, root: Path, options: VideosOptions) -> dict[str, CaptionedPart]:
    """Clips by ``train``, ``val`` and ``test``; a video's clips are in one of them.

    Where the table of captions named splits, they are taken; else some videos are drawn for test. Unless
    the table has videos of val, some are drawn out of those to learn from, a fifth at most.

    Raises:
        DataError: only some clips have a split, or no clip is in test.
    """
    split_of: dict[str, Any] = {}
    for row in whole.rows:
        split_of[whole.videos[row]] = whole.store.item(int(row)).facts.get(SPLIT)
    kinds = set(split_of.values())
    if kinds == {None}:
        test = _drawn(list(split_of), options)
        split_of = {name: "test" if name in test else "train" for name in split_of}
    elif not kinds <= set(PARTS):
        raise DataError(f"{root / SHARDS}: splits are {sorted(map(str, kinds))}, expected {PARTS}.")
    found = {
        name: whole.only(lambda video, name=name: split_of[video] == name)  # type: ignore[misc]
        for name in PARTS
    }
    found = {name: part for name, part in found.items() if len(part)}
    if "test" not in found:
        raise DataError(f"{root / SHARDS}: no clip that could be read is in test.")
    if "train" in found and "val" not in found:
        train, held_out = found["train"].divided(options.validation, options.validation_seed)
        found["train"] = train
        if held_out is not None:
            found["val"] = held_out
    return found


def _drawn(videos: list[str], options: VideosOptions) -> set[str]:
    """Videos of test; the draw is that of validation, one step further."""
    count = max(1, round(options.test_share * len(videos)))
    entropy = np.random.SeedSequence(options.validation_seed, spawn_key=(1,))
    order = np.random.default_rng(entropy).permutation(len(videos))
    return {videos[place] for place in order[:count]}


def _facts(whole: CaptionedPart, parts: Mapping[str, CaptionedPart]) -> dict[str, Any]:
    not_scored = sum(len(own) - 1 for part in parts.values() for own in part.own_captions())
    facts: dict[str, Any] = {"videos": len(set(whole.videos)), "clips in all": len(whole)}
    if not_scored:
        facts["captions that are not scored"] = not_scored
    return facts
