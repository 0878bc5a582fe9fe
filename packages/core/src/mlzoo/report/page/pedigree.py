"""Where numbers come from: each group's options with their sources, its machines and versions."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlzoo.config import RESERVED
from mlzoo.report.board import Board
from mlzoo.report.groups import Group
from mlzoo.report.page.boards import seconds_text, series_of
from mlzoo.report.page.cards import shown
from mlzoo.run_directory import RunRecord

LONGEST_ENVIRONMENT = 100_000
"""Letters; a longer file is no list of packages."""


@dataclass(frozen=True)
class Setting:
    """An option of a group."""

    name: str
    value: str
    source: str


@dataclass(frozen=True)
class RunFacts:
    """One run: the facts in which the runs of its group differ, by name."""

    name: str
    seed: int
    started: str
    seconds: str
    memory: str
    differing: Sequence[str]


@dataclass(frozen=True)
class Pedigree:
    """Of a group.

    Attributes:
        same: facts that all its runs share.
        differing: names of those that they do not.
        command: of the first run.
    """

    label: str
    dataset: str
    style: str
    settings: Sequence[Setting]
    same: Sequence[tuple[str, str]]
    differing: Sequence[str]
    runs: Sequence[RunFacts]
    duration: str
    command: str

    @property
    def chosen(self) -> int:
        """Options that are not the default."""
        return sum(setting.source != "default" for setting in self.settings)


@dataclass(frozen=True)
class Packages:
    """An ``environment.txt``, and whose it is."""

    users: Sequence[str]
    text: str
    count: int


def pedigrees_of(boards: Sequence[Board]) -> list[Pedigree]:
    """One a group, board by board."""
    return [
        _pedigree(each.group, each.label, board.dataset, each.style)
        for board in boards
        for each in series_of(board)
    ]


def _pedigree(group: Group, label: str, dataset: str, style: str) -> Pedigree:
    facts = [_facts(run) for run in group.runs]
    names = list(dict.fromkeys(name for each in facts for name in each))
    differing = [name for name in names if len({each.get(name, "-") for each in facts}) > 1]
    return Pedigree(
        label=label,
        dataset=dataset,
        style=style,
        settings=_settings(group.first),
        same=[(name, facts[0][name]) for name in names if name not in differing],
        differing=differing,
        runs=[_run(run, each, differing) for run, each in zip(group.runs, facts, strict=True)],
        duration=seconds_text([s for run in group.runs if (s := run.info.get("seconds"))]),
        command=_command(group.first),
    )


def _settings(run: RunRecord) -> list[Setting]:
    """Without the seed, in which runs of a group differ."""
    sources = run.config.get("sources")
    known: Mapping[str, Any] = sources if isinstance(sources, Mapping) else {}
    return [
        Setting(key, shown(value), str(known.get(key, "-")))
        for key, value in run.config.items()
        if key not in RESERVED and key != "seed"
    ]


def _facts(run: RunRecord) -> dict[str, str]:
    """Of ``run.json`` and ``results.json``, what could explain a difference."""
    info, results = run.info, run.results
    found = {
        "epoch scored": str(results["selection"]["epoch"]),
        "data": results["data"]["fingerprint"][:12],
        **{name: str(n) for name, n in results["data"].get("repeat", {}).items()},
        **{f"evaluator {name}": f"v{v}" for name, v in results["evaluators"].items()},
        "preset": shown(run.config.get("preset")),
    }
    for name in ("host", "platform", "python", "device", "processes", "compile"):
        if name in info:
            found[name] = shown(info[name])
    found |= {name: shown(v) for name, v in (info.get("versions") or {}).items()}
    git = info.get("git")
    for name, state in (git if isinstance(git, Mapping) else {}).items():
        found[f"{name} commit"] = _commit(state)
    if info.get("sessions"):
        found["resumed"] = f"{len(info['sessions'])} times"
    return found


def _commit(state: Any) -> str:
    if not isinstance(state, Mapping):
        return "installed"
    return f"{str(state.get('commit'))[:12]}{' with changes' if state.get('dirty') else ''}"


def _run(run: RunRecord, facts: Mapping[str, str], differing: Sequence[str]) -> RunFacts:
    info = run.info
    seconds, memory = info.get("seconds"), info.get("peak_memory_mb")
    return RunFacts(
        name=run.directory.name,
        seed=run.results["seed"],
        started=str(info.get("started") or "-")[:16].replace("T", " "),
        seconds="-" if seconds is None else f"{seconds:.1f}",
        memory=f"{memory:.0f}" if isinstance(memory, int | float) else "-",
        differing=[facts.get(name, "-") for name in differing],
    )


def _command(run: RunRecord) -> str:
    argv = run.info.get("argv")
    if not isinstance(argv, list) or not argv:
        return ""
    return shlex.join(["mlzoo", *map(str, argv[1:])])


def packages_of(boards: Sequence[Board]) -> list[Packages]:
    """Every distinct ``environment.txt``, with those whose runs had it."""
    users: dict[str, dict[str, None]] = {}
    for board in boards:
        for each in series_of(board):
            for run in each.group.runs:
                text = _environment(run)
                users.setdefault(text, {})[f"{each.label} on {board.dataset}"] = None
    return [Packages(list(who), text, text.count("==")) for text, who in users.items() if text]


def _environment(run: RunRecord) -> str:
    """Empty if it cannot be read."""
    try:
        with (run.directory / "environment.txt").open(encoding="utf-8") as file:
            return file.read(LONGEST_ENVIRONMENT)
    except (OSError, UnicodeDecodeError):
        return ""
