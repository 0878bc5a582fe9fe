"""What is trimmed, done once or fused gives what the readable formulas give, gradients included."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from plain_cross import plain_logits, plain_streams
from random_schemes import random_values
from small_cross import as_pairs, random_given, shaken, small_values, weights_of
from torch import Tensor

from mlzoo_imagecode.cross.encoder import CrossEncoder, Given, trimmed
from mlzoo_imagecode.cross.network import CrossNetwork
from mlzoo_imagecode.cross.pieces import pieces_by_length
from mlzoo_imagecode.cross.scheme import Attention, FeedForward
from mlzoo_imagecode.cross.scheme_reading import scheme_of
from mlzoo_imagecode.cross.sublayers import AttentionSublayer, FeedForwardSublayer
from mlzoo_imagecode.losses import matching_loss

ODD: dict[str, dict[str, Any]] = {
    "regions look at each other before they meet words": small_values(
        "vilbert", vv_attn_sublayers=[2, 6, 10], v_ff_sublayers=[1, 5, 7, 9, 11]
    ),
    "words look at both in one softmax, regions at themselves": small_values(
        "uniter", vt_attn_sublayers=[], shared_sublayers=[], single_ln_sublayers=[]
    ),
    "only words look": small_values(
        "uniter",
        tt_attn_sublayers=[0],
        vt_attn_sublayers=[],
        vv_attn_sublayers=[],
        v_ff_sublayers=[1],
        shared_sublayers=[1],
        single_ln_sublayers=[1],
    ),
    "one normalisation, weights apart": small_values("uniter", shared_sublayers=[]),
    "shared, but streams look only at each other": small_values(
        "uniter", tt_attn_sublayers=[0], vv_attn_sublayers=[]
    ),
    "attention as wide as feed-forward": small_values(
        "vilbert",
        sublayer2v_attn_hidden_size={"6": 36},
        sublayer2v_num_attention_heads={"6": 4},
        sublayer2v_intermediate_size={"5": 7},
        sublayer2intermediate_size={"1": 9},
    ),
}
RANDOM = 40
"""How many schemes are drawn."""
BY_DESCRIPTION = ("ids", "mask", "places", "positions", "temporal")
SCHEMES = {"uniter": small_values("uniter"), "vilbert": small_values("vilbert"), **ODD}


def close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def network_of(settings: dict[str, Any], **options: Any) -> CrossNetwork:
    network = CrossNetwork(scheme_of(settings, "test"), "contra", **options)
    shaken(network)
    return network.eval()


@pytest.mark.parametrize("name", SCHEMES)
def test_logits_and_gradients_are_those_of_every_pair_for_itself(name: str) -> None:
    require_equal_logits_and_gradients(SCHEMES[name], random_given(3))


@pytest.mark.parametrize("seed", range(RANDOM))
def test_so_they_are_in_any_scheme(seed: int) -> None:
    settings = random_values(seed)
    given = random_given(seed, tokens=5 + seed % 6, regions=3 + seed % 4)
    draw = torch.Generator().manual_seed(seed)
    segments = torch.randint(0, settings["type_vocab_size"], given.ids.shape, generator=draw)
    require_equal_logits_and_gradients(settings, given._replace(segments=segments * given.mask))


def test_the_drawn_schemes_have_everything_that_a_scheme_can_have() -> None:
    drawn = [random_values(seed) for seed in range(RANDOM)]
    made = [layer for values in drawn for layer in scheme_of(values, "drawn").sublayers]
    attentions = [layer for layer in made if isinstance(layer, Attention)]
    ways = {(a.tt, a.tv, a.vt, a.vv) for a in attentions}
    assert len(ways) == 15
    for kind in (Attention, FeedForward):
        sharing = {(m.shared, m.one_norm) for m in made if isinstance(m, kind)}
        assert sharing == {(False, False), (False, True), (True, True)}
    assert {(m.text, m.vision) for m in made if isinstance(m, FeedForward)} == {
        (True, True),
        (True, False),
        (False, True),
    }
    shared_ways = {(a.tt, a.tv, a.vt, a.vv) for a in attentions if a.shared}
    assert {(True, True, True, True), (False, True, True, False)} <= shared_ways
    for key in ("fusion_method", "image_embeddings", "hidden_act", "v_hidden_act"):
        assert len({values[key] for values in drawn}) > 1, key


def require_equal_logits_and_gradients(settings: dict[str, Any], given: Given) -> None:
    network = network_of(settings)
    target = torch.tensor([0, 3, 1])
    parameters = weights_of(network)
    expected = plain_logits(parameters, settings, as_pairs(given)).view(given.places.shape)
    wanted = torch.autograd.grad(
        matching_loss(expected, target, "mean"), list(parameters.values()), allow_unused=True
    )
    logits = network(trimmed(given))
    close(logits, expected)
    matching_loss(logits, target, "mean").backward()
    for (key, parameter), gradient in zip(parameters.items(), wanted, strict=True):
        if gradient is None:
            assert parameter.grad is None, key
            continue
        if key == "bert.embeddings.word_embeddings.weight":  # padding's row learns nothing
            gradient = gradient * (torch.arange(len(gradient)) > 0)[:, None]
        if parameter.grad is None:
            assert not gradient.any(), key
        else:
            close(parameter.grad, gradient)


@pytest.mark.parametrize("name", SCHEMES)
def test_states_are_those_of_every_pair_for_itself_after_each_sublayer(name: str) -> None:
    settings, given = SCHEMES[name], random_given(4)
    network = network_of(settings)
    weights, pairs = weights_of(network), as_pairs(given)
    with torch.no_grad():
        for number in range(len(network.bert.scheme.sublayers) + 1):
            x = network.bert.streams(given, number)
            text, vision = plain_streams(weights, settings, pairs, number)
            close(x.text, text)
            close(x.vision, vision)


@pytest.mark.parametrize("name", ["uniter", "vilbert"])
def test_trimming_leaves_out_padding_and_nothing_else(name: str) -> None:
    network, given = network_of(SCHEMES[name]), random_given(5, tokens=20, regions=9)
    given = given._replace(image_mask=given.image_mask.clone())
    given.image_mask[:, 6:] = 0
    given.image_mask[0, 1] = 0  # a hole stays
    short = trimmed(given)
    longest = int(given.mask.sum(dim=1).max())
    assert short.ids.shape[1] == short.mask.shape[1] == longest < 20
    assert (
        short.features.shape[1]
        == short.spatials.shape[1]
        == 6 - (1 if not given.image_mask[:, 5].any() else 0)
    )
    with torch.no_grad():
        close(network(short), network(given))
    nothing = given._replace(mask=torch.zeros_like(given.mask))
    assert trimmed(nothing).ids.shape[1] == 1


def test_what_stands_behind_masks_changes_nothing() -> None:
    for name in ("uniter", "vilbert"):
        network, given = network_of(SCHEMES[name]), random_given(6)
        noise = torch.randn(given.features.shape) * (1 - given.image_mask)[:, :, None]
        other = given._replace(features=given.features + noise, ids=given.ids + 1 - given.mask)
        with torch.no_grad():
            close(network(other), network(given))


def count_rows(network: CrossNetwork, given: Given) -> list[int]:
    """How many rows each sublayer's text has."""
    rows: list[int] = []
    for layer in network.bert.encoder["layer"]:  # type: ignore[union-attr]
        assert isinstance(layer, AttentionSublayer | FeedForwardSublayer)
        layer.register_forward_hook(lambda _m, args, _o: rows.append(len(args[0].text)))
    network(given)
    return rows


