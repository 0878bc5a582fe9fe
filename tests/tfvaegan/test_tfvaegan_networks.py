"""The five networks: their sizes, how they begin, and their published names."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from mlzoo.errors import DataError
from mlzoo_tfvaegan.networks import (
    Decoder,
    Networks,
    load_published_names,
    published_names,
)

R, A, H, D, B = 7, 4, 6, 5, 3


def make_networks(seed: int = 0, **settings: Any) -> Networks:
    torch.manual_seed(seed)
    return Networks(R, A, H, D, **settings)


def spread(networks: Networks) -> Networks:
    """Weights large enough that every part matters."""
    for parameter in networks.parameters():
        nn.init.normal_(parameter, std=0.7)
    return networks


def test_every_network_has_its_shapes() -> None:
    networks = make_networks()
    x, c, z = torch.rand(B, R), torch.rand(B, A), torch.randn(B, A)
    mean, log_variance = networks.encoder(x, c)
    assert mean.shape == log_variance.shape == (B, A)
    assert networks.generator(z, c).shape == (B, R)
    assert networks.generate(z, c, 0.5).shape == (B, R)
    assert networks.critic(x, c).shape == (B, 1)
    assert networks.decoder(x).shape == (B, A)
    assert networks.feedback(networks.decoder.hidden(x)).shape == (B, H)


def test_sizes_at_the_widths_of_cub_are_the_published_ones() -> None:
    with torch.device("meta"):
        networks = Networks(2048, 312, 4096, 4096)
    millions = {
        name: sum(p.numel() for p in part.parameters()) / 1e6
        for name, part in networks.named_children()
    }
    expected = {
        "encoder": 12.62,
        "generator": 10.95,
        "critic": 9.67,
        "decoder": 9.67,
        "feedback": 33.6,
    }
    assert millions == pytest.approx(expected, abs=0.05)


def test_weights_begin_normal_with_deviation_one_fiftieth_and_biases_at_zero() -> None:
    torch.manual_seed(0)
    networks = Networks(100, 50, 200, 150)
    for layer in networks.modules():
        if isinstance(layer, nn.Linear):
            assert not layer.bias.any()
            count = layer.weight.numel()
            assert float(layer.weight.mean().detach()) == pytest.approx(0, abs=0.1 / count**0.5)
            assert float(layer.weight.std().detach()) == pytest.approx(0.02, rel=3 / count**0.5)


def test_decoder_gives_rows_of_length_one_or_values_between_zero_and_one() -> None:
    x = torch.rand(B, R)
    unit = spread(make_networks()).decoder(x)
    torch.testing.assert_close(unit.norm(dim=1), torch.ones(B))
    sigmoid = spread(make_networks(attribute_output="sigmoid")).decoder(x)
    assert bool(((sigmoid > 0) & (sigmoid < 1)).all())


def test_a_feature_of_zeros_passes_a_new_decoder_without_nan() -> None:
    torch.manual_seed(0)
    networks = make_networks()
    x = torch.stack([torch.zeros(R), torch.rand(R)])
    decoded = networks.decoder(x)
    assert decoded[0].tolist() == [0] * A
    decoded.square().sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in networks.decoder.parameters())


def test_unit_rows_are_those_of_the_formula_to_the_bit() -> None:
    decoder, hidden = Decoder(R, A, H), torch.rand(B, H)
    o = decoder.fc3(hidden)
    assert decoder.output(hidden).equal(o / o.norm(dim=1, keepdim=True))


def test_feedback_sends_no_gradient_into_the_decoder_or_what_it_looks_at() -> None:
    networks = spread(make_networks())
    z, c = torch.randn(B, A), torch.rand(B, A)
    looked_at = torch.rand(B, R, requires_grad=True)
    for options in ({}, {"look_at": looked_at}):
        networks.zero_grad()
        networks.generate(z, c, 0.8, **options).sum().backward()
        assert all(p.grad is None for p in networks.decoder.parameters())
        assert all(p.grad is not None and p.grad.any() for p in networks.feedback.parameters())
    assert looked_at.grad is None


def test_feedback_looks_at_the_plain_generation_unless_told_otherwise() -> None:
    networks = spread(make_networks())
    z, c = torch.randn(B, A), torch.rand(B, A)
    plain = networks.generate(z, c)
    fed = networks.generate(z, c, 0.8)
    assert fed.equal(networks.generate(z, c, 0.8, look_at=plain))
    assert not torch.allclose(fed, networks.generate(z, c, 0.8, look_at=torch.rand(B, R)))
    assert plain.equal(networks.generate(z, c, 0.0, look_at=torch.rand(B, R)))


def test_published_names_carry_all_weights_from_one_copy_to_another() -> None:
    ours, theirs = make_networks(0), make_networks(1)
    arrays = {name: p.detach().numpy().copy() for name, p in published_names(theirs).items()}
    assert {name.split(".")[0] for name in arrays} == {"netE", "netG", "netD", "netDec", "netF"}
    load_published_names(ours, arrays)
    for name, parameter in theirs.state_dict().items():
        assert ours.state_dict()[name].equal(parameter)


def without(arrays: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value for name, value in arrays.items() if name != "netD.fc2.bias"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (without, "netD.fc2.bias"),
        (lambda arrays: {**arrays, "netD.fc9.bias": torch.zeros(1)}, "netD.fc9.bias"),
        (lambda arrays: {**arrays, "netF.fc1.bias": torch.zeros(H + 1)}, "netF.fc1.bias"),
    ],
    ids=["missing", "foreign", "shape"],
)
def test_weights_that_do_not_fit_are_refused_and_change_nothing(change: Any, said: str) -> None:
    networks, other = make_networks(0), make_networks(1)
    before = {name: value.clone() for name, value in networks.state_dict().items()}
    with pytest.raises(DataError, match=said):
        load_published_names(
            networks, change({k: p.detach() for k, p in published_names(other).items()})
        )
    assert all(networks.state_dict()[name].equal(value) for name, value in before.items())
