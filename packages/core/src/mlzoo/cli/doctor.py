"""``mlzoo doctor``: is everything here that a run needs?"""

from __future__ import annotations

from pathlib import Path

import click

from mlzoo.cli.output import json_option, print_json


@click.command()
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="data root  [MLZOO_DATA or the user's data folder]",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("runs"),
    help="where runs are kept  [runs]",
)
@click.option("--verify", is_flag=True, help="Compare the checksums of data files too.")
@click.option("--traceback", is_flag=True, help="Show where broken plugins failed.")
@json_option
def doctor(data_dir: Path | None, out: Path, verify: bool, traceback: bool, as_json: bool) -> None:
    """Look for trouble: Python, torch, devices, plugins, data, folders. Exit 1 if there is some."""
    from mlzoo.diagnosis import diagnose

    findings = []
    for finding in diagnose(data_dir, out, verify=verify):
        findings.append(finding)
        if as_json:
            continue
        click.echo(f"{finding.level:<8}{finding.name}: {finding.detail}")
        if finding.fix:
            click.echo(f"        {finding.fix}")
        if traceback and finding.trace:
            click.echo(finding.trace.rstrip())
    trouble = sum(finding.level == "trouble" for finding in findings)
    if as_json:
        rows = [finding.to_json(with_trace=traceback) for finding in findings]
        print_json({"ok": not trouble, "findings": rows})
    else:
        click.echo("no trouble" if not trouble else f"trouble: {trouble}")
    if trouble:
        raise click.exceptions.Exit(1)