def test_sublayers_of_the_text_alone_run_once_a_description() -> None:
    given = random_given(7)
    b, pairs = len(given.places), given.places.numel()
    assert count_rows(network_of(SCHEMES["vilbert"]), given) == [b] * 4 + [pairs] * 8
    assert count_rows(network_of(SCHEMES["uniter"]), given) == [pairs] * 4


def test_in_training_they_do_so_unless_dropout_shall_be_each_pairs_own() -> None:
    given = random_given(7)
    b, pairs = len(given.places), given.places.numel()
    once = network_of(SCHEMES["vilbert"]).train()
    assert count_rows(once, given) == [b] * 4 + [pairs] * 8
    apart = network_of(SCHEMES["vilbert"], once_in_training=False)
    assert count_rows(apart.train(), given) == [pairs] * 12
    assert count_rows(apart.eval(), given)[-12:] == [b] * 4 + [pairs] * 8


def test_dropout_is_on_in_training_and_off_else() -> None:
    for name in ("uniter", "vilbert"):
        network, given = network_of(SCHEMES[name]), random_given(8)
        with torch.no_grad():
            assert network(given).equal(network(given))
            network.train()
            assert not network(given).equal(network(given))
        still = {key: 0.0 for key in SCHEMES[name] if key.endswith("dropout_prob")}
        network = network_of({**SCHEMES[name], **still}, dropout=0.0)
        with torch.no_grad():
            expected = network(given)
            close(network.train()(given), expected)


