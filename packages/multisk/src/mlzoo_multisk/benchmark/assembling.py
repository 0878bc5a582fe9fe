"""From the parts of a benchmark to task data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlzoo_multisk.benchmark.part import CaptionedPart, common_widths, refuse_shared
from mlzoo_multisk.captioned import CaptionedClips, CaptionedTraining, ClipForm
from mlzoo_multisk.clips import Clips
from mlzoo_multisk.dataset_config import ClipOptions, Strategy
from mlzoo_multisk.retrieval import RetrievalData
from mlzoo_multisk.views.text import WordTable, tokenise
from mlzoo_multisk.views.word_vectors import look_up


@dataclass(frozen=True, eq=False)
class Parts:
    """What a folder holds of a benchmark, whatever its layout.

    Attributes:
        layout: ``pickle``, ``csv`` or ``shards``.
        test: the clips that are scored.
        train: those to learn from, if there are any.
        complete: test clips of the benchmark, those that lack included.
        incomparable: why published numbers do not speak of this copy; empty if they do.
        ceilings: of a demo.
        facts: what is to be told (JSON values).
    """

    layout: str
    test: CaptionedPart
    train: CaptionedPart | None
    complete: int
    incomparable: str = ""
    ceilings: Mapping[str, float] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)


def assemble(root: Path, parts: Parts, options: ClipOptions, tokens: int) -> RetrievalData:
    """Task data.

    Args:
        root: the dataset's folder, where word vectors may lie.
        parts: what it holds.
        options: words, strategy, validation.
        tokens: of a clip.

    Raises:
        DataError: word vectors are missing or damaged, a video is in test and in training, or widths
            differ.
        UsageError: the options do not fit together.
    """
    train, val = parts.train, None
    if train is not None:
        refuse_shared(parts.test, train, str(root))
        train, val = train.divided(options.validation, options.validation_seed)
    table = words_of(
        root, [each for each in (parts.test, parts.train) if each is not None], options
    )
    there = [each for each in (parts.test, parts.train) if each is not None]
    strategy: Strategy = options.strategy
    form = ClipForm(table, options.words, tokens, strategy, *common_widths(*there))
    scored: dict[str, Clips] = {"test": scored_clips(parts.test, form)}
    complete = {"test": parts.complete}
    if val is not None:
        scored["val"], complete["val"] = scored_clips(val, form), len(val)
    return RetrievalData(
        shape=form.shape,
        words=table,
        look_up=look_up(root, options.word_vectors),
        parts=scored,
        complete=complete,
        train=None
        if train is None
        else CaptionedTraining(train.store, train.rows, train.own_captions(), form),
        audio_tokens=form.audio_tokens,
        audio_pooling=form.audio_pooling,
        protocol=strategy,
        facts={"layout": parts.layout, **parts.facts},
        ceilings=parts.ceilings,
        incomparable=parts.incomparable,
    )


def scored_clips(part: CaptionedPart, form: ClipForm) -> CaptionedClips:
    """A part as clips that are scored, each with its first caption."""
    captions = [own[0] for own in part.own_captions()]
    return CaptionedClips(part.store, part.rows, captions, form)


def words_of(root: Path, parts: Iterable[CaptionedPart], options: ClipOptions) -> WordTable:
    """The vectors of all words of the captions of some parts.

    Raises:
        DataError: there is no file of vectors, or it is damaged.
    """
    words = {
        word
        for part in parts
        for own in part.own_captions()
        for caption in own
        for word in tokenise(caption)
    }
    return look_up(root, options.word_vectors)(words)
