"""Where in a set the described images stand: what can be known without looking at anything."""

from __future__ import annotations

import numpy as np

from mlzoo_imagecode.contextual import HIDDEN, Part
from mlzoo_imagecode.scores.choices import Float64, share


def position_rates(part: Part, positions: int) -> Float64:
    """float64 [P]: how often the image at a position is described, of the times it is a candidate.

    With all positions among every description's candidates this is their histogram, divided by n. A position
    that is never a candidate has 0.

    Args:
        part: whose targets are counted; hidden ones are left out.
        positions: P.
    """
    position = part.position[part.candidates]  # [n, k]
    known = np.flatnonzero(part.target != HIDDEN)
    described, offered = (
        np.bincount(rows, minlength=positions)[:positions].astype(np.float64)
        for rows in (position[known, part.target[known]], position[known].ravel())
    )
    return np.divide(described, offered, out=np.zeros(positions), where=offered > 0)


def scores_by_position(part: Part, rates: Float64) -> Float64:
    """float64 [n, k]: the rate of each candidate's position; 0 of positions beyond those known."""
    position = part.position[part.candidates]
    inside = position < len(rates)
    found: Float64 = np.where(inside, rates[np.where(inside, position, 0)], 0.0)
    return found


def best_position_accuracy(train: Part, part: Part) -> float:
    """Percent right in ``part`` if the position that is described most often in ``train`` is chosen always;
    of few candidates the one described most often."""
    rates = position_rates(train, position_count(train, part))
    return share(scores_by_position(part, rates).argmax(axis=1) == part.target)


def position_count(*parts: Part) -> int:
    """P, one more than the last position of an image in any of the parts."""
    return 1 + max(int(part.position.max()) for part in parts)
