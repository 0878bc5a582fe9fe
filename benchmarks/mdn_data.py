"""MDN's generator and distance correlation against their plain formulations (numpy, on the CPU).

python benchmarks/mdn_data.py [--json FILE] [--repeats 5] [--quick]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec

import numpy as np
import numpy.typing as npt
from _measure import Call, Row, arguments, compare, report
from scipy.spatial.distance import cdist
from scipy.stats import norm
from threadpoolctl import threadpool_limits

from mlzoo_mdn.dcor import squared_distance_correlation
from mlzoo_mdn.synthetic import generate

Float64 = npt.NDArray[np.float64]

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


def generator_row(group_size: int, options: argparse.Namespace) -> Row:
    """One split of the synthetic experiment."""
    ours = generate(group_size, 1234).images.swapaxes(1, 3)
    np.testing.assert_array_equal(ours, image_loop(group_size, 1234, plain_kernel))
    once = plain_kernel()
    noise = np.random.RandomState(1235)
    calls: dict[str, Call] = {
        "mlzoo": lambda: generate(group_size, 1234),
        "loop over images": lambda: image_loop(group_size, 1234, plain_kernel),
        "loop, kernel once": lambda: image_loop(group_size, 1234, lambda: once),
        "the noise alone": lambda: noise.normal(0, 0.01, (2 * group_size, 32, 32)),
    }
    against = ("loop over images", "loop, kernel once")
    return compare(f"synthetic images, N = {group_size}", calls, options, against=against)


def dcor_row(n: int, options: argparse.Namespace) -> Row:
    """dcor² of the features and a confounder."""
    random = np.random.default_rng(0)
    x = random.normal(size=(n, FEATURES))
    y = random.uniform(size=(n, 1)) + 0.1 * x[:, :1]
    np.testing.assert_allclose(squared_distance_correlation(x, y), double_centring(x, y), rtol=1e-9)
    calls: dict[str, Call] = {
        "mlzoo": lambda: squared_distance_correlation(x, y),
        "double centring": lambda: double_centring(x, y),
    }
    if n <= DCOR_LIMIT and find_spec("dcor"):
        import dcor

        calls[f"dcor {version('dcor')}"] = lambda: dcor.u_distance_correlation_sqr(x, y)
    against = [name for name in calls if name != "mlzoo"]
    return compare(f"dcor², n = {n}, {FEATURES} features", calls, options, against=against)


def main() -> None:
    options = arguments(__doc__, repeats=5)
    sizes = (100,) if options.quick else (1000, 2000, 4000)
    with threadpool_limits(options.threads):
        rows = [generator_row(20 if options.quick else 1000, options)]
        rows += [dcor_row(n, options) for n in sizes]
    report(rows, options)


if __name__ == "__main__":
    main()
