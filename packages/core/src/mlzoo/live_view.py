"""A live view of a run: the rows of ``metrics.jsonl`` as TensorBoard events beside it.

The log is the truth. When a run begins or goes on, the events are written anew, in a new file, from the
rows that the log holds then; earlier files are emptied, and a TensorBoard that is watching is told that
what it has seen is void. So rows of an unfinished epoch never stand there twice, and a run that began
without events gets them all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlzoo.errors import MlzooError
from mlzoo.files import json_text

FOLDER = "tensorboard"
PLACES = ("epoch", "step", "split")
"""Of a row, what says where its numbers belong."""
FLUSH_SECONDS = 5


def require_tensorboard() -> None:
    """Refuse a live view where it cannot be written.

    Raises:
        MlzooError: tensorboard is not installed.
    """
    _writer_class()


def _writer_class() -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise MlzooError(
            f"--tensorboard needs tensorboard, which is not installed ({error}).",
            "pip install 'mlzoo-core[tensorboard]'",
        ) from error
    return SummaryWriter


def was_begun(directory: Path) -> bool:
    """Whether a run has a live view already, of its training or of its search for the epoch."""
    return any((folder / FOLDER).is_dir() for folder in (directory, directory / "search"))


class EventMirror:
    """Writes each row as scalars: ``train/<name>`` by step, ``<split>/<metric>`` by epoch.

    The numbers are stored in 64 bits and are those of the log; what is null there is left out. An
    error while writing is told once and ends the view, not the run.

    Args:
        directory: of the log; the events lie in ``tensorboard/`` there.
        config: options by name, kept as text and as hyper-parameters.
        metrics: tags of those that compare runs, e.g. ``val/accuracy``.
        tell: takes the line about an error.
    """

    def __init__(
        self,
        directory: Path,
        config: Mapping[str, Any],
        metrics: Sequence[str],
        tell: Callable[[str], None],
    ) -> None:
        self.folder = directory / FOLDER
        self._config, self._metrics, self._tell = config, metrics, tell
        self._writer: Any = None
        self._failed = False

    def restart(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """The log holds these rows alone, whatever it held before."""
        with self._not_worth_a_run():
            self._begin()
            for row in rows:
                self._write(row)

    def add(self, row: Mapping[str, Any]) -> None:
        """A row was written to the log."""
        with self._not_worth_a_run():
            if self._failed:
                return
            if self._writer is None:
                self._begin()
            self._write(row)

    def close(self) -> None:
        """All events are in the file."""
        with self._not_worth_a_run():
            writer, self._writer = self._writer, None
            if writer is not None:
                writer.close()

    def _begin(self) -> None:
        from torch.utils.tensorboard.summary import hparams

        self.close()
        for path in self.folder.glob("events.out.tfevents.*"):
            path.write_bytes(b"")  # a TensorBoard that is watching it would not go on without it
        # It may have read events that are to be dropped: from step 0 on they are void.
        self._writer = _writer_class()(
            str(self.folder), purge_step=0, flush_secs=FLUSH_SECONDS, max_queue=1000
        )
        options = {
            name: value if isinstance(value, bool | int | float | str) else str(value)
            for name, value in self._config.items()
            if name != "sources"
        }
        indented = "".join(f"    {line}\n" for line in json_text(options).splitlines())
        self._writer.add_text("config", indented)
        experiment, begun, _ = hparams(options, dict.fromkeys(self._metrics, 0.0))
        for summary in (experiment, begun):  # the end of the session is not known yet
            self._writer.file_writer.add_summary(summary)

    def _write(self, row: Mapping[str, Any]) -> None:
        group, place = row.get("split", "train"), row.get("step", row["epoch"])
        for name, value in row.items():
            if name not in PLACES and value is not None:
                self._writer.add_scalar(
                    f"{group}/{name}", value, place, new_style=True, double_precision=True
                )

    @contextmanager
    def _not_worth_a_run(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            if not self._failed:
                self._failed = True
                self._tell(f"the live view ends here: {type(error).__name__}: {error}")


@contextmanager
def mirrored(
    wanted: bool,
    directory: Path,
    config: Mapping[str, Any],
    metrics: Sequence[str],
    tell: Callable[[str], None],
) -> Iterator[EventMirror | None]:
    """The live view of one stretch of training, if one is wanted; closed at the end, however it ends."""
    if not wanted:
        yield None
        return
    mirror = EventMirror(directory, config, metrics, tell)
    try:
        yield mirror
    finally:
        mirror.close()
