"""Doctor of ImageCoDe: which files are there, which protocols they allow, what is wrong with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal, get_args

from mlzoo.contracts import Finding
from mlzoo.data.examination import all_together, guarded
from mlzoo.errors import MlzooError
from mlzoo_imagecode.dataset_config import DescriptionOptions, Protocol
from mlzoo_imagecode.imagecode.annotations import read_annotations, read_annotators, unmatched
from mlzoo_imagecode.imagecode.descriptions import Descriptions, read_labelled, read_unlabelled
from mlzoo_imagecode.imagecode.doctor_images import check_folders, check_pictures
from mlzoo_imagecode.imagecode.files import (
    ANNOTATIONS,
    ANNOTATORS,
    IMAGE_SETS,
    LEAKING,
    PUBLISHED_COUNTS,
    TEST,
    TRAIN,
    VALID,
)
from mlzoo_imagecode.imagecode.image_sets import folder_of
from mlzoo_imagecode.imagecode.loading import load
from mlzoo_imagecode.imagecode.marker import DEMO, ceilings_of_demo

READERS: dict[str, Callable[[Path], Descriptions]] = {
    TRAIN: read_labelled,
    VALID: read_labelled,
    TEST: read_unlabelled,
}
NEEDED = {"leaderboard": (TRAIN, VALID, TEST), "valid": (TRAIN, VALID)}
"""By protocol."""


def examine(root: Path, options: DescriptionOptions) -> Sequence[Finding]:
    """All findings about the copy of ImageCoDe in ``root``; of the images a sample is decoded."""
    findings = list(check_leaks(root))
    files = _read(root, NEEDED[options.protocol], findings)
    labelled = [name for file in (TRAIN, VALID) if file in files for name in files[file].sets]
    demo = ceilings_of_demo(root, labelled) is not None
    if demo:
        findings.append(Finding("note", "descriptions", DEMO))
    for name, own in files.items():
        findings.append(check_counts(name, own, demo=demo))
    if VALID in files:
        findings += guarded(ANNOTATIONS, _check_annotations(root, files[VALID]))
        findings += guarded(ANNOTATORS, _check_annotators(root, files[VALID]))
    findings += guarded(IMAGE_SETS, _check_images(root, options, files))
    errors = any(finding.level == "error" for finding in findings)
    findings += _protocols(set(files), errors)
    if set(NEEDED[options.protocol]) <= files.keys() and not errors:
        findings += all_together(lambda: load(root, options))
    return findings


def check_leaks(root: Path) -> Iterator[Finding]:
    """Files with the hidden targets of the test set; they are named and never opened."""
    for name in LEAKING:
        if (root / name).exists():
            text = "tells the hidden targets of the test set; it is never read"
            yield Finding(
                "warning", name, text, "Delete it, so that nobody tunes on it by mistake."
            )


def check_counts(name: str, own: Descriptions, *, demo: bool = False) -> Finding:
    """Sets and descriptions of a file beside the published ones."""
    text = f"{len(own.sets):,} sets, {len(own):,} descriptions"
    if own.published:
        return Finding("ok", name, f"{text}: the published file")
    if demo:
        return Finding("ok", name, text)
    sets, descriptions = PUBLISHED_COUNTS[name]
    if (len(own.sets), len(own)) == (sets, descriptions):
        return Finding("warning", name, f"{text}, as published, but other content")
    return Finding("warning", name, f"{text}; published are {sets:,} and {descriptions:,}")


def _read(root: Path, needed: Sequence[str], findings: list[Finding]) -> dict[str, Descriptions]:
    """The files that can be read; what is wrong with the others."""
    found: dict[str, Descriptions] = {}
    for name, read in READERS.items():
        if not (root / name).is_file():
            fix = "It is in the folder data of github.com/McGill-NLP/imagecode."
            level: Literal["error", "note"] = "error" if name in needed else "note"
            findings.append(Finding(level, name, "is missing", fix))
            continue
        try:
            found[name] = read(root / name)
        except MlzooError as error:
            findings.append(Finding("error", name, error.message, error.fix))
    return found


def _check_annotations(root: Path, valid: Descriptions) -> Iterator[Finding]:
    if not (root / ANNOTATIONS).is_file():
        text = "is not there: no accuracy by phenomenon"
        yield Finding("note", ANNOTATIONS, text)
        return
    rows = read_annotations(root / ANNOTATIONS)
    yield Finding(
        "ok", ANNOTATIONS, f"{len(rows):,} rows of {len({r.key[0] for r in rows}):,} sets"
    )
    if lost := unmatched(rows, valid.rows):
        name, target = lost[0].key
        text = (
            f"{len(lost)} rows have no description in {VALID}, the first: {name}, target {target}"
        )
        yield Finding("note", ANNOTATIONS, text)


def _check_annotators(root: Path, valid: Descriptions) -> Iterator[Finding]:
    if not (root / ANNOTATORS).is_file():
        text = "is not there: no accuracy by seen and unseen writers"
        yield Finding("note", ANNOTATORS, text)
        return
    writers = read_annotators(root / ANNOTATORS)
    seen = sum(writers.values())
    text = f"{seen:,} descriptions by writers of training, {len(writers) - seen:,} by others"
    yield Finding("ok", ANNOTATORS, text)
    if lacking := sum((row.set, row.target) not in writers for row in valid.rows):
        yield Finding("note", ANNOTATORS, f"{lacking:,} descriptions of {VALID} are not in it")


def _check_images(
    root: Path, options: DescriptionOptions, files: dict[str, Descriptions]
) -> Iterator[Finding]:
    folder = folder_of(options.images, root / IMAGE_SETS)
    whole = yield from check_folders(folder, {name: own.sets for name, own in files.items()})
    yield from check_pictures(folder, whole)


def _protocols(there: set[str], errors: bool) -> Iterator[Finding]:
    for protocol in get_args(Protocol):
        lacking = [name for name in NEEDED[protocol] if name not in there]
        subject = f"protocol {protocol}"
        if lacking:
            yield Finding("note", subject, f"not possible without {', '.join(lacking)}")
        elif errors:
            yield Finding("note", subject, "possible when the errors are gone")
        else:
            yield Finding("ok", subject, f"possible: --protocol {protocol}")
