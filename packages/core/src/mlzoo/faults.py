"""Faults on purpose: disks that fill up, processes that are killed, files that are damaged or hostile.

What the core promises of them is written in ``docs/reliability.md`` and tested with these helpers; a
plugin's tests can use the same::

    with failing_writes(folder) as operations:          # count them first
        train()
    for number in range(len(operations)):               # then fail each
        with failing_writes(folder, errno.ENOSPC, at=number), pytest.raises(MlzooError):
            train()
"""

from __future__ import annotations

import builtins
import errno as codes
import io
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self
from unittest.mock import patch


@dataclass(frozen=True)
class Operation:
    """Something that needs the disk: ``open``, ``write``, ``fsync``, ``replace``, ``link``, ``mkdir``."""

    kind: str
    path: str


@contextmanager
def failing_writes(
    folder: Path, errno: int = codes.ENOSPC, *, at: int | None = None, lasting: bool = False
) -> Iterator[list[Operation]]:
    """Count what Python code of this process writes below ``folder``, and fail one operation.

    A failing write puts half of its bytes on the disk first, as a full disk does. Buffers are
    Python's own, so that a write fails where it really would: when the buffer is flushed or the file
    closed. Libraries that open files in C (HDF5) are not seen.

    Args:
        folder: where faults happen.
        errno: of the ``OSError``, e.g. ``errno.ENOSPC``, ``errno.EIO``.
        at: number of the operation that fails, from 0; None only counts.
        lasting: whether all later operations fail too, as long as the block lasts.

    Yields:
        The operations so far, in order.
    """
    layer = _Layer(folder.resolve(), errno, at, lasting)
    with ExitStack() as patches:
        for module, name in ((builtins, "open"), (io, "open")):
            patches.enter_context(patch.object(module, name, layer.open))
        patches.enter_context(patch.object(os, "open", layer.open_number(os.open)))
        patches.enter_context(patch.object(os, "fsync", layer.fsync(os.fsync)))
        for name in ("replace", "rename", "link"):
            patches.enter_context(patch.object(os, name, layer.naming(name, getattr(os, name), 1)))
        patches.enter_context(patch.object(os, "mkdir", layer.naming("mkdir", os.mkdir, 0)))
        yield layer.operations


@dataclass
class _Layer:
    folder: Path
    errno: int
    at: int | None
    lasting: bool
    operations: list[Operation] = field(default_factory=list)
    paths: dict[int, str] = field(default_factory=dict)

    def fails(self, kind: str, path: str) -> bool:
        number = len(self.operations)
        self.operations.append(Operation(kind, path))
        return self.at is not None and (number == self.at or (self.lasting and number > self.at))

    def error(self, path: str) -> OSError:
        return OSError(self.errno, os.strerror(self.errno), path)

    def touch(self, kind: str, path: str) -> None:
        if self.fails(kind, path):
            raise self.error(path)

    def inside(self, path: Any) -> str | None:
        """The path as text, if it lies below the folder."""
        if isinstance(path, int):
            return self.paths.get(path)
        absolute = os.path.realpath(os.fsdecode(path))
        return absolute if Path(absolute).is_relative_to(self.folder) else None

    def open(
        self,
        file: Any,
        mode: str = "r",
        buffering: int = -1,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
        closefd: bool = True,
        opener: Callable[[str, int], int] | None = None,
    ) -> IO[Any]:
        path = self.inside(file) if set(mode) & set("wax+") else None
        if path is None:
            return _open(file, mode, buffering, encoding, errors, newline, closefd, opener)
        if not isinstance(file, int):
            self.touch("open", path)
        raw = _Raw(self, path, file, mode.replace("t", ""), closefd, opener)
        if "b" in mode and not buffering:
            return raw
        size = buffering if buffering > 1 else io.DEFAULT_BUFFER_SIZE
        binary = io.BufferedRandom(raw, size) if "+" in mode else io.BufferedWriter(raw, size)
        if "b" in mode:
            return binary
        return io.TextIOWrapper(binary, encoding, errors, newline, line_buffering=buffering == 1)

    def open_number(self, original: Callable[..., int]) -> Callable[..., int]:
        def call(path: Any, flags: int, *rest: Any, **named: Any) -> int:
            name = self.inside(path) if flags & (os.O_WRONLY | os.O_RDWR) else None
            if name is not None:
                self.touch("open", name)
            number = original(path, flags, *rest, **named)
            if name is not None:
                self.paths[number] = name
            return number

        return call

    def fsync(self, original: Callable[[Any], None]) -> Callable[[Any], None]:
        def call(file: Any) -> None:
            number = file if isinstance(file, int) else file.fileno()
            if number in self.paths:
                self.touch("fsync", self.paths[number])
            original(number)

        return call

    def naming(self, kind: str, original: Callable[..., Any], which: int) -> Callable[..., Any]:
        """For calls whose argument ``which`` is the name that appears."""

        def call(*arguments: Any, **named: Any) -> Any:
            path = self.inside(arguments[which])
            if path is not None:
                self.touch(kind, path)
            return original(*arguments, **named)

        return call


_open: Callable[..., IO[Any]] = open


