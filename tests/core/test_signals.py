"""Signals stop a run between writes, never inside one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest
import torch

from mlzoo.checkpoints import load_checkpoint, save_checkpoint
from mlzoo.files import atomic_write
from mlzoo.signals import as_interrupt, held_back


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_in_a_write_waits_until_the_file_is_whole(tmp_path, number):
    def write():
        with atomic_write(tmp_path / "a") as file:
            os.kill(os.getpid(), number)
            file.write(b"whole")

    with as_interrupt(), pytest.raises(KeyboardInterrupt):
        write()
    assert (tmp_path / "a").read_bytes() == b"whole"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_signals_while_torch_writes_never_spoil_a_checkpoint(tmp_path):
    path = tmp_path / "last.pt"
    save_checkpoint(path, {"round": -1})
    told = threading.Event()
    ended = threading.Event()

    def shoot():
        while not ended.is_set():
            if told.wait(0.1):
                os.kill(os.getpid(), signal.SIGINT)
                told.clear()

    thread = threading.Thread(target=shoot)
    thread.start()
    try:
        caught = 0
        for count in range(60):
            state = {"round": count, "rows": [torch.full((50, 50), float(count))] * 20}
            try:
                told.set()
                save_checkpoint(path, state)
                while told.is_set():  # the shot may come after the write
                    pass
                for _ in range(3):  # Python looks for signals when it jumps back
                    pass
            except KeyboardInterrupt:
                caught += 1
            assert load_checkpoint(path)["round"] in (count, count - 1)
    finally:
        ended.set()
        thread.join()
    assert caught >= 30


def test_handlers_are_put_back(tmp_path):
    before = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    with as_interrupt(), held_back():
        pass
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before


def test_ignored_signal_stays_ignored():
    code = (
        "import os, signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "from mlzoo.signals import as_interrupt\n"
        "with as_interrupt(): os.kill(os.getpid(), signal.SIGHUP)\n"
        "print('alive')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "alive\n"


def test_other_threads_may_write(tmp_path):
    def write():
        with atomic_write(tmp_path / "b") as file:
            file.write(b"from a thread")

    thread = threading.Thread(target=write)
    thread.start()
    thread.join()
    assert (tmp_path / "b").read_bytes() == b"from a thread"
