"""A running Dask cluster for runs: found, looked at, and spoken to through joblib.

Needs ``mlzoo-core[dask]``. The cluster is somebody else's: nothing is started or stopped here.
"""

from __future__ import annotations

import importlib
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from mlzoo.errors import RunError, UsageError

SECONDS = 10  # to answer in
_ADDRESS = re.compile(r"(tcp|tls)://(\[[0-9a-fA-F:]+\]|[^\s:/\[\]]+):\d{1,5}")


@contextmanager
def connected(address: str, versions: Mapping[str, str]) -> Iterator[Any]:
    """A ``distributed.Client`` of the cluster, whose workers have the same distributions installed.

    When the block ends, what waits there is dropped.

    Args:
        address: ``tcp://host:8786``, where the scheduler listens.
        versions: of the distributions that every worker needs.

    Raises:
        UsageError: this is no address.
        RunError: nothing answers there, there is no worker, or one has other versions; or
            ``distributed`` is not installed.
    """
    if not _ADDRESS.fullmatch(address):
        raise UsageError(f"--scheduler {address!r} is not like tcp://host:8786.")
    try:
        distributed: Any = importlib.import_module("distributed")
    except ImportError as error:
        fix = "Install it: python -m pip install 'mlzoo-core[dask]'"
        raise RunError("--scheduler needs distributed, which is not installed.", fix) from error
    with _silent():
        try:
            client = distributed.Client(address, timeout=SECONDS, set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            fix = f"Look whether `dask scheduler` runs there, or start it. ({_first_line(error)})"
            raise RunError(f"no Dask scheduler answers at {address}.", fix) from error
        try:
            _require_workers(client, address, versions)
            yield client
        finally:
            client.close(timeout=SECONDS)


def _require_workers(client: Any, address: str, versions: Mapping[str, str]) -> None:
    try:
        client.wait_for_workers(1, timeout=SECONDS)
    except TimeoutError as error:
        fix = f"Start some: dask worker {address} --nthreads 1"
        raise RunError(f"the Dask cluster at {address} has no workers.", fix) from error
    answers = client.run(installed_versions, list(versions), on_error="return")
    for worker, found in answers.items():
        if isinstance(found, BaseException):
            raise RunError(
                f"the worker {worker} cannot run mlzoo: {_first_line(found)}.",
                "Install the same distributions on every worker, and start them anew.",
            )
        others = [
            f"{name} {found[name] or 'not at all'} instead of {wanted}"
            for name, wanted in versions.items()
            if found[name] != wanted
        ]
        if others:
            raise RunError(
                f"the worker {worker} has {', '.join(others)}.",
                "Install the same versions on every worker, and start them anew.",
            )


def installed_versions(distributions: list[str]) -> dict[str, str | None]:
    """What is installed in this process; None for what is not."""
    return {name: _version(name) for name in distributions}


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def busy_threads(client: Any) -> list[str]:
    """Workers with several threads, which train one run at a time all the same."""
    return [worker for worker, threads in client.nthreads().items() if threads > 1]


def backend(client: Any, instead: Callable[[Any, BaseException], Any]) -> Any:
    """joblib's backend for the cluster.

    Args:
        instead: makes, of the first argument of a call and of what went wrong, the result of a call that
            the cluster could not carry out at all, because its workers kept dying, say.
    """
    from joblib._dask import DaskDistributedBackend

    class Backend(DaskDistributedBackend):  # type: ignore[misc]
        """joblib's own waits for ever for a call that fails outside of its function."""

        def submit(self, func: Any, callback: Any = None) -> Any:
            submitted = super().submit(func, callback)

            def tell(done: Any) -> None:
                if (error := done.exception()) is not None:
                    ((_, arguments, _),) = func.items
                    callback(_Lost(instead(arguments[0], _explained(error))))

            submitted.add_done_callback(tell)
            return submitted

        def retrieve_result_callback(self, out: Any) -> Any:
            return [out.result] if isinstance(out, _Lost) else super().retrieve_result_callback(out)

    return Backend(client=client)


def _explained(error: BaseException) -> BaseException:
    """In a line what distributed says in a paragraph."""
    worker = getattr(error, "last_worker", None)
    if worker is None:
        return error
    address = getattr(worker, "address", worker)
    return RunError(f"its worker {address} died.", "Look at the worker's log: too little memory?")


class _Lost:
    def __init__(self, result: Any) -> None:
        self.result = result


@contextmanager
def _silent() -> Iterator[None]:
    """distributed logs every connection that is tried and lost, at length."""
    logger = logging.getLogger("distributed")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), "") or type(error).__name__
