"""The three hooks. A plugin is a module, named by an entry point of the group ``mlzoo``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from mlzoo.specs import DatasetSpec, EvaluatorSpec, ModelSpec

PROJECT = "mlzoo"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def mlzoo_datasets() -> Iterable[DatasetSpec]:  # type: ignore[empty-body]
    """The datasets a plugin brings.

    Example::

        from mlzoo import DatasetSpec, hookimpl

        @hookimpl
        def mlzoo_datasets():
            yield DatasetSpec(
                name="two-moons",
                summary="two interleaved half circles",
                task="toy-classification",
                load="my_plugin.data:load",
                embedded=True,
            )
    """


@hookspec
def mlzoo_models() -> Iterable[ModelSpec]:  # type: ignore[empty-body]
    """The models a plugin brings.

    Example::

        from mlzoo import ModelSpec, Paper, hookimpl

        @hookimpl
        def mlzoo_models():
            yield ModelSpec(
                name="nearest-mean",
                summary="assigns the class with the nearest mean",
                task="toy-classification",
                paper=Paper(title="A title", authors="A. Author", venue="A venue", year=2020,
                            url="https://example.org", bibtex="@misc{a2020, title={A title}, year={2020}}"),
                config="my_plugin.config:NearestMeanConfig",
                factory="my_plugin.model:NearestMean",
                default_dataset="two-moons",
            )
    """


@hookspec
def mlzoo_evaluators() -> Iterable[EvaluatorSpec]:  # type: ignore[empty-body]
    """The evaluators a plugin brings.

    Example::

        from mlzoo import EvaluatorSpec, Metric, hookimpl

        @hookimpl
        def mlzoo_evaluators():
            yield EvaluatorSpec(
                name="toy-accuracy",
                summary="share of correct labels",
                task="toy-classification",
                score="my_plugin.evaluators:score",
                metrics={"accuracy": Metric(higher_is_better=True, unit="%", main=True,
                                            summary="share of correct labels")},
            )
    """
