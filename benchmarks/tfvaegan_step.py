"""The training iteration of TF-VAEGAN in closed form against the plain one.

    python benchmarks/tfvaegan_step.py [--json FILE] [--device cuda] [--threads 1] [--repeats 9] [--quick]

Sizes are those of CUB: an iteration is five steps of critic and decoder and one of encoder and
generator. "plain" is autograd with ordinary Adam; "its products alone" are the matrix products that the
closed form is made of, one after the other with nothing between: the machine's own rate in the shapes
of this step. Against them the ratio is the share of that rate which the whole iteration reaches.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from _measure import Call, Row, arguments, compare, report
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from mlzoo_tfvaegan.fast_step import FastStep
from mlzoo_tfvaegan.networks import Networks
from mlzoo_tfvaegan.plain_step import PlainStep
from mlzoo_tfvaegan.step import Draws, Step, StepOptions, TrainingSet


@dataclass(frozen=True)
class Sizes:
    """Of the networks, a batch and the training set."""

    features: int = 2048
    attributes: int = 312
    hidden: int = 4096
    critic_hidden: int = 4096
    batch: int = 64
    steps: int = 5
    rows: int = 7057

    def networks(self) -> Networks:
        return Networks(self.features, self.attributes, self.hidden, self.critic_hidden)


SMALL = Sizes(24, 7, 14, 12, 6, 3, 70)


class Product(NamedTuple):
    """[rows, inner] times [inner, columns], ``times`` over."""

    rows: int
    inner: int
    columns: int
    times: int = 1

    @property
    def flop(self) -> int:
        return 2 * self.rows * self.inner * self.columns * self.times


def products(sizes: Sizes, feedback: bool) -> Iterator[Product]:
    """Every matrix product of one iteration in closed form, with encoded noise."""
    r, a, h, d = sizes.features, sizes.attributes, sizes.hidden, sizes.critic_hidden
    b, k = sizes.batch, sizes.steps
    n = (k + 1) * b
    yield from (Product(k * b, r + a, h), Product(k * b, h, 2 * a), Product(k * b, 2 * a, a, 2))
    yield from (Product(n, 2 * a, h), Product(n, h, r))  # all that is generated
    if feedback:
        yield from (Product(n, h, h, 2), Product(n, h, r))
    # The decoder's steps: with feedback, each looks at a batch of generated features, too
    yield from (Product(b, r, h), Product(2 * b if feedback else b, r, h, k - 1))
    if feedback:
        yield Product(2 * b, r, h)
    yield from (Product(b, h, a, k), Product(b, a, h, k), Product(a, b, h, k), Product(h, b, r, k))
    # The critic's: outputs, slopes between, penalty, gradients
    yield from (Product(2 * b, r, d, k), Product(b, a, d, k), Product(2 * b, d, 1, k))
    yield from (Product(b, d, r, k), Product(b, r, d, k))
    yield from (Product(d, 3 * b, r, k), Product(d, b, a, k), Product(1, 3 * b, d, k))
    # The generator's: critic, decoder, generator, encoder, feedback network
    yield from (Product(b, r + a, d), Product(b, d, 1), Product(b, d, r))
    yield from (Product(b, r, h), Product(b, h, a), Product(b, a, h), Product(b, h, r))
    yield from (Product(a, b, h), Product(h, b, r))
    yield from (Product(b, r, h), Product(b, h, a), Product(r, b, h), Product(h, b, 2 * a))
    yield from (Product(b, a, 2 * a, 2), Product(b, 2 * a, h), Product(a, b, 2 * a, 2))
    yield from (Product(2 * a, b, h), Product(h, b, r + a))
    if feedback:
        yield from (Product(b, h, h), Product(h, b, h, 2))


def alone(every: list[Product], device: str) -> Call:
    """Calls them all."""
    prepared = [
        (
            torch.randn(each.rows, each.inner, device=device),
            torch.randn(each.inner, each.columns, device=device),
            torch.empty(each.rows, each.columns, device=device),
            each.times,
        )
        for each in every
    ]

    def call() -> None:
        for left, right, target, times in prepared:
            for _ in range(times):
                torch.mm(left, right, out=target)

    return call


def world(
    sizes: Sizes, device: str, dtype: torch.dtype = torch.float32
) -> tuple[FastStep, PlainStep, TrainingSet, Draws]:
    """Both steps with the same weights, and what they are given."""

    def normal(*leading: int) -> Tensor:
        return torch.randn(*leading, sizes.batch, sizes.attributes, dtype=dtype)

    networks = sizes.networks().to(dtype)
    classes = torch.rand(sizes.rows, sizes.attributes, dtype=dtype)
    attributes = torch.nn.functional.normalize(classes, dim=1).to(device)
    features = torch.rand(sizes.rows, sizes.features, dtype=dtype).to(device)
    draws = Draws(
        torch.randint(sizes.rows, (sizes.steps, sizes.batch)).to(device),
        normal(sizes.steps).to(device),
        torch.rand(sizes.steps, sizes.batch, 1, dtype=dtype).to(device),
        normal().to(device),
    )
    options = StepOptions(critic_steps=sizes.steps)
    ours = FastStep(networks.to(device), options)
    plain = PlainStep(copy.deepcopy(networks), options)
    return ours, plain, TrainingSet(features, attributes, attributes), draws


def check_in_double(device: str) -> None:
    """Equal to 1e-9 over several small iterations."""
    ours, plain, data, draws = world(SMALL, device, torch.float64)
    for i in range(6):
        told = [step.iteration(data, draws, feedback=i % 2 == 1) for step in (ours, plain)]
        torch.testing.assert_close(*(vars(each) for each in told), rtol=1e-9, atol=1e-9)
    for one, other in zip(ours.networks.parameters(), plain.networks.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-9)


def check_one_iteration(ours: Step, plain: Step, data: TrainingSet, draws: Draws) -> None:
    """Equal in double. In single, Adam makes a whole step of what is only rounding in a gradient, and
    how much there is of it depends on the processor."""
    told = [step.iteration(data, draws, feedback=True) for step in (ours, plain)]
    torch.testing.assert_close(*(vars(each) for each in told), rtol=1e-7, atol=1e-7)
    for one, other in zip(ours.networks.parameters(), plain.networks.parameters(), strict=True):
        share = ((one - other).abs() <= 1e-6).double().mean()
        assert share >= 0.99, f"{share:.3f} of the weights are equal"


def iteration_row(sizes: Sizes, feedback: bool, options: argparse.Namespace) -> Row:
    """One whole training iteration."""
    check_one_iteration(*world(sizes, options.device, torch.float64))
    ours, plain, data, draws = world(sizes, options.device)
    every = list(products(sizes, feedback))
    flop = sum(each.flop for each in every)
    if options.device == "cpu":
        with FlopCounterMode(display=False) as counter:
            ours.iteration(data, draws, feedback=feedback)
        assert counter.get_total_flops() == flop, "the products listed are not those of the step"
    calls: dict[str, Call] = {
        "mlzoo": lambda: ours.iteration(data, draws, feedback=feedback),
        "plain": lambda: plain.iteration(data, draws, feedback=feedback),
        "its products alone": alone(every, options.device),
    }
    return compare(
        f"TF-VAEGAN, training iteration with{'' if feedback else 'out'} feedback",
        calls,
        options,
        against=("plain", "its products alone"),
        accelerated=True,
        gflop=flop / 1e9,
    )


def main() -> None:
    options = arguments(__doc__, repeats=9)
    check_in_double(options.device)
    sizes = SMALL if options.quick else Sizes()
    report([iteration_row(sizes, feedback, options) for feedback in (False, True)], options)


if __name__ == "__main__":
    main()
