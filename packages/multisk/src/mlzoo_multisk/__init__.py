"""Multi-SK (ICCV 2023), Everything at Once (CVPR 2022) and retrieval between text, video and audio. Names are
imported on first use; listing imports no torch."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlzoo_multisk.anchor_loss import AnchorLoss
    from mlzoo_multisk.audio_network import AudioNetwork
    from mlzoo_multisk.clips import ClipBatch, Clips, Item, ItemStore, Shape, TrainingClips
    from mlzoo_multisk.ema import MovingAverage
    from mlzoo_multisk.evaluators import score, score_anchors
    from mlzoo_multisk.fusion import FusionTransformer
    from mlzoo_multisk.gathering import gather_batch
    from mlzoo_multisk.layers import Block, GatedEmbedding, SentenceMaxPool
    from mlzoo_multisk.losses import anchor_cost, combinatorial_loss, mms, norm_softmax
    from mlzoo_multisk.model import EverythingAtOnceModel, MultiSKModel
    from mlzoo_multisk.networks import EverythingAtOnceNetwork, MultiSKNetwork
    from mlzoo_multisk.queues import EmbeddingQueues
    from mlzoo_multisk.retrieval import RetrievalData
    from mlzoo_multisk.scores.ranks import ranks
    from mlzoo_multisk.scores.recall import retrieval_metrics
    from mlzoo_multisk.shards.store import ShardStore
    from mlzoo_multisk.shards.writer import ShardWriter
    from mlzoo_multisk.sinkhorn import assignment_targets, multi_sinkhorn
    from mlzoo_multisk.views.log_mel import log_mel
    from mlzoo_multisk.views.pooling import pool_audio_tokens
    from mlzoo_multisk.views.sampling import draw_clip
    from mlzoo_multisk.views.text import WordTable, tokenise
    from mlzoo_multisk.views.video import combine

__version__ = "0.1.0"

_HOMES = {
    "AnchorLoss": "mlzoo_multisk.anchor_loss",
    "AudioNetwork": "mlzoo_multisk.audio_network",
    "Block": "mlzoo_multisk.layers",
    "ClipBatch": "mlzoo_multisk.clips",
    "Clips": "mlzoo_multisk.clips",
    "EmbeddingQueues": "mlzoo_multisk.queues",
    "EverythingAtOnceModel": "mlzoo_multisk.model",
    "EverythingAtOnceNetwork": "mlzoo_multisk.networks",
    "FusionTransformer": "mlzoo_multisk.fusion",
    "GatedEmbedding": "mlzoo_multisk.layers",
    "Item": "mlzoo_multisk.clips",
    "ItemStore": "mlzoo_multisk.clips",
    "MovingAverage": "mlzoo_multisk.ema",
    "MultiSKModel": "mlzoo_multisk.model",
    "MultiSKNetwork": "mlzoo_multisk.networks",
    "RetrievalData": "mlzoo_multisk.retrieval",
    "SentenceMaxPool": "mlzoo_multisk.layers",
    "Shape": "mlzoo_multisk.clips",
    "ShardStore": "mlzoo_multisk.shards.store",
    "ShardWriter": "mlzoo_multisk.shards.writer",
    "TrainingClips": "mlzoo_multisk.clips",
    "WordTable": "mlzoo_multisk.views.text",
    "anchor_cost": "mlzoo_multisk.losses",
    "assignment_targets": "mlzoo_multisk.sinkhorn",
    "combinatorial_loss": "mlzoo_multisk.losses",
    "combine": "mlzoo_multisk.views.video",
    "draw_clip": "mlzoo_multisk.views.sampling",
    "gather_batch": "mlzoo_multisk.gathering",
    "log_mel": "mlzoo_multisk.views.log_mel",
    "mms": "mlzoo_multisk.losses",
    "multi_sinkhorn": "mlzoo_multisk.sinkhorn",
    "norm_softmax": "mlzoo_multisk.losses",
    "pool_audio_tokens": "mlzoo_multisk.views.pooling",
    "ranks": "mlzoo_multisk.scores.ranks",
    "retrieval_metrics": "mlzoo_multisk.scores.recall",
    "score": "mlzoo_multisk.evaluators",
    "score_anchors": "mlzoo_multisk.evaluators",
    "tokenise": "mlzoo_multisk.views.text",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'mlzoo_multisk' has no attribute {name!r}")


__all__ = [
    "AnchorLoss",
    "AudioNetwork",
    "Block",
    "ClipBatch",
    "Clips",
    "EmbeddingQueues",
    "EverythingAtOnceModel",
    "EverythingAtOnceNetwork",
    "FusionTransformer",
    "GatedEmbedding",
    "Item",
    "ItemStore",
    "MovingAverage",
    "MultiSKModel",
    "MultiSKNetwork",
    "RetrievalData",
    "SentenceMaxPool",
    "Shape",
    "ShardStore",
    "ShardWriter",
    "TrainingClips",
    "WordTable",
    "anchor_cost",
    "assignment_targets",
    "combinatorial_loss",
    "combine",
    "draw_clip",
    "gather_batch",
    "log_mel",
    "mms",
    "multi_sinkhorn",
    "norm_softmax",
    "pool_audio_tokens",
    "ranks",
    "retrieval_metrics",
    "score",
    "score_anchors",
    "tokenise",
]
