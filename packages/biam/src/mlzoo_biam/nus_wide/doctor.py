"""Doctor of NUS-WIDE: which files of it are there, what is wrong with them, what may be compared.

Every kind of file is examined on its own, so that a part of them is enough: the word lists and vectors,
the lists of images, the tables and text files of labels, the h5 files, and the packed folders.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from mlzoo import Finding
from mlzoo.data.examination import all_together, guarded
from mlzoo.errors import DataError
from mlzoo_biam.dataset_config import NusWideOptions
from mlzoo_biam.nus_wide.archive import PARTS, Archive, name_list
from mlzoo_biam.nus_wide.benchmark import (
    IMAGES,
    POSITIVES,
    PUBLISHED_VECTORS,
    WORD_LISTS,
    vectors_digest,
    words_digest,
)
from mlzoo_biam.nus_wide.doctor_labels import check_h5, check_tables, check_texts
from mlzoo_biam.nus_wide.files import (
    CONCEPTS,
    TAGS,
    VECTORS,
    Vocabulary,
    check_order,
    read_image_names,
    read_raw_vectors,
    read_words,
)
from mlzoo_biam.nus_wide.loading import load, read_part

FAR = 0.02
"""Of mean tags of an image from what the published log implies."""


def examine(root: Path, options: NusWideOptions) -> Sequence[Finding]:
    """All findings about the copy of NUS-WIDE in ``root``, packed or raw, whole or in parts."""
    archive = Archive([root])
    findings: list[Finding] = []
    words = _words(archive, findings)
    lists = _lists(archive, findings)
    if words is not None:
        findings += guarded(VECTORS, check_vectors(archive, words))
        for part in PARTS:
            findings += guarded("labels", check_tables(archive, part, words, lists.get(part)))
            findings += guarded("labels", check_texts(archive, part, words))
            findings += guarded("h5", check_h5(archive, part, words, lists.get(part)))
    return [*findings, *_packed(root, options, words, has_raw=bool(findings))]


def _words(archive: Archive, findings: list[Finding]) -> Vocabulary | None:
    paths = [archive.find(name) for name in (TAGS, CONCEPTS)]
    missing = [n for n, path in zip((TAGS, CONCEPTS), paths, strict=True) if path is None]
    if missing:
        fix = "Both come with the official archive of NUS-WIDE."
        findings += [Finding("error", name, "is missing", fix) for name in missing]
        return None
    try:
        words = Vocabulary(*(read_words(path) for path in paths if path is not None))
    except DataError as error:
        findings.append(Finding("error", "words", error.message, error.fix))
        return None
    seen, unseen, shared = words.seen_count, len(words.concepts), len(words.dropped_rows)
    text = f"{len(words.tags)} tags, {unseen} concepts; {shared} are both, so {seen} tags are seen"
    findings.append(Finding("ok", f"{TAGS}, {CONCEPTS}", text))
    if words_digest(words) == WORD_LISTS:
        findings.append(Finding("ok", "words", "are the published lists"))
    else:
        findings.append(Finding("warning", "words", "are not the published lists"))
    return words


def check_vectors(archive: Archive, words: Vocabulary) -> Iterator[Finding]:
    """Counts, order, lengths and duplicates of the word vectors."""
    path = archive.find(VECTORS, f"{VECTORS}.pkl")
    if path is None:
        fix = "It comes with BiAM's repository, in the folder wiki_contexts."
        yield Finding("error", VECTORS, "is missing", fix)
        return
    of_tags, of_concepts = read_raw_vectors(path, words)
    check_order(path, words, of_tags, of_concepts)
    shared = len(words.dropped_rows)
    order = f"{shared} words of both lists have one vector: the order is right" if shared else ""
    sizes = f"{len(of_tags)} + {len(of_concepts)} vectors of {of_tags.shape[1]} numbers"
    yield Finding("ok", path.name, f"{sizes}; {order or 'no word of both lists tells the order'}")
    lengths = np.linalg.norm(np.concatenate([of_tags, of_concepts]), axis=1)
    text = f"lengths {lengths.min():.2f} to {lengths.max():.2f}; they are set to 1 on loading"
    yield Finding("ok", path.name, text)
    if copies := len(of_tags) - len(np.unique(of_tags, axis=0)):
        yield Finding("note", path.name, f"{copies} tags have the vector of another tag")
    published = vectors_digest(of_tags, of_concepts) == PUBLISHED_VECTORS
    text = "are the published vectors" if published else "are not the published vectors"
    yield Finding("ok" if published else "warning", path.name, text)


def _lists(archive: Archive, findings: list[Finding]) -> dict[str, list[str]]:
    """Names of the images by part, of the lists that are there."""
    found: dict[str, list[str]] = {}
    for part in PARTS:
        path = name_list(archive, part)
        if path is None:
            text = "there is neither the official image list nor the published pickle of names"
            findings.append(Finding("note", f"images of {part}", text))
            continue
        try:
            found[part] = read_image_names(path)
        except DataError as error:
            findings.append(Finding("error", path.name, error.message, error.fix))
            continue
        count = len(found[part])
        same = "" if count == IMAGES[part] else f", published rows use {IMAGES[part]:,}"
        findings.append(
            Finding("ok" if not same else "warning", path.name, f"{count:,} images{same}")
        )
    return found


def _packed(
    root: Path, options: NusWideOptions, words: Vocabulary | None, *, has_raw: bool
) -> Iterator[Finding]:
    """The packed folders, and the verdict of the loader itself."""
    missing = [part for part in PARTS if not (root / part).is_dir()]
    for part in missing:
        text = "is not packed yet"
        fix = "mlzoo data prepare nus-wide --help says what it can be made of."
        yield Finding("note" if has_raw else "error", part, text, fix)
    for part in PARTS:
        if part not in missing and words is not None:
            yield from guarded(part, _check_part(root / part, words))
    if missing or words is None:
        yield Finding("note", "published rows", "cannot be told before both parts are packed")
        return
    yield from all_together(lambda: load(root, options))
    yield from _validation(options)


def _validation(options: NusWideOptions) -> Iterator[Finding]:
    if options.validation != "alphabetical":
        text = f"validation is {options.validation}; published rows chose their epoch otherwise"
        fix = "As published: --validation alphabetical"
        yield Finding("note", "published rows", text, fix)


def _check_part(folder: Path, words: Vocabulary) -> Iterator[Finding]:
    """Sizes, labels and, of a few images, values of one packed folder."""
    part = read_part(folder, words)
    features, name = part.features, folder.name
    rows, columns = features.grid
    text = (
        f"{len(part):,} images, {features.channels} × {rows}·{columns} and {features.scene_width}"
    )
    yield Finding("ok", name, text)
    sample = np.unique(np.linspace(0, len(part) - 1, 32).astype(np.int64))
    regions, scene = part.read(sample)
    if not (np.isfinite(regions).all() and np.isfinite(scene).all()):
        yield Finding("error", name, "features hold NaN", "Pack it again: mlzoo data prepare.")
    elif regions.min() < 0 or scene.min() < 0:
        text = "features are negative: conv5_4 and fc7 after their ReLU have none"
        yield Finding("warning", name, text, "Were they taken before the ReLU, or centred?")
    zeros = int((~regions.any(axis=(1, 2))).sum())
    if zeros:
        yield Finding("warning", name, f"{zeros} of {len(sample)} images looked at are all zeros")
    kinds = {"seen": slice(0, words.seen_count), "unseen": slice(words.seen_count, None)}
    for kind, tags in kinds.items():
        mean = float(part.labels.positives_of_images(tags).mean())
        expected = POSITIVES.get((name, kind))
        far = len(part) == IMAGES[name] and expected and abs(mean - expected) > FAR
        text = f"{mean:.3f} {kind} tags an image"
        if far:
            text += f", published numbers imply {expected}"
        yield Finding("warning" if far else "ok", f"{name}/labels.npz", text)
