"""Annotations of Open Images: grouped by image, wherever the rows stand."""

from __future__ import annotations

import numpy as np
import pytest

from mlzoo.errors import DataError
from mlzoo_biam.open_images import annotations as image_labels
from mlzoo_biam.open_images.annotations import read_annotations

CLASSES = ("/m/a", "/m/b", "/m/c")
HEAD = "ImageID,Source,LabelName,Confidence"


def written(folder, *rows: str, head: str = HEAD):
    path = folder / "test-annotations-human-imagelabels.csv"
    path.write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    return path


def test_present_absent_and_not_annotated(tmp_path):
    path = written(
        tmp_path,
        "02,verification,/m/b,1",
        "02,verification,/m/a,0",
        "01,crowd,/m/c,1",
        "03,crowd,/m/zz,1",
    )
    found = read_annotations(path, CLASSES)
    assert found.images == ["01", "02", "03"]
    assert found.labels.dense().tolist() == [[0, 0, 1], [-1, 1, 0], [0, 0, 0]]
    assert found.labels.default.tolist() == [0, 0, 0]
    assert (found.other, found.repeated, found.contradictory) == (1, 0, 0)


def test_rows_of_an_image_may_stand_apart_and_in_different_blocks(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    truth = rng.integers(-1, 2, (40, 3))
    rows = [
        f"{image:03},verification,{CLASSES[tag]},{int(truth[image, tag] > 0)}"
        for image, tag in zip(*np.nonzero(truth), strict=True)
    ]
    path = written(tmp_path, *rng.permutation(rows))
    for size in (1, 7, 1000):
        monkeypatch.setattr(image_labels, "ROWS", size)
        found = read_annotations(path, CLASSES)
        kept = [int(name) for name in found.images]
        assert found.labels.dense().tolist() == truth[kept].tolist()
        assert (truth[sorted(set(range(40)) - set(kept))] == 0).all()


def test_what_is_said_twice_counts_once_and_contradictions_not_at_all(tmp_path):
    rows = ["01,x,/m/a,1", "01,y,/m/a,1", "01,x,/m/b,1", "01,y,/m/b,0", "01,x,/m/c,0"]
    found = read_annotations(written(tmp_path, *rows), CLASSES)
    assert found.labels.dense().tolist() == [[1, 0, -1]]
    assert (found.repeated, found.contradictory) == (1, 1)


def test_columns_are_found_by_name(tmp_path):
    path = written(tmp_path, "1,/m/a,01,u", head="\ufeffConfidence,LabelName,ImageID,Url")
    assert read_annotations(path, CLASSES).labels.dense().tolist() == [[1, 0, 0]]


def test_image_of_other_classes_alone_is_kept(tmp_path):
    found = read_annotations(written(tmp_path, "01,x,/m/zz,1"), CLASSES)
    assert (found.images, found.labels.dense().tolist()) == (["01"], [[0, 0, 0]])


@pytest.mark.parametrize(
    ("rows", "head", "said"),
    [
        (["01,x,/m/a,0.7"], HEAD, "row 2: expected a confidence of 0 or 1, found '0.7'"),
        (["01,x,/m/a,1", "01,x,/m"], HEAD, "row 3: 3 cells"),
        ([",x,/m/a,1"], HEAD, "is no image's id"),
        (["01,/m/a"], "ImageID,LabelName", "no column Confidence"),
        ([], HEAD, "has no rows"),
    ],
)
def test_damaged_csv_is_one_clear_error(tmp_path, rows, head, said):
    path = written(tmp_path, *rows, head=head)
    with pytest.raises(DataError, match=said) as caught:
        read_annotations(path, CLASSES)
    assert path.name in str(caught.value)


def test_missing_csv_is_named(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        read_annotations(tmp_path / "train-annotations-human-imagelabels.csv", CLASSES)
