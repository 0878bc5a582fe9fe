"""Features that are made once: after kills, beside other processes, on damaged and full disks."""

from __future__ import annotations

import json
import multiprocessing
import os
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pytest
from jpg_sets import write_sets

from mlzoo.errors import DataError, RunError
from mlzoo.faults import failing_writes
from mlzoo.progress import Progress
from mlzoo_imagecode import encoding, feature_cache
from mlzoo_imagecode.encoding import image_features, text_features
from mlzoo_imagecode.feature_cache import cache_folder, cached_rows
from mlzoo_imagecode.images.arrays import ArrayImages
from mlzoo_imagecode.images.folder import JpgImages

COUNT, WIDTH, BLOCK = 23, 5, 4
IDENTITY = {"weights": "abc", "images": "def"}


def row(place: int) -> np.ndarray:
    return np.random.default_rng(place).standard_normal(WIDTH).astype(np.float32)


EXPECTED = np.stack([row(place) for place in range(COUNT)])


class Told(Progress):
    """Keeps what it is told."""

    def __init__(self) -> None:
        super().__init__(quiet=True)
        self.lines: list[str] = []
        self.done: list[int] = []

    def message(self, text: str) -> None:
        self.lines.append(text)

    def counted(self, done: int, total: int) -> None:
        self.done.append(done)


class Maker:
    """Makes rows and remembers which; breaks at one, if asked to."""

    def __init__(self, breaks_at: int | None = None) -> None:
        self.made: list[int] = []
        self.breaks_at = breaks_at

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        if self.breaks_at is not None and self.breaks_at in rows:
            raise DataError("an image is broken.")
        self.made += rows.tolist()
        return EXPECTED[rows]


def rows_of(
    folder: Path, make: Callable, told: Progress | None = None, **named: object
) -> np.ndarray:
    words = {"identity": IDENTITY, "count": COUNT, "width": WIDTH, "block": BLOCK} | named
    return cached_rows(folder, make=make, progress=told or Told(), title="images", **words)


def entry(folder: Path) -> Path:
    (found,) = folder.iterdir()
    return found


def test_rows_are_made_once_and_mapped_read_only(tmp_path: Path) -> None:
    maker, told = Maker(), Told()
    rows = rows_of(tmp_path, maker, told)
    assert np.array_equal(rows, EXPECTED)
    assert maker.made == list(range(COUNT))
    assert told.done == [4, 8, 12, 16, 20, 23]
    again = rows_of(tmp_path, maker)
    assert maker.made == list(range(COUNT))
    for found in (rows, again):
        assert isinstance(found, np.memmap)
        assert found.dtype == np.float32
        assert found.tobytes() == EXPECTED.tobytes()
        with pytest.raises(ValueError, match="read-only"):
            found[0, 0] = 1
    assert sorted(path.name for path in entry(tmp_path).iterdir()) == ["lock", "rows"]


def test_other_weights_images_widths_or_numbers_are_other_rows(tmp_path: Path) -> None:
    rows_of(tmp_path, Maker())
    for named in (
        {"identity": {**IDENTITY, "weights": "abd"}},
        {"identity": {**IDENTITY, "more": ""}},
        {"count": COUNT - 1},
    ):
        maker = Maker()
        rows_of(tmp_path, maker, **named)
        assert maker.made
    assert len(list(tmp_path.iterdir())) == 4
    maker = Maker()
    rows_of(tmp_path, maker, identity=dict(reversed(IDENTITY.items())), block=7)
    assert not maker.made


def test_no_rows_need_no_disk(tmp_path: Path) -> None:
    assert rows_of(tmp_path / "no", Maker(), count=0).shape == (0, WIDTH)
    assert not (tmp_path / "no").exists()


def test_after_an_error_what_was_made_is_not_made_again(tmp_path: Path) -> None:
    first, second, told = Maker(breaks_at=13), Maker(), Told()
    with pytest.raises(DataError, match="an image is broken"):
        rows_of(tmp_path, first)
    rows = rows_of(tmp_path, second, told)
    assert first.made == list(range(12))
    assert second.made == list(range(12, COUNT))
    assert rows.tobytes() == EXPECTED.tobytes()
    assert told.lines == [f"12 of {COUNT} images were done before."]


def test_rows_that_are_not_finite_are_never_kept(tmp_path: Path) -> None:
    def make(rows: np.ndarray) -> np.ndarray:
        found = EXPECTED[rows].copy()
        found[rows == 9, 2] = np.nan
        return found

    with pytest.raises(RunError, match="features of row 9 are not finite") as error:
        rows_of(tmp_path, make)
    assert error.value.fix
    assert json.loads((entry(tmp_path) / "work" / "progress.json").read_text())["done"] == 8


