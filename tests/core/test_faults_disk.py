"""Full and failing disks: one error that names the file, whole files only, and an exact resume."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

import mlzoo
from mlzoo.checkpoints import load_checkpoint
from mlzoo.data.readers import read_npz
from mlzoo.errors import MlzooError, RunError
from mlzoo.faults import Victims, broken_files, failing_writes
from mlzoo.files import append_line, write_json
from mlzoo.progress import Progress
from mlzoo.run_directory import create, find_runs
from mlzoo.testing import same


@pytest.fixture
def quick(toy, monkeypatch):
    """The toy plugin without what takes time and is beside the point."""
    import mlzoo.run_directory

    monkeypatch.setattr(mlzoo.run_directory, "git_state", lambda module: None)
    monkeypatch.setattr(mlzoo.run_directory, "distributions", list)
    monkeypatch.setattr(os, "fsync", lambda file: None)


def run(out):
    options = {"preset": "smoke", "noise": 0.1, "samples": 4, "device": "cpu"}
    return mlzoo.run("toy", out=out, progress=Progress(quiet=True), **options)


def resume(directory):
    return mlzoo.resume(directory, progress=Progress(quiet=True))


def one_run(out):
    (record,) = find_runs([out])
    return record


def content(directory):
    """What must be equal, bit for bit."""
    return {
        **{p.name: load_checkpoint(p) for p in (directory / "checkpoints").glob("[bl]*.pt")},
        **{p.name: numbers(read_npz(p)) for p in directory.rglob("*.npz")},
        "rows": one_run(directory).rows,
        "results": one_run(directory).results,
    }


def numbers(arrays):
    return {name: (str(array.dtype), array.tolist()) for name, array in arrays.items()}


@pytest.mark.parametrize(("number", "lasting"), [(errno.ENOSPC, True), (errno.EIO, False)])
def test_disk_that_fails_at_any_operation_of_a_run(quick, tmp_path, number, lasting):
    with failing_writes(tmp_path / "straight") as operations:
        straight = content(run(tmp_path / "straight").directory)
    assert {operation.kind for operation in operations} == {
        *("open", "write", "fsync", "replace", "link", "mkdir")
    }
    failed = 0
    for at in range(len(operations)):
        out = tmp_path / str(at)
        told = None
        with failing_writes(out, number, at=at, lasting=lasting) as done:
            try:
                run(out)
            except MlzooError as error:
                told = str(error)
                failed += 1
        where = done[at]
        if told is None:  # a picture that could not be drawn, or a second name for a file
            assert not lasting
            assert "previous" in where.path or "figures" in where.path, where
        else:
            assert told.startswith((f"cannot write {out}", f"cannot create a run below {out}"))
            assert os.strerror(number) in told, told
            assert len(told.splitlines()) <= 2
        assert broken_files(out) == [], where
        if not list(out.rglob("run.json")):
            assert at < 20, "a run that had begun has gone"
            assert not list(out.glob("*/*")), where
            continue
        record = one_run(out)
        if record.info["status"] != "done":
            resume(record.directory)
        assert same(content(record.directory), straight), where
    assert failed >= len(operations) * 0.9


def test_failure_of_the_report_of_a_failure_does_not_hide_it(quick, tmp_path):
    with failing_writes(tmp_path / "a") as operations:
        run(tmp_path / "a")
    at = next(n for n, o in enumerate(operations) if Path(o.path).name.startswith(".best.pt."))
    with (
        failing_writes(tmp_path / "b", at=at, lasting=True),
        pytest.raises(RunError, match=r"cannot write .*best\.pt: No space"),
    ):
        run(tmp_path / "b")


def test_line_that_did_not_fit_is_taken_back(tmp_path):
    path = tmp_path / "log.txt"
    append_line(path, "first")
    with failing_writes(tmp_path, at=1), pytest.raises(RunError, match=r"log\.txt: No space"):
        append_line(path, "second")
    append_line(path, "third")
    assert path.read_text() == "first\nthird\n"


def test_folder_of_a_run_that_could_not_be_made_whole_is_removed(tmp_path):
    for at in range(1, 5):
        with failing_writes(tmp_path, at=at), pytest.raises(RunError, match="cannot create a run"):
            create(tmp_path, "toy", "toys", 0)
        assert not list(tmp_path.glob("*/*"))


LIMITED = """
import signal, resource, mlzoo
from mlzoo.errors import MlzooError
from mlzoo.progress import Progress
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
most = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, most))
try:
    mlzoo.run("toy", preset="smoke", noise=0.1, samples=4, device="cpu", out=OUT,
              progress=Progress(quiet=True))
except MlzooError as error:
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits of file sizes are POSIX")
def test_real_limit_of_the_size_of_files(quick, tmp_path):
    """No part is played: the system itself refuses to write more than so many bytes a file."""
    straight = content(run(tmp_path / "straight").directory)
    setup = "import mlzoo.run_directory, mlzoo.experiment, mlzoo.runs, mlzoo_toy\n"
    setup += "mlzoo.run_directory.git_state = lambda module: None"
    with Victims(setup) as victims:
        for limit in (10, 2000, 3000, 8000):
            out = tmp_path / str(limit)
            code = f"OUT, LIMIT = {str(out)!r}, {limit}\n{LIMITED}"
            assert victims.run(code) == 0, victims.errors()
            told = victims.errors().splitlines()[-2:]
            assert "cannot write" in "".join(told), told
            assert broken_files(out) == []
            if list(out.rglob("run.json")):
                assert same(content(resume(one_run(out).directory).directory), straight)


def test_real_full_file_system(quick, tmp_path):
    full = tmp_path / "full"
    full.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(full)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no command mount")
    if done.returncode:
        pytest.skip(f"mounting is not allowed: {done.stderr.strip()}")
    try:
        straight = content(run(tmp_path / "straight").directory)
        spare = full / "spare"
        spare.write_bytes(bytes(215_000))
        with pytest.raises(RunError, match=f"cannot write {full}") as told:
            run(full / "runs")
        assert len(str(told.value).splitlines()) <= 2
        assert broken_files(full) == []
        spare.unlink()
        assert same(content(resume(one_run(full).directory).directory), straight)
    finally:
        subprocess.run(["umount", str(full)], check=True)


def test_json_that_cannot_be_written_stays_as_it_was(tmp_path):
    path = tmp_path / "x.json"
    write_json(path, {"a": 1})
    for at in range(4):
        with failing_writes(tmp_path, errno.EIO, at=at), pytest.raises(RunError, match=r"x\.json"):
            write_json(path, {"a": 2})
        assert path.read_text() == '{\n  "a": 1\n}\n'
        assert list(tmp_path.iterdir()) == [path]
