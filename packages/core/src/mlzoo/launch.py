"""Starts the processes of one job on this machine, with torch's own launcher."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mlzoo.errors import MlzooError, UsageError
from mlzoo.signals import handlers_kept

if TYPE_CHECKING:
    from torch.distributed.elastic.multiprocessing.errors import ProcessFailure


class JobFailedError(MlzooError):
    """A process of the job ended badly. Without a ``reason`` it has said why itself."""

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(f"a process of the job failed{': ' if reason else '.'}{reason}")
        self.exit_code = code
        self.reason = reason


def launch(count: int, work: Callable[..., Any], *arguments: Any) -> Any:
    """Call ``work(*arguments)`` in ``count`` new processes; returns what the main one returned.

    Args:
        work: a function that can be imported. If it fails it raises, or it says why and ends its
            process with ``sys.exit``.

    Raises:
        JobFailedError: a process failed; the others are stopped.
        UsageError: this is a process of a job already.
    """
    from torch.distributed.elastic.multiprocessing import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    from mlzoo.job import process_count

    if process_count() > 1:
        raise UsageError(
            f"this is a job of {process_count()} processes already.",
            "Leave --devices out: the launcher decides.",
        )
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=count,
        run_id="mlzoo",
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        local_addr="localhost",
        max_restarts=0,
        start_method="spawn",
    )
    try:
        # The launcher sets signal handlers of its own.
        with handlers_kept(), _shared_cores(count), _silent_launcher():
            results: dict[int, Any] = elastic_launch(config, work)(*arguments)
    except ChildFailedError as error:
        _, failure = error.get_first_failure()
        raise JobFailedError(max(failure.exitcode, 1), _reason(failure)) from error
    except SignalException as error:
        raise KeyboardInterrupt(f"stopped by {error.sigval.name}") from error
    return results[0]


@contextmanager
def _shared_cores(count: int) -> Iterator[None]:
    """The processes started inside compute with a share of the cores each, unless told otherwise."""
    if "OMP_NUM_THREADS" in os.environ:
        yield
        return
    os.environ["OMP_NUM_THREADS"] = str(max(1, (os.cpu_count() or 1) // count))
    try:
        yield
    finally:
        del os.environ["OMP_NUM_THREADS"]


@contextmanager
def _silent_launcher() -> Iterator[None]:
    """Its reports of failures repeat at length what the processes have said."""
    import logging

    agent, spawn = "torch.distributed.elastic.agent.server.api", "torch.multiprocessing.spawn"
    loggers = [logging.getLogger(name) for name in ("torch.distributed", agent, spawn)]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _reason(failure: ProcessFailure) -> str:
    """What the process that failed first had no chance to say."""
    if failure.exitcode < 0:
        return f"it was ended by {failure.signal_name()}."
    raised: Any = failure.message  # a mapping if an exception left the process, else a hint
    return str(raised["message"]) if isinstance(raised, dict) else ""
