"""From a trained model to ``results.json``: predict, store, score, compare with what was published."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlzoo.checkpoints import load_checkpoint, save_checkpoint
from mlzoo.errors import CheckpointError, MlzooError, PluginError, RunError, UsageError
from mlzoo.files import write_arrays
from mlzoo.registry import resolve
from mlzoo.run_directory import HONEST, predictions_file
from mlzoo.selection import HONEST_UNDER_TEST, LABELS, RETRAINED
from mlzoo.tables import write_tables
from mlzoo.verdict import judge

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from mlzoo.contracts import Model, TaskData
    from mlzoo.planning import Plan
    from mlzoo.runs import Run

    Scored = dict[str, tuple[dict[str, float], Mapping[str, npt.NDArray[np.generic]]]]


def score(
    plan: Plan, model: Model, data: TaskData, split: str, only: Collection[str] | None = None
) -> tuple[dict[str, float], Mapping[str, npt.NDArray[np.generic]]]:
    """Predict one split and score it with the task's evaluators; returns metrics and predictions.

    Raises:
        PluginError: an evaluator returns other metrics than its spec declares.
    """
    predictions = model.predict(split)
    return score_predictions(plan, predictions, data, only), predictions


def score_predictions(
    plan: Plan,
    predictions: Mapping[str, npt.NDArray[np.generic]],
    data: TaskData,
    only: Collection[str] | None = None,
) -> dict[str, float]:
    """The metrics of one split's prediction arrays, in the evaluators' order.

    Args:
        only: names of evaluators; all of the task if omitted.

    Raises:
        PluginError: an evaluator fails, or returns other metrics than its spec declares.
    """
    metrics: dict[str, float] = {}
    for entry in plan.evaluator_entries:
        if only is not None and entry.spec.name not in only:
            continue
        scorer = resolve(entry.spec.score, entry.plugin)
        try:
            values = scorer(predictions, data)
        except MlzooError:
            raise
        except Exception as error:
            raise PluginError(
                f"evaluator {entry.spec.name!r} of {entry.plugin} failed: "
                f"{type(error).__name__}: {error}",
                "--debug shows where.",
            ) from error
        if set(values) != set(entry.spec.metrics):
            raise PluginError(
                f"evaluator {entry.spec.name!r} of {entry.plugin} declares "
                f"{', '.join(entry.spec.metrics)} but returned {', '.join(values)}."
            )
        metrics.update({name: float(values[name]) for name in entry.spec.metrics})
    return metrics


def score_all(
    plan: Plan, model: Model, data: TaskData, only: Collection[str] | None = None
) -> Scored:
    """All scored splits, and each view of them the model offers (``test@running``)."""
    views = tuple(getattr(model, "views", ()))
    splits = [s for split in data.splits for s in (split, *(f"{split}@{v}" for v in views))]
    return {split: score(plan, model, data, split, only) for split in splits}


def store_scores(
    plan: Plan, data: TaskData, tell: Callable[[str], None], directory: Path, scored: Scored
) -> dict[str, dict[str, float]]:
    """Keep predictions and tables in the run's folder; returns the metrics by split. A table that
    fails is told."""
    for split, (_, predictions) in scored.items():
        write_arrays(predictions_file(directory, split), predictions)
        entries = plan.evaluator_entries
        for problem in write_tables(entries, split, predictions, data, directory):
            tell(problem)
    return {split: values for split, (values, _) in scored.items()}


def results_of(
    plan: Plan,
    model: Model,
    data: TaskData,
    run: Run,
    searched: Mapping[str, Mapping[str, float]] | None = None,
) -> dict[str, Any]:
    """Score the selected weights, store predictions and tables, and say everything a number needs.

    ``searched`` are metrics of val from the search that chose the epoch.
    """
    rule = plan.options.run.select
    epoch = select_weights(model, run, "best.pt", run.epoch)
    scored = store_scores(plan, data, run.message, run.directory, score_all(plan, model, data))
    metrics = {**(searched or {}), **scored}
    label = RETRAINED if run.chosen_epoch else LABELS[rule]
    results = facts_of(plan, data, metrics, {"rule": rule, "label": label, "epoch": epoch})
    if rule == "test" and (run.checkpoints / HONEST_UNDER_TEST).exists():
        epoch = select_weights(model, run, HONEST_UNDER_TEST, run.epoch)
        honest = _store_honest(run.directory, score_all(plan, model, data))
        results["honest"] = {
            "rule": "val",
            "label": RETRAINED if run.selector.honest_epoch else LABELS["val"],
            "epoch": epoch,
            "metrics": honest,
            "selection_inflation": inflation(metrics, honest),
        }
    results["published"] = verdicts(plan, results)
    return results


def _store_honest(directory: Path, scored: Scored) -> dict[str, dict[str, float]]:
    """Keep the predictions of the honestly selected weights; returns the metrics by split."""
    (directory / "predictions" / HONEST).mkdir(parents=True, exist_ok=True)
    for split, (_, predictions) in scored.items():
        write_arrays(predictions_file(directory, split, honest=True), predictions)
    return {split: values for split, (values, _) in scored.items()}


def inflation(
    metrics: Mapping[str, Mapping[str, float]], honest: Mapping[str, Mapping[str, float]]
) -> dict[str, float]:
    """What selecting on test data adds to each metric of test over the honest choice."""
    return {name: metrics["test"][name] - value for name, value in honest["test"].items()}


def facts_of(
    plan: Plan,
    data: TaskData,
    metrics: Mapping[str, Mapping[str, float]],
    selection: Mapping[str, Any],
) -> dict[str, Any]:
    """What ``results.json`` says of every run: whose numbers these are, and of what."""
    return {
        "model": plan.model.name,
        "dataset": plan.dataset.name,
        "task": plan.model.task,
        "seed": plan.options.run.seed,
        "selection": selection,
        "evaluators": {spec.name: spec.version for spec in plan.evaluators},
        "plugins": {p.distribution: p.version for p in plan.plugins},
        "main_metric": plan.main_metric,
        "metrics": metrics,
        "references": {name: dict(values) for name, values in data.references().items()},
        "data": {
            **_identity(plan, data),
            "limited": plan.options.run.limit is not None,
            "incomparable": getattr(data, "incomparable", ""),
            "hidden": list(getattr(data, "hidden", ())),
        },
    }


def verdicts(plan: Plan, results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every published number of the dataset beside the run's."""
    return judge(plan.model, results, plan.options.values, plan.departures())


