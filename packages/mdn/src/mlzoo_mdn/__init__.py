"""Metadata Normalization (CVPR 2021). Names are imported on first use; listing imports no torch."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlzoo_mdn.confounded import ConfoundedData, ConfoundedSplit
    from mlzoo_mdn.dcor import squared_distance_correlation
    from mlzoo_mdn.layer import MetadataNorm
    from mlzoo_mdn.model import MDN
    from mlzoo_mdn.penalty import PenaltyMDN
    from mlzoo_mdn.recalibration import recalibrate
    from mlzoo_mdn.recursive import RecursiveMDN
    from mlzoo_mdn.wrapping import metadata_of, wrap

__version__ = "0.1.0"

_HOMES = {
    "ConfoundedData": "mlzoo_mdn.confounded",
    "ConfoundedSplit": "mlzoo_mdn.confounded",
    "MDN": "mlzoo_mdn.model",
    "MetadataNorm": "mlzoo_mdn.layer",
    "PenaltyMDN": "mlzoo_mdn.penalty",
    "RecursiveMDN": "mlzoo_mdn.recursive",
    "metadata_of": "mlzoo_mdn.wrapping",
    "recalibrate": "mlzoo_mdn.recalibration",
    "squared_distance_correlation": "mlzoo_mdn.dcor",
    "wrap": "mlzoo_mdn.wrapping",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'mlzoo_mdn' has no attribute {name!r}")


__all__ = [
    "MDN",
    "ConfoundedData",
    "ConfoundedSplit",
    "MetadataNorm",
    "PenaltyMDN",
    "RecursiveMDN",
    "metadata_of",
    "recalibrate",
    "squared_distance_correlation",
    "wrap",
]
