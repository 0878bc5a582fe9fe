"""``mlzoo predict`` with Metadata Normalization: new images with their metadata."""

from __future__ import annotations

import csv
import shutil

import numpy as np
import pytest
from PIL import Image

import mlzoo
from mlzoo.errors import DataError, UsageError
from mlzoo.progress import Progress
from mlzoo_mdn.images_demo import write_images_demo

QUIET = Progress(quiet=True)


class Notes(Progress):
    """Keeps what was said."""

    def __init__(self):
        super().__init__(quiet=True)
        self.lines = []

    def message(self, text):
        self.lines.append(text)


def add_site(root):
    """A second column of metadata, of text."""
    table = root / "images.csv"
    header, *rows = table.read_text().splitlines()
    sites = [f"{row},{'NSW'[number % 3]}" for number, row in enumerate(rows)]
    table.write_text("\n".join([header + ",site", *sites]) + "\n")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A data root with a table of images."""
    folder = tmp_path_factory.mktemp("data")
    write_images_demo(folder / "images")
    add_site(folder / "images")
    return folder


@pytest.fixture(scope="module")
def run(root, tmp_path_factory):
    """A run on that table."""
    out = tmp_path_factory.mktemp("runs")
    settings = {"dataset": "images", "preset": "smoke", "data_dir": root, "out": out}
    return mlzoo.run("mdn", **settings, figures=False, progress=QUIET).directory


@pytest.fixture(scope="module")
def embedded(tmp_path_factory):
    """A run on the embedded data, and that data."""
    out = tmp_path_factory.mktemp("runs")
    settings = {"preset": "smoke", "group_size": 20, "figures": False, "progress": QUIET}
    run = mlzoo.run("mdn", out=out, **settings).directory
    return run, mlzoo.load_dataset("synthetic", group_size=20)


def table_rows(root, split="test"):
    with (root / "images" / "images.csv").open() as file:
        return [row for row in csv.DictReader(file) if row["split"] == split]


@pytest.fixture
def new(root, tmp_path):
    """A folder of new images: those of test, with a function that writes a table of them."""
    shutil.copytree(root / "images" / "images", tmp_path / "images")
    rows = table_rows(root)

    def write(columns=("file", "confounder", "site"), change=None, name="new.csv"):
        path = tmp_path / name
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, columns, extrasaction="ignore")
            writer.writeheader()
            for number, row in enumerate(rows):
                writer.writerow({**row, **(change(number, row) if change else {})})
        return path

    return write


def predict(run, *inputs):
    return mlzoo.predict(run, inputs, device="cpu", progress=QUIET)


def stored(run):
    with np.load(run / "predictions" / "test.npz") as arrays:
        return arrays["probability"], arrays["label"]


def test_the_images_of_test_get_the_predictions_that_were_scored(run, root, new):
    probability, _ = stored(run)
    found = predict(run, new())
    assert list(found) == ["file", "probability", "predicted"]
    assert found["file"] == [row["file"] for row in table_rows(root)]
    np.testing.assert_array_equal(np.float32(found["probability"]), probability)
    names = np.array(["control", "patient"])
    assert found["predicted"] == names[(probability > 0.5).astype(int)].tolist()


def test_columns_are_found_by_name_among_others_in_any_order(run, new):
    shuffled = new(("note", "site", "file", "confounder"), lambda n, row: {"note": "x, y"})
    assert predict(run, shuffled) == predict(run, new(name="other.csv"))


def test_a_label_is_never_read(run, new):
    wrong = new(
        ("file", "label", "split", "confounder", "site"), lambda n, row: {"label": "", "split": "?"}
    )
    assert predict(run, wrong) == predict(run, new(name="other.csv"))


def test_arrays_are_predicted_with_named_columns_in_any_order(run, root, tmp_path):
    data = mlzoo.load_dataset("images", data_dir=root)
    order = [2, 0, 1]
    np.savez(
        tmp_path / "new.npz",
        images=np.rint(255 * data.test.images).astype(np.uint8),
        metadata=data.test.metadata[:, order],
        metadata_names=np.array(data.metadata_names)[order],
    )
    found = predict(run, tmp_path / "new.npz")
    assert found["row"] == list(range(80))
    np.testing.assert_array_equal(np.float32(found["probability"]), stored(run)[0])


def test_embedded_data_need_no_files_and_give_what_was_scored(embedded, tmp_path):
    run, data = embedded
    np.savez(tmp_path / "x.npz", images=data.test.images, metadata=data.test.metadata)
    found = predict(run, tmp_path / "x.npz")
    np.testing.assert_array_equal(np.float32(found["probability"]), stored(run)[0])
    assert set(found["predicted"]) <= {"0", "1"}


def test_several_inputs_are_told_apart(run, new, embedded, tmp_path):
    first, second = new(), new(name="again.csv")
    found = predict(run, first, second)
    assert found["input"] == [str(first)] * 80 + [str(second)] * 80
    assert found["file"][:80] == found["file"][80:]


def test_metadata_decide_with_the_layer_and_are_not_asked_for_without(run, embedded, tmp_path):
    with_layer, data = embedded
    settings = {"preset": "smoke", "group_size": 20, "figures": False, "progress": QUIET}
    baseline = mlzoo.run("mdn", network="baseline", out=tmp_path, **settings).directory
    images, metadata = data.test.images, data.test.metadata
    np.savez(tmp_path / "one.npz", images=images, metadata=metadata)
    np.savez(tmp_path / "other.npz", images=images, metadata=metadata[::-1])
    np.savez(tmp_path / "bare.npz", images=images)
    one, other = (predict(with_layer, tmp_path / name) for name in ("one.npz", "other.npz"))
    assert one["probability"] != other["probability"]
    with pytest.raises(DataError, match="holds no 'metadata'"):
        predict(with_layer, tmp_path / "bare.npz")
    found = predict(baseline, tmp_path / "bare.npz")
    np.testing.assert_array_equal(np.float32(found["probability"]), stored(baseline)[0])


def test_metadata_outside_the_training_range_are_warned_of(run, new):
    notes = Notes()
    far = new(change=lambda n, row: {"confounder": "60"} if n in (3, 5) else {})
    mlzoo.predict(run, [far], progress=notes)
    (warning,) = (line for line in notes.lines if "warning" in line)
    assert "confounder of 2 in 80 samples lies outside the training range 1.0" in warning
    assert "e.g. 60" in warning
    assert "extrapolated" in warning


def test_whose_probability_it_is_is_said(run, new):
    notes = Notes()
    mlzoo.predict(run, [new()], progress=notes)
    assert notes.lines == ["probability is that of 'patient', the other label is 'control'"]


def test_images_of_another_scale_are_warned_of(embedded, tmp_path):
    run, data = embedded
    np.savez(tmp_path / "x.npz", images=255 * data.test.images, metadata=data.test.metadata)
    notes = Notes()
    mlzoo.predict(run, [tmp_path / "x.npz"], progress=notes)
    (warning,) = notes.lines
    assert "has pixels from" in warning
    assert "is the scale the same?" in warning


@pytest.mark.parametrize(
    ("columns", "change", "message"),
    [
        (("file", "site"), None, "has no column 'confounder'"),
        (("confounder", "site"), None, "has no column 'file'"),
        (
            ("file", "confounder", "site"),
            lambda n, row: {"site": "AZ"} if n == 2 else {},
            "column 'site' holds 'AZ' in line 4, which the training set does not have",
        ),
        (
            ("file", "confounder", "site"),
            lambda n, row: {"confounder": ""} if n == 2 else {},
            "column 'confounder' holds nothing in line 4",
        ),
        (
            ("file", "confounder", "site"),
            lambda n, row: {"file": "../x.png"} if n == 2 else {},
            "1 of 80 images cannot be used: ../x.png leads out of the folder",
        ),
    ],
)
def test_an_unusable_table_is_named(run, new, columns, change, message):
    with pytest.raises(DataError) as caught:
        predict(run, new(columns, change))
    assert "new.csv" in str(caught.value)
    assert message in str(caught.value)


def test_image_files_of_another_size_are_refused(run, new, tmp_path):
    for path in (tmp_path / "images").iterdir():
        Image.new("L", (20, 30)).save(path)
    with pytest.raises(DataError, match=r"shape \[1, 30, 20\]; expected \[1, 32, 32\]"):
        predict(run, new())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": np.zeros((3, 8, 8), np.uint8)}, r"shape \[1, 8, 8\]; expected \[1, 32, 32\]"),
        ({"metadata": np.zeros((3, 2))}, "metadata has 2 columns; expected 1: confounder"),
        ({"metadata": np.zeros(2)}, "3 images and 2 rows of metadata"),
        ({"metadata_names": np.array(["confuonder"])}, "no column 'confounder'\nDid you mean"),
        ({"metadata": np.full(3, np.nan)}, "expected finite values"),
        ({"images": np.zeros((0, 32, 32)), "metadata": np.zeros(0)}, "0 images and 0 rows"),
    ],
)
def test_unusable_arrays_are_named(embedded, tmp_path, changes, message):
    arrays = {"images": np.zeros((3, 32, 32), np.uint8), "metadata": np.full(3, 3.0), **changes}
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(DataError, match=message) as caught:
        predict(embedded[0], tmp_path / "x.npz")
    assert str(caught.value).startswith(str(tmp_path / "x.npz"))


def test_other_kinds_of_files_are_refused(embedded, tmp_path):
    (tmp_path / "x.png").write_bytes(b"x")
    with pytest.raises(UsageError, match=r"x\.png cannot be predicted; expected a \.csv"):
        predict(embedded[0], tmp_path / "x.png")
