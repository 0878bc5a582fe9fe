"""Rows that survive a kill, and the finished folder that they become without being copied."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest

from mlzoo.backbones import part_work
from mlzoo.backbones.part_work import PartWork
from mlzoo.data.row_store import HEADER, RowStore, npy_header
from mlzoo.errors import DataError, RunError, UsageError
from mlzoo.faults import failing_writes

IDENTITY = {"weights": "abc", "images": "def"}
ARRAYS = {"regions": (3, 4), "scene": (5,), "score": ()}
LENGTH = 11
LEFT_OUT = {2: "broken", 3: "gone", 10: "broken"}


def things() -> list[tuple[dict[str, np.ndarray], str]]:
    """Rows of every array, and why there are none."""
    stream = np.random.default_rng(0)
    rows = [
        {name: stream.standard_normal(shape).astype("f4") for name, shape in ARRAYS.items()}
        for _ in range(LENGTH)
    ]
    return [(row, LEFT_OUT.get(place, "")) for place, row in enumerate(rows)]


def batch(start: int, size: int) -> tuple[dict[str, np.ndarray], list[str]]:
    chosen = things()[start : start + size]
    whole = [row for row, reason in chosen if not reason]
    rows = {
        name: np.stack([row[name] for row in whole]) if whole else np.empty((0, *shape), np.float32)
        for name, shape in ARRAYS.items()
    }
    return rows, [reason for _, reason in chosen]


def expected(name: str) -> np.ndarray:
    return np.stack([row[name] for row, reason in things() if not reason])


def go_on(folder: Path, size: int, *, until: int = LENGTH) -> None:
    with PartWork.opened(folder, IDENTITY, ARRAYS) as work:
        while work.done < until:
            work.append(*batch(work.done, min(size, until - work.done)))


def finished(folder: Path, target: Path) -> RowStore:
    with PartWork.opened(folder, IDENTITY, ARRAYS) as work:
        work.finish(target)
    return RowStore.opened(target)


def test_rows_are_there_as_they_come(tmp_path):
    with PartWork.opened(tmp_path / "w", IDENTITY, ARRAYS) as work:
        assert {name: work.rows(name).shape for name in ARRAYS} == {
            name: (0, *shape) for name, shape in ARRAYS.items()
        }
        work.append(*batch(0, 4))
        assert work.done == 4
        for name in ARRAYS:
            assert np.array_equal(work.rows(name), expected(name)[:2])


@pytest.mark.parametrize("sizes", [(1, 1), (4, 3), (3, 11)])
def test_finished_folder_does_not_depend_on_batches_or_stops(tmp_path, sizes):
    go_on(tmp_path / "straight", LENGTH)
    straight = finished(tmp_path / "straight", tmp_path / "one")
    go_on(tmp_path / "w", sizes[0], until=5)
    go_on(tmp_path / "w", sizes[1])
    store = finished(tmp_path / "w", tmp_path / "two")
    for name in ARRAYS:
        assert np.array_equal(store.arrays[name], expected(name))
        assert np.array_equal(np.load(tmp_path / "two" / f"{name}.npy"), expected(name))
    assert store.digests == straight.digests
    assert store.identity == IDENTITY
    assert store.left_out == LEFT_OUT
    assert store.places.tolist() == [0, 1, 4, 5, 6, 7, 8, 9]
    store.verify()
    files = sorted(path.name for path in (tmp_path / "two").iterdir())
    assert files == ["made.json", "regions.npy", "scene.npy", "score.npy"]
    assert all(
        (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
        for file in files
    )
    assert not (tmp_path / "w").exists()


def test_what_lies_beside_the_arrays_goes_along(tmp_path):
    with PartWork.opened(tmp_path / "w", IDENTITY, ARRAYS) as work:
        work.append(*batch(0, LENGTH))
        (work.store / "names.txt").write_text("a b c")
        work.finish(tmp_path / "made")
        assert np.array_equal(work.rows("scene"), expected("scene"))
    assert (tmp_path / "made" / "names.txt").read_text() == "a b c"


def test_rows_that_were_not_counted_do_not_get_into_the_finished_folder(tmp_path):
    go_on(tmp_path / "w", 4)
    with (tmp_path / "w" / "store" / "scene.npy").open("ab") as file:
        file.write(b"a row that was not counted")
    finished(tmp_path / "w", tmp_path / "made").verify()


def test_work_on_something_else_is_told(tmp_path):
    go_on(tmp_path / "w", 4)
    with (
        pytest.raises(RunError, match="other images") as error,
        PartWork.opened(tmp_path / "w", {**IDENTITY, "images": "x"}, ARRAYS),
    ):
        pass
    assert "Delete" in error.value.fix
    with (
        pytest.raises(RunError, match="other arrays"),
        PartWork.opened(tmp_path / "w", IDENTITY, {**ARRAYS, "scene": (6,)}),
    ):
        pass
    with (
        pytest.raises(RunError, match="other images"),
        PartWork.opened(tmp_path / "w", {"weights": "abc"}, ARRAYS),
    ):
        pass


@pytest.mark.parametrize("error", [DataError("bad"), KeyboardInterrupt()])
def test_what_fails_before_anything_is_done_leaves_nothing(tmp_path, error):
    with pytest.raises(type(error)), PartWork.opened(tmp_path / "work", IDENTITY, ARRAYS):
        raise error
    assert not list(tmp_path.iterdir())
    go_on(tmp_path / "work", 2, until=4)
    with pytest.raises(type(error)), PartWork.opened(tmp_path / "work", IDENTITY, ARRAYS):
        raise error
    with PartWork.opened(tmp_path / "work", IDENTITY, ARRAYS) as work:
        assert work.done == 4


def test_rows_of_other_shapes_are_refused_and_nothing_is_counted(tmp_path):
    with PartWork.opened(tmp_path / "w", IDENTITY, ARRAYS) as work:
        rows, reasons = batch(0, 2)
        with pytest.raises(ValueError, match="scene is"):
            work.append({**rows, "scene": rows["scene"][:1]}, reasons)
        with pytest.raises(ValueError, match="expected the arrays"):
            work.append({"scene": rows["scene"]}, reasons)
        assert work.done == 0
    with pytest.raises(ValueError, match="no name"):
        PartWork(tmp_path / "w", IDENTITY, {"../x": (1,)})


def test_target_that_exists_is_left_alone(tmp_path):
    go_on(tmp_path / "w", 4)
    (tmp_path / "made").mkdir()
    with pytest.raises(UsageError, match="made exists"):
        finished(tmp_path / "w", tmp_path / "made")
    (tmp_path / "made").rmdir()
    finished(tmp_path / "w", tmp_path / "made").verify()


def test_no_rows_make_no_folder(tmp_path):
    with (
        PartWork.opened(tmp_path / "w", IDENTITY, ARRAYS) as work,
        pytest.raises(RunError, match="no rows"),
    ):
        work.finish(tmp_path / "made")
    assert not (tmp_path / "made").exists()


def test_every_failing_write_leaves_work_that_goes_on(tmp_path):
    def whole(folder: Path) -> None:
        with PartWork.opened(folder / "w", IDENTITY, ARRAYS) as work:
            while work.done < LENGTH:
                work.append(*batch(work.done, 6))
            work.finish(folder / "made")

    counted = tmp_path / "counted"
    counted.mkdir()
    with failing_writes(counted) as operations:
        whole(counted)
    assert len(operations) > 20
    for number in range(len(operations)):
        folder = tmp_path / str(number)
        folder.mkdir()
        with failing_writes(folder, at=number), pytest.raises(RunError, match="cannot write"):
            whole(folder)
        if not (folder / "made").exists():
            whole(folder)
        RowStore.opened(folder / "made").verify()


def killed_after(step: int, folder: Path, target: Path) -> bool:
    """Work in a child that is killed after so many steps; whether it came to its end before."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1] == 0
    left = [step]

    def counted(function):
        def call(*words, **named):
            result = function(*words, **named)
            left[0] -= 1
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return call

    for owner, name in (
        (part_work, "write_json"),
        (part_work, "_on_disk"),
        (PartWork, "_write"),
        (PartWork, "_close"),
    ):
        setattr(owner, name, counted(getattr(owner, name)))
    try:
        go_on(folder, 4)
        finished(folder, target)
    finally:
        os._exit(0 if target.exists() else 1)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")
