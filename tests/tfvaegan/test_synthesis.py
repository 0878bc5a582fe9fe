"""Synthesised features against the plain generation, class by class."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from mlzoo_tfvaegan.networks import Networks
from mlzoo_tfvaegan.synthesis import synthesise

R, A, H, D = 11, 5, 9, 4
CLASSES, EACH = 4, 7


def make_world(dtype: torch.dtype = torch.float64) -> tuple[Networks, Tensor, Tensor]:
    """Networks, class embeddings [U, A] and noise [U, n, A]."""
    torch.manual_seed(3)
    networks = Networks(R, A, H, D).to(dtype)
    for parameter in networks.parameters():
        nn.init.normal_(parameter, std=0.5)
    return (
        networks,
        torch.rand(CLASSES, A, dtype=dtype),
        torch.randn(CLASSES, EACH, A, dtype=dtype),
    )


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-13), (torch.float32, 1e-6)], ids=["f64", "f32"]
)
@pytest.mark.parametrize("strength", [0.0, 0.01, 1.0])
def test_every_class_is_a_block_of_its_plain_generations(
    strength: float, dtype: torch.dtype, tolerance: float
) -> None:
    networks, attributes, noise = make_world(dtype)
    features = synthesise(networks, attributes, noise, strength)
    assert features.shape == (CLASSES * EACH, R)
    assert features.dtype == dtype
    for u in range(CLASSES):
        plain = networks.generate(noise[u], attributes[u].expand(EACH, A), strength)
        block = features[u * EACH : (u + 1) * EACH]
        torch.testing.assert_close(block, plain.detach(), rtol=0, atol=tolerance)


@pytest.mark.parametrize("rows", [1, 5, 7, 27, 28, 1000])
def test_pieces_of_any_size_give_the_same(rows: int) -> None:
    networks, attributes, noise = make_world()
    whole = synthesise(networks, attributes, noise, 0.7)
    pieces = synthesise(networks, attributes, noise, 0.7, rows=rows)
    torch.testing.assert_close(pieces, whole, rtol=0, atol=1e-13)


def test_feedback_matters() -> None:
    networks, attributes, noise = make_world()
    without, weak, strong = (synthesise(networks, attributes, noise, a) for a in (0.0, 0.1, 1.0))
    assert float((strong - without).abs().max()) > float((weak - without).abs().max()) > 1e-3


def test_features_carry_no_gradient_and_can_train_what_follows() -> None:
    networks, attributes, noise = make_world()
    features = synthesise(networks, attributes, noise, 1.0)
    assert not features.requires_grad
    classifier = nn.Linear(R, CLASSES).double()
    classifier(features).square().sum().backward()
    assert classifier.weight.grad is not None
    assert all(parameter.grad is None for parameter in networks.parameters())


def test_no_class_and_no_row_give_no_features() -> None:
    networks, attributes, noise = make_world()
    assert synthesise(networks, attributes[:0], noise[:0], 1.0).shape == (0, R)
    assert synthesise(networks, attributes, noise[:, :0], 1.0).shape == (0, R)
