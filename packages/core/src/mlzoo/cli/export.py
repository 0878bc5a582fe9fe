"""``mlzoo export RUN --to FORMAT``."""

from __future__ import annotations

from pathlib import Path

import click

from mlzoo.cli import completion
from mlzoo.cli.output import installed, json_option, print_json
from mlzoo.export import FORMATS


@click.command(
    epilog="\b\nFormats:\n" + "\n".join(f"  {name:<12} {what}" for name, what in FORMATS.items())
)
@click.argument("run", type=click.Path(path_type=Path), shell_complete=completion.runs)
@click.option(
    "--to",
    "form",
    metavar="FORMAT",
    required=True,
    help=", ".join(FORMATS),
    shell_complete=completion.words(FORMATS),
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="a folder, or for one file its name  [a folder here, called like the run]",
)
@click.option("--force", is_flag=True, help="Replace files that are there.")
@click.option("--licence", metavar="NAME", help="of the weights, for hf-card, e.g. apache-2.0")
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="data root of what RUN was trained with, for onnx  [the run's own]",
)
@json_option
def export(
    run: Path,
    form: str,
    out: Path | None,
    force: bool,
    licence: str | None,
    data_dir: Path | None,
    as_json: bool,
) -> None:
    """Write the finished run in the folder RUN in a format of others.

    Nothing in RUN changes. All files are written, or none; what does not give back the run's own numbers
    is not written.
    """
    from mlzoo.export.exporting import export_run

    installed()
    found = export_run(run, form, out=out, force=force, licence=licence, data_dir=data_dir)
    if as_json:
        files = [str(path) for path in found.files]
        print_json({"format": found.format, "files": files, "facts": found.facts})
        return
    for path in found.files:
        click.echo(f"written {path}")
    if "largest_relative_difference" in found.facts:
        gap, places = found.facts["largest_relative_difference"], found.facts["compared_at"]
        click.echo(f"onnxruntime and torch differ by {gap:.1g} at most ({'; '.join(places)})")
