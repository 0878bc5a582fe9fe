"""A training iteration of TF-VAEGAN as the paper tells it, with automatic differentiation.

This is the formulation to read, and the reference for the one to run
(:mod:`mlzoo_tfvaegan.fast_step`), which gives equal results. It runs in float32 and float64, on any
device; nothing in it waits for the device.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import Adam

from mlzoo.errors import UsageError
from mlzoo_tfvaegan.losses import (
    adapt_penalty_weight,
    binary_cross_entropy,
    critic_loss,
    gradient_penalty,
    variational_loss,
    weighted_l1,
)
from mlzoo_tfvaegan.networks import Networks, reparameterise
from mlzoo_tfvaegan.step import Draws, StepLosses, StepOptions, TrainingSet

BETA2 = 0.999
ENCODER_BETA1 = 0.9  # whatever beta1 the others get, as published


class CriticStepLosses(NamedTuple):
    """Of one step of decoder and critic; all scalars, of :class:`StepLosses` before stacking."""

    decoder: Tensor
    critic_real: Tensor
    critic_fake: Tensor
    penalty: Tensor
    statistic: Tensor


class GeneratorStepLosses(NamedTuple):
    """Of one step of encoder and generator; all scalars, as in :class:`StepLosses`."""

    vae: Tensor
    generator_fake: Tensor
    reconstruction: Tensor
    total: Tensor


class PlainStep:
    """Trains ``networks`` in place; see :class:`mlzoo_tfvaegan.step.Step`.

    After an iteration every parameter's ``grad`` is that of the generator's step, or None where that
    step trains nothing.

    Args:
        networks: on their final device and of their final dtype.
        options: settings of the iteration.
        penalty_weight: λ to begin with.
    """

    def __init__(
        self, networks: Networks, options: StepOptions, penalty_weight: float = 10.0
    ) -> None:
        self.networks = networks
        self.options = options
        self.penalty_weight = first_penalty_weight(networks, penalty_weight)
        self.optimizers = {
            name: Adam(trained_parameters(networks, name), rate, betas=(beta1, BETA2), eps=1e-8)
            for name, (rate, beta1) in optimizer_settings(options).items()
        }

    def iteration(self, data: TrainingSet, draws: Draws, *, feedback: bool) -> StepLosses:
        """K steps of decoder and critic, the controller of λ, one step of the generator."""
        steps = [
            self.critic_step(data.batch(rows), latent, alpha, feedback=feedback)
            for rows, latent, alpha in zip(draws.rows, draws.latent, draws.alpha, strict=True)
        ]
        decoder, real, fake, penalty, statistics = map(torch.stack, zip(*steps, strict=True))
        statistic = statistics.mean()
        if self.options.adapt_penalty:
            self.penalty_weight = adapt_penalty_weight(self.penalty_weight, statistic)
        last = self.generator_step(
            data.batch(draws.rows[-1]),
            draws.generator_latent,
            draws.generator_noise,
            feedback=feedback,
        )
        return StepLosses(
            decoder,
            real,
            fake,
            penalty,
            *last,
            penalty_statistic=statistic,
            penalty_weight=self.penalty_weight,
        )

    def critic_step(
        self, batch: TrainingSet, latent: Tensor, alpha: Tensor, *, feedback: bool
    ) -> CriticStepLosses:
        """One step of the decoder, then one of the critic against what the new decoder feeds back.

        ``latent`` [B, A] is the encoder's noise or the latent code, ``alpha`` is [B, 1].
        """
        networks, options = self.networks, self.options
        x, c = batch.features, batch.attributes  # [B, R], [B, A]

        # Decoder: w L_R(Dec(x), c)
        decoder_loss = options.reconstruction_weight * self.reconstruction_loss(x, batch.targets)
        self._descend(decoder_loss, "decoder")

        # Fake features x̃ of the same classes, from the encoder's latent code or from noise
        with torch.no_grad():
            z = latent  # [B, A]
            if options.encoded_noise:
                mean, log_variance = networks.encoder(x, c)  # [B, A] each
                z = reparameterise(mean, log_variance, latent)
            fake = networks.generate(z, c, self._strength(feedback))  # [B, R]

        # Critic: γ_D [mean D(x̃, c) - mean D(x, c) + λ mean (‖g‖ - 1)²]
        weight = self.penalty_weight.to(x.dtype)
        on_real, on_fake = networks.critic(x, c), networks.critic(fake, c)  # [B, 1] each
        statistic = gradient_penalty(networks.critic, x, fake, c, alpha)
        loss = options.critic_weight * critic_loss(on_real, on_fake, statistic, weight)
        self._descend(loss, "critic")
        return CriticStepLosses(
            decoder_loss.detach(),
            options.critic_weight * on_real.detach().mean(),
            options.critic_weight * on_fake.detach().mean(),
            options.critic_weight * weight * statistic.detach(),
            statistic.detach(),
        )

    def generator_step(
        self, batch: TrainingSet, latent: Tensor, noise: Tensor | None, *, feedback: bool
    ) -> GeneratorStepLosses:
        """One step of encoder and generator, of the feedback network in feedback loops, and of the
        decoder unless it is frozen; the critic stands still.

        ``latent`` [B, A] is the encoder's noise, ``noise`` [B, A] the latent code of the adversarial
        part without encoded noise.
        """
        networks, options = self.networks, self.options
        x, c = batch.features, batch.attributes  # [B, R], [B, A]

        # L_V of the reconstruction
        mean, log_variance = networks.encoder(x, c)  # [B, A] each
        z = reparameterise(mean, log_variance, latent)  # [B, A]
        reconstruction = networks.generate(z, c, self._strength(feedback))  # [B, R]
        vae = variational_loss(reconstruction, x, mean, log_variance)

        # L = L_V - γ_G mean D(x̃, c) + w L_R(Dec(x̃), c)
        fake = reconstruction  # [B, R]
        if not options.encoded_noise:
            fake = self._from_noise(noise, c, reconstruction, feedback=feedback)
        on_fake = networks.critic(fake, c).mean()
        decoder_loss = self.reconstruction_loss(fake, batch.targets)
        total = (
            vae - options.generator_weight * on_fake + options.reconstruction_weight * decoder_loss
        )

        trained = ["encoder", "generator"]
        trained += ["feedback"] if feedback else []
        trained += [] if options.freeze_decoder else ["decoder"]
        networks.zero_grad()
        self._descend(total, *trained)
        losses = (vae, on_fake, decoder_loss, total)
        return GeneratorStepLosses(*(loss.detach() for loss in losses))

    def reconstruction_loss(self, x: Tensor, targets: Tensor) -> Tensor:
        """L_R(Dec(x), targets), for real or generated x [B, R] and targets [B, A]."""
        decoded = self.networks.decoder(x)  # [B, A]
        if self.options.attribute_loss == "bce":
            return binary_cross_entropy(decoded, targets)
        return weighted_l1(decoded, targets)

    def state_dict(self) -> dict[str, Any]:
        """The optimizers' moments and λ."""
        moments = {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()}
        return {"optimizers": moments, "penalty_weight": self.penalty_weight}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from :meth:`state_dict`."""
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
        self.penalty_weight = state["penalty_weight"].to(self.penalty_weight)

    def _strength(self, feedback: bool) -> float:
        return self.options.feedback_strength if feedback else 0.0

    def _from_noise(
        self, noise: Tensor | None, c: Tensor, reconstruction: Tensor, *, feedback: bool
    ) -> Tensor:
        """Features [B, R] of the adversarial part with plain noise."""
        if noise is None:
            raise UsageError("plain noise (encoded_noise off) needs Draws.generator_noise")
        looked_at = reconstruction if self.options.feedback_source == "reconstruction" else None
        return self.networks.generate(noise, c, self._strength(feedback), look_at=looked_at)

    def _descend(self, loss: Tensor, *names: str) -> None:
        """One Adam step of the networks of these names, and of no other, down ``loss``."""
        optimizers = [self.optimizers[name] for name in names]
        for optimizer in optimizers:
            optimizer.zero_grad()
        inputs = [p for o in optimizers for group in o.param_groups for p in group["params"]]
        loss.backward(inputs=inputs)
        for optimizer in optimizers:
            optimizer.step()


def first_penalty_weight(networks: Networks, value: float) -> Tensor:
    """λ, a scalar on the networks' device.

    It moves by factors of 1.1 for ever: in float64 they cannot wear it down.
    """
    device = networks.critic.fc1.weight.device
    dtype = torch.float32 if device.type == "mps" else torch.float64
    return torch.tensor(value, dtype=dtype, device=device)


def optimizer_settings(options: StepOptions) -> dict[str, tuple[float, float]]:
    """Learning rate and beta1 of every network."""
    return {
        "encoder": (options.learning_rate, ENCODER_BETA1),
        "generator": (options.learning_rate, options.beta1),
        "critic": (options.learning_rate, options.beta1),
        "feedback": (options.feedback_learning_rate, options.beta1),
        "decoder": (options.decoder_learning_rate, options.beta1),
    }


def trained_parameters(networks: Networks, name: str) -> list[nn.Parameter]:
    """Of the network of that name: all but the bias of the critic's output.

    Its gradient is exactly 0: it moves D(x) and D(x̃) alike, and no slope. So it stays where it is;
    left out, no rounding can make Adam take a whole step of it.
    """
    never = networks.critic.fc2.bias
    return [each for each in networks.get_submodule(name).parameters() if each is not never]
