"""``mlzoo card check``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from mlzoo.cli import completion
from mlzoo.cli.info import find_entry
from mlzoo.cli.output import json_option, print_json

if TYPE_CHECKING:
    from mlzoo.cards import Card
    from mlzoo.registry import Registry


@click.group()
def card() -> None:
    """Check what the cards of models, datasets and evaluators claim; mlzoo info shows one."""


@card.command()
@click.argument("names", metavar="[NAME]...", nargs=-1, shell_complete=completion.anything)
@json_option
def check(names: tuple[str, ...], as_json: bool) -> None:
    """Check all cards, or those of the models, datasets and evaluators NAME (task/name).

    Citations, published numbers with their sources, what must hold among numbers, presets and default
    datasets. Nothing is trained and no data is read. Exit 1 if there is an error.
    """
    from mlzoo.cards import check_cards, check_entry
    from mlzoo.registry import registry

    reg = registry()  # not installed(): what is broken is among the findings
    if names:
        wanted = dict.fromkeys(names)  # each once
        cards, broken = [check_entry(find_entry(reg, name), reg) for name in wanted], []
    else:
        cards, broken = list(check_cards(reg)), _broken(reg)
    errors = len(broken) + sum(len(each.of_level("error")) for each in cards)
    warnings = sum(len(each.of_level("warning")) for each in cards)
    if as_json:
        found = [_json(each) for each in cards]
        print_json({"ok": not errors, "errors": errors, "plugins": broken, "cards": found})
    else:
        for failure in broken:
            _say("error", failure["plugin"], failure["reason"], failure["fix"])
        for each in cards:
            _show(each)
        click.echo(f"cards {len(cards)}, errors {errors}, warnings {warnings}")
    if errors:
        raise click.exceptions.Exit(1)


def _broken(reg: Registry) -> list[dict[str, str]]:
    """Plugins whose cards cannot be looked at."""
    return [
        {"plugin": str(each.plugin), "reason": each.reason, "fix": each.fix}
        for each in reg.failures
    ]


def _show(each: Card) -> None:
    """A line for each finding; one line if there is no error."""
    who = f"{each.kind} {each.name}"
    for finding in each.findings:
        _say(finding.level, who, f"{finding.subject}: {finding.text}", finding.fix)
    if not each.of_level("error"):
        _say("ok", who, ", ".join(f"{what} {count}" for what, count in each.counts.items()))


def _say(level: str, who: str, text: str, fix: str = "") -> None:
    click.echo(f"{level:<8} {who}: {text}")
    if fix:
        click.echo(f"{'':<8} {fix}")


def _json(each: Card) -> dict[str, Any]:
    return {
        "kind": each.kind,
        "name": each.name,
        "task": each.entry.spec.task,
        "from": str(each.entry.plugin),
        "counts": dict(each.counts),
        "findings": [vars(finding) for finding in each.findings],
    }
