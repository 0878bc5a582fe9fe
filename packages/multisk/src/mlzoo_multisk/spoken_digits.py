"""Numbers from 0 to 99, written, sounded and named: the embedded dataset of ``multimodal-retrieval``.

A clip shows a number as two real handwritten digits (twelve video tokens of 8×16 pixels, noisy and a
little shifted), sounds it as two notes, one for each digit, over noise (a log-mel spectrogram of 1.9
seconds, put together of recordings of single digits), and names it in a short sentence such as "here
comes forty two". Nothing but the number ties the three together. Handwriting and recordings of train, val
and test are disjoint; the first 1000 of scikit-learn's 1797 digits are train's, the next 200 val's. Some
training clips lack their audio or their text.

Test has five clips of each number and val three. So nobody can know which of five is meant: the best that
can be expected is R@1 = 20 %, R@5 = 100 % and a median rank of 3, which stand as ceilings beside results.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mlzoo_multisk.clips import FRAMES_PER_TOKEN, MEL_BANDS, ClipBatch, Floats, Index, Shape
from mlzoo_multisk.dataset_config import SpokenDigitsOptions
from mlzoo_multisk.draws import random_of
from mlzoo_multisk.metric_specs import DIRECTIONS, KS
from mlzoo_multisk.retrieval import RetrievalData
from mlzoo_multisk.views.log_mel import log_mels
from mlzoo_multisk.views.text import WordTable

NUMBERS = 100
REPEATS = {"val": 3, "test": 5}
"""Clips of each number."""

ROWS, COLUMNS = 8, 16  # pixels of a number
TOKENS, WORDS, WORD_WIDTH = 12, 8, 32
AUDIO_TOKENS = 3
FRAMES = AUDIO_TOKENS * FRAMES_PER_TOKEN
SAMPLING_RATE = 16_000
SAMPLES = (FRAMES // 2 - 1) * SAMPLING_RATE // 100
"""Of one digit, whose spectrogram has exactly half of all frames."""
RECORDINGS = {"train": 40, "val": 8, "test": 16}
"""Of each digit."""

PITCHES = np.geomspace(300, 3000, 10)
"""Hertz, of the digits from 0 to 9."""
PIXEL_NOISE, SOUND_NOISE = 0.25, 0.3
LACKING = 0.05
"""Share of the training clips without audio, and of those without text."""

ONES = (
    "zero", "one", "two", "three", "four", "five", "six", "seven",
    "eight", "nine", "ten", "eleven", "twelve", "thirteen",
    "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
SENTENCES = (
    "the number {}",
    "here comes {}",
    "somebody says {}",
    "this is {} of course",
    "{} is written here",
)
SHAPE = Shape(WORDS, WORD_WIDTH, TOKENS, ROWS * COLUMNS, FRAMES)


def name_of(number: int) -> str:
    """``42`` as ``forty two``."""
    if number < len(ONES):
        return ONES[number]
    tens, ones = divmod(number, 10)
    return TENS[tens - 2] + (f" {ONES[ones]}" if ones else "")


def vocabulary() -> list[str]:
    """Every word of every sentence, in order."""
    text = " ".join([*SENTENCES, *ONES, *TENS]).replace("{}", "")
    return sorted(set(text.split()))


@dataclass(frozen=True, eq=False)
class SpokenNumbers:
    """Clips of numbers, all in memory.

    Attributes:
        numbers: int64 [N], what each clip is about.
        video: float32 [N, V, D].
        audio: float32 [N, M, T].
        has_audio: bool [N].
        has_text: bool [N].
        words: vectors of all words.
        sentences: int64 [N], which sentence names the number; in training it is drawn anew each time.
        part: its name, for the ids.
    """

    numbers: Index
    video: Floats
    audio: Floats
    has_audio: npt.NDArray[np.bool_]
    has_text: npt.NDArray[np.bool_]
    words: WordTable
    sentences: Index
    part: str

    @cached_property
    def ids(self) -> list[str]:
        """Part, number and place, such as ``test 42 #3``."""
        seen = np.zeros(NUMBERS, dtype=np.int64)
        names = []
        for number in self.numbers:
            seen[number] += 1
            names.append(f"{self.part} {number:02d} #{seen[number]}")
        return names

    @cached_property
    def captions(self) -> list[str]:
        """One sentence a clip; empty without text."""
        return [self._caption(row, self.sentences[row]) for row in range(len(self))]

    def _caption(self, row: int, sentence: int) -> str:
        return (
            SENTENCES[sentence].format(name_of(int(self.numbers[row])))
            if self.has_text[row]
            else ""
        )

    def __len__(self) -> int:
        return len(self.numbers)

    def batch(self, rows: Index) -> ClipBatch:
        """Some clips as they are."""
        return self._with_captions(rows, [self.captions[row] for row in rows])

    def order(self, seed: int, number: int) -> Index:
        """Any order is as likely as any other."""
        return np.asarray(random_of(seed, number).permutation(len(self)), dtype=np.int64)

    def draw(self, rows: Index, seed: int, number: int) -> ClipBatch:
        """Clips with sentences drawn for this pass."""
        drawn = [random_of(seed, number, int(row)).randint(len(SENTENCES)) for row in rows]
        captions = [self._caption(row, sentence) for row, sentence in zip(rows, drawn, strict=True)]
        return self._with_captions(rows, captions)

    def _with_captions(self, rows: Index, captions: list[str]) -> ClipBatch:
        texts = [self.words.embed(caption, WORDS) for caption in captions]
        masked = np.broadcast_to(self.has_audio[rows, None], (len(rows), FRAMES))
        return ClipBatch(
            text=np.stack([vectors for vectors, _, _ in texts]),
            text_mask=np.stack([mask for _, mask, _ in texts]),
            video=self.video[rows],
            video_mask=np.ones((len(rows), TOKENS), dtype=np.float32),
            audio=self.audio[rows],
            audio_mask=masked.astype(np.float32),
            audio_frames=np.where(self.has_audio[rows], FRAMES, 0),
            ids=tuple(self.ids[row] for row in rows),
            captions=tuple(kept for _, _, kept in texts),
        )

    def digest(self) -> str:
        """Over all arrays."""
        digest = hashlib.sha256()
        for array in (
            self.numbers,
            self.video,
            self.audio,
            self.has_audio,
            self.has_text,
            self.sentences,
        ):
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()


