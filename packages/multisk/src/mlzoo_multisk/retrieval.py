"""Data of the task ``multimodal-retrieval``: clips with text, video and audio that belong together.

A model learns from ``data.train`` and predicts these arrays for a split of n clips, in their order:

    text, video, audio    float32 [n, P]  embeddings of length 1
    tv, ta, va            float32 [n, P]  of two modalities fused, of length 1; of models that fuse
    has_text, has_video, has_audio        bool [n], whether the clip has any of it
    complete              int64 []        clips of the benchmark, those that lack included
    ids                   str [n]         of the clips, for tables; may be left out
    in_text, in_video, in_audio           float32 [n, K], similarity of the mean input token to its anchors;
    out_<m>_<s>           float32 [n, K]  of the embedding of m to the anchors of s; nine of them
    plan_<m>              float32 [n, K]  target of out_<m>_<m>, from a plan over the split
                                          (the last three of models with anchors)

The i-th text, video and audio belong together. A model scores every clip, also one that lacks a modality.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from mlzoo.data.fingerprint import fingerprint
from mlzoo.errors import DataError, UsageError
from mlzoo_multisk.clips import Clips, Pooling, Shape, TrainingClips
from mlzoo_multisk.parts import Subset, TrainingSubset

if TYPE_CHECKING:
    from mlzoo_multisk.views.text import WordTable


@dataclass(frozen=True, eq=False, kw_only=True)
class RetrievalData:
    """Clips with text, video and audio.

    Attributes:
        shape: of a batch; the same in training and in evaluation but for the number of tokens.
        words: vectors of the words in use, for captions that are yet to come.
        parts: what is scored, by split: ``test`` and perhaps ``val``.
        complete: clips of the benchmark by split, those that this copy lacks included; recall is
            divided by it.
        train: to learn from; None where there is nothing (then weights are scored as they are).
        look_up: vectors of words that no caption has, from where ``words`` were read; None if there are no
            more.
        audio_tokens: to which the audio network's tokens are brought.
        audio_pooling: how.
        protocol: how clips are evaluated, e.g. ``at_once``.
        facts: what ``describe`` adds (JSON values).
        ceilings: known best values by metric, of a world with a planted answer.
        incomparable: why published numbers do not speak of this data; empty if they do.

    Raises:
        DataError: a part is empty, an id occurs twice in it, or it has more clips than the benchmark.
    """

    shape: Shape
    words: WordTable
    parts: Mapping[str, Clips]
    complete: Mapping[str, int]
    train: TrainingClips | None = None
    look_up: Callable[[Collection[str]], WordTable] | None = None
    audio_tokens: int
    audio_pooling: Pooling = "clip"
    protocol: str = "at_once"
    facts: Mapping[str, Any] = field(default_factory=dict)
    ceilings: Mapping[str, float] = field(default_factory=dict)
    incomparable: str = ""

    def __post_init__(self) -> None:
        if "test" not in self.parts or set(self.parts) - {"test", "val"}:
            raise DataError(f"the parts are {sorted(self.parts)}; expected test, perhaps val.")
        if self.train is not None and not len(self.train):
            raise DataError("train has no videos.")
        for split, clips in self.parts.items():
            self._check_part(split, clips)

    def _check_part(self, split: str, clips: Clips) -> None:
        if not len(clips):
            raise DataError(f"{split} has no clips.")
        if len(set(clips.ids)) < len(clips):
            twice = sorted({name for name in clips.ids if list(clips.ids).count(name) > 1})
            raise DataError(f"the id {twice[0]!r} occurs twice in {split}.")
        if self.complete[split] < len(clips):
            raise DataError(
                f"{split} has {len(clips)} clips, the benchmark {self.complete[split]}."
            )

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that are scored."""
        return tuple(name for name in ("val", "test") if name in self.parts)

    def part(self, name: str) -> Clips:
        """``val`` or ``test``.

        Raises:
            UsageError: there is no such part.
        """
        if name not in self.parts:
            raise UsageError(f"there are no clips of {name!r}.")
        return self.parts[name]

    def fingerprint(self) -> str:
        """SHA-256 over the clips, their captions' order, the words' vectors and the protocol."""
        digests = {f"{name}.digest": clips.digest() for name, clips in self.parts.items()}
        if self.train is not None:
            digests["train.digest"] = self.train.digest()
        texts = {**digests, "protocol": self.protocol, "pooling": self.audio_pooling}
        texts |= {f"{name}.ids": "\n".join(clips.ids) for name, clips in self.parts.items()}
        texts |= {f"{name}.captions": "\n".join(c.captions) for name, c in self.parts.items()}
        arrays: dict[str, npt.NDArray[Any]] = {
            name: np.frombuffer(text.encode(), np.uint8) for name, text in texts.items()
        }
        arrays["vectors"] = self.words.vectors
        counts = [self.audio_tokens, *(self.complete[name] for name in self.splits)]
        arrays["counts"] = np.array(counts)
        return fingerprint(arrays)

    def describe(self) -> Mapping[str, Any]:
        """Counts and shapes as JSON values."""
        shape = self.shape
        counts: dict[str, Any] = {
            "clips": {name: len(self.parts[name]) for name in self.splits},
            "complete": {name: self.complete[name] for name in self.splits},
            "training videos": 0 if self.train is None else len(self.train),
            "words": {"at most": shape.words, "width": shape.word_width, "known": len(self.words)},
            "video": {"tokens": shape.video_tokens, "width": shape.video_width},
            "audio": {"frames": shape.audio_frames, "tokens": self.audio_tokens},
            "protocol": self.protocol,
        }
        if self.incomparable:
            counts["incomparable"] = self.incomparable
        return {**counts, **self.facts}

    def limited(self, count: int) -> Self:
        """The first ``count`` clips of every part, and no ceilings; the benchmark shrinks with them.

        Raises:
            UsageError: ``count`` is below 1.
        """
        if count < 1:
            raise UsageError(f"the limit must be at least 1, got {count}.")
        parts: dict[str, Clips] = {
            name: Subset(clips, np.arange(min(count, len(clips))))
            for name, clips in self.parts.items()
        }
        train = self.train
        if train is not None and len(train) > count:
            train = TrainingSubset(train, count)
        complete = {name: len(clips) for name, clips in parts.items()}
        return replace(self, parts=parts, complete=complete, train=train, ceilings={})

    def references(self) -> Mapping[str, Mapping[str, float]]:
        """Chance levels and ceilings by metric, in the metric's unit."""
        from mlzoo_multisk.scores.chance import chance_levels

        found = {name: {"chance": value} for name, value in chance_levels(self).items()}
        for name, value in self.ceilings.items():
            found.setdefault(name, {})["ceiling"] = value
        return found
