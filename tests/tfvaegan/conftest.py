"""What several files of this room need."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

import pytest

STEPS = ("plain_step.PlainStep", "fast_step.FastStep")
"""Every formulation of the training iteration."""


@pytest.fixture(params=STEPS)
def step_class(request: pytest.FixtureRequest) -> Any:
    """A class that keeps the contract of ``mlzoo_tfvaegan.step.Step``."""
    module, name = f"mlzoo_tfvaegan.{request.param}".rsplit(".", 1)
    if find_spec(module) is None:
        pytest.skip(f"{module} is not part of this installation")
    return getattr(import_module(module), name)
