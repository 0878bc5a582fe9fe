"""Doctor of the variant with two images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from mlzoo.contracts import Finding
from mlzoo.data.examination import all_together, guarded
from mlzoo_imagecode.dataset_config import SimpleOptions
from mlzoo_imagecode.imagecode.doctor import check_leaks
from mlzoo_imagecode.imagecode.doctor_images import check_folders, check_pictures
from mlzoo_imagecode.imagecode.files import (
    IMAGE_SETS,
    PUBLISHED,
    PUBLISHED_COUNTS,
    TRAIN_SIMPLE,
    VALID_SIMPLE,
)
from mlzoo_imagecode.imagecode.simple import Pairs, images_of, load, read_pairs


def examine(root: Path, options: SimpleOptions) -> Sequence[Finding]:
    """All findings about the copy in ``root``; of the images a sample is decoded."""
    findings = list(check_leaks(root))
    if not (root / TRAIN_SIMPLE).is_file():
        text = "is not there: there is nothing to learn from; weights can be scored"
        findings.append(Finding("note", TRAIN_SIMPLE, text))
    if not (root / VALID_SIMPLE).is_file():
        fix = "It is in the folder data of github.com/McGill-NLP/imagecode."
        return [*findings, Finding("error", VALID_SIMPLE, "is missing", fix)]
    findings += guarded("pairs", _check_pairs(root, options))
    if all(finding.level != "error" for finding in findings):
        findings += all_together(lambda: load(root, options))
    return findings


def _check_pairs(root: Path, options: SimpleOptions) -> Iterator[Finding]:
    names = [name for name in (TRAIN_SIMPLE, VALID_SIMPLE) if (root / name).is_file()]
    files = {name: read_pairs(root / name) for name in names}
    for name, pairs in files.items():
        yield _counts(name, pairs)
    folder = images_of(root, options)
    if folder.resolve() != (root / IMAGE_SETS).resolve():
        yield Finding("note", IMAGE_SETS, f"images are those of {folder}")
    sets = {name: pairs.sets for name, pairs in files.items()}
    for finding in guarded(IMAGE_SETS, _images(folder, sets)):
        unlisted = finding.level == "note" and folder.resolve() != (root / IMAGE_SETS).resolve()
        if not unlisted:
            yield finding


def _images(folder: Path, sets: dict[str, tuple[str, ...]]) -> Iterator[Finding]:
    whole = yield from check_folders(folder, sets)
    yield from check_pictures(folder, whole)


def _counts(name: str, pairs: Pairs) -> Finding:
    gaps = Counter(abs(row.positive - row.negative) for row in pairs.rows)
    text = (
        f"{len(pairs.sets):,} sets, {len(pairs):,} pairs, {min(gaps)} to {max(gaps)} places apart"
    )
    if PUBLISHED.get(name) == pairs.sha256:
        return Finding("ok", name, f"{text}: the published file")
    if name in PUBLISHED_COUNTS:
        sets, count = PUBLISHED_COUNTS[name]
        return Finding("note", name, f"{text}; published are {sets:,} and {count:,}")
    return Finding("ok", name, text)
