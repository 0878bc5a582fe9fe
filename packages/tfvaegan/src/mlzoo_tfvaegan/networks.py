"""The five networks of TF-VAEGAN: multi-layer perceptrons without dropout or normalisation.

B: batch, R: width of a visual feature, A: width of a class embedding, and of the latent code,
H: hidden width of encoder, generator, decoder and feedback, D: hidden width of the critic.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

from mlzoo.errors import DataError

SLOPE = 0.2
"""Of every leaky ReLU; also its derivative at exactly 0."""

AttributeOutput: TypeAlias = Literal["unit", "sigmoid"]


def activate(x: Tensor) -> Tensor:
    """Leaky ReLU."""
    return functional.leaky_relu(x, SLOPE)


class Encoder(nn.Module):
    """q(z | x, c): mean and log-variance of the latent code."""

    def __init__(self, features: int, attributes: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(features + attributes, hidden)
        self.fc3 = nn.Linear(hidden, 2 * attributes)
        self.linear_means = nn.Linear(2 * attributes, attributes)
        self.linear_log_var = nn.Linear(2 * attributes, attributes)

    def forward(self, x: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """x [B, R], c [B, A] to mean [B, A] and log-variance [B, A]."""
        hidden = activate(self.fc1(torch.cat([x, c], dim=1)))  # [B, H]
        hidden = activate(self.fc3(hidden))  # [B, 2A]
        return self.linear_means(hidden), self.linear_log_var(hidden)


class Generator(nn.Module):
    """G(z, c): a visual feature, in two parts because the feedback enters between them."""

    def __init__(self, features: int, attributes: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(2 * attributes, hidden)
        self.fc3 = nn.Linear(hidden, features)

    def hidden(self, z: Tensor, c: Tensor) -> Tensor:
        """z [B, A], c [B, A] to the hidden layer [B, H]."""
        return activate(self.fc1(torch.cat([z, c], dim=1)))

    def output(self, hidden: Tensor) -> Tensor:
        """The hidden layer [B, H], with or without feedback added, to a feature [B, R] in (0, 1)."""
        return torch.sigmoid(self.fc3(hidden))

    def forward(self, z: Tensor, c: Tensor) -> Tensor:
        """Without feedback: z [B, A], c [B, A] to [B, R]."""
        return self.output(self.hidden(z, c))


class Critic(nn.Module):
    """D(x, c), the Wasserstein critic."""

    def __init__(self, features: int, attributes: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(features + attributes, hidden)
        self.fc2 = nn.Linear(hidden, 1)

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        """x [B, R], c [B, A] to [B, 1]."""
        return self.fc2(activate(self.fc1(torch.cat([x, c], dim=1))))  # type: ignore[no-any-return]


class Decoder(nn.Module):
    """Dec(x): the class embedding of a feature.

    ``output``: rows of length 1 (the paper's images), or sigmoid (its actions, whose reconstruction
    loss is a binary cross entropy). The length has no epsilon; where it is exactly 0 (a feature of
    zeros before the first step, when all biases are 0) the row stays 0, with the gradient of o
    itself, and does not become NaN.
    """

    def __init__(
        self, features: int, attributes: int, hidden: int, output: AttributeOutput = "unit"
    ) -> None:
        super().__init__()
        self.output_kind = output
        self.fc1 = nn.Linear(features, hidden)
        self.fc3 = nn.Linear(hidden, attributes)

    def hidden(self, x: Tensor) -> Tensor:
        """x [B, R] to the hidden layer [B, H], which feeds the feedback and the classifier."""
        return activate(self.fc1(x))

    def output(self, hidden: Tensor) -> Tensor:
        """The hidden layer [B, H] to a class embedding [B, A]."""
        o = self.fc3(hidden)
        if self.output_kind == "sigmoid":
            return torch.sigmoid(o)
        length = o.norm(dim=1, keepdim=True)  # [B, 1]
        return o / length.where(length > 0, 1)  # type: ignore[no-any-return]

    def forward(self, x: Tensor) -> Tensor:
        """x [B, R] to [B, A]."""
        return self.output(self.hidden(x))


class Feedback(nn.Module):
    """F(h): the decoder's hidden layer back into the generator's."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(hidden, hidden)
        self.fc2 = nn.Linear(hidden, hidden)

    def forward(self, hidden: Tensor) -> Tensor:
        """[B, H] to [B, H]."""
        return activate(self.fc2(activate(self.fc1(hidden))))


