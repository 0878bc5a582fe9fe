"""Writes the tables of ``README.md`` from the files in ``results/``; no number there is typed by hand.

python benchmarks/_table.py
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Mapping
from pathlib import Path
from string import ascii_uppercase
from typing import Any

FOLDER = Path(__file__).parent
README = FOLDER / "README.md"
RESULTS = FOLDER / "results"
BEGIN, END = "<!-- begin: made by _table.py -->", "<!-- end -->"
DEVICES = {"CPU": "", "GPU": "-cuda"}
"""A column each, and the ending of its results."""

Result = Mapping[str, Any]


def load(folder: Path = RESULTS) -> dict[str, Result]:
    """All recorded results of this form, by the name of their file."""
    files = {
        path.stem: json.loads(path.read_text("utf-8")) for path in sorted(folder.glob("*.json"))
    }
    return {name: result for name, result in files.items() if {"rows", "bars"} & set(result)}


def tables(results: Mapping[str, Result]) -> str:
    """Everything between the markers: the claims, the runs behind the paper's point, the machines."""
    speed, claims = ({k: r for k, r in results.items() if field in r} for field in ("rows", "bars"))
    letters = dict(zip(results, ascii_uppercase, strict=False))
    head = ["what", "against"]
    for device in DEVICES:
        head += [f"{device}: ratio", "theirs, ms", "ours, ms", "of the machine's rate", "where"]
    parts = ["### Speed", _table(head, _speed_lines(speed, letters), left=2)]
    for name, result in claims.items():
        parts += [f"### Scores ({letters[name]})", _claim(result)]
    parts += ["### Where and when", _machines(results, letters)]
    return "\n\n".join(parts)


def _speed_lines(results: Mapping[str, Result], letters: Mapping[str, str]) -> Iterable[list[str]]:
    """A line for each comparison, with the columns of every device."""
    for script in sorted({name.removesuffix(DEVICES["GPU"]) for name in results}):
        devices = [
            (name, _rows(results.get(name))) for name in (script + d for d in DEVICES.values())
        ]
        known = {what: row for _, rows in reversed(devices) for what, row in rows.items()}
        for what, row in known.items():
            for other in row["against"]:
                line = [what, other]
                for name, rows in devices:
                    if what in rows and other in rows[what]["ms"]:
                        machine = results[name]["machine"]
                        line += [*_cells(rows[what], other, machine), letters[name]]
                    else:
                        possible = row["accelerated"] or name == script
                        line += ["not measured" if possible else "CPU only", *[""] * 4]
                yield line


def _rows(result: Result | None) -> dict[str, Any]:
    """Rows by what they measure; none where nothing is recorded."""
    return {row["what"]: row for row in result["rows"]} if result else {}


def _cells(row: Mapping[str, Any], other: str, machine: Mapping[str, Any]) -> list[str]:
    ours, theirs = row["ms"][row["ours"]]["best"], row["ms"][other]["best"]
    return [f"{theirs / ours:.2f}", number(theirs), number(ours), _share(row, ours, machine)]


def _share(row: Mapping[str, Any], milliseconds: float, machine: Mapping[str, Any]) -> str:
    """How much of what the machine can do the step gets out of it."""
    for field, rate, name in (
        ("gflop", "gemm_gflop_s", "GEMM"),
        ("gigabytes", "copy_gb_s", "copy"),
    ):
        if row[field]:
            return f"{100 * row[field] / (milliseconds / 1e3) / machine[rate]:.0f} % {name}"
    return ""


def number(value: float) -> str:
    """Three digits, without an exponent."""
    return f"{value:.0f}" if value >= 100 else f"{value:#.3g}"


def _claim(result: Result) -> str:
    """Mean and spread of the test scores over the seeds, and whether the bars held."""
    lines = []
    for network in dict.fromkeys(run["network"] for run in result["runs"]):
        runs = [run for run in result["runs"] if run["network"] == network]
        for split in (key for key in runs[0] if key.startswith("test")):
            cells = [
                _mean([run[split][metric] for run in runs], metric) for metric in runs[0][split]
            ]
            seconds = statistics.fmean(run["seconds"] for run in runs)
            lines.append([network, split, str(len(runs)), *cells, number(seconds)])
    head = ["network", "split", "seeds", "accuracy, %", "dcor² label 0", "dcor² label 1", "s a run"]
    bars = [
        f"- {bar}: {'holds' if holds else '**missed**'}" for bar, holds in result["bars"].items()
    ]
    return "\n".join([_table(head, lines, left=2), "", *bars])


def _mean(values: list[float], metric: str) -> str:
    digits = 1 if metric == "accuracy" else 4
    spread = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.fmean(values):.{digits}f} ± {spread:.{digits}f}"


def _machines(results: Mapping[str, Result], letters: Mapping[str, str]) -> str:
    lines = []
    for name, result in results.items():
        facts = result["machine"]
        threads = f"{facts['threads']} of {facts['cores']}"
        load = "" if facts["load"] is None else f"{facts['load']:.1f}"
        versions = f"torch {facts['torch']}, numpy {facts['numpy']}, Python {facts['python']}"
        rates = [number(facts["gemm_gflop_s"]), number(facts["copy_gb_s"])]
        device = facts["gpu"] or facts["cpu"]
        lines.append(
            [letters[name], f"`{name}`", device, threads, load, *rates, versions, facts["date"]]
        )
    head = [
        "",
        "result",
        "device",
        "threads of cores",
        "load before",
        "GEMM, GFLOP/s",
        "copy, GB/s",
        "versions",
        "date",
    ]
    return _table(head, lines, left=3)


def _table(head: list[str], lines: Iterable[list[str]], left: int) -> str:
    """A Markdown table; columns from ``left`` on are set right."""
    rule = ["---"] * left + ["---:"] * (len(head) - left)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *lines))


def updated(text: str, results: Mapping[str, Result]) -> str:
    """The README with what stands between its markers made anew."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{tables(results)}\n\n{END}{after}"


def main() -> None:
    README.write_text(updated(README.read_text(encoding="utf-8"), load()), encoding="utf-8")
    print(f"{README.name}: {len(load())} results")


if __name__ == "__main__":
    main()
