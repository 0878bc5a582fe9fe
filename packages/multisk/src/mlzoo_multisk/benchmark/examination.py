"""What the doctors of MSR-VTT and YouCook2 look at in the same way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from mlzoo.contracts import Finding
from mlzoo.data.examination import all_together, guarded
from mlzoo.errors import MlzooError
from mlzoo_multisk.benchmark.assembling import Parts, words_of
from mlzoo_multisk.benchmark.files import layouts_of
from mlzoo_multisk.benchmark.part import CaptionedPart, shared_videos
from mlzoo_multisk.clips import FRAMES_PER_TOKEN, Item
from mlzoo_multisk.dataset_config import ClipOptions
from mlzoo_multisk.retrieval import RetrievalData
from mlzoo_multisk.views.text import tokenise
from mlzoo_multisk.views.video import FPS_2D, FPS_3D
from mlzoo_multisk.views.word_vectors import find_word_vectors

NAMED = 3
"""Of many, those that are named."""


def examined(
    root: Path,
    test_files: Mapping[str, str],
    options: ClipOptions,
    read: Callable[[], Parts],
    load: Callable[[], RetrievalData],
) -> Sequence[Finding]:
    """All findings about a copy of a benchmark; every clip is read.

    Args:
        root: the dataset's folder.
        test_files: by layout, the file of the test clips.
        options: of the dataset.
        read: the clips of whatever layout there is.
        load: the whole data.
    """
    findings = list(check_layouts(root, test_files))
    if not layouts_of(root, test_files):
        return findings
    findings += guarded("clips", _check_clips(root, options, read))
    if all(finding.level != "error" for finding in findings):
        findings += all_together(load)
    return findings


def _check_clips(root: Path, options: ClipOptions, read: Callable[[], Parts]) -> Iterator[Finding]:
    parts = read()
    yield from check_parts(parts)
    yield from guarded("word vectors", check_words(root, parts, options))


def check_layouts(root: Path, test_files: Mapping[str, str]) -> Iterator[Finding]:
    """Which layouts there are, and which of them is read."""
    found = layouts_of(root, test_files)
    if not found:
        names = " or ".join(test_files.values())
        yield Finding("error", "layout", f"there is none: no {names}, no shards")
    for place, layout in enumerate(found):
        if place == 0:
            yield Finding("ok", "layout", layout)
        else:
            yield Finding("note", "layout", f"{layout} is there, too, and not read")


def check_parts(parts: Parts) -> Iterator[Finding]:
    """Counts, contents and captions of the test clips and of those to learn from."""
    text = f"{len(parts.test):,} clips of {parts.complete:,} of the benchmark"
    yield Finding("warning" if parts.incomparable else "ok", "test", text)
    yield from check_contents("test", parts.test)
    yield from check_captions("test", parts.test)
    repeated = Counter(own[0] for own in parts.test.own_captions())
    if same := sum(count for count in repeated.values() if count > 1):
        text = f"{same} clips share their caption with another, which no model can tell apart"
        yield Finding("note", "test", text)
    if parts.train is None:
        yield Finding("note", "train", "there is nothing to learn from; weights can be scored")
        return
    listed = int(parts.train.facts.get("complete", len(parts.train)))
    lacking = f" of {listed:,} of the list" if listed > len(parts.train) else ""
    yield Finding("note" if lacking else "ok", "train", f"{len(parts.train):,} clips{lacking}")
    yield from check_contents("train", parts.train)
    yield from check_captions("train", parts.train)
    if shared := shared_videos(parts.test, parts.train):
        text = f"{len(shared)} videos of the test list are in training, too: {_some(shared)}"
        yield Finding("error", "train", text, "Leave them out of training.")


def check_contents(name: str, part: CaptionedPart) -> Iterator[Finding]:
    """Every clip is read: what cannot be, what lacks, what is short."""
    lacking: Counter[str] = Counter()
    bad: list[str] = []
    misfits: list[str] = []
    short: list[str] = []
    for row in part.rows:
        try:
            item = part.store.item(int(row))
        except MlzooError as error:
            bad.append(error.message)
            continue
        for kind, array in (("2D", item.video_2d), ("3D", item.video_3d), ("audio", item.audio)):
            lacking[kind] += array is None
        if _misfit(item):
            misfits.append(item.key)
        if item.audio is not None and item.audio.shape[1] < FRAMES_PER_TOKEN:
            short.append(item.key)
    for message in bad[:NAMED]:
        yield Finding("error", name, message, "Fetch or extract it again.")
    if bad[NAMED:]:
        yield Finding("error", name, f"{len(bad) - NAMED} other clips cannot be read")
    told = ", ".join(f"{count} without {kind}" for kind, count in lacking.items() if count)
    yield Finding("note" if told else "ok", name, f"{told or 'nothing lacks'}; {_widths(part)}")
    if misfits:
        text = f"2D and 3D rows of {len(misfits)} clips are not of one length: {_some(misfits)}"
        yield Finding("warning", name, text)
    if short:
        text = f"audio of {len(short)} clips is shorter than a token: {_some(short)}"
        yield Finding("note", name, text)


def check_captions(name: str, part: CaptionedPart) -> Iterator[Finding]:
    """How many captions a clip has, and which are blank."""
    own = part.own_captions()
    counts = [len(each) for each in own]
    total = sum(counts)
    text = f"{total:,} captions, {min(counts)} to {max(counts)} of a clip"
    yield Finding("ok", name, text)
    blank = [key for key, each in zip(part.keys, own, strict=True) if each == ("",)]
    if blank:
        text = f"{len(blank)} clips have a blank caption and count as without text: {_some(blank)}"
        yield Finding("warning", name, text)


def check_words(root: Path, parts: Parts, options: ClipOptions) -> Iterator[Finding]:
    """Which of the captions' words have a vector."""
    path = find_word_vectors(root, options.word_vectors)
    there = [each for each in (parts.test, parts.train) if each is not None]
    table = words_of(root, there, options)
    captions = [text for part in there for own in part.own_captions() for text in own if text]
    words = Counter(word for text in captions for word in tokenise(text))
    total = sum(words.values())
    known = sum(count for word, count in words.items() if word in table)
    unknown = [word for word, _ in words.most_common() if word not in table]
    share = 100 * known / max(1, total)
    text = f"{table.width} numbers each; {share:.1f} % of {total:,} words are known"
    text += f", not {_some(unknown)}" if unknown else ""
    yield Finding("ok" if share > 50 else "warning", path.name, text)
    if none := sum(not table.tokens_known(text) for text in captions):
        yield Finding("warning", path.name, f"{none} captions have no known word")
    longer = sum(len(table.tokens_known(text)) > options.words for text in captions)
    yield Finding("ok", path.name, f"{longer} captions have more than {options.words} known words")


def _misfit(item: Item) -> bool:
    """Whether rows of 2D and 3D cannot be of one clip."""
    if item.video_2d is None or item.video_3d is None:
        return False
    expected = len(item.video_2d) * FPS_3D / FPS_2D
    return abs(len(item.video_3d) - expected) > max(3.0, 0.2 * expected)


def _widths(part: CaptionedPart) -> str:
    named = zip(("2D", "3D"), part.widths, strict=True)
    return ", ".join(
        f"{kind} rows of {width}" if width else f"no {kind} rows" for kind, width in named
    )


def _some(names: list[str]) -> str:
    rest = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {rest} others" if rest > 0 else "")
