"""``mlzoo reproduce MODEL``: the published numbers of a model, judged by several runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

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
from mlzoo.cli.options import OptionsCommand, config_options, given_values, parse_numbers
from mlzoo.cli.output import installed, print_json, print_table

if TYPE_CHECKING:
    from mlzoo.config import Option
    from mlzoo.reproduction import Reproduction

WORDS = {
    "metric",
    "split",
    "rule",
    "verdict",
    "reason",
    "source",
    "model",
    "selection",
    "published",
}
"""Columns that are read from the left."""

FAIL_ON = ("below", "different", "any")
STATUS = (
    "Exit status 1 if a number is worse than published (below, or above where lower is better), with "
    "--fail-on different also if it is better, with any also if it is not comparable or there is none, and "
    "always if a run failed. The same command goes on with what it left."
)


class ReproduceGroup(ModelGroup):
    """The models that are installed."""

    def command_of(self, model: str, arguments: Sequence[str]) -> click.Command:
        return build_command(model, arguments)


@click.group(cls=ReproduceGroup, subcommand_metavar="MODEL [OPTIONS]")
def reproduce() -> None:
    """Run a model's preset over several seeds, and judge its published numbers.

    The epochs are selected by the rule under which the numbers were published, and the honest choice stands
    beside it. Finished runs are not repeated, interrupted ones go on.
    """


def build_command(model: str, arguments: Sequence[str]) -> click.Command:
    """The command of one model, with the options of the dataset and preset that are asked for."""
    from mlzoo.claim_plans import plan_of_claims
    from mlzoo.planning import option_set, repeat_option

    installed()
    early = early_values(arguments)
    plan, rule = plan_of_claims(
        model,
        early["dataset"],
        preset=early["preset"],
        config_file=path_of(early["config"]),
        options={},
        data_dir=path_of(early["data-dir"]),
    )
    options = option_set(plan.model_entry, plan.dataset_entry)
    origin = {**plan.options.sources, "select": rule.partition(", ")[2]}
    shown = replace(plan.options, sources=origin)
    repeated = repeat_option(plan.dataset_entry, options)

    def callback(**params: Any) -> int:
        return start(model, given_values(options, params), params, repeated)

    spec = plan.model
    every = config_options(options, shown, model, plan.dataset.name)
    own = [option for option in every if option.name != "seed"]
    return OptionsCommand(
        model,
        callback=callback,
        help=f"Reproduce {spec.name}: {spec.paper.title} ({spec.paper.venue} {spec.paper.year}).\n\n"
        f"Dataset: {plan.dataset.name} ({plan.dataset.summary}).\n\n{STATUS}",
        params=[*_machine_options([*spec.variants(plan.dataset.name)], repeated), *own],
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    )


def _machine_options(variants: Sequence[str], repeated: Option | None) -> list[click.Option]:
    out = folder_options()
    out[-1].default = None
    out[-1].help = "where runs and claims are kept  [runs/reproduce/MODEL-DATASET]"
    return [
        *choosing_options(variants),
        click.Option(
            ["--seeds"],
            metavar="N|0,3,7|0-4",
            default="5",
            help="how many seeds, from 0 on, or which (3-3 is seed 3 alone)  [5]",
        ),
        *(_repeats_option(repeated) if repeated else ()),
        click.Option(
            ["--jobs"],
            type=click.IntRange(1),
            help="runs at once  [1, or what the cluster takes]",
        ),
        click.Option(
            ["--scheduler"],
            metavar="tcp://HOST:PORT",
            help="of a running Dask cluster, whose workers see the same folders",
        ),
        device_option(),
        *out,
        click.Option(
            ["--fail-on"],
            type=click.Choice(FAIL_ON),
            default="below",
            help="verdicts that make the exit status 1  [below]",
        ),
        *showing_options(),
    ]


def _repeats_option(repeated: Option) -> list[click.Option]:
    told = f"every seed on each {repeated.key.replace('_', ' ')}"
    return [click.Option([f"{repeated.flag}s", "repeats"], metavar="1-30", help=told)]


def chosen_seeds(text: str) -> list[int]:
    """A number alone says how many; anything else says which.

    Raises:
        click.BadParameter: neither.
    """
    if text.strip().isdigit():
        if (count := int(text)) < 1:
            raise click.BadParameter("there must be one seed at least", param_hint="--seeds")
        return parse_numbers(f"0-{count - 1}")
    return parse_numbers(text)


def start(
    model: str, given: dict[str, Any], params: dict[str, Any], repeated: Option | None
) -> int:
    """Make the runs, show what they say, and answer with the exit status."""
    from mlzoo.claim_plans import wanted_runs
    from mlzoo.displays import default_display
    from mlzoo.errors import RunError
    from mlzoo.machine import Machine
    from mlzoo.report.numbers import names_of
    from mlzoo.reproduction import UNFINISHED, reproduce_all
    from mlzoo.session import Settings

    repeats: list[int] = []
    if repeated and params["repeats"]:
        if repeated.key in given:
            raise click.UsageError(f"{repeated.flag} and {repeated.flag}s exclude each other.")
        repeats = parse_numbers(params["repeats"], f"{repeated.flag}s")
    wanted = wanted_runs(
        model,
        params["dataset"],
        preset=params["preset"],
        config_file=path_of(params["config"]),
        options=given,
        data_dir=params["data_dir"],
        seeds=chosen_seeds(params["seeds"]),
        repeats=repeats,
    )
    found = reproduce_all(
        wanted,
        params["out"] or wanted.default_out,
        machine=Machine(params["device"]),
        settings=Settings(None, not params["no_figures"]),
        display=default_display(params["quiet"]),
        jobs=params["jobs"],
        scheduler=params["scheduler"],
    )
    if params["as_json"]:
        print_json(found.to_json())
    else:
        _show(found)
    if found.failed:
        names = names_of([outcome.repetition for outcome in found.failed])
        total = len(found.failed) + len(found.runs)
        raise RunError(f"{len(found.failed)} of {total} runs failed: {names}.", UNFINISHED)
    return int(found.fails(params["fail_on"]))


def _show(found: Reproduction) -> None:
    from mlzoo.report.reproduced import tables_of_reproduction

    for table in tables_of_reproduction(found.claims, found.boards):
        numeric = [n for n, name in enumerate(table.columns) if name not in WORDS]
        print_table(table.columns, table.rows, title=table.title, numeric=numeric)
        for note in table.notes:
            click.echo(note)
        click.echo()
    click.echo(found.summary)
    click.echo(f"kept in {found.directory}")
