"""Encoders: padding, buckets, ends of texts, precision, identity, and small ones from scratch."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_clip import Sizes, random_ids, random_state
from torch import Tensor
from transformers import CLIPConfig, CLIPModel

from mlzoo.errors import CheckpointError, DataError
from mlzoo_imagecode.clip import ClipEncoders, openai_encoders, small_clip
from mlzoo_imagecode.clip.lengths import length_buckets
from mlzoo_imagecode.config import ImageCoDeConfig

SIZES = Sizes()
CONFIG = ImageCoDeConfig(width=16, depth=2, heads=2, patch=8, image_size=16, embedding=12)
TEXTS = ["The red digit is on the left.", "a digit, turned"]


def encoders(seed: int = 0) -> ClipEncoders:
    return openai_encoders(random_state(SIZES, seed), vision_heads=3, text_heads=4)


def padded(clip: ClipEncoders, ids: Tensor) -> Tensor:
    """By transformers, over all columns."""
    return clip.clip.get_text_features(input_ids=ids).pooler_output


def gradients(module: torch.nn.Module) -> dict[str, Tensor]:
    return {k: v.grad.clone() for k, v in module.named_parameters() if v.grad is not None}


@pytest.mark.parametrize("buckets", [1, 2, 3, 99])
def test_trimmed_texts_have_the_features_and_gradients_of_padded_ones(buckets: int) -> None:
    clip, ids = encoders(), random_ids(SIZES, [3, 0, 10, 1, 3, 5, 2])
    expected = padded(clip, ids)
    expected.square().sum().backward()
    wanted = gradients(clip)
    clip.zero_grad()
    found = clip.text(ids, buckets=buckets)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    found.square().sum().backward()
    torch.testing.assert_close(gradients(clip), wanted, rtol=1e-4, atol=1e-4)


def test_what_follows_the_end_of_a_text_changes_nothing() -> None:
    clip, ids = encoders(), random_ids(SIZES, [3, 5])
    ended = ids.clone()
    ended[ids == 0] = SIZES.vocabulary - 1  # as transformers pads
    torch.testing.assert_close(clip.text(ended), clip.text(ids), rtol=0, atol=1e-6)


def test_older_configurations_end_at_the_largest_id() -> None:
    ids = random_ids(SIZES, [3, 0, 10])
    clip = encoders()
    older = CLIPConfig.from_dict(clip.clip.config.to_dict())
    older.text_config.eos_token_id = 2
    model = CLIPModel(older).eval()
    model.load_state_dict(clip.clip.state_dict())
    legacy = ClipEncoders(model)
    assert legacy.end_id is None
    assert legacy.text(ids).equal(clip.text(ids))


def test_end_that_the_vocabulary_has_not_is_not_believed() -> None:
    """transformers would read the first token of every text."""
    ids = random_ids(SIZES, [3, 0, 10])
    clip = encoders()
    wrong = CLIPConfig.from_dict(clip.clip.config.to_dict())
    wrong.text_config.eos_token_id = 49407
    model = CLIPModel(wrong).eval()
    model.load_state_dict(clip.clip.state_dict())
    assert ClipEncoders(model).text(ids).equal(clip.text(ids))


def test_text_without_an_end_is_named() -> None:
    ids = random_ids(SIZES, [3, 4])
    ids[1] = 5
    with pytest.raises(DataError, match="text 1 of 2 has no end token"):
        encoders().text(ids)


def test_numpy_ids_and_no_texts_at_all_are_fine() -> None:
    clip, ids = encoders(), random_ids(SIZES, [3, 4])
    assert clip.text(ids.numpy()).equal(clip.text(ids))
    assert clip.text(ids[:0]).shape == (0, SIZES.embedding)
    assert clip.text(ids.int()).equal(clip.text(ids))


def test_features_are_single_precision_under_autocast_and_near_those_without() -> None:
    clip, ids, pixels = encoders(), random_ids(SIZES, [3, 9]), torch.randn(2, 3, 24, 24)
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        text, image = clip.text(ids, buckets=2), clip.image(pixels)
    assert (text.dtype, image.dtype) == (torch.float32, torch.float32)
    for found, expected in ((text, clip.text(ids)), (image, clip.image(pixels))):
        assert not found.equal(expected)
        torch.testing.assert_close(found, expected, rtol=0.1, atol=0.3)


def test_training_mode_has_no_dropout() -> None:
    clip = encoders()
    clip.clip.config.text_config.attention_dropout = 0.5
    torch.nn.ModuleDict({"encoders": clip}).train()
    assert not any(module.training for module in clip.modules())


def test_identity_tells_weights_and_what_they_do_not_show() -> None:
    clip = encoders()
    first = clip.identity()
    assert first == encoders().identity()
    assert first["weights"] != encoders(seed=1).identity()["weights"]
    other = openai_encoders(random_state(SIZES), vision_heads=3, text_heads=2).identity()
    assert other["weights"] == first["weights"]
    assert other["architecture"] != first["architecture"]
    with torch.no_grad():
        clip.log_scale.add_(1e-3)
    assert clip.identity()["weights"] != first["weights"]
    assert first == encoders().identity()


def test_images_that_are_not_square_are_refused() -> None:
    config = CLIPConfig.from_dict(encoders().clip.config.to_dict())
    model = CLIPModel(config)
    model.config.vision_config.image_size = [16, 24]
    with pytest.raises(CheckpointError, match="square"):
        ClipEncoders(model)


def test_small_encoders_follow_from_the_seed_and_begin_like_clip() -> None:
    torch.manual_seed(5)
    one, tokens = small_clip(CONFIG, TEXTS)
    torch.manual_seed(5)
    two, _ = small_clip(CONFIG, TEXTS)
    three, _ = small_clip(CONFIG, TEXTS)
    assert one.identity() == two.identity()
    assert one.identity() != three.identity()
    assert one.log_scale.item() == pytest.approx(math.log(1 / 0.07))
    assert (one.width, one.image_size, one.context) == (12, 16, tokens.context)
    assert (tokens.context, tokens.words[0]) == (10, ",")
    assert one.activations == {"quick_gelu"}
    assert one.text(tokens.encode(TEXTS), buckets=2).shape == (2, 12)
    assert one.image(torch.zeros(1, 3, 16, 16)).shape == (1, 12)
    assert small_clip(CONFIG, TEXTS, context=20)[0].context == 20


def cost(lengths: np.ndarray, groups: list[np.ndarray]) -> int:
    return sum(len(rows) * int(lengths[rows].max()) for rows in groups)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(2, 9), min_size=1, max_size=8), st.integers(1, 4))
def test_buckets_compute_as_few_tokens_as_any_split_by_length(found: list[int], count: int) -> None:
    lengths = np.array(found)
    groups = length_buckets(lengths, count)
    assert sorted(np.concatenate(groups).tolist()) == list(range(len(found)))
    assert len(groups) <= count
    assert all(lengths[a].max() < lengths[b].min() for a, b in pairwise(groups))
    assert cost(lengths, groups) == least(sorted(found), count)


def least(ordered: list[int], count: int) -> int:
    """By trying every split."""
    if count == 1 or len(ordered) < 2:
        return len(ordered) * ordered[-1] if ordered else 0
    starts = range(len(ordered))
    return min(least(ordered[:i], count - 1) + len(ordered[i:]) * ordered[-1] for i in starts)
