"""What ``mlzoo export RUN --to onnx`` writes: the contextual module, from CLIP's features to logits."""

from __future__ import annotations

import torch

from mlzoo import OnnxNetwork
from mlzoo.errors import UsageError
from mlzoo.progress import Progress
from mlzoo_imagecode.context_module import temporal_mask
from mlzoo_imagecode.contextual import ContextualData
from mlzoo_imagecode.features import features_of
from mlzoo_imagecode.model import ImageCoDeModel

EXAMPLES = 4


def network(model: ImageCoDeModel, data: ContextualData) -> OnnxNetwork:
    """The module over a description's images; CLIP's encoders, which make its features, stay outside.

    Inputs: ``images`` [batch, images, d] and ``text`` [batch, d] as CLIP projects them, ``positions`` int64
    [batch, images] in their set, and ``temporal`` bool [batch], whether the order of frames counts; output:
    ``logits`` [batch, images].

    Raises:
        UsageError: the run's scores do not come from such a module, or dropout stays on in its evaluation.
    """
    head, config = model.head, model.config
    if head is None or not model.uses_head:
        when = (
            f"the variant {config.variant}" if head is None else "an epoch before the module's own"
        )
        raise UsageError(
            f"onnx: this run, of {when}, is scored by CLIP alone.",
            "The contextual module can be exported, of a run of the variant contextual that uses it.",
        )
    if config.dropout_in_evaluation:
        raise UsageError(
            "onnx: this run is scored with dropout, which no file repeats.",
            "Train with --no-dropout-in-evaluation.",
        )
    part = data.limited(EXAMPLES).part("test")
    features = features_of(
        part, model.encoders, model.tokens, config, keep=False, progress=Progress(quiet=True)
    )
    return OnnxNetwork(
        network=head,
        inputs={
            "images": torch.from_numpy(features.images[part.candidates]),  # [n, k, d]
            "text": torch.tensor(features.text),  # [n, d]
            "positions": torch.from_numpy(part.position[part.candidates]),  # [n, k]
            "temporal": temporal_mask(config, torch.from_numpy(part.is_video), training=False),
        },
        outputs=("logits",),
        axes={
            "images": {0: "batch", 1: "images"},
            "text": {0: "batch"},
            "positions": {0: "batch", 1: "images"},
            "temporal": {0: "batch"},
        },
        facts={"clip": model.identity},
    )
