"""Commands that take a dataset's name and then options of its own, and how they show facts."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from mlzoo.cli import completion
from mlzoo.cli.output import installed
from mlzoo.plugins import Registered

if TYPE_CHECKING:
    from mlzoo.config import Config


class DatasetGroup(click.Group):
    """Datasets as sub-commands, so that each has its own options."""

    def command_of(self, entry: Registered) -> click.Command:
        """The command of one dataset."""
        raise NotImplementedError

    def offered(self) -> list[Registered]:
        """The datasets that have the command."""
        return list(installed().datasets)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [entry.spec.name for entry in self.offered()]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Datasets"):
            formatter.write_dl([(r.spec.name, r.spec.summary) for r in self.offered()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        with redirect_stdout(sys.stderr):  # what a plugin prints is neither help nor a completion
            return args[0], self.command_of(installed().dataset(args[0])), args[1:]

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        named = completion.matching(
            ((r.spec.name, r.spec.summary) for r in self.offered()), incomplete
        )
        return named or super().shell_complete(ctx, incomplete)


def dataset_command(
    entry: Registered,
    config: type[Config] | None,
    callback: Callable[..., None],
    params: Sequence[click.Parameter] = (),
    *,
    run: bool = True,
) -> click.Command:
    """A command with the options of a config class.

    Args:
        entry: the dataset.
        config: the class, or None where there are no options.
        callback: called with the entry, the valid options (or None), and by name ``data_dir``,
            ``as_json`` and whatever ``params`` give.
        params: further parameters.
        run: whether a run takes part, whose options then have the first right to a name.
    """
    from mlzoo.cli.options import OptionsCommand, config_options, given_values
    from mlzoo.config import Config, Layer, OptionSet

    options = OptionSet(Config, config, run=run)
    own = [
        option
        for option in config_options(options, options.resolve([]), "none", entry.spec.name)
        if options.options[option.name or ""].owner == "dataset"
    ]

    def resolved_callback(**given: Any) -> None:
        resolved = options.resolve([Layer("option", given_values(options, given))])
        rest = {name: value for name, value in given.items() if name not in options.options}
        callback(entry, resolved.dataset, **rest)

    return OptionsCommand(
        entry.spec.name,
        callback=resolved_callback,
        help=entry.spec.summary,
        params=[*params, *_common(), *own],
    )


def _common() -> list[click.Option]:
    folder = click.Path(file_okay=False, path_type=Path)
    return [
        click.Option(["--data-dir"], type=folder, help="data root"),
        click.Option(["--json", "as_json"], is_flag=True, help="Machine-readable output."),
    ]


def fact_rows(facts: Mapping[str, Any]) -> list[list[str]]:
    """A row for each fact, or for each part of one that has parts."""
    return [row for key, value in facts.items() for row in _rows(key, value)]


def _rows(key: str, value: Any) -> list[list[str]]:
    if not isinstance(value, Mapping):
        return [[key, str(value)]]
    return [row for name, part in value.items() for row in _rows(f"{key}.{name}", part)]
