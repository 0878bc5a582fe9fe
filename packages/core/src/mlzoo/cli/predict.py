"""``mlzoo predict RUN INPUT...``."""

from __future__ import annotations

from pathlib import Path

import click

from mlzoo.cli.output import installed, json_option
from mlzoo.errors import UsageError


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.argument(
    "inputs", metavar="INPUT...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@click.option("--out", type=click.Path(path_type=Path), help="write here  [standard output]")
@click.option("--force", is_flag=True, help="Replace the file that --out names.")
@click.option("--device", default="auto", help="auto, cpu, cuda, ...  [auto]")
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="data root of what RUN was trained with  [the run's own]",
)
@json_option
def predict(
    run: Path,
    inputs: tuple[Path, ...],
    out: Path | None,
    force: bool,
    device: str,
    data_dir: Path | None,
    as_json: bool,
) -> None:
    """Predict new inputs with the finished run in the folder RUN, as csv (or JSON).

    The weights are those that were scored. What an INPUT may be, the model's page says. Nothing in
    RUN changes; warnings go to standard error.
    """
    from mlzoo import experiment
    from mlzoo.files import json_text
    from mlzoo.prediction import csv_text, records, write_text

    installed()
    if out is not None:
        _check_out(out, inputs, force)
    columns = experiment.predict(run, inputs, device=device, data_dir=data_dir)
    text = json_text(records(columns)) if as_json else csv_text(columns)
    if out is None:
        click.echo(text, nl=False)
        return
    write_text(out, text)
    click.echo(f"{len(next(iter(columns.values())))} predictions written to {out}", err=True)


def _check_out(out: Path, inputs: tuple[Path, ...], force: bool) -> None:
    """Refuse what cannot or must not be written, before anything is computed."""
    if not out.parent.is_dir():
        raise UsageError(f"--out: there is no folder {out.parent}.", "Make it first.")
    if out.is_dir():
        raise UsageError(f"--out: {out} is a folder; expected the name of a file.")
    if any(out.resolve() == path.resolve() for path in inputs):
        raise UsageError(f"--out: {out} is an input.", "Choose another name.")
    if out.exists() and not force:
        raise UsageError(
            f"--out: {out} exists.", "Choose another name, or replace it with --force."
        )
