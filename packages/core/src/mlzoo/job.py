"""What a launcher such as torchrun tells this process about its job, in the environment."""

from __future__ import annotations

import os


def process_count() -> int:
    """Processes of this job, as a launcher such as torchrun tells them."""
    return _number("WORLD_SIZE", 1)


def is_follower() -> bool:
    """Whether another process of the same job speaks and writes for this one."""
    return process_count() > 1 and _number("RANK", 0) > 0


def _number(name: str, default: int) -> int:
    value = os.environ.get(name, "")
    return int(value) if value.isdigit() else default
