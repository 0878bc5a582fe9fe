"""What a training iteration promises, whichever formulation computes it."""

from __future__ import annotations

import copy
import io
from dataclasses import fields, replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from mlzoo.errors import UsageError
from mlzoo_tfvaegan.networks import Networks
from mlzoo_tfvaegan.plain_step import PlainStep
from mlzoo_tfvaegan.step import Draws, Step, StepLosses, StepOptions, TrainingSet

R, A, H, D = 13, 5, 11, 9
N, B, K = 40, 6, 3
OPTIONS = StepOptions(critic_steps=K, feedback_strength=0.6, reconstruction_weight=0.3)
PLAIN_NOISE = replace(OPTIONS, encoded_noise=False)
SETTINGS = {
    "encoded": OPTIONS,
    "frozen decoder": replace(OPTIONS, freeze_decoder=True),
    "weights": replace(OPTIONS, critic_weight=1.0, generator_weight=3.0, adapt_penalty=False),
    "plain noise": PLAIN_NOISE,
    "plain noise, looking at the reconstruction": replace(
        PLAIN_NOISE, feedback_source="reconstruction"
    ),
    "cross entropy": replace(OPTIONS, attribute_loss="bce"),
    "cross entropy, plain noise, frozen": replace(
        PLAIN_NOISE, attribute_loss="bce", freeze_decoder=True
    ),
}


def make_networks(options: StepOptions = OPTIONS, seed: int = 0) -> Networks:
    torch.manual_seed(seed)
    output = "sigmoid" if options.attribute_loss == "bce" else "unit"
    networks = Networks(R, A, H, D, output).double()  # type: ignore[arg-type]
    for parameter in networks.parameters():
        nn.init.normal_(parameter, std=0.4)
    return networks


def make_data() -> TrainingSet:
    generator = torch.Generator().manual_seed(1)
    features = torch.rand(N, R, generator=generator, dtype=torch.float64)
    classes = torch.rand(8, A, generator=generator, dtype=torch.float64)
    label = torch.randint(8, (N,), generator=generator)
    return TrainingSet(
        features, (classes / classes.norm(dim=1, keepdim=True))[label], classes[label]
    )


def make_draws(iteration: int = 0, *, noise: bool = True) -> Draws:
    generator = torch.Generator().manual_seed(100 + iteration)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    rows = torch.stack([torch.randperm(N, generator=generator)[:B] for _ in range(K)])
    alpha = torch.rand(K, B, 1, generator=generator, dtype=torch.float64)
    return Draws(
        rows, normal(K, B, A), alpha, normal(B, A), generator_noise=normal(B, A) if noise else None
    )


def train(
    step_class: Any, options: StepOptions, *, iterations: int = 3, feedback: bool = True
) -> tuple[Step, StepLosses]:
    step = step_class(make_networks(options), options)
    for i in range(iterations):
        losses = step.iteration(make_data(), make_draws(i), feedback=feedback)
    return step, losses


def moved(step: Step, options: StepOptions = OPTIONS) -> dict[str, bool]:
    """Which networks are not as they began."""
    before = dict(make_networks(options).named_parameters())
    return {
        network: any(
            not parameter.equal(before[f"{network}.{name}"])
            for name, parameter in part.named_parameters()
        )
        for network, part in step.networks.named_children()
    }


def assert_same(first: Step, second: Step, tolerance: float = 0.0) -> None:
    for a, b in zip(first.networks.parameters(), second.networks.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=tolerance)


def rounding_of(step_class: Any) -> float:
    return 0.0 if step_class is PlainStep else 1e-9


@pytest.mark.parametrize("feedback", [False, True], ids=["without feedback", "feedback"])
@pytest.mark.parametrize("options", SETTINGS.values(), ids=SETTINGS.keys())
def test_every_formulation_equals_the_plain_one(
    step_class: Any, options: StepOptions, feedback: bool
) -> None:
    plain, expected = train(PlainStep, options, feedback=feedback)
    step, losses = train(step_class, options, feedback=feedback)
    assert_same(step, plain, rounding_of(step_class))
    for field in fields(losses):
        actual = getattr(losses, field.name)
        assert not actual.requires_grad
        torch.testing.assert_close(actual, getattr(expected, field.name), rtol=1e-8, atol=1e-9)


def test_same_draws_give_the_same_bits(step_class: Any) -> None:
    assert_same(train(step_class, OPTIONS)[0], train(step_class, OPTIONS)[0])


def test_a_saved_state_continues_in_every_formulation(step_class: Any) -> None:
    data, file = make_data(), io.BytesIO()
    whole, _ = train(PlainStep, OPTIONS, iterations=4)
    first, _ = train(PlainStep, OPTIONS, iterations=2)
    torch.save(first.state_dict(), file)
    file.seek(0)
    second = step_class(copy.deepcopy(first.networks), OPTIONS)
    second.load_state_dict(torch.load(file, weights_only=True))
    for i in (2, 3):
        losses = second.iteration(data, make_draws(i), feedback=True)
    assert_same(second, whole, rounding_of(step_class))
    # And back, which shows that what a formulation saves is what it was given.
    third = PlainStep(second.networks, OPTIONS)
    third.load_state_dict(second.state_dict())
    assert third.penalty_weight.equal(losses.penalty_weight)
    third.iteration(data, make_draws(4), feedback=True)
    whole.iteration(data, make_draws(4), feedback=True)
    assert_same(third, whole, rounding_of(step_class))


