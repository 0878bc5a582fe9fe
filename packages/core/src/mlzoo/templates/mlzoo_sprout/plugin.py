"""What this package brings. ``mlzoo list`` reads this module, so it imports nothing heavy."""

from collections.abc import Iterator

from mlzoo import DatasetSpec, EvaluatorSpec, Metric, ModelSpec, Paper, hookimpl

# Specs of one task belong together. If yours exists already (mlzoo list), bring only what is new.
TASK = "sprout-classification"


@hookimpl
def mlzoo_datasets() -> Iterator[DatasetSpec]:
    """One made-up dataset, so that everything can be tried without files."""
    yield DatasetSpec(
        name="sprout-clusters",
        summary="points around the corners of a square",
        task=TASK,
        load="mlzoo_sprout.data:load",
        config="mlzoo_sprout.config:ClusterOptions",
        embedded=True,
    )


@hookimpl
def mlzoo_models() -> Iterator[ModelSpec]:
    """The model, its paper and its presets."""
    yield ModelSpec(
        name="sprout",
        summary="a network with one hidden layer",
        task=TASK,
        paper=Paper(
            title="The title of the paper",
            authors="Its Authors",
            venue="Where it appeared",
            year=2026,
            url="https://doi.org/",
            bibtex="""@misc{sprout,
  title = {The title of the paper},
  year  = {2026}
}""",
        ),
        config="mlzoo_sprout.config:ModelConfig",
        factory="mlzoo_sprout.model:ClusterModel",
        default_dataset="sprout-clusters",
        presets={
            "sprout-clusters": {"epochs": 20},
            # What the contract suite trains, in seconds.
            "sprout-clusters/smoke": {"epochs": 2, "samples": 40},
        },
    )


@hookimpl
def mlzoo_evaluators() -> Iterator[EvaluatorSpec]:
    """How predictions of the task are scored; one metric is the main one."""
    yield EvaluatorSpec(
        name="sprout-accuracy",
        summary="share of correct labels",
        task=TASK,
        score="mlzoo_sprout.evaluators:score",
        metrics={
            "accuracy": Metric(
                higher_is_better=True, unit="%", main=True, summary="share of correct labels"
            )
        },
    )
