"""Options: one flat, frozen pydantic class per model and dataset."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Config(BaseModel):
    """Base class of all options: unknown keys are errors and values never change afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)
