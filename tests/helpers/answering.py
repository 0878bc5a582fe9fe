"""What processes do in tests of processes; a module, so that new ones can import it."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from mlzoo.errors import DataError
from mlzoo.processes import Answers


def squares(number: int, answers: Answers) -> None:
    for each in answers.given():
        answers.send((number, each**2), memoryview(bytes([each])) if each else None)


def failing(how: str, answers: Answers) -> None:
    if how == "is killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "leaves":
        os._exit(7)
    answers.send(1)
    if how == "fails":
        raise KeyError("x")
    raise DataError("x.jpg is broken.", "Fetch it again.")


def eager(folder: Path, answers: Answers) -> None:
    for number in range(100):
        answers.send(None, memoryview(bytes(2**20)))
        (folder / str(number)).touch()
