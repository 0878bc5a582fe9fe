"""``mlzoo weights import MODEL FILE``: published weights become a finished run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from mlzoo.cli.model_commands import (
    ModelGroup,
    choosing_options,
    device_option,
    early_values,
    folder_options,
    path_of,
    showing_options,
)
from mlzoo.cli.options import OptionsCommand, config_options, given_values
from mlzoo.cli.output import installed, print_json
from mlzoo.errors import UsageError
from mlzoo.plugins import Registered

OF_TRAINING = ("select", "precision")
"""Options of a run that say nothing about weights which are trained already."""


@click.group()
def weights() -> None:
    """Weights that others have published."""


class ImportGroup(ModelGroup):
    """The models that import weights."""

    def offered(self) -> list[Registered]:
        return [entry for entry in installed().models if entry.spec.weights is not None]

    def command_of(self, model: str, arguments: Sequence[str]) -> click.Command:
        return _command(model, arguments, [entry.spec.name for entry in self.offered()])


@weights.group(
    "import", cls=ImportGroup, subcommand_metavar="MODEL FILE [OPTIONS]", options_metavar=""
)
def import_group() -> None:
    """Score published weights and keep them as a finished run, which eval, predict and report take.

    Data and options must be those the weights were made for. `mlzoo weights import MODEL --help` lists
    the options.
    """


def _command(model: str, arguments: Sequence[str], others: Sequence[str]) -> click.Command:
    from mlzoo.planning import make_plan, option_set

    spec = installed().model(model).spec
    if spec.weights is None:
        known = f"Models that do: {', '.join(others)}." if others else ""
        raise UsageError(f"{model} imports no weights.", known)
    early = early_values(arguments)
    plan = make_plan(
        model,
        early["dataset"],
        preset=early["preset"],
        config_file=path_of(early["config"]),
        data_dir=path_of(early["data-dir"]),
    )
    options = option_set(plan.model_entry, plan.dataset_entry)

    def callback(file: Path, **params: Any) -> None:
        _import(model, plan.dataset.name, file, given_values(options, params), params)

    offered = config_options(options, plan.options, model, plan.dataset.name)
    return OptionsCommand(
        model,
        callback=callback,
        help=f"Weights of {model} ({spec.summary}) from FILE.\n\n"
        f"Dataset: {plan.dataset.name} ({plan.dataset.summary}).",
        params=[
            click.Argument(["file"], type=click.Path(path_type=Path)),
            *choosing_options([*spec.variants(plan.dataset.name)]),
            device_option(),
            *folder_options(),
            *showing_options(),
            *(option for option in offered if option.name not in OF_TRAINING),
        ],
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    )


def _import(
    model: str, dataset: str, file: Path, given: dict[str, Any], params: dict[str, Any]
) -> None:
    from mlzoo.cli.results import show_result
    from mlzoo.experiment import import_weights
    from mlzoo.planning import plan_of
    from mlzoo.progress import default_progress
    from mlzoo.run_directory import RunRecord

    if not params["dataset"] and not params["config"] and not params["quiet"]:
        click.echo(f"no --dataset given: {model} is built for its default, {dataset}", err=True)
    result = import_weights(
        model,
        file,
        dataset=dataset,
        preset=params["preset"],
        config=params["config"],
        device=params["device"],
        data_dir=params["data_dir"],
        out=params["out"],
        figures=not params["no_figures"],
        progress=default_progress(params["quiet"]),
        **given,
    )
    if params["as_json"]:
        print_json({**result.results, "directory": str(result.directory)})
    else:
        show_result(result, plan_of(RunRecord(result.directory)).metrics)
