"""ImageCoDe from a folder: protocols, orders, hidden targets, and what is refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from imagecode_folder import FRAMES, TEST, TRAIN, VALID, write_imagecode, write_json, write_yaml

from mlzoo.contracts import TaskData
from mlzoo.errors import DataError
from mlzoo_imagecode.contextual import HIDDEN, ContextualData
from mlzoo_imagecode.dataset_config import DescriptionOptions
from mlzoo_imagecode.imagecode.files import ANNOTATIONS, ANNOTATORS, LEAKING
from mlzoo_imagecode.imagecode.loading import load
from mlzoo_imagecode.imagecode.spec import imagecode, imagecode_simple
from mlzoo_imagecode.metric_specs import TAGS


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_imagecode(tmp_path_factory.mktemp("data") / "imagecode")


@pytest.fixture
def root(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "imagecode"))


def loaded(root: Path, **options: object) -> ContextualData:
    return load(root, DescriptionOptions(**options))


def test_leaderboard_trains_on_train_chooses_on_valid_and_predicts_test(whole: Path) -> None:
    data = loaded(whole)
    assert isinstance(data, TaskData)
    assert data.splits == ("val", "test")
    assert data.hidden == ("test",)
    assert (data.part("train").target != HIDDEN).all()
    assert data.part("val").sets == tuple(VALID)
    test = data.part("test")
    assert test.sets == tuple(TEST)
    assert test.target.tolist() == [HIDDEN] * 3
    assert test.texts == ("one", "two", "three")
    assert test.set_of.tolist() == [0, 0, 1]
    assert data.describe()["descriptions"] == {"train": 24, "val": 6, "test": 3}
    assert data.describe()["hidden targets"] == "test"
    assert data.describe()["protocol"] == "leaderboard"


def test_valid_scores_the_published_valid_and_holds_training_sets_out(whole: Path) -> None:
    data = loaded(whole, protocol="valid")
    assert data.hidden == ()
    assert data.part("test").sets == tuple(VALID)
    train, val = data.part("train"), data.part("val")
    assert len(val.sets) == 2
    assert sorted(train.sets + val.sets) == sorted(TRAIN)
    assert list(train.sets) == [name for name in TRAIN if name in train.sets]
    again = loaded(whole, protocol="valid", held_out_seed=0)
    assert again.part("val").sets == val.sets
    assert again.fingerprint() == data.fingerprint()
    others = {loaded(whole, protocol="valid", held_out_seed=n).part("val").sets for n in range(6)}
    assert len(others) > 1
    assert len(loaded(whole, protocol="valid", held_out=1).part("val").sets) == 1


def test_valid_needs_no_test_file(root: Path) -> None:
    (root / "test_data_unlabeled.json").unlink()
    assert loaded(root, protocol="valid").splits == ("val", "test")
    with pytest.raises(DataError, match=r"test_data_unlabeled\.json does not exist"):
        loaded(root)


def test_images_are_ordered_by_frame_number_and_targets_are_positions(whole: Path) -> None:
    part = loaded(whole).part("train")
    assert len(part.images) == 120
    static, video = part.sets.index(TRAIN[0]), part.sets.index(TRAIN[5])
    assert part.frame[part.set_of_image == static].tolist() == list(range(10))
    assert part.frame[part.set_of_image == video].tolist() == FRAMES
    assert part.position[part.set_of_image == video].tolist() == list(range(10))
    assert not part.video[static]
    assert part.video[video]
    row = next(n for n in range(len(part)) if part.set_of[n] == video)
    assert part.target[row] == 7
    image = part.candidates[row, part.target[row]]
    assert part.images.names[image] == f"{TRAIN[5]}/img{FRAMES[7]}.jpg"
    red = part.images.crops(np.array([image]), 10)[..., 0]
    assert abs(red.mean() - 70) < 3
    assert part.texts[row] == f" the seventh of {TRAIN[5]}"
    assert part.candidates[row].tolist() == [10 * video + n for n in range(10)]


def test_phenomena_and_writers_belong_to_the_published_valid(root: Path) -> None:
    write_yaml(root / ANNOTATIONS, {VALID[1]: {"2": "col,con"}, "lost": {"3": "v"}})
    write_json(root / ANNOTATORS, {VALID[0]: {"7": "train_worker", "2": "unseen_worker"}})
    for protocol, name in (("leaderboard", "val"), ("valid", "test")):
        data = loaded(root, protocol=protocol)
        part = data.part(name)
        assert part.tag is not None
        assert part.annotated is not None
        assert part.annotator is not None
        row = 3  # of VALID[1], position 2
        assert {n for n, own in zip(TAGS, part.tag[row], strict=True) if own} == {"col", "con"}
        assert part.annotated[row].all()
        assert part.annotated.sum() == 10
        assert part.annotator.tolist() == [1, 0, -1, -1, -1, -1]
        others = {"train", "val", "test"} - {name}
        assert all(data.part(other).tag is None for other in others)
        assert data.describe()["annotated descriptions of valid"] == 1
        assert data.describe()["annotations of no description"] == 1


def test_other_descriptions_than_the_published_are_not_comparable(whole: Path) -> None:
    told = loaded(whole).incomparable
    names = "train_data.json, valid_data.json, test_data_unlabeled.json"
    assert told == f"not the published descriptions: {names}"


def test_a_folder_elsewhere_is_named_by_an_option(root: Path, tmp_path: Path) -> None:
    (root / "image-sets").rename(tmp_path / "pictures")
    with pytest.raises(DataError, match="there are no images: .*image-sets is no folder") as caught:
        loaded(root)
    assert "mlzoo data download imagecode" in caught.value.fix
    assert loaded(root, images=tmp_path / "pictures").splits == ("val", "test")
    with pytest.raises(DataError, match="nowhere is no folder"):
        loaded(root, images=tmp_path / "nowhere")


def test_descriptions_of_missing_sets_are_one_error(root: Path) -> None:
    for name in (TRAIN[3], TRAIN[5]):
        shutil.rmtree(root / "image-sets" / name)
    with pytest.raises(DataError) as caught:
        loaded(root)
    told = caught.value.message
    assert "train_data.json describes 2 sets without a folder in" in told
    assert told.index(TRAIN[3]) < told.index(TRAIN[5])


def test_a_folder_without_exactly_ten_images_is_named(root: Path) -> None:
    folder = root / "image-sets" / VALID[0]
    (folder / "img4.jpg").unlink()
    with pytest.raises(DataError, match=VALID[0]):
        loaded(root)


def test_a_set_in_two_files_is_refused(root: Path) -> None:
    write_json(root / "test_data_unlabeled.json", {TRAIN[0]: ["x"]})
    with pytest.raises(DataError, match="is in train_data.json and in test_data_unlabeled.json"):
        loaded(root)


def test_files_that_leak_may_lie_there_and_are_not_opened(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = loaded(root).fingerprint()
    for name in LEAKING:
        write_json(root / name, {TEST[0]: {"1": "one"}})
    read, opened = Path.read_bytes, set()

    def watched(self: Path) -> bytes:
        opened.add(self.name)
        return read(self)

    monkeypatch.setattr(Path, "read_bytes", watched)
    assert loaded(root).fingerprint() == before
    assert opened == {"train_data.json", "valid_data.json", "test_data_unlabeled.json"}


def test_another_text_or_image_is_another_fingerprint(root: Path) -> None:
    before = loaded(root).fingerprint()
    image = root / "image-sets" / TRAIN[0] / "img0.jpg"
    image.write_bytes(image.read_bytes() + b"0")
    changed = loaded(root).fingerprint()
    assert changed != before
    write_json(root / "test_data_unlabeled.json", {TEST[0]: ["one", "2"], TEST[1]: ["three"]})
    assert loaded(root).fingerprint() not in (before, changed)


def test_specs_name_the_archive_and_refuse_no_copy_by_its_size() -> None:
    spec = imagecode("contextual-retrieval")
    (archive,) = [file for file in spec.files if file.unpacks]
    assert archive.url == "https://zenodo.org/records/6518944/files/image-sets.zip"
    assert archive.unpacks == ("image-sets",)
    assert archive.unpacked_size is not None
    assert archive.unpacked_size > 13_800_000_000
    needed = [file.path for file in spec.files if file.role == "needed"]
    assert needed == ["train_data.json", "valid_data.json", "test_data_unlabeled.json"]
    assert all(file.how_to_get for file in (*spec.files, *imagecode_simple("t").files))
