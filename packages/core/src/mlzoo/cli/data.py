"""``mlzoo data``: what datasets there are, whether their files are right, small ones to try."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path
from shlex import quote
from typing import Any

import click
from click.shell_completion import CompletionItem

from mlzoo.cli import completion
from mlzoo.cli.byte_progress import byte_progress, checking
from mlzoo.cli.download import download
from mlzoo.cli.output import check_task, installed, json_option, print_json, print_table
from mlzoo.data.manifest import human_size
from mlzoo.errors import UsageError
from mlzoo.plugins import Registered

_data_dir = click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="data root  [MLZOO_DATA or the user's data folder]",
)


@click.group()
def data() -> None:
    """Look at datasets, download and verify their files, write demo data."""


data.add_command(download)


@data.command("list")
@click.option("--task", help="Only this task's.", shell_complete=completion.tasks)
@_data_dir
@json_option
def list_datasets(task: str | None, data_dir: Path | None, as_json: bool) -> None:
    """List the datasets and which of their files are there."""
    from mlzoo.data.manifest import status
    from mlzoo.data.root import data_root

    root = data_root(data_dir)
    rows = []
    check_task(installed(), task)
    for entry in installed().datasets:
        if task is None or entry.spec.task == task:
            files = status(entry.spec, root)
            missing = [f.file.path for f in files if not f.ok]
            state = (
                "embedded" if entry.spec.embedded else "ready" if not missing else "missing files"
            )
            rows.append(
                {
                    "name": entry.spec.name,
                    "task": entry.spec.task,
                    "state": state,
                    "missing": missing,
                }
            )
    if as_json:
        print_json({"root": str(root), "datasets": rows})
        return
    print_table(
        ["dataset", "task", "state"],
        [[r["name"], r["task"], r["state"]] for r in rows],
        title=f"data root: {root}",
    )


@data.command("info")
@click.argument("name", shell_complete=completion.datasets)
@json_option
@click.pass_context
def info_of(ctx: click.Context, name: str, as_json: bool) -> None:
    """Show files, licence and options of the dataset NAME."""
    from mlzoo.cli.info import show_dataset
    from mlzoo.planning import dataset_config

    entry = installed().dataset(name)
    config = dataset_config(entry)
    show_dataset(entry, as_json)
    if config is not None and not as_json:
        rows = [
            ["--" + key.replace("_", "-"), str(field.default), field.description or ""]
            for key, field in config.model_fields.items()
        ]
        click.echo()
        print_table(["option", "default", "meaning"], rows)


@data.command()
@click.argument("name", shell_complete=completion.datasets)
@_data_dir
@json_option
def verify(name: str, data_dir: Path | None, as_json: bool) -> None:
    """Check the files of the dataset NAME: present, sizes, checksums. Exit 1 if anything is wrong."""
    from mlzoo.data.manifest import verify as verify_files
    from mlzoo.data.root import data_root, dataset_folder

    entry = installed().dataset(name)
    root = data_root(data_dir)
    if entry.spec.embedded:
        print_json({"files": [], "ok": True}) if as_json else click.echo(f"{name} needs no files")
        return
    with byte_progress(checking(entry.spec, root)) as progress:
        found = verify_files(entry.spec, root, progress)
    ok = all(f.ok for f in found)
    if as_json:
        files = [{"path": f.file.path, "state": f.state, "found": f.found} for f in found]
        print_json({"files": files, "ok": ok})
    else:
        rows = [[f.file.path, human_size(f.file.size), f.state] for f in found]
        print_table(
            ["file", "size", "state"], rows, title=str(dataset_folder(root, entry.spec.name))
        )
    if not ok:
        raise click.exceptions.Exit(1)


@data.command()
@click.argument("name", shell_complete=completion.datasets)
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@click.option("--seed", type=click.IntRange(0), default=0, help="[0]")
@json_option
def demo(name: str, folder: Path, seed: int, as_json: bool) -> None:
    """Write a small dataset in the real file format of NAME, with a known answer, below DIR.

    DIR then is a data root: use it with --data-dir DIR.
    """
    from mlzoo.data.root import dataset_folder
    from mlzoo.registry import resolve

    reg = installed()
    entry = reg.dataset(name)
    if entry.spec.demo is None:
        raise UsageError(
            f"{name} has no demo: it needs no files.", f"Look at it: mlzoo data show {name}"
        )
    target = dataset_folder(folder, entry.spec.name)
    if target.exists() and any(target.iterdir()):
        raise UsageError(f"{target} is not empty; demo data never replaces anything.")
    target.mkdir(parents=True, exist_ok=True)
    planted = resolve(entry.spec.demo, entry.plugin)(target, seed)
    if as_json:
        print_json({"folder": str(target), "planted": dict(planted)})
        return
    click.echo(f"written to {target}")
    for key, value in planted.items():
        click.echo(f"planted {key}: {value}")
    for model in (r.spec.name for r in reg.models if r.spec.task == entry.spec.task):
        click.echo(
            f"try: mlzoo run {model} --dataset {entry.spec.name} --data-dir {quote(str(folder))}"
        )


class _ShowGroup(click.Group):
    """Datasets as sub-commands, so that each has its own options."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [entry.spec.name for entry in installed().datasets]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Datasets"):
            formatter.write_dl([(r.spec.name, r.spec.summary) for r in installed().datasets])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        with redirect_stdout(sys.stderr):  # what a plugin prints is neither help nor a completion
            return args[0], _show_command(installed().dataset(args[0])), args[1:]

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        named = completion.matching(
            ((r.spec.name, r.spec.summary) for r in installed().datasets), incomplete
        )
        return named or super().shell_complete(ctx, incomplete)


