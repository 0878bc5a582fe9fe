"""The network of ``mlzoo export RUN --to onnx``: raw features to the scores that the model predicts."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from onnx_runs import assert_close, by_onnxruntime, by_torch

from mlzoo_tfvaegan.config import TFVAEGANConfig
from mlzoo_tfvaegan.model import TFVAEGAN
from mlzoo_tfvaegan.onnx import network
from mlzoo_tfvaegan.zero_shot import Split, ZeroShotData

SMALL = {
    "hidden": 8,
    "critic_hidden": 8,
    "synthetic_samples": 10,
    "classifier_epochs": 5,
    "detector_epochs": 3,
    "detector_hidden": 8,
}


def world(scaling="minmax"):
    """Six classes of 16 samples, the last two unseen."""
    draw = np.random.RandomState(5)
    label = np.repeat(np.arange(6), 16)
    attributes = draw.rand(6, 4).astype(np.float32)
    attributes /= np.linalg.norm(attributes, axis=1, keepdims=True)
    features = (attributes @ draw.rand(4, 12))[label] + 0.3 * draw.randn(len(label), 12)
    if scaling == "none":
        features = 1 / (1 + np.exp(-features))
    rows, seen = np.arange(len(label)), label < 4
    return ZeroShotData(
        features=features,
        label=label,
        attributes=attributes,
        class_names=tuple("abcdef"),
        split=Split(rows[seen][::2], rows[seen][1::2], rows[~seen]),
        scaling=scaling,
    )


def built(data, **options):
    torch.manual_seed(0)
    model = TFVAEGAN(TFVAEGANConfig(**{**SMALL, **options}), data)
    model.finish()
    return model


def raw_test(data):
    rows = np.concatenate([data.split.test_seen, data.split.test_unseen])
    return {"features": data.features[rows].astype(np.float32)}


def scores_of(model):
    found = model.predict("test")
    return {name: found[name] for name in ("scores", "unseen_scores")}


@pytest.mark.parametrize("classifier", ["softmax", "detector"])
@pytest.mark.parametrize("transform", [True, False])
@pytest.mark.parametrize("scaling", ["minmax", "none"])
def test_raw_features_get_the_models_scores(classifier, transform, scaling):
    data = world(scaling)
    model = built(data, classifier=classifier, transform=transform)
    assert_close(by_torch(network(model, data), **raw_test(data)), scores_of(model), 1e-5)


def test_onnxruntime_gives_the_models_scores_and_classes():
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    data = world()
    # A detector that knows its own mind: no entropy lies at the threshold.
    model = built(data, classifier="detector", detector_epochs=40, detector_learning_rate=0.01)
    given = network(model, data)
    expected = scores_of(model)
    found = by_onnxruntime(given)(**raw_test(data))
    assert_close(found, expected)
    for name, scores in expected.items():
        np.testing.assert_array_equal(found[name].argmax(axis=1), scores.argmax(axis=1))
    assert given.facts == {"scores": list("abcdef"), "unseen_scores": ["e", "f"]}
