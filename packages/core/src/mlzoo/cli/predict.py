"""``mlzoo predict RUN INPUT...``; a model may have options of its own."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlzoo.cli import completion
from mlzoo.cli.options import OptionsCommand, config_options, given_values
from mlzoo.cli.output import installed, json_option
from mlzoo.errors import MlzooError, UsageError

if TYPE_CHECKING:
    from mlzoo.config import OptionSet

OPTIONS = "mlzoo.cli.predict.options"


class PredictCommand(OptionsCommand):
    """Has the options of the model whose run is named, as soon as it is."""

    general = "General"

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            with redirect_stdout(
                sys.stderr
            ):  # what a plugin prints is neither help nor a prediction
                ctx.meta[OPTIONS] = self._options_of_model(args)
        except MlzooError:
            if not ctx.resilient_parsing:  # i.e. unless words are completed
                raise
        return super().parse_args(ctx, args)

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        own = ctx.meta.get(OPTIONS)
        return [*super().get_params(ctx), *(own[1] if own else ())]

    def _options_of_model(self, args: Sequence[str]) -> tuple[OptionSet, list[click.Option]] | None:
        from mlzoo.planning import predict_options
        from mlzoo.run_directory import RunInfo, RunRecord

        run = self._run_among(args)
        if run is None:
            return None
        RunInfo.read(run)
        model = str(RunRecord(run).config.get("model"))
        options = predict_options(installed().model(model))
        if options is None:
            return None
        return options, config_options(options, options.resolve([]), model, "")

    def _run_among(self, args: Sequence[str]) -> Path | None:
        """The first word that is a run, else the first that can be meant as one. The options of a model
        are not known yet, so the value of one of them may come before."""
        own = [param for param in self.params if isinstance(param, click.Option)]
        valued = {flag for option in own if not option.is_flag for flag in option.opts}
        found = [
            Path(word)
            for before, word in zip(("", *args), args, strict=False)
            if before not in valued and not word.startswith("-")
        ]
        runs = (path for path in found if (path / "run.json").is_file())
        return next(runs, found[0] if found else None)


@click.command(cls=PredictCommand)
@click.argument("run", type=click.Path(path_type=Path), shell_complete=completion.runs)
@click.argument(
    "inputs", metavar="[INPUT...]", nargs=-1, required=False, type=click.Path(path_type=Path)
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
@click.pass_context
def predict(
    ctx: click.Context,
    /,
    run: Path,
    inputs: tuple[Path, ...],
    out: Path | None,
    force: bool,
    device: str,
    data_dir: Path | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Predict new inputs with the finished run in the folder RUN, as csv (or JSON).

    The weights are those that were scored. What an INPUT may be, the model's page says, and the model
    may have options: `mlzoo predict RUN --help` lists them. Nothing in RUN changes; warnings go to
    standard error.
    """
    from mlzoo import experiment
    from mlzoo.files import json_text
    from mlzoo.prediction import csv_text, records, write_text

    installed()
    if out is not None:
        _check_out(out, inputs, force)
    own = ctx.meta.get(OPTIONS)
    options = given_values(own[0], given) if own else {}
    columns = experiment.predict(run, inputs, device=device, data_dir=data_dir, **options)
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
