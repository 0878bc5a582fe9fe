"""BiAM (ICCV 2021) and multi-label zero-shot classification. Names are imported on first use; listing
imports no torch."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlzoo_biam.attention import tag_maps
    from mlzoo_biam.evaluators import score, score_pooled
    from mlzoo_biam.labels import Labels
    from mlzoo_biam.losses import image_losses, ranking_loss, violations
    from mlzoo_biam.metrics import (
        average_precision,
        pooled_average_precision,
        precision_recall_f1_at,
    )
    from mlzoo_biam.model import BiAMModel
    from mlzoo_biam.multilabel import Features, Images, MultiLabelData
    from mlzoo_biam.networks import BiAM, RegionContextBlock, SceneContextBlock
    from mlzoo_biam.packed.store import ArrayFeatures, PackedFeatures
    from mlzoo_biam.schedule import learning_rate

__version__ = "0.1.0"

_HOMES = {
    "ArrayFeatures": "mlzoo_biam.packed.store",
    "BiAM": "mlzoo_biam.networks",
    "BiAMModel": "mlzoo_biam.model",
    "Features": "mlzoo_biam.multilabel",
    "Images": "mlzoo_biam.multilabel",
    "Labels": "mlzoo_biam.labels",
    "MultiLabelData": "mlzoo_biam.multilabel",
    "PackedFeatures": "mlzoo_biam.packed.store",
    "RegionContextBlock": "mlzoo_biam.networks",
    "SceneContextBlock": "mlzoo_biam.networks",
    "average_precision": "mlzoo_biam.metrics",
    "image_losses": "mlzoo_biam.losses",
    "learning_rate": "mlzoo_biam.schedule",
    "pooled_average_precision": "mlzoo_biam.metrics",
    "precision_recall_f1_at": "mlzoo_biam.metrics",
    "ranking_loss": "mlzoo_biam.losses",
    "score": "mlzoo_biam.evaluators",
    "score_pooled": "mlzoo_biam.evaluators",
    "tag_maps": "mlzoo_biam.attention",
    "violations": "mlzoo_biam.losses",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'mlzoo_biam' has no attribute {name!r}")


__all__ = [
    "ArrayFeatures",
    "BiAM",
    "BiAMModel",
    "Features",
    "Images",
    "Labels",
    "MultiLabelData",
    "PackedFeatures",
    "RegionContextBlock",
    "SceneContextBlock",
    "average_precision",
    "image_losses",
    "learning_rate",
    "pooled_average_precision",
    "precision_recall_f1_at",
    "ranking_loss",
    "score",
    "score_pooled",
    "tag_maps",
    "violations",
]
