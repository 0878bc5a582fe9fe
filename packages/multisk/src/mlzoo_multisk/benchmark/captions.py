"""Captions as files hold them, brought to sentences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from mlzoo.errors import DataError


def sentence(value: Any, what: str) -> str:
    """One caption as text; blank for None and NaN, which tables have in place of an empty cell.

    Args:
        value: text, bytes, a number or None.
        what: it belongs to, for the message.

    Raises:
        DataError: anything else.
    """
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value.item()
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bytes):
        value = value.decode("utf-8", errors="replace")
    if isinstance(value, bool | np.bool_) or not isinstance(value, str | int | float | np.number):
        raise DataError(f"a caption of {what} is a {type(value).__name__}, expected text.")
    return " ".join(str(value).split())


def sentences(value: Any, what: str) -> tuple[str, ...]:
    """One caption or several.

    Blank ones are left out where there are others; a clip whose only caption is blank has no text.

    Args:
        value: what :func:`sentence` takes, or a list of that.
        what: they belong to, for the message.

    Raises:
        DataError: the list is empty, or holds anything else.
    """
    if isinstance(value, np.ndarray) and value.ndim == 1:
        value = value.tolist()
    several = isinstance(value, Sequence) and not isinstance(value, str | bytes)
    found = [sentence(each, what) for each in (value if several else [value])]
    if not found:
        raise DataError(
            f"the caption list of {what} is empty.", "Give it a caption, or leave it out."
        )
    return tuple(each for each in found if each) or ("",)
