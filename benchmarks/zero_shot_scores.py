"""TF-VAEGAN against two closed forms on ``digits``: the same split, settings chosen on validation classes.

TF-VAEGAN has the preset `digits` (chosen on the validation classes with seed 0) and seeds 0-4; ESZSL and
ridge regression draw nothing at random. Ridge maps a feature to the attributes, and the nearest class
embedding is the answer; its penalty has the best H on the validation classes. Test is read once each.

    python benchmarks/zero_shot_scores.py [--out FOLDER] [--seeds 5] [--markdown FILE]

Finished runs in FOLDER are not repeated.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path

import numpy as np

import mlzoo
from mlzoo.files import atomic_write
from mlzoo.progress import Progress
from mlzoo.run_directory import find_runs
from mlzoo_tfvaegan.evaluators import score
from mlzoo_tfvaegan.metrics import METRICS
from mlzoo_tfvaegan.zero_shot import ZeroShotData

Scores = dict[str, float]
PENALTIES = [10.0**power for power in range(-2, 4)]


def ridge(world: ZeroShotData, penalty: float) -> Scores:
    """Attributes by ridge regression with an intercept, then the nearest class embedding."""
    x, targets = world.train.features.astype(np.float64), world.attributes.astype(np.float64)
    y = targets[world.train.label]
    centre, mean = x.mean(axis=0), y.mean(axis=0)
    gram = (x - centre).T @ (x - centre) + penalty * np.eye(x.shape[1])
    weights = np.linalg.solve(gram, (x - centre).T @ (y - mean))  # [R, A]
    found = (world.test.features - centre) @ weights + mean  # [n, A]
    distance = np.square(found[:, None] - targets[world.classes]).sum(axis=-1)  # [n, C]
    return score({"label": world.test.label, "scores": -distance}, world)


def chosen_ridge(world: ZeroShotData) -> tuple[float, Scores]:
    """The penalty with the best H on the validation classes, and its scores on test."""
    assert world.validation is not None
    by_penalty = {value: ridge(world.validation, value)["gzsl_h"] for value in PENALTIES}
    penalty = max(by_penalty, key=lambda value: by_penalty[value])
    return penalty, ridge(world, penalty)


def runs(model: str, seeds: int, out: Path) -> list[Scores]:
    """Test metrics of every seed; what is done already is read."""
    folder = out / model
    records = find_runs([folder]) if folder.exists() else []
    done = {record.results["seed"]: record.results for record in records if record.results}
    found = []
    for seed in range(seeds):
        if seed not in done:
            result = mlzoo.run(
                model,
                dataset="digits",
                seed=seed,
                out=folder,
                device="cpu",
                figures=False,
                progress=Progress(quiet=True),
            )
            done[seed] = result.results
            print(model, seed, result.metrics["test"], flush=True)
        found.append(done[seed]["metrics"]["test"])
    return found


def row(name: str, found: list[Scores]) -> str:
    """Mean ± standard deviation of every metric."""
    cells = []
    for metric, spec in METRICS.items():
        values = [scores[metric] for scores in found]
        digits = 1 if spec.unit == "%" else 3
        spread = f" ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
        cells.append(f"{statistics.fmean(values):.{digits}f}{spread}")
    return f"| {name} | {len(found)} | {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("runs/zero-shot-scores"))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument(
        "--markdown", type=Path, default=Path("benchmarks/results/zero_shot_scores.md")
    )
    arguments = parser.parse_args()
    world = mlzoo.load_dataset("digits")
    assert isinstance(world, ZeroShotData)
    penalty, scores = chosen_ridge(world)
    rows = [row(f"ridge, penalty {penalty:g}", [scores])]
    rows.append(row("eszsl", runs("eszsl", 1, arguments.out)))
    rows.append(row("tfvaegan", runs("tfvaegan", arguments.seeds, arguments.out)))
    chance = world.references()
    cells = [f"{chance[name]['chance']:.3g}" for name in METRICS]
    lines = [
        f"Test of digits, mean ± sd; fingerprint {world.fingerprint()[:8]}.",
        "",
        f"| method | seeds | {' | '.join(METRICS)} |",
        "|---" * (len(METRICS) + 2) + "|",
        *rows,
        f"| chance | | {' | '.join(cells)} |",
    ]
    text = "\n".join(lines) + "\n"
    with atomic_write(arguments.markdown) as file:
        file.write(text.encode())
    print(text)


if __name__ == "__main__":
    main()
