"""When a checkpoint is worth its time, and that sparse ones resume as exactly."""

from __future__ import annotations

import pytest

import mlzoo
from mlzoo.cadence import Cadence
from mlzoo.checkpoints import load_checkpoint
from mlzoo.experiment import Interrupted
from mlzoo.progress import Progress
from mlzoo.run_directory import RunRecord, find_runs
from mlzoo.testing import same

QUIET = Progress(quiet=True)


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def saved(clock, seconds):
    cadence = Cadence(clock)
    with cadence.saving():
        clock.now += seconds
    return cadence


def test_the_first_save_and_cheap_ones_are_always_due():
    clock = Clock()
    assert Cadence(clock).due()
    assert saved(clock, 0.4).due()


def test_a_save_that_takes_long_waits_for_nine_times_as_long():
    clock = Clock()
    cadence = saved(clock, 2.0)
    assert not cadence.due()
    clock.now += 17.9
    assert not cadence.due()
    clock.now += 0.2
    assert cadence.due()


@pytest.mark.usefixtures("toy")
def test_sparse_checkpoints_resume_to_the_same_end_bit_for_bit(tmp_path, monkeypatch):
    options = {"noise": 0.1, "epochs": 5, "figures": False, "progress": QUIET}
    straight = mlzoo.run("toy", out=tmp_path / "a", **options)
    offered = iter([True, False, False])  # epoch 1 is kept, 2 and 3 are not
    monkeypatch.setattr(Cadence, "due", lambda self: next(offered))

    with monkeypatch.context() as patch:
        from mlzoo.runs import Run

        generator = Run.generator

        def killed(self, epoch):
            if epoch == 4:
                raise KeyboardInterrupt
            return generator(self, epoch)

        patch.setattr(Run, "generator", killed)
        with pytest.raises(Interrupted):
            mlzoo.run("toy", out=tmp_path / "b", **options)
    (record,) = find_runs([tmp_path / "b"])
    half = record.directory
    assert load_checkpoint(half / "checkpoints" / "last.pt")["epoch"] == 1
    monkeypatch.setattr(Cadence, "due", lambda self: False)
    resumed = mlzoo.resume(half, figures=False, progress=QUIET)
    for name in ("last.pt", "best.pt"):
        kept = [load_checkpoint(at / "checkpoints" / name) for at in (straight.directory, half)]
        assert same(*kept), name
    assert resumed.metrics == straight.metrics
    assert RunRecord(half).rows == RunRecord(straight.directory).rows


@pytest.mark.usefixtures("toy")
def test_an_epoch_after_which_one_stops_is_kept_whatever_it_costs(tmp_path, monkeypatch):
    monkeypatch.setattr(Cadence, "due", lambda self: False)
    with pytest.raises(Interrupted):
        mlzoo.run("toy", out=tmp_path, stop_after=2, epochs=4, figures=False, progress=QUIET)
    (record,) = find_runs([tmp_path])
    assert load_checkpoint(record.directory / "checkpoints" / "last.pt")["epoch"] == 2
