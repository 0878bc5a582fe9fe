"""Which images and tags count for each section: unseen tags (ZSL), all (GZSL), seen.

Where every tag of every image is annotated, as in NUS-WIDE, all images count. Where some pairs are not
annotated, as in Open Images, the published protocol is followed: of each section the images without a
positive tag are left out; tags that none of the rest is annotated for do not compete among seen tags, and
count neither there nor among all tags in the published mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mlzoo_biam.labels import Labels
from mlzoo_biam.scores.average_precision import Float64, Index, Scores, average_precision


@dataclass(frozen=True, eq=False)
class Section:
    """Tags that are scored together, and the images that count for them.

    Attributes:
        name: ``zsl``, ``gzsl`` or ``seen``.
        tags: columns of the scores; w of them.
        rows: int64 [n], the images that count; None for all.
        labels: of these images and tags.
        annotated: int64 [w], images that are annotated for each tag.
        counted: bool [w], tags that the published mean is over.
        competing: int64, those of the w tags that can be among the K highest; None for all.
        speaks: whether there is a positive tag, in GZSL also an unseen one: without, nothing is scored.
    """

    name: str
    tags: slice
    rows: Index | None
    labels: Labels
    annotated: Index
    counted: npt.NDArray[np.bool_]
    competing: Index | None
    speaks: bool

    @property
    def width(self) -> int:
        """How many tags compete."""
        return self.labels.width if self.competing is None else len(self.competing)

    @property
    def competing_labels(self) -> Labels:
        """Of the tags that compete."""
        return self.labels if self.competing is None else self.labels.of_tags(self.competing)


def is_partly_annotated(labels: Labels) -> bool:
    """Whether the protocol of Open Images applies."""
    return bool((labels.default == 0).any())


def sections(labels: Labels, seen_count: int) -> dict[str, Section]:
    """The three sections by name; tags are ordered seen, then unseen."""
    ranges = {
        "zsl": slice(seen_count, labels.width),
        "gzsl": slice(0, labels.width),
        "seen": slice(0, seen_count),
    }
    has_unseen = bool(labels.positives()[seen_count:].any())
    return {name: _section(name, labels, tags, has_unseen) for name, tags in ranges.items()}


def _section(name: str, labels: Labels, tags: slice, has_unseen: bool) -> Section:
    own, rows, competing = labels.of_tags(tags), None, None
    counted = np.ones(own.width, dtype=bool)
    if is_partly_annotated(labels):
        rows = np.flatnonzero(own.positives_of_images())
        own = own.subset(rows)
    annotated = own.annotated()
    if rows is not None and name != "zsl":
        counted = annotated > 0
        competing = np.flatnonzero(counted) if name == "seen" else None
    speaks = bool(own.positives().any()) and (name == "seen" or has_unseen)
    return Section(name, tags, rows, own, annotated, counted, competing, speaks)


def precision_by_section(
    scores: Scores, labels: Labels, found: Mapping[str, Section]
) -> dict[str, Float64]:
    """AP [w] of the tags of each section; where all images count it is computed once for all sections."""
    if not is_partly_annotated(labels):
        of_all = average_precision(scores, labels)
        return {name: of_all[section.tags] for name, section in found.items()}
    return {
        name: average_precision(scores[:, section.tags], section.labels, rows=section.rows)
        for name, section in found.items()
    }
