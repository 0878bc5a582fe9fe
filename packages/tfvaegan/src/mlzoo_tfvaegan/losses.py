"""The losses of TF-VAEGAN (Narayan et al., ECCV 2020) as its published program computes them.

B: batch, R: width of a visual feature, A: width of a class embedding. Each function takes its random
numbers as an argument; every loss is a scalar in the dtype of what it is given.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from mlzoo_tfvaegan.networks import Critic

OFFSET = 1e-12
"""The program's, added to a probability before its logarithm; below float32's resolution but near 0."""

TARGET_STATISTIC = (1.001, 1.05)
"""Where the controller of λ leaves it alone."""
PENALTY_FACTOR = 1.1


def binary_cross_entropy(p: Tensor, target: Tensor) -> Tensor:
    """Summed over a row, mean over the batch:

        BCE(p, t) = -1/B Σₙⱼ [tₙⱼ ln pₙⱼ + (1 - tₙⱼ) ln(1 - pₙⱼ)]

    Each logarithm is at least -100, so a saturated sigmoid costs at most that (the program's old
    torch: 27.6). p + 1e-12 is kept to at most 1, which float64 could pass. Away from saturation the
    gradient in the sigmoid's argument is (p - t) / B.

    Args:
        p: probabilities [B, n].
        target: [B, n], in [0, 1]; no gradient goes there.

    Raises:
        RuntimeError: p is NaN or no probability.
    """
    p = (p + OFFSET).clamp(max=1)
    return functional.binary_cross_entropy(p, target.detach(), reduction="sum") / len(p)


def kl_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(μ, σ²) ‖ N(0, 1)) of the latent code, summed over a row, mean over the batch:

        -1/2B Σₙₖ (1 + ln σ² - μ² - σ²)

    ``mean`` μ and ``log_variance`` ln σ² are [B, A].
    """
    return -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum() / len(mean)


def variational_loss(
    reconstruction: Tensor, x: Tensor, mean: Tensor, log_variance: Tensor
) -> Tensor:
    """The VAE's loss, L_V = BCE(x̃, x) + KL(q(z | x, c) ‖ N(0, 1)).

    Args:
        reconstruction: x̃ [B, R], the generator's sigmoid output.
        x: real features [B, R] in [0, 1].
        mean, log_variance: the encoder's outputs [B, A].
    """
    return binary_cross_entropy(reconstruction, x) + kl_divergence(mean, log_variance)


def weighted_l1(decoded: Tensor, target: Tensor) -> Tensor:
    """The reconstruction loss of class embeddings, an L1 distance whose weights depend on itself:

        dₙ = Dec(xₙ) - cₙ,    L_R = 1/B Σₙ Σⱼ dₙⱼ² / ‖dₙ‖₂ · |dₙⱼ|

    The gradient goes through the weights d² / ‖d‖, too (the paper's text has a plain L1). Where d is
    exactly 0 the formula is 0/0; the loss of that row is 0 here, with gradient 0: its limits.

    Args:
        decoded: Dec(x) [B, A].
        target: c [B, A].
    """
    d = decoded - target  # [B, A]
    length = d.norm(dim=1)  # [B]
    cubes = d.abs().pow(3).sum(dim=1)  # [B]
    return (cubes / length.where(length > 0, 1)).mean()  # type: ignore[no-any-return]


def gradient_penalty(critic: Critic, x: Tensor, fake: Tensor, c: Tensor, alpha: Tensor) -> Tensor:
    """How far the critic's slope is from 1 between real and fake features, without its weight λ:

        x̂ₙ = αₙ xₙ + (1 - αₙ) x̃ₙ,    gₙ = ∂D(x̂ₙ, cₙ) / ∂x̂ₙ,    1/B Σₙ (‖gₙ‖₂ - 1)²

    The slope is with respect to the visual part alone. The result can be differentiated in the
    critic's parameters; its biases and its weights on c have gradient 0. It is also the statistic
    that :func:`adapt_penalty_weight` watches: there the published program divides the weighted
    penalty by λ again, which is 0/0 once λ underflows.

    Args:
        x, fake: real and generated features [B, R]; no gradient goes to them.
        c: class embeddings [B, A].
        alpha: [B, 1], uniform on [0, 1].
    """
    between = (alpha * x + (1 - alpha) * fake).detach().requires_grad_()  # [B, R]
    # A sum, as the critic treats rows apart: its gradient is every row's own.
    (slope,) = torch.autograd.grad(critic(between, c).sum(), between, create_graph=True)  # [B, R]
    return (slope.norm(dim=1) - 1).square().mean()  # type: ignore[no-any-return]


def critic_loss(
    real: Tensor, fake: Tensor, penalty: Tensor, penalty_weight: Tensor | float
) -> Tensor:
    """The Wasserstein critic's loss, to minimise, before its weight γ_D:

        L_D = 1/B Σ D(x̃, c) - 1/B Σ D(x, c) + λ · penalty

    Args:
        real, fake: D(x, c) and D(x̃, c) [B, 1], x̃ without gradient.
        penalty: of :func:`gradient_penalty`.
        penalty_weight: λ.
    """
    return fake.mean() - real.mean() + penalty_weight * penalty


def adapt_penalty_weight(weight: Tensor, statistic: Tensor) -> Tensor:
    """λ for the next iteration: 1.1 λ above 1.05, λ / 1.1 below 1.001, else λ. Not in the paper.

    A statistic (‖g‖ - 1)² near 1 means slopes near 2 or near 0. λ has no bounds; NaN leaves it alone.

    Args:
        weight: λ, a scalar.
        statistic: mean of :func:`gradient_penalty` over the critic steps of the iteration, without λ.
    """
    low, high = TARGET_STATISTIC
    lower = torch.where(statistic < low, weight / PENALTY_FACTOR, weight)
    return torch.where(statistic > high, weight * PENALTY_FACTOR, lower)
