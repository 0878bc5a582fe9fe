"""Measures MDN's generator and distance correlation against their plain formulations.

Prints one table; every ratio is taken within this run. Times are the best of several calls, memory
is the peak of what numpy allocated during one call (tracemalloc).

    python benchmarks/mdn_data.py [--json FILE] [--repeats 5]
"""

from __future__ import annotations

import argparse
import json
import platform
import time
import tracemalloc
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import cdist
from scipy.stats import norm

from mlzoo_mdn.dcor import squared_distance_correlation
from mlzoo_mdn.synthetic import generate

Float64 = npt.NDArray[np.float64]
Row = dict[str, Any]

FEATURES = 84
DCOR_LIMIT = 2000
"""The dcor package takes 2.6 GB at n = 2000 and would take 10 GB at 4000."""


def plain_kernel() -> Float64:
    """The kernel of 16 x 16 pixels and 5 standard deviations, as its formula reads."""
    interval = (2 * 5 + 1) / 16
    profile = np.diff(norm.cdf(np.linspace(-5 - interval / 2, 5 + interval / 2, 17)))
    kernel = np.sqrt(np.outer(profile, profile))
    plain: Float64 = kernel / kernel.sum()
    return plain


def image_loop(group_size: int, seed: int, kernel: Callable[[], Float64]) -> Float64:
    """The generator block by block and image by image: float64 [2N, 32, 32, 1]."""
    random = np.random.RandomState(seed)
    confounder = np.concatenate([random.uniform(*pair, group_size) for pair in ((1, 4), (3, 6))])
    random = np.random.RandomState(seed + 1)
    main_effect = np.concatenate([random.uniform(*pair, group_size) for pair in ((1, 4), (3, 6))])
    images = np.zeros((2 * group_size, 32, 32, 1))
    for index in range(2 * group_size):
        images[index, :16, :16, 0] = main_effect[index] * kernel()
        images[index, 16:, :16, 0] = confounder[index] * kernel()
        images[index, 16:, 16:, 0] = main_effect[index] * kernel()
        images[index, :, :, 0] += random.normal(0, 0.01, (32, 32))
    return images


def double_centring(x: Float64, y: Float64) -> float:
    """The definition of the squared distance correlation, with all n² distances."""

    def centred(samples: Float64) -> Float64:
        distances: Float64 = cdist(samples, samples)
        n = len(distances)
        rows = distances.sum(axis=1)
        distances = distances - rows[:, None] / (n - 2) - rows / (n - 2)
        distances += rows.sum() / ((n - 1) * (n - 2))
        np.fill_diagonal(distances, 0)
        return distances

    a, b = centred(x), centred(y)
    return float((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum()))


def measure(call: Callable[[], object], repeats: int) -> tuple[float, float]:
    """(best seconds, peak MiB) of a call, after one that warms it up."""
    tracemalloc.start()
    call()
    peak = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
    return best, peak


def compare(what: str, calls: dict[str, Callable[[], object]], repeats: int) -> list[Row]:
    """One row for each call; the ratio is to the first, which is ours."""
    rows: list[Row] = []
    for how, call in calls.items():
        seconds, peak = measure(call, repeats)
        ratio = seconds / rows[0]["seconds"] if rows else 1.0
        rows.append(
            {"what": what, "how": how, "seconds": seconds, "times ours": ratio, "peak MiB": peak}
        )
    return rows


def generator_rows(repeats: int) -> list[Row]:
    ours = generate(1000, 1234).images.swapaxes(1, 3)
    np.testing.assert_array_equal(ours, image_loop(1000, 1234, plain_kernel))
    once = plain_kernel()
    noise = np.random.RandomState(1235)
    calls: dict[str, Callable[[], object]] = {
        "mlzoo": lambda: generate(1000, 1234),
        "loop over images": lambda: image_loop(1000, 1234, plain_kernel),
        "loop, kernel once": lambda: image_loop(1000, 1234, lambda: once),
        "the noise alone": lambda: noise.normal(0, 0.01, (2000, 32, 32)),
    }
    return compare("generator, N=1000", calls, repeats)


def dcor_rows(n: int, repeats: int) -> list[Row]:
    random = np.random.default_rng(0)
    x = random.normal(size=(n, FEATURES))
    y = random.uniform(size=(n, 1)) + 0.1 * x[:, :1]
    np.testing.assert_allclose(squared_distance_correlation(x, y), double_centring(x, y), rtol=1e-9)
    calls: dict[str, Callable[[], object]] = {
        "mlzoo": lambda: squared_distance_correlation(x, y),
        "double centring": lambda: double_centring(x, y),
    }
    if n <= DCOR_LIMIT and find_spec("dcor"):
        import dcor

        calls[f"dcor {version('dcor')}"] = lambda: dcor.u_distance_correlation_sqr(x, y)
    return compare(f"dcor2, n={n}, {FEATURES} features", calls, repeats)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    rows = generator_rows(arguments.repeats)
    for n in (1000, 2000, 4000):
        rows += dcor_rows(n, arguments.repeats)
    print(f"{'':30} {'':20} {'ms':>9} {'times ours':>11} {'peak MiB':>9}")
    for row in rows:
        numbers = f"{1e3 * row['seconds']:9.1f} {row['times ours']:11.1f} {row['peak MiB']:9.1f}"
        print(f"{row['what']:30} {row['how']:20} {numbers}")
    if arguments.json:
        facts = {"numpy": np.__version__, "python": platform.python_version()}
        arguments.json.write_text(json.dumps({**facts, "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
