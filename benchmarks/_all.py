"""Runs every benchmark, records its result and makes the tables of ``README.md`` anew.

python benchmarks/_all.py                    about a quarter of an hour on two cores
python benchmarks/_all.py mdn_layer          only this one
python benchmarks/_all.py --device cuda      into results/<script>-cuda.json, the GPU columns
python benchmarks/_all.py --quick            does everything run? nothing is recorded
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import _table

CPU_ONLY = {
    "biam_metrics", "imagecode_images", "imagecode_regions", "mdn_data", "multisk_ranks",
    "multisk_shards", "safe_files",
    "start_up",
}  # fmt: skip
ONLY_BY_NAME = {"mdn_family", "zero_shot_scores"}
"""They take far longer than all others together, and compare scores, not speed."""
SLOW = {"multisk_step"}
"""Twenty minutes and 14 GB on a CPU: run if named, or on a GPU."""


def scripts(named: Sequence[str], device: str) -> list[Path]:
    """What is to run."""
    found = {path.stem: path for path in sorted(_table.FOLDER.glob("[!_]*.py"))}
    if device != "cpu":
        found = {name: path for name, path in found.items() if name not in CPU_ONLY}
    if unknown := sorted(set(named) - set(found)):
        raise SystemExit(
            f"no benchmark {', '.join(unknown)} on {device}; there are {', '.join(found)}"
        )
    left_out = ONLY_BY_NAME | (SLOW if device == "cpu" else set())
    chosen = named or set(found) - left_out
    return [path for name, path in found.items() if name in chosen]


def run(script: Path, device: str, quick: bool) -> bool:
    """Run one and record what it found; whether it went well.

    A result replaces its predecessor only when it is whole.
    """
    if script.stem in ONLY_BY_NAME:  # it keeps what it has found, and goes on with that
        return subprocess.run([sys.executable, str(script)], check=False).returncode == 0
    ending = "" if device == "cpu" else f"-{device}"
    with tempfile.TemporaryDirectory() as folder:
        aside = Path(folder, "result.json")
        command = [sys.executable, str(script), "--json", str(aside), "--device", device]
        print(f"\n{script.stem}", flush=True)
        done = subprocess.run([*command, "--quick"] if quick else command, check=False)
        if not aside.exists():
            print(f"{script.stem} left no result (exit status {done.returncode})", flush=True)
            return False
        text = aside.read_text(encoding="utf-8")
    if not quick:
        _table.RESULTS.mkdir(exist_ok=True)
        _table.RESULTS.joinpath(f"{script.stem}{ending}.json").write_text(text, encoding="utf-8")
    return done.returncode == 0


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="of a script; all by default")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, nothing is recorded")
    options = parser.parse_args()
    chosen = scripts(options.names, options.device)
    well = [run(script, options.device, options.quick) for script in chosen]
    if not options.quick:
        _table.main()
    return 0 if all(well) else 1


if __name__ == "__main__":
    sys.exit(main())
