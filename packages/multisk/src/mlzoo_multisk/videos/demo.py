"""``mlzoo data demo videos``: small videos with sound, and a dataset made of them.

In ``given/`` lies what a person with videos would give: ``videos/`` (a coloured shape that moves, and the
sound of the topic), ``audio/`` (the same for every third, as .wav), ``captions.csv``, word vectors, and
``features/``. As no published weights are at hand, the 2D and 3D features are planted; sound is real: its
spectrograms are computed from the files, by the same code as those of anybody's videos.
"""

from __future__ import annotations

import csv
import wave
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mlzoo.errors import UsageError
from mlzoo.files import write_arrays
from mlzoo.progress import Progress
from mlzoo_multisk.benchmark.marker import Planted, write_marker
from mlzoo_multisk.clips import MEL_BANDS
from mlzoo_multisk.planted import PlantedWorld
from mlzoo_multisk.shards.store import ShardStore
from mlzoo_multisk.videos.captions import CAPTION, SPLIT, VIDEO
from mlzoo_multisk.videos.loading import SHARDS
from mlzoo_multisk.videos.pictures import library
from mlzoo_multisk.videos.prepare import prepare
from mlzoo_multisk.videos.prepare_config import PrepareVideosOptions

GIVEN = "given"
TOPICS, PER_TOPIC = 16, 3
"""Of the videos of a topic, one is in test."""
SIDE, PICTURES = 64, 12
"""Pixels of a side, and pictures a second."""
SAMPLES = 16_000
FUNDAMENTAL = 40
"""Hz from one frequency of the spectrum behind the mel bands to the next."""
LOUDNESS = 0.05

Pixels = npt.NDArray[np.uint8]
Wave = npt.NDArray[np.float32]


