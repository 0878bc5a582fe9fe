"""What choosing at random gives, exactly, and the best that is possible without looking."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mlzoo_imagecode.metric_specs import MAIN, TAGS
from mlzoo_imagecode.scores.choices import Index
from mlzoo_imagecode.scores.positions import best_position_accuracy

if TYPE_CHECKING:
    from mlzoo_imagecode.contextual import ContextualData, Part


def chance_levels(data: ContextualData) -> dict[str, float]:
    """The expected value of every metric if each candidate is chosen with the same probability.

    Accuracies are 1/k and the mean rank (k+1)/2. The expected distance is that between the described image
    and a candidate, averaged over both. An error falls on each of the k-1 others alike, so that the share of
    errors next to the target is that of neighbours among them. The last two depend on where the described
    images stand; they speak of test, or where its targets are hidden of val.

    Returns:
        By metric, in its unit; without those that are not defined on any scored split.
    """
    k = data.choices
    kinds = np.concatenate([part.is_video for part in data.parts.values()])
    right = [MAIN, *_where(accuracy_video=bool(kinds.any()), accuracy_static=not kinds.all())]
    open_parts = [part for part in data.parts.values() if not part.hidden]
    for part in open_parts:
        right += _annotated(part)
    levels = dict.fromkeys(right, 100 / k) | {"mean_rank": (k + 1) / 2}
    if open_parts:
        part = open_part(data)
        apart = position_distances(part.position[part.candidates], part.target)
        levels["mean_distance"] = float(apart.mean())
        levels["errors_next_to_target"] = 100 * float((apart == 1).sum(axis=1).mean()) / (k - 1)
    return levels


def best_position(data: ContextualData) -> float | None:
    """Accuracy in percent of always choosing the position that is described most often in train, on test or,
    where its targets are hidden, on val; None without train or targets."""
    if data.train is None or all(part.hidden for part in data.parts.values()):
        return None
    return best_position_accuracy(data.train, open_part(data))


def open_part(data: ContextualData) -> Part:
    """Test, or val where the targets of test are hidden."""
    return data.parts["val" if data.parts["test"].hidden else "test"]


def position_distances(position: Index, target: Index) -> Index:
    """int64 [n, k]: places between each candidate and the described one.

    Args:
        position: int64 [n, k] of the candidates in their set.
        target: int64 [n], columns.
    """
    own = np.take_along_axis(position, target[:, None], axis=1)
    found: Index = np.abs(position - own)
    return found


def _annotated(part: Part) -> list[str]:
    """Metrics of phenomena and annotators that the part has descriptions of."""
    arrays = part.arrays()
    shown = (arrays["annotated"] & arrays["tag"]).any(axis=0)
    names = [f"accuracy_{tag}" for tag, there in zip(TAGS, shown, strict=True) if there]
    return names + _where(
        accuracy_seen_annotators=(arrays["annotator"] == 1).any(),
        accuracy_unseen_annotators=(arrays["annotator"] == 0).any(),
    )


def _where(**there: bool) -> list[str]:
    return [name for name, value in there.items() if value]
