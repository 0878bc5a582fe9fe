"""The paper's point at full size: Baseline and Conv, five seeds each, against their bars.

    python benchmarks/mdn_claim.py [--json FILE] [--repeats 5] [--device cuda] [--quick]

Prints every seed (``--repeats`` says how many) and whether the bars hold; exits 1 if one does not.
About four minutes on two cores. ``--quick`` trains on little data and judges nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from _measure import Row, arguments, machine, write

import mlzoo
from mlzoo.progress import Progress


def measure(network: str, seed: int, out: Path, options: argparse.Namespace) -> Row:
    """One run with the recommended preset."""
    started = time.perf_counter()
    result = mlzoo.run(
        "mdn",
        network=network,
        preset="smoke" if options.quick else None,
        seed=seed,
        out=out,
        device=options.device,
        figures=False,
        progress=Progress(quiet=True),
    )
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
    options = arguments(__doc__, repeats=5, threads=os.cpu_count() or 1)
    rows: dict[str, list[Row]] = {"baseline": [], "conv": []}
    with tempfile.TemporaryDirectory() as folder:
        for network, measured in rows.items():
            for seed in range(options.repeats):
                measured.append(measure(network, seed, Path(folder), options))
                print(json.dumps(measured[-1]), flush=True)
    held = {} if options.quick else bars(**rows)
    for name, holds in held.items():
        print("holds " if holds else "MISSED", name)
    runs = [run for network in rows.values() for run in network]
    write(options, {"machine": machine(options), "bars": held, "runs": runs})
    return 0 if all(held.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
