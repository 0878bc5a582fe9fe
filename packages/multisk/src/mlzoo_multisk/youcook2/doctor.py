"""Doctor of YouCook2: which layout a copy has, what lacks or is wrong, what it may be compared with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from mlzoo.contracts import Finding
from mlzoo_multisk.benchmark.examination import (
    all_together,
    check_layouts,
    check_parts,
    check_words,
    guarded,
)
from mlzoo_multisk.benchmark.files import layouts_of
from mlzoo_multisk.dataset_config import YouCook2Options
from mlzoo_multisk.youcook2.files import TEST_FILES
from mlzoo_multisk.youcook2.loading import load, read_parts


def examine(root: Path, options: YouCook2Options) -> Sequence[Finding]:
    """All findings about the copy of YouCook2 in ``root``; every clip is read."""
    findings = list(check_layouts(root, TEST_FILES))
    if not layouts_of(root, TEST_FILES):
        return findings
    findings += guarded("clips", _clips(root, options))
    if all(finding.level != "error" for finding in findings):
        findings += all_together(lambda: load(root, options))
    return findings


def _clips(root: Path, options: YouCook2Options) -> Iterator[Finding]:
    parts = read_parts(root)
    yield from check_parts(parts)
    yield from guarded("word vectors", check_words(root, parts, options))
