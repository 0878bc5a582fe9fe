"""``metrics.jsonl``: one JSON object a line, for steps and for evaluations."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from mlzoo.errors import NonFiniteError, RunError
from mlzoo.files import append_line, atomic_write

if TYPE_CHECKING:
    import torch

    Number = float | int | torch.Tensor


class Mirror(Protocol):
    """Somebody else who keeps the rows of a log, as they stand in the file."""

    def restart(self, rows: list[dict[str, Any]]) -> None:
        """The log holds these rows alone, whatever it held before."""

    def add(self, row: Mapping[str, Any]) -> None:
        """A row was written."""


class MetricsLog:
    """Appends rows; on an accelerator the values stay there and are fetched many steps at a time.

    All rows of an epoch are written before its checkpoint, so that log and checkpoint agree after a
    crash up to the rows of an unfinished epoch, which ``rewind`` drops.
    """

    HELD_STEPS = 32

    def __init__(
        self,
        path: Path,
        mean: Callable[[list[float]], list[float]] | None = None,
        *,
        writes: bool = True,
        mirror: Mirror | None = None,
    ) -> None:
        """
        Args:
            path: the file.
            mean: of values over the processes of a job; called by all of them at the same steps.
            writes: False in a process that only takes part.
            mirror: told of every row that is written, and of those that a rewind leaves.
        """
        self.path = path
        self._mean = mean
        self._writes = writes
        self._mirror = mirror
        self._held: list[tuple[int, int, dict[str, Number]]] = []
        self._sums: dict[str, list[float]] = {}

    def hold(self, epoch: int, step: int, values: Mapping[str, Number]) -> dict[str, float]:
        """Keep one step's values; returns the latest ones known on the host."""
        detached = {k: v.detach() if hasattr(v, "detach") else v for k, v in values.items()}
        self._held.append((epoch, step, detached))
        on_host = self._mean is None and all(map(_on_host, detached.values()))
        return self.flush() if on_host or len(self._held) >= self.HELD_STEPS else {}

    def flush(self) -> dict[str, float]:
        """Write the held rows and return the last one.

        Raises:
            NonFiniteError: a value is NaN or infinite; names it, the epoch and the step.
        """
        latest: dict[str, float] = {}
        held, self._held = self._held, []
        numbers = _fetched([value for _, _, values in held for value in values.values()])
        known = iter(numbers if self._mean is None or not held else self._mean(numbers))
        for epoch, step, values in held:
            latest = {name: next(known) for name in values}
            self.append({"epoch": epoch, "step": step, **latest})
            for name, value in latest.items():
                if not math.isfinite(value):
                    raise NonFiniteError(f"{name} became {value} in epoch {epoch}, at step {step}.")
                self._sums.setdefault(name, []).append(value)
        return latest

    def epoch_means(self) -> dict[str, float]:
        """The means since the last call."""
        means = {name: math.fsum(values) / len(values) for name, values in self._sums.items()}
        self._sums = {}
        return means

    def append(self, row: Mapping[str, Any]) -> None:
        """Write one row now; non-finite numbers become null.

        Raises:
            RunError: the file cannot be written.
        """
        if not self._writes:
            return
        clean = {
            k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in row.items()
        }
        append_line(self.path, json.dumps(clean))
        if self._mirror is not None:
            self._mirror.add(clean)

    def rewind(self, epoch: int) -> None:
        """Drop the rows after ``epoch``."""
        if not self._writes:
            return
        rows = [row for row in read_rows(self.path) if row["epoch"] <= epoch]
        with atomic_write(self.path) as file:
            file.write("".join(json.dumps(row) + "\n" for row in rows).encode())
        if self._mirror is not None:
            self._mirror.restart(rows)


def _fetched(values: list[Number]) -> list[float]:
    """The numbers; those on an accelerator come over all at once."""
    away = [value for value in values if not _on_host(value)]
    if not away:
        return [float(value) for value in values]
    import torch

    arrived = iter(torch.stack([torch.as_tensor(value).double() for value in away]).tolist())
    return [float(value) if _on_host(value) else next(arrived) for value in values]


def _on_host(value: Number) -> bool:
    device = getattr(value, "device", None)
    return device is None or device.type == "cpu"


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a metrics file, none if it is not there; a last line cut off by a crash is left out.

    Raises:
        RunError: any other line is damaged, or names no epoch; says which.
    """
    try:
        lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror or error}.") from error
    for number, line in enumerate(lines, start=1):
        if not line.endswith(b"\n"):
            return
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict) or type(row.get("epoch")) is not int:
            raise RunError(
                f"{path} is damaged: line {number} is no row of a log.",
                "Delete the line: checkpoints and results do not depend on it.",
            )
        yield row
