"""The iteration in closed form against recorded iterations, and against autograd."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings, strategies

from mlzoo.errors import UsageError
from mlzoo_tfvaegan import fused_adam
from mlzoo_tfvaegan.captured import CapturedIterations
from mlzoo_tfvaegan.fast_step import FastStep
from mlzoo_tfvaegan.networks import Networks
from mlzoo_tfvaegan.plain_step import PlainStep
from mlzoo_tfvaegan.step import Draws, StepLosses, StepOptions, TrainingSet

GOLDEN = Path(__file__).parents[1] / "golden" / "tfvaegan"
RECORDED = sorted(GOLDEN.glob("train_*.npz"))
NAMES = {
    "netE": "encoder",
    "netG": "generator",
    "netD": "critic",
    "netF": "feedback",
    "netDec": "decoder",
}

Arrays = Mapping[str, npt.NDArray[Any]]


def recorded_options(arrays: Arrays) -> StepOptions:
    return StepOptions(
        critic_steps=int(arrays["opt_critic_iter"]),
        critic_weight=float(arrays["opt_gammaD"]),
        generator_weight=float(arrays["opt_gammaG"]),
        reconstruction_weight=float(arrays["opt_recons_weight"]),
        feedback_strength=float(arrays["opt_a1"]),
        encoded_noise=bool(arrays["opt_encoded_noise"]),
        freeze_decoder=bool(arrays["opt_freeze_dec"]),
        attribute_loss="bce" if arrays["opt_bce_att"] else "weighted-l1",
        feedback_source="reconstruction",
        learning_rate=float(arrays["opt_lr"]),
        feedback_learning_rate=float(arrays["opt_feed_lr"]),
        decoder_learning_rate=float(arrays["opt_dec_lr"]),
        beta1=float(arrays["opt_beta1"]),
    )


def parameters(arrays: Arrays, prefix: str) -> dict[str, torch.Tensor]:
    """Recorded parameters by our names."""
    found = {}
    for key in arrays:
        if key.startswith(f"{prefix}/net"):
            network, _, rest = key.removeprefix(f"{prefix}/").partition(".")
            found[f"{NAMES[network]}.{rest}"] = torch.from_numpy(arrays[key])
    return found


def recorded_networks(arrays: Arrays) -> Networks:
    start = parameters(arrays, "init")
    networks = Networks(
        features=start["decoder.fc1.weight"].shape[1],
        attributes=start["decoder.fc3.weight"].shape[0],
        hidden=start["decoder.fc1.weight"].shape[0],
        critic_hidden=start["critic.fc1.weight"].shape[0],
        attribute_output="sigmoid" if arrays["opt_bce_att"] else "unit",
    ).to(start["critic.fc1.weight"].dtype)
    networks.load_state_dict(start)
    return networks


def recorded_data(arrays: Arrays) -> TrainingSet:
    label = arrays["train_label"]
    attributes = torch.from_numpy(arrays["attribute"][label])
    targets = torch.from_numpy(
        arrays["bce_attribute" if arrays["opt_bce_att"] else "attribute"][label]
    )
    return TrainingSet(torch.from_numpy(arrays["train_feature"]), attributes, targets)


def recorded_draws(arrays: Arrays, iteration: int) -> Draws:
    steps = range(int(arrays["opt_critic_iter"]))

    def stack(name: str) -> torch.Tensor:
        return torch.from_numpy(
            np.stack([arrays[f"it{iteration}/critic{k}/{name}"] for k in steps])
        )

    encoded = bool(arrays["opt_encoded_noise"])
    generator_noise = None if encoded else torch.from_numpy(arrays[f"it{iteration}/gen/noise"])
    return Draws(
        rows=stack("batch_index"),
        latent=stack("eps" if encoded else "noise"),
        alpha=stack("alpha"),
        generator_latent=torch.from_numpy(arrays[f"it{iteration}/gen/eps"]),
        generator_noise=generator_noise,
    )


def recorded_losses(arrays: Arrays, iteration: int) -> dict[str, npt.NDArray[Any]]:
    steps = range(int(arrays["opt_critic_iter"]))
    names = {"decoder": "loss_dec", "critic_real": "D_real", "critic_fake": "D_fake"}
    each = {
        ours: np.stack([arrays[f"it{iteration}/critic{k}/{theirs}"] for k in steps])
        for ours, theirs in {**names, "penalty": "gp"}.items()
    }
    once = {
        "vae": "gen/vae_loss",
        "generator_fake": "gen/D_fake_mean",
        "reconstruction": "gen/loss_dec_fake",
        "total": "gen/total",
        "penalty_statistic": "gp_mean_normalised",
        "penalty_weight": "lambda1_after",
    }
    return each | {ours: arrays[f"it{iteration}/{theirs}"] for ours, theirs in once.items()}


def assert_losses(found: StepLosses, expected: Mapping[str, Any], tolerance: float) -> None:
    for name, value in expected.items():
        np.testing.assert_allclose(
            getattr(found, name).numpy(), value, rtol=tolerance, atol=tolerance, err_msg=name
        )


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_iterations_are_those_recorded(path: Path) -> None:
    with np.load(path, allow_pickle=False) as file:
        arrays = dict(file)
    options, networks = recorded_options(arrays), recorded_networks(arrays)
    step = FastStep(networks, options, float(arrays["lambda1_initial"]))
    double = path.stem.endswith("f64")
    iterations = sum(key.endswith("/gen/total") for key in arrays)
    for i in range(iterations):
        losses = step.iteration(
            recorded_data(arrays), recorded_draws(arrays, i), feedback=arrays["opt_loop"] == 1
        )
        assert_losses(losses, recorded_losses(arrays, i), 1e-7 if double else 1e-4)
        for name, expected in parameters(arrays, f"it{i}/final").items():
            difference = (networks.get_parameter(name).detach() - expected).abs()
            if double:
                assert difference.max() <= 1e-7, name
            else:  # a gradient that is rounding noise around zero becomes a full step of Adam
                steps = (options.critic_steps + 1) * (i + 1)
                assert difference.max() <= 2 * options.learning_rate * steps, name
                assert (difference <= 1e-6).double().mean() >= 0.99, name


SHAPE = {"features": 9, "attributes": 4, "hidden": 8, "critic_hidden": 6}
COMBINATIONS = [
    {
        "encoded_noise": encoded,
        "feedback_source": source,
        "freeze_decoder": frozen,
        "attribute_loss": loss,
        "adapt_penalty": adapt,
    }
    for encoded in (True, False)
    for source in (("fake",) if encoded else ("fake", "reconstruction"))
    for frozen in (True, False)
    for loss in ("weighted-l1", "bce")
    for adapt in (True, False)
]


def networks_like(
    generator: torch.Generator, options: StepOptions, shape: dict[str, int], scale: float = 0.4
) -> Networks:
    """Float64, with weights and biases large enough that all gradients count."""
    output = "sigmoid" if options.attribute_loss == "bce" else "unit"
    networks = Networks(**shape, attribute_output=output).double()
    with torch.no_grad():
        for parameter in networks.parameters():
            parameter.copy_(scale * torch.randn(parameter.shape, generator=generator).double())
    return networks


def data_like(
    generator: torch.Generator, options: StepOptions, shape: dict[str, int]
) -> TrainingSet:
    def uniform(columns: int) -> torch.Tensor:
        return torch.rand(20, columns, generator=generator, dtype=torch.float64)

    attributes = torch.nn.functional.normalize(uniform(shape["attributes"]), dim=1)
    targets = uniform(shape["attributes"]) if options.attribute_loss == "bce" else attributes
    return TrainingSet(uniform(shape["features"]), attributes, targets)


def draws_like(
    generator: torch.Generator, options: StepOptions, shape: dict[str, int], batch: int
) -> Draws:
    def normal(*leading: int) -> torch.Tensor:
        size = (*leading, batch, shape["attributes"])
        return torch.randn(size, generator=generator, dtype=torch.float64)

    steps = options.critic_steps
    return Draws(
        rows=torch.randint(20, (steps, batch), generator=generator),
        latent=normal(steps),
        alpha=torch.rand(steps, batch, 1, generator=generator, dtype=torch.float64),
        generator_latent=normal(),
        generator_noise=None if options.encoded_noise else normal(),
    )


def assert_same_networks(one: Networks, other: Networks) -> None:
    for (name, ours), theirs in zip(one.named_parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(
            ours, theirs, rtol=0, atol=1e-9, msg=lambda m, n=name: f"{n}: {m}"
        )


def assert_same_iterations(
    one: FastStep,
    other: FastStep | PlainStep,
    seed: int,
    shape: dict[str, int],
    batch: int = 5,
    iterations: int = 4,
) -> None:
    """Iterations without and with feedback in turn."""
    generator = torch.Generator().manual_seed(seed)
    data = data_like(generator, one.options, shape)
    for i in range(iterations):
        draws = draws_like(generator, one.options, shape, batch)
        found, expected = (
            step.iteration(data, draws, feedback=i % 2 == 1) for step in (one, other)
        )
        assert_losses(found, {k: v.numpy() for k, v in vars(expected).items()}, 1e-9)
        assert_same_networks(one.networks, other.networks)


def both_steps(
    options: StepOptions, shape: dict[str, int], seed: int, scale: float = 0.4
) -> tuple[FastStep, PlainStep]:
    networks = networks_like(torch.Generator().manual_seed(seed), options, shape, scale)
    return FastStep(networks, options), PlainStep(copy.deepcopy(networks), options)


@pytest.mark.parametrize("chosen", COMBINATIONS, ids=lambda each: "-".join(map(str, each.values())))
def test_every_combination_of_options_is_that_of_autograd(chosen: dict[str, Any]) -> None:
    options = StepOptions(
        **chosen, learning_rate=1e-3, feedback_strength=0.7, reconstruction_weight=0.3
    )
    assert_same_iterations(*both_steps(options, SHAPE, seed=1), seed=2, shape=SHAPE)


@settings(max_examples=15, deadline=None)
@given(data=strategies.data())
def test_any_shape_and_weight_of_losses_is_that_of_autograd(data: strategies.DataObject) -> None:
    def whole(low: int, high: int) -> int:
        return data.draw(strategies.integers(low, high))

    shape = {name: whole(2, 12) for name in SHAPE}
    options = StepOptions(
        critic_steps=whole(1, 4),
        critic_weight=whole(1, 10),
        generator_weight=whole(1, 10),
        reconstruction_weight=whole(1, 10) / 100,
        feedback_strength=whole(0, 10) / 10,
        encoded_noise=bool(whole(0, 1)),
        learning_rate=1e-3,
        beta1=whole(0, 9) / 10,
    )
    batch, seed = whole(1, 7), whole(0, 999)
    # Smaller weights: where a sigmoid comes near 1, autograd's log(1 - p) has few digits left.
    steps = both_steps(options, shape, seed, scale=0.2)
    assert_same_iterations(*steps, seed + 1, shape, batch, iterations=2)


def test_weights_larger_than_a_block_are_stepped_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fused_adam, "BLOCK_ENTRIES", 30)  # two or three rows
    assert_same_iterations(*both_steps(StepOptions(), SHAPE, seed=3), seed=4, shape=SHAPE)


def test_rows_of_zeros_are_no_nan() -> None:
    options = StepOptions(critic_steps=2)
    fast, plain = both_steps(options, SHAPE, seed=5)
    for step in (fast, plain):
        for name, parameter in step.networks.named_parameters():
            if name.endswith("bias") or name.startswith("critic"):
                parameter.detach().zero_()
    generator = torch.Generator().manual_seed(6)
    data = data_like(generator, options, SHAPE)
    data.features[:] = 0
    draws = draws_like(generator, options, SHAPE, batch=3)
    found, expected = (step.iteration(data, draws, feedback=True) for step in (fast, plain))
    assert_losses(found, {k: v.numpy() for k, v in vars(expected).items()}, 1e-9)
    assert_same_networks(fast.networks, plain.networks)
    assert all(parameter.isfinite().all() for parameter in fast.networks.parameters())


def test_weighted_l1_of_a_decoder_with_sigmoid_is_that_of_autograd() -> None:
    options = StepOptions(learning_rate=1e-3, reconstruction_weight=0.5)
    networks = Networks(**SHAPE, attribute_output="sigmoid").double()
    fast, plain = FastStep(networks, options), PlainStep(copy.deepcopy(networks), options)
    assert_same_iterations(fast, plain, seed=21, shape=SHAPE)


@pytest.mark.parametrize("feedback_first", [False, True])
def test_each_step_continues_from_the_others_state(feedback_first: bool) -> None:
    options = StepOptions(learning_rate=1e-3)
    fast, plain = both_steps(options, SHAPE, seed=7)
    generator = torch.Generator().manual_seed(8)
    data = data_like(generator, options, SHAPE)
    draws = draws_like(generator, options, SHAPE, batch=5)
    for step in (fast, plain):
        step.iteration(data, draws, feedback=feedback_first)
    exchanged = fast.state_dict(), plain.state_dict()
    assert shapes_of(exchanged[0]) == shapes_of(exchanged[1])
    to_fast, to_plain = copy.deepcopy(exchanged[1]), copy.deepcopy(exchanged[0])
    fast.load_state_dict(to_fast)
    plain.load_state_dict(to_plain)
    assert_same_iterations(fast, plain, seed=9, shape=SHAPE, iterations=2)


def shapes_of(value: Any) -> Any:
    """Keys, types and shapes of a nested state."""
    if isinstance(value, dict):
        return {key: shapes_of(each) for key, each in value.items()}
    if isinstance(value, torch.Tensor):
        return value.dtype, value.shape
    return value


def test_bias_of_the_critics_output_stays_exactly_where_it_is() -> None:
    fast, _ = both_steps(StepOptions(), SHAPE, seed=10)
    before = fast.networks.critic.fc2.bias.clone()
    assert_same_iterations(fast, copy.deepcopy(fast), seed=11, shape=SHAPE)
    assert torch.equal(fast.networks.critic.fc2.bias, before)


def test_cross_entropy_without_a_sigmoid_is_refused() -> None:
    with pytest.raises(UsageError, match="sigmoid"):
        FastStep(Networks(**SHAPE), StepOptions(attribute_loss="bce"))


def test_plain_noise_without_its_draw_is_refused() -> None:
    options = StepOptions(encoded_noise=False)
    fast, _ = both_steps(options, SHAPE, seed=12)
    generator = torch.Generator().manual_seed(13)
    draws = replace(draws_like(generator, options, SHAPE, batch=3), generator_noise=None)
    with pytest.raises(UsageError, match="generator_noise"):
        fast.iteration(data_like(generator, options, SHAPE), draws, feedback=False)


def stand_in_for_a_graph(
    call: Callable[[], StepLosses], steps: int
) -> tuple[Callable[[], None], StepLosses]:
    """Like a graph: nothing runs when it is made, and every replay overwrites the same losses."""
    each, once = torch.empty(steps, dtype=torch.float64), torch.empty((), dtype=torch.float64)
    static = StepLosses(*(each.clone() for _ in range(4)), *(once.clone() for _ in range(6)))

    def replay() -> None:
        told = call()
        for field in fields(told):
            getattr(static, field.name).copy_(getattr(told, field.name))

    return replay, static


@pytest.mark.parametrize("encoded_noise", [True, False])
def test_replayed_iterations_are_those_that_run(encoded_noise: bool) -> None:
    options = StepOptions(encoded_noise=encoded_noise)
    fast, plain = both_steps(options, SHAPE, seed=14)
    recorded = []

    def capture(call: Callable[[], StepLosses]) -> tuple[Callable[[], None], StepLosses]:
        recorded.append(call)
        return stand_in_for_a_graph(call, options.critic_steps)

    fast.captured = CapturedIterations(fast._iterate, capture)
    assert_same_iterations(fast, plain, seed=15, shape=SHAPE, iterations=6)
    assert len(recorded) == 2  # without and with feedback
    fast.load_state_dict(
        copy.deepcopy(plain.state_dict())
    )  # a graph would still write to the old moments
    assert_same_iterations(fast, plain, seed=16, shape=SHAPE, iterations=6)
    assert len(recorded) == 4


def test_losses_of_a_replay_are_not_overwritten_by_the_next() -> None:
    options = StepOptions()
    fast, _ = both_steps(options, SHAPE, seed=17)
    fast.captured = CapturedIterations(
        fast._iterate, lambda call: stand_in_for_a_graph(call, options.critic_steps)
    )
    generator = torch.Generator().manual_seed(18)
    data = data_like(generator, options, SHAPE)
    kept = [
        fast.iteration(data, draws_like(generator, options, SHAPE, batch=3), feedback=False)
        for _ in range(4)
    ]
    assert len({losses.total.item() for losses in kept}) == 4


def test_iterations_that_cannot_be_captured_run_all_the_same() -> None:
    def capture(call: Callable[[], StepLosses]) -> tuple[Callable[[], None], StepLosses]:
        raise RuntimeError(
            "operation not permitted when stream is capturing\nCUDA kernel errors ..."
        )

    fast, plain = both_steps(StepOptions(), SHAPE, seed=19)
    fast.captured = CapturedIterations(fast._iterate, capture)
    with pytest.warns(UserWarning, match="not permitted") as told:
        assert_same_iterations(fast, plain, seed=20, shape=SHAPE, iterations=6)
    assert len(told) == 1
    assert fast.captured.reason == "operation not permitted when stream is capturing"
