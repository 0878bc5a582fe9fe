"""The training iteration in closed form: the same arithmetic as autograd's, with less of it.

Encoder, generator and feedback network do not change within the critic steps, and the decoder's steps
depend on real features only. So the fake features of all K critic steps are generated at once, the
decoder takes its K steps first, and the critic's follow. Gradients: ``closed_form.py``.

K: critic steps, B: batch, R: width of a visual feature, A: width of a class embedding, and of the
latent code, H: hidden width.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mlzoo_tfvaegan import closed_form
from mlzoo_tfvaegan.closed_form import EncoderPass, FeedbackPass, GeneratorPass
from mlzoo_tfvaegan.fused_adam import FusedAdam
from mlzoo_tfvaegan.networks import Networks, reparameterise
from mlzoo_tfvaegan.step import Draws, StepLosses, StepOptions, TrainingSet


@dataclass(frozen=True)
class _Batches:
    """Rows of the K critic steps: features [K, B, R], class embeddings and targets [K, B, A]."""

    x: Tensor
    c: Tensor
    target: Tensor

    @classmethod
    def of(cls, data: TrainingSet, rows: Tensor) -> _Batches:
        """Rows int64 [K, B] of the training set."""

        def gather(table: Tensor) -> Tensor:
            return table.index_select(0, rows.flatten()).view(*rows.shape, -1)

        c = gather(data.attributes)
        same = data.targets is data.attributes
        return cls(gather(data.features), c, c if same else gather(data.targets))


class FastStep:
    """Trains ``networks`` in place; see :class:`mlzoo_tfvaegan.step.Step`.

    Equal to the plain step up to rounding, in any float type. Away from it in one thing: where a
    sigmoid saturates, the gradient of the binary cross entropy is (p - t)/B, not zero.
    """

    def __init__(
        self, networks: Networks, options: StepOptions, penalty_weight: float = 10.0
    ) -> None:
        if (options.attribute_loss == "bce") != (networks.decoder.output_kind == "sigmoid"):
            raise ValueError("a decoder with sigmoid goes with the attribute loss bce, and only it")
        self.networks = networks
        self.options = options
        device = networks.critic.fc1.weight.device
        self._penalty_weight = torch.tensor(penalty_weight, dtype=torch.float64, device=device)
        rates = {
            "encoder": (options.learning_rate, 0.9),  # its β₁ is not an option
            "generator": (options.learning_rate, options.beta1),
            "critic": (options.learning_rate, options.beta1),
            "decoder": (options.decoder_learning_rate, options.beta1),
            "feedback": (options.feedback_learning_rate, options.beta1),
        }
        self._adam = {
            name: FusedAdam(networks.get_submodule(name), *rate) for name, rate in rates.items()
        }

    @torch.no_grad()
    def iteration(self, data: TrainingSet, draws: Draws, *, feedback: bool) -> StepLosses:
        """K steps of decoder and critic, the controller of λ, one generator step."""
        batches = _Batches.of(data, draws.rows)
        seen, fakes, decoder = self._decoder_steps(batches, draws.latent, feedback)
        critic = self._critic_steps(batches, fakes, draws.alpha)
        real, fake, statistic = (torch.stack(each) for each in zip(*critic, strict=True))  # [K]
        weight = self.options.critic_weight
        penalty = weight * self._penalty_weight.to(statistic.dtype) * statistic
        statistic = statistic.mean()
        if self.options.adapt_penalty:
            self._adapt(statistic)
        generator = self._generator_step(batches, seen, draws, feedback)
        return StepLosses(
            decoder=decoder,
            critic_real=weight * real,
            critic_fake=weight * fake,
            penalty=penalty,
            penalty_statistic=statistic,
            penalty_weight=self._penalty_weight.clone(),
            **generator,
        )

    def _decoder_steps(
        self, batches: _Batches, latent: Tensor, feedback: bool
    ) -> tuple[EncoderPass, Tensor, Tensor]:
        """The decoder's K steps, and the fake features of the critic's.

        Returns:
            The encoder's layers for the last batch, fake features [K, B, R], losses [K].
        """
        count, size, _ = batches.x.shape
        seen, z = self._codes(batches, latent.flatten(0, 1))
        plain = closed_form.generate(self.networks.generator, z, batches.c.flatten(0, 1))
        fakes = plain.output.view_as(batches.x)
        losses, looks = [], []
        for x, target, fake in zip(batches.x, batches.target, fakes, strict=True):
            losses.append(self._decoder_step(x, target))
            if feedback:  # with the decoder as it is after this step
                looks.append(self.networks.decoder.hidden(fake))  # [B, H]
        if feedback:
            passed = closed_form.feed_back(self.networks.feedback, torch.cat(looks))
            fakes = self._fed_back(plain, passed).output.view(count, size, -1)
        return seen, fakes, torch.stack(losses)

    def _codes(self, batches: _Batches, latent: Tensor) -> tuple[EncoderPass, Tensor]:
        """The encoder's layers for the last batch, and the codes [KB, A] of all fake features."""
        size = batches.x.shape[1]
        inputs = torch.cat([batches.x, batches.c], dim=2)  # [K, B, R+A]
        if not self.options.encoded_noise:
            return closed_form.encode(self.networks.encoder, inputs[-1]), latent
        seen = closed_form.encode(self.networks.encoder, inputs.flatten(0, 1))
        return seen.part(slice(-size, None)), reparameterise(seen.mean, seen.log_variance, latent)

    def _decoder_step(self, x: Tensor, target: Tensor) -> Tensor:
        """x [B, R], target [B, A]; returns the weighted loss before the step."""
        decoded = self._reconstruct(x, target)
        self._adam["decoder"].apply(decoded.gradients)
        return self.options.reconstruction_weight * decoded.loss

    def _reconstruct(self, x: Tensor, target: Tensor) -> closed_form.DecoderPass:
        options = self.options
        decoder = self.networks.decoder
        return closed_form.decoder_gradients(
            decoder, x, target, options.attribute_loss, options.reconstruction_weight
        )

    def _critic_steps(
        self, batches: _Batches, fakes: Tensor, alpha: Tensor
    ) -> list[tuple[Tensor, Tensor, Tensor]]:
        """Mean of D on real and on fake features, and of (‖g‖ - 1)², of each of the K steps."""
        told = []
        for x, fake, c, place in zip(batches.x, fakes, batches.c, alpha, strict=True):
            step = closed_form.critic_gradients(
                self.networks.critic,
                x,
                fake,
                c,
                place,
                self.options.critic_weight,
                self._penalty_weight,
            )
            self._adam["critic"].apply(step.gradients)
            told.append((step.real, step.fake, step.statistic))
        return told

    def _adapt(self, statistic: Tensor) -> None:
        """λ rises above 1.05 and falls below 1.001, by a tenth, without bounds."""
        weight = self._penalty_weight
        lowered = torch.where(statistic < 1.001, weight / 1.1, weight)
        weight.copy_(torch.where(statistic > 1.05, 1.1 * weight, lowered))

    def _generator_step(
        self, batches: _Batches, seen: EncoderPass, draws: Draws, feedback: bool
    ) -> dict[str, Tensor]:
        """The step of encoder, generator, feedback network and, unless frozen, decoder.

        With plain noise the generator has 2B rows: reconstructions, then fake features; with
        encoded noise the two are the same B rows.
        """
        options, networks = self.options, self.networks
        x, c, target = batches.x[-1], batches.c[-1], batches.target[-1]
        size = len(x)
        z = reparameterise(seen.mean, seen.log_variance, draws.generator_latent)  # [B, A]
        if not options.encoded_noise:
            assert draws.generator_noise is not None
            z, c = torch.cat([z, draws.generator_noise]), torch.cat([c, c])  # [2B, A]
        made, fed = self._generate(z, c, size, feedback)
        fake = made.output[-size:]  # [B, R]

        score, slope = closed_form.critic_slope(networks.critic, fake, c[:size])
        decoded = self._reconstruct(fake, target)
        slope = torch.addmm(
            slope, decoded.delta_hidden, networks.decoder.fc1.weight, beta=-options.generator_weight
        )
        delta = torch.zeros_like(made.logits)
        delta[-size:] = slope * fake * (1 - fake)
        delta[:size] += (made.output[:size] - x) / size
        layers, delta_added, delta_z = closed_form.generator_gradients(
            networks.generator, made, delta
        )
        encoder, divergence = closed_form.encoder_gradients(
            networks.encoder, seen, draws.generator_latent, delta_z[:size]
        )
        if fed is not None:
            delta_fed = options.feedback_strength * delta_added
            self._adam["feedback"].apply(
                closed_form.feedback_gradients(networks.feedback, fed, delta_fed)
            )
        self._adam["encoder"].apply(encoder)
        self._adam["generator"].apply(layers)
        if not options.freeze_decoder:
            self._adam["decoder"].apply(decoded.gradients)
        vae = closed_form.cross_entropy(made.logits[:size], x)[0] + divergence
        return {
            "vae": vae,
            "generator_fake": score,
            "reconstruction": decoded.loss,
            "total": vae
            - options.generator_weight * score
            + options.reconstruction_weight * decoded.loss,
        }

    def _generate(
        self, z: Tensor, c: Tensor, size: int, feedback: bool
    ) -> tuple[GeneratorPass, FeedbackPass | None]:
        """From codes and class embeddings [n, A]; the last B rows are for the critic."""
        networks = self.networks
        plain = closed_form.generate(networks.generator, z, c)
        if not feedback:
            return plain, None
        if self.options.encoded_noise or self.options.feedback_source == "fake":
            looked = networks.decoder.hidden(plain.output)
            fed = closed_form.feed_back(networks.feedback, looked)
            return self._fed_back(plain, fed), fed
        looked = networks.decoder.hidden(plain.output[:size])
        fed = closed_form.feed_back(networks.feedback, looked)
        first = self._fed_back(plain.part(slice(0, size)), fed)
        looked = networks.decoder.hidden(first.output)
        again = closed_form.feed_back(networks.feedback, looked)
        second = self._fed_back(plain.part(slice(size, None)), again)
        return first.joined(second), fed.joined(again)

    def _fed_back(self, plain: GeneratorPass, fed: FeedbackPass) -> GeneratorPass:
        return closed_form.with_feedback(
            self.networks.generator, plain, fed.output, self.options.feedback_strength
        )

    def state_dict(self) -> dict[str, Any]:
        """Of the five optimizers, by the networks' names, as torch has it; and ``penalty_weight``."""
        states = {name: adam.state_dict() for name, adam in self._adam.items()}
        return {**states, "penalty_weight": self._penalty_weight.item()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """From any step's ``state_dict``."""
        for name, adam in self._adam.items():
            adam.load_state_dict(state[name])
        self._penalty_weight.fill_(state["penalty_weight"])
