"""The network of ``mlzoo export RUN --to onnx``: embeddings of clips, as the model predicts them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from onnx_runs import assert_close, by_onnxruntime, by_torch
from small_retrieval import SHAPE, small_retrieval

from mlzoo.errors import UsageError
from mlzoo_multisk.config import EverythingAtOnceConfig, MultiSKConfig
from mlzoo_multisk.model import EverythingAtOnceModel, MultiSKModel
from mlzoo_multisk.onnx import network

SIZES = {
    "width": 16,
    "projection": 24,
    "heads": 4,
    "audio_widths": (8,) * 7,
    "audio_blocks": (1,) * 6,
}


def multisk(data, **options):
    torch.manual_seed(0)
    return MultiSKModel(
        MultiSKConfig(**{**SIZES, "anchors": 8, "anchor_queue": 60, **options}), data
    )


def everything(data, **options):
    torch.manual_seed(0)
    return EverythingAtOnceModel(EverythingAtOnceConfig(**{**SIZES, **options}), data)


def inputs_of(data, given):
    clips = data.part("test")
    arrays = clips.batch(np.arange(len(clips))).arrays()
    return {name: arrays[name] for name in given.inputs}


def expected_of(model, given):
    found = model.predict("test")
    return {name: found[name.removesuffix("_embedding")] for name in given.outputs}


@pytest.mark.parametrize(
    ("build", "options", "outputs"),
    [
        (multisk, {}, ["text", "video", "audio"]),
        (multisk, {"modalities": "tv"}, ["text", "video"]),
        (everything, {"modalities": "tv"}, ["text", "video", "tv"]),
        (
            everything,
            {"cls_token": True, "shared_projection": True},
            ["text", "video", "audio", "tv", "ta", "va"],
        ),
    ],
)
def test_embeddings_are_those_that_are_predicted(build, options, outputs):
    data = small_retrieval(test=7)
    model = build(data, **options)
    given = network(model, data)
    assert given.outputs == tuple(f"{name}_embedding" for name in outputs)
    found = by_torch(given, **inputs_of(data, given))
    assert_close(found, expected_of(model, given), 1e-5)


def test_onnxruntime_gives_the_embeddings():
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    data = small_retrieval(test=7)
    model = multisk(data)
    given = network(model, data)
    inputs = inputs_of(data, given)
    run = by_onnxruntime(given)
    assert_close(run(**inputs), expected_of(model, given))
    lacking = {**inputs, "text_mask": inputs["text_mask"].copy()}
    lacking["text_mask"][2] = 0  # a clip that lacks its text
    assert_close(run(**lacking), by_torch(given, **lacking))


def test_audio_that_is_resampled_clip_by_clip_is_refused():
    data = small_retrieval(test=7)
    longer = replace(data, shape=replace(SHAPE, audio_frames=256), audio_pooling="max_pool")
    with pytest.raises(UsageError, match="audio pooled by max_pool depends on each clip's length"):
        network(multisk(data), longer)
