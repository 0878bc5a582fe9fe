"""``mlzoo plugin``: begin a plugin, check one, see what is wrong with those installed."""

from __future__ import annotations

from pathlib import Path
from shlex import quote

import click

from mlzoo.cli import completion
from mlzoo.cli.list import plugin_rows
from mlzoo.cli.output import installed, json_option, print_json, print_table


@click.group()
def plugin() -> None:
    """Begin a plugin, check one, see what is wrong with those installed."""


@plugin.command()
@click.argument("name")
@click.option(
    "--dir",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    help="where the new folder goes  [here]",
)
def new(name: str, folder: Path) -> None:
    """Write a small working package, mlzoo-NAME, to start from."""
    from mlzoo.scaffold import create_plugin, plugin_name

    name = plugin_name(name, {entry.spec.name for entry in installed().models})
    made = create_plugin(name, folder)
    click.echo(f"written to {made}")
    click.echo(f"next: python -m pip install -e {quote(str(made))}, then mlzoo run {name}")


@plugin.command()
@click.argument("target", metavar="DIST|PATH", shell_complete=completion.plugins)
@json_option
def check(target: str, as_json: bool) -> None:
    """Run the contract suite over an installed distribution, or over a source folder.

    Exit 1 if a check fails.
    """
    from mlzoo.plugin_check import check as check_target
    from mlzoo.plugin_check import find_target

    found = find_target(target)
    outcomes = []
    for outcome in check_target(found):
        outcomes.append(outcome)
        if not as_json:
            click.echo(f"{'ok    ' if outcome.ok else 'FAILED'}  {outcome.check}")
            for line in outcome.reason.splitlines():
                click.echo(f"        {line}")
    failed = sum(not outcome.ok for outcome in outcomes)
    ok = bool(outcomes) and not failed
    if as_json:
        checks = [vars(outcome) for outcome in outcomes]
        print_json({"distribution": found.distribution, "ok": ok, "checks": checks})
    else:
        click.echo(f"{found.distribution}: {len(outcomes)} checks, {failed} failed")
    if not ok:
        raise click.exceptions.Exit(1)


@plugin.command("list")
@click.option("--traceback", "-v", is_flag=True, help="Show where each broken plugin failed.")
@json_option
def list_plugins(traceback: bool, as_json: bool) -> None:
    """List the plugins with what is wrong with them, and the line that removes a broken one."""
    from mlzoo.registry import registry

    reg = registry()  # not installed(): its warnings would say everything twice
    rows = plugin_rows(reg)
    if as_json:
        traces = [
            {"distribution": f.plugin.distribution, "reason": f.reason, "fix": f.fix}
            | ({"traceback": f.trace} if traceback else {})
            for f in reg.failures
        ]
        print_json({"plugins": rows, "failures": traces})
        return
    if not rows:
        click.echo("no plugins; install one: python -m pip install mlzoo-mdn")
        return
    columns = list(rows[0])
    print_table(["plugin", *columns[1:]], [list(row.values()) for row in rows])
    for failure in reg.failures:
        click.echo(f"\n{failure}")
        if traceback and failure.trace:
            click.echo(failure.trace.rstrip())
