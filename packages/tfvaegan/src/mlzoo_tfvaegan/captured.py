"""Iterations replayed from CUDA graphs: one launch instead of hundreds.

A graph has its kernels and addresses fixed. So the random numbers are copied to where the graph reads
them, what it tells is copied from where it writes, and everything that lasts (weights, moments, λ) must
have been allocated before it is captured: hence the first iteration of each kind just runs.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import TypeAlias, TypeVar

import torch
from torch import Tensor

from mlzoo_tfvaegan.step import Draws, StepLosses, TrainingSet

Told = TypeVar("Told", Draws, StepLosses)
Iterate: TypeAlias = Callable[[TrainingSet, Draws, bool], StepLosses]
Capture: TypeAlias = Callable[[Callable[[], StepLosses]], tuple[Callable[[], object], StepLosses]]
"""From a call: what replays it, and the losses that every replay overwrites. Does not run the call."""


def cuda_graph(call: Callable[[], StepLosses]) -> tuple[Callable[[], object], StepLosses]:
    """Capture with CUDA; a RuntimeError if the call does something that a graph cannot."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        losses = call()
    return graph.replay, losses


@dataclass(frozen=True)
class _Recording:
    data: TrainingSet
    draws: Draws
    replay: Callable[[], object]
    losses: StepLosses


class CapturedIterations:
    """Calls ``iterate``, from the second call of a kind on as a recording.

    Attributes:
        reason: why nothing is recorded; empty as long as it works.
    """

    def __init__(self, iterate: Iterate, capture: Capture = cuda_graph) -> None:
        self.reason = ""
        self._iterate = iterate
        self._capture = capture
        self._seen: dict[bool, tuple[TrainingSet, Draws]] = {}
        self._recordings: dict[bool, _Recording] = {}

    def __call__(self, data: TrainingSet, draws: Draws, feedback: bool) -> StepLosses:
        """One iteration."""
        seen = self._seen.get(feedback)
        if self.reason or seen is None or seen[0] is not data or not _alike(seen[1], draws):
            self._recordings.pop(feedback, None)
            self._seen[feedback] = data, draws
            return self._iterate(data, draws, feedback)
        if feedback not in self._recordings:
            self._record(data, draws, feedback)
        recording = self._recordings.get(feedback)
        if recording is None:
            return self._iterate(data, draws, feedback)
        for static, drawn in zip(_tensors(recording.draws), _tensors(draws), strict=True):
            static.copy_(drawn)
        recording.replay()
        return _copy(recording.losses)

    def forget(self) -> None:
        """Record anew: something that lasts has moved."""
        self._seen.clear()
        self._recordings.clear()

    def _record(self, data: TrainingSet, draws: Draws, feedback: bool) -> None:
        static = _copy(draws)
        try:
            replay, losses = self._capture(lambda: self._iterate(data, static, feedback))
        except RuntimeError as error:
            self.reason = str(error).partition("\n")[0]
            warnings.warn(f"no CUDA graph, so training is slower: {self.reason}", stacklevel=3)
            return
        self._recordings[feedback] = _Recording(data, static, replay, losses)


def _tensors(of: Draws | StepLosses) -> list[Tensor]:
    values = (getattr(of, field.name) for field in fields(of))
    return [value for value in values if value is not None]


def _copy(of: Told) -> Told:
    values = {field.name: getattr(of, field.name) for field in fields(of)}
    return replace(of, **{name: v.clone() for name, v in values.items() if v is not None})


def _alike(one: Draws, other: Draws) -> bool:
    """Of the same shapes."""
    return [each.shape for each in _tensors(one)] == [each.shape for each in _tensors(other)]