@data.group(cls=_ShowGroup, subcommand_metavar="NAME [OPTIONS]")
def show() -> None:
    """Load a dataset and show its counts, shapes and fingerprint."""


def _show_command(entry: Registered) -> click.Command:
    from mlzoo.cli.options import OptionsCommand, config_options, given_values
    from mlzoo.config import Config, Layer, OptionSet
    from mlzoo.planning import dataset_config

    options = OptionSet(Config, dataset_config(entry))
    name = entry.spec.name

    def callback(data_dir: Path | None, as_json: bool, **params: Any) -> None:
        resolved = options.resolve([Layer("option", given_values(options, params))])
        _show(entry, data_dir, resolved, as_json)

    defaults = config_options(options, options.resolve([]), "none", name)
    own = [option for option in defaults if options.options[option.name or ""].owner == "dataset"]
    return OptionsCommand(
        name, callback=callback, help=entry.spec.summary, params=[*_common(), *own]
    )


def _common() -> list[click.Option]:
    folder = click.Path(file_okay=False, path_type=Path)
    return [
        click.Option(["--data-dir"], type=folder, help="data root"),
        click.Option(["--json", "as_json"], is_flag=True, help="Machine-readable output."),
    ]


def _rows(key: str, value: Any) -> list[list[str]]:
    """A fact, or a row for each part of one that has parts."""
    if not isinstance(value, Mapping):
        return [[key, str(value)]]
    return [row for name, part in value.items() for row in _rows(f"{key}.{name}", part)]


def _show(entry: Registered, data_dir: Path | None, resolved: Any, as_json: bool) -> None:
    from mlzoo.planning import load

    loaded = load(entry, data_dir, resolved.dataset)
    facts = {**loaded.describe(), "fingerprint": loaded.fingerprint()}
    references = {name: dict(values) for name, values in loaded.references().items()}
    if as_json:
        print_json({**facts, "references": references})
        return
    print_table(
        ["fact", "value"],
        [row for key, value in facts.items() for row in _rows(key, value)],
        title=entry.spec.name,
    )
    for metric, values in references.items():
        click.echo(f"{metric}: " + ", ".join(f"{k} {v:.4g}" for k, v in values.items()))
