"""``mlzoo resume RUN``."""

from __future__ import annotations

from pathlib import Path

import click

from mlzoo.cli import completion
from mlzoo.cli.output import installed, json_option, print_json, start_job


@click.command()
@click.argument("run", type=click.Path(path_type=Path), shell_complete=completion.unfinished_runs)
@click.option("--device", help="auto, cpu, cuda, ...  [the run's own]")
@click.option("--devices", type=click.IntRange(1), default=1, help="processes, one a device  [1]")
@click.option("--compile/--no-compile", default=None, help="torch.compile  [as the run began]")
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="data root  [the run's own]",
)
@click.option("--stop-after", type=click.IntRange(1), help="stop after N more epochs, resumable")
@click.option(
    "--tensorboard/--no-tensorboard",
    default=None,
    help="TensorBoard events in the run's folder  [as the run began]",
)
@click.option("--no-figures", is_flag=True, help="draw no figures")
@click.option("--quiet", is_flag=True, help="show no progress")
@json_option
def resume(
    run: Path,
    device: str | None,
    devices: int,
    compile: bool | None,
    data_dir: Path | None,
    stop_after: int | None,
    tensorboard: bool | None,
    no_figures: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Go on with the interrupted run in the folder RUN.

    On the same machine the result equals, bit for bit, that of a run that never stopped.
    """
    from mlzoo import experiment
    from mlzoo.cli.results import show_result
    from mlzoo.machine import Machine
    from mlzoo.planning import plan_of
    from mlzoo.progress import default_progress
    from mlzoo.run_directory import RunRecord

    installed()
    if experiment.starts_a_job(Machine(devices=devices)):
        start_job(devices)
        return
    result = experiment.resume(
        run,
        device=device,
        devices=devices,
        compile=compile,
        data_dir=data_dir,
        stop_after=stop_after,
        figures=not no_figures,
        tensorboard=tensorboard,
        progress=default_progress(quiet),
    )
    if as_json:
        print_json({**result.results, "directory": str(result.directory)})
    else:
        show_result(result, plan_of(RunRecord(result.directory)).metrics)
