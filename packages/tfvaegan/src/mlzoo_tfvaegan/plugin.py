"""What mlzoo-tfvaegan brings: the model, the task ``zero-shot`` and its datasets. Imports no torch."""

from __future__ import annotations

TASK = "zero-shot"
