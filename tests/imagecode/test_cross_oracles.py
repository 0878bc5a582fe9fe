"""ViLBERT and UNITER against recorded values: states, pooled pairs, losses, gradients, all heads."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from plain_cross import plain_embedded, plain_logits, plain_pooled, plain_streams
from small_cross import given_of, group, recorded, weights_of
from torch import Tensor
from torch.nn import functional

from mlzoo_imagecode.cross.encoder import trimmed
from mlzoo_imagecode.cross.heads import aligned, pair_loss
from mlzoo_imagecode.cross.network import CrossNetwork
from mlzoo_imagecode.cross.scheme_reading import scheme_of
from mlzoo_imagecode.cross.weights import load_published
from mlzoo_imagecode.losses import matching_loss

KINDS = ("uniter", "vilbert")
K = 10


def close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def network_of(found: dict[str, Any], variant: Any, **settings: Any) -> CrossNetwork:
    network = CrossNetwork(scheme_of(found["config"], "recorded"), variant, **settings)
    load_published(group(found, "w:"), network, "recorded")
    return network.eval()


def check_gradients(network: CrossNetwork, loss: Tensor, expected: dict[str, Tensor]) -> None:
    """``expected`` by published names."""
    network.zero_grad()
    loss.backward()
    ours = {name: weight.grad for name, weight in weights_of(network).items()}
    assert expected
    for name, gradient in expected.items():
        found = ours[name]
        assert found is not None, name
        close(found, gradient)


def one_hot(target: Tensor) -> Tensor:
    return functional.one_hot(target, K).float()


@pytest.mark.parametrize("kind", KINDS)
def test_recorded_states_pooled_pairs_and_logits(kind: str) -> None:
    found = recorded(f"{kind}_tasks")
    network, given = network_of(found, "contra"), given_of(found)
    for sublayers, name in ((0, "emb"), (int(found["mid_index"]), "mid"), (None, "last")):
        x = network.bert.streams(given, sublayers)
        close(x.text, found[f"{name}_t"])
        close(x.vision, found[f"{name}_v"])
    for pooled in (network.bert(given), network.bert.pooled(network.bert.streams(given))):
        close(pooled.text, found["pooled_t"])
        close(pooled.vision, found["pooled_v"])
    close(network(given).flatten(), found["logit"][:, 0])
    close(network(trimmed(given)).flatten(), found["logit"][:, 0])


@pytest.mark.parametrize("kind", KINDS)
def test_recorded_losses_and_gradients_of_contra_and_nocontra(kind: str) -> None:
    found = recorded(f"{kind}_tasks")
    network, given = network_of(found, "contra"), trimmed(given_of(found))
    loss = matching_loss(network(given), found["target"], "mean")
    close(loss, found["loss_ce"])
    check_gradients(network, loss, group(found, "g_ce:"))
    loss = pair_loss(network(given), one_hot(found["target"]))
    close(loss, found["loss_bce"])
    check_gradients(network, loss, group(found, "g_bce:"))


@pytest.mark.parametrize("kind", KINDS)
def test_pairs_of_one_image_each_give_the_recorded_loss_of_nocontra(kind: str) -> None:
    found = recorded(f"{kind}_tasks")
    network = network_of(found, "nocontra")
    target = one_hot(found["target"]).flatten()[:, None]  # [P, 1]
    loss = pair_loss(network(given_of(found, k=1)), target)
    close(loss, found["loss_bce"])
    check_gradients(network, loss, group(found, "g_bce:"))


@pytest.mark.parametrize("kind", KINDS)
def test_recorded_alignment_and_masked_words(kind: str) -> None:
    found = recorded(f"{kind}_itm")
    network, given = network_of(found, "zero-shot"), given_of(found)
    close(network.pairs(given), found["pooled"])
    scores = network.alignment(given)
    close(scores, found["itm_scores"])
    close(aligned(scores), found["p_aligned"])
    logits = network(given)
    close(logits.sigmoid().flatten(), found["p_aligned"])
    assert logits.argmax(dim=1).equal(found["pred"])
    close(network.masked_words(given)[:2], found["mlm_scores"])


@pytest.mark.parametrize("kind", KINDS)
def test_recorded_contextual_logits_loss_and_gradients(kind: str) -> None:
    found = recorded(f"{kind}_contextual")
    network = network_of(
        found,
        "contextual",
        layers=int(found["ctx_layers"]),
        add_input=bool(found["ctx_add_inputs"]),
        temporal=bool(found["ctx_positional"]),
    )
    given = trimmed(given_of(found, temporal=found["is_video"]))
    close(network.pairs(given), found["pooled"])
    everywhere = given._replace(temporal=torch.ones_like(given.temporal))
    close(network(everywhere).flatten(), found["logit_all_pos"][:, 0])
    logits = network(given)
    close(logits.flatten(), found["logit"][:, 0])
    loss = matching_loss(logits, found["target"], "mean")
    close(loss, found["loss_ce"])
    check_gradients(network, loss, group(found, "g:"))


@pytest.mark.parametrize("kind", KINDS)
def test_the_readable_formulas_give_the_recorded_values_too(kind: str) -> None:
    found = recorded(f"{kind}_tasks")
    weights, settings = group(found, "w:"), found["config"]
    for states, name in (
        (plain_embedded(weights, settings, found), "emb"),
        (plain_streams(weights, settings, found, int(found["mid_index"])), "mid"),
        (plain_streams(weights, settings, found), "last"),
    ):
        close(states[0], found[f"{name}_t"])
        close(states[1], found[f"{name}_v"])
    close(plain_pooled(weights, settings, found), found["pooled_t"] * found["pooled_v"])
    close(plain_logits(weights, settings, found), found["logit"][:, 0])
