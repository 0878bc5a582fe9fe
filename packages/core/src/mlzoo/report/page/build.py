"""The page: its parts are gathered here and written by the templates beside this module.

Every text of a run or a plugin goes through templates that escape it; the page's own style and script are
the only ones that its Content-Security-Policy lets the browser use.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import mlzoo
from mlzoo.errors import MlzooError
from mlzoo.report.board import Board, boards_of
from mlzoo.report.colours import COLOURS
from mlzoo.report.groups import group_runs
from mlzoo.report.page.boards import BoardView, interval_text, seconds_text, shared_chance, view_of
from mlzoo.report.page.cards import datasets_of, papers_of
from mlzoo.report.page.curves import HEIGHT, WIDTH, Curves, curves_of
from mlzoo.report.page.pedigree import packages_of, pedigrees_of
from mlzoo.report.page.pictures import Picture, pictures_of
from mlzoo.report.page.tables import TableView, tables_of
from mlzoo.report.reading import FoundRuns
from mlzoo.report.table import require_scored

if TYPE_CHECKING:
    import jinja2

HERE = Path(__file__).parent
LARGE = 20_000_000
"""Bytes from which a page is hard to send."""


@dataclass(frozen=True)
class Section:
    """A leaderboard with all that belongs to it."""

    key: str
    name: str
    view: BoardView
    curves: Curves
    pictures: Sequence[Picture]
    tables: Sequence[tuple[str, Sequence[TableView]]]
    problems: Sequence[str]

    @property
    def board(self) -> Board:
        """The leaderboard itself."""
        return self.view.board


@dataclass(frozen=True)
class Warned:
    """What a reader must know before comparing, and of which sections."""

    text: str
    sections: Sequence[Section]


def page(
    found: FoundRuns, split: str = "test", *, details: bool = False, when: datetime | None = None
) -> str:
    """A report as one HTML file that needs no other and no network.

    Args:
        found: the runs, and what was left out.
        split: to compare.
        details: with all metrics shown at first.
        when: to be written on it; now, if omitted.

    Raises:
        MlzooError: Jinja is not installed.
        RunError: there is no run that can be used.
        UsageError: none of them scored that split.
    """
    found.require_some()
    template = _templates().get_template("page.html")
    groups = group_runs(found.records)
    require_scored(groups, split)
    boards = [board for board in boards_of(found.records, split) if board.rows]
    sections = [_section(board, n, boards) for n, board in enumerate(boards, start=1)]
    papers, unknown = papers_of(boards)
    css, js = _asset("page.css") + _palette(), _asset("page.js")
    return template.render(
        css=css,
        js=js,
        policy=_policy(css, js),
        when=(when or datetime.now(UTC)).astimezone(UTC),
        version=mlzoo.__version__,
        split=split,
        details=details,
        sections=sections,
        models=len({g.first.results["model"] for g in groups}),
        datasets=len({(b.task, b.dataset) for b in boards}),
        tasks=len({board.task for board in boards}),
        runs=sum(len(group.runs) for group in groups),
        superseded=sum(group.superseded for group in groups),
        warnings=_warnings(sections),
        left_out=_left_out(found),
        papers=papers,
        unknown=unknown,
        dataset_cards=datasets_of(boards),
        pedigrees=pedigrees_of(boards),
        packages=packages_of(boards),
        chart={"width": WIDTH, "height": HEIGHT},
    )


def _section(board: Board, number: int, boards: Sequence[Board]) -> Section:
    view = view_of(board)
    curves = curves_of(board, view.series)
    pictures, problems = pictures_of([each.group for each in view.series])
    tables: list[tuple[str, list[TableView]]] = []
    for each in view.series:
        found, told = tables_of(each.group, board.split)
        problems += told
        if found:
            tables.append((each.label, found))
    return Section(
        key=f"board-{number}",
        name=_name(board, boards),
        view=view,
        curves=curves,
        pictures=pictures,
        tables=tables,
        problems=[*curves.problems, *problems],
    )


def _name(board: Board, boards: Sequence[Board]) -> str:
    """The dataset, and what tells the board from others of the same dataset."""
    twins = [other for other in boards if other.dataset == board.dataset]
    parts = [board.dataset]
    if len({twin.task for twin in twins}) > 1:
        parts.append(board.task)
    if len({twin.data for twin in twins}) > 1:
        parts.append(f"data {board.data[:8]}")
    if len({str(twin.versions) for twin in twins}) > 1:
        parts += [f"{name} v{version}" for name, version in board.versions.items()]
    return ", ".join(parts)


def _warnings(sections: Sequence[Section]) -> list[Warned]:
    found: dict[str, list[Section]] = {}
    for section in sections:
        for warning in section.board.warnings:
            # Which data it is the section's name says already.
            text = warning.replace(f" ({section.board.data[:8]})", "")
            found.setdefault(text, []).append(section)
    return [Warned(text, where) for text, where in found.items()]


def _left_out(found: FoundRuns) -> list[str]:
    """Each with its reason; of a folder the last two names, as the rest of its path is nobody's business."""
    texts = []
    for each in found.left_out:
        short = Path(*each.directory.parts[-2:]).as_posix()
        texts.append(str(each).replace(str(each.directory), short))
    return texts


def _asset(name: str) -> str:
    return (HERE / "assets" / name).read_text(encoding="utf-8")


def _palette() -> str:
    """A class for each colour, lighter on a dark page; the last one, black, is the colour of the text."""
    lines = [
        f".c{n} {{ --series: light-dark({colour}, color-mix(in oklab, {colour}, white 25%)); }}"
        for n, colour in enumerate(COLOURS[:-1])
    ]
    return "\n".join([*lines, f".c{len(COLOURS) - 1} {{ --series: var(--text); }}", ""])


def _policy(css: str, js: str) -> str:
    """Nothing is loaded but pictures within the page; no script or style runs but the page's own."""
    style, script = (
        "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"
        for text in (css, js)
    )
    return (
        f"default-src 'none'; img-src data:; style-src {style}; script-src {script}; "
        "base-uri 'none'; form-action 'none'"
    )


def _templates() -> jinja2.Environment:
    """The environment of the templates; every value is escaped.

    Raises:
        MlzooError: Jinja is not installed.
    """
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
    except ImportError as error:
        raise MlzooError(
            f"a page needs Jinja, which is not installed ({error}).",
            "pip install 'mlzoo-core[report]'",
        ) from error
    found = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters["interval"] = interval_text
    found.filters["is_link"] = lambda url: url.startswith(("https://", "http://"))
    found.globals |= {"chance_of": shared_chance, "seconds_text": seconds_text}
    return found
