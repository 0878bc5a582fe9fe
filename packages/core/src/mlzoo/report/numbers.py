"""How numbers are written in tables."""

from __future__ import annotations

from collections.abc import Mapping


def format_metric(value: float | None, unit: str) -> str:
    """One decimal for percentages, four for the rest; a dash for what is not there."""
    if value is None or value != value:
        return "-"
    return f"{value:.1f}" if unit == "%" else f"{value:.4f}"


def reference_text(values: Mapping[str, float], unit: str) -> str:
    """``chance 50.0, true effect 83.3``."""
    form = ".1f" if unit == "%" else ".4g"
    return ", ".join(f"{label} {value:{form}}" for label, value in values.items())