class _Raw(io.FileIO):
    """An unbuffered file whose writes can fail."""

    def __init__(self, layer: _Layer, path: str, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._layer, self._path = layer, path
        layer.paths[self.fileno()] = path

    def write(self, data: Any) -> int:
        if self._layer.fails("write", self._path):
            super().write(memoryview(data).cast("B")[: memoryview(data).nbytes // 2])
            raise self._layer.error(self._path)
        return super().write(data)

    def close(self) -> None:
        if not self.closed:
            self._layer.paths.pop(self.fileno(), None)
        super().close()


def truncations(path: Path, count: int = 40) -> Iterator[int]:
    """Cut a file to ``count`` lengths in turn, shortest first; yields each length. Whole afterwards."""
    whole = path.read_bytes()
    try:
        for length in sorted({len(whole) * step // count for step in range(count)}):
            path.write_bytes(whole[:length])
            yield length
    finally:
        path.write_bytes(whole)


def bit_flips(path: Path, count: int = 200, seed: int = 0) -> Iterator[int]:
    """Flip one random bit of a file at a time; yields the position of its byte. Whole afterwards."""
    whole = path.read_bytes()
    stream = random.Random(seed)
    try:
        for _ in range(count):
            damaged, position = bytearray(whole), stream.randrange(len(whole))
            damaged[position] ^= 1 << stream.randrange(8)
            path.write_bytes(damaged)
            yield position
    finally:
        path.write_bytes(whole)


class Trap:
    """Creates the file ``marker`` when it is unpickled by a reader that executes what it reads."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.marker,)


def hostile_pickles(marker: Path) -> dict[str, bytes]:
    """Pickles that create the file ``marker`` when a plain unpickler reads them, by their trick."""
    import pickle

    code = f"open({str(marker)!r}, 'w').close()"
    quoted = repr(code).encode()
    inner = pickle.dumps(Trap(marker))
    return {
        "reduce": pickle.dumps({"x": Trap(marker)}),
        "old protocol": pickle.dumps([Trap(marker)], protocol=0),
        "exec": b"cbuiltins\nexec\n(S" + quoted + b"\ntR.",
        "instance": b"(S" + quoted + b"\nibuiltins\nexec\n.",
        "second pickle": b"c_pickle\nloads\n(B" + len(inner).to_bytes(4, "little") + inner + b"tR.",
        "after plain data": b"(dcbuiltins\nexec\n(S" + quoted + b"\ntR0.",
    }


def broken_files(folder: Path) -> list[str]:
    """What below a folder is no whole file: JSON, npz and pt that cannot be read, leftover parts.

    A torn last line of a log is none: it is dropped on resume.
    """
    from mlzoo.checkpoints import load_checkpoint
    from mlzoo.data.readers import read_npz

    readers: dict[str, Callable[[Path], object]] = {
        ".json": lambda path: json.loads(path.read_text(encoding="utf-8")),
        ".npz": read_npz,
        ".pt": load_checkpoint,
        ".png": lambda path: path.read_bytes().index(b"IEND"),
    }
    broken = []
    for path in sorted(folder.rglob("*")):
        if path.suffix == ".tmp":
            broken.append(f"{path} was left behind")
        elif path.suffix in readers:
            try:
                readers[path.suffix](path)
            except Exception as error:
                broken.append(f"{path}: {error}")
    return broken


_SERVER = """
import json, os, sys
names = {}
exec(json.loads(sys.stdin.readline()), names)
print("ready", flush=True)
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_RDWR), 0)
        os.dup2(2, 1)
        try:
            exec(json.loads(line), names)
        except BaseException:
            import traceback
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    print("started", flush=True)
    number = int(sys.stdin.readline())
    if number:
        os.kill(child, number)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Victims:
    """Runs code in children of one fresh interpreter: forked, so that each starts in milliseconds.

    Args:
        setup: code that runs once, such as imports; it must start no threads.

    Needs ``os.fork``, so not on Windows.
    """

    def __init__(self, setup: str) -> None:
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - a full pipe would stop them
        self._server = subprocess.Popen(
            [sys.executable, "-c", _SERVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        self._ask(setup)

    def run(self, code: str, number: int = 0, when: Callable[[], object] = lambda: None) -> int:
        """Run code in a child of its own; send it signal ``number`` when ``when()`` returns.

        Returns:
            Its exit status as :class:`subprocess.Popen` has it: minus the signal that killed it, 1
            after an exception. With no number the child is waited for.
        """
        self._ask(code)
        when()
        return int(self._ask(number))

    def errors(self) -> str:
        """What the children have written to standard output and standard error so far."""
        self._errors.seek(0)
        return self._errors.read()

    def kill(self, code: str, seconds: float) -> bool:
        """Kill a child some time after it started, with a signal it cannot handle.

        Returns:
            Whether that came before its end.
        """
        status = self.run(code, signal.SIGKILL, lambda: time.sleep(seconds))
        return status == -signal.SIGKILL

    def _ask(self, words: str | int) -> str:
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(json.dumps(words) + "\n")
        self._server.stdin.flush()
        answer = self._server.stdout.readline()
        if not answer:
            raise RuntimeError(self.errors())
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.communicate()  # the end of its input ends it
        self._errors.close()