def test_only_feedback_loops_train_the_feedback_network(step_class: Any) -> None:
    everything = {"encoder", "generator", "critic", "decoder", "feedback"}
    with_feedback, without = (train(step_class, OPTIONS, feedback=f)[0] for f in (True, False))
    assert moved(with_feedback) == dict.fromkeys(everything, True)
    assert moved(without) == {**dict.fromkeys(everything, True), "feedback": False}


def test_feedback_of_strength_zero_generates_as_without(step_class: Any) -> None:
    options = replace(OPTIONS, feedback_strength=0.0)
    off, losses = train(step_class, options, feedback=False)
    on, same = train(step_class, options, feedback=True)
    assert_same(on, off, 1e-12)
    torch.testing.assert_close(same.total, losses.total)


def test_a_frozen_decoder_learns_from_real_features_alone(step_class: Any) -> None:
    options = replace(OPTIONS, freeze_decoder=True)
    step, _ = train(step_class, options, iterations=1)
    networks, data = make_networks(), make_data()
    decoder = PlainStep(networks, options)
    for rows in make_draws().rows:
        batch = data.batch(rows)
        optimizer = decoder.optimizers["decoder"]
        optimizer.zero_grad()
        (0.3 * decoder.reconstruction_loss(batch.features, batch.targets)).backward()
        optimizer.step()
    trained = step.networks.decoder.parameters()
    for a, b in zip(trained, networks.decoder.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-12)
    assert not train(step_class, OPTIONS, iterations=1)[0].networks.decoder.fc3.weight.equal(
        step.networks.decoder.fc3.weight
    )


def test_a_decoder_loss_without_weight_trains_no_decoder(step_class: Any) -> None:
    step, _ = train(step_class, replace(OPTIONS, reconstruction_weight=0.0))
    assert not moved(step)["decoder"]


@pytest.mark.parametrize("feedback", [False, True])
@pytest.mark.parametrize("options", [OPTIONS, PLAIN_NOISE], ids=["encoded", "plain"])
def test_where_feedback_looks_matters_with_plain_noise_and_feedback_alone(
    step_class: Any, options: StepOptions, feedback: bool
) -> None:
    fake, _ = train(step_class, options, feedback=feedback, iterations=1)
    elsewhere = replace(options, feedback_source="reconstruction")
    other, _ = train(step_class, elsewhere, feedback=feedback, iterations=1)
    same = fake.networks.generator.fc3.weight.equal(other.networks.generator.fc3.weight)
    assert same is not (feedback and not options.encoded_noise)


@pytest.mark.parametrize("adapt", [False, True])
def test_the_penalty_weight_follows_its_controller_if_asked(step_class: Any, adapt: bool) -> None:
    _, losses = train(step_class, replace(OPTIONS, adapt_penalty=adapt), iterations=1)
    statistic, weight = float(losses.penalty_statistic), float(losses.penalty_weight)
    assert statistic < 1.001
    assert weight == pytest.approx(10 / 1.1 if adapt else 10, rel=1e-15)


def test_a_batch_of_one_and_a_row_twice_are_batches(step_class: Any) -> None:
    for rows in ([[3]] * K, [[3, 3]] * K):
        size = len(rows[0])
        draws = make_draws()
        draws = Draws(
            torch.tensor(rows),
            draws.latent[:, :size],
            draws.alpha[:, :size],
            draws.generator_latent[:size],
        )
        step = step_class(make_networks(), OPTIONS)
        losses = step.iteration(make_data(), draws, feedback=True)
        assert bool(torch.isfinite(losses.total))
        assert all(bool(torch.isfinite(p).all()) for p in step.networks.parameters())


def test_new_networks_take_a_feature_of_zeros(step_class: Any) -> None:
    torch.manual_seed(0)
    networks = Networks(R, A, H, D).double()
    data = make_data()
    data.features[:] = 0
    step = step_class(networks, OPTIONS)
    for i in range(2):
        losses = step.iteration(data, make_draws(i), feedback=True)
    assert bool(torch.isfinite(losses.total))
    assert all(bool(torch.isfinite(p).all()) for p in networks.parameters())


def test_plain_noise_without_noise_is_refused() -> None:
    with pytest.raises(UsageError, match="generator_noise"):
        PlainStep(make_networks(), PLAIN_NOISE).iteration(
            make_data(), make_draws(noise=False), feedback=False
        )


@pytest.mark.parametrize("options", SETTINGS.values(), ids=SETTINGS.keys())
def test_the_plain_step_reads_nothing_back_from_the_device(options: StepOptions) -> None:
    # Tensors of the meta device have no values: whoever asks for one fails.
    def away(something: Any) -> Any:
        values = {field.name: getattr(something, field.name) for field in fields(something)}
        return type(something)(**{k: v if v is None else v.to("meta") for k, v in values.items()})

    step = PlainStep(make_networks(options).to("meta"), options)
    losses = step.iteration(away(make_data()), away(make_draws()), feedback=True)
    assert losses.decoder.shape == losses.penalty.shape == (K,)
    assert losses.total.shape == losses.penalty_weight.shape == ()
    assert losses.total.device.type == "meta"
