"""ImageCoDe (ACL 2022): image retrieval from contextual descriptions. Names are imported on first use;
listing imports no torch."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlzoo_imagecode.batches import epoch_batches, random_candidates
    from mlzoo_imagecode.clip.encoders import ClipEncoders
    from mlzoo_imagecode.clip.folder import open_clip
    from mlzoo_imagecode.clip.openai_names import to_openai, to_transformers
    from mlzoo_imagecode.clip.tokens import ClipTokens, WordTokens
    from mlzoo_imagecode.clip.writing import write_clip
    from mlzoo_imagecode.context_module import ContextModule, temporal_mask
    from mlzoo_imagecode.contextual import ContextualData, Images, Part
    from mlzoo_imagecode.cross.adamw import warm_up_linear
    from mlzoo_imagecode.cross.model import CrossModel
    from mlzoo_imagecode.cross.network import CrossNetwork
    from mlzoo_imagecode.cross.regions.bert_tokens import BertTokens
    from mlzoo_imagecode.cross.regions.store import RegionStore
    from mlzoo_imagecode.cross.scheme import uniter, vilbert
    from mlzoo_imagecode.cross.scheme_reading import open_scheme
    from mlzoo_imagecode.evaluators import score, score_phenomena
    from mlzoo_imagecode.images.arrays import ArrayImages
    from mlzoo_imagecode.images.folder import JpgImages
    from mlzoo_imagecode.images.preprocess import crop
    from mlzoo_imagecode.losses import matching_logits, matching_loss
    from mlzoo_imagecode.model import ImageCoDeModel
    from mlzoo_imagecode.network import MatchingNetwork
    from mlzoo_imagecode.optimisation import make_optimizer, one_cycle
    from mlzoo_imagecode.scores.mcnemar import McNemar
    from mlzoo_imagecode.submission import check_submission, submission_of, write_submission

__version__ = "0.1.0"

_HOMES = {
    "ArrayImages": "mlzoo_imagecode.images.arrays",
    "BertTokens": "mlzoo_imagecode.cross.regions.bert_tokens",
    "ClipEncoders": "mlzoo_imagecode.clip.encoders",
    "ClipTokens": "mlzoo_imagecode.clip.tokens",
    "ContextModule": "mlzoo_imagecode.context_module",
    "ContextualData": "mlzoo_imagecode.contextual",
    "CrossModel": "mlzoo_imagecode.cross.model",
    "CrossNetwork": "mlzoo_imagecode.cross.network",
    "ImageCoDeModel": "mlzoo_imagecode.model",
    "Images": "mlzoo_imagecode.contextual",
    "JpgImages": "mlzoo_imagecode.images.folder",
    "MatchingNetwork": "mlzoo_imagecode.network",
    "McNemar": "mlzoo_imagecode.scores.mcnemar",
    "Part": "mlzoo_imagecode.contextual",
    "RegionStore": "mlzoo_imagecode.cross.regions.store",
    "WordTokens": "mlzoo_imagecode.clip.tokens",
    "check_submission": "mlzoo_imagecode.submission",
    "crop": "mlzoo_imagecode.images.preprocess",
    "epoch_batches": "mlzoo_imagecode.batches",
    "make_optimizer": "mlzoo_imagecode.optimisation",
    "matching_logits": "mlzoo_imagecode.losses",
    "matching_loss": "mlzoo_imagecode.losses",
    "one_cycle": "mlzoo_imagecode.optimisation",
    "open_clip": "mlzoo_imagecode.clip.folder",
    "open_scheme": "mlzoo_imagecode.cross.scheme_reading",
    "random_candidates": "mlzoo_imagecode.batches",
    "score": "mlzoo_imagecode.evaluators",
    "score_phenomena": "mlzoo_imagecode.evaluators",
    "submission_of": "mlzoo_imagecode.submission",
    "temporal_mask": "mlzoo_imagecode.context_module",
    "to_openai": "mlzoo_imagecode.clip.openai_names",
    "to_transformers": "mlzoo_imagecode.clip.openai_names",
    "uniter": "mlzoo_imagecode.cross.scheme",
    "vilbert": "mlzoo_imagecode.cross.scheme",
    "warm_up_linear": "mlzoo_imagecode.cross.adamw",
    "write_clip": "mlzoo_imagecode.clip.writing",
    "write_submission": "mlzoo_imagecode.submission",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'mlzoo_imagecode' has no attribute {name!r}")


__all__ = [
    "ArrayImages",
    "BertTokens",
    "ClipEncoders",
    "ClipTokens",
    "ContextModule",
    "ContextualData",
    "CrossModel",
    "CrossNetwork",
    "ImageCoDeModel",
    "Images",
    "JpgImages",
    "MatchingNetwork",
    "McNemar",
    "Part",
    "RegionStore",
    "WordTokens",
    "check_submission",
    "crop",
    "epoch_batches",
    "make_optimizer",
    "matching_logits",
    "matching_loss",
    "one_cycle",
    "open_clip",
    "open_scheme",
    "random_candidates",
    "score",
    "score_phenomena",
    "submission_of",
    "temporal_mask",
    "to_openai",
    "to_transformers",
    "uniter",
    "vilbert",
    "warm_up_linear",
    "write_clip",
    "write_submission",
]
