"""The model ``eszsl``: a grid of closed forms, walked as the epochs of a run."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from mlzoo import Run
from mlzoo.errors import UsageError
from mlzoo_eszsl.closed_form import ClosedForm, Matrix
from mlzoo_eszsl.config import ESZSLConfig

Index = npt.NDArray[np.int64]


class Samples(Protocol):
    """Rows of features with their classes."""

    features: npt.NDArray[np.float32]  # [n, d]
    label: Index  # [n], rows of the attributes


class World(Protocol):
    """What is read of the task's data."""

    attributes: npt.NDArray[np.float32]  # [C, a], the class embeddings

    @property
    def seen(self) -> Index:
        """Ids of the classes to learn from."""

    @property
    def unseen(self) -> Index:
        """Ids of the others."""

    @property
    def classes(self) -> Index:
        """Ids of all classes: the columns of the scores."""

    @property
    def train(self) -> Samples:
        """Samples of seen classes to learn from."""

    @property
    def test(self) -> Samples:
        """Samples of all classes to be told apart."""


class ESZSL:
    """V of the paper for one point of the grid after another.

    A point's place in the grid is its epoch: under the rule ``val`` the grid is walked on validation
    classes first, and the point that won is then solved for on the whole training set.
    """

    def __init__(self, config: ESZSLConfig, data: World) -> None:
        self.config, self.data = config, data
        width = data.train.features.shape[1]
        self.solution: Matrix = np.zeros((width, data.attributes.shape[1]))  # V, [d, a]
        self.penalty = 0.0  # of seen classes
        self._solved: tuple[float, float] | None = None
        self._spread = 0.0

    def fit(self, run: Run) -> None:
        """Solve for every point of the grid, or for the one that was chosen.

        Raises:
            UsageError: nothing chooses between several points.
        """
        grid = self.config.grid
        if run.selector.rule == "last" and len(grid) > 1:
            raise UsageError(
                f"--select last chooses none of the {len(grid)} points of the grid.",
                "Choose --select val, or give --gammas, --lambdas and --calibrations one value each.",
            )
        for step in run.epochs(len(grid), model=self):
            if run.chosen_epoch in (None, step):
                gamma, lambda_, calibration = grid[step - 1]
                self.solve(gamma, lambda_, calibration)
                run.log(**{"gamma": gamma, "lambda": lambda_, "calibration": calibration})
                run.evaluate(self)

    def solve(self, gamma: float, lambda_: float, calibration: float = 0.0) -> None:
        """V for these regularisers, and what seen classes are to pay for being known."""
        if self._solved != (gamma, lambda_):
            self.solution = self.closed_form.solve(gamma, lambda_)
            self._spread = float(self._scores(self._train).std())
            self._solved = gamma, lambda_
        self.penalty = calibration * self._spread

    @cached_property
    def closed_form(self) -> ClosedForm:
        """Of the training set; decomposed once."""
        seen = self.data.seen
        classes = np.searchsorted(seen, self.data.train.label)
        return ClosedForm.of(self._train, classes, self.embeddings[seen])

    @cached_property
    def embeddings(self) -> Matrix:
        """Of all classes, float64 [C, a]."""
        given = self.data.attributes.astype(np.float64)
        if self.config.centre_embeddings:
            given = given - given[self.data.seen].mean(axis=0)
        return given

    def predict(self, split: str) -> dict[str, npt.NDArray[Any]]:
        """Label and scores of the test samples: ``label`` int64 [n], ``scores`` float32 [n, classes]; and
        which classes these are, so that runs can be compared."""
        scores = self._scores(self._test)
        scores[:, np.isin(self.data.classes, self.data.seen)] -= self.penalty
        return {
            "label": self.data.test.label,
            "scores": scores.astype(np.float32),
            "classes": self.data.classes,
            "unseen": self.data.unseen,
        }

    def _scores(self, features: Matrix) -> Matrix:
        """xᵀ V s of every sample and class, float64 [n, classes]."""
        towards = self.solution @ self.embeddings[self.data.classes].T  # [d, classes]
        scores: Matrix = features @ towards
        return scores

    @cached_property
    def _train(self) -> Matrix:
        return self._prepared(self.data.train)

    @cached_property
    def _test(self) -> Matrix:
        return self._prepared(self.data.test)

    def _prepared(self, samples: Samples) -> Matrix:
        """float64 [n, d]."""
        rows = samples.features.astype(np.float64)
        if self.config.unit_features:
            lengths = np.linalg.norm(rows, axis=1, keepdims=True)
            rows /= np.where(lengths > 0, lengths, 1)
        return rows

    def state_dict(self) -> dict[str, Any]:
        """V and the penalty of seen classes."""
        import torch  # brought by the core, whose checkpoints hold tensors

        return {"solution": torch.from_numpy(self.solution), "penalty": self.penalty}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Put back what :meth:`state_dict` returned.

        Raises:
            ValueError: other keys, or V of another shape.
        """
        if set(state) != {"solution", "penalty"}:
            raise ValueError(f"a state of eszsl has solution and penalty, not {', '.join(state)}")
        solution = state["solution"].numpy()
        if solution.shape != self.solution.shape:
            raise ValueError(f"solution is {solution.shape}, expected {self.solution.shape}")
        self.solution, self.penalty = solution, float(state["penalty"])
        self._solved = None
