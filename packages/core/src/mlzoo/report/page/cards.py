"""Cards: what the runs rest on, a card for each paper and for each dataset."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mlzoo.errors import MlzooError
from mlzoo.plugins import Registered
from mlzoo.registry import registry
from mlzoo.report.board import Board
from mlzoo.report.groups import Group, data_digest
from mlzoo.specs import DatasetSpec, ModelSpec, Paper, Published

MOST_FACTS = 40
LONGEST = 120


@dataclass
class PaperCard:
    """A paper with the models of it that were run."""

    paper: Paper
    models: list[Registered] = field(default_factory=list)

    @property
    def numbers(self) -> list[tuple[str, Published]]:
        """Its published numbers, each with its model."""
        found = [(r.spec.name, number) for r in self.models for number in r.spec.published]
        return sorted(found, key=lambda each: (each[1].dataset, each[0]))

    @property
    def verified(self) -> int:
        """How many of them somebody saw in their source."""
        return sum(number.verified for _, number in self.numbers)


@dataclass
class DatasetCard:
    """A dataset as the runs used it.

    Attributes:
        name, task: of the runs.
        spec: None if its plugin is not installed.
        uses: for each digest of data, the facts that a run on it noted, flat.
    """

    name: str
    task: str
    spec: DatasetSpec | None
    plugin: str
    uses: dict[str, list[tuple[str, str]]] = field(default_factory=dict)

    @property
    def licences(self) -> list[str]:
        """Of the dataset and of its files, each once."""
        if self.spec is None:
            return []
        every = [self.spec.licence, *(file.licence for file in self.spec.files)]
        return list(dict.fromkeys(filter(None, every)))


def papers_of(boards: Sequence[Board]) -> tuple[list[PaperCard], list[str]]:
    """A card for each paper, and the models that cannot be looked up."""
    cards: dict[tuple[str, int], PaperCard] = {}
    problems = []
    for name in dict.fromkeys(group.first.results["model"] for group in _groups(boards)):
        try:
            entry = registry().model(name)
        except MlzooError as error:
            problems.append(f"{name}: {error.message}")
            continue
        spec: ModelSpec = entry.spec
        card = cards.setdefault((spec.paper.title, spec.paper.year), PaperCard(spec.paper))
        card.models.append(entry)
    return list(cards.values()), problems


def datasets_of(boards: Sequence[Board]) -> list[DatasetCard]:
    """A card for each dataset, with the data that its runs used."""
    cards: dict[tuple[str, str], DatasetCard] = {}
    for board in boards:
        key = (board.task, board.dataset)
        if key not in cards:
            cards[key] = _dataset(board)
        for group in _groups([board]):
            cards[key].uses.setdefault(data_digest(group.first), _facts(group))
    return list(cards.values())


def _groups(boards: Sequence[Board]) -> Iterator[Group]:
    return (row.group for board in boards for row in board.rows)


def _dataset(board: Board) -> DatasetCard:
    try:
        entry = registry().dataset(board.dataset, board.task)
    except MlzooError as error:
        return DatasetCard(board.dataset, board.task, None, error.message)
    return DatasetCard(board.dataset, board.task, entry.spec, str(entry.plugin))


def _facts(group: Group) -> list[tuple[str, str]]:
    """What the first run noted of its data."""
    data = group.first.info.get("data") or {}
    found = list(_flat({key: value for key, value in data.items() if key != "fingerprint"}))
    left = len(found) - MOST_FACTS
    return found[:MOST_FACTS] + ([("…", f"{left} more in run.json")] if left > 0 else [])


def _flat(value: Mapping[str, Any], name: str = "") -> Iterator[tuple[str, str]]:
    for key, item in value.items():
        path = f"{name} {key}".strip()
        if isinstance(item, Mapping):
            yield from _flat(item, path)
        else:
            yield path, shown(item)


def shown(value: Any) -> str:
    """A JSON value in a cell."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list):
        parts = (f"({shown(v)})" if isinstance(v, list) else shown(v) for v in value)
        return _short(", ".join(parts))
    return _short(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
