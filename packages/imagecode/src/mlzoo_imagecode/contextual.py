"""Data of the task ``contextual-retrieval``: descriptions, each of one image among k similar ones.

A model learns from ``data.train`` and predicts these arrays for a split of n descriptions, in their order:

    scores      float32 [n, k]  one for each candidate; the highest is chosen, the first of several
    target      int64   [n]     which candidate is described; -1 where nobody knows
    video       bool    [n]     whether the candidates are frames of a video
    position    int64   [n, k]  of a candidate in its set
    frame       int64   [n, k]  its frame number, as in its file's name
    set         str     [n]     names of the sets
    text        str     [n]     the descriptions
    tag         bool    [n, 10] which phenomena a description shows, in the order of metric_specs.TAGS
    annotated   bool    [n, 10] whether somebody looked for them
    annotator   int8    [n]     1 if its writer wrote training descriptions, too, 0 if not, -1 if unknown
    apart       float32 [n, k]  of models with image features: Euclidean distance of a candidate's feature, of
                                length 1, to the described one's (may be left out; 0 where nobody knows)

All but ``scores`` and ``apart`` come from :meth:`Part.arrays`. A model's scores follow from a description and
its images alone: neither from targets nor from other descriptions of a set.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from mlzoo.data.fingerprint import fingerprint
from mlzoo.errors import DataError, UsageError
from mlzoo_imagecode.metric_specs import MAIN, TAGS

if TYPE_CHECKING:
    from mlzoo_imagecode.cross.regions.boxes import RegionSource

Floats: TypeAlias = npt.NDArray[np.float32]
Index: TypeAlias = npt.NDArray[np.int64]
Bytes: TypeAlias = npt.NDArray[np.uint8]

HIDDEN = -1
"""The target of a description whose image nobody tells."""


class Images(Protocol):
    """N images, wherever they lie, set by set and by position in the set."""

    @property
    def names(self) -> Sequence[str]:
        """Of each image, for tables and pictures: ``<set>/img3.jpg``."""

    def __len__(self) -> int: ...

    def crops(self, rows: Index, size: int, *, fast: bool = False) -> Bytes:
        """uint8 [n, size, size, 3]: images as CLIP sees them, before normalisation
        (:func:`mlzoo_imagecode.images.preprocess.crop`), or with ``fast`` nearly so.

        Raises:
            DataError: a file is missing or damaged; names it.
        """

    def digest(self) -> str:
        """Hex digest of the content; of files their names, sizes and what else is cheap to look at."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Part:
    """S sets of images with n descriptions of k candidates each.

    Attributes:
        images: of all sets.
        sets: names of the S sets.
        set_of_image: int64 [N], whose set an image is in.
        position: int64 [N], its place in its set, from 0.
        frame: int64 [N], its number in its file's name: of the frame in a video.
        video: bool [S], whether a set's images are frames of a video.
        candidates: int64 [n, k], rows of the images that a description chooses among.
        target: int64 [n], the column of the described one; :data:`HIDDEN` where nobody knows.
        texts: the descriptions.
        tag, annotated: bool [n, 10], see the module; nothing annotated if not given.
        annotator: int8 [n]; unknown if not given.
        regions: of the N images, for models that look at regions. What is in them is no part of the
            digest: a model that reads them keeps their own.

    Raises:
        DataError: arrays do not fit together.
    """

    images: Images
    sets: tuple[str, ...]
    set_of_image: Index
    position: Index
    frame: Index
    video: npt.NDArray[np.bool_]
    candidates: Index
    target: Index
    texts: tuple[str, ...]
    tag: npt.NDArray[np.bool_] | None = None
    annotated: npt.NDArray[np.bool_] | None = None
    annotator: npt.NDArray[np.int8] | None = None
    regions: RegionSource | None = None

    def __post_init__(self) -> None:
        images, count = len(self.images), len(self.texts)
        shapes: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
            "set_of_image": (self.set_of_image.shape, (images,)),
            "position": (self.position.shape, (images,)),
            "frame": (self.frame.shape, (images,)),
            "video": (self.video.shape, (len(self.sets),)),
            "candidates": (self.candidates.shape[:1], (count,)),
            "target": (self.target.shape, (count,)),
        }
        for name in ("tag", "annotated"):
            if (array := getattr(self, name)) is not None:
                shapes[name] = (array.shape, (count, len(TAGS)))
        if self.regions is not None:
            shapes["regions"] = ((len(self.regions),), (images,))
        for name, (found, expected) in shapes.items():
            if found != expected:
                raise DataError(f"{name} is {list(found)}, expected {list(expected)}.")
        if self.candidates.ndim != 2 or not count or self.candidates.shape[1] < 2:
            raise DataError("there are no descriptions of two candidates or more.")
        if not 0 <= self.candidates.min() <= self.candidates.max() < images:
            raise DataError(f"a candidate is outside the {images} images.")
        if not HIDDEN <= self.target.min() <= self.target.max() < self.choices:
            bad = int(np.flatnonzero((self.target < HIDDEN) | (self.target >= self.choices))[0])
            raise DataError(
                f"the target {self.target[bad]} of description {bad} is outside 0 to {self.choices - 1}."
            )

    def __len__(self) -> int:
        """How many descriptions there are."""
        return len(self.texts)

    @property
    def choices(self) -> int:
        """k, candidates of a description."""
        return int(self.candidates.shape[1])

    @property
    def set_of(self) -> Index:
        """int64 [n], the set of a description."""
        return self.set_of_image[self.candidates[:, 0]]

    @property
    def is_video(self) -> npt.NDArray[np.bool_]:
        """bool [n], whether a description's candidates are frames of a video."""
        return self.video[self.set_of]

    @property
    def hidden(self) -> bool:
        """Whether some target is not known."""
        return bool((self.target == HIDDEN).any())

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """What the evaluators read beside ``scores``; see the module."""
        count = len(self)
        nothing = np.zeros((count, len(TAGS)), dtype=bool)
        unknown = np.full(count, -1, dtype=np.int8)
        return {
            "target": self.target,
            "video": self.is_video,
            "position": self.position[self.candidates],
            "frame": self.frame[self.candidates],
            "set": np.array(self.sets)[self.set_of],
            "text": np.array(self.texts),
            "tag": nothing if self.tag is None else self.tag,
            "annotated": nothing if self.annotated is None else self.annotated,
            "annotator": unknown if self.annotator is None else self.annotator,
        }

    def taken(self, rows: Index) -> Part:
        """Some of the descriptions, of the same images."""
        return replace(
            self,
            candidates=self.candidates[rows],
            target=self.target[rows],
            texts=tuple(self.texts[row] for row in rows),
            tag=None if self.tag is None else self.tag[rows],
            annotated=None if self.annotated is None else self.annotated[rows],
            annotator=None if self.annotator is None else self.annotator[rows],
        )

    def digest(self) -> str:
        """Hex digest of everything."""
        arrays: dict[str, npt.NDArray[Any]] = {**self.arrays(), "candidates": self.candidates}
        arrays["images"] = np.frombuffer(self.images.digest().encode(), np.uint8)
        arrays["sets"] = np.array(self.sets)
        return fingerprint(arrays)


