"""``mlzoo data doctor``: what a copy of a dataset is, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from mlzoo.cli.dataset_commands import DatasetGroup, dataset_command, fact_rows
from mlzoo.cli.output import print_json
from mlzoo.errors import MlzooError, UsageError
from mlzoo.plugins import Registered

if TYPE_CHECKING:
    from mlzoo.config import Config
    from mlzoo.contracts import Finding
    from mlzoo.specs import DatasetSpec


class _DoctorGroup(DatasetGroup):
    def command_of(self, entry: Registered) -> click.Command:
        from mlzoo.planning import dataset_config

        path = click.Argument(["path"], required=False, type=click.Path(path_type=Path))
        return dataset_command(entry, dataset_config(entry), _doctor, [path])


@click.group("doctor", cls=_DoctorGroup, subcommand_metavar="NAME [PATH] [OPTIONS]")
def data_doctor() -> None:
    """Examine a copy of a dataset: which one it is, and what is wrong with it. Exit 1 on errors.

    PATH is the dataset's own folder; without it, the folder of that name below the data root.
    """


def _doctor(
    entry: Registered,
    options: Config | None,
    path: Path | None,
    data_dir: Path | None,
    as_json: bool,
) -> None:
    from mlzoo.data.root import data_root, dataset_folder

    if path is not None and data_dir is not None:
        raise UsageError("PATH and --data-dir both name the folder.", "Give one of them.")
    if path is not None and not path.is_dir():
        raise UsageError(f"{path} is no folder.", "Name the folder that holds the dataset's files.")
    folder = path or dataset_folder(data_root(data_dir), entry.spec.name)
    findings = examine(entry, folder, options)
    errors = sum(finding.level == "error" for finding in findings)
    if as_json:
        rows = [asdict(finding) for finding in findings]
        print_json({"folder": str(folder), "ok": not errors, "findings": rows})
    else:
        click.echo(str(folder))
        for finding in findings:
            click.echo(f"{finding.level:<8}{finding.subject}: {finding.text}")
            if finding.fix:
                click.echo("\n".join(f"        {line}" for line in finding.fix.splitlines()))
        click.echo("no error" if not errors else f"errors: {errors}")
    if errors:
        raise click.exceptions.Exit(1)


def examine(entry: Registered, folder: Path, options: Config | None) -> Sequence[Finding]:
    """What the dataset's own doctor finds, or else whether its files are there and can be loaded.

    What it refuses to read is an error among the findings.
    """
    from mlzoo.contracts import Finding
    from mlzoo.registry import resolve

    spec = entry.spec
    try:
        if spec.doctor is not None:
            return list(resolve(spec.doctor, entry.plugin)(folder, options))
        findings = _files(spec, folder, options)
        if any(finding.level == "error" for finding in findings):
            return findings
        data = resolve(spec.load, entry.plugin)(folder, options)
        facts = {**data.describe(), "fingerprint": data.fingerprint()}
    except MlzooError as error:
        return [Finding("error", spec.name, error.message, error.fix)]
    return [*findings, *(Finding("ok", key, value) for key, value in fact_rows(facts))]


def _files(spec: DatasetSpec, folder: Path, options: Config | None) -> list[Finding]:
    from mlzoo.contracts import Finding
    from mlzoo.data.manifest import human_size, status_in

    values = dict(options) if options is not None else {}
    files = tuple(file.of(values) for file in spec.files)
    findings = []
    for found in status_in(replace(spec, files=files), folder):
        if found.ok:
            level: Literal["ok", "note"] = "note" if found.optional else "ok"
            findings.append(Finding(level, found.file.path, found.told))
        else:
            size = f", expected {human_size(found.file.size)}" if found.file.size else ""
            text = f"{found.state}{size}"
            findings.append(Finding("error", found.file.path, text, found.file.how_to_get))
    return findings
