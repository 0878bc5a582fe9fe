"""Whole training iterations against recorded ones, for every formulation of the step."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from mlzoo_tfvaegan.networks import Networks, load_published_names, published_names
from mlzoo_tfvaegan.plain_step import PlainStep
from mlzoo_tfvaegan.step import Draws, Step, StepLosses, StepOptions, TrainingSet
from mlzoo_tfvaegan.synthesis import synthesise

GOLDEN = Path(__file__).parents[1] / "golden" / "tfvaegan"
RECORDS = sorted(path.stem for path in GOLDEN.glob("train_*.npz"))
IMAGES_WITH_PLAIN_NOISE = "train_flo"
CRITIC_BIAS = "netD.fc2.bias"


@dataclass(frozen=True)
class Record:
    """One file: settings, data, and what happened in each iteration."""

    name: str
    arrays: dict[str, Tensor]

    @property
    def dtype(self) -> torch.dtype:
        return self.arrays["train_feature"].dtype

    @property
    def iterations(self) -> int:
        return len({key.split("/")[0] for key in self.arrays if key.startswith("it")})

    def group(self, prefix: str) -> dict[str, Tensor]:
        """Arrays below ``prefix/``."""
        cut = len(prefix) + 1
        return {k[cut:]: v for k, v in self.arrays.items() if k.startswith(prefix + "/")}

    def option(self, name: str) -> Any:
        return self.arrays[f"opt_{name}"].item()

    def options(self) -> StepOptions:
        images = self.name.startswith(IMAGES_WITH_PLAIN_NOISE)
        return StepOptions(
            critic_steps=int(self.option("critic_iter")),
            critic_weight=self.option("gammaD"),
            generator_weight=self.option("gammaG"),
            reconstruction_weight=self.option("recons_weight"),
            feedback_strength=self.option("a1"),
            encoded_noise=self.option("encoded_noise"),
            freeze_decoder=self.option("freeze_dec"),
            attribute_loss="bce" if self.option("bce_att") else "weighted-l1",
            feedback_source="reconstruction" if images else "fake",
            learning_rate=self.option("lr"),
            feedback_learning_rate=self.option("feed_lr"),
            decoder_learning_rate=self.option("dec_lr"),
            beta1=self.option("beta1"),
        )

    @property
    def feedback(self) -> bool:
        return bool(self.option("loop") == 1)

    def networks(self, weights: str = "init") -> Networks:
        arrays = self.group(weights)
        hidden, width = arrays["netDec.fc1.weight"].shape
        networks = Networks(
            width,
            len(arrays["netDec.fc3.weight"]),
            hidden,
            len(arrays["netD.fc1.weight"]),
            "sigmoid" if self.option("bce_att") else "unit",
        ).to(self.dtype)
        load_published_names(networks, arrays)
        return networks

    def data(self) -> TrainingSet:
        label = self.arrays["train_label"]
        targets = self.arrays["bce_attribute" if self.option("bce_att") else "attribute"]
        return TrainingSet(
            self.arrays["train_feature"], self.arrays["attribute"][label], targets[label]
        )

    def draws(self, iteration: int) -> Draws:
        steps = range(int(self.option("critic_iter")))
        latent = "eps" if self.option("encoded_noise") else "noise"

        def stacked(name: str) -> Tensor:
            return torch.stack([self.arrays[f"it{iteration}/critic{k}/{name}"] for k in steps])

        return Draws(
            stacked("batch_index"),
            stacked(latent),
            stacked("alpha"),
            self.arrays[f"it{iteration}/gen/eps"],
            self.arrays.get(f"it{iteration}/gen/noise"),
        )

    def recorded(self, iteration: int) -> dict[str, Tensor]:
        """What :class:`StepLosses` should say, but the variational loss."""
        here = self.group(f"it{iteration}")
        steps = range(int(self.option("critic_iter")))

        def stacked(name: str) -> Tensor:
            return torch.stack([here[f"critic{k}/{name}"] for k in steps])

        return {
            "decoder": stacked("loss_dec"),
            "critic_real": stacked("D_real"),
            "critic_fake": stacked("D_fake"),
            "penalty": stacked("gp"),
            "vae": here["gen/vae_loss"],
            "generator_fake": here["gen/D_fake_mean"],
            "reconstruction": here["gen/loss_dec_fake"],
            "total": here["gen/total"],
            "penalty_statistic": here["gp_mean_normalised"],
            "penalty_weight": here["lambda1_after"],
        }

    def largest_step(self, iterations: int) -> float:
        """Twice the way that Adam goes along a gradient which is nothing but rounding."""
        rate = max(self.option(name) for name in ("lr", "feed_lr", "dec_lr"))
        return 2 * rate * iterations * int(self.option("critic_iter"))


@pytest.fixture(params=RECORDS)
def record(request: pytest.FixtureRequest) -> Record:
    with np.load(GOLDEN / f"{request.param}.npz", allow_pickle=False) as file:
        arrays = {key: torch.from_numpy(np.asarray(file[key])) for key in file.files}
    return Record(request.param, arrays)


def start(step_class: Any, record: Record, options: StepOptions | None = None) -> Step:
    step: Step = step_class(
        record.networks(),
        options or record.options(),
        penalty_weight=record.arrays["lambda1_initial"].item(),
    )
    return step


def replay(step: Step, record: Record, iterations: int) -> list[StepLosses]:
    data = record.data()
    return [
        step.iteration(data, record.draws(i), feedback=record.feedback) for i in range(iterations)
    ]


def assert_parameters(
    record: Record, networks: Networks, expected: dict[str, Tensor], iterations: int
) -> None:
    """Float64: to 1e-7. Float32: 99 % of all to 1e-6, and none further than Adam can stray."""
    ours = published_names(networks)
    assert expected.keys() <= ours.keys()
    off = {name: (ours[name].detach() - value).abs() for name, value in expected.items()}
    worst = max(float(difference.max()) for difference in off.values())
    if record.dtype == torch.float64:
        assert worst <= 1e-7
    else:
        everything = torch.cat([difference.flatten() for difference in off.values()])
        assert worst <= record.largest_step(iterations)
        assert float((everything <= 1e-6).float().mean()) >= 0.99


def test_losses_of_every_iteration_are_the_recorded_ones(
    record: Record, step_class: type[Step]
) -> None:
    rtol = 1e-7 if record.dtype == torch.float64 else 1e-4
    for i, losses in enumerate(replay(start(step_class, record), record, record.iterations)):
        for name, expected in record.recorded(i).items():
            actual = getattr(losses, name).double()
            torch.testing.assert_close(
                actual, expected.double(), rtol=rtol, atol=rtol, msg=f"{name} of iteration {i}"
            )


def test_parameters_after_every_iteration_are_the_recorded_ones(
    record: Record, step_class: type[Step]
) -> None:
    step, data = start(step_class, record), record.data()
    for i in range(record.iterations):
        step.iteration(data, record.draws(i), feedback=record.feedback)
        assert_parameters(record, step.networks, record.group(f"it{i}/final"), i + 1)


@pytest.mark.parametrize("name", ["after_critic0", "after_critics"])
def test_critic_and_decoder_within_an_iteration_are_the_recorded_ones(
    record: Record, step_class: type[Step], name: str
) -> None:
    # A generator step that leaves the decoder alone hides nothing of the critic's phase.
    count = 1 if name == "after_critic0" else int(record.option("critic_iter"))
    options = replace(record.options(), critic_steps=count, freeze_decoder=True)
    draws = record.draws(0)
    draws = replace(
        draws, rows=draws.rows[:count], latent=draws.latent[:count], alpha=draws.alpha[:count]
    )
    step = start(step_class, record, options)
    step.iteration(record.data(), draws, feedback=record.feedback)
    expected = record.group(f"it0/{name}")
    assert {key.split(".")[0] for key in expected} == {"netD", "netDec"}
    assert_parameters(record, step.networks, expected, 1)


def test_gradients_of_the_generator_step_are_the_recorded_ones(record: Record) -> None:
    tolerance = 1e-9 if record.dtype == torch.float64 else 1e-4
    step, data = start(PlainStep, record), record.data()
    for i in range(record.iterations):
        step.iteration(data, record.draws(i), feedback=record.feedback)
        ours = published_names(step.networks)
        for name, expected in record.group(f"it{i}/gen_grad").items():
            actual = ours[name].grad
            if expected.numel() == 0:
                assert actual is None
            else:
                assert actual is not None
                scale = float(expected.abs().max())
                torch.testing.assert_close(actual, expected, rtol=0, atol=tolerance * scale)


def test_bias_of_the_critics_output_never_moves(record: Record, step_class: type[Step]) -> None:
    step = start(step_class, record)
    replay(step, record, record.iterations)
    assert published_names(step.networks)[CRITIC_BIAS].equal(record.arrays[f"init/{CRITIC_BIAS}"])


def test_features_synthesised_afterwards_are_the_recorded_ones(record: Record) -> None:
    # The actions program takes the strength of its training here, the images program its own.
    networks = record.networks(f"it{record.iterations - 1}/final")
    strength = record.option("a1" if record.option("bce_att") else "a2")
    classes = record.arrays["syn/classes"]
    noise = record.arrays["syn/noise"]
    features = synthesise(networks, record.arrays["attribute"][classes], noise, strength)
    tolerance = 1e-9 if record.dtype == torch.float64 else 1e-5
    torch.testing.assert_close(features, record.arrays["syn/feature"], rtol=0, atol=tolerance)
    assert record.arrays["syn/label"].equal(classes.repeat_interleave(noise.shape[1]))
