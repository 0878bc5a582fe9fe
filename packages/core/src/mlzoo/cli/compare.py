"""``mlzoo compare RUN RUN``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlzoo.cli import completion
from mlzoo.cli.output import installed, json_option, print_json, print_table
from mlzoo.errors import MlzooError, PluginError, UsageError, did_you_mean

if TYPE_CHECKING:
    from mlzoo.report.differences import Differences, Fact, MetricPair
    from mlzoo.report.paired import Comparison
    from mlzoo.run_directory import RunRecord

FEW = 3
"""So many differences are told in one line."""

WIDEST = 48
"""Letters of a cell."""


@click.command()
@click.argument(
    "one", metavar="RUN", type=click.Path(path_type=Path), shell_complete=completion.runs
)
@click.argument(
    "other", metavar="RUN", type=click.Path(path_type=Path), shell_complete=completion.runs
)
@click.option("--split", default="test", help="split to compare  [test]")
@click.option("--all", "details", is_flag=True, help="With every metric, details too.")
@click.option("--full", is_flag=True, help="With what is equal, and the metrics of all splits.")
@json_option
def compare(one: Path, other: Path, split: str, details: bool, full: bool, as_json: bool) -> None:
    """Show what differs between two finished runs, and test whether by more than chance.

    Options with their sources, versions, code, machine and data; metrics side by side; and, on the samples
    that both runs predicted, the paired test that the task's evaluators name. Where there can be none, a line
    says why.
    """
    from mlzoo.report.differences import differences

    installed()
    records = (_one_run(one), _one_run(other))
    found = differences(*records)
    _require_scored(records, split)
    tests, reason, broken = _tests(records, split)
    if as_json:
        _print_as_json(records, split, found, tests, reason, full)
    else:
        _show_runs(records)
        _show_differences(found, full)
        _show_metrics(found, split, details, full)
        for warning in found.warnings:
            click.echo(warning)
        _show_tests(tests, split)
        if reason:
            click.echo(f"\nno paired test: {reason}")
        if any(record.results["data"]["limited"] for record in records):
            click.echo("--limit was used: a try, not a result")
    if broken:
        raise broken


def _one_run(path: Path) -> RunRecord:
    """The run at or below a folder, if it is the only one."""
    from mlzoo.run_directory import find_runs

    found = list(find_runs([path]))
    if len(found) > 1:
        raise UsageError(f"{path} holds {len(found)} runs.", "Name the folder of one.")
    return found[0]


def _require_scored(records: Sequence[RunRecord], split: str) -> None:
    known = dict.fromkeys(name for run in records for name in run.results["metrics"])
    if split not in known:
        raise UsageError(f"neither run scored a split {split!r}.", did_you_mean(split, known))


def _tests(
    records: tuple[RunRecord, RunRecord], split: str
) -> tuple[list[Comparison], str, PluginError | None]:
    """The paired tests, or why there are none, and the fault of a plugin."""
    from mlzoo.report.paired import compare_runs

    try:
        return compare_runs(*records, split), "", None
    except PluginError as error:
        return [], " ".join(str(error).split()), error
    except MlzooError as error:
        return [], " ".join(str(error).split()), None


def _print_as_json(
    records: Sequence[RunRecord],
    split: str,
    found: Differences,
    tests: Sequence[Comparison],
    reason: str,
    full: bool,
) -> None:
    from mlzoo.report.paired import LEVEL

    told = [
        {
            "evaluator": each.evaluator,
            "test": each.test,
            "p": each.p,
            "distinguishable": each.distinguishable,
            **each.facts,
        }
        for each in tests
    ]
    print_json(
        {
            "split": split,
            "runs": [str(record.directory) for record in records],
            **found.to_json(full=full),
            "level": LEVEL,
            "tests": told,
            "not_tested": reason,
        }
    )


def _show_runs(records: Sequence[RunRecord]) -> None:
    for name, record in zip(("one", "other"), records, strict=True):
        results = record.results
        click.echo(f"{name:<6} {results['model']}, seed {results['seed']}: {record.directory}")


def _show_differences(found: Differences, full: bool) -> None:
    from mlzoo.report.differences import TIMES

    names = found.names
    if not full and len(names) <= FEW:
        what = " and ".join([", ".join(names)] if names else ["times"])
        and_metrics = "" if found.metrics_differ else "; all metrics are equal"
        click.echo(f"nothing differs but {what}{and_metrics}")
    for section, facts in found.sections.items():
        shown = [fact for fact in facts if full or fact.differs]
        if section == TIMES and not full:
            shown = [fact for fact in shown if fact.name in ("seconds", "peak_memory_mb")]
        alone = [] if full else [fact for fact in shown if not fact.shared]
        if section in ("options", "installed", "data"):  # of other models they are many
            shown = [fact for fact in shown if fact not in alone]
        else:
            alone = []
        if shown:
            rows = [[_bare(f.name), *_cells(f)] for f in shown]
            click.echo()
            print_table([section, "one", "other"], rows)
        if alone:
            click.echo(f"{'' if shown else chr(10)}{section} of one run alone: {_named(alone)}")


def _named(facts: Sequence[Fact]) -> str:
    names = [_bare(fact.name) for fact in facts]
    few = ", ".join(names[:FEW])
    return few if len(names) <= FEW else f"{few} and {len(names) - FEW} more (--full)"


def _cells(fact: Fact) -> list[str]:
    from mlzoo.report.differences import ABSENT

    cells = []
    for value, source in zip((fact.one, fact.other), fact.sources, strict=True):
        if value is ABSENT:
            cells.append("-")
        else:
            cells.append(_bare(_text(value)) + (f"  ({_bare(source)})" if source else ""))
    return cells


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def _bare(text: str) -> str:
    """Short and printable: folders of runs are others' files."""
    shown = "".join(letter if letter.isprintable() else " " for letter in text)
    return shown if len(shown) <= WIDEST else shown[: WIDEST - 1] + "…"


