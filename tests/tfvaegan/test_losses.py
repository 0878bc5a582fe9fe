"""The losses against recorded values and gradients, by hand, and where their formulas break down."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck

from mlzoo_tfvaegan.losses import (
    adapt_penalty_weight,
    binary_cross_entropy,
    critic_loss,
    gradient_penalty,
    kl_divergence,
    variational_loss,
    weighted_l1,
)
from mlzoo_tfvaegan.networks import (
    Networks,
    load_published_names,
    published_names,
    reparameterise,
)

GOLDEN = Path(__file__).parents[1] / "golden" / "tfvaegan"
RECORDS = sorted(path.stem for path in GOLDEN.glob("forward_losses*.npz"))
DTYPES = (torch.float32, torch.float64)


class Record:
    """One file with its networks and the generation that all of its losses share."""

    def __init__(self, name: str) -> None:
        with np.load(GOLDEN / f"{name}.npz", allow_pickle=False) as file:
            self.arrays = {key: torch.from_numpy(np.asarray(file[key])) for key in file.files}
        weights = {k: v for k, v in self.arrays.items() if k.startswith("net")}
        hidden, width = weights["netDec.fc1.weight"].shape
        self.x, self.c = self["x"], self["att"]  # [B, R], [B, A]
        self.networks = Networks(
            width, self.c.shape[1], hidden, len(weights["netD.fc1.weight"])
        ).to(self.x.dtype)
        load_published_names(self.networks, weights)
        self.mean, self.log_variance = self.networks.encoder(self.x, self.c)
        self.z = reparameterise(self.mean, self.log_variance, self["eps"])
        self.fake = self.networks.generate(self.z, self.c, self.strength)

    def __getitem__(self, name: str) -> Tensor:
        return self.arrays[name]

    @property
    def strength(self) -> float:
        return float(self["a1"])

    def penalty(self) -> Tensor:
        """The statistic, without its weight."""
        return gradient_penalty(
            self.networks.critic, self.x, self.fake.detach(), self.c, self["alpha"]
        )

    def assert_value(self, name: str, actual: Tensor) -> None:
        tolerance = 1e-9 if self.x.dtype == torch.float64 else 1e-5
        torch.testing.assert_close(
            actual, self[name], rtol=tolerance, atol=tolerance, check_dtype=False
        )

    def assert_gradients(self, prefix: str, loss: Tensor) -> None:
        """Of every recorded parameter; where the graph does not reach one, 0."""
        self.networks.zero_grad()
        loss.backward()
        ours = published_names(self.networks)
        recorded = [key for key in self.arrays if key.startswith(prefix + "/")]
        assert recorded
        for key in recorded:
            parameter = ours[key.removeprefix(prefix + "/")]
            gradient = parameter.grad
            self.assert_value(key, torch.zeros_like(parameter) if gradient is None else gradient)


@pytest.fixture(params=RECORDS)
def record(request: pytest.FixtureRequest) -> Record:
    return Record(request.param)


def uniform(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(*shape, generator=generator, dtype=torch.float64).to(dtype)


def make_networks(**settings: Any) -> Networks:
    torch.manual_seed(0)
    networks = Networks(5, 3, 6, 4, **settings).double()
    for parameter in networks.parameters():
        torch.nn.init.normal_(parameter, std=0.6)
    return networks


def test_networks_give_the_recorded_values(record: Record) -> None:
    networks, x, c, z = record.networks, record.x, record.c, record.z
    plain, hidden = networks.generate(z, c), networks.generator.hidden(z, c)
    seen = networks.decoder.hidden(plain)
    values = {
        "enc_mean": record.mean,
        "enc_logvar": record.log_variance,
        "z": z,
        "gen_plain": plain,
        "gen_hidden": hidden,
        "dec_of_gen": networks.decoder(plain),
        "dec_hidden_of_gen": seen,
        "feedback": networks.feedback(seen),
        "gen_feedback": record.fake,
        "critic_real": networks.critic(x, c),
        "critic_fake": networks.critic(record.fake, c),
        "dec_of_x": networks.decoder(x),
        "dec_hidden_of_x": networks.decoder.hidden(x),
    }
    for name, value in values.items():
        record.assert_value(name, value)


def test_variational_loss_is_the_recorded_one(record: Record) -> None:
    record.assert_value("vae_bce", binary_cross_entropy(record.fake, record.x))
    record.assert_value("vae_kl", kl_divergence(record.mean, record.log_variance))
    loss = variational_loss(record.fake, record.x, record.mean, record.log_variance)
    record.assert_value("vae_loss", loss)
    record.assert_gradients("grad_vae", loss)
    assert all(p.grad is None for p in record.networks.decoder.parameters())


def test_weighted_l1_is_the_recorded_one(record: Record) -> None:
    loss = weighted_l1(record.networks.decoder(record.x), record.c)
    record.assert_value("weighted_l1", loss)
    record.assert_gradients("grad_wl1", loss)


def test_gradient_penalty_is_the_recorded_one(record: Record) -> None:
    critic, gamma = record.networks.critic, float(record["gammaD"])
    penalty = record["lambda1"] * record.penalty()
    record.assert_value("gradient_penalty", penalty)
    # The files' own grad_gp/* repeat grad_D_total/*: take what is not the penalty's away from these.
    distance = critic(record.fake.detach(), record.c).mean() - critic(record.x, record.c).mean()
    names = [name for name, _ in critic.named_parameters()]
    ours, others = (
        torch.autograd.grad(loss, list(critic.parameters()), materialize_grads=True)
        for loss in (penalty, distance)
    )
    for name, gradient, other in zip(names, ours, others, strict=True):
        record.assert_value(f"grad_D_total/netD.{name}", gamma * (gradient + other))
    assert [bool(gradient.any()) for gradient in ours] == [True, False, True, False]
    assert not ours[0][:, record.x.shape[1] :].any()  # the columns of c


def test_critic_loss_is_the_recorded_one(record: Record) -> None:
    critic, weight = record.networks.critic, record["gammaD"]
    real, fake = critic(record.x, record.c), critic(record.fake.detach(), record.c)
    loss = weight * critic_loss(real, fake, record.penalty(), record["lambda1"])
    record.assert_value("D_cost", loss)
    record.assert_value("wasserstein", weight * (real.mean() - fake.mean()))
    record.assert_gradients("grad_D_total", loss)
    assert float(critic.fc2.bias.grad) == 0


def test_controller_gives_the_recorded_weights() -> None:
    with np.load(GOLDEN / "metrics.npz", allow_pickle=False) as file:
        before, statistic, after = (
            torch.from_numpy(file[name]) for name in ("lambda_in", "gp_stat", "lambda_out")
        )
    moved = torch.stack(
        [adapt_penalty_weight(*pair) for pair in zip(before, statistic, strict=True)]
    )
    torch.testing.assert_close(moved, after, rtol=1e-12, atol=0)


def test_controller_is_not_stuck_by_a_weight_that_underflows() -> None:
    weight, slope = torch.tensor(1e-44), torch.tensor(2.0)
    assert float(adapt_penalty_weight(weight, slope)) >= float(weight)
    assert float(adapt_penalty_weight(torch.tensor(3.0), torch.tensor(float("nan")))) == 3


def test_loss_gradients_are_those_of_finite_differences() -> None:
    decoded = (uniform(4, 3) - 0.5).requires_grad_()
    mean, log_variance = uniform(4, 3, seed=2).requires_grad_(), uniform(4, 3, seed=3)
    log_variance.requires_grad_()
    p = (0.1 + 0.8 * uniform(4, 5, seed=4)).requires_grad_()
    x = uniform(4, 5, seed=5)
    assert gradcheck(weighted_l1, (decoded, uniform(4, 3, seed=1)))
    assert gradcheck(lambda p, m, v: variational_loss(p, x, m, v), (p, mean, log_variance))


def test_gradient_penalty_differentiates_in_the_critics_weights_alone() -> None:
    critic = make_networks().critic
    x, fake, c, alpha = (uniform(4, n, seed=n) for n in (5, 5, 3, 1))
    fake.requires_grad_()
    names = ("fc1.weight", "fc2.weight")
    parameters = dict(critic.named_parameters())

    def penalty(first: Tensor, second: Tensor) -> Tensor:
        changed = {**parameters, "fc1.weight": first, "fc2.weight": second}

        class Changed:
            def __call__(self, x: Tensor, c: Tensor) -> Tensor:
                return torch.func.functional_call(critic, changed, (x, c))  # type: ignore[return-value]

        return gradient_penalty(Changed(), x, fake, c, alpha)  # type: ignore[arg-type]

    assert gradcheck(penalty, tuple(parameters[name] for name in names))
    gradient_penalty(critic, x, fake, c, alpha).backward()
    assert fake.grad is None
    assert critic.fc1.weight.grad is not None
    assert not critic.fc1.weight.grad[:, 5:].any()  # the columns of c


def test_gradient_penalty_looks_at_every_sample_for_itself() -> None:
    critic = make_networks().critic
    x, fake, c, alpha = (uniform(6, n, seed=n) for n in (5, 5, 3, 1))
    alone = [
        gradient_penalty(critic, *(t[n : n + 1] for t in (x, fake, c, alpha))) for n in range(6)
    ]
    together = gradient_penalty(critic, x, fake, c, alpha)
    torch.testing.assert_close(together, torch.stack(alone).mean())


@pytest.mark.parametrize("dtype", DTYPES)
def test_weighted_l1_of_an_exact_reconstruction_is_zero_with_zero_gradient(
    dtype: torch.dtype,
) -> None:
    target = uniform(2, 3, dtype=dtype)
    decoded = target.clone()
    decoded[1] += 0.5
    decoded.requires_grad_()
    loss = weighted_l1(decoded, target)
    loss.backward()
    assert decoded.grad is not None
    assert not decoded.grad[0].any()
    # Row 1: d = 0.5 three times, so that Σ|d|³ / ‖d‖ = 0.375 / (0.5 √3).
    torch.testing.assert_close(loss, torch.tensor(0.375 / (0.5 * 3**0.5) / 2, dtype=dtype))


@pytest.mark.parametrize("dtype", DTYPES)
def test_saturated_probabilities_cost_something_finite(dtype: torch.dtype) -> None:
    p = torch.tensor([[1.0, 1.0, 0.0, 0.0]], dtype=dtype, requires_grad=True)
    target = torch.tensor([[1.0, 0.0, 1.0, 0.0]], dtype=dtype)
    loss = binary_cross_entropy(p, target)
    loss.backward()
    assert p.grad is not None
    assert torch.isfinite(p.grad).all()
    # ln 0 counts as -100; ln of the offset is -27.6.
    torch.testing.assert_close(float(loss.detach()), 100 - np.log(1e-12), rtol=1e-6, atol=0)


def test_cross_entropy_sums_a_row_and_averages_the_batch() -> None:
    p, target = 0.1 + 0.8 * uniform(3, 4), uniform(3, 4, seed=1)
    by_hand = -(target * p.log() + (1 - target) * (1 - p).log()).sum() / 3
    torch.testing.assert_close(binary_cross_entropy(p, target), by_hand)


@pytest.mark.parametrize("dtype", DTYPES)
def test_losses_keep_the_dtype_and_repeat_to_the_bit(dtype: torch.dtype) -> None:
    networks = make_networks().to(dtype)
    x, fake, c, alpha = (uniform(4, n, seed=n, dtype=dtype) for n in (5, 5, 3, 1))

    def everything() -> list[Tensor]:
        mean, log_variance = networks.encoder(x, c)
        return [
            variational_loss(fake, x, mean, log_variance),
            weighted_l1(networks.decoder(x), c),
            gradient_penalty(networks.critic, x, fake, c, alpha),
        ]

    first, second = everything(), everything()
    assert all(loss.dtype == dtype for loss in first)
    assert all(a.equal(b) for a, b in zip(first, second, strict=True))
