"""What one training iteration is given and returns, whoever computes it.

K: critic steps an iteration, B: batch, A: width of a class embedding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from torch import Tensor

from mlzoo_tfvaegan.networks import Networks


@dataclass(frozen=True)
class StepOptions:
    """The published program's settings of one iteration; names in brackets are its own.

    Attributes:
        critic_steps: K [critic_iter].
        critic_weight: of the critic's loss [gammaD].
        generator_weight: of the adversarial part of the generator's loss [gammaG].
        reconstruction_weight: of the decoder's loss [recons_weight].
        feedback_strength: [a1].
        encoded_noise: the latent code of fake features comes from the encoder, else it is noise.
        freeze_decoder: the generator's step leaves the decoder alone [freeze_dec].
        attribute_loss: weighted L1, or binary cross entropy against scaled embeddings [bce_att].
        feedback_source: where the feedback of the generator's adversarial part looks with plain noise:
            at that generation (paper, and the actions program), or at the reconstruction (images
            program). Nothing else depends on it.
        adapt_penalty: whether the weight of the gradient penalty follows its controller.
        learning_rate, feedback_learning_rate, decoder_learning_rate, beta1: of the optimizers.
    """

    critic_steps: int = 5
    critic_weight: float = 10.0
    generator_weight: float = 10.0
    reconstruction_weight: float = 0.01
    feedback_strength: float = 1.0
    encoded_noise: bool = True
    freeze_decoder: bool = False
    attribute_loss: Literal["weighted-l1", "bce"] = "weighted-l1"
    feedback_source: Literal["fake", "reconstruction"] = "fake"
    adapt_penalty: bool = True
    learning_rate: float = 1e-4
    feedback_learning_rate: float = 1e-5
    decoder_learning_rate: float = 1e-4
    beta1: float = 0.5


@dataclass(frozen=True)
class TrainingSet:
    """What the steps read, on the device: they never copy from the host.

    Attributes:
        features: [N, R].
        attributes: [N, A], the class embedding of every row's class.
        targets: [N, A], what the decoder should give: the same, or scaled to [0, 1] for ``bce``.
    """

    features: Tensor
    attributes: Tensor
    targets: Tensor

    def batch(self, rows: Tensor) -> TrainingSet:
        """The rows of int64 ``rows`` [B], in that order."""
        return TrainingSet(self.features[rows], self.attributes[rows], self.targets[rows])


@dataclass(frozen=True)
class Draws:
    """The random numbers of one iteration.

    Attributes:
        rows: int64 [K, B], the batch of each critic step; the last is the generator's, too.
        latent: [K, B, A], standard normal: the encoder's noise, or the latent code itself.
        alpha: [K, B, 1], uniform on [0, 1]: places of the gradient penalty.
        generator_latent: [B, A], the encoder's noise of the generator's step.
        generator_noise: [B, A], the latent code of its adversarial part; None with encoded noise.
    """

    rows: Tensor
    latent: Tensor
    alpha: Tensor
    generator_latent: Tensor
    generator_noise: Tensor | None = None


@dataclass(frozen=True)
class StepLosses:
    """What one iteration tells, as tensors that nobody waits for.

    Attributes:
        decoder: [K], weight times reconstruction loss before each decoder step.
        critic_real, critic_fake: [K], critic_weight times the mean of D.
        penalty: [K], critic_weight times the gradient penalty.
        vae: the variational loss (reconstruction and KL) of the generator's step.
        generator_fake: mean of D on fake features in the generator's step, unscaled.
        reconstruction: of the class embeddings from fake features, unweighted.
        total: the generator's whole loss.
        penalty_statistic: mean over the critic steps of mean (‖g‖ - 1)².
        penalty_weight: λ after the iteration.
    """

    decoder: Tensor
    critic_real: Tensor
    critic_fake: Tensor
    penalty: Tensor
    vae: Tensor
    generator_fake: Tensor
    reconstruction: Tensor
    total: Tensor
    penalty_statistic: Tensor
    penalty_weight: Tensor


class Step(Protocol):
    """Trains ``networks`` in place, one iteration a call.

    Built as ``(networks, options, penalty_weight=10.0)``, with networks that are already of their
    final dtype and on their final device. ``networks.critic.fc2.bias`` never moves: the real and the
    fake half of the critic's loss cancel in its gradient (:mod:`mlzoo_tfvaegan.plain_step`).
    """

    networks: Networks

    def iteration(self, data: TrainingSet, draws: Draws, *, feedback: bool) -> StepLosses:
        """K steps of decoder and critic, the controller of λ, one step of encoder and generator (and,
        with ``feedback``, of the feedback network); K is that of ``draws``."""

    def state_dict(self) -> dict[str, Any]:
        """``{"optimizers": {network: state of torch.optim.Adam over it}, "penalty_weight": λ}``, the
        networks by their names in :class:`Networks`, the critic's without ``fc2.bias``, λ a scalar
        tensor."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from :meth:`state_dict`, whichever class wrote it."""
