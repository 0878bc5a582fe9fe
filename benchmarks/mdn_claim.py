"""Runs the paper's point at full size: Baseline and Conv, five seeds each, against their bars.

Prints every seed and whether the bars hold; exits 1 if one does not. About four minutes on two cores.

    python benchmarks/mdn_claim.py [--json FILE] [--seeds 5]
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mlzoo

Row = dict[str, Any]


def measure(network: str, seed: int, out: Path) -> Row:
    """One run with the recommended preset."""
    started = time.perf_counter()
    result = mlzoo.run("mdn", network=network, seed=seed, out=out, device="cpu", figures=False)
    row: Row = {"network": network, "seed": seed, "seconds": time.perf_counter() - started}
    for split, metrics in result.metrics.items():
        row[split] = {name: metrics[name] for name in ("accuracy", "dcor2_0", "dcor2_1")}
    return row


def bars(baseline: list[Row], conv: list[Row]) -> dict[str, bool]:
    """What must hold in every seed, and for the mean of Conv."""

    def dependence(row: Row) -> list[float]:
        return [row["test"]["dcor2_0"], row["test"]["dcor2_1"]]

    accuracies = [row["test"]["accuracy"] for row in conv]
    tenth = min(min(dependence(row)) for row in baseline) / 10
    return {
        "baseline accuracy >= 92.5": all(row["test"]["accuracy"] >= 92.5 for row in baseline),
        "baseline dcor2 >= .15": all(min(dependence(row)) >= 0.15 for row in baseline),
        "conv accuracy in [80, 87]": all(80 <= accuracy <= 87 for accuracy in accuracies),
        "conv mean accuracy in [81.5, 85.5]": 81.5 <= statistics.fmean(accuracies) <= 85.5,
        "conv dcor2 <= .01": all(max(dependence(row)) <= 0.01 for row in conv),
        "conv dcor2 <= baseline / 10": all(max(dependence(row)) <= tenth for row in conv),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for network in ("baseline", "conv"):
            for seed in range(arguments.seeds):
                row = measure(network, seed, Path(folder))
                rows.append(row)
                shown = {split: row[split] for split in row if split.startswith("test")}
                print(network, seed, json.dumps(shown), flush=True)
    held = bars(rows[: arguments.seeds], rows[arguments.seeds :])
    for name, holds in held.items():
        print("holds " if holds else "MISSED", name)
    if arguments.json:
        facts = {"torch": version("torch"), "machine": platform.machine(), "bars": held}
        arguments.json.write_text(json.dumps({**facts, "rows": rows}, indent=2) + "\n")
    return 0 if all(held.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
