"""``mlzoo run MODEL``: the options follow from the model and the dataset."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from mlzoo.cli import completion
from mlzoo.cli.options import (
    OptionsCommand,
    config_options,
    given_values,
    parse_numbers,
)
from mlzoo.cli.output import installed, print_json, print_table, start_job
from mlzoo.errors import MlzooError
from mlzoo.report.numbers import listed

if TYPE_CHECKING:
    from mlzoo.config import Option
    from mlzoo.experiment import Result
    from mlzoo.machine import Machine
    from mlzoo.planning import Plan, Repetition
    from mlzoo.seeds import Outcome
    from mlzoo.session import Settings


class RunGroup(click.Group):
    """Models as sub-commands, built when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [entry.spec.name for entry in installed().models]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        records = [(entry.spec.name, entry.spec.summary) for entry in installed().models]
        with formatter.section("Models"):
            formatter.write_dl(
                records or [("(none)", "install one: python -m pip install mlzoo-mdn")]
            )

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        with redirect_stdout(sys.stderr):  # what a plugin prints is neither help nor a completion
            try:
                return args[0], build_command(args[0], args[1:]), args[1:]
            except MlzooError:
                if not ctx.resilient_parsing:  # i.e. unless words are completed
                    raise
                return args[0], build_command(args[0], []), args[1:]

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        named = completion.matching(
            ((r.spec.name, r.spec.summary) for r in installed().models), incomplete
        )
        return named or super().shell_complete(ctx, incomplete)


@click.group(cls=RunGroup, subcommand_metavar="MODEL [OPTIONS]")
def run() -> None:
    """Train a model, score it, and keep everything in a run directory.

    Without --dataset the model's embedded default is used. `mlzoo run MODEL --help` lists every option
    with the default in force and where it comes from.
    """


def build_command(model: str, arguments: list[str]) -> click.Command:
    """The command of one model, with the options of the dataset and preset that are asked for."""
    from mlzoo.planning import make_plan, option_set, repeat_option

    installed()
    early = _early_values(arguments)
    plan = make_plan(
        model, early["dataset"], preset=early["preset"], config_file=_path(early["config"])
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


def _early_values(arguments: list[str]) -> dict[str, str | None]:
    """--dataset, --preset and --config decide which options there are, so they are read first."""
    found: dict[str, str | None] = {"dataset": None, "preset": None, "config": None}
    for position, word in enumerate(arguments):
        name, equals, value = word.removeprefix("--").partition("=")
        if word.startswith("--") and name in found:
            found[name] = value if equals else next(iter(arguments[position + 1 :]), None)
    return found


def _path(value: str | None) -> Path | None:
    return Path(value) if value else None


def _machine_options(variants: list[str], repeated: Option | None) -> list[click.Option]:
    """What is no option of the experiment: where it runs, where it is kept, what is shown."""
    preset = (
        f"variant of the preset: {', '.join(variants)}" if variants else "variant of the preset"
    )
    folder = click.Path(file_okay=False, path_type=Path)
    several = f"--seeds or {repeated.flag}s" if repeated else "--seeds"
    return [
        click.Option(
            ["--dataset"],
            metavar="NAME",
            help="dataset of the model's task",
            shell_complete=completion.datasets_of_model,
        ),
        click.Option(
            ["--preset"], metavar="NAME", help=preset, shell_complete=completion.words(variants)
        ),
        click.Option(
            ["--config"],
            metavar="FILE",
            help="file of options: .json, .toml, .yaml",
            shell_complete=completion.files,
        ),
        click.Option(["--seeds"], metavar="0-4", help="several runs, one a seed, and their spread"),
        *(_repeats_option(repeated) if repeated else ()),
        click.Option(
            ["--device"],
            default="auto",
            help="auto, cpu, cuda, cuda:1  [auto]",
            shell_complete=completion.words(("auto", "cpu", "cuda")),
        ),
        click.Option(
            ["--devices"], type=click.IntRange(1), default=1, help="processes, one a device  [1]"
        ),
        click.Option(["--compile"], is_flag=True, help="train with torch.compile"),
        click.Option(
            ["--jobs"], type=click.IntRange(1), default=1, help=f"runs of {several} at once  [1]"
        ),
        click.Option(["--data-dir"], type=folder, help="data root  [MLZOO_DATA or the user's]"),
        click.Option(
            ["--out"], type=folder, default=Path("runs"), help="where runs are kept  [runs]"
        ),
        click.Option(
            ["--stop-after"], type=click.IntRange(1), help="stop after N epochs, resumable"
        ),
        click.Option(["--no-figures"], is_flag=True, help="draw no figures"),
        click.Option(
            ["--show-config"], is_flag=True, help="value and source of every option; exit"
        ),
        click.Option(["--quiet"], is_flag=True, help="show no progress"),
        click.Option(["--json", "as_json"], is_flag=True, help="results as JSON"),
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
            config_file=_path(params["config"]),
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
    for each in plans:  # what the last run lacks is told before the first begins
        each.require_files()
    settings = Settings(params["stop_after"], not params["no_figures"], quiet=params["quiet"])
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
    from mlzoo.seeds import run_each

    at_once = params["jobs"] > 1 and len(plans) > 1
    waiting = [plan.repetition for plan in plans]
    results: dict[Repetition, Result] = {}
    failed = []
    if not at_once and len(plans) > 1 and not params["quiet"]:
        click.echo(f"{_told_together(waiting)}, one after the other", err=True)
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
                click.echo(_told(outcome, len(plans) - len(waiting), len(plans)), err=True)
    except (MlzooError, KeyboardInterrupt):
        left = ("not finished", waiting) if at_once else ("not started", waiting[1:])
        if left[1]:
            click.echo(f"{left[0]}: {_told_together(left[1])}", err=True)
        raise
    if failed:
        names = _told_together([outcome.repetition for outcome in failed])
        raise RunError(f"{len(failed)} of {len(plans)} runs failed: {names}.")
    return [results[plan.repetition] for plan in plans]


def _told(outcome: Outcome, number: int, total: int) -> str:
    """One line about a run of several that ended."""
    if outcome.result is None:
        return f"[{number}/{total}] {_told_one(outcome.repetition)} failed: {outcome.error}"
    main = outcome.result.results["main_metric"]
    value = outcome.result.metrics["test"][main]
    return f"[{number}/{total}] {_told_one(outcome.repetition)}: test {main} {value:.4g}"


def _told_one(repetition: Repetition) -> str:
    return ", ".join(f"{name} {number}" for name, number in repetition)


def _told_together(repetitions: Sequence[Repetition]) -> str:
    """``seeds 1, 2``; ``splits 3-30, seeds 0``; one by one if that would name more than there are."""
    names = [name for name, _ in repetitions[0]]
    numbers = {name: sorted({dict(each)[name] for each in repetitions}) for name in names}
    if math.prod(map(len, numbers.values())) > len(repetitions):
        return "; ".join(map(_told_one, repetitions))
    return listed(numbers)


def _show_config(plan: Any, as_json: bool) -> None:
    if as_json:
        print_json(plan.config_json())
        return
    options = plan.options
    rows = [[key, str(value), options.sources[key]] for key, value in options.values.items()]
    print_table(
        ["option", "value", "source"], rows, title=f"{plan.model.name} on {plan.dataset.name}"
    )
