"""What the doctor says of a copy of ImageCoDe."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from imagecode_folder import TEST, TRAIN, VALID, write_imagecode, write_json, write_yaml

from mlzoo.contracts import Finding
from mlzoo_imagecode.dataset_config import DescriptionOptions
from mlzoo_imagecode.imagecode.doctor import examine
from mlzoo_imagecode.imagecode.files import ANNOTATIONS, ANNOTATORS


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_imagecode(tmp_path_factory.mktemp("data") / "imagecode")


@pytest.fixture
def root(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "imagecode"))


def told(root: Path, **options: object) -> list[Finding]:
    return list(examine(root, DescriptionOptions(**options)))


def of(findings: list[Finding], subject: str, level: str = "") -> list[str]:
    return [f.text for f in findings if f.subject == subject and level in ("", f.level)]


def errors(findings: list[Finding]) -> list[str]:
    return [finding.text for finding in findings if finding.level == "error"]


def test_a_whole_copy_has_no_error_and_allows_both_protocols(root: Path) -> None:
    found = told(root)
    assert errors(found) == []
    assert of(found, "protocol leaderboard", "ok") == ["possible: --protocol leaderboard"]
    assert of(found, "protocol valid", "ok") == ["possible: --protocol valid"]
    assert of(found, "train_data.json") == [
        "12 sets, 24 descriptions; published are 7,317 and 16,594"
    ]
    assert f"17 sets of ten images in {root / 'image-sets'}" in of(found, "image-sets", "ok")
    assert "170 of 170 images decode (all; there are 170)" in of(found, "image-sets", "ok")
    assert of(found, ANNOTATIONS, "note") == ["is not there: no accuracy by phenomenon"]
    assert of(found, "published rows", "warning")[0].startswith("not comparable: not the published")
    assert of(found, "test", "note") == [
        "its labels are hidden: it is predicted, and cannot be scored"
    ]
    assert len(of(found, "fingerprint", "ok")) == 1


def test_without_the_test_file_valid_is_possible(root: Path) -> None:
    (root / "test_data_unlabeled.json").unlink()
    found = told(root, protocol="valid")
    assert of(found, "protocol leaderboard") == ["not possible without test_data_unlabeled.json"]
    assert of(found, "test_data_unlabeled.json", "note") == ["is missing"]
    assert errors(found) == []
    assert of(found, "protocol valid", "ok")
    assert of(told(root), "test_data_unlabeled.json", "error") == ["is missing"]


def test_files_that_leak_are_named_and_not_read(root: Path) -> None:
    write_json(root / "test_data.json", {})
    write_json(root / "vilbert_data_format" / "test_target.pkl", {})
    found = told(root)
    for name in ("test_data.json", "vilbert_data_format/test_target.pkl"):
        assert of(found, name, "warning") == [
            "tells the hidden targets of the test set; it is never read"
        ]
    assert errors(found) == []


def test_folders_that_lack_or_are_unlisted_or_incomplete_are_told(root: Path) -> None:
    folder = root / "image-sets"
    shutil.rmtree(folder / TRAIN[2])
    (folder / VALID[1] / "img0.jpg").unlink()
    (folder / "stranger").mkdir()
    found = told(root)
    (lacking,) = of(found, "train_data.json", "error")
    assert lacking.startswith("1 of 12 sets have no folder: ")
    assert TRAIN[2] in lacking
    (broken,) = of(found, "valid_data.json", "error")
    assert VALID[1] in broken
    assert of(found, "image-sets", "note") == [
        "1 folders are described by no file here: 'stranger'"
    ]
    assert of(found, "protocol leaderboard", "note") == ["possible when the errors are gone"]
    assert not of(found, "fingerprint")


def test_damaged_pictures_are_named(root: Path) -> None:
    path = root / "image-sets" / TEST[1] / "img5.jpg"
    path.write_bytes(path.read_bytes()[:80])
    found = told(root)
    first, count = of(found, "image-sets", "error")
    assert str(path) in first
    assert count == "169 of 170 images decode (all; there are 170)"


def test_a_damaged_file_is_an_error_and_the_others_are_looked_at(root: Path) -> None:
    (root / "valid_data.json").write_text("{")
    found = told(root)
    assert "is no whole JSON file" in of(found, "valid_data.json", "error")[0]
    assert of(found, "train_data.json")
    assert of(found, "protocol valid") == ["not possible without valid_data.json"]


def test_annotations_are_counted_and_lost_ones_told(root: Path) -> None:
    write_yaml(root / ANNOTATIONS, {VALID[1]: {"2": "col,con"}, "lost": {"3": "v"}})
    write_json(root / ANNOTATORS, {VALID[0]: {"7": "train_worker", "2": "unseen_worker"}})
    found = told(root)
    assert of(found, ANNOTATIONS, "ok") == ["2 rows of 2 sets"]
    assert of(found, ANNOTATIONS, "note") == [
        "1 rows have no description in valid_data.json, the first: lost, target 3"
    ]
    assert of(found, ANNOTATORS, "ok") == ["1 descriptions by writers of training, 1 by others"]
    assert of(found, ANNOTATORS, "note") == ["4 descriptions of valid_data.json are not in it"]
    write_yaml(root / ANNOTATIONS, {VALID[1]: {"2": "odd"}})
    assert "'odd' is none of" in of(told(root), ANNOTATIONS, "error")[0]


def test_no_images_at_all_is_one_error_with_the_way_out(root: Path) -> None:
    shutil.rmtree(root / "image-sets")
    found = told(root)
    (finding,) = [finding for finding in found if finding.level == "error"]
    assert "there are no images" in finding.text
    assert "mlzoo data download imagecode" in finding.fix
