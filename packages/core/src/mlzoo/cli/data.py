"""``mlzoo data``: what datasets there are, whether their files are right, small ones to try."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

import click

from mlzoo.cli import completion
from mlzoo.cli.byte_progress import byte_progress, checking
from mlzoo.cli.data_doctor import data_doctor
from mlzoo.cli.dataset_commands import DatasetGroup, dataset_command, fact_rows
from mlzoo.cli.download import download
from mlzoo.cli.output import check_task, installed, json_option, print_json, print_table
from mlzoo.cli.prepare import prepare
from mlzoo.data.manifest import human_size
from mlzoo.errors import UsageError
from mlzoo.plugins import Registered

if TYPE_CHECKING:
    from mlzoo.config import Config

_data_dir = click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="data root  [MLZOO_DATA or the user's data folder]",
)


@click.group()
def data() -> None:
    """Look at datasets, download, verify, examine and prepare their files, write demo data."""


for command in (download, prepare, data_doctor):
    data.add_command(command)


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
@click.option("--stats", is_flag=True, help="Only statistics of its files, where it has some.")
@_data_dir
@json_option
def info_of(name: str, stats: bool, data_dir: Path | None, as_json: bool) -> None:
    """Show files, licence and options of the dataset NAME, or statistics of the copy that lies here."""
    from mlzoo.cli.dataset_stats import show_stats
    from mlzoo.cli.info import show_dataset
    from mlzoo.planning import dataset_config

    entry = installed().dataset(name)
    if stats:
        show_stats(entry, data_dir, as_json)
        return
    if data_dir is not None:
        raise UsageError("--data-dir is where --stats looks.", "Add --stats, or leave it out.")
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
        rows = [[f.file.path, human_size(f.file.size), f.told] for f in found]
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
    from mlzoo.data.root import DEMO, dataset_folder
    from mlzoo.files import write_json
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
    write_json(target / DEMO, {"dataset": entry.spec.name, "seed": seed, "planted": dict(planted)})
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


class _ShowGroup(DatasetGroup):
    def command_of(self, entry: Registered) -> click.Command:
        from mlzoo.planning import dataset_config

        return dataset_command(entry, dataset_config(entry), _show)


@data.group(cls=_ShowGroup, subcommand_metavar="NAME [OPTIONS]")
def show() -> None:
    """Load a dataset and show its counts, shapes and fingerprint."""


def _show(entry: Registered, options: Config | None, data_dir: Path | None, as_json: bool) -> None:
    from mlzoo.planning import load

    loaded = load(entry, data_dir, options)
    facts = {**loaded.describe(), "fingerprint": loaded.fingerprint()}
    references = {name: dict(values) for name, values in loaded.references().items()}
    if as_json:
        print_json({**facts, "references": references})
        return
    print_table(["fact", "value"], fact_rows(facts), title=entry.spec.name)
    for metric, values in references.items():
        click.echo(f"{metric}: " + ", ".join(f"{k} {v:.4g}" for k, v in values.items()))
