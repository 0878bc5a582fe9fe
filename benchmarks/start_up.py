"""Measures how long the command line takes to answer, against a bare Python, in one run.

python benchmarks/start_up.py [--json FILE] [--repeats 10]
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path

COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "mlzoo --help": ["mlzoo", "--help"],
    "mlzoo list": ["mlzoo", "list"],
    "mlzoo run mdn --help": ["mlzoo", "run", "mdn", "--help"],
}


def seconds(command: list[str]) -> float:
    """Wall time of one call."""
    started = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--repeats", type=int, default=10)
    arguments = parser.parse_args()
    script = shutil.which("mlzoo", path=str(Path(sys.executable).parent)) or "mlzoo"
    commands = {
        name: [script if word == "mlzoo" else word for word in words]
        for name, words in COMMANDS.items()
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(arguments.repeats):
        for name, command in commands.items():  # interleaved, so that load falls on all alike
            times[name].append(seconds(command))
    bare = min(times["python -c pass"])
    rows = [
        {"command": name, "best_ms": 1000 * min(values), "times_bare_python": min(values) / bare}
        for name, values in times.items()
    ]
    for row in rows:
        print(f"{row['command']:<24}{row['best_ms']:7.0f} ms{row['times_bare_python']:7.1f}x")
    if arguments.json:
        facts = {"python": platform.python_version(), "repeats": arguments.repeats}
        arguments.json.write_text(json.dumps({**facts, "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