def test_rows_of_another_shape_are_a_fault_of_the_caller(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"rows are \(3, 5\), expected \(4, 5\)"):
        rows_of(tmp_path, lambda rows: EXPECTED[rows][1:])


def damaged(folder: Path, kind: str) -> None:
    target = entry(folder) / "rows"
    content = (target / "rows.npy").read_bytes()
    if kind == "a bit":
        (target / "rows.npy").write_bytes(content[:-3] + bytes([content[-3] ^ 4]) + content[-2:])
    elif kind == "cut off":
        (target / "rows.npy").write_bytes(content[:-8])
    elif kind == "no rows":
        (target / "rows.npy").unlink()
    elif kind == "no description":
        (target / "made.json").unlink()
    elif kind == "a broken description":
        (target / "made.json").write_text("{")
    else:
        text = (target / "made.json").read_text().replace('"abc"', '"xyz"')
        (target / "made.json").write_text(text)


@pytest.mark.parametrize(
    "kind",
    ["a bit", "cut off", "no rows", "no description", "a broken description", "of other weights"],
)
def test_damaged_rows_are_made_anew_with_a_message(tmp_path: Path, kind: str) -> None:
    before = rows_of(tmp_path, Maker())
    damaged(tmp_path, kind)
    maker, told = Maker(), Told()
    assert rows_of(tmp_path, maker, told).tobytes() == EXPECTED.tobytes()
    assert maker.made == list(range(COUNT))
    assert len(told.lines) == 1
    assert told.lines[0].endswith("The features of images are made anew.")
    assert before.shape == EXPECTED.shape  # whoever has them mapped keeps them


def test_damaged_unfinished_work_is_refused_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        rows_of(tmp_path, Maker(breaks_at=13))
    work = entry(tmp_path) / "work"
    (work / "progress.json").write_text("{")
    with pytest.raises(RunError, match="progress.json cannot be read") as error:
        rows_of(tmp_path, Maker())
    assert error.value.fix == f"Delete {work} to begin anew."
    with pytest.raises(RunError):
        rows_of(tmp_path, Maker())
    assert np.array_equal(rows_of(tmp_path / "other", Maker()), EXPECTED)


def test_every_failing_write_says_how_to_use_another_folder_and_loses_nothing(
    tmp_path: Path,
) -> None:
    with failing_writes(tmp_path) as operations:
        rows_of(tmp_path / "counted", Maker())
    assert len(operations) > 10
    for number in range(len(operations)):
        folder = tmp_path / str(number)
        with failing_writes(folder, at=number), pytest.raises(RunError, match="cannot") as error:
            rows_of(folder, Maker())
        assert "MLZOO_CACHE" in error.value.fix
        assert rows_of(folder, Maker()).tobytes() == EXPECTED.tobytes()


def test_full_disk_in_the_middle_keeps_what_was_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feature_cache, "SAVED_EVERY", 0.0)
    with failing_writes(tmp_path) as operations:
        rows_of(tmp_path / "counted", Maker())
    folder = tmp_path / "full"
    at = len(operations) // 2
    with failing_writes(folder, at=at, lasting=True), pytest.raises(RunError) as error:
        rows_of(folder, Maker())
    assert "No space left" in error.value.message
    assert "MLZOO_CACHE" in error.value.fix
    maker = Maker()
    assert rows_of(folder, maker).tobytes() == EXPECTED.tobytes()
    assert 0 < len(maker.made) < COUNT


def test_folder_that_cannot_be_made_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot write .*Not a directory") as error:
        rows_of(tmp_path / "file" / "features", Maker())
    assert "MLZOO_CACHE" in error.value.fix


def test_finished_rows_of_a_read_only_folder_are_used(tmp_path: Path) -> None:
    rows_of(tmp_path, Maker())
    with failing_writes(tmp_path, at=0, lasting=True) as operations:
        assert np.array_equal(rows_of(tmp_path, Maker()), EXPECTED)
    assert not operations


def test_lock_that_the_disk_does_not_know_is_an_error_and_no_endless_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsupported(file: int) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(feature_cache, "take_lock", unsupported)
    with pytest.raises(RunError, match="cannot be locked: No locks available") as error:
        rows_of(tmp_path, Maker())
    assert "MLZOO_CACHE" in error.value.fix


