"""A state of the model meets data it is not of."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mlzoo.errors import CheckpointError
from mlzoo_tfvaegan.config import TFVAEGANConfig
from mlzoo_tfvaegan.model import TFVAEGAN
from mlzoo_tfvaegan.zero_shot import Split, ZeroShotData


def world(unseen: int) -> ZeroShotData:
    """Three classes of four samples, of which one is unseen."""
    label = np.repeat(np.arange(3), 4)
    seen = np.flatnonzero(label != unseen)
    return ZeroShotData(
        features=np.random.RandomState(0).rand(12, 5).astype(np.float32),
        label=label,
        attributes=np.eye(3, dtype=np.float32),
        class_names=("a", "b", "c"),
        split=Split(seen[::2], seen[1::2], np.flatnonzero(label == unseen)),
    )


def model(data: ZeroShotData, classifier: str) -> TFVAEGAN:
    torch.manual_seed(0)
    sizes = {"hidden": 4, "critic_hidden": 4, "synthetic_samples": 3, "classifier_epochs": 1}
    detector = {"detector_epochs": 1, "detector_hidden": 3, "detector_batch": 2}
    return TFVAEGAN(
        TFVAEGANConfig.model_validate({"classifier": classifier, **sizes, **detector}), data
    )


@pytest.mark.parametrize("classifier", ["softmax", "detector"])
def test_classifiers_of_other_classes_are_refused_and_change_nothing(classifier: str) -> None:
    trained, other = model(world(2), classifier), model(world(1), classifier)
    trained.finish()
    state = trained.state_dict()
    state["networks"] = {name: value + 1 for name, value in state["networks"].items()}
    before = {name: value.clone() for name, value in other.networks.state_dict().items()}
    with pytest.raises(CheckpointError, match="other classes"):
        other.load_state_dict(state)
    assert all(torch.equal(before[name], v) for name, v in other.networks.state_dict().items())
    assert (other.data.seen.tolist(), other.data.unseen.tolist()) == ([0, 2], [1])


def test_classifiers_move_with_the_networks() -> None:
    trained = model(world(2), "softmax")
    trained.finish()
    assert {value.device.type for value in trained.to("meta").heads.state_dict().values()} == {
        "meta"
    }
