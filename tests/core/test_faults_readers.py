"""Every reader against every fault: one clear error that names the file, and nothing executed."""

from __future__ import annotations

import contextlib
import json
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import mlzoo
from mlzoo.checkpoints import load_checkpoint, load_strict, save_checkpoint
from mlzoo.config import Config, Layer, OptionSet, read_config_file
from mlzoo.data.readers import (
    ArraySpec,
    check_array,
    read_h5,
    read_mat,
    read_npy,
    read_npz,
    read_pickle,
)
from mlzoo.errors import CheckpointError, MlzooError
from mlzoo.experiment import Interrupted
from mlzoo.faults import Trap, bit_flips, hostile_pickles, truncations
from mlzoo.metrics_log import read_rows
from mlzoo.progress import Progress
from mlzoo.run_directory import RunInfo, find_runs
from mlzoo.testing import same

h5py = pytest.importorskip("h5py")
scipy_io = pytest.importorskip("scipy.io")

SPEC = ArraySpec(shape=(4, 3), kinds="f")
VALUES = {
    "whole": np.ones((4, 3)),
    "wrong shape": np.ones((3, 4)),
    "wrong dtype": np.ones((4, 3), dtype=np.int64),
    "nan": np.full((4, 3), np.nan),
}


class Rates(Config):
    """Options of a made-up model."""

    rate: float = 0.1


def write_npz(path: Path, key: str, value: Any) -> None:
    np.savez(path, **{key: value})


def write_npy(path: Path, key: str, value: Any) -> None:
    np.save(path, value, allow_pickle=True)


def write_pickle(path: Path, key: str, value: Any) -> None:
    path.write_bytes(pickle.dumps({key: value}))


def write_h5(path: Path, key: str, value: Any) -> None:
    with h5py.File(path, "w") as file:
        file[key] = value if value.dtype.kind != "O" else np.array(["x"], dtype=object)


def write_mat(path: Path, key: str, value: Any) -> None:
    scipy_io.savemat(path, {key: value if value.dtype.kind != "O" else {"a": 1}})


def write_checkpoint(path: Path, key: str, value: Any) -> None:
    weight = value if value.dtype.kind == "O" else torch.from_numpy(value)
    torch.save({key: weight}, path)


def write_json(path: Path, key: str, value: Any) -> None:
    path.write_text(json.dumps({key: value}))


def write_row(path: Path, key: str, value: Any) -> None:
    path.write_text(json.dumps({key: value}) + "\n" + json.dumps({"epoch": 2}) + "\n")


def from_pickle(path: Path) -> None:
    content = read_pickle(path)
    check_array(content["x"], SPEC, f"{path}: array 'x'")


def from_mat(path: Path) -> None:
    check_array(np.asarray(read_mat(path, ["x"])["x"]), SPEC, f"{path}: array 'x'")


def from_checkpoint(path: Path) -> None:
    module = torch.nn.Module()
    module.x = torch.nn.Parameter(torch.zeros(4, 3, dtype=torch.float64))
    load_strict(module, load_checkpoint(path, needs=("x",)), str(path))


def from_config(path: Path) -> None:
    layer = Layer(f"file {path.name}", read_config_file(path))
    OptionSet(Rates, None).resolve([layer])


@dataclass(frozen=True)
class Reader:
    """How a file is written and read, what is good, and which faults it has no notion of."""

    name: str
    write: Any
    read: Any
    key: str = "x"
    good: Any = None
    bad: Any = None
    without: tuple[str, ...] = ()

    def value(self, fault: str) -> Any:
        if self.good is None:
            return VALUES.get(fault, VALUES["whole"])
        return self.bad.get(fault, self.good)


NO_PICKLE = ("hostile pickle",)
TEXT = {"wrong shape": [0.1], "wrong dtype": "much", "nan": float("nan")}
READERS = [
    Reader("x.npz", write_npz, lambda path: read_npz(path, {"x": SPEC})),
    Reader("x.npy", write_npy, lambda path: read_npy(path, SPEC), without=("wrong key",)),
    Reader("mapped.npy", write_npy, lambda p: read_npy(p, SPEC, mmap=True), without=("wrong key",)),
    Reader("x.pkl", write_pickle, from_pickle, without=("wrong key",)),
    Reader("x.h5", write_h5, lambda path: read_h5(path, {"x": SPEC})),
    Reader("x.mat", write_mat, from_mat),
    # Weights of another type are converted, and NaN is looked for when they are saved.
    Reader("x.pt", write_checkpoint, from_checkpoint, without=("wrong dtype", "nan")),
    Reader("config.json", write_json, from_config, "rate", 0.1, TEXT),
    Reader("run.json", write_json, lambda p: RunInfo.read(p.parent), "seconds", 1.0, TEXT,
           without=("wrong key",)),  # every fact may be missing
    Reader("metrics.jsonl", write_row, lambda path: list(read_rows(path)), "epoch", 1,
           TEXT, without=("missing", "truncated")),  # a log may be empty or torn
]  # fmt: skip
FAULTS = [
    *("missing", "empty", "truncated", "garbage", "folder", "hostile pickle"),
    *("wrong key", "wrong shape", "wrong dtype", "nan"),
]
CASES = [
    pytest.param(reader, fault, id=f"{reader.name}-{fault}")
    for reader in READERS
    for fault in FAULTS
    if fault not in reader.without
]