class Other:
    """Another process that asks for the same rows, and waits at one until it may go on."""

    def __init__(self, folder: Path, holds_at: int = -1) -> None:
        context = multiprocessing.get_context("fork")
        self.go = folder / f"go{holds_at}"
        self.ours, theirs = context.Pipe()
        words = (folder, holds_at, self.go, theirs)
        self.process = context.Process(target=self.work, args=words, daemon=True)
        self.process.start()
        theirs.close()

    @staticmethod
    def work(folder: Path, holds_at: int, go: Path, pipe: Connection) -> None:
        class Sent(Progress):
            def message(self, text: str) -> None:
                pipe.send(text)

        def make(rows: np.ndarray) -> np.ndarray:
            with (folder / "log").open("a") as file:
                file.writelines(f"{row}\n" for row in rows)
            pipe.send(f"making {rows[0]}")
            while holds_at in rows and not go.exists():
                time.sleep(0.02)
            return EXPECTED[rows]

        pipe.send(rows_of(folder / "cache", make, Sent(quiet=True)).tobytes())

    def says(self, beginning: str) -> None:
        """Wait for a line."""
        while not str(line := self.ours.recv()).startswith(beginning):
            assert not isinstance(line, bytes), f"it never said {beginning!r}"

    def result(self) -> bytes:
        self.go.touch()
        while not isinstance(found := self.ours.recv(), bytes):
            pass
        self.process.join(30)
        assert self.process.exitcode == 0
        return found

    def kill(self) -> None:
        self.process.kill()
        self.process.join()


forking = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork"),
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded"),
]


def with_forks(test: Callable) -> Callable:
    for mark in forking:
        test = mark(test)
    return test


def logged(tmp_path: Path) -> list[int]:
    return [int(line) for line in (tmp_path / "log").read_text().split()]


@with_forks
def test_killed_work_goes_on_and_makes_no_row_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feature_cache, "SAVED_EVERY", 0.0)
    killed = Other(tmp_path, holds_at=9)
    killed.says("making 8")
    killed.kill()
    assert logged(tmp_path) == list(range(12))
    process = Other(tmp_path)
    process.says(f"8 of {COUNT} images were done before")
    assert process.result() == EXPECTED.tobytes()
    assert logged(tmp_path)[12:] == list(range(8, COUNT))  # the block of the kill, and on
    rows_of(tmp_path / "straight", Maker())
    stored, straight = (entry(tmp_path / name) / "rows" for name in ("cache", "straight"))
    for file in ("rows.npy", "made.json"):
        assert (stored / file).read_bytes() == (straight / file).read_bytes()


@with_forks
def test_kill_costs_at_most_what_was_not_yet_saved(tmp_path: Path) -> None:
    killed = Other(tmp_path, holds_at=22)
    killed.says("making 20")
    killed.kill()
    assert rows_of(tmp_path / "cache", Maker()).tobytes() == EXPECTED.tobytes()


@with_forks
def test_second_process_waits_and_gets_the_rows_of_the_first(tmp_path: Path) -> None:
    first = Other(tmp_path, holds_at=9)
    first.says("making 8")
    second = Other(tmp_path)
    second.says("another process computes the features of images: waiting")
    time.sleep(0.3)
    assert not second.ours.poll()
    assert [each.result() for each in (first, second)] == [EXPECTED.tobytes()] * 2
    assert logged(tmp_path) == list(range(COUNT))


@with_forks
def test_process_that_waits_goes_on_in_place_of_one_that_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feature_cache, "SAVED_EVERY", 0.0)
    first = Other(tmp_path, holds_at=9)
    first.says("making 8")
    second = Other(tmp_path)
    second.says("another process computes")
    first.kill()
    second.says(f"8 of {COUNT} images were done before")
    assert second.result() == EXPECTED.tobytes()
    assert logged(tmp_path) == [*range(12), *range(8, COUNT)]


