"""``mlzoo compare RUN RUN``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlzoo.cli import completion
from mlzoo.cli.output import installed, json_option, print_json, print_table
from mlzoo.errors import UsageError

if TYPE_CHECKING:
    from mlzoo.report.paired import Comparison, Fact
    from mlzoo.run_directory import RunRecord


@click.command()
@click.argument(
    "one", metavar="RUN", type=click.Path(path_type=Path), shell_complete=completion.runs
)
@click.argument(
    "other", metavar="RUN", type=click.Path(path_type=Path), shell_complete=completion.runs
)
@click.option("--split", default="test", help="split to compare  [test]")
@json_option
def compare(one: Path, other: Path, split: str, as_json: bool) -> None:
    """Test whether two finished runs differ by more than chance on the samples that both predicted.

    The test is the one that the task's evaluators name; both runs must be on the same data.
    """
    from mlzoo.report.paired import LEVEL, compare_runs

    installed()
    records = (_one_run(one), _one_run(other))
    found = compare_runs(*records, split)
    if as_json:
        print_json(
            {
                "split": split,
                "runs": [str(record.directory) for record in records],
                "level": LEVEL,
                "tests": [
                    {
                        "evaluator": each.evaluator,
                        "test": each.test,
                        "p": each.p,
                        "distinguishable": each.distinguishable,
                        **each.facts,
                    }
                    for each in found
                ],
            }
        )
        return
    for name, record in zip(("one", "other"), records, strict=True):
        results = record.results
        click.echo(f"{name:<6} {results['model']}, seed {results['seed']}: {record.directory}")
    _show(found, split, LEVEL)
    if any(record.results["data"]["limited"] for record in records):
        click.echo("--limit was used: a try, not a result")


def _one_run(path: Path) -> RunRecord:
    """The run at or below a folder, if it is the only one."""
    from mlzoo.run_directory import find_runs

    found = list(find_runs([path]))
    if len(found) > 1:
        raise UsageError(f"{path} holds {len(found)} runs.", "Name the folder of one.")
    return found[0]


def _show(found: Sequence[Comparison], split: str, level: float) -> None:
    for each in found:
        title = f"\n{each.evaluator} on {split}: {each.test}"
        rows = [[name, _cell(value)] for name, value in each.facts.items()]
        print_table(["measure", "value"], [*rows, ["p", _cell(each.p)]], title=title, numeric=[1])
        verdict = "distinguishable" if each.distinguishable else "not distinguishable"
        click.echo(f"{verdict} at {100 * level:g} %")


def _cell(value: Fact) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
