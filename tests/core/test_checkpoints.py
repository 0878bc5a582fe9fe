"""Checkpoints are hostile input: nothing in them runs, nothing is loaded in part."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest
import torch
from torch import nn

from mlzoo.checkpoints import load_checkpoint, load_strict, save_checkpoint
from mlzoo.errors import CheckpointError, RunError


class Payload:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("zipped", [True, False])
def test_malicious_checkpoint_is_refused_and_does_not_run(tmp_path, zipped):
    trap, path = tmp_path / "trap", tmp_path / "evil.pt"
    torch.save({"model": Payload(trap)}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(CheckpointError, match=r"evil\.pt was refused"):
        load_checkpoint(path)
    assert not trap.exists()


def test_bare_pickle_is_refused_and_does_not_run(tmp_path):
    trap, path = tmp_path / "trap", tmp_path / "evil.pt"
    path.write_bytes(pickle.dumps(Payload(trap), protocol=2))
    with pytest.raises(CheckpointError, match=r"evil\.pt"):
        load_checkpoint(path)
    assert not trap.exists()


def damaged(path: Path, kind: str) -> None:
    save_checkpoint(path, {"weights": torch.zeros(1000)})
    whole = path.read_bytes()
    content = {"truncated": whole[: len(whole) // 2], "empty": b"", "text": b"no checkpoint at all"}
    path.write_bytes(content[kind])


@pytest.mark.parametrize("kind", ["truncated", "empty", "text"])
def test_damaged_checkpoint_is_named_in_one_line(tmp_path, kind):
    path = tmp_path / "last.pt"
    damaged(path, kind)
    with pytest.raises(CheckpointError, match=r"last\.pt") as caught:
        load_checkpoint(path)
    assert len(caught.value.message.splitlines()) == 1


def test_missing_checkpoint_and_list_are_named(tmp_path):
    with pytest.raises(CheckpointError, match="there is no checkpoint"):
        load_checkpoint(tmp_path / "no.pt")
    torch.save([1], tmp_path / "list.pt")
    with pytest.raises(CheckpointError, match="holds a list"):
        load_checkpoint(tmp_path / "list.pt")


def test_state_comes_back_as_it_was(tmp_path):
    state = {"a": {"b": torch.arange(3.0)}, "n": [1, 2.5, None, True, "x"], 3: (1, 2)}
    save_checkpoint(tmp_path / "x.pt", state)
    loaded = load_checkpoint(tmp_path / "x.pt")
    assert torch.equal(loaded["a"]["b"], state["a"]["b"])
    assert (loaded["n"], loaded[3]) == (state["n"], state[3])


def test_what_could_not_be_loaded_again_is_not_saved(tmp_path):
    path = tmp_path / "x.pt"
    save_checkpoint(path, {"epoch": 1})
    with pytest.raises(CheckpointError, match=r"optimizer\.hooks\[1\]: \w*Path"):
        save_checkpoint(path, {"optimizer": {"hooks": [1, Path()]}})
    assert load_checkpoint(path) == {"epoch": 1}


def test_crash_in_the_middle_of_writing_keeps_the_previous_one(tmp_path, monkeypatch):
    path = tmp_path / "last.pt"
    save_checkpoint(path, {"epoch": 1})

    def crash(state, file):
        file.write(b"half a checkpoint")
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", crash)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(path, {"epoch": 2})
    assert load_checkpoint(path) == {"epoch": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_strict_loading_lists_what_does_not_fit_and_changes_nothing():
    module = nn.Linear(2, 3)
    before = module.weight.clone()
    state = {"weight": torch.zeros(3, 4), "extra": torch.zeros(1)}
    with pytest.raises(CheckpointError) as caught:
        load_strict(module, state, "file.pt")
    for part in (
        "file.pt does not fit Linear",
        "lacks bias",
        "unknown extra",
        "[3, 4], expected [3, 2]",
    ):
        assert part in str(caught.value)
    assert torch.equal(module.weight, before)


def test_strict_loading_names_what_is_no_tensor():
    with pytest.raises(CheckpointError, match="weight is a list, expected a tensor"):
        load_strict(nn.Linear(2, 3), {"weight": [1], "bias": torch.zeros(3)}, "file.pt")


def test_full_disk_is_told_as_such(tmp_path, monkeypatch):
    def full(state, file):
        raise RuntimeError("[enforce fail] write failed\nbacktrace")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(RunError, match=r"cannot write .*last\.pt: \[enforce fail\] write failed$"):
        save_checkpoint(tmp_path / "last.pt", {"epoch": 1})
    assert not list(tmp_path.iterdir())
