"""OpenAI's names and transformers': recorded features and gradients, a plain formulation of other sizes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import plain_clip
import pytest
import torch
from plain_clip import Sizes, random_ids, random_state
from torch import Tensor
from torch.nn import functional

from mlzoo.errors import CheckpointError
from mlzoo_imagecode.clip import ClipEncoders, openai_encoders, to_openai, to_transformers

GOLDEN = Path(__file__).parents[1] / "golden" / "imagecode"
SIZES = Sizes()


@pytest.fixture(scope="module")
def recorded() -> dict[str, Tensor]:
    with np.load(GOLDEN / "clip_tiny.npz", allow_pickle=False) as file:
        return {name: torch.from_numpy(file[name]) for name in file.files}


def below(arrays: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}


@pytest.fixture
def encoders(recorded: dict[str, Tensor]) -> ClipEncoders:
    heads = {name: int(recorded[name]) for name in ("vision_heads", "text_heads")}
    return openai_encoders(below(recorded, "w:"), **heads)


def cosines(images: Tensor, texts: Tensor, log_scale: Tensor) -> Tensor:
    unit = functional.normalize(images, dim=1) @ functional.normalize(texts, dim=1).T
    return log_scale.exp() * unit  # [N, n]


def close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


@torch.no_grad()
def test_features_and_logits_are_the_recorded_ones(
    recorded: dict[str, Tensor], encoders: ClipEncoders
) -> None:
    images, texts = encoders.image(recorded["images"]), encoders.text(recorded["token_ids"])
    close(images, recorded["image_features"])
    close(texts, recorded["text_features"])
    logits = cosines(images, texts, encoders.log_scale)
    close(logits, recorded["logits_per_image"])
    close(logits.T, recorded["logits_per_text"])


def test_loss_and_gradients_are_the_recorded_ones(
    recorded: dict[str, Tensor], encoders: ClipEncoders
) -> None:
    images, texts = encoders.image(recorded["images"]), encoders.text(recorded["token_ids"][:1])
    logits = cosines(images, texts, encoders.log_scale).T
    loss = functional.cross_entropy(logits, recorded["loss_target"])
    loss.backward()
    close(loss, recorded["loss"])
    own = {name: each.grad for name, each in encoders.clip.named_parameters()}
    gradients = to_openai({name: grad for name, grad in own.items() if grad is not None})
    expected = below(recorded, "g:")
    assert len(expected) == 7
    for name, gradient in expected.items():
        close(gradients[name], gradient)


def test_there_and_back_are_the_same_tensors(
    recorded: dict[str, Tensor], encoders: ClipEncoders
) -> None:
    state = below(recorded, "w:")
    ours = to_transformers(state)
    assert ours.keys() == encoders.clip.state_dict().keys()
    again = to_openai(ours)
    assert again.keys() == state.keys()
    assert all(again[name].equal(value) for name, value in state.items())


def test_encoders_that_differ_in_every_size_agree_with_the_plain_formulation() -> None:
    state = {name: value.requires_grad_() for name, value in random_state(SIZES).items()}
    encoders = openai_encoders(state, vision_heads=SIZES.vision_heads, text_heads=SIZES.text_heads)
    pixels, ids = torch.randn(3, 3, 24, 24), random_ids(SIZES, [0, 10, 4, 7, 4])
    images = plain_clip.image_features(state, pixels, SIZES.vision_heads)
    texts = plain_clip.text_features(state, ids, SIZES.text_heads)
    close(encoders.image(pixels), images)
    close(encoders.text(ids), texts)
    close(encoders.text(ids, buckets=3), texts)

    cosines(images, texts, state["logit_scale"]).square().sum().backward()
    mine = cosines(encoders.image(pixels), encoders.text(ids, buckets=2), encoders.log_scale)
    mine.square().sum().backward()
    gradients = to_openai({k: v.grad for k, v in encoders.clip.named_parameters()})
    for name, value in state.items():
        torch.testing.assert_close(gradients[name], value.grad, rtol=1e-4, atol=1e-4)


def test_sizes_follow_from_the_shapes() -> None:
    sizes = Sizes(vision_width=128, text_width=64, embedding=24)
    encoders = openai_encoders(random_state(sizes))
    config = encoders.clip.config
    assert (encoders.image_size, encoders.width, encoders.context) == (24, 24, 12)
    assert (encoders.vocabulary, encoders.end_id) == (40, 39)
    assert (config.vision_config.num_attention_heads, config.text_config.num_attention_heads) == (
        2,
        1,
    )
    assert (config.vision_config.num_hidden_layers, config.text_config.num_hidden_layers) == (1, 3)
    assert encoders.activations == {"quick_gelu"}


def test_half_precision_becomes_single_precision_master_weights() -> None:
    state = {name: value.half() for name, value in random_state(SIZES).items()}
    encoders = openai_encoders(state, vision_heads=3, text_heads=4)
    assert {each.dtype for each in encoders.parameters()} == {torch.float32}
    assert encoders.log_scale.item() == state["logit_scale"].item()


def test_given_tensors_are_left_alone_by_training() -> None:
    state = random_state(SIZES)
    encoders = openai_encoders(state, vision_heads=3, text_heads=4)
    with torch.no_grad():
        for each in encoders.parameters():
            each.add_(1)
    assert all(state[name].equal(value) for name, value in random_state(SIZES).items())


def test_numbers_of_a_published_archive_are_no_weights() -> None:
    sizes = {name: torch.tensor(1) for name in ("input_resolution", "context_length", "vocab_size")}
    openai_encoders(random_state(SIZES) | sizes, vision_heads=3, text_heads=4)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"visual.proj": None}, "lacks visual.proj"),
        ({"transformer.resblocks.1.mlp.c_fc.bias": None}, "lacks transformer.resblocks.1.mlp.c_fc.bias"),
        ({"visual.extra": torch.zeros(1)}, "it has visual.extra, which CLIP has not"),
        ({"visual.layer1.0.conv1.weight": torch.zeros(1)}, "ResNet"),
        ({"ln_final.bias": torch.zeros(7)}, "final_layer_norm.bias is [7], the model's is [32]"),
        ({"visual.positional_embedding": torch.zeros(9, 48)}, "no square"),
        ({"visual.conv1.weight": torch.zeros(48, 3, 8)}, "expected 4 axes"),
        ({"transformer.resblocks.0.attn.in_proj_bias": torch.zeros(97)}, "no q, k and v"),
        ({"logit_scale": torch.tensor(float("nan"))}, "not finite"),
        ({"ln_final.bias": torch.zeros(32, dtype=torch.int64)}, "expected floats"),
    ],
)  # fmt: skip
def test_state_that_is_no_clip_is_refused_by_name(
    change: dict[str, Tensor | None], told: str
) -> None:
    state = {k: v for k, v in {**random_state(SIZES), **change}.items() if v is not None}
    with pytest.raises(CheckpointError) as raised:
        openai_encoders(state, vision_heads=3, text_heads=4, source="a.pt")
    assert told in str(raised.value)
    assert "a.pt" in str(raised.value)


def test_heads_that_no_shape_tells_are_asked_for() -> None:
    with pytest.raises(CheckpointError, match="width 32, which is no multiple of 64"):
        openai_encoders(random_state(SIZES))


def test_unknown_name_of_transformers_is_refused() -> None:
    ours = to_transformers(random_state(SIZES))
    with pytest.raises(CheckpointError, match="text_model.more"):
        to_openai({**ours, "text_model.more": torch.zeros(1)})
    with pytest.raises(CheckpointError, match="it lacks logit_scale"):
        to_openai({name: value for name, value in ours.items() if name != "logit_scale"})
