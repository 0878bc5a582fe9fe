"""Files are whole or not there."""

from __future__ import annotations

import json
import math
import stat

import numpy as np
import pytest

from mlzoo.errors import RunError
from mlzoo.files import atomic_write, json_text, write_arrays, write_json


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_failure_keeps_the_old_file_and_leaves_nothing_else(tmp_path, error):
    path = tmp_path / "x.json"
    write_json(path, {"a": 1})

    def fail_halfway() -> None:
        with atomic_write(path) as file:
            file.write(b"half")
            raise error

    with pytest.raises(error):
        fail_halfway()
    assert json.loads(path.read_text()) == {"a": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_new_content_appears_at_once_and_only_at_the_end(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"old")
    with atomic_write(path) as file:
        file.write(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"


def test_file_can_be_read_by_others_as_usual(tmp_path):
    (tmp_path / "usual").write_text("")
    write_json(tmp_path / "ours", {})
    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("usual", "ours")}
    assert len(modes) == 1


def test_missing_folder_is_named(tmp_path):
    with pytest.raises(RunError, match="nowhere"), atomic_write(tmp_path / "nowhere" / "x"):
        pass


def test_json_is_strict():
    text = json_text({"nan": math.nan, "list": [math.inf, 1.5], "name": "µ"})
    assert json.loads(text) == {"nan": None, "list": [None, 1.5], "name": "µ"}
    assert "NaN" not in text


def test_arrays_are_written_without_pickle(tmp_path):
    write_arrays(tmp_path / "a.npz", {"x": np.arange(3), "name": np.array(["a"])})
    with np.load(tmp_path / "a.npz", allow_pickle=False) as loaded:
        assert loaded["x"].tolist() == [0, 1, 2]
    with pytest.raises(RunError, match="'bad' holds Python objects"):
        write_arrays(tmp_path / "b.npz", {"bad": np.array([{}])})
    assert not (tmp_path / "b.npz").exists()