def _show_metrics(found: Differences, split: str, details: bool, full: bool) -> None:
    alone = found.splits_of_one

    def asked(pair: MetricPair) -> bool:
        of_split = pair.split.partition("@")[0] == split.partition("@")[0]
        return full or (of_split and pair.split not in alone)

    known = [p for p in found.metrics if p.one is not None or p.other is not None]
    kept = [p for p in known if details or (p.spec is not None and not p.spec.detail)]
    shown = [pair for pair in kept if asked(pair)]
    if shown:
        click.echo()
        heads = ["split", "metric", "one", "other", "difference"]
        print_table(heads, [_row(pair) for pair in shown], numeric=[2, 3, 4])
    if others := list(dict.fromkeys(pair.split for pair in kept if not asked(pair))):
        click.echo(f"metrics of {', '.join(others)}: --full")
    if hidden := sum(asked(p) for p in known) - len(shown):
        click.echo(f"{hidden} more metrics in detail: --all")


def _row(pair: MetricPair) -> list[str]:
    from mlzoo.report.numbers import format_metric

    unit = pair.spec.unit if pair.spec else ""
    split = f"{pair.split}, selected on val" if pair.honest else pair.split
    digits = 1 if unit == "%" else 4
    difference = "-" if pair.difference is None else f"{pair.difference:+.{digits}f}"
    name = f"{pair.metric} {unit}".strip()
    values = [format_metric(value, unit) for value in (pair.one, pair.other)]
    return [_bare(split), _bare(name), *values, difference]


def _show_tests(found: Sequence[Comparison], split: str) -> None:
    from mlzoo.report.paired import LEVEL

    for each in found:
        title = f"\n{each.evaluator} on {split}: {each.test}"
        rows = [[name, _cell(value)] for name, value in each.facts.items()]
        print_table(["measure", "value"], [*rows, ["p", _cell(each.p)]], title=title, numeric=[1])
        verdict = "distinguishable" if each.distinguishable else "not distinguishable"
        click.echo(f"{verdict} at {100 * LEVEL:g} %")


def _cell(value: str | float) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
