"""Accuracy where a description shows a phenomenon, among those in which somebody looked for it.

A tag that is missing where nobody looked says nothing: it is neither among those with nor among those
without. The annotations of ImageCoDe cover four tags in its first 1000 validation descriptions and six more
in the first 200.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mlzoo_imagecode.metric_specs import TAGS
from mlzoo_imagecode.scores.choices import Bool, share


@dataclass(frozen=True)
class Phenomenon:
    """One tag.

    Attributes:
        tag: its letters.
        base: descriptions in which somebody looked for it.
        count: those that show it.
        accuracy: of these, in percent; NaN if there are none, or targets are hidden.
        accuracy_without: of the others of the base.
    """

    tag: str
    base: int
    count: int
    accuracy: float
    accuracy_without: float

    @property
    def share(self) -> float:
        """Percent of the base that shows it; NaN without a base."""
        return 100 * self.count / self.base if self.base else float("nan")


def phenomena(correct: Bool, tag: Bool, annotated: Bool) -> list[Phenomenon]:
    """All tags in their order.

    Args:
        correct: bool [n], whether the described image was chosen.
        tag: bool [n, 10]; what is not annotated does not count.
        annotated: bool [n, 10].
    """
    having, lacking = annotated & tag, annotated & ~tag
    return [
        Phenomenon(
            tag=name,
            base=int(annotated[:, column].sum()),
            count=int(having[:, column].sum()),
            accuracy=share(correct, having[:, column]),
            accuracy_without=share(correct, lacking[:, column]),
        )
        for column, name in enumerate(TAGS)
    ]


def annotator_accuracies(correct: Bool, annotator: npt.NDArray[np.int8]) -> dict[str, float]:
    """Percent correct of descriptions by people who wrote training descriptions, too, and by others.

    Args:
        correct: bool [n].
        annotator: int8 [n], 1 if seen in training, 0 if not, -1 if unknown.
    """
    return {
        "accuracy_seen_annotators": share(correct, annotator == 1),
        "accuracy_unseen_annotators": share(correct, annotator == 0),
    }
