"""``mlzoo data download``: says what it would fetch and how large it is, asks, fetches."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlzoo.cli.byte_progress import byte_progress, checking
from mlzoo.cli.dataset_commands import DatasetGroup, dataset_command, fact_rows
from mlzoo.cli.output import print_json, print_table
from mlzoo.data.manifest import human_size
from mlzoo.errors import UsageError
from mlzoo.plugins import Registered

if TYPE_CHECKING:
    from mlzoo.config import Config
    from mlzoo.data.download import Outcome
    from mlzoo.data.download_plan import DownloadPlan, Step
    from mlzoo.data.transfer import Patience

UNASKED_BYTES = 1_000_000_000
"""What is fetched without ``--yes`` when there is no terminal to ask in."""


class _DownloadGroup(DatasetGroup):
    def command_of(self, entry: Registered) -> click.Command:
        from mlzoo.planning import download_config

        return dataset_command(entry, download_config(entry), _download, _params(), run=False)


def _params() -> list[click.Parameter]:
    return [
        click.Option(["--yes", "-y"], is_flag=True, help="Do not ask, whatever the size."),
        click.Option(["--dry-run"], is_flag=True, help="Only say what would be done."),
        click.Option(
            ["--replace"], is_flag=True, help="Replace files that are there and are wrong."
        ),
        click.Option(["--keep-archives"], is_flag=True, help="Keep archives after unpacking them."),
        click.Option(
            ["--timeout"], type=click.FloatRange(0.1), default=30.0, help="seconds of silence  [30]"
        ),
        click.Option(
            ["--attempts"], type=click.IntRange(1), default=5, help="in a row for each file  [5]"
        ),
    ]


@click.group(cls=_DownloadGroup, subcommand_metavar="NAME [OPTIONS]")
def download() -> None:
    """Fetch the files of the dataset NAME that are missing, and unpack its archives.

    Sizes are shown first. What was interrupted goes on with the same command. Without a terminal
    nothing is asked: up to 1 GB is fetched, more only with --yes. Exit 1 if files are still missing.
    """


def _download(
    entry: Registered,
    options: Config | None,
    *,
    data_dir: Path | None,
    yes: bool,
    dry_run: bool,
    replace: bool,
    keep_archives: bool,
    timeout: float,
    attempts: int,
    as_json: bool,
) -> None:
    from mlzoo.data.download_plan import check_space, plan_download
    from mlzoo.data.root import data_root
    from mlzoo.data.transfer import Patience

    spec = entry.spec
    if spec.embedded or not (spec.files or spec.download):
        empty = {"files": [], "ok": True}
        print_json(empty) if as_json else click.echo(f"{spec.name} needs no files")
        return
    patience = Patience(timeout=timeout, attempts=attempts)
    root = data_root(data_dir)
    with byte_progress(checking(spec, root)) as progress:
        plan = plan_download(
            spec, root, replace_existing=replace, patience=patience, progress=progress
        )
    if not as_json:
        _show_plan(plan)
    if dry_run:
        if as_json:
            print_json(_plan_json(plan))
        return
    check_space(plan)
    if not yes:
        _ask(plan)
    outcomes = _carry_out(plan, replace, keep_archives, patience)
    if not as_json:
        _show_outcomes(plan, outcomes)
    ok = all(outcome.ok for outcome in outcomes)
    facts = _fetch_more(entry, options, plan.folder, as_json)
    if as_json:
        files = [_outcome_json(outcome) for outcome in outcomes]
        more = {} if spec.download is None else {"fetched": facts}
        print_json({"folder": str(plan.folder), "files": files, "ok": ok, **more})
    elif facts:
        print_table(["fact", "value"], fact_rows(facts), title=f"in {plan.folder}")
    if not ok:
        raise click.exceptions.Exit(1)


def _fetch_more(
    entry: Registered, options: Config | None, folder: Path, quiet: bool
) -> dict[str, Any]:
    """What the dataset fetches beside its files, and the facts of it."""
    from mlzoo.progress import default_progress
    from mlzoo.registry import resolve
    from mlzoo.signals import as_interrupt

    if entry.spec.download is None:
        return {}
    fetch = resolve(entry.spec.download, entry.plugin)
    folder.mkdir(parents=True, exist_ok=True)
    with as_interrupt():
        return dict(fetch(folder, options, default_progress(quiet)))


def _carry_out(
    plan: DownloadPlan, replace: bool, keep_archives: bool, patience: Patience
) -> list[Outcome]:
    from mlzoo.data.download import carry_out
    from mlzoo.signals import as_interrupt

    labels: dict[str, tuple[str, int | None]] = {}
    for step in plan.steps:
        path = step.file.path
        labels[step.file.url or path] = (path, step.size)
        for place in (step.found.path, step.found.path.with_name(step.found.path.name + ".part")):
            labels[str(place)] = (f"check {path}", step.size)
        labels[step.found.path.name] = (f"unpack {path}", step.file.unpacked_size)
    done = {step.file.url or step.file.path: step.done for step in plan.steps}
    try:
        with as_interrupt(), byte_progress(labels, done) as progress:
            return carry_out(
                plan,
                replace_existing=replace,
                keep_archives=keep_archives,
                patience=patience,
                progress=progress,
                note=lambda line: click.echo(f"mlzoo: {line}", err=True),
            )
    except KeyboardInterrupt:
        click.echo("What came is kept; the same command goes on.", err=True)
        raise


def _show_plan(plan: DownloadPlan) -> None:
    rows = [[s.file.path, human_size(s.size), _todo(s), s.file.licence] for s in plan.steps]
    print_table(["file", "size", "to do", "licence"], rows, title=str(plan.folder), numeric=[1])
    if plan.work:
        size = "of unknown size" if plan.to_fetch is None else human_size(plan.to_fetch)
        click.echo(f"to download: {size}; free: {human_size(plan.free)}")


def _todo(step: Step) -> str:
    if step.action == "prepare":
        return "made by mlzoo data prepare"
    if step.action == "keep":
        return "there" if step.found.state == "present" else f"there, {step.found.state}"
    if step.action == "in the way":
        return f"{step.found.state}, stays (--replace)"
    if step.action != "fetch":
        return step.action
    begun = f", {human_size(step.done)} of it there" if step.done else ""
    unverified = "" if step.file.sha256 else ", no checksum known"
    unpacked = ", unpack" if step.file.unpacks else ""
    return f"download{begun}{unpacked}{unverified}"


def _ask(plan: DownloadPlan) -> None:
    """Let the person decide; without one, refuse what is large."""
    if not any(step.action == "fetch" for step in plan.steps):
        return
    size = plan.to_fetch
    text = "files of unknown size" if size is None else human_size(size)
    if sys.stdin.isatty():
        if not click.confirm(f"Download {text}?", default=True, err=True):
            raise click.exceptions.Exit(1)
    elif size is None or size > UNASKED_BYTES:
        raise UsageError(
            f"{plan.spec.name} would download {text} and there is no terminal to ask in.",
            "Add --yes to do it, or --dry-run to see what.",
        )


def _show_outcomes(plan: DownloadPlan, outcomes: list[Outcome]) -> None:
    worked = {step.file for step in plan.work}
    for outcome in outcomes:
        path = outcome.file.path
        if outcome.error:
            click.echo(outcome.told, err=True)
        elif outcome.file in worked and outcome.file.sha256 is None:
            click.echo(f"{path}: unverified, no checksum is declared; found {outcome.sha256}")
        elif outcome.file in worked:
            click.echo(f"{path}: verified")
    if any(outcome.file.role == "made" and outcome.state == "missing" for outcome in outcomes):
        click.echo(f"what is made of it: mlzoo data prepare {plan.spec.name}")
    elif all(outcome.ok for outcome in outcomes):
        click.echo(f"{plan.spec.name} is complete")


def _plan_json(plan: DownloadPlan) -> dict[str, Any]:
    files = [
        {
            "path": step.file.path,
            "state": step.found.state,
            "action": step.action,
            "size": step.size,
            "done": step.done,
            "url": step.file.url,
        }
        for step in plan.steps
    ]
    sizes = {"to_download": plan.to_fetch, "free": plan.free}
    return {"folder": str(plan.folder), "files": files, **sizes}


def _outcome_json(outcome: Outcome) -> dict[str, Any]:
    return {
        "path": outcome.file.path,
        "state": outcome.state,
        "sha256": outcome.sha256 or None,
        "url": outcome.file.url,
        "error": outcome.error or None,
    }
