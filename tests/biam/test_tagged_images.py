"""One's own images: tables of tags, preparing, loading, refusals."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import mlzoo
from mlzoo.cli.main import guarded
from mlzoo.errors import DataError, RunError, UsageError
from mlzoo.progress import Progress
from mlzoo.run_directory import RunRecord
from mlzoo_biam.dataset_config import TaggedImagesOptions
from mlzoo_biam.packed import packing_parts
from mlzoo_biam.tagged_images.demo import GIVEN, write_demo
from mlzoo_biam.tagged_images.loading import load
from mlzoo_biam.tagged_images.prepare import prepare
from mlzoo_biam.tagged_images.prepare_config import PrepareTaggedImagesOptions
from mlzoo_biam.tagged_images.tables import read_tag_table, read_tags

OPTIONS = TaggedImagesOptions()
QUIET = Progress(quiet=True)


def table(folder: Path, text: str, name: str = "labels.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


# Tables


def test_listed_tags_are_present_and_all_others_absent(tmp_path):
    found = read_tag_table(
        table(tmp_path, "image,tags\na/1.jpg, dog ; cat;dog\n2.jpg,\n3.jpg,ox\n")
    )
    assert found.images == ["a/1.jpg", "2.jpg", "3.jpg"]
    assert found.tags == ("cat", "dog", "ox")
    assert found.labels.tolist() == [[1, 1, -1], [-1, -1, -1], [-1, -1, 1]]
    assert found.split is None


def test_columns_of_one_and_zero_say_present_and_absent(tmp_path):
    found = read_tag_table(table(tmp_path, "image,dog,cat\n1.jpg,1,0\n2.jpg,0,\n"))
    assert found.tags == ("dog", "cat")
    assert found.labels.tolist() == [[1, -1], [-1, 0]]
    assert not found.zero_is_unknown


def test_zero_is_not_annotated_where_minus_one_stands(tmp_path):
    found = read_tag_table(table(tmp_path, "image,dog,cat\n1.jpg,1,0\n2.jpg,-1,1\n"))
    assert found.labels.tolist() == [[1, 0], [-1, 1]]
    assert found.zero_is_unknown


def test_columns_and_lists_go_together(tmp_path):
    text = "\ufeffsplit\tcat\timage\ttags\ntrain\t1\t1.jpg\tox;dog\ntest\t0\t2.jpg\tox\n"
    found = read_tag_table(table(tmp_path, text, "t.tsv"))
    assert found.tags == ("cat", "dog", "ox")
    assert found.labels.tolist() == [[1, 1, 1], [-1, -1, 1]]
    assert found.split == ["train", "test"]


def test_order_and_further_tags_may_be_given(tmp_path):
    path = table(tmp_path, "image,tags\n1.jpg,dog\n")
    found = read_tag_table(path, ["ox", "dog"])
    assert found.tags == ("ox", "dog")
    assert found.labels.tolist() == [[-1, 1]]
    wide = table(tmp_path, "image,dog\n1.jpg,1\n2.jpg,0\n", "wide.csv")
    assert read_tag_table(wide, ["ox", "dog"]).labels.tolist() == [[0, 1], [0, -1]]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("file,tags\n1.jpg,dog\n", "no column 'image'"),
        ("image,split\n1.jpg,train\n", "has no tags"),
        ("image,tags\n", "names no image"),
        ("image,tags\n1.jpg,dog\n1.jpg,cat\n", "image '1.jpg' occurs twice"),
        ("image,tags\na\\1.jpg,dog\na/1.jpg,cat\n", "image 'a/1.jpg' occurs twice"),
        ("image,tags\n1.jpg,dog,cat\n", "line 2: 3 cells"),
        ("image,tags\n../1.jpg,dog\n", "is no path below"),
        ("image,tags\n/etc/passwd,dog\n", "is no path below"),
        ("image,tags,split\n1.jpg,dog,val\n", "expected train or test"),
        ("image,dog,dog\n1.jpg,1,1\n", "column 'dog' occurs twice"),
        ("image,image,dog\n1.jpg,1,1\n", "'image' twice"),
        ("image,dog\n1.jpg,yes\n", "line 2: 'dog' is 'yes', expected 1, 0 or -1"),
        ("image,dog\n1.jpg,0.5\n", "expected 1, 0 or -1"),
        ("image,tags,dog\n1.jpg,dog,1\n", "'dog' is a column and stands among"),
        ('image,tags\n1.jpg,"dog\n', "no whole table"),
    ],
)
def test_wrong_table_is_one_clear_error(tmp_path, text, said):
    with pytest.raises(DataError, match=said) as caught:
        read_tag_table(table(tmp_path, text))
    assert "labels.csv" in str(caught.value)


def test_tag_that_is_not_known_is_named_with_its_neighbour(tmp_path):
    path = table(tmp_path, "image,tags\n1.jpg,dgo\n")
    with pytest.raises(DataError, match="the tag 'dgo' is not among") as caught:
        read_tag_table(path, ["dog", "cat"])
    assert "Did you mean 'dog'?" in str(caught.value)
    with pytest.raises(DataError, match="the tag 'a' occurs twice"):
        read_tags(table(tmp_path, "a\nb\na\n", "tags.txt"))


# Preparing

SEEN, UNSEEN = ("bird", "cat", "dog", "red car"), ("horse", "zebra")


@pytest.fixture
def given(tmp_path):
    """Twelve images with a table, unseen tags and vectors."""
    rng = np.random.default_rng(0)
    images = tmp_path / "photos"
    (images / "more").mkdir(parents=True)
    rows = []
    tags = [*SEEN, *UNSEEN]
    for number in range(12):
        name = f"{'more/' if number % 2 else ''}{number:02}.png"
        pixels = rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(images / name)
        own = [tags[number % 6], tags[(number + 1) % 6]]
        rows.append([name, ";".join(own), "test" if number % 3 == 0 else "train"])
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["image", "tags", "split"], *rows])
    (tmp_path / "unseen.txt").write_text("zebra\nhorse\n")
    words = ["bird", "cat", "dog", "red", "car", "horse", "zebra", "other"]
    lines = [f"{word} {' '.join(f'{x:.3f}' for x in rng.normal(size=5))}\n" for word in words]
    (tmp_path / "vectors.txt").write_text("".join(lines))
    (tmp_path / "root").mkdir()
    return tmp_path


def options(given: Path, weights: Path, **changes: object) -> PrepareTaggedImagesOptions:
    paths = {
        "images": given / "photos",
        "labels": given / "labels.csv",
        "unseen": given / "unseen.txt",
        "vectors": given / "vectors.txt",
    }
    values = {**paths, "weights": weights, "device": "cpu", "batch_size": 4}
    return PrepareTaggedImagesOptions(**{**values, **changes})


def rewrite(given: Path, old: str, new: str, name: str = "labels.csv") -> None:
    path = given / name
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def test_images_become_a_dataset(given, small_vgg):
    facts = prepare(given / "root", options(given, small_vgg), QUIET)
    assert facts == {
        "tags": {"seen": 4, "unseen": 2}, "train": 8, "test": 4, "unreadable": 0,
    }  # fmt: skip
    data = load(given / "root", OPTIONS)
    assert data.tags == (*SEEN, "zebra", "horse")  # unseen as their list has them
    assert data.seen_count == 4
    assert len(data.train) + len(data.val) == 8
    assert data.test.own_names == ["00.png", "more/03.png", "06.png", "more/09.png"]
    assert data.test.own_labels.dense()[0].tolist() == [1, 1, -1, -1, -1, -1]
    assert data.train.features.grid == (14, 14)
    assert data.vectors.shape == (6, 5)
    assert "your own images" in data.incomparable
    np.testing.assert_allclose(np.linalg.norm(data.vectors, axis=1), 1, rtol=1e-5)


@pytest.fixture
def tagged_run(given, small_vgg):
    """A finished run on these images, and the weights that described them."""
    folder = given / "root" / "tagged-images"
    folder.mkdir()
    prepare(folder, options(given, small_vgg), QUIET)
    result = mlzoo.run(
        "biam",
        dataset="tagged-images",
        data_dir=given / "root",
        out=given / "runs",
        figures=False,
        progress=QUIET,
        epochs=2,
        channels=8,
        heads=2,
        batch_size=4,
        first_evaluation=1,
    )
    return result.directory, small_vgg


def test_a_run_on_images_tags_a_new_image_and_draws_where(given, tagged_run):
    directory, weights = tagged_run
    picture = given / "maps.png"
    image = given / "photos" / "00.png"
    found = mlzoo.predict(
        directory,
        [image],
        data_dir=given / "root",
        device="cpu",
        progress=QUIET,
        top=3,
        weights=weights,
        figure=picture,
    )
    assert found["image"] == [str(image)] * 3
    assert found["rank"] == [1, 2, 3]
    assert found["score"] == sorted(found["score"], reverse=True)
    assert all(0 <= row < 14 for row in found["row"])
    with Image.open(picture) as drawn:
        assert drawn.width > 500
    data = load(given / "root" / "tagged-images", OPTIONS)  # the same image is the first of test
    scores = RunRecord(directory).predictions("test")["scores"][0]
    best = np.argsort(-scores, kind="stable")[:3]
    assert found["tag"] == [data.tags[tag] for tag in best]
    np.testing.assert_allclose(found["score"], scores[best], rtol=1e-4, atol=1e-5)


def test_tags_can_be_chosen_and_an_unreadable_image_is_named(given, tagged_run):
    directory, weights = tagged_run
    common = {"data_dir": given / "root", "device": "cpu", "progress": QUIET, "weights": weights}
    found = mlzoo.predict(directory, [given / "photos" / "00.png"], tags=["zebra", "cat"], **common)
    assert sorted(found["tag"]) == ["cat", "zebra"]
    assert dict(zip(found["tag"], found["kind"], strict=True)) == {"cat": "seen", "zebra": "unseen"}
    unseen = mlzoo.predict(directory, [given / "photos" / "00.png"], kind="unseen", **common)
    assert set(unseen["tag"]) == set(UNSEEN)
    (given / "broken.jpg").write_bytes(b"no image")
    with pytest.raises(DataError, match="broken.jpg"):
        mlzoo.predict(directory, [given / "broken.jpg"], **common)


def test_split_is_drawn_where_the_table_has_none(given, small_vgg):
    text = (given / "labels.csv").read_text()
    lines = [line.rsplit(",", 1)[0] for line in text.splitlines()]
    (given / "labels.csv").write_text("\n".join(lines))
    tests = []
    for seed in (0, 0, 1):
        root = given / f"root{len(tests)}"
        root.mkdir()
        chosen = options(given, small_vgg, test_share=0.25, split_seed=seed)
        assert prepare(root, chosen, QUIET)["test"] == 3
        tests.append(load(root, OPTIONS).test.own_names)
    assert tests[0] == tests[1] != tests[2]


def test_unreadable_images_are_listed_and_left_out(given, small_vgg):
    (given / "photos" / "04.png").write_bytes(b"no image")
    facts = prepare(given / "root", options(given, small_vgg), QUIET)
    assert (facts["train"], facts["unreadable"], facts["listed in"]) == (7, 1, "unreadable.csv")
    assert "04.png,not an image" in (given / "root" / "unreadable.csv").read_text()
    data = load(given / "root", TaggedImagesOptions(validation="none"))
    assert "04.png" not in data.train.own_names
    row = data.train.own_names.index("more/05.png")
    assert data.train.own_labels.dense()[row].tolist() == [1, -1, -1, -1, 1, -1]


def test_images_without_labels_are_counted(given, small_vgg):
    (given / "photos" / "extra.png").write_bytes(b"x")
    (given / "photos" / "notes.txt").write_text("x")
    assert prepare(given / "root", options(given, small_vgg), QUIET)["images without labels"] == 1


def test_stopped_work_goes_on_and_gives_the_same(given, small_vgg, monkeypatch):
    (given / "other").mkdir()
    prepare(given / "other", options(given, small_vgg), QUIET)
    real, calls = packing_parts.write_beside, []

    def stopping(*arguments, **changes):
        calls.append(arguments[0])
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*arguments, **changes)

    monkeypatch.setattr(packing_parts, "write_beside", stopping)
    root = given / "root"
    with pytest.raises(KeyboardInterrupt):
        prepare(root, options(given, small_vgg), QUIET)
    assert not (root / "tags.json").exists()
    prepare(root, options(given, small_vgg), QUIET)
    assert load(root, OPTIONS).fingerprint() == load(given / "other", OPTIONS).fingerprint()
    with pytest.raises(UsageError, match=r"tags\.json exists"):
        prepare(root, options(given, small_vgg), QUIET)


def test_finished_part_of_other_images_is_not_gone_on_with(given, small_vgg):
    root = given / "root"
    prepare(root, options(given, small_vgg), QUIET)
    (root / "tags.json").unlink()
    rewrite(given, "02.png,dog;red car,train", "02.png,dog;red car,test")
    with pytest.raises(RunError, match="made of other images"):
        prepare(root, options(given, small_vgg), QUIET)


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("unseen.txt", "horse", "hrose", "the tag 'hrose' is not among the 6 tags"),
        ("labels.csv", "02.png", "022.png", "names '022.png', which is not in"),
        ("labels.csv", "02.png", "00.png", "the image '00.png' occurs twice"),
        ("vectors.txt", "zebra", "zebbra", "has no vector of 'zebra'"),
        ("labels.csv", ",test", ",train", "no image is in test"),
    ],
)
def test_wrong_input_is_one_clear_error_before_anything_is_made(
    given, small_vgg, name, old, new, said
):
    rewrite(given, old, new, name)
    with pytest.raises(DataError, match=said) as caught:
        prepare(given / "root", options(given, small_vgg), QUIET)
    assert name in str(caught.value)
    assert not list((given / "root").iterdir())


def test_all_tags_unseen_and_no_absent_tag_are_refused(given, small_vgg):
    (given / "unseen.txt").write_text("\n".join([*SEEN, *UNSEEN]))
    with pytest.raises(DataError, match="names all 6 tags"):
        prepare(given / "root", options(given, small_vgg), QUIET)
    (given / "unseen.txt").write_text("zebra\n")
    lines = ["image,dog,zebra,split"]
    for n in range(12):
        name = f"{'more/' if n % 2 else ''}{n:02}.png"
        lines.append(f"{name},{n % 2},{1 if n % 2 else -1},{'train' if n > 3 else 'test'}")
    (given / "labels.csv").write_text("\n".join(lines))
    with pytest.raises(DataError, match="no seen tag is ever absent") as caught:
        prepare(given / "root", options(given, small_vgg), QUIET)
    assert "0 means not annotated" in str(caught.value)


@pytest.mark.parametrize("name", ["images", "labels", "unseen", "vectors", "weights"])
def test_missing_option_is_named(given, small_vgg, name):
    changed = options(given, small_vgg).model_copy(update={name: None})
    with pytest.raises(UsageError, match=f"--{name} is missing"):
        prepare(given / "root", changed, QUIET)


def test_unseen_tag_without_a_test_image_is_told(given, small_vgg, capsys):
    rewrite(given, "more/09.png,red car;horse,test", "more/09.png,red car,test")
    rewrite(given, "more/03.png,red car;horse,test", "more/03.png,red car,test")
    import sys

    prepare(given / "root", options(given, small_vgg), Progress(sys.stderr))
    assert "2 unseen tags are in no image of test: 'zebra', 'horse'" in capsys.readouterr().err


def test_damaged_dataset_is_named(given, small_vgg):
    root = given / "root"
    prepare(root, options(given, small_vgg), QUIET)
    record = json.loads((root / "tags.json").read_text())
    (root / "tags.json").write_text(json.dumps({**record, "unseen": record["unseen"][::-1]}))
    with pytest.raises(DataError, match=r"word_vectors\.npz is of other tags"):
        load(root, OPTIONS)
    (root / "tags.json").write_text("{}")
    with pytest.raises(DataError, match=r"tags\.json is damaged"):
        load(root, OPTIONS)


# The demo world and the command line


def test_demo_loads_and_shows_what_may_be_given(tmp_path):
    planted = write_demo(tmp_path / "a", 0)
    data = load(tmp_path / "a", OPTIONS)
    assert (data.seen_count, len(data.tags)) == (24, 30)
    assert len(data.test) == planted["images"]["test"]
    assert data.references()["zsl_map"]["ceiling"] > data.references()["zsl_map"]["chance"]
    found = read_tag_table(tmp_path / "a" / GIVEN / "labels.csv", data.tags)
    kinds = np.array(found.split)
    assert (found.labels[kinds == "test"] == data.test.own_labels.dense()).all()
    assert set(read_tags(tmp_path / "a" / GIVEN / "unseen.txt")) == set(data.tags[24:])
    with pytest.raises(UsageError, match="not empty"):
        write_demo(tmp_path / "a", 0)


def test_command_prepares(given, small_vgg, capsys):
    words = ["data", "prepare", "tagged-images", "--images", given / "photos",
             "--labels", given / "labels.csv", "--unseen", given / "unseen.txt",
             "--vectors", given / "vectors.txt", "--weights", small_vgg, "--device", "cpu",
             "--data-dir", given / "root"]  # fmt: skip
    assert guarded([str(word) for word in words]) == 0, capsys.readouterr().err
    assert "tags.unseen" in capsys.readouterr().out
    assert guarded(["data", "show", "tagged-images", "--data-dir", str(given / "root")]) == 0
    assert "your own images" in capsys.readouterr().out
