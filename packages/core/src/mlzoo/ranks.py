"""What the processes of one job tell each other: means, states, and whether they still agree."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from mlzoo.errors import RunError

if TYPE_CHECKING:
    from accelerate import Accelerator

_INTEGERS = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


def mean_over_ranks(accelerator: Accelerator) -> Callable[[list[float]], list[float]]:
    """The mean of each number of a list over all processes."""

    def mean(values: list[float]) -> list[float]:
        mine = torch.tensor(values, dtype=torch.float64, device=accelerator.device)
        total: Tensor = accelerator.reduce(mine, "mean")
        return [float(value) for value in total]

    return mean


def every_rank(accelerator: Accelerator, value: Any) -> list[Any]:
    """The values of all processes, in their order."""
    if accelerator.num_processes == 1:
        return [value]
    from accelerate.utils import gather_object

    return list(gather_object([value]))


def require_equal_parameters(accelerator: Accelerator, networks: Iterable[nn.Module]) -> None:
    """Compare the parameters of all processes, bit for bit.

    Averaging gradients goes wrong without an error when a network has two forwards and then two
    backwards in a step, when parameters get no gradient, or when its own methods are called.

    Raises:
        RunError: names the first parameter that differs.
    """
    named = [pair for network in networks for pair in network.named_parameters()]
    sums = torch.stack([_bits(parameter) for _, parameter in named])  # [n]
    everyone: Tensor = accelerator.gather(sums[None])  # [ranks, n]
    differs = (everyone != everyone[:1]).any(dim=0)
    if differs.any():
        name = named[int(differs.nonzero()[0])][0]
        raise RunError(
            f"the processes have trained apart: parameter {name} differs between them.",
            "Each network needs one forward and one backward a step, through what run.prepare "
            "returned, with a gradient for every parameter.",
        )


def _bits(parameter: Tensor) -> Tensor:
    """The sum of the bits as integers: exact, whatever the order of summation."""
    data = parameter.detach()
    data = torch.view_as_real(data) if data.is_complex() else data
    return data.contiguous().view(_INTEGERS[data.element_size()]).sum(dtype=torch.int64)