class Networks(nn.Module):
    """All five, with weights from N(0, 0.02²) and zero biases."""

    def __init__(
        self,
        features: int,
        attributes: int,
        hidden: int,
        critic_hidden: int,
        attribute_output: AttributeOutput = "unit",
    ) -> None:
        super().__init__()
        self.encoder = Encoder(features, attributes, hidden)
        self.generator = Generator(features, attributes, hidden)
        self.critic = Critic(features, attributes, critic_hidden)
        self.decoder = Decoder(features, attributes, hidden, attribute_output)
        self.feedback = Feedback(hidden)
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                nn.init.normal_(layer.weight, std=0.02)
                nn.init.zeros_(layer.bias)

    def generate(
        self, z: Tensor, c: Tensor, strength: float = 0.0, *, look_at: Tensor | None = None
    ) -> Tensor:
        """A feature x̃ [B, R] from z [B, A] and c [B, A]; a strength a other than 0 adds the feedback.

            x̃₀ = G(z, c),    f = F(h_Dec(look_at)),    x̃ = sigmoid(W₃ (h_G(z, c) + a f) + b₃)

        The feedback looks at x̃₀ if ``look_at`` [B, R] is not given. No gradient goes through what it
        looks at, nor into the decoder.
        """
        hidden = self.generator.hidden(z, c)  # [B, H]
        if strength == 0:
            return self.generator.output(hidden)
        with torch.no_grad():
            seen = self.generator.output(hidden) if look_at is None else look_at  # [B, R]
            decoder_hidden = self.decoder.hidden(seen)  # [B, H]
        return self.generator.output(hidden + strength * self.feedback(decoder_hidden))


def reparameterise(mean: Tensor, log_variance: Tensor, noise: Tensor) -> Tensor:
    """z = noise · exp(log_variance / 2) + mean, all [B, A]."""
    return noise * torch.exp(0.5 * log_variance) + mean


PUBLISHED_NAMES = {
    "netE": "encoder",
    "netG": "generator",
    "netD": "critic",
    "netDec": "decoder",
    "netF": "feedback",
}
"""The networks' names in the published program; its layers are called as they are here."""


def published_names(networks: Networks) -> dict[str, nn.Parameter]:
    """The parameters themselves under the published program's names, such as ``netE.fc1.weight``."""
    return {
        f"{theirs}.{name}": parameter
        for theirs, ours in PUBLISHED_NAMES.items()
        for name, parameter in networks.get_submodule(ours).named_parameters()
    }


def load_published_names(networks: Networks, arrays: Mapping[str, Any]) -> None:
    """Copy weights into ``networks``, whose dtype and device stay.

    Args:
        arrays: every parameter, and nothing else, under the names of :func:`published_names`:
            tensors, or what ``torch.as_tensor`` takes.

    Raises:
        DataError: names or shapes are not those of ``networks``, which are then left as they were.
    """
    parameters = published_names(networks)
    if missing := sorted(parameters.keys() - arrays.keys()):
        raise DataError(f"weights: {len(missing)} missing, such as {missing[0]}")
    if foreign := sorted(arrays.keys() - parameters.keys()):
        raise DataError(f"weights: {len(foreign)} that no network has, such as {foreign[0]}")
    tensors = {name: torch.as_tensor(arrays[name]) for name in parameters}
    for name, tensor in tensors.items():
        expected, found = tuple(parameters[name].shape), tuple(tensor.shape)
        if found != expected:
            raise DataError(f"weights: {name} is {found}, and the network's is {expected}")
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(tensors[name])
