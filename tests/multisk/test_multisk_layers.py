"""Layers, audio network and fusion transformer are the recorded ones, and do what they say."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from multisk_oracles import golden, group
from torch import Tensor, nn
from torch.nn import functional

from mlzoo_multisk.audio_network import AudioNetwork, token_mask
from mlzoo_multisk.clips import MODALITIES, Modality
from mlzoo_multisk.fusion import FusionTransformer, Tokens, masked_mean, stand_in
from mlzoo_multisk.layers import Block, GatedEmbedding, SentenceMaxPool

CLOSE = {"rtol": 1e-5, "atol": 1e-5}


def loaded(module: nn.Module, weights: dict[str, Tensor], unused: tuple[str, ...] = ()) -> None:
    module.load_state_dict({k: v for k, v in weights.items() if not k.startswith(unused)})


def test_gated_embedding_and_its_gradients_are_the_recorded_ones() -> None:
    arrays = group(golden("layers"), "geu.")
    unit = GatedEmbedding(*reversed(arrays["w.fc.weight"].shape))
    loaded(unit, group(arrays, "w."))
    x = arrays["x2"].requires_grad_()
    y = unit(x)
    y.square().sum().backward()
    torch.testing.assert_close(y, arrays["y2"], **CLOSE)
    torch.testing.assert_close(unit(arrays["x3"]), arrays["y3"], **CLOSE)
    torch.testing.assert_close(x.grad, arrays["grad_x2"], **CLOSE)
    torch.testing.assert_close(unit.fc.weight.grad, arrays["grad_fc_weight"], **CLOSE)
    torch.testing.assert_close(unit.cg.fc.weight.grad, arrays["grad_cg_weight"], **CLOSE)


def test_sentence_pool_is_the_recorded_one() -> None:
    arrays = golden("layers")
    weights = group(arrays, "smp.w.")
    pool = SentenceMaxPool(*reversed(weights["fc.weight"].shape))
    loaded(pool, weights)
    torch.testing.assert_close(pool(arrays["geu.x3"]), arrays["smp.y3"], **CLOSE)


def recorded_block() -> tuple[Block, dict[str, Tensor]]:
    arrays = group(golden("layers"), "blk.")
    hidden, width = arrays["w.mlp.fc1.weight"].shape
    block = Block(width, int(arrays["heads"]), hidden / width)
    loaded(block, group(arrays, "w."))
    return block, arrays


def test_block_and_its_gradients_are_the_recorded_ones() -> None:
    block, arrays = recorded_block()
    x = arrays["x"].requires_grad_()
    y = block(x, arrays["mask"])
    y.square().mean().backward()
    torch.testing.assert_close(y, arrays["y"], **CLOSE)
    torch.testing.assert_close(x.grad, arrays["grad_x"], **CLOSE)
    torch.testing.assert_close(block.attn.qkv.weight.grad, arrays["grad_qkv"], **CLOSE)
    torch.testing.assert_close(block.mlp.fc1.weight.grad, arrays["grad_fc1"], **CLOSE)
    torch.testing.assert_close(block(x), arrays["y_nomask"], **CLOSE)


def test_masked_key_is_seen_by_nobody_and_its_query_sees_the_others() -> None:
    block, arrays = recorded_block()
    x, mask = arrays["x"], arrays["mask"]
    changed = torch.where(mask[..., None] == 0, torch.randn_like(x), x)
    before, after = block(x, mask), block(changed, mask)
    kept = mask.bool()
    torch.testing.assert_close(before[kept], after[kept])
    assert not torch.allclose(before[~kept], after[~kept])


def test_transformers_begin_with_small_weights_and_no_bias() -> None:
    torch.manual_seed(0)
    block = Block(64, 4)
    for layer in block.modules():
        if isinstance(layer, nn.Linear):
            assert float(layer.weight.detach().std()) == pytest.approx(0.02, rel=0.05)
            assert not layer.bias.any()
    assert block.norm1.eps == 1e-6


def recorded_audio(tag: str) -> tuple[AudioNetwork, dict[str, Tensor]]:
    arrays = group(golden("davenet"), f"{tag}.")
    weights = group(arrays, "w.")
    stages = range(1, len(arrays["widths"]))
    blocks = [
        sum(n.startswith(f"layer{s}.") and n.endswith("conv2.weight") for n in weights)
        for s in stages
    ]
    network = AudioNetwork(arrays["widths"].tolist(), blocks)
    loaded(network, weights, unused=("batchnorm1.",))
    return network, arrays


both = pytest.mark.parametrize("tag", ["v2", "v1"])


@both
@pytest.mark.parametrize("clips", ["0", "1"])
def test_audio_network_is_the_recorded_one_for_any_number_of_frames(tag: str, clips: str) -> None:
    network, arrays = recorded_audio(tag)
    with torch.no_grad():
        tokens = network.eval()(arrays[f"x{clips}"])  # [b, n, C]
    torch.testing.assert_close(tokens.transpose(1, 2), arrays[f"eval_y{clips}"], **CLOSE)


@both
def test_audio_network_trains_as_recorded(tag: str) -> None:
    network, arrays = recorded_audio(tag)
    tokens = network(arrays["x0"])
    tokens.square().mean().backward()
    torch.testing.assert_close(tokens.transpose(1, 2), arrays["train_y0"], **CLOSE)
    gradients = dict(network.named_parameters())
    for name in ("conv1", "layer2.0.conv1"):
        expected = arrays[f"grad_{name.replace('.', '_')}"]
        torch.testing.assert_close(gradients[f"{name}.weight"].grad, expected, **CLOSE)
    state = network.state_dict()
    last = max(name for name in state if name.endswith("bn2.running_var"))
    for ours, theirs in {
        "bn1.running_mean": "bn1.running_mean",
        "bn1.running_var": "bn1.running_var",
        last: "last.bn2.running_var",
    }.items():
        torch.testing.assert_close(state[ours], arrays[f"after.{theirs}"], **CLOSE)


def test_frozen_network_trains_with_its_running_statistics_and_keeps_them() -> None:
    recorded, arrays = recorded_audio("v2")
    frozen = AudioNetwork(arrays["widths"].tolist(), [2, 2, 1, 1, 1, 1], frozen=True)
    frozen.load_state_dict(recorded.state_dict())
    before = {name: value.clone() for name, value in frozen.named_buffers()}
    tokens = frozen.train()(arrays["x0"])
    tokens.sum().backward()
    torch.testing.assert_close(tokens.transpose(1, 2), arrays["eval_y0"], **CLOSE)
    assert all(value.equal(before[name]) for name, value in frozen.named_buffers())
    assert all(p.grad is not None for p in frozen.parameters())


def test_convolutions_begin_with_the_variance_of_their_fan_out() -> None:
    torch.manual_seed(0)
    network = AudioNetwork((64, 64, 96), (1, 1))
    for name, columns, out in (("conv1", 40, 64), ("layer2.0.conv1", 9, 96)):
        weight = network.get_submodule(name).weight.detach()
        assert float(weight.std()) == pytest.approx((2 / (columns * out)) ** 0.5, rel=0.05)


def test_stages_without_widths_are_refused() -> None:
    with pytest.raises(ValueError, match="6 stages need 7 widths"):
        AudioNetwork((4, 4), (2, 2, 1, 1, 1, 1))


@pytest.mark.parametrize(
    ("frames", "tokens", "entries"),
    [(768, 12, 12), (3072, 48, 48), (4608, 72, 72), (192, 3, 3), (229, 4, 3)],
)
def test_mask_has_an_entry_for_every_whole_token(frames: int, tokens: int, entries: int) -> None:
    mask = torch.zeros(1, frames)
    mask[0, 0] = mask[0, 70] = 1
    found = token_mask(mask, tokens)
    assert found.shape == (1, entries)
    assert found.sum() == 2


def recorded_fusion(
    tag: str,
) -> tuple[FusionTransformer, dict[Modality, Tokens], dict[str, Tensor]]:
    arrays = group(golden("fusion_transformer"), f"{tag}.")
    weights = group(arrays, "w.")
    depth = sum(name.endswith("qkv.bias") for name in weights)
    width = len(weights["masking_token"])
    network = FusionTransformer(width, 4, depth, cls_token="cls_token" in weights)
    loaded(network, weights, unused=("masking_token", "norm."))
    tokens = {m: Tokens(arrays[f"{m}.tokens"], arrays[f"{m}.mask"]) for m in MODALITIES}
    return network, tokens, group(arrays, "out.")


@pytest.mark.parametrize("tag", ["d1", "d2", "cls"])
def test_fusion_transformer_is_the_recorded_one(tag: str) -> None:
    network, tokens, recorded = recorded_fusion(tag)
    letters = {name[0]: name for name in MODALITIES}
    groups = {run: tuple(letters[c] for c in run) for run in ("t", "tv", "va", "tva")}
    found = network(tokens, list(groups.values()))
    for run, names in groups.items():
        keys = ["_".join(names)] if tag == "cls" else names
        assert len(found[names]) == len(keys)
        for key, mean in zip(keys, found[names], strict=True):
            torch.testing.assert_close(mean, recorded[f"{run}.{key}.embed"], **CLOSE)


def test_transformer_without_blocks_is_a_masked_mean() -> None:
    x, mask = torch.randn(2, 3, 8), torch.tensor([[1.0, 1, 0], [0, 1, 0]])
    ((mean,),) = FusionTransformer(8, 2, 0)({"text": Tokens(x, mask)}, [("text",)]).values()
    torch.testing.assert_close(mean[0], x[0, :2].sum(0) / 2.00001)
    torch.testing.assert_close(mean[1], x[1, 1] / 1.00001)


def test_masking_token_stands_in_where_there_is_no_token() -> None:
    x, token = torch.randn(3, 2, 4), torch.randn(4)
    mask = torch.tensor([[0.0, 0], [0, 1], [1, 0]])
    found = stand_in(Tokens(x, mask), token)
    assert found.mask.tolist() == [[1, 0], [0, 1], [1, 0]]
    assert found.x[0, 0].equal(token)
    found.x[0] = x[0]
    assert found.x.equal(x)
    assert mask[0, 0] == 0, "the given mask is left as it is"


def test_masking_token_that_nobody_needs_gets_a_gradient_of_zeros() -> None:
    token = torch.randn(4, requires_grad=True)
    masked_mean(stand_in(Tokens(torch.randn(3, 2, 4), torch.ones(3, 2)), token)).sum().backward()
    assert token.grad is not None
    assert not token.grad.any()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31), st.integers(0, 4), st.integers(1, 2), st.booleans())
def test_tokens_of_padding_change_nothing(seed: int, more: int, depth: int, cls: bool) -> None:
    torch.manual_seed(seed)
    network = FusionTransformer(8, 2, depth, cls_token=cls).double()
    given_tokens: dict[Modality, Tokens] = {}
    padded: dict[Modality, Tokens] = {}
    for name in MODALITIES:
        x = torch.randn(3, 4, 8, dtype=torch.float64)
        mask = torch.randint(0, 2, (3, 4)).double()
        mask[:, 1] = 1
        given_tokens[name] = Tokens(x, mask)
        beside = torch.randn(3, more, 8, dtype=torch.float64)
        padded[name] = Tokens(torch.cat([x, beside], 1), functional.pad(mask, (0, more)))
    groups: list[tuple[Modality, ...]] = [("text",), ("video", "audio"), MODALITIES]
    one, other = network(given_tokens, groups), network(padded, groups)
    for run in groups:
        for a, b in zip(one[run], other[run], strict=True):
            torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)