def spoil(reader: Reader, path: Path, fault: str, trap: Path) -> None:
    """Write a file with one fault."""
    reader.write(path, "y" if fault == "wrong key" else reader.key, reader.value(fault))
    if fault in ("missing", "folder"):
        path.unlink()
    if fault == "folder":
        path.mkdir()
    elif fault == "empty":
        path.write_bytes(b"")
    elif fault == "truncated":
        path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    elif fault == "garbage":
        path.write_bytes(
            bytes(np.random.default_rng(0).integers(256, size=300, dtype=np.uint8)) + b"\n"
        )
    elif fault == "hostile pickle":
        if path.suffix in (".npz", ".npy", ".pt"):
            reader.write(path, reader.key, np.array([Trap(trap)], dtype=object))
        else:
            path.write_bytes(pickle.dumps(Trap(trap)) + b"\n")


@pytest.mark.parametrize(("reader", "fault"), CASES)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_fault_in_a_file_is_one_clear_error(reader, fault, tmp_path):
    path, trap = tmp_path / reader.name, tmp_path / "trap"
    spoil(reader, path, "whole", trap)
    reader.read(path)
    spoil(reader, path, fault, trap)
    if reader.name == "metrics.jsonl" and fault == "empty":
        assert reader.read(path) == []
        return
    with pytest.raises(MlzooError) as caught:
        reader.read(path)
    told = str(caught.value)
    assert path.name in told or (fault == "missing" and str(path.parent) in told)
    assert len(told.splitlines()) <= 2, told
    assert not trap.exists()


@pytest.mark.parametrize("trick", sorted(hostile_pickles(Path("trap"))))
@pytest.mark.parametrize("read", [read_pickle, load_checkpoint, read_npy, read_npz])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_hostile_pickle_is_refused_by_every_reader_of_foreign_files(read, trick, tmp_path):
    path, trap = tmp_path / "x", tmp_path / "trap"
    path.write_bytes(hostile_pickles(trap)[trick])
    with pytest.raises(MlzooError, match=str(path)) as caught:
        read(path)
    assert len(str(caught.value).splitlines()) <= 2
    assert not trap.exists()


@pytest.mark.parametrize("trick", sorted(hostile_pickles(Path("trap"))))
def test_traps_of_these_tests_do_go_off_in_a_plain_unpickler(trick, tmp_path):
    pickle.loads(hostile_pickles(tmp_path / "trap")[trick])
    assert (tmp_path / "trap").exists()


STATE = {"weights": torch.arange(300.0), "epoch": 3, "names": ["a", "b"]}


def test_checkpoint_cut_at_any_length_is_refused(tmp_path):
    path = tmp_path / "last.pt"
    save_checkpoint(path, STATE)
    for length in truncations(path, 60):
        with pytest.raises(CheckpointError, match=r"last\.pt") as caught:
            load_checkpoint(path)
        assert len(str(caught.value).splitlines()) <= 2, length
    assert load_checkpoint(path)["epoch"] == 3


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_no_flipped_bit_changes_what_is_loaded(tmp_path):
    path = tmp_path / "last.pt"
    save_checkpoint(path, STATE)
    loads = 0
    for position in bit_flips(path, 600):
        with contextlib.suppress(CheckpointError):
            loaded = load_checkpoint(path)
            loads += 1  # only where nothing depends on the bit: padding, time stamps
            assert torch.equal(loaded["weights"], STATE["weights"]), position
            assert (loaded["epoch"], loaded["names"]) == (3, ["a", "b"]), position
    assert loads < 300


def test_weights_of_an_older_format_are_still_read(tmp_path):
    path = tmp_path / "published.pth"
    torch.save(STATE, path, _use_new_zipfile_serialization=False)
    assert torch.equal(load_checkpoint(path)["weights"], STATE["weights"])


def test_damaged_last_checkpoint_is_passed_over_to_the_same_end(toy, tmp_path):
    quiet = Progress(quiet=True)
    options = {"epochs": 4, "noise": 0.1, "figures": False, "progress": quiet}
    straight = mlzoo.run("toy", out=tmp_path / "a", **options).directory / "checkpoints"
    with pytest.raises(Interrupted):
        mlzoo.run("toy", out=tmp_path / "b", stop_after=3, **options)
    (record,) = find_runs([tmp_path / "b"])
    checkpoints = record.directory / "checkpoints"
    last, previous = checkpoints / "last.pt", checkpoints / "previous.pt"
    whole = previous.read_bytes()
    for damaged in (last, previous):
        damaged.write_bytes(damaged.read_bytes()[:-100])
    with pytest.raises(CheckpointError) as caught:
        mlzoo.resume(record.directory, figures=False, progress=quiet)
    lines = str(caught.value).splitlines()
    assert lines[0].startswith(f"{previous} is damaged")
    assert lines[1].startswith("Delete it and resume: the run then begins anew, to the same end.")
    assert len(lines) == 2
    previous.write_bytes(whole)
    mlzoo.resume(record.directory, figures=False, progress=quiet)
    assert "Going on from the epoch before it" in (record.directory / "log.txt").read_text()
    for name in ("last.pt", "best.pt"):
        assert same(load_checkpoint(checkpoints / name), load_checkpoint(straight / name))


def test_checkpoint_of_something_else_is_refused(toy, tmp_path):
    quiet = Progress(quiet=True)
    with pytest.raises(Interrupted):
        mlzoo.run("toy", out=tmp_path, stop_after=1, progress=quiet)
    (record,) = find_runs([tmp_path])
    last = record.directory / "checkpoints" / "last.pt"
    whole = load_checkpoint(last)
    save_checkpoint(last, {"weights": torch.zeros(2)})
    with pytest.raises(CheckpointError, match=r"last\.pt holds no 'epoch'"):
        mlzoo.resume(record.directory, progress=quiet)
    whole["state"]["model"]["line"]["weight"] = torch.zeros(7, 7)
    save_checkpoint(last, whole)
    with pytest.raises(CheckpointError, match=r"last\.pt does not fit this run"):
        mlzoo.resume(record.directory, progress=quiet)
