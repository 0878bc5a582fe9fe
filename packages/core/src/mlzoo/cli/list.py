"""``mlzoo list``: what is installed, without importing any of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import click

from mlzoo.cli import completion
from mlzoo.cli.output import check_task, installed, json_option, print_json, print_table
from mlzoo.plugins import Registered
from mlzoo.registry import Registry
from mlzoo.specs import DatasetSpec

KINDS = ("models", "datasets", "evaluators", "plugins")


@click.command("list")
@click.argument("kind", type=click.Choice(KINDS), required=False)
@click.option("--task", help="Only what works on this task.", shell_complete=completion.tasks)
@json_option
def list_command(kind: str | None, task: str | None, as_json: bool) -> None:
    """List what is installed: models, datasets, evaluators, plugins."""
    reg = installed()
    check_task(reg, task)
    kinds = [kind] if kind else [k for k in KINDS if k != "evaluators"]
    content = {k: _ROWS[k](reg, task) for k in kinds}
    if as_json:
        print_json(content[kind] if kind else content)
        return
    for number, name in enumerate(kinds):
        if number:
            click.echo()
        if not content[name]:
            click.echo(f"no {name}" + (f" for {task}" if task else ""))
            continue
        columns = list(content[name][0])
        rows = [[str(row[c]) for c in columns] for row in content[name]]
        print_table([name.removesuffix("s"), *columns[1:]], rows)


def _models(reg: Registry, task: str | None) -> list[dict[str, Any]]:
    return [
        {
            "name": r.spec.name,
            "task": r.spec.task,
            "default dataset": r.spec.default_dataset,
            "summary": r.spec.summary,
            "from": str(r.plugin),
        }
        for r in _of_task(reg.models, task)
    ]


def _file_count(spec: DatasetSpec) -> str:
    """``3``, or ``1 or 2`` where there are two layouts."""
    if spec.embedded:
        return "none (embedded)"
    counts = Counter(file.layout for file in spec.files)
    always = counts.pop("", 0)
    return " or ".join(str(always + count) for count in counts.values()) or str(always)


def _datasets(reg: Registry, task: str | None) -> list[dict[str, Any]]:
    return [
        {
            "name": r.spec.name,
            "task": r.spec.task,
            "files": _file_count(r.spec),
            "summary": r.spec.summary,
            "from": str(r.plugin),
        }
        for r in _of_task(reg.datasets, task)
    ]


def _evaluators(reg: Registry, task: str | None) -> list[dict[str, Any]]:
    return [
        {
            "name": r.spec.name,
            "task": r.spec.task,
            "metrics": ", ".join(r.spec.metrics),
            "version": r.spec.version,
            "from": str(r.plugin),
        }
        for r in _of_task(reg.evaluators, task)
    ]


def plugin_rows(reg: Registry) -> list[dict[str, str]]:
    """One row a plugin: its version, the range of mlzoo-core it declares, whether it is in use."""
    reasons = {f.plugin: f for f in reversed(reg.failures)}  # the first of each
    skipped = dict.fromkeys(f.plugin for f in reg.failures if f.skipped)
    rows = []
    for plugin in [*reg.plugins, *skipped]:
        failure = reasons.get(plugin)
        status = "ok"
        if failure is not None:
            status = f"{'skipped' if failure.skipped else 'needs a look'}: {failure.reason}"
        rows.append(
            {
                "name": plugin.name,
                "distribution": plugin.distribution,
                "version": plugin.version,
                "needs core": plugin.core_range or "any (undeclared)",
                "status": status,
            }
        )
    return rows


def _plugins(reg: Registry, task: str | None) -> list[dict[str, str]]:
    if task is None:
        return plugin_rows(reg)
    entries = _of_task([*reg.models, *reg.datasets, *reg.evaluators], task)
    used = {entry.plugin.name for entry in entries}
    return [row for row in plugin_rows(reg) if row["name"] in used]


def _of_task(entries: Sequence[Registered], task: str | None) -> list[Registered]:
    return [r for r in entries if task is None or r.spec.task == task]


_ROWS: dict[str, Callable[[Registry, str | None], list[dict[str, Any]]]] = {
    "models": _models,
    "datasets": _datasets,
    "evaluators": _evaluators,
    "plugins": _plugins,
}
