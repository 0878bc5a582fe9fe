"""The network of ``mlzoo export RUN --to onnx``: scores of any tags, of regions, scene and word vectors."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from onnx_runs import assert_close, by_onnxruntime, by_torch

from mlzoo_biam.config import BiAMConfig
from mlzoo_biam.labels import Labels
from mlzoo_biam.model import BiAMModel
from mlzoo_biam.multilabel import Images, MultiLabelData
from mlzoo_biam.onnx import network
from mlzoo_biam.packed.store import ArrayFeatures


@pytest.fixture(scope="module")
def data():
    random = np.random.default_rng(0)
    features = ArrayFeatures(
        random.random((14, 6, 30), dtype=np.float32),
        (5, 6),
        random.random((14, 7), dtype=np.float32),
    )
    vectors = random.standard_normal((8, 9)).astype(np.float32)
    labels = Labels.from_dense(np.where(random.random((14, 8)) < 0.4, 1, -1), -1)
    images = Images(features, labels, [f"image {i}" for i in range(14)], np.arange(14))
    return MultiLabelData(
        tags=tuple("abcdefgh"),
        seen_count=5,
        vectors=vectors / np.linalg.norm(vectors, axis=1, keepdims=True),
        train=images.only(np.arange(4)),
        val=images.only(np.arange(4, 8)),
        test=images.only(np.arange(8, 14)),
    )


def built(data, **options):
    torch.manual_seed(0)
    model = BiAMModel(BiAMConfig(**{"channels": 8, "heads": 2, "top_k": 3, **options}), data)
    with torch.no_grad():
        for name, value in model.network.named_buffers():  # statistics as training leaves them
            if name.endswith(("running_mean", "running_var")):
                value.uniform_(0.5, 1.5)
    return model


def inputs_of(data):
    regions, scene = data.test.read(slice(None))
    return {"regions": regions, "scene": scene, "vectors": data.vectors}


@pytest.mark.parametrize("options", [{}, {"zero_score_mask": True}, {"top_k": 30}])
def test_the_network_gives_the_models_scores(data, options):
    model = built(data, **options)
    expected = {"scores": model.predict("test")["scores"]}
    assert_close(by_torch(network(model, data), **inputs_of(data)), expected, 1e-5)


def test_onnxruntime_scores_any_tags(data):
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    model = built(data)
    given = network(model, data)
    expected = model.predict("test")["scores"]
    few = {**inputs_of(data), "vectors": data.vectors[[6, 2]]}
    assert_close(by_onnxruntime(given)(**few), {"scores": expected[:, [6, 2]]})
    assert given.facts == {"tags": list("abcdefgh"), "seen": 5}
