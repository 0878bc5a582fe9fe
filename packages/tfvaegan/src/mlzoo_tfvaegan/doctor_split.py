"""What a split file is, told from its content alone; see :mod:`mlzoo_tfvaegan.doctor`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mlzoo import Finding
from mlzoo.data.readers import read_mat
from mlzoo_tfvaegan.mat_files import PARTS, SplitFile, read_split
from mlzoo_tfvaegan.versions import BENCHMARKS, OTHER_SPLIT, Benchmark, split_digest, split_version

OTHERS = {
    "awa1": "35091f6204ab3f2f9dd91798151571767a02c4b0652f3e5542cdd9c403a06598",
    "apy": "a24c494d255d9937729bd975172b665999444c3bc577d05f813bb46cabb27f95",
}
"""Digests of the benchmark's split files that belong to no dataset here."""
CLASS_LISTS = (
    "allclasses.txt",
    "trainvalclasses.txt",
    "testclasses.txt",
    "trainclasses1.txt",
    "valclasses1.txt",
)
UNIT = 1e-4
"""Lengths of embeddings this close to 1 count as 1."""


def read_alone(path: Path, samples: int | None) -> SplitFile:
    """The split file; without the number of ``samples``, the largest sample named stands for it.

    Raises:
        DataError: see :func:`mlzoo_tfvaegan.mat_files.read_split`.
    """
    if samples is None:
        lists = [value for value in read_mat(path, PARTS).values() if isinstance(value, np.ndarray)]
        numbers = [value[np.isfinite(value)] for value in lists if value.dtype.kind in "fiu"]
        largest = max((int(value.max()) for value in numbers if value.size), default=1)
        samples = min(max(largest, 1), 2**27)  # as many features no file holds
    return read_split(path, samples)


def check_split_file(
    dataset: str, split: SplitFile, label: npt.NDArray[np.int64] | None
) -> Iterator[Finding]:
    """Identity, version, counts, leak, embeddings and names of one split file."""
    subject = str(split.path.name)
    yield from _identity(dataset, split, subject)
    yield from _counts(dataset, split, label, subject)
    yield from _leak(split, subject)
    yield from _embeddings(split, subject)
    yield from _names(dataset, split, subject)


def recognised(split: SplitFile) -> str:
    """The dataset of the benchmark whose split this is, whatever the file is called, or ""."""
    digest = split_digest(split.split)
    known = {name: benchmark.split for name, benchmark in BENCHMARKS.items()} | OTHERS
    return next((name for name, of in known.items() if of == digest), "")


def _identity(dataset: str, split: SplitFile, subject: str) -> Iterator[Finding]:
    found, benchmark = recognised(split), BENCHMARKS.get(dataset)
    if found and found != dataset:
        level = "note" if benchmark is None else "error"
        fix = "" if benchmark is None else f"Put the split file of {dataset} here."
        text = f"this is the benchmark's split of {found}"
        yield Finding(level, subject, text + ("" if benchmark is None else f", not {dataset}"), fix)  # type: ignore[arg-type]
    elif benchmark is not None:
        yield _version(benchmark, split, subject)


def _version(benchmark: Benchmark, split: SplitFile, subject: str) -> Finding:
    version = split_version(benchmark, split)
    if version == OTHER_SPLIT:
        if benchmark.random_splits > 1:
            text = f"one of {benchmark.random_splits} random splits, held against counts alone"
            return Finding("note", subject, text)
        text = "split version not known: the three lists are not the benchmark's"
        return Finding(
            "warning", subject, text, "Take xlsa17's file to compare with published rows."
        )
    if version == "v1 or v2":
        why = "train_loc and val_loc, in which the two differ, are missing or unknown"
        return Finding("note", subject, f"split version v1 or v2: {why}")
    note = {"v1": "the one of the published rows", "v2": "published rows use v1"}[version]
    return Finding("ok" if version == "v1" else "note", subject, f"split version {version}, {note}")


