"""BiAM (ICCV 2021) and multi-label zero-shot classification. Names are imported on first use; listing
imports no torch."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlzoo_biam.labels import Labels
    from mlzoo_biam.multilabel import Images, MultiLabelData

__version__ = "0.1.0"

_HOMES = {
    "Images": "mlzoo_biam.multilabel",
    "Labels": "mlzoo_biam.labels",
    "MultiLabelData": "mlzoo_biam.multilabel",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'mlzoo_biam' has no attribute {name!r}")


__all__ = ["Images", "Labels", "MultiLabelData"]
