"""Readers of descriptions and annotations refuse what cannot be right, and name the place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from imagecode_folder import write_json, write_yaml

from mlzoo.errors import DataError
from mlzoo_imagecode.contextual import HIDDEN
from mlzoo_imagecode.imagecode import files
from mlzoo_imagecode.imagecode.annotations import (
    annotator_array,
    read_annotations,
    read_annotators,
    tag_arrays,
    unmatched,
)
from mlzoo_imagecode.imagecode.descriptions import (
    Description,
    read_labelled,
    read_unlabelled,
    require_disjoint,
)
from mlzoo_imagecode.imagecode.held_out import held_out_sets
from mlzoo_imagecode.imagecode.sources import is_video, source_of
from mlzoo_imagecode.metric_specs import TAGS


def test_descriptions_keep_the_order_of_the_file_and_their_blanks(tmp_path: Path) -> None:
    value = {"b-set": {"7": " seven ", "0": "zero"}, "a-set": {"9": "nine"}}
    found = read_labelled(write_json(tmp_path / "train_data.json", value))
    assert found.sets == ("b-set", "a-set")
    rows = [(row.set, row.target, row.text) for row in found.rows]
    assert rows == [("b-set", 7, " seven "), ("b-set", 0, "zero"), ("a-set", 9, "nine")]
    assert found.per_set == {"b-set": 2, "a-set": 1}
    assert not found.published


def test_hidden_targets_are_minus_one(tmp_path: Path) -> None:
    found = read_unlabelled(write_json(tmp_path / "test_data_unlabeled.json", {"s": ["a", "b"]}))
    assert [row.target for row in found.rows] == [HIDDEN, HIDDEN]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "expected an object of image sets, found list"),
        ({}, "holds no descriptions"),
        ({"s": []}, "set 's': expected an object of targets and descriptions, found list"),
        ({"s": {}}, "set 's' has no description"),
        ({"s": {"10": "x"}}, "set 's': the target '10' is none of '0' to '9'"),
        ({"s": {"03": "x"}}, "set 's': the target '03'"),
        ({"s": {"-1": "x"}}, "set 's': the target '-1'"),
        ({"s": {"3": " \n"}}, "set 's', target '3': the description is blank"),
        ({"s": {"3": 5}}, "set 's', target '3': the description is int"),
        ({"s": {"3": "\ud800"}}, "holds half a character"),
        ({"../s": {"3": "x"}}, "'../s' cannot be the name of an image set's folder"),
        ({"a/b": {"3": "x"}}, "'a/b' cannot be"),
        ({".s": {"3": "x"}}, "'.s' cannot be"),
        ({"": {"3": "x"}}, "'' cannot be"),
        ({"a\tb": {"3": "x"}}, "cannot be the name"),
    ],
)
def test_what_is_no_labelled_description_is_refused(
    tmp_path: Path, value: Any, message: str
) -> None:
    path = write_json(tmp_path / "valid_data.json", value)
    with pytest.raises(DataError) as caught:
        read_labelled(path)
    assert message in caught.value.message
    assert str(path) in caught.value.message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": {"3": "x", "3": "y"}}', "the key '3' of 'a' stands twice"),
        ('{"a": {"3": "x"}, "a": {"4": "y"}}', "the key 'a' stands twice"),
        ('{"a": {"3": "x"}', "is no whole JSON file"),
        ('{"a": ' * 100_000, "is no whole JSON file"),
    ],
)
def test_damaged_files_and_repeated_targets_are_refused(
    tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "train_data.json"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        read_labelled(path)


def test_files_that_cannot_be_read_are_one_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DataError, match=r"train_data\.json does not exist"):
        read_labelled(tmp_path / "train_data.json")
    with pytest.raises(DataError, match="cannot be read"):
        read_labelled(tmp_path)
    (tmp_path / "latin.json").write_bytes(b'{"a": {"3": "\xe9"}}')
    with pytest.raises(DataError, match="it is no UTF-8"):
        read_labelled(tmp_path / "latin.json")
    monkeypatch.setattr(files, "MAX_BYTES", 3)
    with pytest.raises(DataError, match="more than 3 bytes"):
        read_labelled(tmp_path / "latin.json")


def test_test_descriptions_with_targets_are_refused(tmp_path: Path) -> None:
    path = write_json(tmp_path / "test_data_unlabeled.json", {"s": {"3": "x"}})
    with pytest.raises(DataError, match="expected a list of descriptions without targets, found"):
        read_unlabelled(path)


@pytest.mark.parametrize("name", ["test_data.json", "test_target.pkl", "counter2key_test.json"])
def test_files_that_leak_are_refused_by_name_and_never_opened(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_json(tmp_path / name, {"s": {"3": "x"}})

    def opened(*_: object, **__: object) -> None:
        raise AssertionError("it was opened")

    for method in ("open", "read_bytes", "read_text"):
        monkeypatch.setattr(Path, method, opened)
    for read in (read_labelled, read_unlabelled, read_annotators, read_annotations):
        with pytest.raises(DataError, match="tells the hidden targets of the test set"):
            read(path)


def test_a_set_of_two_files_is_refused(tmp_path: Path) -> None:
    train = read_labelled(write_json(tmp_path / "train_data.json", {"a": {"1": "x"}}))
    valid = read_labelled(write_json(tmp_path / "valid_data.json", {"b": {"1": "x"}}))
    test = read_unlabelled(write_json(tmp_path / "test_data_unlabeled.json", {"a": ["x"]}))
    require_disjoint(train, valid)
    with pytest.raises(DataError, match=r"'a' is in train_data.json and in test_data_unlabeled"):
        require_disjoint(train, valid, test)


def test_sources_follow_from_names() -> None:
    assert source_of("open-images-1815_f91d6f546e63f20d") == "open-images"
    assert source_of("MSR-VTT-videoTestVideo_video7047-shot1_0") == "MSR-VTT"
    assert source_of("video-storytelling-videocamping_1OzbiB1TIWI-shot14_2") == "video-storytelling"
    assert source_of("YouCook-video0037-shot3_0") == "YouCook"
    assert source_of("something") == "other"
    assert is_video("something")
    assert not is_video("a-open-images-set")


ROWS = [Description("s", 3, "x"), Description("s", 4, "y"), Description("t", 3, "z")]


def test_tags_count_where_somebody_looked_for_them(tmp_path: Path) -> None:
    many = {f"set-{number}": {"0": "con,s,"} for number in range(1002)}
    many |= {"s": {"3": "con, s"}, "t": {"3": ""}}
    rows = read_annotations(write_yaml(tmp_path / "a.yaml", many))
    of_many = [Description(f"set-{n}", 0, "x") for n in (0, 199, 200, 999, 1000)]
    tag, annotated = tag_arrays(rows, [*of_many, *ROWS])
    con, s, n = (TAGS.index(name) for name in ("con", "s", "n"))
    assert annotated[:, con].tolist() == [True, True, True, True, False, False, False, False]
    assert annotated[:, s].tolist() == [True, True] + [False] * 6
    np.testing.assert_array_equal(tag[:, con], annotated[:, con])
    np.testing.assert_array_equal(tag[:, s], annotated[:, s])
    assert annotated[:, n].sum() == 4
    assert not tag[:, n].any()
    assert len(unmatched(rows, ROWS)) == 1002
    tag, annotated = tag_arrays([], ROWS)
    assert tag.shape == annotated.shape == (3, 10)
    assert not annotated.any()


def test_an_annotation_is_found_by_set_and_target(tmp_path: Path) -> None:
    rows = read_annotations(
        write_yaml(tmp_path / "a.yaml", {"t": {"3": "img,col"}, "s": {"4": "v"}, "u": {"1": "t"}})
    )
    tag, annotated = tag_arrays(rows, ROWS)
    found = [{name for name, own in zip(TAGS, line, strict=True) if own} for line in tag]
    assert found == [set(), {"v"}, {"img", "col"}]
    assert annotated.all(axis=1).tolist() == [False, True, True]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a\n", "line 1: expected text, or a mapping"),
        ("s:\n  '3': {annotation: [con]}\n", "line 2: expected text, or a mapping"),
        (
            "s:\n  '3': {annotation: con}\n  '3': {annotation: v}\n",
            "line 3: the key '3' stands twice",
        ),
        ("s: &a {'3': {annotation: con}}\nt: *a\n", "line 1: expected text, or a mapping"),
        ("s: {'3': *a}\n", "line 1: expected text, or a mapping"),
        ("s: {'11': {annotation: con}}\n", "set 's': '11' is no target"),
        (
            "s: {'3': {annotation: con, description: }}\nt: {'3': {}}\n",
            "set 't', target 3: there is no",
        ),
        ("s: {'3': {annotation: 'con,big'}}\n", "target 3: 'big' is none of con, v, "),
        ("s: text\n", "set 's': expected targets, found str"),
        ("text\n", "expected an object of image sets"),
        ("s: {'3': \n", "is no whole YAML file"),
        ("{" * 5000, "is no whole YAML file"),
        ("{a}: x", "the key .* is no text"),
    ],
)
def test_what_are_no_annotations_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "manual_annotation_valid.yaml"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        read_annotations(path)


def test_yaml_makes_no_objects(tmp_path: Path) -> None:
    path = tmp_path / "manual_annotation_valid.yaml"
    path.write_text('s: {"3": {annotation: !!python/object/apply:os.getcwd ["/"]}}\n')
    with pytest.raises(DataError):
        read_annotations(path)
    path.write_text("")
    assert read_annotations(path) == []


def test_writers_are_read(tmp_path: Path) -> None:
    value = {"s": {"3": "train_worker", "4": "unseen_worker"}}
    writers = read_annotators(write_json(tmp_path / "w.json", value))
    assert annotator_array(writers, ROWS).tolist() == [1, 0, -1]
    for bad, message in (
        ({"s": {"3": "me"}}, "set 's', target 3: 'me' is none of"),
        ({"s": {"a": "train_worker"}}, "'a' is no target"),
        ({"s": "train_worker"}, "expected targets, found str"),
        ([], "expected an object"),
        ({"s": {"3": {}}}, "is none of"),
    ):
        with pytest.raises(DataError, match=message):
            read_annotators(write_json(tmp_path / "w.json", bad))


def test_held_out_sets_follow_from_the_seed_and_are_a_fifth_at_most() -> None:
    names = [f"s{n}" for n in range(100)]
    first = held_out_sets(names, 7, 0)
    assert len(first) == 7
    assert first == held_out_sets(names, 7, 0)
    assert first != held_out_sets(names, 7, 1)
    assert len(held_out_sets(names, 500, 0)) == 20
    with pytest.raises(DataError, match="4 training sets are too few"):
        held_out_sets(names[:4], 500, 0)
