"""Commands that take a model's name and then options of its own and of its dataset."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from mlzoo.cli import completion
from mlzoo.cli.output import installed
from mlzoo.errors import MlzooError
from mlzoo.plugins import Registered


class ModelGroup(click.Group):
    """Models as sub-commands, built when they are called."""

    def command_of(self, model: str, arguments: Sequence[str]) -> click.Command:
        """The command of one model; what follows its name decides which options there are."""
        raise NotImplementedError

    def offered(self) -> list[Registered]:
        """The models that have the command."""
        return list(installed().models)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [entry.spec.name for entry in self.offered()]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        records = [(entry.spec.name, entry.spec.summary) for entry in self.offered()]
        with formatter.section("Models"):
            formatter.write_dl(
                records or [("(none)", "install one: python -m pip install mlzoo-mdn")]
            )

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        with redirect_stdout(sys.stderr):  # what a plugin prints is neither help nor a completion
            try:
                return args[0], self.command_of(args[0], args[1:]), args[1:]
            except MlzooError:
                if not ctx.resilient_parsing:  # i.e. unless words are completed
                    raise
                return args[0], self.command_of(args[0], []), args[1:]

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        named = completion.matching(
            ((r.spec.name, r.spec.summary) for r in self.offered()), incomplete
        )
        return named or super().shell_complete(ctx, incomplete)


def early_values(arguments: Sequence[str]) -> dict[str, str | None]:
    """--dataset, --preset, --config and --data-dir decide which options there are and what their defaults
    are, so they are read first."""
    names = ("dataset", "preset", "config", "data-dir")
    found: dict[str, str | None] = dict.fromkeys(names)
    for position, word in enumerate(arguments):
        name, equals, value = word.removeprefix("--").partition("=")
        if word.startswith("--") and name in found:
            found[name] = value if equals else next(iter(arguments[position + 1 :]), None)
    return found


def path_of(value: str | None) -> Path | None:
    """A path, if there is one."""
    return Path(value) if value else None


def choosing_options(variants: Sequence[str]) -> list[click.Option]:
    """The options that :func:`early_values` reads."""
    preset = (
        f"variant of the preset: {', '.join(variants)}" if variants else "variant of the preset"
    )
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
    ]


def device_option() -> click.Option:
    """``--device``."""
    return click.Option(
        ["--device"],
        default="auto",
        help="auto, cpu, cuda, cuda:1  [auto]",
        shell_complete=completion.words(("auto", "cpu", "cuda")),
    )


def folder_options() -> list[click.Option]:
    """``--data-dir`` and ``--out``."""
    folder = click.Path(file_okay=False, path_type=Path)
    return [
        click.Option(["--data-dir"], type=folder, help="data root  [MLZOO_DATA or the user's]"),
        click.Option(
            ["--out"], type=folder, default=Path("runs"), help="where runs are kept  [runs]"
        ),
    ]


def showing_options() -> list[click.Option]:
    """What is drawn and printed."""
    return [
        click.Option(["--no-figures"], is_flag=True, help="draw no figures"),
        click.Option(["--quiet"], is_flag=True, help="show no progress"),
        click.Option(["--json", "as_json"], is_flag=True, help="results as JSON"),
    ]
