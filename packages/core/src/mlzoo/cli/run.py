"""``mlzoo run MODEL``: the options follow from the model and the dataset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
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
from mlzoo.cli.output import installed, print_json, print_table, start_job
from mlzoo.errors import MlzooError

if TYPE_CHECKING:
    from mlzoo.config import Option
    from mlzoo.experiment import Result
    from mlzoo.machine import Machine
    from mlzoo.planning import Plan, Repetition
    from mlzoo.session import Settings


class RunGroup(ModelGroup):
    """The models that are installed."""

    def command_of(self, model: str, arguments: Sequence[str]) -> click.Command:
        return build_command(model, arguments)


@click.group(cls=RunGroup, subcommand_metavar="MODEL [OPTIONS]")
def run() -> None:
    """Train a model, score it, and keep everything in a run directory.

    Without --dataset the model's embedded default is used. `mlzoo run MODEL --help` lists every option
    with the default in force and where it comes from.
    """


def build_command(model: str, arguments: Sequence[str]) -> click.Command:
    """The command of one model, with the options of the dataset and preset that are asked for."""
    from mlzoo.planning import make_plan, option_set, repeat_option

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
    repeated = repeat_option(plan.dataset_entry, options)

    def callback(**params: Any) -> None:
        start(model, plan.dataset.name, given_values(options, params), params, repeated)

    spec = plan.model
    variants = [*spec.variants(plan.dataset.name)]
    return OptionsCommand(
        model,
        callback=callback,
        help=f"{spec.summary}.\n\nDataset: {plan.dataset.name} ({plan.dataset.summary}).",
        params=[
            *_machine_options(variants, repeated),
            *config_options(options, plan.options, model, plan.dataset.name),
        ],
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    )


def _machine_options(variants: list[str], repeated: Option | None) -> list[click.Option]:
    """What is no option of the experiment: where it runs, where it is kept, what is shown."""
    several = f"--seeds or {repeated.flag}s" if repeated else "--seeds"
    return [
        *choosing_options(variants),
        click.Option(["--seeds"], metavar="0-4", help="several runs, one a seed, and their spread"),
        *(_repeats_option(repeated) if repeated else ()),
        device_option(),
        click.Option(
            ["--devices"], type=click.IntRange(1), default=1, help="processes, one a device  [1]"
        ),
        click.Option(["--compile"], is_flag=True, help="train with torch.compile"),
        click.Option(
            ["--jobs"], type=click.IntRange(1), default=1, help=f"runs of {several} at once  [1]"
        ),
        *folder_options(),
        click.Option(
            ["--stop-after"], type=click.IntRange(1), help="stop after N epochs, resumable"
        ),
        click.Option(
            ["--show-config"], is_flag=True, help="value and source of every option; exit"
        ),
        click.Option(
            ["--tensorboard"], is_flag=True, help="TensorBoard events in the run's folder, too"
        ),
        *showing_options(),
    ]


def _repeats_option(repeated: Option) -> list[click.Option]:
    name = repeated.key.replace("_", " ")
    told = f"several runs, one a {name}, and their spread; with --seeds, every seed on each"
    return [click.Option([f"{repeated.flag}s", "repeats"], metavar="1-30", help=told)]


def start(
    model: str,
    dataset: str,
    given: dict[str, Any],
    params: dict[str, Any],
    repeated: Option | None,
) -> None:
    """Run one seed on one repetition of the data, or several."""
    from mlzoo.planning import make_plan

    varied = {"seed": _numbers("--seed", params["seeds"], "seed" in given)}
    if repeated:
        numbers = _numbers(repeated.flag, params["repeats"], repeated.key in given)
        varied = {repeated.key: numbers, **varied}  # the seeds of one repetition share its data
    if params["jobs"] > 1 and not any(varied.values()):
        several = f"--seeds or {repeated.flag}s" if repeated else "--seeds"
        raise click.UsageError(f"--jobs runs several {several} at once, and none are given.")
    keys = [key for key, numbers in varied.items() if numbers]
    plans = [
        make_plan(
            model,
            dataset,
            preset=params["preset"],
            config_file=path_of(params["config"]),
            options={**given, **dict(zip(keys, values, strict=True))},
            data_dir=params["data_dir"],
        )
        for values in product(*(varied[key] for key in keys))
    ]
    if params["show_config"]:
        _show_config(plans[0], params["as_json"])
        return
    _execute(plans, params)


def _numbers(flag: str, text: str | None, single: bool) -> list[int]:
    """What an option in the plural names; the one in the singular must not be given beside it."""
    if not text:
        return []
    if single:
        raise click.UsageError(f"{flag} and {flag}s exclude each other.")
    return parse_numbers(text, f"{flag}s")


def _execute(plans: Sequence[Plan], params: Mapping[str, Any]) -> None:
    from mlzoo.experiment import starts_a_job
    from mlzoo.machine import Machine, choose_device
    from mlzoo.planning import DEMO_PRESET
    from mlzoo.seeds import require_one_way
    from mlzoo.session import Settings

    plan = plans[0]
    choose_device(params["device"])
    machine = Machine(params["device"], params["devices"], params["compile"])
    require_one_way(params["jobs"], machine)
    if starts_a_job(machine):
        start_job(machine.devices)
        return
    if not params["dataset"] and not params["config"] and not params["quiet"]:
        name, dataset = plan.model.name, plan.dataset.name
        click.echo(f"no --dataset given: {name} runs on its default, {dataset}", err=True)
    taken = plan.preset or ""
    if taken != params["preset"] and taken.startswith(DEMO_PRESET) and not params["quiet"]:
        click.echo(f"demo data: {plan.model.name} runs with its preset {taken}", err=True)
    for each in plans:  # what the last run lacks is told before the first begins
        each.require_files()
    settings = Settings(
        params["stop_after"],
        not params["no_figures"],
        quiet=params["quiet"],
        tensorboard=params["tensorboard"],
    )
    results = _results(plans, params, machine, settings)
    if params["as_json"]:
        values = [{**r.results, "directory": str(r.directory)} for r in results]
        print_json(values if params["seeds"] or params.get("repeats") else values[0])
        return
    from mlzoo.cli.results import show_result, show_seeds

    if len(plans) == 1:
        show_result(results[0], plan.metrics)
    else:
        show_seeds(results)


def _results(
    plans: Sequence[Plan], params: Mapping[str, Any], machine: Machine, settings: Settings
) -> list[Result]:
    """Run all plans; those that failed at once with others are told at the end."""
    from mlzoo.errors import RunError
    from mlzoo.report.numbers import names_of
    from mlzoo.seeds import run_each, told

    at_once = params["jobs"] > 1 and len(plans) > 1
    waiting = [plan.repetition for plan in plans]
    results: dict[Repetition, Result] = {}
    failed = []
    if not at_once and len(plans) > 1 and not params["quiet"]:
        click.echo(f"{names_of(waiting)}, one after the other", err=True)
    try:
        outcomes = run_each(
            plans, out=params["out"], machine=machine, settings=settings, jobs=params["jobs"]
        )
        for outcome in outcomes:
            waiting.remove(outcome.repetition)
            if outcome.result is not None:
                results[outcome.repetition] = outcome.result
            else:
                failed.append(outcome)
            if len(plans) > 1 and not params["quiet"]:
                click.echo(told(outcome, len(plans) - len(waiting), len(plans)), err=True)
    except (MlzooError, KeyboardInterrupt):
        left = ("not finished", waiting) if at_once else ("not started", waiting[1:])
        if left[1]:
            click.echo(f"{left[0]}: {names_of(left[1])}", err=True)
        raise
    if failed:
        names = names_of([outcome.repetition for outcome in failed])
        raise RunError(f"{len(failed)} of {len(plans)} runs failed: {names}.")
    return [results[plan.repetition] for plan in plans]


def _show_config(plan: Any, as_json: bool) -> None:
    if as_json:
        print_json(plan.config_json())
        return
    options = plan.options
    rows = [[key, str(value), options.sources[key]] for key, value in options.values.items()]
    print_table(
        ["option", "value", "source"], rows, title=f"{plan.model.name} on {plan.dataset.name}"
    )
