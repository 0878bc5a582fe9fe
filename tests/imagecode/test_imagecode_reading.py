"""Images read ahead by processes or threads: the same whatever reads them, and nobody is left behind."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from jpg_sets import write_sets

from mlzoo.errors import DataError, RunError, UsageError
from mlzoo.processes import AHEAD
from mlzoo_imagecode.images import reading
from mlzoo_imagecode.images.arrays import ArrayImages
from mlzoo_imagecode.images.folder import JpgImages
from mlzoo_imagecode.images.reading import MANY, PIECE, crops_ahead, processes_for

SIZE = 20


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> JpgImages:
    root = tmp_path_factory.mktemp("sets")
    return JpgImages(root, write_sets(root, 6))


def blocks_of(images: JpgImages) -> list[np.ndarray]:
    """Of all lengths, in no order."""
    random = np.random.default_rng(0)
    lengths = (10, 0, 1, PIECE, PIECE + 1, 3 * PIECE, 40)
    return [random.integers(0, len(images), length) for length in lengths]


@pytest.mark.parametrize("workers", [0, 1, 2, None])
def test_blocks_do_not_depend_on_who_reads_them(images: JpgImages, workers: int | None) -> None:
    blocks = blocks_of(images)
    found = list(crops_ahead(images, iter(blocks), SIZE, workers=workers))
    assert len(found) == len(blocks)
    for (rows, crops), expected in zip(found, blocks, strict=True):
        assert np.array_equal(rows, expected)
        assert np.array_equal(crops, images.crops(expected, SIZE))
        assert crops.flags.writeable
    assert not multiprocessing.active_children()


def test_fast_way_is_the_same_in_processes(images: JpgImages) -> None:
    rows = np.arange(20)
    ((_, crops),) = crops_ahead(images, [rows], SIZE, fast=True, workers=1)
    assert np.array_equal(crops, images.crops(rows, SIZE, fast=True))


def test_images_in_memory_need_no_process() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 8, 8, 3), np.uint8)
    images = ArrayImages(pixels, list("abcdefghi"))
    read = crops_ahead(images, [np.arange(5), np.array([8, 2])], 8, workers=2)
    assert np.array_equal(next(read)[1], pixels[:5])
    assert not multiprocessing.active_children()
    assert np.array_equal(next(read)[1], pixels[[8, 2]])


@pytest.mark.parametrize(("workers", "most"), [(0, 2), (2, 2 * (AHEAD + 2))])
def test_only_a_few_images_are_read_ahead(tmp_path: Path, workers: int, most: int) -> None:
    images = JpgImages(tmp_path / "sets", write_sets(tmp_path / "sets", 2))
    size, blocks = (
        128,
        [np.arange(PIECE) for _ in range(60)],
    )  # a block is far more than a pipe holds
    read = crops_ahead(images, blocks, size, workers=workers)
    next(read)
    time.sleep(1)  # enough to read them all
    images.root.rename(tmp_path / "gone")
    came: list[object] = []
    with pytest.raises(DataError, match="there is no such file"):
        came.extend(read)
    assert 0 < len(came) <= most


def test_processes_import_no_torch(images: JpgImages) -> None:
    if not Path("/proc/self/maps").exists():
        pytest.skip("needs Linux")
    read = crops_ahead(images, [np.arange(10)] * 60, SIZE, workers=2)
    next(read)
    for child in multiprocessing.active_children():
        assert "libtorch" not in Path(f"/proc/{child.pid}/maps").read_text()
    read.close()


@pytest.mark.parametrize("workers", [0, 2])
def test_damaged_image_is_one_error_that_names_it(tmp_path: Path, workers: int) -> None:
    images = JpgImages(tmp_path, write_sets(tmp_path, 4))
    (tmp_path / "set2" / "img8.jpg").write_bytes(b"broken")
    read = crops_ahead(images, [np.arange(10) + 10 * k for k in range(4)], SIZE, workers=workers)
    assert len(next(read)[1]) == 10
    with pytest.raises(DataError, match="set2/img8.jpg is no image") as error:
        list(read)
    assert error.value.fix
    assert not multiprocessing.active_children()


def test_killed_process_is_told_and_the_others_end(images: JpgImages) -> None:
    read = crops_ahead(images, [np.arange(10)] * 300, SIZE, workers=2)
    next(read)
    children = multiprocessing.active_children()
    assert children
    children[0].kill()
    with pytest.raises(RunError, match=r"process [12] of 2 ended early \(by SIGKILL\)") as error:
        list(read)
    assert "reading images" in error.value.fix
    assert not multiprocessing.active_children()


def test_processes_end_with_the_iterator(images: JpgImages) -> None:
    read = crops_ahead(images, [np.arange(10)] * 300, SIZE, workers=2)
    next(read)
    assert multiprocessing.active_children()
    read.close()
    assert not multiprocessing.active_children()


def test_many_images_are_read_by_processes_and_few_by_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert processes_for(MANY - 1) == 0
    monkeypatch.setattr(os, "sched_getaffinity", lambda which: {0, 1, 2}, raising=False)
    assert processes_for(MANY) == 3
    monkeypatch.setattr(os, "sched_getaffinity", lambda which: {0, 1}, raising=False)
    assert processes_for(MANY) == 0
    monkeypatch.setattr(os, "sched_getaffinity", lambda which: set(range(64)), raising=False)
    assert processes_for(MANY) == reading.MOST


def test_negative_number_of_processes_is_refused(images: JpgImages) -> None:
    with pytest.raises(UsageError, match="-1 processes"):
        list(crops_ahead(images, [np.arange(3)], SIZE, workers=-1))


SCRIPT = """
import sys, time
from pathlib import Path
import numpy as np
from mlzoo_imagecode.images.folder import JpgImages
from mlzoo_imagecode.images.reading import crops_ahead
if __name__ == "__main__":
    root = Path(sys.argv[1])
    images = JpgImages(root, sorted(str(path.relative_to(root)) for path in root.glob("*/*.jpg")))
    for number, _ in enumerate(crops_ahead(images, [np.arange(10)] * 100000, 20, workers=2)):
        if number % 20 == 10:
            print(number, flush=True)
"""


def ends(group: int) -> bool:
    """Whether all processes of a group end soon."""
    for _ in range(300):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


@pytest.mark.skipif(os.name != "posix", reason="needs process groups")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_ctrl_c_of_a_terminal_or_a_kill_ends_all(
    tmp_path: Path, images: JpgImages, number: int
) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    words = [sys.executable, str(tmp_path / "script.py"), str(images.root)]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        if number == signal.SIGKILL:  # of the one that uses the images alone
            process.kill()
        else:
            os.killpg(process.pid, number)
        error = process.communicate(timeout=60)[1]
    if number == signal.SIGINT:
        assert error.count("Traceback") == 1  # of this script, which does not catch it
        assert error.rstrip().endswith("KeyboardInterrupt")
    else:
        assert error == ""
    assert ends(process.pid)