def load(root: Path, options: SpokenDigitsOptions) -> RetrievalData:
    """The clips of a seed; no file is read."""
    random = np.random.RandomState(options.data_seed)
    names = vocabulary()
    vectors = random.standard_normal((len(names), WORD_WIDTH)).astype(np.float32)
    words = WordTable({name: row for row, name in enumerate(names)}, vectors)
    digits, label = _handwriting()
    hands = {"train": slice(0, 1000), "val": slice(1000, 1200), "test": slice(1200, None)}
    made = {}
    for part, hand in hands.items():
        if part == "train":
            numbers = random.randint(NUMBERS, size=options.videos)
        else:
            numbers = random.permutation(np.repeat(np.arange(NUMBERS), REPEATS[part]))
        made[part] = _clips(part, numbers, digits[hand], label[hand], words, random)
    return RetrievalData(
        shape=SHAPE,
        words=words,
        parts={part: made[part] for part in REPEATS},
        complete={part: len(made[part]) for part in REPEATS},
        train=made["train"],
        audio_tokens=AUDIO_TOKENS,
        facts={"data_seed": options.data_seed, "numbers": NUMBERS, "clips of a number": REPEATS},
        ceilings=ceilings(REPEATS["test"]),
    )


def ceilings(repeats: int) -> dict[str, float]:
    """What can be expected at best where ``repeats`` clips cannot be told apart, by metric."""
    recalls = {k: 100 * min(k, repeats) / repeats for k in KS}
    found: dict[str, float] = {}
    for direction in DIRECTIONS:
        found |= {f"{direction}_r{k}": recall for k, recall in recalls.items()}
        found[f"{direction}_geometric_mean"] = float(np.cbrt(recalls[1] * recalls[5] * recalls[10]))
        found[f"{direction}_mean_rank"] = found[f"{direction}_median_rank"] = (repeats + 1) / 2
    return found


