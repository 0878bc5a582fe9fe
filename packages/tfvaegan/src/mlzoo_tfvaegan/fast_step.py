"""The training iteration in closed form: the arithmetic of the plain one, with less of it.

Encoder, generator and feedback network do not change within the critic steps, and the decoder's steps
see real features only. So all rows that one iteration generates go through them at once, those of the
generator's step with those of the K critic steps; in between the decoder takes its K steps, and the
critic's follow. Gradients: :mod:`mlzoo_tfvaegan.closed_form`.

K: critic steps, B: batch, R: width of a visual feature, A: width of a class embedding, and of the
latent code, H: hidden width. N: generated rows, (K+1) B, or (K+2) B with plain noise: first those of
the critic steps, then the reconstructions of the last batch, then with plain noise its fake features.
With encoded noise the reconstructions are the fake features.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mlzoo.errors import UsageError
from mlzoo_tfvaegan import closed_form
from mlzoo_tfvaegan.captured import CapturedIterations
from mlzoo_tfvaegan.closed_form import EncoderPass, FeedbackPass, GeneratorPass
from mlzoo_tfvaegan.closed_form_critic import critic_gradients, critic_slope
from mlzoo_tfvaegan.fused_adam import FusedAdam
from mlzoo_tfvaegan.losses import adapt_penalty_weight
from mlzoo_tfvaegan.networks import Networks, reparameterise
from mlzoo_tfvaegan.plain_step import (
    first_penalty_weight,
    optimizer_settings,
    trained_parameters,
)
from mlzoo_tfvaegan.shares import Shares
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

    Equal to :class:`mlzoo_tfvaegan.plain_step.PlainStep` up to rounding, and each continues from the
    other's state. One thing is better, not equal: where a sigmoid is saturated, the gradient of the
    binary cross entropy is still (p - t)/B, and its value has no upper limit.

    Args:
        networks: on their final device and of their final dtype.
        options: settings of the iteration.
        penalty_weight: λ to begin with.
        shares: of several processes with the same networks and draws; losses are its share's.

    Attributes:
        captured: on CUDA, with one process, the iterations as graphs.

    Raises:
        UsageError: binary cross entropy with a decoder that does not end in a sigmoid.
    """

    def __init__(
        self,
        networks: Networks,
        options: StepOptions,
        penalty_weight: float = 10.0,
        shares: Shares | None = None,
    ) -> None:
        if options.attribute_loss == "bce" and networks.decoder.output_kind != "sigmoid":
            raise UsageError('the attribute loss "bce" needs a decoder that ends in a sigmoid')
        self.networks = networks
        self.options = options
        self.shares = shares
        self.penalty_weight = first_penalty_weight(networks, penalty_weight)
        self.optimizers = {
            name: FusedAdam(trained_parameters(networks, name), rate, beta1, shares)
            for name, (rate, beta1) in optimizer_settings(options).items()
        }
        recorded = self.penalty_weight.is_cuda and shares is None
        self.captured = CapturedIterations(self._iterate) if recorded else None

    @torch.no_grad()
    def iteration(self, data: TrainingSet, draws: Draws, *, feedback: bool) -> StepLosses:
        """K steps of decoder and critic, the controller of λ, one generator step."""
        iterate = self.captured or self._iterate
        draws = self.shares.draws(draws) if self.shares else draws
        return iterate(data, draws, feedback and self.options.feedback_strength != 0)

    def _iterate(self, data: TrainingSet, draws: Draws, feedback: bool) -> StepLosses:
        batches = _Batches.of(data, draws.rows)
        seen, plain = self._generate(batches, draws)
        decoder, looks = self._decoder_steps(batches, plain.output[: None if feedback else 0])
        made, fed = plain, None
        if feedback:
            made, fed = self._generate_again(plain, looks, len(draws.generator_latent))
        real, fake, statistics = self._critic_steps(batches, made.output, draws.alpha)
        weight = self.options.critic_weight
        penalty = weight * self.penalty_weight.to(statistics.dtype) * statistics
        statistic = statistics.mean()
        if self.options.adapt_penalty:
            self.penalty_weight.copy_(adapt_penalty_weight(self.penalty_weight, statistic))
        generator = self._generator_step(batches, seen, made, fed, draws.generator_latent)
        return StepLosses(
            decoder,
            weight * real,
            weight * fake,
            penalty,
            *generator,
            penalty_statistic=statistic,
            penalty_weight=self.penalty_weight.clone(),
        )

    def _generate(self, batches: _Batches, draws: Draws) -> tuple[EncoderPass, GeneratorPass]:
        """The encoder's layers for the last batch, and all N rows without feedback."""
        encoder = self.networks.encoder
        inputs = torch.cat([batches.x, batches.c], dim=2)  # [K, B, R+A]
        latent = draws.latent.flatten(0, 1)  # [KB, A]
        if self.options.encoded_noise:
            seen = closed_form.encode(encoder, inputs.flatten(0, 1))
            latent = reparameterise(seen.mean, seen.log_variance, latent)
            seen = seen.part(slice(-len(draws.generator_latent), None))
        else:
            seen = closed_form.encode(encoder, inputs[-1])
        codes = [latent, reparameterise(seen.mean, seen.log_variance, draws.generator_latent)]
        classes = [*batches.c, batches.c[-1]]
        if not self.options.encoded_noise:
            if draws.generator_noise is None:
                raise UsageError("plain noise (encoded_noise off) needs Draws.generator_noise")
            codes.append(draws.generator_noise)
            classes.append(batches.c[-1])
        z, c = torch.cat(codes), torch.cat(classes)  # [N, A]
        return seen, closed_form.generate(self.networks.generator, z, c)

    def _decoder_steps(self, batches: _Batches, generated: Tensor) -> tuple[Tensor, Tensor]:
        """The decoder's K steps: weighted losses [K] before each, and its hidden layer [n, H] for
        ``generated`` [n, R]: N rows or none.

        The rows of a critic step are looked at after the decoder's step of the same batch, all others
        after the last.
        """
        fc1 = self.networks.decoder.fc1
        count, size, _ = batches.x.shape
        starts = range(size, count * size, size)
        chunks = generated.tensor_split(list(starts))  # K, the last with all that remain
        h = closed_form.hidden(fc1, batches.x[0])  # [B, H]
        losses, looks = [], []
        for k, chunk in enumerate(chunks):
            decoded = self._reconstruct(batches.x[k], h, batches.target[k])
            self.optimizers["decoder"].apply(decoded.gradients)
            losses.append(self.options.reconstruction_weight * decoded.loss)
            # With the next batch in one product: few rows are slow.
            following = batches.x[k + 1 : k + 2].flatten(0, 1)  # [B, R], in the end [0, R]
            both = closed_form.hidden(fc1, torch.cat([following, chunk]))
            h, look = both.split([len(following), len(chunk)])
            looks.append(look)
        return torch.stack(losses), torch.cat(looks)

    def _reconstruct(self, x: Tensor, h: Tensor, target: Tensor) -> closed_form.DecoderPass:
        options, decoder = self.options, self.networks.decoder
        return closed_form.decoder_gradients(
            decoder, x, h, target, options.attribute_loss, options.reconstruction_weight
        )

    def _generate_again(
        self, plain: GeneratorPass, looks: Tensor, size: int
    ) -> tuple[GeneratorPass, FeedbackPass]:
        """All N rows with feedback, from the decoder's hidden layer [N, H] for those without."""
        if self.options.encoded_noise or self.options.feedback_source == "fake":
            return self._fed_back(plain, looks)
        head, tail = slice(None, -size), slice(-size, None)
        made, fed = self._fed_back(plain.part(head), looks[head])
        look = closed_form.hidden(self.networks.decoder.fc1, made.output[tail])  # [B, H]
        made_last, fed_last = self._fed_back(plain.part(tail), look)
        return made.joined(made_last), fed.joined(fed_last)

    def _fed_back(self, plain: GeneratorPass, looks: Tensor) -> tuple[GeneratorPass, FeedbackPass]:
        fed = closed_form.feed_back(self.networks.feedback, looks)
        strength = self.options.feedback_strength
        return closed_form.with_feedback(self.networks.generator, plain, fed.output, strength), fed

    def _critic_steps(
        self, batches: _Batches, generated: Tensor, alpha: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The critic's K steps: means of D on real and on fake features, and of (‖g‖ - 1)², each [K]."""
        told = []
        fakes = generated[: batches.x.shape[:2].numel()].view_as(batches.x)
        for x, fake, c, place in zip(batches.x, fakes, batches.c, alpha, strict=True):
            step = critic_gradients(
                self.networks.critic,
                x,
                fake,
                c,
                place,
                self.options.critic_weight,
                self.penalty_weight,
            )
            self.optimizers["critic"].apply(step.gradients)
            told.append((step.real, step.fake, step.statistic))
        real, fake, statistic = map(torch.stack, zip(*told, strict=True))
        return real, fake, self.shares.mean(statistic) if self.shares else statistic

    def _generator_step(
        self,
        batches: _Batches,
        seen: EncoderPass,
        made: GeneratorPass,
        fed: FeedbackPass | None,
        noise: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The step of encoder, generator, feedback network and, unless frozen, decoder.

        Its rows [n, .] are N's last: B, or 2B with plain noise. Returns the losses that ``StepLosses``
        has of it: vae, generator_fake, reconstruction, total.
        """
        options, networks = self.options, self.networks
        x, c = batches.x[-1], batches.c[-1]  # [B, R], [B, A]
        rows = slice(batches.x.shape[:2].numel(), None)
        made, fed = made.part(rows), fed.part(rows) if fed else None
        fake = made.output[-len(x) :]  # [B, R]

        # δx~ = -γ_G ∂/∂x~ mean D + w ∂L_R/∂x~
        score, slope = critic_slope(networks.critic, fake, c)
        h = closed_form.hidden(networks.decoder.fc1, fake)  # [B, H]
        decoded = self._reconstruct(fake, h, batches.target[-1])
        delta_fake = decoded.delta_hidden @ networks.decoder.fc1.weight  # [B, R]
        delta_fake -= options.generator_weight * slope
        # The logits o of x~ = σ(o): δo = δx~ ∘ x~ ∘ (1 - x~), and (x~ - x)/B of the reconstruction
        delta = torch.zeros_like(made.logits)  # [n, R]
        delta[-len(x) :] = delta_fake * fake * (1 - fake)
        likelihood, direct = closed_form.cross_entropy(made.logits[: len(x)], x)
        delta[: len(x)] += direct

        divergence = self._descend(seen, made, fed, noise, delta)
        if not options.freeze_decoder:
            self.optimizers["decoder"].apply(decoded.gradients)
        vae = likelihood + divergence
        adversarial = -options.generator_weight * score
        total = vae + adversarial + options.reconstruction_weight * decoded.loss
        return vae, score, decoded.loss, total

    def _descend(
        self,
        seen: EncoderPass,
        made: GeneratorPass,
        fed: FeedbackPass | None,
        noise: Tensor,
        delta: Tensor,
    ) -> Tensor:
        """One step of encoder, generator and feedback network down the gradient of the generator's
        logits [n, R]; returns the Kullback-Leibler term."""
        networks = self.networks
        generator = closed_form.generator_gradients(networks.generator, made, delta)
        delta_z = generator.delta_z[: len(noise)]  # [B, A]
        encoder = closed_form.encoder_gradients(networks.encoder, seen, noise, delta_z)
        if fed is not None:
            delta_fed = self.options.feedback_strength * generator.delta_added  # [n, H]
            self.optimizers["feedback"].apply(
                closed_form.feedback_gradients(networks.feedback, fed, delta_fed)
            )
        self.optimizers["generator"].apply(generator.gradients)
        self.optimizers["encoder"].apply(encoder.gradients)
        return encoder.divergence

    def state_dict(self) -> dict[str, Any]:
        """The optimizers' moments and λ, as :class:`~mlzoo_tfvaegan.plain_step.PlainStep` has them."""
        moments = {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()}
        return {"optimizers": moments, "penalty_weight": self.penalty_weight.clone()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from the :meth:`state_dict` of either step."""
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
        self.penalty_weight.copy_(state["penalty_weight"])
        if self.captured is not None:
            self.captured.forget()
