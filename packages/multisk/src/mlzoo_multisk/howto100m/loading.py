"""HowTo100M as data of the task: videos to learn from, and some that are held out to be scored."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from mlzoo.data.checks import readable
from mlzoo.errors import DataError
from mlzoo_multisk.clips import Index
from mlzoo_multisk.dataset_config import HowTo100MOptions
from mlzoo_multisk.howto100m.clips import ClipForm, HeldOutClips, HowTo100MTraining
from mlzoo_multisk.howto100m.files import SHARDS
from mlzoo_multisk.howto100m.folder import FolderStore, ShardedVideos, VideoStore
from mlzoo_multisk.howto100m.prepare import WORDS, WORDS_DIGEST
from mlzoo_multisk.retrieval import RetrievalData
from mlzoo_multisk.shards.store import ShardStore
from mlzoo_multisk.views.text import tokenise
from mlzoo_multisk.views.word_vectors import look_up

LARGEST_SHARE = 5
"""At most one of so many videos is held out."""
PRETRAINING = "these are clips of held-out videos; no published number is of them"


def load(root: Path, options: HowTo100MOptions) -> RetrievalData:
    """The data; of the videos nothing is read but those that are held out.

    Args:
        root: the dataset's folder: the published files, or shards made of them, which go before.
        options: how clips are made, and what is held out.

    Raises:
        DataError: a file is missing or damaged.
    """
    store = open_videos(root)
    vectors_of = look_up(root, options.word_vectors)
    table = vectors_of(vocabulary(store))
    test = hold_out(store, options.held_out, options.held_out_seed)
    train = np.setdiff1d(np.arange(len(store)), test)
    form = ClipForm.of(store, table, options)
    clips = HeldOutClips(store, test, form, options.held_out_seed)

    return RetrievalData(
        shape=form.shape,
        words=table,
        parts={"test": clips},
        complete={"test": len(clips)},
        train=HowTo100MTraining(store, train, form, options),
        look_up=vectors_of,
        audio_tokens=form.tokens,
        protocol="clips of held-out videos",
        facts={"source": "files" if store.sizes is None else f"{len(store.sizes)} shards"},
        incomparable=PRETRAINING,
    )


def open_videos(root: Path) -> VideoStore:
    """The shards, if they were made; else the published files.

    Raises:
        DataError: neither can be read.
    """
    if (root / SHARDS).is_dir():
        return ShardedVideos(ShardStore.opened(root / SHARDS))
    return FolderStore.opened(root)


def vocabulary(store: VideoStore) -> set[str]:
    """The different words of all captions: from the list beside the shards if their maker wrote one.

    Raises:
        DataError: that list is not the one that was written, or a caption is damaged.
    """
    if isinstance(store, ShardedVideos) and WORDS_DIGEST in store.store.facts:
        path = store.store.folder / WORDS
        with readable(path, "the list of words that was written"):
            data = path.read_bytes()
            if hashlib.sha256(data).hexdigest() != store.store.facts[WORDS_DIGEST]:
                raise ValueError("it was changed")
            return set(data.decode().split("\n")) - {""}
    words: set[str] = set()
    for text in store.all_texts():
        words.update(tokenise(text))
    return words


def hold_out(store: VideoStore, count: int, seed: int) -> Index:
    """Rows of the videos that are scored, in their order.

    Videos are drawn by a hash of seed and id, so that files and shards of the same videos hold out the
    same ones. Only those with captions, features and audio count, and at most a fifth of all.

    Raises:
        DataError: there is no such video.
    """
    most = min(count, len(store) // LARGEST_SHARE)
    drawn = sorted(range(len(store)), key=lambda row: _hash(seed, store.keys[row]))
    wanted = {*store.widths, "audio"}
    found: list[int] = []
    for row in drawn:
        if len(found) == most:
            break
        if wanted <= store.parts(row) and any(store.captions(row)["text"]):
            found.append(row)
    if not found:
        raise DataError(
            f"of {len(store)} videos none can be held out to be scored.",
            f"At least {LARGEST_SHARE} videos are needed, some of them with captions, features and audio.",
        )
    return np.array(sorted(found), np.int64)


def _hash(seed: int, key: str) -> bytes:
    return hashlib.sha256(f"{seed} {key}".encode()).digest()
