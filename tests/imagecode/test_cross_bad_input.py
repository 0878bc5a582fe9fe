"""What is wrong with region files and config jsons is one error on the command line, and changes nothing."""

from __future__ import annotations

import base64
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_regions import record, records, write_lmdb
from small_cross import small_values, small_world

from mlzoo.cli.main import guarded
from mlzoo.faults import hostile_pickles

Refused = Callable[..., str]


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Refused:
    """The error of a command, a line or two that a fix may end, with the expected exit status."""

    def call(*words: object, code: int) -> str:
        capsys.readouterr()
        found = guarded([str(word) for word in words])
        said = capsys.readouterr().err
        assert found == code, said
        error = said[said.index("mlzoo: error:") :]
        assert len(error.splitlines()) <= 3, error
        assert "Traceback" not in said
        return error

    return call


@pytest.fixture
def prepare(refused: Refused, tmp_path: Path) -> Callable[[Path], str]:
    """The error of ``mlzoo data prepare`` on a file of regions, which is named; no store appears."""
    pytest.importorskip("lmdb")
    root = tmp_path / "data"

    def call(path: Path) -> str:
        words = ("data", "prepare", "imagecode", "--data-dir", root, "--regions", path)
        error = refused(*words, code=1)
        assert str(path) in error
        assert not list((root / "imagecode").glob("*"))
        return error

    return call


def without(path: Path, key: bytes) -> Path:
    import lmdb

    with lmdb.open(str(path), lock=False) as environment, environment.begin(write=True) as writing:
        writing.delete(key)
    return path


def with_boxes(boxes: Any) -> dict[str, Any]:
    coded = base64.b64encode(np.asarray(boxes, "<f4").tobytes())
    return {**record(0, len(boxes)).published(), "boxes": coded}


def test_missing_entries(prepare: Callable[[Path], str], tmp_path: Path) -> None:
    path = write_lmdb(tmp_path / "x.lmdb", records())
    assert "holds no 'set0img7'" in prepare(without(path, b"set0img7"))
    assert "holds no 'keys': it is no file of regions" in prepare(without(path, b"keys"))
    assert "does not exist" in prepare(tmp_path / "absent.lmdb")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (record(1, width=7), "features have 7 numbers a region (5 boxes), expected 6"),
        (with_boxes([[0, 0, 20, 20], [10, 10, 99, 20]]), "box 1 (10, 10, 99, 20) is not inside"),
        (with_boxes([[30, 0, 20, 40]]), "box 0 (30, 0, 20, 40) is not inside"),
        ({**record().published(), "features": b"?"}, "features are no whole base64"),
        ({"img_h": 3}, "lacks 'img_w', 'features', 'boxes'"),
    ],
    ids=["another width", "outside", "turned over", "no base64", "no regions"],
)
def test_images_that_cannot_be_named_with_the_file(
    prepare: Callable[[Path], str], tmp_path: Path, value: Any, message: str
) -> None:
    error = prepare(write_lmdb(tmp_path / "x.lmdb", {"aimg0": record(), "aimg1": value}))
    assert "'aimg1'" in error
    assert message in error


def test_hostile_values_execute_nothing(prepare: Callable[[Path], str], tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    for number, (trick, content) in enumerate(hostile_pickles(marker).items()):
        path = write_lmdb(tmp_path / f"{number}.lmdb", {"aimg0": record(), "aimg1": content})
        assert "'aimg1' is a pickle with" in prepare(path), trick
        assert not marker.exists(), trick
    pickle.loads(content)  # it would have
    assert marker.exists()


def test_after_a_damaged_file_a_whole_one_is_taken(
    prepare: Callable[[Path], str], tmp_path: Path
) -> None:
    own = records()
    damaged = write_lmdb(tmp_path / "damaged.lmdb", {**own, "set0img42": {"img_h": 3}})
    prepare(damaged)
    whole = write_lmdb(tmp_path / "whole.lmdb", own)
    words = ("data", "prepare", "imagecode", "--data-dir", tmp_path / "data", "--regions", whole)
    assert guarded([str(word) for word in words]) == 0
    assert (tmp_path / "data" / "imagecode" / "regions").is_dir()


CONTRADICTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "both kinds": ({"t_ff_sublayers": [0, 1]}, "sublayer 0 is both attention and feed-forward"),
    "a gap": ({"v_ff_sublayers": [3, 5, 99]}, "there is no sublayer 12, but one 99"),
    "streams that meet": ({"sublayer2num_attention_heads": {}}, "sublayer 4: streams that meet"),
    "shared widths": ({"shared_sublayers": [6]}, "shared_sublayers has 6, but hidden_size is 16"),
}


@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_contradictory_sublayers(
    case: str, refused: Refused, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values, message = CONTRADICTIONS[case]
    monkeypatch.setattr("mlzoo_imagecode.digit_strips.load", lambda root, o: small_world())
    path = tmp_path / "config.json"
    path.write_text(json.dumps(small_values("vilbert", **values)))
    out = tmp_path / "runs"
    error = refused("run", "vilbert", "--no-small", "--scheme", path, "--out", out, code=2)
    assert str(path) in error
    assert message in error
    assert not out.exists()


def test_regions_of_another_width(
    refused: Refused, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlzoo_imagecode.digit_strips.load", lambda root, o: small_world())
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "one", "of", "train"]
    vocabulary, path, out = (tmp_path / name for name in ("vocab.txt", "config.json", "runs"))
    vocabulary.write_text("\n".join(tokens))
    values = small_values("uniter", v_feature_size=2048, vocab_size=len(tokens))
    path.write_text(json.dumps(values))
    words = ("run", "uniter", "--no-small", "--scheme", path, "--max-tokens", 20, "--out", out)
    error = refused(*words, "--vocabulary", vocabulary, code=1)
    assert "region features are 12 wide" in error
    assert "takes 2048" in error
    assert not out.exists()
