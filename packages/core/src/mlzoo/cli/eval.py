"""``mlzoo eval RUN``."""

from __future__ import annotations

from pathlib import Path

import click

from mlzoo.cli import completion
from mlzoo.cli.output import installed, json_option, print_json


@click.command("eval")
@click.argument("run", type=click.Path(path_type=Path), shell_complete=completion.runs)
@click.option(
    "--dataset",
    metavar="NAME",
    help="another dataset of the same task",
    shell_complete=completion.datasets,
)
@click.option(
    "--evaluator",
    metavar="NAME",
    help="only this evaluator",
    shell_complete=completion.evaluators,
)
@click.option(
    "--select", type=click.Choice(["best", "last"]), default="best", help="checkpoint  [best]"
)
@click.option("--device", default="auto", help="auto, cpu, cuda, ...  [auto]")
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="data root  [the run's own]",
)
@json_option
def evaluate(
    run: Path,
    dataset: str | None,
    evaluator: str | None,
    select: str,
    device: str,
    data_dir: Path | None,
    as_json: bool,
) -> None:
    """Score the finished run in the folder RUN again, from its checkpoint.

    Nothing in the folder changes. Without --dataset the numbers equal those of its results.json.
    """
    from mlzoo import experiment
    from mlzoo.cli.results import show_hidden, show_metrics
    from mlzoo.planning import plan_of
    from mlzoo.run_directory import RunRecord

    installed()
    metrics = experiment.evaluate(
        run, dataset=dataset, evaluator=evaluator, select=select, device=device, data_dir=data_dir
    )
    if as_json:
        print_json(metrics)
        return
    record = RunRecord(run)
    plan = plan_of(record, data_dir)
    own = dataset is None or dataset == plan.dataset.name
    title = f"{plan.model.name} of {run} on {dataset or plan.dataset.name}, {select} checkpoint"
    references = record.results.get("references", {}) if own else {}
    show_metrics(metrics, plan.metrics, references, title)
    if own:
        show_hidden(record.results.get("data", {}).get("hidden", ()), metrics)
