"""The network of ``mlzoo export RUN --to onnx``: what the model predicts of images and confounders."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from onnx_runs import assert_close, by_onnxruntime, by_torch

from mlzoo_mdn.config import MDNConfig
from mlzoo_mdn.data import load_synthetic
from mlzoo_mdn.dataset_config import SyntheticOptions
from mlzoo_mdn.model import MDN
from mlzoo_mdn.onnx import network


@pytest.fixture(scope="module")
def data():
    return load_synthetic(None, SyntheticOptions(group_size=20))


def after_steps(data, **options):
    """A model whose layers have seen some batches."""
    torch.manual_seed(0)
    model = MDN(MDNConfig(batch_size=16, **options), data)
    model.network.train()
    with torch.no_grad():
        for batch in model._batches(data.train, with_label=True):
            model.network(*batch)
        for name, value in model.network.named_parameters():
            if name.endswith("coefficients"):
                value.uniform_(-0.1, 0.1)
    model.finish()
    return model


def inputs_of(data, given):
    test = {"images": data.test.images, "metadata": data.test.metadata}
    return {name: test[name] for name in given.inputs}


@pytest.mark.parametrize(
    ("options", "reads_metadata"),
    [
        ({"network": "baseline"}, False),
        ({"network": "conv"}, True),
        ({"network": "linear", "statistics": "running"}, True),
        ({"network": "conv", "method": "recursive"}, True),
        ({"network": "conv", "method": "penalty"}, True),
        ({"network": "conv", "method": "batch-norm"}, False),
        ({"network": "conv", "method": "group-norm"}, False),
        ({"method": "residualise"}, True),
    ],
)
def test_every_method_gives_its_predictions(data, options, reads_metadata):
    model = after_steps(data, **options)
    given = network(model, data)
    assert ("metadata" in given.inputs) == reads_metadata
    predicted = model.predict("test")
    expected = {name: predicted[name] for name in given.outputs}
    assert_close(by_torch(given, **inputs_of(data, given)), expected, 1e-5)


def test_onnxruntime_gives_the_models_predictions(data):
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    model = after_steps(data, network="conv")
    given = network(model, data)
    found = by_onnxruntime(given)(**inputs_of(data, given))
    predicted = model.predict("test")
    assert_close(found, {name: predicted[name] for name in given.outputs})
    assert given.inputs["metadata"].dtype == torch.float64
    assert given.facts == {"labels": ["0", "1"], "metadata": ["confounder"]}
    assert found["probability"].shape == (40,)
    assert np.ptp(found["probability"]) > 0