def test_kill_at_any_step_loses_nothing_and_leaves_no_half_folder(tmp_path):
    step, straight = 0, False
    while not straight:
        step += 1
        folder, target = tmp_path / f"w{step}", tmp_path / f"made{step}"
        straight = killed_after(step, folder, target)
        if not target.exists():
            go_on(folder, 3)
            finished(folder, target)
        store = RowStore.opened(target)
        store.verify()
        assert np.array_equal(store.arrays["scene"], expected("scene"))
        # what is left of the work is no hindrance to the next
        with PartWork.opened(folder, {"a": "c"}, {"x": (2,)}) as work:
            assert work.done == 0
    assert step > 20


def test_damaged_finished_folder_is_told(tmp_path):
    go_on(tmp_path / "w", 4)
    made = tmp_path / "made"
    finished(tmp_path / "w", made)
    scene = made / "scene.npy"
    whole = scene.read_bytes()
    scene.write_bytes(whole[:-4])
    with pytest.raises(DataError, match=r"scene\.npy: expected 160 bytes"):
        RowStore.opened(made)
    scene.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(DataError, match=r"scene\.npy is not what was written"):
        RowStore.opened(made).verify()
    np.save(scene, np.zeros((8, 6), np.float32))
    with pytest.raises(DataError, match=r"scene\.npy.*expected shape \(8, 5\)"):
        RowStore.opened(made)
    scene.unlink()
    with pytest.raises(DataError, match=r"scene\.npy does not exist"):
        RowStore.opened(made)
    text = json.loads((made / "made.json").read_text())
    text["arrays"] = {"../other": {"shape": [1], "digest": "0"}}
    (made / "made.json").write_text(json.dumps(text))
    with pytest.raises(DataError, match=r"made\.json is damaged"):
        RowStore.opened(made)
    (made / "made.json").write_text("{")
    with pytest.raises(DataError, match=r"made\.json is damaged"):
        RowStore.opened(made)
    with pytest.raises(DataError, match=r"made\.json is missing"):
        RowStore.opened(tmp_path)


def test_header_is_numpys(tmp_path):
    path = tmp_path / "x.npy"
    path.write_bytes(npy_header(2, (3,)) + np.arange(6, dtype="<f4").tobytes())
    assert path.stat().st_size == HEADER + 24
    assert np.array_equal(np.load(path), np.arange(6, dtype="f4").reshape(2, 3))
    assert os.path.getsize(path) % 4 == 0
    with pytest.raises(ValueError, match="too many axes"):
        npy_header(1, (10**9,) * 40)
