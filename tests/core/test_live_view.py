"""TensorBoard events beside the log: the same numbers, each once, and nothing else changed."""

from __future__ import annotations

import json
import sys
import time

import numpy as np
import pytest

import mlzoo
from mlzoo.checkpoints import load_checkpoint
from mlzoo.experiment import Interrupted
from mlzoo.live_view import EventMirror
from mlzoo.progress import Progress
from mlzoo.run_directory import RunRecord, find_runs
from mlzoo.testing import same

pytestmark = pytest.mark.usefixtures("toy")


def run(**options):
    given = {"figures": False, "noise": 0.1, "progress": Progress(quiet=True)}
    return mlzoo.run("toy", **{**given, **options})


def half_run(out, **options):
    with pytest.raises(Interrupted):
        run(out=out, stop_after=2, **options)
    (record,) = find_runs([out])
    return record.directory


def resume(directory, **options):
    return mlzoo.resume(directory, figures=False, progress=Progress(quiet=True), **options)


def events(folder):
    """All scalars of a folder's events, as TensorBoard reads them: (tag, place) to values."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    accumulator = EventAccumulator(str(folder / "tensorboard"), size_guidance={"tensors": 0})
    accumulator.Reload()
    found = {}
    for tag in accumulator.Tags()["tensors"]:
        if accumulator.summary_metadata[tag].plugin_data.plugin_name == "scalars":
            for event in accumulator.Tensors(tag):
                value = make_ndarray(event.tensor_proto)
                assert value.dtype == np.float64
                found.setdefault((tag, event.step), []).append(float(value))
    return found


def rows(folder):
    """The same from the log."""
    found = {}
    for row in RunRecord(folder).rows:
        group, place = row.get("split", "train"), row.get("step", row["epoch"])
        for name in row.keys() - {"epoch", "step", "split"}:
            found.setdefault((f"{group}/{name}", place), []).append(row[name])
    return found


def text(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    accumulator = EventAccumulator(str(folder / "tensorboard"))
    accumulator.Reload()
    (event,) = accumulator.Tensors("config/text_summary")
    return event.tensor_proto.string_val[0].decode()


def test_events_hold_exactly_the_numbers_of_the_log(tmp_path):
    done = run(out=tmp_path, tensorboard=True).directory
    found = events(done)
    assert found == rows(done)
    assert {tag for tag, _ in found} == {"train/loss", "val/error", "val/bias"}
    assert [place for tag, place in found if tag == "train/loss"] == list(range(1, 17))
    assert [place for tag, place in found if tag == "val/error"] == [1, 2, 3, 4]


def test_events_tell_the_config_and_the_hyper_parameters(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams import metadata

    done = run(out=tmp_path, tensorboard=True, rate=0.07).directory
    assert json.loads(text(done))["rate"] == 0.07
    accumulator = EventAccumulator(str(done / "tensorboard"))
    accumulator.Reload()
    begun = accumulator.summary_metadata[metadata.SESSION_START_INFO_TAG].plugin_data
    values = metadata.parse_session_start_info_plugin_data(begun.content).hparams
    assert values["rate"].number_value == 0.07
    assert values["dataset"].string_value == "toys"
    whole = accumulator.summary_metadata[metadata.EXPERIMENT_TAG].plugin_data
    (metric,) = metadata.parse_experiment_plugin_data(whole.content).metric_infos
    assert metric.name.tag == "val/error"


def test_a_live_view_changes_nothing_in_the_run(tmp_path):
    one, two = run(out=tmp_path / "a"), run(out=tmp_path / "b", tensorboard=True)
    assert not (one.directory / "tensorboard").exists()
    assert RunRecord(one.directory).rows == RunRecord(two.directory).rows
    assert one.results == two.results
    for name in ("last.pt", "best.pt"):
        paths = [r.directory / "checkpoints" / name for r in (one, two)]
        assert same(*map(load_checkpoint, paths))


def test_resume_goes_on_with_the_view_and_repeats_no_row(tmp_path):
    half = half_run(tmp_path, tensorboard=True)
    assert events(half) == rows(half)
    with (half / "metrics.jsonl").open("a") as log:  # of an epoch that a kill cut off
        log.write('{"epoch": 3, "step": 9, "loss": 9.0}\n')
    mirror = EventMirror(half, {}, ["val/error"], pytest.fail)
    mirror.add({"epoch": 3, "step": 9, "loss": 9.0})
    mirror.close()
    resume(half)
    found = events(half)
    assert found == rows(half)
    assert all(len(values) == 1 for values in found.values())
    assert [9.0] not in found.values()


def test_a_tensorboard_that_is_watching_forgets_what_the_log_has_dropped(tmp_path):
    from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator

    rows = [{"epoch": step, "step": step, "loss": 0.5} for step in (1, 2, 3)]
    watching = EventAccumulator(str(tmp_path / "tensorboard"), tensor_size_guidance={"scalars": 0})
    mirror = EventMirror(tmp_path, {}, [], pytest.fail)
    mirror.restart(rows)
    mirror.close()
    watching.Reload()
    assert [event.step for event in watching.Tensors("train/loss")] == [1, 2, 3]
    time.sleep(1.1)  # files are read in the order of their names, which hold the second
    mirror.restart(rows[:1])
    mirror.close()
    watching.Reload()
    assert [event.step for event in watching.Tensors("train/loss")] == [1]


def test_a_view_can_begin_or_end_with_a_resume(tmp_path):
    half = half_run(tmp_path / "a")
    resume(half, tensorboard=True)
    assert events(half) == rows(half)
    other = half_run(tmp_path / "b", tensorboard=True)
    before = events(other)
    resume(other, tensorboard=False)
    assert events(other) == before


def test_a_search_for_the_epoch_has_a_view_of_its_own(tmp_path):
    options = {"dataset": "searched", "epochs": 4, "tensorboard": True}
    half = half_run(tmp_path, **options)  # still at the search
    assert not (half / "tensorboard").exists()
    resume(half)
    for folder in (half, half / "search"):
        assert events(folder) == rows(folder) != {}


def test_a_missing_extra_is_told_before_anything_is_made(tmp_path, monkeypatch, cli):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    done = cli("run", "toy", "--tensorboard", "--out", tmp_path / "runs")
    assert done.code == 1
    assert done.err.splitlines()[-2].startswith("mlzoo: error: --tensorboard needs tensorboard")
    assert done.err.splitlines()[-1] == "pip install 'mlzoo-core[tensorboard]'"
    assert not (tmp_path / "runs").exists()


def test_command_line_has_the_option_for_run_and_resume(tmp_path, cli):
    done = cli("run", "toy", "--tensorboard", "--stop-after", 1, "--out", tmp_path, "--quiet")
    assert done.code == 130
    (record,) = find_runs([tmp_path])
    assert cli("resume", record.directory, "--quiet").code == 0
    assert events(record.directory) == rows(record.directory)


def test_a_view_that_cannot_be_written_costs_no_run(tmp_path):
    told = []
    (tmp_path / "tensorboard").write_text("in the way")
    mirror = EventMirror(tmp_path, {}, [], told.append)
    mirror.restart([])
    mirror.add({"epoch": 1, "step": 1, "loss": 0.5})
    mirror.close()
    assert len(told) == 1
    assert told[0].startswith("the live view ends here: ")
