"""``mlzoo data info imagecode --stats``: counts of descriptions, words, targets, phenomena and writers.

They are those of the paper's scripts that need neither images nor private data; words are what blanks
separate.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from mlzoo_imagecode.contextual import HIDDEN
from mlzoo_imagecode.dataset_config import DescriptionOptions
from mlzoo_imagecode.imagecode.annotations import (
    ANNOTATED_ROWS,
    Annotation,
    read_annotations,
    read_annotators,
    tag_table,
)
from mlzoo_imagecode.imagecode.descriptions import Descriptions, read_labelled, read_unlabelled
from mlzoo_imagecode.imagecode.files import ANNOTATIONS, ANNOTATORS, CHOICES, TEST, TRAIN, VALID
from mlzoo_imagecode.imagecode.sources import OTHER, SOURCES, is_video, source_of
from mlzoo_imagecode.metric_specs import TAG_NAMES, TAGS

Table: TypeAlias = dict[str, list[Any]]
Counts: TypeAlias = npt.NDArray[np.int64]
FIRST = 200
"""The shorter of the annotated ranges."""


@dataclass(frozen=True)
class Statistics:
    """Of the descriptions of one split; ``static`` are those of photographs, the others of video frames.

    Attributes:
        sets: how many image sets.
        images: how many images, ten of a set.
        descriptions: how many texts.
        sets_by_source, descriptions_by_source: by source, ``other`` included.
        descriptions_per_set: int64, how many sets have 0, 1, 2, … descriptions.
        words: int64, how many descriptions have 0, 1, 2, … words.
        words_static, words_video: words and descriptions of each kind.
        characters: of all texts, as published.
        distinct_words: in lower case.
        targets: int64 [10], how often an image of each position is described; zeros if hidden.
        sha256: of the file.
    """

    sets: int
    images: int
    descriptions: int
    sets_by_source: Mapping[str, int]
    descriptions_by_source: Mapping[str, int]
    descriptions_per_set: Counts
    words: Counts
    words_static: tuple[int, int]
    words_video: tuple[int, int]
    characters: int
    distinct_words: int
    targets: Counts
    sha256: str

    @property
    def total_words(self) -> int:
        """Of all descriptions."""
        return int(self.words @ np.arange(len(self.words)))

    @property
    def mean_words(self) -> float:
        """Words of a description."""
        return self.total_words / self.descriptions

    @property
    def static_share(self) -> float:
        """Share of the descriptions, from 0 to 1."""
        return self.words_static[1] / self.descriptions

    @property
    def majority(self) -> float:
        """Accuracy, from 0 to 1, of always choosing the most frequent position; NaN if it is hidden."""
        return float(self.targets.max()) / self.descriptions if self.targets.any() else float("nan")


def statistics_of(part: Descriptions, choices: int = CHOICES) -> Statistics:
    """All counts of one split."""
    words = [row.text.split() for row in part.rows]
    lengths = np.array([len(own) for own in words], dtype=np.int64)
    video = np.array([is_video(row.set) for row in part.rows])
    known = [row.target for row in part.rows if row.target != HIDDEN]

    def of(mask: npt.NDArray[np.bool_]) -> tuple[int, int]:
        return int(lengths[mask].sum()), int(mask.sum())

    return Statistics(
        sets=len(part.sets),
        images=len(part.sets) * choices,
        descriptions=len(part),
        sets_by_source=_by_source(part.sets),
        descriptions_by_source=_by_source([row.set for row in part.rows]),
        descriptions_per_set=np.bincount(list(part.per_set.values())),
        words=np.bincount(lengths),
        words_static=of(~video),
        words_video=of(video),
        characters=sum(len(row.text) for row in part.rows),
        distinct_words=len({word.lower() for own in words for word in own}),
        targets=np.bincount(np.array(known, dtype=np.int64), minlength=choices),
        sha256=part.sha256,
    )


def tables(root: Path, options: DescriptionOptions) -> Mapping[str, Mapping[str, Sequence[Any]]]:
    """All tables of the copy in ``root``; no image is needed.

    Raises:
        DataError: one of the three files of descriptions is missing or damaged, or an annotation is damaged.
    """
    parts = {
        "train": statistics_of(read_labelled(root / TRAIN)),
        "valid": statistics_of(read_labelled(root / VALID)),
        "test": statistics_of(read_unlabelled(root / TEST)),
    }
    found: dict[str, Table] = {**tables_of(parts), "target (share in %)": targets_table(parts)}
    if (root / ANNOTATIONS).is_file():
        found["phenomena of valid"] = phenomena_table(read_annotations(root / ANNOTATIONS))
    if (root / ANNOTATORS).is_file():
        found["writers of valid"] = writers_table(list(read_annotators(root / ANNOTATORS).values()))
    found["files"] = {"split": list(parts), "sha256": [part.sha256 for part in parts.values()]}
    return found


def tables_of(parts: Mapping[str, Statistics]) -> dict[str, Table]:
    """Counts, sources and words by split, with a row for all of them."""
    every = list(parts.values())
    whole = [sum(part.descriptions for part in every), sum(part.total_words for part in every)]
    static = [part.words_static[1] for part in every]
    most = max(len(part.descriptions_per_set) for part in every)
    names = [*parts, "all"]
    return {
        "splits": {
            "split": names,
            "sets": _with_sum([part.sets for part in every]),
            "images": _with_sum([part.images for part in every]),
            "descriptions": _with_sum([part.descriptions for part in every]),
            "of static sets": _with_sum(static),
            "static %": [
                100 * s / d
                for s, d in zip(_with_sum(static), [*_counts(every), whole[0]], strict=True)
            ],
        },
        "descriptions of a set": {
            "split": names,
            **{
                f"{number}": _with_sum([_at(part.descriptions_per_set, number) for part in every])
                for number in range(1, most)
            },
        },
        "sets by source": _source_table(names, [part.sets_by_source for part in every]),
        "descriptions by source": _source_table(
            names, [part.descriptions_by_source for part in every]
        ),
        "words of a description": {
            "split": names,
            "mean": [*(part.mean_words for part in every), whole[1] / whole[0]],
            "of static": [
                *(_mean(part.words_static) for part in every),
                _mean(_added(every, "static")),
            ],
            "of video": [
                *(_mean(part.words_video) for part in every),
                _mean(_added(every, "video")),
            ],
            "fewest": [*(_fewest(part) for part in every), min(map(_fewest, every))],
            "most": [
                *(len(part.words) - 1 for part in every),
                max(len(p.words) - 1 for p in every),
            ],
            "words": _with_sum([part.total_words for part in every]),
            "distinct": [*(part.distinct_words for part in every), None],
            "characters": _with_sum([part.characters for part in every]),
        },
    }


def targets_table(parts: Mapping[str, Statistics]) -> Table:
    """How often an image of each position is described, and what always choosing the best one gives."""
    known = {name: part for name, part in parts.items() if part.targets.any()}
    width = max((len(part.targets) for part in known.values()), default=0)
    shares = {
        f"{place}": [100 * int(part.targets[place]) / part.descriptions for part in known.values()]
        for place in range(width)
    }
    best = [100 * part.majority for part in known.values()]
    return {"split": list(known), **shares, "best constant": best}


def phenomena_table(annotations: Sequence[Annotation]) -> Table:
    """How many descriptions show a phenomenon, among the rows where somebody looked for it."""
    noted = tag_table(annotations)  # [rows, 10]
    bases = [min(ANNOTATED_ROWS[tag], len(noted)) for tag in TAGS]
    counts = [int(noted[:base, place].sum()) for place, base in enumerate(bases)]
    return {
        "tag": list(TAGS),
        "phenomenon": [TAG_NAMES[tag] for tag in TAGS],
        "descriptions": counts,
        "of": bases,
        "%": [
            100 * count / base if base else None for count, base in zip(counts, bases, strict=True)
        ],
        f"in the first {FIRST}": noted[:FIRST].sum(axis=0).tolist(),
        "in all rows": noted.sum(axis=0).tolist(),
    }


def writers_table(seen: Sequence[int]) -> Table:
    """Descriptions by whether their writer wrote training descriptions, too; ``seen`` is 1 or 0 for each."""
    counts = Counter(seen)
    return {
        "writer": ["wrote training descriptions, too", "wrote none"],
        "descriptions": [counts[1], counts[0]],
        "%": [100 * counts[kind] / len(seen) if seen else None for kind in (1, 0)],
    }


def _by_source(names: Sequence[str]) -> dict[str, int]:
    counts = Counter(source_of(name) for name in names)
    return {source: counts[source] for source in (*SOURCES, OTHER)}


def _source_table(names: Sequence[str], each: Sequence[Mapping[str, int]]) -> Table:
    sources = [s for s in (*SOURCES, OTHER) if s != OTHER or any(own[s] for own in each)]
    return {"split": list(names), **{s: _with_sum([own[s] for own in each]) for s in sources}}


def _with_sum(counts: Sequence[int]) -> list[int]:
    return [*counts, sum(counts)]


def _counts(parts: Sequence[Statistics]) -> list[int]:
    return [part.descriptions for part in parts]


def _at(counts: Counts, place: int) -> int:
    return int(counts[place]) if place < len(counts) else 0


def _added(parts: Sequence[Statistics], kind: str) -> tuple[int, int]:
    pairs = [part.words_static if kind == "static" else part.words_video for part in parts]
    return sum(words for words, _ in pairs), sum(count for _, count in pairs)


def _mean(pair: tuple[int, int]) -> float | None:
    words, count = pair
    return words / count if count else None


def _fewest(part: Statistics) -> int:
    return int(np.flatnonzero(part.words)[0])
