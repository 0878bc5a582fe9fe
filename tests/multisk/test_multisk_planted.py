"""The world of the demo data: what belongs together can be found, by linear maps alone."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from mlzoo_multisk.planted import ACTIONS, THINGS, UNKNOWN, PlantedWorld


def test_a_world_follows_from_its_seed() -> None:
    one, same, other = PlantedWorld(1, 10), PlantedWorld(1, 10), PlantedWorld(2, 10)
    np.testing.assert_array_equal(one.vectors, same.vectors)
    assert one.names == same.names
    assert one.names != other.names
    assert len(one) == len(set(one.names)) == 10


def test_clips_have_the_form_of_the_real_ones() -> None:
    world = PlantedWorld(0, 5, width_2d=7, width_3d=9, word_width=20)
    random = np.random.RandomState(3)
    video_2d, video_3d = world.video_rows(2, 20.0, random)
    audio = world.spectrogram(2, 20.0, random)
    assert (video_2d.shape, video_3d.shape, audio.shape) == ((20, 7), (30, 9), (40, 2000))
    assert (video_2d.dtype, video_3d.dtype, audio.dtype) == (np.float32, np.float32, np.float16)
    assert video_2d.min() >= 0
    assert audio.min() >= -80
    assert audio.max() <= 0
    assert world.vectors.shape == (len(world.words), 20)
    sentence = world.sentence(2, random)
    assert all(word in sentence.split() for word in world.names[2].split())


def test_words_without_a_vector_are_there() -> None:
    world = PlantedWorld(0, 5)
    random = np.random.RandomState(0)
    said = {word for _ in range(200) for word in world.sentence(0, random).split()}
    assert said - set(world.words) == set(UNKNOWN)


def test_word_vectors_are_a_text_file(tmp_path: Path) -> None:
    world = PlantedWorld(0, 5)
    world.write_word_vectors(tmp_path / "word_vectors.txt")
    first, *lines = (tmp_path / "word_vectors.txt").read_text().splitlines()
    assert first == f"{len(world.words)} 32"
    assert [line.split()[0] for line in lines] == world.words
    numbers = np.array([line.split()[1:] for line in lines], np.float32)
    np.testing.assert_allclose(numbers, world.vectors, rtol=1e-5)


@pytest.mark.parametrize("seed", [0, 1])
def test_topics_are_told_by_linear_maps_between_any_two_modalities(seed: int) -> None:
    world = PlantedWorld(seed, 24)
    random = np.random.RandomState(seed)
    topics = np.arange(24).repeat(12)

    def views() -> dict[str, np.ndarray]:
        row = dict(zip(world.words, world.vectors, strict=True))
        texts = [[w for w in world.sentence(t, random).split() if w in row] for t in topics]
        videos = [
            np.hstack([x.mean(axis=0) for x in world.video_rows(t, 8, random)]) for t in topics
        ]
        sounds = [world.spectrogram(t, 2, random).mean(axis=1, dtype=np.float64) for t in topics]
        of_text = [np.sum([row[word] for word in words], axis=0) for words in texts]
        return {"text": np.array(of_text), "video": np.array(videos), "audio": np.array(sounds)}

    train, test = views(), views()
    for source, target in itertools.permutations(train, 2):
        fit = np.linalg.lstsq(_with_one(train[source]), train[target], rcond=None)[0]
        means = np.stack([train[target][topics == topic].mean(axis=0) for topic in range(24)])
        guess = _with_one(test[source]) @ fit
        nearest = ((guess[:, None] - means[None]) ** 2).sum(axis=2).argmin(axis=1)
        assert (nearest == topics).mean() > 0.85, (source, target)


def _with_one(rows: np.ndarray) -> np.ndarray:
    return np.hstack([rows, np.ones((len(rows), 1))])


def test_ceilings_are_what_knowing_the_topics_gives() -> None:
    world = PlantedWorld(0, 5)
    assert world.ceilings([0, 1, 2])["t2v_r1"] == 100
    found = world.ceilings([0, 0, 1, 1])
    assert found["t2v_r1"] == 50
    assert found["v+a2t_r5"] == 100
    assert found["a2t_mean_rank"] == found["a2t_median_rank"] == 1.5
    topics = np.array([0] * 7 + [1] * 2 + [3])
    random = np.random.RandomState(0)
    hits = []
    for _ in range(2000):
        scores = (topics[:, None] == topics[None]) + 0.5 * random.random_sample((10, 10))
        ranks = (scores > np.diag(scores)[:, None]).sum(axis=1)
        hits.append(100 * (ranks < 5).mean())
    assert np.mean(hits) == pytest.approx(world.ceilings(topics.tolist())["t2v_r5"], abs=1)


@pytest.mark.parametrize("topics", [0, len(ACTIONS) * len(THINGS) + 1])
def test_too_many_topics_are_refused(topics: int) -> None:
    with pytest.raises(ValueError, match="topics must be from 1 to 144"):
        PlantedWorld(0, topics)
    assert len(PlantedWorld(0, 144)) == 144


def test_a_world_of_fewer_topics_is_a_part_of_one_of_more():
    small, large = PlantedWorld(3, 5), PlantedWorld(3, 40)
    assert small.names == large.names[:5]
    assert small.words == large.words
    np.testing.assert_array_equal(small.vectors, large.vectors)
    for one, other in zip(
        small.video_rows(4, 6, np.random.RandomState(0)),
        large.video_rows(4, 6, np.random.RandomState(0)),
        strict=True,
    ):
        np.testing.assert_allclose(one, other, atol=1e-6)
