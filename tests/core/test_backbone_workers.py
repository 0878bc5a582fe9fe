"""Extraction in several processes: bits and order of one, deaths that are told, work that goes on."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from small_vgg import SMALL, write_weights

from mlzoo.backbones import BACKBONES, extract
from mlzoo.errors import DataError, RunError, UsageError
from mlzoo.progress import Progress


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setitem(BACKBONES, "vgg-small", SMALL)
    return write_weights(tmp_path / "vgg-small.pth", SMALL)


@pytest.fixture
def images(tmp_path: Path) -> list[str]:
    """Twenty files below the folder ``images``, of which one batch of three is broken, and one more."""
    folder = tmp_path / "images"
    folder.mkdir()
    names = [f"{number:02}.png" for number in range(20)]
    for number, name in enumerate(names):
        pixels = np.random.default_rng(number).integers(0, 256, (30, 40, 3), np.uint8)
        Image.fromarray(pixels).save(folder / name)
    for number in (3, 4, 5, 13):
        (folder / names[number]).write_bytes(b"broken")
    return names


class Watching(Progress):
    """Does something when the first part is written."""

    def __init__(self, act) -> None:
        super().__init__(quiet=True)
        self.act, self.seen = act, []

    def counted(self, done: int, total: int) -> None:
        self.seen.append((done, total))
        if len(self.seen) == 1:
            self.act()


def kill_one() -> None:
    multiprocessing.active_children()[0].kill()
    time.sleep(0.2)


def interrupt() -> None:
    raise KeyboardInterrupt


def equal(one, other) -> bool:
    return all(np.array_equal(one.arrays[name], other.arrays[name]) for name in one.arrays)


def test_order_and_bits_are_those_of_one_process(tmp_path, weights, images):
    settings = {"root": tmp_path / "images", "batch_size": 3}
    one = extract("vgg-small", weights, images, tmp_path / "one", **settings)
    told = Watching(lambda: None)
    two = extract(
        "vgg-small", weights, images, tmp_path / "two", processes=2, progress=told, **settings
    )
    assert equal(one, two)
    assert one.unreadable == two.unreadable
    assert told.seen == [(done, 20) for done in (3, 6, 9, 12, 15, 18, 20)]
    first, second = (each.finish(tmp_path / f"made-{n}") for n, each in enumerate((one, two)))
    assert first.digests == second.digests
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("act", [kill_one, interrupt])
def test_stopped_work_goes_on_in_any_number_of_processes(tmp_path, weights, images, act):
    settings = {"root": tmp_path / "images", "batch_size": 1}
    straight = extract("vgg-small", weights, images, tmp_path / "straight", **settings)
    work = tmp_path / "work"
    told = r"process [12] of 2 ended early \(by SIGKILL\)" if act is kill_one else None
    with pytest.raises((RunError, KeyboardInterrupt), match=told):
        extract("vgg-small", weights, images, work, processes=2, progress=Watching(act), **settings)
    assert not multiprocessing.active_children()
    assert 0 < json.loads((work / "progress.json").read_text())["done"] < 20
    again = extract("vgg-small", weights, images, work, **settings)
    assert equal(again, straight)


def test_what_a_process_refuses_is_told_as_of_one(tmp_path, weights, images):
    state = torch.load(weights)
    state["classifier.3.bias"] += 1e38
    state["classifier.3.weight"] *= 1e38
    torch.save(state, weights)
    with pytest.raises(DataError, match=r"vgg-small\.pth gives scene that are not finite"):
        extract(
            "vgg-small", weights, images, tmp_path / "w", root=tmp_path / "images", processes=2,
            batch_size=3,
        )  # fmt: skip


def test_number_of_processes_must_be_one(tmp_path, weights, images):
    with pytest.raises(UsageError, match="number of processes must be at least 1"):
        extract("vgg-small", weights, images, tmp_path / "w", processes=0)


SCRIPT = """
import sys
from pathlib import Path
from mlzoo.backbones import extract
from mlzoo.progress import Progress
class Told(Progress):
    def counted(self, done, total):
        print(done, flush=True)
if __name__ == "__main__":
    weights, root, folder = map(Path, sys.argv[1:])
    names = sorted(path.name for path in root.iterdir())
    extract("resnet18", weights, names, folder, root=root, batch_size=1, processes=2, progress=Told())
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
def test_ctrl_c_of_a_terminal_or_a_kill_ends_all_without_noise(tmp_path, images, number):
    torch.save(BACKBONES["resnet18"].build(1).state_dict(), tmp_path / "resnet18.pth")
    (tmp_path / "script.py").write_text(SCRIPT)
    arguments = [tmp_path / name for name in ("script.py", "resnet18.pth", "images", "work")]
    words = [sys.executable, *map(str, arguments)]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        if number == signal.SIGKILL:  # of the one that writes alone
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
    assert 0 < json.loads((tmp_path / "work" / "progress.json").read_text())["done"] < 20
