"""``mlzoo data prepare tagged-images``: a folder of images and a table of their tags become a dataset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mlzoo.backbones.extraction import write_unreadable
from mlzoo.data.checks import existing
from mlzoo.data.manifest import sha256_of
from mlzoo.data.word_vectors import read_vectors
from mlzoo.errors import DataError, UsageError, did_you_mean
from mlzoo.progress import Progress
from mlzoo_biam.labels import Labels
from mlzoo_biam.multilabel import Index
from mlzoo_biam.packed.packing import require_absent
from mlzoo_biam.packed.packing_parts import ROW_BYTES, changed, made_of, pack_images, unreadable_of
from mlzoo_biam.packed.preparing import going_on, require_space
from mlzoo_biam.packed.shards import CLASSES
from mlzoo_biam.tagged_images.loading import RECORD, Tags, write_tags
from mlzoo_biam.tagged_images.prepare_config import PrepareTaggedImagesOptions
from mlzoo_biam.tagged_images.tables import IMAGE, PARTS, TagTable, read_tag_table, read_tags
from mlzoo_biam.word_vectors import PhraseVectors, needed_words, phrase_vectors

UNREADABLE = "unreadable.csv"


def prepare(
    root: Path, options: PrepareTaggedImagesOptions, progress: Progress
) -> Mapping[str, object]:
    """Make the packed folders ``train`` and ``test``, ``word_vectors.npz`` and ``tags.json``.

    Everything is read and checked before the first image is. Images that cannot be read are left out and
    listed in ``unreadable.csv``. Work that was stopped is gone on with by the same call.

    Args:
        root: the dataset's folder.
        options: what to make it of.
        progress: told how many images are done.

    Returns:
        Facts of what was made.

    Raises:
        UsageError: an option is missing, or the dataset is there already.
        DataError: a file that is missing, damaged or does not fit the others.
        RunError: a file cannot be written, or unfinished work is of something else.
    """
    images, labels, unseen, source, _ = _given(options)
    require_absent(root / RECORD)
    table = read_tag_table(labels, read_tags(options.tags) if options.tags is not None else None)
    _require_images(images, table.images, labels)
    tags, order = _divided(table, read_tags(unseen), unseen)
    if table.zero_is_unknown:
        progress.message("0 is read as not annotated, because -1 stands in the table, too.")
    vectors = _vectors(tags, source, progress)
    rows = _split(table, options, labels)
    dense = table.labels[:, order]
    sparse = Labels.from_dense(dense)
    _check_labels(dense, tags, rows, labels, progress)
    facts: dict[str, Any] = {
        "tags": {"seen": len(tags.seen), "unseen": len(tags.unseen)},
        **_without_labels(images, table),
    }
    require_space(root, ROW_BYTES * sum(len(rows[p]) for p in PARTS if not (root / p).exists()))
    with going_on(progress):
        for part in PARTS:
            files = [table.images[row] for row in rows[part]]
            _pack(root / part, files, sparse.subset(rows[part]), tags, options, progress)
    facts |= _listed(root, {part: [table.images[row] for row in rows[part]] for part in PARTS})
    write_tags(root, tags, vectors.vectors)
    return facts


def _given(options: PrepareTaggedImagesOptions) -> tuple[Path, Path, Path, Path, Path]:
    """The paths that there must be; nothing is opened before all are there."""
    found = []
    for name in ("images", "labels", "unseen", "vectors", "weights"):
        path: Path | None = getattr(options, name)
        if path is None:
            what = "DIR" if name == "images" else "FILE"
            raise UsageError(f"--{name} is missing.", f"Add --{name} {what}.")
        if name != "images":
            existing(path)
        elif not path.is_dir():
            raise DataError(f"{path} is no folder.", "Name the folder of images with --images.")
        found.append(path)
    if options.tags is not None:
        existing(options.tags)
    images, labels, unseen, vectors, weights = found
    return images, labels, unseen, vectors, weights


def _require_images(folder: Path, names: Sequence[str], table: Path) -> None:
    absent = [name for name in names if not (folder / name).is_file()]
    if not absent:
        return
    others = f" and {len(absent) - 1} others" if absent[1:] else ""
    hint = f"The column {IMAGE!r} has paths below --images, with their ending."
    raise DataError(
        f"{table} names {absent[0]!r}{others}, which {'are' if others else 'is'} not in {folder}.",
        hint,
    )


def _divided(table: TagTable, unseen: Sequence[str], path: Path) -> tuple[Tags, Index]:
    """Seen and unseen tags, and which columns of the table they are."""
    unknown = [tag for tag in unseen if tag not in table.tags]
    if unknown:
        others = f" and {len(unknown) - 1} others" if unknown[1:] else ""
        raise DataError(
            f"{path}: the tag {unknown[0]!r}{others} is not among the {len(table.tags)} tags of the "
            "labels.",
            did_you_mean(unknown[0], table.tags) if len(table.tags) < 2000 else "",
        )
    seen = tuple(tag for tag in table.tags if tag not in set(unseen))
    if not seen:
        raise DataError(f"{path} names all {len(unseen)} tags; expected some to be left to learn.")
    tags = Tags(seen, tuple(unseen))
    place = {tag: column for column, tag in enumerate(table.tags)}
    return tags, np.array([place[tag] for tag in tags.all], dtype=np.int64)


def _vectors(tags: Tags, source: Path, progress: Progress) -> PhraseVectors:
    progress.message(f"reading {source.name}")
    known = read_vectors(source, needed_words(tags.all)).by_word()
    found = phrase_vectors(tags.all, known, source, complete=True)
    for tag, words in list(found.missing.items())[:10]:
        text = ", ".join(words)
        progress.message(f"the vector of {tag!r} is without {text}, which {source.name} lacks.")
    return found


def _split(table: TagTable, options: PrepareTaggedImagesOptions, path: Path) -> dict[str, Index]:
    """Rows of train and test, in the order of the table."""
    if table.split is not None:
        kinds = np.array(table.split)
        rows = {part: np.flatnonzero(kinds == part) for part in PARTS}
        for part, own in rows.items():
            if not len(own):
                raise DataError(f"{path}: no image is in {part}.")
        return rows
    count = len(table.images)
    test = min(max(1, round(options.test_share * count)), count - 1)
    if test < 1:
        raise DataError(f"{path} names one image; expected some to learn from and some to test on.")
    drawn = np.random.default_rng(options.split_seed).permutation(count)
    return {"train": np.sort(drawn[test:]), "test": np.sort(drawn[:test])}


def _check_labels(
    dense: np.ndarray[Any, np.dtype[np.int8]],
    tags: Tags,
    rows: Mapping[str, Index],
    path: Path,
    progress: Progress,
) -> None:
    """Refuse labels of which nothing can be learnt or measured."""
    seen = slice(0, len(tags.seen))
    train, test = dense[rows["train"], seen], dense[rows["test"]]
    if not (train > 0).any():
        raise DataError(f"{path}: no image of train has a seen tag.")
    if not (train < 0).any():
        raise DataError(
            f"{path}: no seen tag is ever absent.",
            "0 means not annotated where -1 stands in the table; absent tags must be -1 then.",
        )
    never = [tag for tag, own in zip(tags.all, test.T, strict=True) if not (own > 0).any()]
    if len(never) == len(tags.all):
        raise DataError(f"{path}: no image of test has a tag.")
    lacking = [tag for tag in tags.unseen if tag in set(never)]
    if lacking:
        names = ", ".join(map(repr, lacking[:5])) + (", ..." if lacking[5:] else "")
        progress.message(f"{len(lacking)} unseen tags are in no image of test: {names}")


def _without_labels(folder: Path, table: TagTable) -> dict[str, Any]:
    """How many image files the table does not name."""
    endings = {Path(name).suffix.lower() for name in table.images}
    named = set(table.images)
    others = sum(
        path.suffix.lower() in endings and path.relative_to(folder).as_posix() not in named
        for path in folder.rglob("*")
        if path.is_file()
    )
    return {"images without labels": others} if others else {}


def _pack(
    target: Path,
    files: Sequence[str],
    labels: Labels,
    tags: Tags,
    options: PrepareTaggedImagesOptions,
    progress: Progress,
) -> None:
    assert options.images is not None
    assert options.weights is not None
    if target.exists():
        if not made_of(target, files, options.images, sha256_of(options.weights)):
            raise changed(target)
        progress.message(f"{target} is there already.")
        return
    progress.message(f"images of {target.name}")
    pack_images(
        target,
        files,
        labels,
        options.images,
        options.weights,
        facts={"from": "images", "scene": "vgg19", CLASSES: tags.digest()},
        batch_size=options.batch_size,
        device=options.device,
        processes=options.processes,
        progress=progress,
    )


def _listed(root: Path, files: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Write which images are left out."""
    left_out = {part: unreadable_of(root / part, own) for part, own in files.items()}
    unreadable = [each for own in left_out.values() for each in own]
    (root / UNREADABLE).unlink(missing_ok=True)
    if unreadable:
        write_unreadable(root / UNREADABLE, unreadable)
    return {
        **{part: len(own) - len(left_out[part]) for part, own in files.items()},
        "unreadable": len(unreadable),
        **({"listed in": UNREADABLE} if unreadable else {}),
    }
