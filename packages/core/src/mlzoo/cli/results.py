"""How results are shown: metrics by split, with chance level and ceiling beside them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import click

from mlzoo.cli.output import print_table
from mlzoo.experiment import Result
from mlzoo.report.numbers import format_metric, reference_text
from mlzoo.report.table import Table, summarise
from mlzoo.run_directory import RunRecord
from mlzoo.specs import IMPORTED, Metric


def show_result(result: Result, metrics: Mapping[str, Metric]) -> None:
    """One run: a table of splits and views, and what it may be compared with."""
    results = result.results
    selection = results["selection"]
    numbers = {**results["data"].get("repeat", {}), "seed": results["seed"]}
    repetition = ", ".join(f"{name} {number}" for name, number in numbers.items())
    chosen = f"epoch {selection['epoch']} ({selection['label']})"
    if selection["rule"] == IMPORTED:
        chosen = f"{selection['label']} ({results['weights']['file']})"
    title = f"{results['model']} on {results['dataset']}, {repetition}: {chosen}"
    show_metrics(result.metrics, metrics, results["references"], title)
    show_hidden(results["data"].get("hidden", ()), result.metrics)
    if "honest" in results:
        _show_inflation(results, metrics)
    _show_published(results)
    if results["data"]["limited"]:
        click.echo("--limit was used: a try, not a result")
    click.echo(f"kept in {result.directory}")
    for figure in sorted((result.directory / "figures").glob("*.png")):
        click.echo(f"figure  {figure}")


def _show_published(results: Mapping[str, Any]) -> None:
    """A line for each published number; those that speak of something else share one."""
    reasons: dict[str, list[str]] = {}
    for number in results["published"]:
        if number["verdict"] == "not comparable":
            reasons.setdefault(number["reason"], []).append(number["metric"])
            continue
        mark = "verified" if number["verified"] else "unverified"
        click.echo(
            f"published {number['metric']} {number['published']:g} ({mark}, {number['source']}): "
            f"{number['verdict']}"
        )
    for reason, of in reasons.items():
        count = f"{len(of)} number{'s' if len(of) > 1 else ''}"
        click.echo(f"published: {count} not comparable ({reason}); mlzoo info {results['model']}")


def show_metrics(
    by_split: Mapping[str, Mapping[str, float]],
    metrics: Mapping[str, Metric],
    references: Mapping[str, Mapping[str, float]],
    title: str,
) -> None:
    """Rows are metrics that some split has a value for, columns are splits; chance levels and ceilings
    stand at the end. How many details were left out is said below."""
    splits = list(by_split)
    has_value = {n for values in by_split.values() for n, v in values.items() if _is_there(v)}
    known = [name for name in metrics if name in has_value]
    shown = [name for name in known if not metrics[name].detail]
    rows = [
        [
            _with_unit(name, metrics[name].unit),
            *(format_metric(by_split[split].get(name), metrics[name].unit) for split in splits),
            reference_text(references.get(name, {}), metrics[name].unit),
        ]
        for name in shown
    ]
    numbers = range(1, 1 + len(splits))
    print_table(["metric", *splits, "reference"], rows, title=title, numeric=numbers)
    if len(shown) < len(known):
        click.echo(f"{len(known) - len(shown)} more metrics in detail: mlzoo report RUN --all")


def show_hidden(hidden: Collection[str], by_split: Mapping[str, Mapping[str, float]]) -> None:
    """A line for each split that was predicted and could not be scored."""
    for split in hidden:
        if split in by_split:
            click.echo(f"{split}: its labels are hidden; its predictions are stored, not scored")


def _is_there(value: float | None) -> bool:
    return value is not None and value == value  # NaN is not


def _with_unit(name: str, unit: str) -> str:
    return f"{name} {unit}".strip()


def _show_inflation(results: Mapping[str, Any], metrics: Mapping[str, Metric]) -> None:
    honest = results["honest"]
    rows = [
        [
            name,
            format_metric(results["metrics"]["test"][name], metrics[name].unit),
            format_metric(honest["metrics"]["test"][name], metrics[name].unit),
            format_metric(honest["selection_inflation"][name], metrics[name].unit),
        ]
        for name, value in honest["selection_inflation"].items()
        if _is_there(value)
    ]
    heads = ["test metric", "selected on test data", "selected on val", "selection inflation"]
    click.echo()
    print_table(heads, rows, numeric=range(1, len(heads)))


def show_table(table: Table) -> None:
    """A table of means with its notes below."""
    numbers = range(1, len(table.columns) - 1)
    print_table(table.columns, table.rows, title=table.title, numeric=numbers)
    for note in table.notes:
        click.echo(note)


def show_seeds(results: Sequence[Result]) -> None:
    """Several runs of one experiment: mean and spread over seeds, and over splits if there are some."""
    table = summarise([RunRecord(result.directory) for result in results])
    show_table(table)
    click.echo(f"kept in {results[0].directory.parent}")
