"""Code that may crash, hang or exit, run in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

IMPORT_SECONDS = 120  # after so long an import counts as hanging

_ANSWER = """
import json, os, sys
out = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)  # what is printed meanwhile is no answer
def answer(**values): print(json.dumps(values), file=out)
"""


def elsewhere(code: str, *words: str) -> tuple[list[dict[str, Any]], str]:
    """Run code in another process: what it answered, and how it ended if it ended early.

    Args:
        code: Python; each call of ``answer(key=value)`` with JSON values gives one answer.
        words: its ``sys.argv[1:]``.
    """
    command = [sys.executable, "-c", _ANSWER + code, *words]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            timeout=IMPORT_SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        printed, ending = done.stdout, _ending(done.returncode, done.stderr)
    except subprocess.TimeoutExpired as error:
        printed, ending = error.stdout or b"", f"the import took more than {IMPORT_SECONDS} s"
    return [json.loads(line) for line in printed.splitlines()], ending


def _ending(code: int, errors: bytes) -> str:
    if code < 0:
        return f"the import crashed (signal {-code})"
    last = errors.decode(errors="replace").strip().splitlines()[-1:]
    return f"the import ended the process (status {code})" + "".join(f": {line}" for line in last)