def test_threads_of_one_process_make_the_rows_once(tmp_path: Path) -> None:
    maker, found = Maker(), []

    def slow(rows: np.ndarray) -> np.ndarray:
        time.sleep(0.02)
        return maker(rows)

    threads = [
        threading.Thread(target=lambda: found.append(rows_of(tmp_path, slow))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [rows.tobytes() for rows in found] == [EXPECTED.tobytes()] * 3
    assert maker.made == list(range(COUNT))


def test_cache_lies_where_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLZOO_CACHE", str(tmp_path / "mine"))
    assert cache_folder() == tmp_path / "mine" / "imagecode"
    monkeypatch.delenv("MLZOO_CACHE")
    assert cache_folder().name == "imagecode"
    assert "mlzoo" in str(cache_folder())


# Images and texts


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MLZOO_CACHE", str(tmp_path / "the-cache"))
    return tmp_path / "the-cache" / "imagecode" / "features"


class Encoder:
    """The mean of each colour of a square; counts what it encodes."""

    def __init__(self) -> None:
        self.encoded = 0

    def __call__(self, crops: np.ndarray) -> np.ndarray:
        assert crops.dtype == np.uint8
        self.encoded += len(crops)
        return crops.mean(axis=(1, 2)).astype(np.float32)


@pytest.fixture
def images(tmp_path: Path) -> JpgImages:
    return JpgImages(tmp_path / "sets", write_sets(tmp_path / "sets", 4))


SETTINGS = {"identity": {"weights": "w"}, "size": 16, "width": 3, "progress": Told(), "block": 12}


@pytest.mark.parametrize("workers", [0, 2])
def test_images_are_encoded_once(
    images: JpgImages, cache: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    monkeypatch.setattr(encoding, "FEW", 10)
    encoder = Encoder()
    expected = Encoder()(images.crops(np.arange(40), 16))
    for _ in range(2):
        found = image_features(images, encoder, workers=workers, **SETTINGS)
        assert isinstance(found, np.memmap)
        assert np.array_equal(found, expected)
        assert encoder.encoded == 40
    assert len(list(cache.iterdir())) == 1
    for other in ({"size": 17}, {"fast": True}, {"identity": {"weights": "x"}}):
        image_features(images, encoder, workers=0, **(SETTINGS | other))
    assert len(list(cache.iterdir())) == 4
    assert encoder.encoded == 160


def test_images_of_unfinished_work_are_read_from_where_it_stopped(
    images: JpgImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoding, "FEW", 10)
    half = Encoder()

    def stopping(crops: np.ndarray) -> np.ndarray:
        if half.encoded >= 24:
            raise KeyboardInterrupt
        return half(crops)

    with pytest.raises(KeyboardInterrupt):
        image_features(images, stopping, workers=0, **SETTINGS)
    rest = Encoder()
    found = image_features(images, rest, workers=0, **SETTINGS)
    assert (half.encoded, rest.encoded) == (24, 16)
    assert np.array_equal(found, Encoder()(images.crops(np.arange(40), 16)))


def test_few_images_and_small_arrays_stay_in_memory(images: JpgImages, cache: Path) -> None:
    found = image_features(images, Encoder(), **SETTINGS)
    expected = Encoder()(images.crops(np.arange(40), 16))
    assert np.array_equal(found, expected)
    arrays = ArrayImages(np.repeat(images.crops(np.arange(40), 16), 8, 0), [""] * 320)
    assert np.array_equal(image_features(arrays, Encoder(), **SETTINGS)[::8], expected)
    assert not cache.exists()
    for kept in (images, arrays):
        image_features(kept, Encoder(), in_memory=False, **SETTINGS)
    assert len(list(cache.iterdir())) == 2


def test_texts_are_encoded_once_in_their_order(cache: Path) -> None:
    seen: list[str] = []

    def encode(texts: list[str]) -> np.ndarray:
        seen.extend(texts)
        return np.array([[len(text), text.count("a")] for text in texts], np.float32)

    texts = [f"a{'b' * (number % 7)} \ud800 é" for number in range(500)]
    settings = {"identity": {"weights": "w"}, "width": 2, "progress": Told()}
    expected = [[len(text), 1] for text in texts]
    for _ in range(2):
        assert text_features(texts, encode, **settings).tolist() == expected
        assert seen == texts
    text_features(texts[::-1], encode, **settings)
    text_features(["x".join(texts), *texts[1:]], encode, **settings)
    assert len(list(cache.iterdir())) == 3
    assert text_features(texts[:3], encode, **settings).tolist() == expected[:3]
    assert len(list(cache.iterdir())) == 3


def test_progress_ends_whatever_happens(images: JpgImages) -> None:
    ended: list[str] = []

    class Ending(Told):
        def end(self) -> None:
            ended.append("end")

    def broken(crops: np.ndarray) -> np.ndarray:
        raise DataError("no")

    for in_memory in (True, False):
        with pytest.raises(DataError, match="no"):
            image_features(
                images, broken, in_memory=in_memory, **(SETTINGS | {"progress": Ending()})
            )
    assert ended == ["end", "end"]
