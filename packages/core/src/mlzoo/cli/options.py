"""From config classes to click options: help, defaults and their origin are derived, not repeated."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_origin

import click

from mlzoo.cli.completion import files, words
from mlzoo.config import Option, Options, OptionSet, unwrap

_METAVARS = {int: "INTEGER", float: "NUMBER", str: "TEXT", Path: "PATH"}


class OptionsCommand(click.Command):
    """A command whose help shows the options by owner: run, model, dataset.

    Attributes:
        general: heading of those that belong to nobody.
    """

    general = "Run"

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        sections: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None:
                sections.setdefault(getattr(param, "section", self.general), []).append(record)
        for section, records in sections.items():
            with formatter.section(f"{section} options"):
                formatter.write_dl(records)


class ConfigOption(click.Option):
    """An option of a config class. Its value stays text here; pydantic converts and checks it."""

    def __init__(self, option: Option, section: str, default: Any, source: str) -> None:
        self.key = option.key
        self.section = section
        inner = unwrap(option.field.annotation)
        summary = option.field.description or ""
        declaration = option.flag
        settings: dict[str, Any] = {"type": str}
        if inner is bool:
            declaration += f"/--no-{option.flag.removeprefix('--')}"
            settings = {}
        elif option.choices:
            settings["metavar"] = "[" + "|".join(option.choices) + "]"
            settings["shell_complete"] = words(option.choices)
        elif inner is Path:
            settings |= {"metavar": _METAVARS[Path], "shell_complete": files}
        else:
            listed = get_origin(inner) in (list, tuple)
            settings["metavar"] = "A,B,..." if listed else _METAVARS.get(inner, "TEXT")
        origin = "" if source == "default" else f", {source}"
        help_text = f"{summary}  [{_shown(default)}{origin}]"
        super().__init__([declaration, option.key], default=None, help=help_text, **settings)


def _shown(default: Any) -> str:
    if default is None:
        return "none"
    if isinstance(default, bool):
        return "on" if default else "off"
    if isinstance(default, list):
        return ",".join(map(str, default)) or "empty"
    return str(default)


def config_options(
    options: OptionSet, resolved: Options, model: str, dataset: str
) -> list[click.Option]:
    """One click option a field; the default shown is the one in force and says where it comes from."""
    sections = {"run": "Run", "model": f"Model ({model})", "dataset": f"Dataset ({dataset})"}
    return [
        ConfigOption(option, sections[option.owner], resolved.values[key], resolved.sources[key])
        for key, option in options.options.items()
    ]


def given_values(options: OptionSet, params: Mapping[str, Any]) -> dict[str, Any]:
    """What the user typed; ``none`` empties an option that may be empty."""
    given = {key: params[key] for key in options.options if params.get(key) is not None}
    for key, value in given.items():
        annotation = options.options[key].field.annotation
        if value == "none" and unwrap(annotation) is not annotation:
            given[key] = None
    return given


def parse_numbers(text: str, flag: str = "--seeds") -> list[int]:
    """``0-4`` or ``0,1,7`` or both mixed.

    Raises:
        click.BadParameter: anything else, or a number twice.
    """
    numbers: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d+)(?:-(\d+))?\s*", part)
        if not match:
            raise click.BadParameter(f"{text!r} is not like 0-4 or 0,1,7", param_hint=flag)
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first or last - first >= 10_000:
            raise click.BadParameter(f"{part.strip()!r} is not a range", param_hint=flag)
        numbers.extend(range(first, last + 1))
    if len(set(numbers)) < len(numbers):
        what = flag.removeprefix("--").removesuffix("s")
        raise click.BadParameter(f"{text!r} names a {what} twice", param_hint=flag)
    return numbers
