"""``mlzoo tune MODEL``: the options follow from the model and the dataset, as for a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from mlzoo.cli import completion
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
from mlzoo.cli.output import installed, print_json, print_table
from mlzoo.errors import UsageError

if TYPE_CHECKING:
    from mlzoo.config import OptionSet
    from mlzoo.tuning import Tuned

ON_RESUME = {
    "resume", "trials", "timeout", "device", "data_dir", "no_figures", "quiet", "as_json",
}  # fmt: skip
"""What may be said of a search that goes on."""


class TuneGroup(ModelGroup):
    """The models that are installed."""

    def command_of(self, model: str, arguments: Sequence[str]) -> click.Command:
        return build_command(model, arguments)


@click.group(cls=TuneGroup, subcommand_metavar="MODEL [OPTIONS]")
def tune() -> None:
    """Search for the options that score best on validation data. Test is never looked at.

    Every trial is one training. What is searched is said like --search 'learning_rate=1e-5..1e-2:log'
    --search 'layers=1,2,4'; all other options keep their values. The best options are kept as a config file
    for mlzoo run.
    """


def build_command(model: str, arguments: Sequence[str]) -> click.Command:
    """The command of one model, with the options of the dataset and preset that are asked for."""
    from mlzoo.planning import make_plan, option_set

    installed()
    early = early_values(arguments)
    plan = make_plan(
        model,
        early["dataset"],
        preset=early["preset"],
        config_file=path_of(early["config"]),
        data_dir=path_of(early["data-dir"]),
    )
    options = option_set(plan.model_entry, plan.dataset_entry)

    def callback(**params: Any) -> None:
        start(model, plan.dataset.name, options, params)

    spec = plan.model
    shown = config_options(options, plan.options, model, plan.dataset.name)
    return OptionsCommand(
        model,
        callback=callback,
        help=f"Search for options of {spec.name} ({spec.summary}) on validation data.\n\n"
        f"Dataset: {plan.dataset.name} ({plan.dataset.summary}).",
        params=[
            *_search_options(options),
            *choosing_options([*spec.variants(plan.dataset.name)]),
            device_option(),
            *folder_options(),
            *showing_options(),
            *(option for option in shown if option.name != "select"),  # it is val
        ],
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    )


def _search_options(options: OptionSet) -> list[click.Option]:
    known = [f"{key}=" for key, option in options.options.items() if option.owner == "model"]
    return [
        click.Option(["--trials"], type=click.IntRange(1), help="trainings in all  [20]"),
        click.Option(
            ["--search"],
            multiple=True,
            metavar="NAME=VALUES",
            help="LOW..HIGH, LOW..HIGH:log, or A,B,C (lists: A,B|C); several times  "
            "[learning rates, weight decays and dropout around their values]",
            shell_complete=completion.words(known),
        ),
        click.Option(
            ["--sampler"],
            type=click.Choice(["tpe", "random"]),
            default="tpe",
            help="tpe learns from the trials before  [tpe]",
        ),
        click.Option(
            ["--pruner"],
            type=click.Choice(["median", "none"]),
            default="median",
            help="give up a trial that is worse than half of those before it  [median]",
        ),
        click.Option(
            ["--timeout"], type=float, metavar="SECONDS", help="begin no trial after so long"
        ),
        click.Option(
            ["--resume"],
            type=click.Path(file_okay=False, path_type=Path),
            metavar="DIR",
            help="go on with the search in DIR; --trials may ask for more",
        ),
    ]


def start(model: str, dataset: str, options: OptionSet, params: dict[str, Any]) -> None:
    """Begin a search or go on with one, and show what it found."""
    from mlzoo.progress import default_progress
    from mlzoo.tuning import TRIALS, resume_tuning
    from mlzoo.tuning import tune as search
    from mlzoo.tuning_space import parse_search

    common = {
        "timeout": params["timeout"],
        "data_dir": params["data_dir"],
        "figures": not params["no_figures"],
        "progress": default_progress(params["quiet"]),
    }
    if params["resume"]:
        device = params["device"] if _typed("device") else None
        _require_own(model, params["resume"])
        tuned = resume_tuning(params["resume"], trials=params["trials"], device=device, **common)
    else:
        if not params["dataset"] and not params["config"] and not params["quiet"]:
            click.echo(f"no --dataset given: {model} is tuned on its default, {dataset}", err=True)
        tuned = search(
            model,
            dataset=dataset,
            trials=TRIALS if params["trials"] is None else params["trials"],
            search=parse_search(params["search"]),
            sampler=params["sampler"],
            pruner=params["pruner"],
            preset=params["preset"],
            config=params["config"],
            device=params["device"],
            out=params["out"],
            **common,
            **given_values(options, params),
        )
    _show(tuned, as_json=params["as_json"])


def _typed(name: str) -> bool:
    context = click.get_current_context()
    return context.get_parameter_source(name) is ParameterSource.COMMANDLINE


def _require_own(model: str, directory: Path) -> None:
    """A search that goes on has its own options, and its own model."""
    from mlzoo.tuning_trials import TuneInfo

    context = click.get_current_context()
    for parameter in context.command.params:
        if parameter.name and parameter.name not in ON_RESUME and _typed(parameter.name):
            raise UsageError(
                f"{parameter.opts[0]} cannot be said with --resume: the search has its own.",
                "Leave it out, or start a new search.",
            )
    own = TuneInfo.read(directory).facts["model"]
    if own != model:
        raise UsageError(f"{directory} searches options of {own}, not of {model}.")


def _show(tuned: Tuned, *, as_json: bool) -> None:
    from mlzoo.planning import make_plan
    from mlzoo.tuning import command_for

    facts, command = tuned.facts, command_for(tuned)
    if as_json:
        print_json({**facts, "directory": str(tuned.directory), "command": command})
        return
    best, counts = facts["best"], facts["counts"]
    before = make_plan(
        facts["model"], facts["dataset"], config_file=tuned.directory / "config.json"
    ).options.values
    told = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    total = sum(counts.values())
    value = f"val {facts['main_metric']} {tuned.value:.4g}"
    title = f"{facts['model']} on {facts['dataset']}, best of {total} trials ({told}): {value}"
    rows = [
        [key, _number(found), _number(before[key]), facts["search"][key]]
        for key, found in tuned.best.items()
    ]
    columns = ["option", f"trial {best['trial']}", "value before", "searched"]
    print_table(columns, rows, title=f"{title} at epoch {best['epoch']}")
    if facts["limited"]:
        click.echo("--limit was used: a try, not a result")
    click.echo(
        f"the val score of the best of {total} is optimistic, as it was chosen by it; test was not "
        "looked at.\nJudge the options by runs of their own:"
    )
    click.echo(f"  {command}")
    click.echo(f"kept in {tuned.directory}")
    if (tuned.directory / "search.png").exists():
        click.echo(f"figure  {tuned.directory / 'search.png'}")


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
