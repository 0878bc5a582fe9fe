"""The iteration in closed form against recorded iterations, and against autograd."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from mlzoo_tfvaegan.fast_step import FastStep
from mlzoo_tfvaegan.networks import Networks
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
