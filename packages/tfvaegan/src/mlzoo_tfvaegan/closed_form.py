"""Forward passes and gradients of the networks in closed form, without autograd.

The critic is in :mod:`mlzoo_tfvaegan.closed_form_critic`.

n: rows, B: batch, R: width of a visual feature, A: width of a class embedding, and of the latent
code, H: hidden width. Written δv: the gradient of the loss with respect to v.

A linear layer a = x Wᵀ + b with the gradient δa [n, out] has

    δW = δaᵀ x,   δb = Σ_n δa_n,   δx = δa W,

and a leaky ReLU h = m ∘ a with the slopes m ∈ {1, 0.2} has δa = m ∘ δh. The sign of h is that of a,
so h alone is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from mlzoo_tfvaegan.layer_gradient import LayerGradient
from mlzoo_tfvaegan.networks import SLOPE, Decoder, Encoder, Feedback, Generator

AttributeLoss: TypeAlias = Literal["weighted-l1", "bce"]

Layers = TypeVar("Layers", "EncoderPass", "GeneratorPass", "FeedbackPass")


def hidden(layer: nn.Linear, x: Tensor) -> Tensor:
    """x [n, in] to the leaky ReLU of the layer [n, out]."""
    return functional.leaky_relu_(functional.linear(x, layer.weight, layer.bias), SLOPE)


def through(delta: Tensor, h: Tensor) -> Tensor:
    """δa = m ∘ δh, from δh and h, both [n, out]."""
    return torch.ops.aten.leaky_relu_backward(delta, h, SLOPE, True)  # type: ignore[no-any-return]


def _part(layers: Layers, rows: slice) -> Layers:
    return type(layers)(*(each[rows] for each in vars(layers).values()))


def _joined(layers: Layers, others: Layers) -> Layers:
    pairs = zip(vars(layers).values(), vars(others).values(), strict=True)
    return type(layers)(*(torch.cat(pair) for pair in pairs))


@dataclass(frozen=True)
class EncoderPass:
    """The encoder's layers for n rows.

    Attributes:
        inputs: [n, R+A], features and class embeddings.
        first: [n, H].
        second: [n, 2A].
        mean, log_variance: [n, A].
    """

    inputs: Tensor
    first: Tensor
    second: Tensor
    mean: Tensor
    log_variance: Tensor

    def part(self, rows: slice) -> EncoderPass:
        """The same for some rows alone."""
        return _part(self, rows)


def encode(encoder: Encoder, inputs: Tensor) -> EncoderPass:
    """Of features and class embeddings side by side [n, R+A]."""
    first = hidden(encoder.fc1, inputs)  # [n, H]
    second = hidden(encoder.fc3, first)  # [n, 2A]
    mean, log_variance = encoder.linear_means(second), encoder.linear_log_var(second)  # [n, A]
    return EncoderPass(inputs, first, second, mean, log_variance)


@dataclass(frozen=True)
class EncoderGradients:
    """Gradients of the encoder's layers, and the Kullback-Leibler term."""

    gradients: list[LayerGradient]
    divergence: Tensor


def encoder_gradients(
    encoder: Encoder, seen: EncoderPass, noise: Tensor, delta_z: Tensor
) -> EncoderGradients:
    """Gradients through z = ε ∘ e^{v/2} + μ (v: log-variance) and through the Kullback-Leibler term

        KL = (1/B) Σ -½ (1 + v - μ² - e^v):  δμ = δz + μ/B,  δv = ½ (δz ∘ ε ∘ e^{v/2} + (e^v - 1)/B),

    from ε and δz [B, A].
    """
    mean, log_variance, batch = seen.mean, seen.log_variance, len(delta_z)
    deviation, variance = (log_variance / 2).exp(), log_variance.exp()  # [B, A]
    divergence = (mean.square() + variance - log_variance - 1).sum() / (2 * batch)
    delta_mean = delta_z + mean / batch  # [B, A]
    delta_log_variance = (delta_z * noise * deviation + (variance - 1) / batch) / 2  # [B, A]
    delta = delta_mean @ encoder.linear_means.weight  # [B, 2A]
    delta += delta_log_variance @ encoder.linear_log_var.weight
    delta = through(delta, seen.second)
    delta_first = through(delta @ encoder.fc3.weight, seen.first)  # [B, H]
    gradients = [
        LayerGradient.of(encoder.linear_means, delta_mean, seen.second),
        LayerGradient.of(encoder.linear_log_var, delta_log_variance, seen.second),
        LayerGradient.of(encoder.fc3, delta, seen.first),
        LayerGradient.of(encoder.fc1, delta_first, seen.inputs),
    ]
    return EncoderGradients(gradients, divergence)


@dataclass(frozen=True)
class GeneratorPass:
    """The generator's layers for n rows.

    Attributes:
        inputs: [n, 2A], latent codes and class embeddings.
        first: [n, H], the hidden layer.
        added: [n, H], the same with the feedback added, if there is any.
        logits, output: [n, R].
    """

    inputs: Tensor
    first: Tensor
    added: Tensor
    logits: Tensor
    output: Tensor

    def part(self, rows: slice) -> GeneratorPass:
        """The same for some rows alone."""
        return _part(self, rows)

    def joined(self, other: GeneratorPass) -> GeneratorPass:
        """These rows, then those."""
        return _joined(self, other)


def generate(generator: Generator, z: Tensor, c: Tensor) -> GeneratorPass:
    """Without feedback, from z and c [n, A]."""
    inputs = torch.cat([z, c], dim=1)  # [n, 2A]
    first = hidden(generator.fc1, inputs)  # [n, H]
    logits = generator.fc3(first)  # [n, R]
    return GeneratorPass(inputs, first, first, logits, logits.sigmoid())


