"""A model card of the Hugging Face hub, made of what the run, the specs and the paper's card say.

The front matter follows the hub's schema for model cards, with the results as ``model-index``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from mlzoo.errors import UsageError
from mlzoo.export.card_sections import sections
from mlzoo.export.provenance import FinishedRun, Made

FILE = "README.md"
UNKNOWN = "unknown"
"""The hub's word for a licence that nobody has stated."""


def card(run: FinishedRun, licence: str | None = None) -> Made:
    """``README.md`` of a repository on the hub.

    Args:
        run: the run.
        licence: of the weights, by the hub's name.

    Raises:
        UsageError: the licence's name cannot be one of the hub's.
    """
    import yaml

    if licence is not None and not re.fullmatch(r"[a-z0-9][a-z0-9.+-]*", licence):
        raise UsageError(
            f"--licence: {licence!r} is no name of the hub's, such as apache-2.0, mit or cc-by-4.0."
        )
    head = yaml.safe_dump(
        front_matter(run, licence or UNKNOWN), sort_keys=False, allow_unicode=True, width=100
    )
    body = "\n\n".join(sections(run, licence))
    text = f"---\n{head}---\n\n{body}\n"
    return Made({FILE: text.encode()}, {"licence": licence or UNKNOWN})


def front_matter(run: FinishedRun, licence: str) -> dict[str, Any]:
    """The metadata block, as plain values."""
    results = run.results
    shown = [name for name, *_ in _numbers(run)]
    return {
        "license": licence,
        "library_name": "mlzoo",
        "tags": list(dict.fromkeys(["mlzoo", results["task"], results["model"]])),
        "datasets": [results["dataset"]],
        "metrics": list(dict.fromkeys(shown)),
        "model-index": [
            {
                "name": f"{results['model']}-{results['dataset']}-s{results['seed']}",
                "results": [
                    _result(run, split, values)
                    for split, values in results["metrics"].items()
                    if list(_of_split(run, values))
                ],
            }
        ],
    }


def _result(run: FinishedRun, split: str, values: Mapping[str, float | None]) -> dict[str, Any]:
    """The numbers of one split; ``revision`` is the data's fingerprint."""
    results = run.results
    return {
        "task": {"type": results["task"]},
        "dataset": {
            "type": results["dataset"],
            "name": run.plan.dataset.summary,
            "split": split,
            "revision": results["data"]["fingerprint"],
        },
        "metrics": [
            {"type": name, "value": value, "name": title}
            for name, value, title in _of_split(run, values)
        ],
    }


def _numbers(run: FinishedRun) -> Iterator[tuple[str, float, str]]:
    for values in run.results["metrics"].values():
        yield from _of_split(run, values)


def _of_split(
    run: FinishedRun, values: Mapping[str, float | None]
) -> Iterator[tuple[str, float, str]]:
    """Name, value and title of the metrics that are no details and have a value."""
    for name, metric in run.plan.metrics.items():
        value = values.get(name)
        if not metric.detail and value is not None and value == value:
            yield (
                name,
                value,
                f"{metric.summary} ({metric.unit})" if metric.unit else metric.summary,
            )
