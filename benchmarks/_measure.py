"""What the benchmarks share: timing by turns, the machine's own rates, and the form of a result.

A script makes rows with :func:`compare` and hands them to :func:`report`; ``_table.py`` turns the
files of all scripts into the table of ``README.md``.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import torch

T = TypeVar("T")
Call = Callable[[], object]
Row = dict[str, Any]

LEAST_SECONDS = 2e-3
"""A call that is shorter is repeated until its sample takes this long; the clock is too coarse."""


def arguments(description: str | None, repeats: int, threads: int = 1) -> argparse.Namespace:
    """The options that every script has. Sets the number of threads and the seed, too."""
    parser = argparse.ArgumentParser(description=(description or "").splitlines()[0])
    parser.add_argument("--json", type=Path, help="write the result there as well")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, default=threads, help="of torch")
    parser.add_argument("--repeats", type=int, default=repeats)
    parser.add_argument("--quick", action="store_true", help="tiny sizes: does it run at all?")
    parsed = parser.parse_args()
    if parsed.quick:
        parsed.repeats = 1
    if parsed.device == "cuda" and not torch.cuda.is_available():
        parser.exit(1, "there is no CUDA device here; leave --device out\n")
    torch.set_num_threads(parsed.threads)
    # Float32 means float32, as in the matrix product that steps are judged by.
    torch.backends.cudnn.allow_tf32 = False
    torch.manual_seed(0)
    parsed.load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return parsed


def times(
    calls: Mapping[str, Call], repeats: int, device: str = "cpu"
) -> dict[str, dict[str, float]]:
    """Milliseconds of each call, by name: ``best`` and ``median``.

    The calls take turns, so that whatever else the machine does falls on all alike. Each is called
    before, which also tells how often a short one has to be called for one sample. On a GPU the
    clock stops when the device has finished.
    """
    counts = {name: _count(call, device) for name, call in calls.items()}
    samples: dict[str, list[float]] = {name: [] for name in calls}
    gc.disable()
    try:
        for _ in range(repeats):
            for name, call in calls.items():
                samples[name].append(1e3 * _seconds(call, counts[name], device))
            gc.collect()
    finally:
        gc.enable()
    return {
        name: {"best": min(values), "median": statistics.median(values)}
        for name, values in samples.items()
    }


def _count(call: Call, device: str) -> int:
    """How often to call for one sample; warms up."""
    seconds = _seconds(call, 1, device)
    if seconds < 0.2:  # the very first call may have had to set something up
        seconds = _seconds(call, 1, device)
    return max(1, int(LEAST_SECONDS / seconds))


def _seconds(call: Call, count: int, device: str) -> float:
    """Mean wall time of ``count`` calls in a row."""
    synchronise(device)
    started = time.perf_counter()
    for _ in range(count):
        call()
    synchronise(device)
    return max(time.perf_counter() - started, 1e-9) / count


def synchronise(device: str) -> None:
    """Wait for the device; a GPU takes orders faster than it carries them out."""
    if device == "cuda":
        torch.cuda.synchronize()


def peak(call: Callable[[], T], device: str) -> tuple[T, float | None]:
    """What the call returns, and the most memory that it held beside what was held before, in MB.

    On the CPU that is the process's resident memory, which Linux alone tells; what the process has
    freed but kept is given back first, as it would hide what is taken from it.
    """
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        return call(), (torch.cuda.max_memory_allocated() - before) / 1e6
    try:
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # forget the highest value
    except (OSError, AttributeError):
        return call(), None
    before = resident("VmRSS")
    returned = call()
    return returned, resident("VmHWM") - before


def resident(field: str) -> float:
    """A field of the process's status, in MB."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (line,) = (line for line in status.splitlines() if line.startswith(f"{field}:"))
    return int(line.split()[1]) * 1024 / 1e6


def compare(
    what: str,
    calls: Mapping[str, Call],
    options: argparse.Namespace,
    *,
    against: Sequence[str],
    accelerated: bool = False,
    gflop: float | None = None,
    gigabytes: float | None = None,
) -> Row:
    """One row: times of several ways to the same thing, the first of which is ours.

    Args:
        what: the thing.
        calls: by name; ours, those it is compared with, and others that are only recorded.
        against: names of calls; each becomes a line of the table.
        accelerated: whether it runs on a GPU, too.
        gflop: work of ours, to be judged against the machine's rate of matrix products.
        gigabytes: memory traffic that ours cannot do without, likewise against the rate of copies.
    """
    ours = next(iter(calls))
    measured = times(calls, options.repeats, options.device)
    row = {"what": what, "ours": ours, "against": list(against), "accelerated": accelerated}
    row |= {"ms": measured, "gflop": gflop, "gigabytes": gigabytes}
    best = measured[ours]["best"]
    shown = (
        f"{name} {each['best']:.3g} ms ({each['best'] / best:.2f}x)"
        for name, each in measured.items()
    )
    print(f"{what}: {', '.join(shown)}", flush=True)
    return row


def machine(options: argparse.Namespace) -> dict[str, Any]:
    """Where a result comes from, without the machine's name; rates are measured now."""
    facts = {
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "gpu": torch.cuda.get_device_name() if options.device == "cuda" else None,
        "threads": torch.get_num_threads(),
        "load": options.load,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": version("numpy"),
        "date": datetime.now(UTC).date().isoformat(),
        "quick": options.quick,
    }
    return facts | rates(options.device, options.quick)


def cpu_model() -> str:
    """What the processor calls itself."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def rates(device: str, quick: bool) -> dict[str, float]:
    """Float32 matrix products in GFLOP/s, and copies in GB/s (read plus written), on the device.

    The matrices are large enough to reach the full rate, the copies larger than any cache.
    """
    n = 256 if quick else {"cpu": 2048, "cuda": 8192}[device]
    a, b, product = (torch.randn(n, n, device=device) for _ in range(3))
    entries = (1 if quick else 256) * 2**20 // 4
    source = torch.zeros(entries, device=device)
    target = torch.zeros_like(source)
    calls: dict[str, Call] = {
        "gemm": lambda: torch.mm(a, b, out=product),
        "copy": lambda: target.copy_(source),
    }
    best = {
        name: each["best"] / 1e3 for name, each in times(calls, 1 if quick else 7, device).items()
    }
    gigabytes = 2 * source.nbytes / 1e9
    return {"gemm_gflop_s": 2 * n**3 / 1e9 / best["gemm"], "copy_gb_s": gigabytes / best["copy"]}


def report(rows: Sequence[Row], options: argparse.Namespace) -> None:
    """Print the machine, and write rows and machine where ``--json`` says."""
    facts = machine(options)
    print(
        f"{facts['gpu'] or facts['cpu']}, {facts['threads']} thread(s), torch {facts['torch']};",
        end=" ",
    )
    print(f"{facts['gemm_gflop_s']:.0f} GFLOP/s, {facts['copy_gb_s']:.1f} GB/s", file=sys.stdout)
    write(options, {"machine": facts, "rows": list(rows)})


def write(options: argparse.Namespace, result: Mapping[str, Any]) -> None:
    """The result as json, with four digits: more would only be noise in a diff."""
    if options.json:
        options.json.write_text(json.dumps(rounded(result), indent=1) + "\n", encoding="utf-8")


def rounded(value: Any) -> Any:
    """The same with every float to four digits."""
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, Mapping):
        return {name: rounded(each) for name, each in value.items()}
    return [rounded(each) for each in value] if isinstance(value, list | tuple) else value
