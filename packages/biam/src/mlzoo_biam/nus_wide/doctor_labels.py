"""What label files of NUS-WIDE are, told from their content; see :mod:`mlzoo_biam.nus_wide.doctor`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from mlzoo import Finding
from mlzoo_biam.nus_wide.archive import Archive, known_rows
from mlzoo_biam.nus_wide.files import Vocabulary
from mlzoo_biam.nus_wide.h5 import open_official
from mlzoo_biam.nus_wide.tables import Table, parse_table, read_table

SAMPLE = 200
"""Images of an h5 file whose labels and features are looked at."""


def check_tables(
    archive: Archive, part: str, words: Vocabulary, names: Sequence[str] | None
) -> Iterator[Finding]:
    """The zipped csv of all concepts: mangled ids, damaged labels, and how they are repaired."""
    path = archive.find(f"labels_{part}.zip", f"labels_{part}.csv")
    if path is None:
        return
    table = parse_table(path, words.concepts)
    mean = (table.bits == 1).sum() / len(table.ids)
    text = f"{len(table.ids):,} images, {mean:.3f} of {len(words.concepts)} concepts an image"
    yield Finding("ok", path.name, text)
    yield from _mangled(path, table, words, names, part)
    for row, value in table.damaged:
        concept = words.concepts[int(np.flatnonzero(table.bits[row] == 2)[0])]
        image = names[row] if names is not None else f"id {table.ids[row]!r}"
        text = f"row {row:,} (from 0; {image}): {concept!r} is {value}"
        fix = (
            "It is taken from the official text files if they are there, else it counts as absent."
        )
        yield Finding("warning", path.name, text, fix)


def _mangled(
    path: Path, table: Table, words: Vocabulary, names: Sequence[str] | None, part: str
) -> Iterator[Finding]:
    if names is not None:
        repaired: list[str] = []
        read_table(path, names, words.concepts, repaired)  # refuses rows in another order
        yield Finding("ok", path.name, "every row is the image that the list has in its place")
    if table.not_ids:
        example = next(each for each in table.ids if not each.isdigit())
        text = f"{table.not_ids:,} ids are mangled, such as {example}"
        fix = "They are named by the image list, which is in the same order."
        if names is None:
            fix = f"Needed to name them: {part.title()}Imagelist.txt or the pickled list of names."
        yield Finding("note" if names is not None else "warning", path.name, text, fix)


def check_texts(archive: Archive, part: str, words: Vocabulary) -> Iterator[Finding]:
    """Which of the official text files are there."""
    tags = archive.find(
        f"{part}_Tags1k.dat", f"{part}_Tags1k.txt", "AllTags1k.txt", "All_Tags1k.txt"
    )
    if tags is not None:
        yield Finding("ok", tags.name, f"labels of the {len(words.tags)} tags for {part}")
    for form in ("Labels_{}_%s.txt" % part.title(), "Labels_{}.txt"):  # noqa: UP031
        there = [archive.find(form.format(name)) is not None for name in words.concepts]
        if any(there):
            absent = [n for n, found in zip(words.concepts, there, strict=True) if not found]
            text = f"{sum(there)} of {len(there)} concepts" + (
                f"; missing: {', '.join(absent[:3])}" if absent else ""
            )
            yield Finding("warning" if absent else "ok", form.format("*"), text)


def check_h5(
    archive: Archive, part: str, words: Vocabulary, names: Sequence[str] | None
) -> Iterator[Finding]:
    """Images, labels and features of the file that BiAM's program reads."""
    path = archive.find(f"nus_wide_{part}.h5")
    if path is None:
        return
    with open_official(path) as official:
        own = official.names()
        yield Finding("ok", path.name, f"{len(own):,} images")
        if names is not None:
            official.require(names)
            more = len(own) - known_rows(own, names)
            if more:
                yield Finding(
                    "note", path.name, f"{more:,} images that the list lacks are not used"
                )
        sample = own[:: max(1, len(own) // SAMPLE)]
        labels = official.labels(sample, words)  # refuses {0, 1}
        text = f"labels are -1 and +1, {(labels > 0).sum(axis=1).mean():.2f} present an image"
        if (labels == 0).any():
            text += f", {(labels == 0).mean():.1%} not annotated"
        yield Finding("ok", path.name, text)
        features = official.features(sample[:8])
        text = f"features {features.shape[1:]}, {features.min():.3g} to {features.max():.3g}"
        bad = not np.isfinite(features).all()
        yield Finding("error" if bad else "ok", path.name, text)