def write_demo(root: Path, seed: int) -> Mapping[str, object]:
    """Write videos and all that belongs to them, and prepare them.

    Returns:
        What was planted.

    Raises:
        UsageError: the folder holds something already.
        MlzooError: PyAV is not installed.
    """
    library()
    root.mkdir(parents=True, exist_ok=True)
    if any(root.iterdir()):
        raise UsageError(f"{root} is not empty.", "Move it away, or choose another folder.")
    world = PlantedWorld(seed, TOPICS)
    random = np.random.RandomState(np.random.MT19937(np.random.SeedSequence((seed, 1))))
    given = root / GIVEN
    for name in ("videos", "audio", "features"):
        (given / name).mkdir(parents=True)
    order = random.permutation(TOPICS * PER_TOPIC)
    lines = [[VIDEO, CAPTION, SPLIT]]
    topics = {}
    for number, place in enumerate(order):
        topic, turn = divmod(int(place), PER_TOPIC)
        name, split = f"clip{number:02d}", "test" if turn == 0 else "train"
        _write_video(given, name, world, topic, number, random)
        said = {world.sentence(topic, random) for _ in range(1 if split == "test" else 2)}
        lines += [[f"{name}.mp4", sentence, split] for sentence in sorted(said)]
        topics[name] = topic
    with (given / "captions.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(lines)
    world.write_word_vectors(given / "word_vectors.txt")
    options = {
        "videos": given / "videos",
        "captions": given / "captions.csv",
        "features": given / "features",
        "audio": given / "audio",
        "vectors": given / "word_vectors.txt",
    }
    prepare(root, PrepareVideosOptions.model_validate(options), Progress(quiet=True))
    return _planted(root, world, topics)


def _planted(root: Path, world: PlantedWorld, topics: Mapping[str, int]) -> dict[str, Any]:
    store = ShardStore.opened(root / SHARDS)
    tested = [key for row, key in enumerate(store.keys) if store.item(row).facts[SPLIT] == "test"]
    ceilings = world.ceilings([topics[key] for key in tested])
    facts = {**world.facts(), "videos": len(topics), "features": "planted", "sound": "computed"}
    write_marker(root, tested, Planted(len(tested), ceilings), facts)
    return facts


def _write_video(
    given: Path,
    name: str,
    world: PlantedWorld,
    topic: int,
    number: int,
    random: np.random.RandomState,
) -> None:
    seconds = 4 + number % 3
    heard = sound_of(world, topic, seconds, random)
    apart = number % 3 == 0
    shown = moving_shape(topic, seconds, random)
    encode(given / "videos" / f"{name}.mp4", shown, PICTURES, None if apart else heard)
    if apart:
        write_wav(given / "audio" / f"{name}.wav", heard, SAMPLES)
    rows_2d, rows_3d = world.video_rows(topic, seconds, random)
    for kind, rows in (("2d", rows_2d), ("3d", rows_3d)):
        path = given / "features" / f"{name}_{kind}.npz"
        write_arrays(path, {"features": rows.astype(np.float16)})


def sound_of(
    world: PlantedWorld, topic: int, seconds: float, random: np.random.RandomState
) -> Wave:
    """A chord that is as loud in each mel band as the topic asks for: float32 [n]."""
    decibels = world.frames(np.full(50, topic), random).astype(np.float64).mean(axis=1)  # [40]
    amplitudes = 10 ** (decibels / 20)
    phases = random.uniform(0, 2 * np.pi, MEL_BANDS)
    times = np.arange(SAMPLES // FUNDAMENTAL) / SAMPLES  # a period: all are multiples of 40 Hz
    waves = np.sin(2 * np.pi * _centres()[:, None] * times + phases[:, None])  # [40, 400]
    period = LOUDNESS * amplitudes @ waves / np.sqrt(np.sum(amplitudes**2))
    chord = np.resize(period, round(seconds * SAMPLES))
    return np.asarray(chord + 1e-4 * random.standard_normal(chord.size), np.float32)


def _centres() -> npt.NDArray[np.float64]:
    """Hertz at which each band is most open: float64 [40]."""
    from mlzoo_multisk.views.log_mel import mel_filters

    filters = mel_filters()  # [40, 201], every 40 Hz from 0
    return np.asarray(filters.argmax(axis=1) * FUNDAMENTAL, np.float64)


def moving_shape(topic: int, seconds: float, random: np.random.RandomState) -> Pixels:
    """uint8 [pictures, side, side, 3]: colour and way of a square follow from the topic."""
    count = round(seconds * PICTURES)
    hue = 2 * np.pi * topic / TOPICS
    colour = 128 + 110 * np.cos(hue + 2 * np.pi * np.arange(3) / 3)
    way = 2 * np.pi * (topic % 4) / 4
    pictures = np.full((count, SIDE, SIDE, 3), 40.0) + 4 * random.standard_normal((SIDE, SIDE, 1))
    rows, columns = np.mgrid[:SIDE, :SIDE]
    for number in range(count):
        swing = 20 * np.sin(2 * np.pi * number / PICTURES)
        x, y = SIDE / 2 + swing * np.cos(way), SIDE / 2 + swing * np.sin(way)
        pictures[number, (abs(columns - x) < 9) & (abs(rows - y) < 9)] = colour
    return np.clip(pictures, 0, 255).astype(np.uint8)


def encode(path: Path, pictures: Pixels, per_second: int, heard: Wave | None) -> None:
    """Write a video (MPEG-4), with sound (AAC) if there is any.

    Args:
        path: ends in .mp4.
        pictures: uint8 [n, H, W, 3].
        per_second: of the pictures.
        heard: float32 [n], 16,000 samples a second.
    """
    av = library()
    with av.open(str(path), "w") as container:
        seen = container.add_stream("mpeg4", rate=per_second)
        seen.height, seen.width = pictures.shape[1:3]
        seen.pix_fmt = "yuv420p"
        sound = None
        if heard is not None:
            sound = container.add_stream("aac", rate=SAMPLES, layout="mono")
            sound.options = {"aac_coder": "fast"}
        for picture in pictures:
            container.mux(seen.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(seen.encode(None))
        if sound is not None and heard is not None:
            _encode_sound(container, sound, heard)


def _encode_sound(container: Any, stream: Any, heard: Wave) -> None:
    av = library()
    for start in range(0, heard.size, 1024):
        frame = av.AudioFrame.from_ndarray(
            heard[None, start : start + 1024], format="fltp", layout="mono"
        )
        frame.sample_rate, frame.pts, frame.time_base = SAMPLES, start, Fraction(1, SAMPLES)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def write_wav(path: Path, heard: Wave, rate: int, channels: Sequence[int] = (1,)) -> None:
    """16 bits a sample, one channel of the given loudness each."""
    samples = np.stack([heard * loudness for loudness in channels], axis=1)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(len(channels))
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.clip(np.round(samples * 32767), -32768, 32767).astype("<i2").tobytes())