@dataclass(frozen=True, eq=False, kw_only=True)
class ContextualData:
    """Descriptions of one image among similar ones.

    Attributes:
        train: to learn from; None where there is nothing.
        parts: what is scored, by split: ``test`` and perhaps ``val``.
        facts: what ``describe`` adds (JSON values).
        ceilings: known best values by metric, of a world with a planted answer.
        incomparable: why published numbers do not speak of these data; empty if they do.

    Raises:
        DataError: parts differ in their number of candidates, or a target of train or val is hidden.
    """

    parts: Mapping[str, Part]
    train: Part | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    ceilings: Mapping[str, float] = field(default_factory=dict)
    incomparable: str = ""

    def __post_init__(self) -> None:
        if "test" not in self.parts or set(self.parts) - {"test", "val"}:
            raise DataError(f"the parts are {sorted(self.parts)}; expected test, perhaps val.")
        everything = {**self.parts, **({} if self.train is None else {"train": self.train})}
        if len({part.choices for part in everything.values()}) > 1:
            counts = ", ".join(f"{name} {part.choices}" for name, part in everything.items())
            raise DataError(f"parts differ in their number of candidates: {counts}.")
        for name in ("train", "val"):
            if name in everything and everything[name].hidden:
                raise DataError(f"{name} has descriptions without a target.")

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that are scored."""
        return tuple(name for name in ("val", "test") if name in self.parts)

    @property
    def hidden(self) -> tuple[str, ...]:
        """Splits whose targets nobody tells: they are predicted, and their metrics are NaN."""
        return tuple(name for name in self.splits if self.parts[name].hidden)

    @property
    def choices(self) -> int:
        """k, candidates of a description."""
        return self.parts["test"].choices

    def part(self, name: str) -> Part:
        """``train``, ``val`` or ``test``.

        Raises:
            UsageError: there is no such part.
        """
        found = self.train if name == "train" else self.parts.get(name)
        if found is None:
            raise UsageError(f"there are no descriptions of {name!r}.")
        return found

    def fingerprint(self) -> str:
        """SHA-256 over everything."""
        digests = {name: part.digest() for name, part in self.parts.items()}
        if self.train is not None:
            digests["train"] = self.train.digest()
        return fingerprint(
            {name: np.frombuffer(text.encode(), np.uint8) for name, text in digests.items()}
        )

    def describe(self) -> Mapping[str, Any]:
        """Counts as JSON values."""
        parts = {**({} if self.train is None else {"train": self.train}), **self.parts}
        facts: dict[str, Any] = {
            "descriptions": {name: len(part) for name, part in parts.items()},
            "sets": {name: len(part.sets) for name, part in parts.items()},
            "images": {name: len(part.images) for name, part in parts.items()},
            "candidates": self.choices,
            "of videos": {name: int(part.is_video.sum()) for name, part in parts.items()},
        }
        if self.hidden:
            facts["hidden targets"] = ", ".join(self.hidden)
        if self.incomparable:
            facts["incomparable"] = self.incomparable
        return {**facts, **self.facts}

    def limited(self, count: int) -> Self:
        """The first ``count`` descriptions of every part, and no ceilings.

        Raises:
            UsageError: ``count`` is below 1.
        """
        if count < 1:
            raise UsageError(f"the limit must be at least 1, got {count}.")

        def first(part: Part) -> Part:
            return part.taken(np.arange(min(count, len(part))))

        parts = {name: first(part) for name, part in self.parts.items()}
        train = None if self.train is None else first(self.train)
        return replace(self, parts=parts, train=train, ceilings={})

    def references(self) -> Mapping[str, Mapping[str, float]]:
        """Chance levels, the best constant position and ceilings by metric, in the metric's unit."""
        from mlzoo_imagecode.scores.chance import best_position, chance_levels

        found = {name: {"chance": value} for name, value in chance_levels(self).items()}
        if (constant := best_position(self)) is not None:
            found[MAIN]["best position"] = constant
        for name, value in self.ceilings.items():
            found.setdefault(name, {})["ceiling"] = value
        return found
