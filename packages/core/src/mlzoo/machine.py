"""Where a run computes: device, precision, compilation and processes, all through Accelerate."""

from __future__ import annotations

import atexit
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from mlzoo.errors import RunError, UsageError
from mlzoo.job import process_count
from mlzoo.specs import Precision

if TYPE_CHECKING:
    from accelerate import Accelerator

T = TypeVar("T")

MIXED = {"32": "no", "bf16": "bf16", "fp16": "fp16"}
PATIENCE = timedelta(hours=24)  # the others wait as long as rank 0 scores; a dead one is noticed


class MainProcessError(RunError):
    """The main process of the job has failed."""

    told_by_main = True


@dataclass(frozen=True)
class Machine:
    """What is no option of the experiment, as it should change no result beyond rounding.

    Attributes:
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        devices: processes to train with, one a device.
        compile: train with ``torch.compile``.
    """

    device: str = "auto"
    devices: int = 1
    compile: bool = False


def choose_device(name: str) -> str:
    """``auto`` is the first accelerator there is, else the CPU.

    Raises:
        UsageError: no such kind of device, or this machine has none.
    """
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if not re.fullmatch(r"cpu|cuda(:\d+)?", name):
        raise UsageError(f"device {name!r} is not one of auto, cpu, cuda, cuda:N.")
    if ":" in name and process_count() > 1:
        raise UsageError(f"device {name!r} is one device for several processes.", "Say cuda.")
    try:
        torch.empty(1, device=name)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(
            f"device {name!r} cannot be used: {reason}", "Try --device cpu."
        ) from error
    return name


def accelerator_for(machine: Machine, precision: Precision = "32") -> Accelerator:
    """A new Accelerator; in a job of several processes it joins their group.

    Raises:
        UsageError: the device does not exist, or cannot compute in this precision.
    """
    import torch

    with warnings.catch_warnings():  # in a notebook, about progress bars that nobody asked for
        warnings.filterwarnings("ignore", message="IProgress not found")
        from accelerate import Accelerator
        from accelerate.state import AcceleratorState
        from accelerate.utils import InitProcessGroupKwargs

    device = choose_device(machine.device)
    if precision == "fp16" and device == "cpu":
        raise UsageError("--precision fp16 needs a GPU.", "On a CPU choose bf16 or 32.")
    if device.startswith("cuda:"):
        torch.cuda.set_device(device)
    alone = process_count() == 1
    # Accelerate keeps one state a process; every run has settings of its own.
    AcceleratorState._reset_state(reset_partial_state=alone)
    # With compilation Accelerate would let matrix products round to TF32.
    rounding = torch.backends.cuda.matmul.allow_tf32
    accelerator = Accelerator(
        cpu=device == "cpu",
        mixed_precision=MIXED[precision],
        dynamo_backend="inductor" if machine.compile else "no",
        step_scheduler_with_optimizer=False,
        kwargs_handlers=[] if alone else [InitProcessGroupKwargs(timeout=PATIENCE)],
    )
    torch.backends.cuda.matmul.allow_tf32 = rounding
    if not alone:
        atexit.register(_leave_group)
    return accelerator


def _leave_group() -> None:
    import torch.distributed as distributed

    if distributed.is_initialized():
        distributed.destroy_process_group()


def on_main(accelerator: Accelerator, work: Callable[[], T]) -> T:
    """Do ``work`` in the main process alone; every process gets its result.

    Raises:
        MainProcessError: in the others, if it failed in the main process.
    """
    if accelerator.num_processes == 1:
        return work()
    from accelerate.utils import broadcast_object_list

    told: list[T | str | None] = [None, None]  # the result, or what went wrong
    if accelerator.is_main_process:
        try:
            told[0] = work()
        except BaseException as error:
            told[1] = f"{type(error).__name__}: {error}"
            broadcast_object_list(told)
            raise
    broadcast_object_list(told)
    if told[1] is not None:
        raise MainProcessError(f"the main process failed: {told[1]}")
    return told[0]  # type: ignore[return-value]
