"""Starts the processes of one job on this machine, with torch's own launcher."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import Any

from mlzoo.errors import MlzooError, UsageError
from mlzoo.signals import handlers_kept


class JobFailedError(MlzooError):
    """A process of the job ended badly; it has said why itself."""

    def __init__(self, code: int) -> None:
        super().__init__("a process of the job failed.")
        self.exit_code = code


def launch(count: int, work: Callable[..., Any], *arguments: Any) -> Any:
    """Call ``work(*arguments)`` in ``count`` new processes; returns what the main one returned.

    Args:
        work: a function that can be imported; it ends its process with ``sys.exit`` if it fails.

    Raises:
        JobFailedError: a process failed; the others are stopped.
        UsageError: this is a process of a job already.
    """
    from torch.distributed.elastic.multiprocessing import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    from mlzoo.machine import process_count

    if process_count() > 1:
        raise UsageError(
            f"this is a job of {process_count()} processes already.",
            "Leave --devices out: the launcher decides.",
        )
    # Its reports of failures repeat at length what the processes have said.
    for name in ("torch.distributed.elastic.agent.server.api", "torch.multiprocessing.spawn"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    logging.getLogger("torch.distributed").setLevel(logging.CRITICAL)
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // count)))
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
        with handlers_kept():  # the launcher sets its own
            results: dict[int, Any] = elastic_launch(config, work)(*arguments)
    except ChildFailedError as error:
        _, failure = error.get_first_failure()
        raise JobFailedError(failure.exitcode if failure.exitcode > 0 else 1) from error
    except SignalException as error:
        raise KeyboardInterrupt(f"stopped by {error.sigval.name}") from error
    return results[0]