def _identity(plan: Plan, data: TaskData) -> dict[str, Any]:
    """Which data these were, and which repetition of which family."""
    facts: dict[str, Any] = {"fingerprint": data.fingerprint()}
    if repeat := plan.repeat:
        family = getattr(data, "family", data.fingerprint)
        facts |= {"family": family(), "repeat": repeat}
    return facts


def select_weights(model: Model, run: Run, file: str, last_epoch: int) -> int:
    """Put the selected weights into the model, finish them, and keep them as scored."""
    path = run.checkpoints / file
    epoch, finished = last_epoch, False
    if run.selector.watched:
        if not path.exists():
            raise RunError(
                f"the rule {run.selector.rule!r} kept no epoch: the model never gave a score to compare.",
                "Choose --select last.",
            )
        saved = load_checkpoint(path)
        model.load_state_dict(saved["model"])
        epoch, finished = saved["epoch"], saved["finished"]
    if not finished:
        finish(model)
    save_checkpoint(path, {"model": model.state_dict(), "epoch": epoch, "finished": True})
    return epoch


def finish(model: Model) -> None:
    """Work on the weights that are to be scored, if the model has some."""
    own = getattr(model, "finish", None)
    if own is not None:
        own()


def load_best(model: Model, directory: Path, select: str) -> None:
    """Load a finished run's weights: ``best`` as they were scored, or ``last`` and finish them.

    Raises:
        UsageError: another word.
        CheckpointError: there is no such checkpoint, or it is damaged.
    """
    if select == "best":
        model.load_state_dict(load_checkpoint(directory / "checkpoints" / "best.pt")["model"])
    elif select == "last":
        path = directory / "checkpoints" / "last.pt"
        state = load_checkpoint(path).get("state", {})
        if "model" not in state:
            raise CheckpointError(f"{path} holds no state of the model.")
        model.load_state_dict(state["model"])
        finish(model)
    else:
        raise UsageError(f"select must be best or last, got {select!r}.")
