"""``mlzoo data prepare``: from raw files to the files that a dataset reads."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlzoo.cli.dataset_commands import DatasetGroup, dataset_command, fact_rows
from mlzoo.cli.output import installed, print_json, print_table
from mlzoo.errors import UsageError
from mlzoo.plugins import Registered

if TYPE_CHECKING:
    from mlzoo.config import Config


class _PrepareGroup(DatasetGroup):
    def offered(self) -> list[Registered]:
        return [entry for entry in installed().datasets if entry.spec.prepare is not None]

    def command_of(self, entry: Registered) -> click.Command:
        from mlzoo.planning import prepare_config

        if entry.spec.prepare is None:
            others = ", ".join(self.list_commands(click.get_current_context()))
            raise UsageError(
                f"{entry.spec.name} has nothing to prepare.",
                f"Datasets that can be prepared: {others}."
                if others
                else f"Which files it needs: mlzoo data info {entry.spec.name}",
            )
        return dataset_command(entry, prepare_config(entry), _prepare, run=False)


@click.group(cls=_PrepareGroup, subcommand_metavar="NAME [OPTIONS]")
def prepare() -> None:
    """Make the files of a dataset from raw ones, below the data root."""


def _prepare(
    entry: Registered, options: Config | None, data_dir: Path | None, as_json: bool
) -> None:
    from mlzoo.data.root import data_root, dataset_folder
    from mlzoo.progress import default_progress
    from mlzoo.registry import resolve

    folder = dataset_folder(data_root(data_dir), entry.spec.name)
    made = resolve(entry.spec.prepare, entry.plugin)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        facts = made(folder, options, default_progress(quiet=as_json))
    finally:
        with suppress(OSError):  # it holds something
            folder.rmdir()
    if as_json:
        print_json({"folder": str(folder), **facts})
    else:
        print_table(["fact", "value"], fact_rows(facts), title=f"written to {folder}")
