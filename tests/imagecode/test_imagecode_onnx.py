"""The network of ``mlzoo export RUN --to onnx``: the contextual module over CLIP's features."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from onnx_runs import assert_close, by_onnxruntime, by_torch
from small_contextual import small_contextual

from mlzoo.errors import UsageError
from mlzoo_imagecode.config import ImageCoDeConfig
from mlzoo_imagecode.model import ImageCoDeModel
from mlzoo_imagecode.onnx import network

SIZES = {
    "width": 16,
    "depth": 1,
    "heads": 2,
    "embedding": 16,
    "image_size": 16,
    "patch": 8,
    "head_feed_forward": 16,
    "head_heads": 2,
    "batch_size": 12,
    "variant": "contextual",
    "clip_epochs": 1,
    "epochs": 2,
}


@pytest.fixture(scope="module")
def data():
    return small_contextual(test=6)


def built(data, **options):
    torch.manual_seed(0)
    model = ImageCoDeModel(ImageCoDeConfig(**{**SIZES, **options}), data)
    model.uses_head = model.head is not None
    return model


def inputs_of(model, data):
    part, features = data.part("test"), model.features("test")
    return {
        "images": features.images[part.candidates],
        "text": features.text,
        "positions": part.position[part.candidates],
        "temporal": part.is_video,
    }


@pytest.mark.parametrize(
    "options",
    [{"positions": "video"}, {"fusion": "concat"}, {"temporal": False}, {"add_input": False}],
)
def test_logits_are_those_that_are_predicted(data, options):
    model = built(data, **options)
    found = by_torch(network(model, data), **inputs_of(model, data))
    assert_close(found, {"logits": model.predict("test")["scores"]}, 1e-4)


def test_onnxruntime_gives_the_models_scores_also_of_fewer_images(data):
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    model = built(data)
    given = network(model, data)
    inputs = inputs_of(model, data)
    run = by_onnxruntime(given)
    assert_close(run(**inputs), {"logits": model.predict("test")["scores"]})
    pairs = {name: np.ascontiguousarray(inputs[name][:, :2]) for name in ("images", "positions")}
    few = {**inputs, **pairs}
    assert_close(run(**few), by_torch(given, **few))
    assert set(given.facts["clip"]) == set(model.identity)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"variant": "contra", "clip_epochs": 0}, "of the variant contra, is scored by CLIP alone"),
        ({"dropout_in_evaluation": True}, "scored with dropout"),
    ],
)
def test_runs_without_such_a_module_say_so(data, options, message):
    with pytest.raises(UsageError, match=message):
        network(built(data, **options), data)


def test_an_epoch_before_the_modules_own_says_so(data):
    model = built(data)
    model.uses_head = False
    with pytest.raises(
        UsageError, match="an epoch before the module's own, is scored by CLIP alone"
    ):
        network(model, data)