def _handwriting() -> tuple[Floats, Index]:
    """All digits [1797, 8, 8] from 0 to 1, and what they are."""
    from sklearn.datasets import load_digits

    found = load_digits()
    return (found.images / 16).astype(np.float32), found.target.astype(np.int64)


def _clips(
    part: str,
    numbers: Index,
    digits: Floats,
    label: Index,
    words: WordTable,
    random: np.random.RandomState,
) -> SpokenNumbers:
    count = len(numbers)
    training = part == "train"
    # In val and test the clips of a number have different sentences, so that no two texts are equal.
    sentences = random.randint(len(SENTENCES), size=count)
    if not training:
        for number in range(NUMBERS):
            rows = np.flatnonzero(numbers == number)
            sentences[rows] = random.permutation(len(SENTENCES))[: len(rows)]
    lacks = random.uniform(size=count) if training else np.ones(count)
    has_audio, has_text = lacks >= LACKING, (lacks < LACKING) | (lacks >= 2 * LACKING)
    audio = _sounds(numbers, _recordings(RECORDINGS[part], random), random)
    return SpokenNumbers(
        numbers=numbers.astype(np.int64),
        video=_pictures(numbers, digits, label, random),
        audio=(audio * has_audio[:, None, None]).astype(np.float32),
        has_audio=has_audio,
        has_text=has_text,
        words=words,
        sentences=sentences.astype(np.int64),
        part=part,
    )


def _pictures(
    numbers: Index, digits: Floats, label: Index, random: np.random.RandomState
) -> Floats:
    """Video tokens [N, V, 128]: the same two digits in every one, shifted by a pixel at most, noisy."""
    of_digit = [np.flatnonzero(label == digit) for digit in range(10)]
    chosen = np.array(
        [[random.choice(of_digit[d]) for d in divmod(n, 10)] for n in numbers]
    )  # [N, 2]
    still = np.concatenate([digits[chosen[:, 0]], digits[chosen[:, 1]]], axis=2)  # [N, 8, 16]
    video = np.empty((len(numbers), TOKENS, ROWS, COLUMNS), dtype=np.float32)
    shifts = random.randint(-1, 2, size=(len(numbers), TOKENS))
    for shift in (-1, 0, 1):
        clip, token = np.nonzero(shifts == shift)
        video[clip, token] = np.roll(still[clip], shift, axis=2)
    video += PIXEL_NOISE * random.standard_normal(video.shape).astype(np.float32)
    return video.reshape(len(numbers), TOKENS, ROWS * COLUMNS)


def _recordings(each: int, random: np.random.RandomState) -> Floats:
    """Log-mel spectrograms [10, each, M, T/2] of single digits: a note, over noise."""
    digit = np.repeat(np.arange(10), each)[:, None]
    time = np.arange(SAMPLES, dtype=np.float32) / SAMPLING_RATE  # [samples], seconds
    begin = random.uniform(0.05, 0.25, size=digit.shape)
    end = begin + random.uniform(0.5, 0.7, size=digit.shape)
    pitch = PITCHES[digit] * random.uniform(0.98, 1.02, size=digit.shape)
    phase = random.uniform(0, 2 * np.pi, size=digit.shape)
    waves = np.sin(2 * np.pi * pitch * time + phase) * ((time >= begin) & (time < end))
    waves += SOUND_NOISE * random.standard_normal(waves.shape)
    heard: Floats = log_mels(waves.astype(np.float32)) / np.float32(80) + 1  # [-80, 0] dB to [0, 1]
    return heard.reshape(10, each, MEL_BANDS, FRAMES // 2)


def _sounds(numbers: Index, recordings: Floats, random: np.random.RandomState) -> Floats:
    """Spectrograms [N, M, T]: a recording of the tens, then one of the ones."""
    chosen = random.randint(recordings.shape[1], size=(2, len(numbers)))
    parts = [recordings[d, c] for d, c in zip(np.divmod(numbers, 10), chosen, strict=True)]
    return np.concatenate(parts, axis=2)
