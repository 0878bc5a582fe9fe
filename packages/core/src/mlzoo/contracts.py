"""What a plugin's heavy objects look like to the core: task data and models.

The package that registers a task's datasets documents the rest of that task's contract: the data
class its models read and the prediction arrays its evaluators read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from torch import Tensor, nn

    from mlzoo.runs import Run

    Arrays = Mapping[str, npt.NDArray[np.generic]]


@runtime_checkable
class TaskData(Protocol):
    """What ``DatasetSpec.load`` returns, whatever the task.

    The members below are required. The core also uses, where they exist:

    - ``validation``: task data of its own, or None, where validation needs another training set (in
      zero-shot learning the val classes must be unseen). Its ``test`` stands for val: under the rule
      ``val`` a model is trained on it to find the best epoch, then another on the whole data so far.
    - ``incomparable``: why the published numbers do not speak of these data; empty if they do.
    - ``hidden``: a tuple of those splits whose labels nobody has (the test set of a leaderboard). They are
      predicted and stored like the others, their metrics are NaN, and no epoch can be selected on them.
    - ``family()``: hex digest of what all repetitions of a dataset (``DatasetSpec.repeats``, e.g. its
      random splits) share: runs on one family are reported together. The fingerprint if omitted.
    """

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that are scored, e.g. ``("val", "test")``; ``val`` may be absent, ``test`` not."""

    def fingerprint(self) -> str:
        """Hex digest of the content; equal for equal arrays, whatever file they came from."""

    def describe(self) -> Mapping[str, Any]:
        """Facts for ``mlzoo data show`` as JSON values: counts, shapes, ranges, version."""

    def limited(self, count: int) -> Self:
        """The same data with at most ``count`` samples a split, every class kept where possible."""

    def references(self) -> Mapping[str, Mapping[str, float]]:
        """Chance levels and ceilings by metric, in the metric's unit:
        ``{"accuracy": {"chance": 50.0, "ceiling": 83.3}}``."""


@runtime_checkable
class Model(Protocol):
    """What ``ModelSpec.factory`` returns. The loop inside ``fit`` belongs to the paper.

    Four methods are required. The core also uses, where they exist:

    - ``to(device)``: move to a device; called once before ``fit`` or ``predict``.
    - ``finish()``: work done once on the selected weights before they are scored, such as
      recomputing evaluation statistics over the training set. It must be deterministic.
    - ``views``: names of further ways to read the evaluation, e.g. ``("running",)``; each is
      predicted and scored as the split ``"test@running"`` beside ``"test"``.
    """

    def fit(self, run: Run) -> None:
        """Train. ``for epoch in run.epochs(...)`` checkpoints and resumes what it is given."""

    def predict(self, split: str) -> Mapping[str, npt.NDArray[np.generic]]:
        """The arrays that the task's evaluators read, for a split or a ``split@view``."""

    def state_dict(self) -> dict[str, Any]:
        """Tensors and JSON values only."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Strict: a missing or unexpected key is an error."""


@dataclass(frozen=True)
class Finding:
    """One thing that a dataset's doctor looked at.

    Attributes:
        level: ``error`` if the data cannot be used so, ``warning`` if results would mislead, ``note``
            if a person should know.
        subject: what was looked at: a file, a key, a count.
        text: what was found, and what was expected if that differs.
        fix: what to do or to type.
    """

    level: Literal["ok", "note", "warning", "error"]
    subject: str
    text: str
    fix: str = ""


@dataclass(frozen=True, eq=False, kw_only=True)
class OnnxNetwork:
    """A network as a file for other runtimes; what :attr:`mlzoo.ModelSpec.onnx` returns.

    Attributes:
        network: called with the inputs by position in evaluation mode, on the CPU; returns a tensor, or a
            tuple of them. It must not ask for a size by ``len`` where that size may change.
        inputs: example tensors by name, in the order of the arguments, as the data have them: the file is
            checked on these.
        outputs: names of what it returns, in order.
        axes: of each input those axes that may have any size, with a name: ``{"features": {0: "batch"}}``.
            Axes of one name have one size; in the examples it is at least 2.
        facts: what a reader needs to understand the outputs, such as the names of the classes (JSON
            values); kept in the file.
    """

    network: nn.Module
    inputs: Mapping[str, Tensor]
    outputs: tuple[str, ...]
    axes: Mapping[str, Mapping[int, str]]
    facts: Mapping[str, Any] = field(default_factory=dict)