def _counts(
    dataset: str, split: SplitFile, label: npt.NDArray[np.int64] | None, subject: str
) -> Iterator[Finding]:
    sizes = {name: len(rows) for name, rows in split.split.arrays().items()}
    yield Finding("ok", subject, ", ".join(f"{name} {size}" for name, size in sizes.items()))
    benchmark, classes = BENCHMARKS.get(dataset), len(split.attributes)
    if benchmark is None:
        return
    expected, width = sum(benchmark.classes), split.attributes.shape[1]
    if classes != expected:
        yield Finding("warning", subject, f"{classes} classes, the benchmark has {expected}")
    usual = f"; published rows use {benchmark.embedding!r}, {benchmark.embedding_width}-d"
    yield Finding(
        "ok",
        subject,
        f"class embedding {width}-d" + ("" if width == benchmark.embedding_width else usual),
    )
    if label is None:
        total = sum(sizes.values())
        if total != benchmark.samples:
            yield Finding(
                "warning", subject, f"{total} samples listed, the benchmark has {benchmark.samples}"
            )
    elif label.max() < classes:
        parts = split.split
        found = (len(np.unique(label[parts.train])), len(np.unique(label[parts.test_unseen])))
        level = "ok" if found == benchmark.classes else "warning"
        seen, unseen = benchmark.classes
        text = f"{found[0]} seen and {found[1]} unseen classes"
        yield Finding(
            level,  # type: ignore[arg-type]
            subject,
            text if level == "ok" else f"{text}, the benchmark has {seen} and {unseen}",
        )


def _leak(split: SplitFile, subject: str) -> Iterator[Finding]:
    lists = {"train_loc": split.train, "val_loc": split.val}
    there = {key: rows for key, rows in lists.items() if rows is not None}
    if len(there) < len(lists):
        missing = " and ".join(key for key in lists if key not in there)
        yield Finding("note", subject, f"no {missing}: classes for validation are drawn")
    leaks = {key: int(np.isin(rows, split.split.test_seen).sum()) for key, rows in there.items()}
    if any(leaks.values()):
        counts = ", ".join(f"{count} of {key}" for key, count in leaks.items() if count)
        text = f"samples of test_seen_loc stand in the lists for validation: {counts}"
        yield Finding("note", subject, text, "Nothing to do: validation leaves them out.")
    elif there:
        yield Finding("ok", subject, f"no sample of test_seen_loc in {' or '.join(there)}")


def _embeddings(split: SplitFile, subject: str) -> Iterator[Finding]:
    length = np.linalg.norm(split.attributes, axis=1)
    if not length.min() > 0:
        zero = int(length.argmin()) + 1
        yield Finding(
            "error", subject, f"'att' of class {zero} is all zeros", "Give it an embedding."
        )
    elif not np.allclose(length, 1, atol=UNIT):
        text = f"'att' has lengths {length.min():.3g} to {length.max():.3g} on file"
        yield Finding("note", subject, text, "Nothing to do: the loader divides by them.")
    _, first, count = np.unique(split.attributes, axis=0, return_index=True, return_counts=True)
    if (count > 1).any():
        names = [split.class_names[row] for row in first[count > 1][:3]]
        text = f"{int((count - 1).sum())} classes have another's embedding ({', '.join(names)})"
        yield Finding(
            "warning", subject, text, "Such classes cannot be told apart without samples."
        )
    missing = 0 if split.original is None else int((split.original == -1).sum())
    if missing:
        yield Finding("note", subject, f"'original_att' is -1, missing, in {missing} places")


def _names(dataset: str, split: SplitFile, subject: str) -> Iterator[Finding]:
    names: list[str] = list(split.class_names)
    if names == [f"class {number + 1}" for number in range(len(names))]:
        yield Finding("note", subject, "no class names; classes are called by number")
        return
    if len(set(names)) < len(names):
        yield Finding("warning", subject, "a class name stands twice in allclasses_names")
    numbers = [int(name[:3]) if name[:3].isdigit() and name[3:4] == "." else 0 for name in names]
    if all(numbers) and numbers != list(range(1, len(names) + 1)):
        text = "labels index allclasses_names, not the numbers in the names of image folders: "
        place = next(i for i, number in enumerate(numbers, 1) if number != i)
        yield Finding("note", subject, f"{text}label {place} is {names[place - 1]}")
    for name in CLASS_LISTS:
        if (split.path.parent / name).is_file():
            yield _listed(split.path.parent / name, names)


def _listed(path: Path, names: list[str]) -> Finding:
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    listed = [line.strip() for line in lines if line.strip()]
    known = set(names)
    foreign = [name for name in listed if name not in known]
    if foreign:
        text = f"{len(foreign)} of {len(listed)} names are not in allclasses_names ({foreign[0]})"
        return Finding("warning", path.name, text)
    if path.name == CLASS_LISTS[0] and listed != names:
        return Finding("warning", path.name, "the order is not that of allclasses_names and labels")
    return Finding("ok", path.name, f"{len(listed)} names, all in allclasses_names")
