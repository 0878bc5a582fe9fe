"""The critic in closed form: its step with the gradient penalty, and its slope for the generator's step.

B: batch, R: width of a visual feature, A: width of a class embedding, D: hidden width. Notation and
rules are those of :mod:`mlzoo_tfvaegan.closed_form`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from mlzoo_tfvaegan.closed_form import hidden, through
from mlzoo_tfvaegan.layer_gradient import LayerGradient
from mlzoo_tfvaegan.networks import SLOPE, Critic


@dataclass(frozen=True)
class CriticPass:
    """One critic step.

    Attributes:
        gradients: of its layers.
        real, fake: mean of D, unweighted.
        statistic: mean (‖g‖ - 1)².
    """

    gradients: list[LayerGradient]
    real: Tensor
    fake: Tensor
    statistic: Tensor


def critic_gradients(
    critic: Critic,
    x: Tensor,
    fake: Tensor,
    c: Tensor,
    alpha: Tensor,
    weight: float,
    penalty: Tensor,
) -> CriticPass:
    """Of γ (mean D(x~) - mean D(x) + λ mean (‖g‖ - 1)²), g = ∂D/∂x at x^ = α x + (1 - α) x~.

    With D(x, c) = w₂ · h + b₂, h = m ∘ a and a = W_x x + W_c c + b: a is affine, so

        a(x^) = α a(x) + (1 - α) a(x~),   g = (w₂ ∘ m^) W_x,   q := γ λ (2/B) (‖g‖ - 1)/‖g‖ · g,

    where q_n is the gradient of the penalty with respect to g_n. Hence

        δW_x = Σ_n ∓(γ/B) (w₂ ∘ m_n) ⊗ x_n [real -, fake +] + Σ_n (w₂ ∘ m^_n) ⊗ q_n
        δw₂  = Σ_n ∓(γ/B) h_n               [real -, fake +] + Σ_n m^_n ∘ (W_x q_n),

    each a single product over 3B rows. W_x and W_c are views of one parameter; products read and write
    such a range of columns as fast as a matrix of its own. The penalty has no part in W_c and b, and
    b₂ none in the loss.

    Args:
        critic: D.
        x, fake: [B, R].
        c: [B, A].
        alpha: [B, 1].
        weight: γ.
        penalty: λ.
    """
    batch, features = x.shape
    w_x, w_2 = critic.fc1.weight[:, :features], critic.fc2.weight  # [D, R], [1, D]
    rows = torch.cat([x, fake, torch.empty_like(x)])  # [3B, R], q last
    h, outputs = _outputs(critic, rows, c, alpha)  # [3B, D], [2B, 1]
    real, generated = outputs.view(2, batch).mean(1).unbind()
    sign = x.new_ones(3, batch, 1)
    sign[0].fill_(-weight / batch)
    sign[1].fill_(weight / batch)
    sign = sign.view(-1, 1)  # [3B, 1]
    left = through(sign * w_2, h)  # [3B, D]
    between = slice(2 * batch, None)
    g = left[between] @ w_x  # [B, R]
    norm = g.norm(dim=1, keepdim=True)  # [B, 1]
    pull = (1 - 1 / norm).masked_fill(norm == 0, 0) * (2 * weight / batch * penalty)
    q = torch.mul(g, pull, out=rows[between])
    h[between] = through(q @ w_x.t(), h[between])  # m^ ∘ (W_x q): the slopes are used up
    semantic = left[:batch] + left[batch : 2 * batch]  # [B, D]
    first = LayerGradient(critic.fc1, ((left, rows), (semantic, c)), semantic.sum(0))
    second = LayerGradient(critic.fc2, ((sign, h),), None)
    return CriticPass([first, second], real, generated, (norm - 1).square().mean())


def _outputs(critic: Critic, rows: Tensor, c: Tensor, alpha: Tensor) -> tuple[Tensor, Tensor]:
    """The hidden layer [3B, D] of real, fake and between, and D [2B, 1] of the first two.

    From features [3B, R], whose last B rows are not read.
    """
    features, batch = rows.shape[1], len(c)
    w_x, w_c = critic.fc1.weight[:, :features], critic.fc1.weight[:, features:]
    h = rows.new_empty(3 * batch, len(w_x))
    pair = h[: 2 * batch]
    torch.mm(rows[: 2 * batch], w_x.t(), out=pair)
    pair.view(2, batch, -1).add_(torch.addmm(critic.fc1.bias, c, w_c.t()))
    torch.lerp(h[batch : 2 * batch], h[:batch], alpha, out=h[2 * batch :])
    functional.leaky_relu_(h, SLOPE)
    return h, torch.addmm(critic.fc2.bias, pair, critic.fc2.weight.t())


def critic_slope(critic: Critic, x: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """mean D(x, c), and its gradient (1/B) (w₂ ∘ m) W_x [B, R] by x [B, R]; c: [B, A]."""
    features = x.shape[1]
    h = hidden(critic.fc1, torch.cat([x, c], dim=1))  # [B, D]
    slopes = through(critic.fc2.weight.expand_as(h), h)  # [B, D]
    return critic.fc2(h).mean(), slopes @ critic.fc1.weight[:, :features] / len(x)
