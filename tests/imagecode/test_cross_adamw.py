"""How cross-encoders are trained: recorded steps, and the formulas of a step."""

from __future__ import annotations

import pytest
import torch
from small_cross import recorded, small_values
from torch import nn

from mlzoo_imagecode.cross.adamw import (
    AdamW,
    decay_groups,
    set_rate,
    warm_up_linear,
)
from mlzoo_imagecode.cross.network import CrossNetwork
from mlzoo_imagecode.cross.scheme_reading import scheme_of


def test_recorded_steps_with_clipping_warm_up_and_decay() -> None:
    found = recorded("xenc_adamw_warmup_linear")
    decays, stays = (nn.Parameter(found[f"p_{kind}_0"]) for kind in ("decay", "nodecay"))
    one, two = found["betas"].tolist()
    optimizer = AdamW(
        [
            {"params": [decays], "weight_decay": float(found["weight_decay"])},
            {"params": [stays], "weight_decay": 0.0},
        ],
        lr=float(found["base_lr"]),
        betas=(one, two),
        eps=float(found["eps"]),
        correct_bias=bool(found["correct_bias"]),
    )
    warm_up, total = float(found["warmup_steps"]), int(found["t_total"])
    for number in range(len(found["lr_used"])):
        decays.grad = found["grads_decay"][number]
        stays.grad = found["grads_nodecay"][number]
        norm = nn.utils.clip_grad_norm_([decays, stays], float(found["clip_grad_norm"]))
        torch.testing.assert_close(norm, found["grad_norm_before_clip"][number].to(norm))
        rate = float(found["base_lr"]) * warm_up_linear(number, warm_up, total)
        assert rate == pytest.approx(float(found["lr_used"][number]), rel=1e-12)
        set_rate(optimizer, rate)
        optimizer.step()
        torch.testing.assert_close(decays.detach(), found["p_decay"][number], rtol=0, atol=1e-6)
        torch.testing.assert_close(stays.detach(), found["p_nodecay"][number], rtol=0, atol=1e-6)


@pytest.mark.parametrize("correct_bias", [True, False])
def test_step_is_the_formula(correct_bias: bool) -> None:
    torch.manual_seed(0)
    p = nn.Parameter(torch.randn(5, 3, dtype=torch.float64))
    expected = p.detach().clone()
    optimizer = AdamW([p], lr=0.1, weight_decay=0.3, correct_bias=correct_bias)
    m, v = torch.zeros_like(expected), torch.zeros_like(expected)
    for t in range(1, 5):
        gradient = torch.randn_like(expected)
        p.grad = gradient.clone()
        optimizer.step()
        m = 0.9 * m + 0.1 * gradient
        v = 0.999 * v + 0.001 * gradient**2
        rate = 0.1 * ((1 - 0.999**t) ** 0.5 / (1 - 0.9**t) if correct_bias else 1)
        expected = expected - rate * m / (v.sqrt() + 1e-6)
        expected = expected - 0.1 * 0.3 * expected
        torch.testing.assert_close(p.detach(), expected)


def test_parameters_without_a_gradient_stay_and_do_not_decay() -> None:
    p, q = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    optimizer = AdamW([p, q], lr=0.1, weight_decay=0.5)
    p.grad = torch.ones(2)
    optimizer.step()
    assert q.tolist() == [1, 1]
    assert p[0] < 1


def test_restored_state_goes_on_with_the_same_steps() -> None:
    def trained(restart_after: int | None) -> torch.Tensor:
        draw = torch.Generator().manual_seed(0)
        p = nn.Parameter(torch.ones(4))
        optimizer = AdamW([p], lr=0.01)
        for number in range(6):
            if number == restart_after:
                state = optimizer.state_dict()
                optimizer = AdamW([p], lr=0.5)
                optimizer.load_state_dict(state)
            p.grad = torch.randn(4, generator=draw)
            optimizer.step()
        return p.detach()

    assert trained(3).equal(trained(None))


def test_rate_rises_from_nothing_and_falls_to_nothing() -> None:
    rates = [warm_up_linear(n, 2.5, 10) for n in range(12)]
    assert rates[0] == 0
    assert rates[1] == pytest.approx(0.4)
    assert rates[3] == pytest.approx(7 / 7.5)
    assert rates[10] == rates[11] == 0
    assert warm_up_linear(0, 0, 10) == 1
    assert warm_up_linear(0, 0.5, 10) == 0
    assert [warm_up_linear(n, 10, 10) for n in (0, 9, 10)] == [0, 0.9, 0]


def test_biases_and_normalisations_do_not_decay_but_those_of_uniters_images_do() -> None:
    scheme = scheme_of(small_values("uniter"), "small")
    network = CrossNetwork(scheme, "contextual")
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    decays, stays = (
        {names[id(p)] for p in group["params"]} for group in decay_groups(network, 0.01)
    )
    assert decays | stays == set(names.values())
    assert not decays & stays
    assert {"bert.embeddings.image_layer_norm.weight", "context.positional_emb.weight"} <= decays
    assert "bert.embeddings.image_location_layer_norm.weight" in decays
    assert {"bert.embeddings.v_LayerNorm.weight", "bert.embeddings.LayerNorm.weight"} <= stays
    assert {name for name in decays if "bias" in name} == set()
    assert [group["weight_decay"] for group in decay_groups(network, 0.01)] == [0.01, 0.0]
