"""``mlzoo rescore RUN…``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlzoo.cli import completion
from mlzoo.cli.output import installed, json_option, print_json, print_table
from mlzoo.errors import MlzooError, RunError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlzoo.rescored import Rescored
    from mlzoo.specs import Metric


@click.command()
@click.argument(
    "runs", nargs=-1, required=True, type=click.Path(path_type=Path), shell_complete=completion.runs
)
@click.option(
    "--evaluator",
    metavar="NAME",
    help="only this evaluator's metrics  [all of the task]",
    shell_complete=completion.evaluators,
)
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="data root  [the run's own]",
)
@click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
@json_option
def rescore(
    runs: tuple[Path, ...],
    evaluator: str | None,
    data_dir: Path | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Score finished runs again from their stored predictions, with the installed evaluators.

    RUNS are run folders, or folders that hold them. No model and no checkpoint is needed, but the data of
    the run is. Metrics, references, verdicts and tables are made anew; results.json keeps the former values
    and versions. Where nothing changes nothing is written.
    """
    from mlzoo.report.reading import read_runs
    from mlzoo.rescoring import rescore_each

    reg = installed()
    if evaluator and evaluator.rpartition("/")[2] not in {e.spec.name for e in reg.evaluators}:
        reg.evaluator(evaluator)  # no run has it: says which are known
    found = read_runs(runs)
    failed = len(found.left_out)
    for left in found.left_out:
        click.echo(f"mlzoo: error: {left}", err=True)
    told: list[dict[str, Any]] = []
    folders = [record.directory for record in found.records]
    given = {"evaluator": evaluator, "data_dir": data_dir, "dry_run": dry_run}
    for directory, outcome in rescore_each(folders, **given):  # type: ignore[arg-type]
        if isinstance(outcome, MlzooError):
            failed += 1
            click.echo(f"mlzoo: error: {directory}: {outcome}", err=True)
        elif as_json:
            told.append(_json_of(outcome, dry_run))
        else:
            _show(outcome, dry_run)
        for warning in [] if isinstance(outcome, MlzooError) else outcome.warnings:
            click.echo(f"mlzoo: warning: {directory}: {warning}", err=True)
    if as_json:
        print_json(told)
    if failed:
        raise RunError(
            f"{failed} of {len(folders) + len(found.left_out)} could not be scored again."
        )


def _json_of(found: Rescored, dry_run: bool) -> dict[str, Any]:
    return {
        "directory": str(found.directory),
        "changed": found.changed,
        "written": found.changed and not dry_run,
        "evaluators": {n: {"from": old, "to": new} for n, (old, new) in found.versions.items()},
        "changes": [
            {
                "split": change.split,
                "selection": "honest" if change.honest else "selected",
                "metric": change.metric,
                "old": change.old,
                "new": change.new,
                "difference": change.difference,
            }
            for change in found.changes
        ],
        "verdicts": [
            {"metric": metric, "split": split, "old": old, "new": new}
            for metric, split, old, new in found.verdicts
        ],
        "tables": list(found.tables),
        "metrics": found.results["metrics"],
    }


def _show(found: Rescored, dry_run: bool) -> None:
    versions = ", ".join(
        f"{name} v{new}" if old == new else f"{name} {f'v{old}' if old else 'not yet'} -> v{new}"
        for name, (old, new) in found.versions.items()
    )
    title = f"{found.directory}: {versions}"
    if not found.changed:
        click.echo(f"{title}: nothing changes")
        return
    if found.changes:
        _show_changes(found, title)
    else:
        click.echo(f"{title}: the metrics stay as they are")
    for metric, split, old, new in found.verdicts:
        click.echo(f"published {metric} on {split}: {old} -> {new}")
    if found.tables:
        count = len(found.tables)
        click.echo(f"{count} table{'s' if count > 1 else ''} changed: {', '.join(found.tables)}")
    click.echo("--dry-run: nothing was written" if dry_run else "written")


def _show_changes(found: Rescored, title: str) -> None:
    from mlzoo.report.numbers import format_metric

    specs = _metrics_of(found)
    rows = []
    for change in found.changes:
        unit = specs[change.metric].unit if change.metric in specs else ""
        values = [format_metric(v, unit) for v in (change.old, change.new)]
        split = f"{change.split}, selected on val" if change.honest else change.split
        name = f"{change.metric} {unit}".strip()
        rows.append([split, name, *values, _signed(change.difference)])
    heads = ["split", "metric", "before", "now", "difference"]
    print_table(heads, rows, title=title, numeric=[2, 3, 4])


def _signed(value: float | None) -> str:
    return "-" if value is None else f"{value:+.3g}"


def _metrics_of(found: Rescored) -> Mapping[str, Metric]:
    from mlzoo.registry import registry

    entries = registry().evaluators_for(found.results["task"])
    return {name: metric for entry in entries for name, metric in entry.spec.metrics.items()}