def test_padding_learns_nothing_and_starts_like_the_other_words() -> None:
    network = CrossNetwork(scheme_of(small_values("uniter"), "test"), "contra")
    given = random_given(9)
    network(given).logsumexp(dim=1).sum().backward()
    table = network.bert.embeddings.word_embeddings.weight
    assert table.grad is not None
    assert not table.grad[0].any()
    assert table.grad[1:].any()
    assert table[0].abs().min() > 0


def test_weights_begin_as_published() -> None:
    torch.manual_seed(0)
    scheme = scheme_of(small_values("vilbert", hidden_size=64, num_attention_heads=4), "test")
    network = CrossNetwork(scheme, "contextual")
    for name, parameter in network.bert.named_parameters():
        if name.endswith("bias"):
            assert not parameter.any(), name
        elif "LayerNorm" in name:
            assert (parameter == 1).all(), name
        elif parameter.numel() > 1000:
            assert 0.018 < float(parameter.detach().std()) < 0.022, name
    bound = 1 / 16**0.5  # PyTorch's own for a linear layer
    first = network.context.transformer[0].attention.self["query"].weight  # type: ignore[index,union-attr]
    assert bound / 2 < float(first.detach().abs().max()) <= bound
    zero_shot = CrossNetwork(scheme, "zero-shot").cls
    assert not zero_shot.bi_seq_relationship.bias.any()
    most = (6 / (64 + 64)) ** 0.5
    dense = zero_shot.predictions.transform["dense"].weight
    assert most / 2 < float(dense.detach().abs().max()) <= most


def test_sum_and_text_alone_are_fused_as_they_say() -> None:
    given = random_given(10)
    for fusion in ("sum", "text"):
        network = network_of(small_values("vilbert", fusion_method=fusion))
        with torch.no_grad():
            pooled = network.bert(given)
            expected = pooled.text if fusion == "text" else pooled.text + pooled.vision
            assert network.pairs(given).equal(expected)
        assert hasattr(network.bert, "v_pooler") == (fusion == "sum")


def test_same_seed_same_network() -> None:
    scheme = scheme_of(small_values("vilbert"), "test")
    states = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        states.append(CrossEncoder(scheme).state_dict())
    one, same, other = states
    assert all(one[name].equal(same[name]) for name in one)
    assert not all(one[name].equal(other[name]) for name in one)


def test_pieces_hold_descriptions_of_nearly_one_length_and_give_the_batchs_gradient() -> None:
    given = random_given(11, count=5)
    lengths = given.mask.sum(dim=1).numpy()
    rows = np.array([4, 0, 3, 1, 2])
    pieces = list(pieces_by_length(rows, lengths, 2))
    assert [len(piece) for piece in pieces] == [2, 2, 1]
    assert sorted(np.concatenate(pieces)) == [0, 1, 2, 3, 4]
    assert (np.diff(lengths[np.concatenate(pieces)]) >= 0).all()

    target = torch.tensor([1, 0, 2, 3, 1])
    network = network_of(SCHEMES["vilbert"])
    matching_loss(network(given), target, "sum").backward()
    whole = {name: p.grad.clone() for name, p in network.named_parameters() if p.grad is not None}
    network.zero_grad()
    for piece in map(torch.from_numpy, pieces):
        some = {name: getattr(given, name)[piece] for name in BY_DESCRIPTION}
        loss = matching_loss(network(trimmed(given._replace(**some))), target[piece], "sum")
        loss.backward()
    for name, parameter in network.named_parameters():
        if name in whole:
            assert parameter.grad is not None
            close(parameter.grad, whole[name])
