"""How long the command line takes to answer, against a bare Python and one that imports torch.

python benchmarks/start_up.py [--json FILE] [--repeats 10] [--quick]
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from _measure import Call, arguments, compare, report

COMMANDS = (("--help",), ("list",), ("run", "mdn", "--help"))
FLOOR = "bare Python"
EAGER = "Python and torch"
"""What a command line takes that imports its libraries whether it needs them or not."""


def start(command: Sequence[str]) -> Call:
    """A call that starts a process and waits for its end."""
    return lambda: subprocess.run(command, stdout=subprocess.DEVNULL, check=True)


def main() -> None:
    options = arguments(__doc__, repeats=10)
    script = shutil.which("mlzoo", path=str(Path(sys.executable).parent))
    mlzoo = [script] if script else [sys.executable, "-m", "mlzoo"]
    rows = []
    for words in COMMANDS[:1] if options.quick else COMMANDS:
        calls = {
            "mlzoo": start([*mlzoo, *words]),
            EAGER: start([sys.executable, "-c", "import torch"]),
            FLOOR: start([sys.executable, "-c", "pass"]),
        }
        what = f"`mlzoo {' '.join(words)}`"
        rows.append(compare(what, calls, options, against=(EAGER, FLOOR)))
    report(rows, options)


if __name__ == "__main__":
    main()
