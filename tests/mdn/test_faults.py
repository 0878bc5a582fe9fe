"""A real model killed and stopped: it ends with the numbers of a run that nobody disturbed."""

from __future__ import annotations

import random
import signal
import sys
import time

import pytest

from mlzoo.checkpoints import load_checkpoint
from mlzoo.faults import Victims, broken_files
from mlzoo.run_directory import find_runs
from mlzoo.testing import first_difference

TRAINING = """
import torch, mlzoo.experiment, mlzoo.runs, mlzoo_mdn.model, mlzoo_mdn.data
from pathlib import Path
from mlzoo.progress import Progress
torch.optim.Adam([torch.zeros(1)])  # what is imported late is not imported in every child
def train(out):
    begun = [path.parent for path in Path(out).rglob("run.json")]
    quiet = {"figures": False, "progress": Progress(quiet=True)}
    if begun:
        mlzoo.resume(begun[0], **quiet)
    else:
        mlzoo.run("mdn", preset="smoke", device="cpu", out=out, **quiet)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs os.fork")
def test_killed_and_stopped_training_ends_as_if_undisturbed(tmp_path):
    out, stream = tmp_path / "disturbed", random.Random(0)
    code = f"train({str(out)!r})"

    def some_time_after_it_began():
        end = time.monotonic() + 60
        while not list(out.rglob("metrics.jsonl")) and time.monotonic() < end:
            time.sleep(0.005)
        time.sleep(stream.uniform(0.1, 1.0))

    # All in children of one fresh interpreter: this process has run other tests, whose libraries may
    # have changed how it rounds.
    with Victims(TRAINING) as victims:
        assert victims.run(f"train({str(tmp_path / 'straight')!r})") == 0, victims.errors()
        for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL):
            victims.run(code, number, some_time_after_it_began)
            assert not [line for line in broken_files(out) if "left behind" not in line]
        (straight,), (record,) = find_runs([tmp_path / "straight"]), find_runs([out])
        if record.info["status"] != "done":
            assert victims.run(code) == 0, victims.errors()
    assert broken_files(out) == []
    for name in ("last.pt", "best.pt"):
        one, other = (
            load_checkpoint(d / "checkpoints" / name)
            for d in (straight.directory, record.directory)
        )
        assert first_difference(one, other) is None, name
    (record,) = find_runs([out])
    assert record.results["metrics"] == straight.results["metrics"]
