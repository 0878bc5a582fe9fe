"""``mlzoo report RUN…``."""

from __future__ import annotations

from pathlib import Path

import click

from mlzoo.cli.output import installed, json_option, print_json


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--format", "form", type=click.Choice(["table", "md", "csv"]), default="table", help="[table]"
)
@click.option("--split", default="test", help="split to compare  [test]")
@click.option(
    "--figures",
    type=click.Path(file_okay=False, path_type=Path),
    help="draw the models' figures there",
)
@json_option
def report(
    runs: tuple[Path, ...], form: str, split: str, figures: Path | None, as_json: bool
) -> None:
    """Compare finished runs: RUNS are run folders, or folders that hold them.

    Runs that differ only in their seed become one column: mean ± standard deviation.
    """
    from mlzoo.cli.results import show_table
    from mlzoo.report.table import group_runs, summarise, to_csv, to_markdown
    from mlzoo.run_directory import find_runs

    installed()
    records = list(find_runs(runs))
    table = summarise(records, split)
    if as_json:
        print_json(
            [
                {
                    "label": group.label,
                    "seeds": group.seeds,
                    "config": group.first.config,
                    "runs": [{"directory": str(r.directory), **r.results} for r in group.runs],
                }
                for group in group_runs(records)
            ]
        )
    elif form == "md":
        click.echo(to_markdown(table), nl=False)
    elif form == "csv":
        click.echo(to_csv(records), nl=False)
    else:
        show_table(table)
    if figures:
        _draw(records, figures)


def _draw(records: list, folder: Path) -> None:  # type: ignore[type-arg]
    """Each model's figures over all its finished runs."""
    from mlzoo.registry import registry
    from mlzoo.report.figures import draw

    done = [record for record in records if record.results]
    for name in dict.fromkeys(record.results["model"] for record in done):
        mine = [record for record in done if record.results["model"] == name]
        for problem in draw(registry().model(name), mine, folder):
            click.echo(f"mlzoo: warning: {problem}", err=True)
    for picture in sorted(folder.glob("*.png")):
        click.echo(f"figure  {picture}", err=True)
