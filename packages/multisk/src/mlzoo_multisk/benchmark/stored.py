"""Arrays of features as files hold them, checked before they are used."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from mlzoo.data.checks import ArraySpec, check_array
from mlzoo.errors import DataError
from mlzoo_multisk.clips import MEL_BANDS

Array = npt.NDArray[Any]


def feature_rows(value: Any, what: str, width: int | None = None) -> Array | None:
    """[r, D] of a network; None where there is nothing or no row.

    Args:
        value: an array [r, D]; [D], features pooled over time, is one row. Of float64 becomes float32.
        what: it is, for the message.
        width: D, if it is known.

    Raises:
        DataError: another kind of thing, another width, or a value that is not finite.
    """
    array = _array(value, what)
    if array is None:
        return None
    if array.ndim == 1:
        array = array[None]
    check_array(array, ArraySpec(shape=(None, width), kinds="f"), what)
    return array


def spectrogram(value: Any, what: str) -> Array | None:
    """[40, frames]; None where there is nothing or no frame.

    Raises:
        DataError: another kind of thing, not of 40 bands, or a value that is not finite.
    """
    array = _array(value, what)
    if array is None:
        return None
    if array.ndim == 2 and array.shape[1] == MEL_BANDS != array.shape[0]:
        raise DataError(
            f"{what}: expected shape ({MEL_BANDS}, any), found {array.shape}: it lies on its side.",
            "Transpose it.",
        )
    check_array(array, ArraySpec(shape=(MEL_BANDS, None), kinds="f"), what)
    return array


def _array(value: Any, what: str) -> Array | None:
    if value is None:
        return None
    if not isinstance(value, np.ndarray):
        raise DataError(f"{what}: expected an array of numbers, found {type(value).__name__}.")
    if value.dtype == np.float64:
        with np.errstate(over="ignore"):  # infinity is refused with the value's place
            value = value.astype(np.float32)
    return value if value.size else None
