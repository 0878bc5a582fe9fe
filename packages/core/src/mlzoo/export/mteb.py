"""Results in the schema of MTEB, the embedding benchmark: one JSON file for each task of its kind.

The file has the keys of ``mteb.TaskResult``. ``mteb_version`` and ``evaluation_time`` are null, as MTEB
did not run; ``dataset_revision`` is the fingerprint of the data. Names of tasks are our datasets', not
those of MTEB's own tasks, which have copies and splits of their own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from mlzoo.errors import RunError
from mlzoo.export.provenance import FinishedRun, Made
from mlzoo.files import json_text
from mlzoo.planning import Plan
from mlzoo.specs import EvaluatorSpec, Metric, MtebTask

FOLDER = "mteb"


def mteb_files(run: FinishedRun) -> Made:
    """A results file for every task of MTEB's kind that the run has numbers of.

    Raises:
        RunError: the data were limited, or there is no number.
    """
    if run.results["data"]["limited"]:
        raise RunError(
            f"{run.record.directory} used --limit: that is no result for MTEB.",
            "Export a run on all the data.",
        )
    files = {}
    for evaluator in run.plan.evaluators:
        for task in evaluator.mteb:
            scores = _scores(run.results["metrics"], evaluator.metrics, task)
            if scores:
                content = _content(run, evaluator, task, scores)
                files[name_of(run.plan, task)] = json_text(content).encode()
    if not files:
        raise RunError(f"{run.record.directory} has no number that MTEB's schema asks for.")
    return Made(files, {"tasks": len(files)})


def has_tasks(plan: Plan) -> bool:
    """Whether the format makes sense for a run."""
    return any(evaluator.mteb for evaluator in plan.evaluators)


def names(plan: Plan) -> list[str]:
    """Of all files that there may be."""
    return [name_of(plan, task) for evaluator in plan.evaluators for task in evaluator.mteb]


def name_of(plan: Plan, task: MtebTask) -> str:
    """The file of a task."""
    return f"{FOLDER}/{re.sub(r'[^A-Za-z0-9._+-]', '-', _task_name(plan, task))}.json"


def _task_name(plan: Plan, task: MtebTask) -> str:
    return f"{plan.dataset.name}-{task.suffix}" if task.suffix else plan.dataset.name


def _content(
    run: FinishedRun, evaluator: EvaluatorSpec, task: MtebTask, scores: Mapping[str, Any]
) -> dict[str, Any]:
    results = run.results
    selection = results["selection"]
    return {
        "dataset_revision": results["data"]["fingerprint"],
        "task_name": _task_name(run.plan, task),
        "mteb_version": None,
        "scores": scores,
        "evaluation_time": None,
        "kg_co2_emissions": None,
        "date": _timestamp(run.record.info.get("finished")),
        "mlzoo": {  # readers of the schema skip it
            "task_type": task.type,
            "main_score": task.scores[task.main],
            "model": results["model"],
            "seed": results["seed"],
            "selection": selection,
            "evaluator": {evaluator.name: results["evaluators"].get(evaluator.name)},
            "plugins": results["plugins"],
        },
    }


def _scores(
    by_split: Mapping[str, Mapping[str, float | None]],
    metrics: Mapping[str, Metric],
    task: MtebTask,
) -> dict[str, list[dict[str, Any]]]:
    """Fractions in place of percentages; views of a split stand as its subsets."""
    found: dict[str, list[dict[str, Any]]] = {}
    for where, values in by_split.items():
        split, _, view = where.partition("@")
        theirs = {
            name: value / 100 if metrics[ours].unit == "%" else value
            for ours, name in task.scores.items()
            if (value := values.get(ours)) is not None and value == value
        }
        main = theirs.get(task.scores[task.main])
        if main is not None:
            said = {"hf_subset": view or "default", "languages": list(task.languages)}
            found.setdefault(split, []).append({**theirs, "main_score": main, **said})
    return found


def _timestamp(finished: str | None) -> float | None:
    """Seconds since 1970, as MTEB writes a date."""
    try:
        return datetime.strptime(finished or "", "%Y-%m-%dT%H:%M:%S%z").timestamp()
    except ValueError:
        return None
