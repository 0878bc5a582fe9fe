"""What ``mlzoo export RUN --to onnx`` writes: from raw features to the scores of classes."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from sklearn.preprocessing import MinMaxScaler
from torch import Tensor, nn

from mlzoo import OnnxNetwork
from mlzoo_tfvaegan.classifier import LinearClassifier
from mlzoo_tfvaegan.detector import OutOfDistributionClassifier, entropy
from mlzoo_tfvaegan.heads import Pair
from mlzoo_tfvaegan.model import TFVAEGAN
from mlzoo_tfvaegan.networks import Decoder
from mlzoo_tfvaegan.scaling import Scaler
from mlzoo_tfvaegan.zero_shot import ZeroShotData

EXAMPLES = 8


def network(model: TFVAEGAN, data: ZeroShotData) -> OnnxNetwork:
    """Scaling, the decoder's view of a feature beside it, and both classifiers.

    The file's input ``features`` float32 [batch, R] is raw, as the training set's files hold it; outputs are
    ``scores`` [batch, C] and ``unseen_scores`` [batch, U], whose columns ``facts`` names.
    """
    decoder = model.networks.decoder if model.config.transform else None
    rows = np.concatenate([data.split.test_seen[: EXAMPLES // 2], data.split.test_unseen])[
        :EXAMPLES
    ]
    names = data.class_names
    return OnnxNetwork(
        network=Classification(data.scaler, decoder, model.trained_heads().last),
        inputs={"features": torch.from_numpy(data.features[rows].astype(np.float32))},
        outputs=("scores", "unseen_scores"),
        axes={"features": {0: "batch"}},
        facts={
            "scores": [names[each] for each in data.classes],
            "unseen_scores": [names[each] for each in data.unseen],
        },
    )


class Classification(nn.Module):
    """Raw features to the scores of both classifiers.

    Args:
        scaler: fitted on the training set.
        decoder: whose output and hidden layer stand beside a feature; None leaves it alone.
        heads: classifiers of all classes and of the unseen ones.
    """

    factor: Tensor
    offset: Tensor
    share: Tensor
    order: Tensor

    def __init__(self, scaler: Scaler, decoder: Decoder | None, heads: Pair) -> None:
        super().__init__()
        factor, offset = _affine(scaler.fitted)
        self.register_buffer("factor", torch.as_tensor(factor, dtype=torch.float64))
        self.register_buffer("offset", torch.as_tensor(offset, dtype=torch.float64))
        share = 1.0 if scaler.fitted is None else 1 / scaler.largest
        self.register_buffer("share", torch.tensor(share, dtype=torch.float32))
        self.register_buffer("order", _order(heads.generalized))
        self.decoder, self.heads = decoder, heads

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """[n, R] to ``scores`` [n, C] and ``unseen_scores`` [n, U]."""
        x = (features.double() * self.factor + self.offset).float() * self.share  # [n, R]
        if self.decoder is not None:
            hidden = self.decoder.hidden(x)  # [n, H]
            x = torch.cat([x, self.decoder.output(hidden), hidden], dim=1)  # [n, R + A + H]
        return self._scores(x), _log_probabilities(self.heads.unseen, x)

    def _scores(self, x: Tensor) -> Tensor:
        """Of all classes [n, C], of x [n, W]; of a detector but for the last bits that keep ties apart."""
        classifier = self.heads.generalized
        if isinstance(classifier, LinearClassifier):
            return _log_probabilities(classifier, x)
        margin = classifier.threshold - entropy(classifier.detector(x))  # [n]
        lift = margin.float().unsqueeze(1)  # [n, 1]
        parts = [_topped(classifier.seen, x) + lift, _topped(classifier.unseen, x)]
        return torch.cat(parts, dim=1).index_select(1, self.order)


def _order(classifier: LinearClassifier | OutOfDistributionClassifier) -> Tensor:
    """int64 [C]: where each class stands among seen classes, then unseen ones."""
    if isinstance(classifier, LinearClassifier):
        return torch.arange(len(classifier.classes))
    return torch.cat([classifier.seen.classes, classifier.unseen.classes]).argsort()


def _topped(linear: LinearClassifier, x: Tensor) -> Tensor:
    """log p - max log p, float32 [n, K]."""
    scores = _log_probabilities(linear, x)
    return (scores - scores.amax(dim=1, keepdim=True)).float()


def _log_probabilities(linear: LinearClassifier, x: Tensor) -> Tensor:
    return torch.log_softmax(linear(x), dim=1)


def _affine(fitted: Any) -> tuple[Any, Any]:
    """Factor and offset of each feature [R], float64."""
    if fitted is None:
        return 1.0, 0.0
    if isinstance(fitted, MinMaxScaler):
        return fitted.scale_, fitted.min_
    return 1 / fitted.scale_, -fitted.mean_ / fitted.scale_
