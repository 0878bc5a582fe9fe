"""A world in which words, pictures, motion and sound of a clip speak of one topic, for demo data.

A topic is an action upon a thing, "fold" and "paper". Both have latent attributes; those of a topic, z,
are both side by side. All else follows by linear maps from z: the vector of the action's word and that of the
thing's, means of 2D and 3D rows (as after a ReLU, with noise on every row), and which bands of a spectrogram
are loud. A model of linear maps can tell all topics apart, and clips of one topic cannot be told apart.

Of two worlds of one seed and of equal widths, the one with fewer topics is a part of the other, so that what
is learnt from one dataset's demo holds in another's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mlzoo.files import atomic_write
from mlzoo_multisk.clips import MEL_BANDS, Floats, Index
from mlzoo_multisk.metric_specs import DIRECTIONS, KS

ACTIONS = (
    "chop", "fold", "paint", "drill", "wash", "roll", "lift", "tie", "shake", "bend", "cover", "turn",
)  # fmt: skip
THINGS = (
    "onion", "paper", "wall", "board", "car", "dough", "box", "rope", "bottle", "wire", "bowl", "wheel",
)  # fmt: skip
SENTENCES = (
    "now we {action} the {thing}",
    "here you {action} a {thing}",
    "um just {action} this {thing} again",
    "first {action} your {thing}",
    "and I {action} the {thing} like that",
    "so um {action} it the {thing} is ready",
)
UNKNOWN = ("um",)
"""Words of the sentences that have no vector."""

ATTRIBUTES = 6
"""Of an action, and of a thing."""
CLOSEST = 0.6
"""Cosine of the attributes of any two actions or things, at most."""
ROW_NOISE, WORD_LENGTH, FILLER_LENGTH = 0.5, 4.0, 1.0
LOUD, SPREAD, SOUND_NOISE = -45.0, 12.0, 4.0
"""Of a spectrogram, in dB below its loudest: the mean, what a topic changes, and noise."""
ROWS_2D, ROWS_3D, FRAMES = 1.0, 1.5, 100.0
"""A second."""

Half = npt.NDArray[np.float16]


class PlantedWorld:
    """Topics and what shows them.

    Args:
        seed: of everything that is fixed in the world.
        topics: how many, at most 144.
        width_2d: D2, numbers of a 2D row.
        width_3d: D3.
        word_width: E, at least 12.

    Attributes:
        names: of the topics, such as ``fold paper``.
        words: all words that have a vector.
        vectors: float32 [n, E].

    Raises:
        ValueError: too many topics or none, or words of too few numbers.
    """

    def __init__(
        self,
        seed: int,
        topics: int = 24,
        *,
        width_2d: int = 48,
        width_3d: int = 48,
        word_width: int = 32,
    ) -> None:
        if not 0 < topics <= len(ACTIONS) * len(THINGS):
            raise ValueError(f"topics must be from 1 to {len(ACTIONS) * len(THINGS)}, got {topics}")
        if word_width < 2 * ATTRIBUTES:
            raise ValueError(f"word_width must be at least {2 * ATTRIBUTES}, got {word_width}")
        random = np.random.RandomState(seed)
        self.width_2d, self.width_3d = width_2d, width_3d
        chosen = random.permutation(len(ACTIONS) * len(THINGS))[:topics]
        self._action, self._thing = np.divmod(chosen, len(THINGS))
        actions, things = (_distinct(random, len(names)) for names in (ACTIONS, THINGS))
        self._latent = np.hstack([actions[self._action], things[self._thing]])  # z [topics, 12]
        self._mean_2d = self._map(random, width_2d) + 0.5
        self._mean_3d = self._map(random, width_3d) + 0.5
        self._bands = np.clip(self._map(random, MEL_BANDS), -2, 2)
        self.names = [
            f"{ACTIONS[a]} {THINGS[b]}" for a, b in zip(self._action, self._thing, strict=True)
        ]
        fillers = [word for word in _fillers() if word not in UNKNOWN]
        basis = np.linalg.qr(random.standard_normal((word_width, 2 * ATTRIBUTES)))[0].T  # [12, E]
        of_words = WORD_LENGTH * np.vstack(
            [actions @ basis[:ATTRIBUTES], things @ basis[ATTRIBUTES:]]
        )
        noise = random.standard_normal((len(fillers), word_width)) * FILLER_LENGTH / word_width**0.5
        self.words = [*ACTIONS, *THINGS, *fillers]
        self.vectors: Floats = np.vstack([of_words, noise]).astype(np.float32)

    def __len__(self) -> int:
        return len(self.names)

    def sentence(self, topic: int, random: np.random.RandomState) -> str:
        """What somebody says about a topic."""
        action, thing = ACTIONS[self._action[topic]], THINGS[self._thing[topic]]
        return SENTENCES[random.randint(len(SENTENCES))].format(action=action, thing=thing)

    def video_rows(
        self, topic: int, seconds: float, random: np.random.RandomState
    ) -> tuple[Floats, Floats]:
        """2D rows float32 [r2, D2], one a second, and 3D rows float32 [r3, D3], one and a half a second;
        one at least."""
        counts = (max(1, round(rate * seconds)) for rate in (ROWS_2D, ROWS_3D))
        two, three = (np.full(count, topic) for count in counts)
        return self.rows_2d(two, random), self.rows_3d(three, random)

    def rows_2d(self, topics: Index, random: np.random.RandomState) -> Floats:
        """2D rows float32 [r2, D2] of the topic of each."""
        return _after_relu(self._mean_2d[topics], random)

    def rows_3d(self, topics: Index, random: np.random.RandomState) -> Floats:
        """3D rows float32 [r3, D3] of the topic of each."""
        return _after_relu(self._mean_3d[topics], random)

    def spectrogram(self, topic: int, seconds: float, random: np.random.RandomState) -> Half:
        """Log-mel spectrogram float16 [40, T], 100 frames a second, from -80 to 0 dB."""
        return self.frames(np.full(max(1, round(FRAMES * seconds)), topic), random)

    def frames(self, topics: Index, random: np.random.RandomState) -> Half:
        """The same [40, T] of the topic of each frame."""
        sound = LOUD + SPREAD * self._bands[topics].T  # [40, T]
        sound = sound + SOUND_NOISE * random.standard_normal(sound.shape)
        return np.clip(sound, -80, 0).astype(np.float16)

    def write_word_vectors(self, path: Path) -> None:
        """A text file: the number of words and of numbers, then a word and its numbers a line."""
        with atomic_write(path) as file:
            file.write(f"{len(self.words)} {self.vectors.shape[1]}\n".encode())
            for word, vector in zip(self.words, self.vectors, strict=True):
                numbers = " ".join(f"{number:.6g}" for number in vector)
                file.write(f"{word} {numbers}\n".encode())

    def ceilings(self, topics: Sequence[int]) -> dict[str, float]:
        """What can be expected at best of clips with these topics, by metric; every direction alike.

        The clips of a topic are ranked before all others, in an order that nobody can know.
        """
        counts = np.bincount(np.asarray(topics, np.int64), minlength=len(self))
        group = counts[np.asarray(topics, np.int64)]  # [n], clips of the same topic
        found: dict[str, float] = {
            f"r{k}": 100 * float((np.minimum(k, group) / group).mean()) for k in KS
        }
        found["geometric_mean"] = float(np.cbrt(found["r1"] * found["r5"] * found["r10"]))
        found["mean_rank"] = float(((group + 1) / 2).mean())
        found["median_rank"] = float(np.median((group + 1) / 2))
        return {f"{way}_{name}": value for way in DIRECTIONS for name, value in found.items()}

    def facts(self) -> Mapping[str, object]:
        """What was planted, as JSON values."""
        return {"topics": len(self), "words": len(self.words), "such as": self.names[0]}

    def _map(self, random: np.random.RandomState, width: int) -> npt.NDArray[np.float64]:
        """[topics, width]: what the attributes become by a linear map."""
        mapped = self._latent @ random.standard_normal((2 * ATTRIBUTES, width))
        return np.asarray(mapped, np.float64)


def _after_relu(means: npt.NDArray[np.float64], random: np.random.RandomState) -> Floats:
    rows = means + ROW_NOISE * random.standard_normal(means.shape)
    return np.maximum(rows, 0).astype(np.float32)


def _distinct(random: np.random.RandomState, count: int) -> npt.NDArray[np.float64]:
    """[count, ATTRIBUTES] of length 1, those too close to an earlier one drawn again."""
    found = np.empty((0, ATTRIBUTES))
    while len(found) < count:
        drawn = random.standard_normal(ATTRIBUTES)
        drawn /= np.linalg.norm(drawn)
        if (found @ drawn <= CLOSEST).all():
            found = np.vstack([found, drawn])
    return found


def _fillers() -> list[str]:
    """Words of the sentences that are neither actions nor things, in order."""
    text = " ".join(sentence.format(action="", thing="") for sentence in SENTENCES)
    return sorted(set(text.split()))