def with_feedback(
    generator: Generator, plain: GeneratorPass, feedback: Tensor, strength: float
) -> GeneratorPass:
    """The same codes again, with the feedback network's output [n, H] added to the hidden layer."""
    added = torch.add(plain.first, feedback, alpha=strength)  # [n, H]
    logits = generator.fc3(added)  # [n, R]
    return GeneratorPass(plain.inputs, plain.first, added, logits, logits.sigmoid())


@dataclass(frozen=True)
class GeneratorGradients:
    """Gradients of the generator's layers, of ``added`` [n, H] and of the latent code [n, A]."""

    gradients: list[LayerGradient]
    delta_added: Tensor
    delta_z: Tensor


def generator_gradients(
    generator: Generator, seen: GeneratorPass, delta: Tensor
) -> GeneratorGradients:
    """From the gradient of the logits [n, R]."""
    delta_added = delta @ generator.fc3.weight  # [n, H]
    delta_first = through(delta_added, seen.first)
    latent = seen.inputs.shape[1] // 2
    gradients = [
        LayerGradient.of(generator.fc3, delta, seen.added),
        LayerGradient.of(generator.fc1, delta_first, seen.inputs),
    ]
    delta_z = delta_first @ generator.fc1.weight[:, :latent]
    return GeneratorGradients(gradients, delta_added, delta_z)


@dataclass(frozen=True)
class FeedbackPass:
    """The feedback network's input and layers, all [n, H]."""

    inputs: Tensor
    first: Tensor
    output: Tensor

    def part(self, rows: slice) -> FeedbackPass:
        """The same for some rows alone."""
        return _part(self, rows)

    def joined(self, other: FeedbackPass) -> FeedbackPass:
        """These rows, then those."""
        return _joined(self, other)


def feed_back(feedback: Feedback, seen: Tensor) -> FeedbackPass:
    """From the decoder's hidden layer [n, H]."""
    first = hidden(feedback.fc1, seen)
    return FeedbackPass(seen, first, hidden(feedback.fc2, first))


def feedback_gradients(
    feedback: Feedback, seen: FeedbackPass, delta: Tensor
) -> list[LayerGradient]:
    """From the gradient of its output [n, H]."""
    delta_second = through(delta, seen.output)
    delta_first = through(delta_second @ feedback.fc2.weight, seen.first)
    return [
        LayerGradient.of(feedback.fc2, delta_second, seen.first),
        LayerGradient.of(feedback.fc1, delta_first, seen.inputs),
    ]


@dataclass(frozen=True)
class DecoderPass:
    """What the decoder's reconstruction of [n, A] targets gives.

    Attributes:
        loss: mean over the rows.
        gradients: of the layers.
        delta_hidden: gradient of the hidden layer before its leaky ReLU [n, H].
    """

    loss: Tensor
    gradients: list[LayerGradient]
    delta_hidden: Tensor


def decoder_gradients(
    decoder: Decoder, x: Tensor, h: Tensor, target: Tensor, loss: AttributeLoss, weight: float
) -> DecoderPass:
    """Of weight · loss, for features x [n, R], their hidden layer h [n, H] and targets [n, A]."""
    logits = decoder.fc3(h)  # [n, A]
    if loss == "bce":
        value, delta = cross_entropy(logits, target)
    else:
        value, delta = _weighted_l1(logits, target, decoder.output_kind)
    delta = delta * weight
    delta_hidden = through(delta @ decoder.fc3.weight, h)  # [n, H]
    gradients = [
        LayerGradient.of(decoder.fc3, delta, h),
        LayerGradient.of(decoder.fc1, delta_hidden, x),
    ]
    return DecoderPass(value, gradients, delta_hidden)


def cross_entropy(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Summed over columns, mean over rows, and its gradient (σ(o) - t)/n by the logits o."""
    rows = len(logits)
    value = functional.binary_cross_entropy_with_logits(logits, target, reduction="sum") / rows
    return value, (logits.sigmoid() - target) / rows


def _weighted_l1(logits: Tensor, target: Tensor, output_kind: str) -> tuple[Tensor, Tensor]:
    """(1/n) Σ_n s/q with d = y - t, q = ‖d‖, s = Σ_j |d_j|³, and its gradient by the logits o:

    δy = (1/n) (3 d|d|/q - d s/q³)
    y = o/‖o‖:  δo = (δy - y (y·δy))/‖o‖
    y = σ(o):   δo = δy ∘ y ∘ (1 - y)

    Lengths of 0 are taken as 1, which gives the limits.
    """
    length = _length(logits)  # [n, 1]
    y = logits.sigmoid() if output_kind == "sigmoid" else logits / length  # [n, A]
    d = y - target
    size = d.abs()
    q = _length(d)  # [n, 1]
    s = size.pow(3).sum(1, keepdim=True)  # [n, 1]
    delta = d * (3 * size / q - s / q.pow(3)) / len(d)  # [n, A]
    if output_kind == "sigmoid":
        return (s / q).mean(), delta * y * (1 - y)
    return (s / q).mean(), (delta - y * (y * delta).sum(1, keepdim=True)) / length


def _length(x: Tensor) -> Tensor:
    """‖x_n‖ [n, 1], or 1 where that is 0."""
    length: Tensor = x.norm(dim=1, keepdim=True)
    return length.masked_fill(length == 0, 1)
