"""The dataset ``images`` as image files with a table: what is read, and what is refused and how."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from PIL import Image

from mlzoo.errors import DataError, RunError, UsageError
from mlzoo.progress import Progress
from mlzoo_mdn import images_demo
from mlzoo_mdn.data import load_images
from mlzoo_mdn.dataset_config import ImagesOptions
from mlzoo_mdn.image_files import ImageFormat, read_images
from mlzoo_mdn.images_demo import write_images_demo

SPLITS = ["train"] * 8 + ["val"] * 4 + ["test"] * 4
QUIET = Progress(quiet=True)


def pixels(number, shape=(6, 7)):
    return np.random.default_rng(number).integers(0, 256, size=shape, dtype=np.uint8)


def table_of(count=16):
    """Columns of a good table."""
    return {
        "file": [f"scans/{number:02}.png" for number in range(count)],
        "label": ["ill" if number % 2 else "healthy" for number in range(count)],
        "split": SPLITS[:count],
        "age": [str(20 + number) for number in range(count)],
        "site": ["ABC"[number % 3] for number in range(count)],
    }


def write_table(folder, columns, delimiter=",", encoding="utf-8"):
    with (folder / "images.csv").open("w", encoding=encoding, newline="") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "scans").mkdir()
    for number in range(16):
        Image.fromarray(pixels(number)).save(tmp_path / "scans" / f"{number:02}.png")
    write_table(tmp_path, table_of())
    return tmp_path


def load(folder, **options):
    return load_images(folder, ImagesOptions(**options))


def message_of(folder, **options):
    with pytest.raises(DataError) as caught:
        load(folder, **options)
    text = str(caught.value)
    assert text.startswith(str(folder))
    assert text.count("\n") <= 1
    return text


# --- what is read ---


def test_table_names_images_labels_splits_and_metadata(folder):
    data = load(folder)
    assert [len(split) for split in data.all_splits().values()] == [8, 4, 4]
    for start, split in ((0, data.train), (8, data.val), (12, data.test)):
        rows = range(start, start + len(split))
        expected = np.stack([pixels(row)[None] / np.float32(255) for row in rows])
        np.testing.assert_array_equal(split.images, expected)
        np.testing.assert_array_equal(split.label, np.arange(start, start + len(split)) % 2)
        np.testing.assert_array_equal(split.metadata[:, 0], [20 + row for row in rows])
        np.testing.assert_array_equal(split.metadata[:, 1], [row % 3 == 1 for row in rows])
        np.testing.assert_array_equal(split.metadata[:, 2], [row % 3 == 2 for row in rows])
    assert data.metadata_names == ("age", "site=B", "site=C")
    assert data.label_names == ("healthy", "ill")


def test_facts_say_what_became_of_labels_splits_and_text(folder):
    facts = load(folder).describe()
    assert facts["labels"] == {"0": "healthy", "1": "ill"}
    assert facts["split"] == "column split"
    assert facts["metadata site"] == "indicators of B, C; none of them is A"
    json.dumps(facts, allow_nan=False)


def test_splits_share_one_array(folder):
    data = load(folder)
    assert data.train.images.base is data.test.images.base is not None


def test_fingerprint_is_of_the_content_and_not_of_names_or_order_of_columns(folder):
    before = load(folder).fingerprint()
    for number in range(16):
        (folder / "scans" / f"{number:02}.png").rename(folder / f"x{number}.png")
    columns = table_of()
    columns["file"] = [f"x{number}.png" for number in range(16)]
    write_table(folder, dict(reversed(columns.items())))
    assert load(folder, metadata=("age", "site")).fingerprint() == before
    Image.fromarray(pixels(99)).save(folder / "x15.png")
    assert load(folder, metadata=("age", "site")).fingerprint() != before


@pytest.mark.parametrize(
    ("delimiter", "encoding"), [(";", "utf-8-sig"), ("\t", "utf-8"), (",", "utf-8-sig")]
)
def test_tables_of_a_spreadsheet_are_read(folder, delimiter, encoding):
    before = load(folder).fingerprint()
    write_table(folder, table_of(), delimiter, encoding)
    assert load(folder).fingerprint() == before


@pytest.mark.parametrize("character", ["\u2028", "\x0b", "\x85"])
def test_odd_character_in_a_cell_ends_no_line(folder, character):
    columns = table_of()
    columns["site"] = [site.replace("B", f"B{character}b") for site in columns["site"]]
    write_table(folder, columns)
    assert load(folder).metadata_names == ("age", f"site=B{character}b", "site=C")


def test_backslashes_and_blank_lines_are_understood(folder):
    before = load(folder).fingerprint()
    columns = table_of()
    columns["file"] = [name.replace("/", "\\") for name in columns["file"]]
    write_table(folder, columns)
    path = folder / "images.csv"
    path.write_text(path.read_text().replace("\n", "\n,,,,\n", 1) + "\n\n")
    assert load(folder).fingerprint() == before


def test_chosen_columns_alone_are_metadata(folder):
    assert load(folder, metadata=("site",)).metadata_names == ("site=B", "site=C")
    assert load(folder, metadata="age").metadata_names == ("age",)


def test_without_column_split_test_and_val_are_drawn_from_each_label(folder):
    columns = table_of()
    del columns["split"]
    write_table(folder, columns)
    options = {"test_fraction": 0.25, "val_fraction": 1 / 3, "metadata": ("age",)}
    data = load(folder, **options)
    for name, count in (("train", 4), ("val", 2), ("test", 2)):
        assert np.bincount(data[name].label).tolist() == [count, count]
    ages = np.concatenate([split.metadata[:, 0] for split in data.all_splits().values()])
    assert sorted(ages) == list(range(20, 36))
    facts = data.describe()
    assert facts["split"] == "drawn by seed 0, as there is no column split"
    assert facts["test"] == "0.25 of each label, chosen by seed 0"
    assert load(folder, **options).fingerprint() == data.fingerprint()
    assert load(folder, split_seed=1, **options).fingerprint() != data.fingerprint()


def test_without_val_a_share_of_train_becomes_val(folder):
    columns = table_of()
    columns["split"] = ["train"] * 12 + ["test"] * 4
    write_table(folder, columns)
    data = load(folder, metadata=("age",), val_fraction=0.5)
    assert [len(split) for split in data.all_splits().values()] == [6, 6, 4]
    np.testing.assert_array_equal(data.test.metadata[:, 0], [32, 33, 34, 35])


def test_numeric_labels_keep_their_numbers(folder):
    columns = table_of()
    columns["label"] = [str(number % 2) for number in range(16)]
    write_table(folder, columns)
    data = load(folder)
    assert data.label_names == ("0", "1")
    np.testing.assert_array_equal(data.test.label, [0, 1, 0, 1])


def test_image_files_are_resized_and_coloured_as_asked(folder):
    Image.fromarray(pixels(3, (20, 10, 3))).save(folder / "scans" / "03.png")
    data = load(folder, image_size=5, color="rgb")
    assert data.train.images.shape == (8, 3, 5, 5)
    grey, colour = data.train.images[0], data.train.images[3]
    np.testing.assert_array_equal(grey[0], grey[2])
    assert np.abs(colour[0] - colour[2]).max() > 0.01
    assert load(folder, image_size=5, color="grey").train.images.shape == (8, 1, 5, 5)


def test_sixteen_bits_are_kept(tmp_path):
    deep = np.array([[0, 1, 256], [257, 40000, 65535]], dtype=np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    (found,) = read_images(tmp_path, ["deep.png"], ImageFormat(), "here", QUIET)
    np.testing.assert_array_equal(found[0], deep / np.float32(65535))


def test_photographs_are_turned_upright(tmp_path):
    picture = Image.fromarray(pixels(0, (4, 6)))
    turned = picture.getexif()
    turned[0x0112] = 6  # shown turned by 90 degrees
    picture.save(tmp_path / "turned.png", exif=turned)
    (found,) = read_images(tmp_path, ["turned.png"], ImageFormat(), "here", QUIET)
    expected = np.rot90(pixels(0, (4, 6)), -1) / np.float32(255)
    np.testing.assert_array_equal(found[0], expected)


def test_a_long_reading_tells_how_far_it_is(folder, monkeypatch):
    told = []

    class Telling(Progress):
        def message(self, text):
            told.append(text)

    monkeypatch.setattr("mlzoo_mdn.image_files.SECONDS_BETWEEN_MESSAGES", -1)
    read_images(folder, ["scans/00.png"] * 3, ImageFormat(), "here", Telling())
    assert "read 3 of 3 images" in told
    assert not any("take" in line for line in told)
    monkeypatch.setattr("mlzoo_mdn.image_files.LARGE_BYTES", 500)
    read_images(folder, ["scans/00.png"] * 3, ImageFormat(), "here", Telling())
    assert "here: 3 images of 1 x 6 x 7 take 504 B" in told


# --- what is refused ---


@pytest.mark.parametrize(
    ("column", "row", "value", "message"),
    [
        ("file", 2, "", "column 'file' holds nothing in line 4"),
        ("file", 2, "scans/03.png", "names scans/03.png in lines 4, 5"),
        ("file", 2, "scans//03.png", "names scans//03.png in lines 4, 5"),
        (
            "file",
            2,
            "../up.png",
            "1 of 16 images cannot be used: ../up.png leads out of the folder",
        ),
        ("file", 2, "/etc/passwd", "/etc/passwd leads out of the folder"),
        ("file", 2, "C:\\up.png", "leads out of the folder"),
        ("file", 2, "scans/none.png", "scans/none.png is missing"),
        ("file", 2, "images.csv", "images.csv is no image of the kinds PNG, JPEG"),
        ("label", 3, "n/a", "column 'label' holds n/a in line 5"),
        ("label", 3, "unsure", "must hold two different values; found 'healthy', 'ill', 'unsure'"),
        ("split", 3, "tst", "column 'split' holds 'tst' in line 5\nDid you mean 'test'"),
        ("age", 4, "", "column 'age' holds nothing in line 6"),
        ("age", 4, "NaN", "column 'age' holds NaN in line 6"),
        ("age", 4, "inf", "column 'age' holds 'inf' in line 6; expected a finite number"),
        ("age", 4, "old", "column 'age' holds 'old' in line 6; expected a number"),
        ("age", 4, "3,5", "column 'age' holds '3,5' in line 6; expected a number, with a decimal"),
        ("site", 13, "D", "column 'site' holds 'D' in line 15, which the training set does not"),
    ],
)
def test_an_unusable_cell_is_named_with_its_line(folder, column, row, value, message):
    columns = table_of()
    columns[column][row] = value
    write_table(folder, columns)
    assert message in message_of(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"file": None, "File": ["x"] * 16}, "has no column 'file'\nDid you mean 'File'?"),
        ({"label": None}, "has no column 'label'"),
        ({"label": ["ill"] * 16}, "must hold two different values; found 'ill'"),
        ({"label": ["ill"] * 8 + ["healthy", "ill"] * 4}, "split train has label 'healthy'"),
        ({"split": ["train", "val"] * 8}, "no row has the split test"),
        ({"age": None, "site": None}, "has no column of metadata"),
        ({"site": ["A"] * 16}, "text with 1 different values"),
        ({"site": ["1,5"] * 16}, "holds '1,5' in line 2 and 15 more; expected a number"),
        ({"site": [f"patient {n}" for n in range(16)]}, "which the training set does not have"),
    ],
)
def test_an_unusable_column_is_named(folder, changes, message):
    columns = {**table_of(), **changes}
    write_table(folder, {name: cells for name, cells in columns.items() if cells is not None})
    assert message in message_of(folder)


def test_text_of_too_many_groups_is_refused_with_the_way_out(folder):
    count = 60
    columns = {
        "file": [f"{number}.png" for number in range(count)],
        "label": ["a", "b"] * (count // 2),
        "split": ["train"] * 50 + ["val", "val", "test", "test", "test"] * 2,
        "name": [f"patient {number}" for number in range(count)],
    }
    write_table(folder, columns)
    message = message_of(folder)
    assert "'name' holds text with 50 different values in the training set" in message
    assert "--metadata age,sex" in message


@pytest.mark.parametrize(
    ("metadata", "message"),
    [(("aeg",), "has no column 'aeg'\nDid you mean 'age'?"), (("label",), "cannot be metadata")],
)
def test_a_wrong_choice_of_metadata_is_named(folder, metadata, message):
    assert message in message_of(folder, metadata=metadata)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no rows"),
        (b"file,label,age\n", "holds no rows"),
        (b"file,label,age\n\xff\xfe,1,2\n", "is not UTF-8 text"),
        (b"file,label,age,age\na,b,1,2\n", "names 'age' twice"),
        (b"file,label,age\na,b\n", "line 2 has 2 cells; expected 3"),
        (b'file,label,age\n"a,b,1\n', "line 2: unexpected end of data"),
        (b"\x00\x01\x02\n\x00", "has no column"),
    ],
)
def test_a_damaged_table_is_named(folder, content, message):
    (folder / "images.csv").write_bytes(content)
    assert message in message_of(folder)


def test_the_first_few_unusable_images_are_named_and_all_are_counted(folder):
    for number in (1, 4, 5, 9, 11):
        (folder / "scans" / f"{number:02}.png").unlink()
    message = message_of(folder)
    assert "5 of 16 images cannot be used: scans/01.png is missing; " in message
    assert message.endswith("scans/05.png is missing; and 2 more")


@pytest.mark.parametrize("keep", [0, 10, 60, 0.6])
def test_a_truncated_image_is_named(folder, keep):
    path = folder / "scans" / "07.png"
    content = path.read_bytes()
    path.write_bytes(content[: keep if isinstance(keep, int) else int(keep * len(content))])
    assert "1 of 16 images cannot be used: scans/07.png is" in message_of(folder)


def test_a_damaged_byte_inside_an_image_is_noticed(folder):
    path = folder / "scans" / "07.png"
    content = bytearray(path.read_bytes())
    content[60] ^= 0xFF
    path.write_bytes(content)
    assert "scans/07.png is damaged" in message_of(folder)


def test_a_picture_that_declares_too_many_pixels_is_not_decoded(folder):
    import zlib

    def chunk(kind, body):
        return len(body).to_bytes(4) + kind + body + zlib.crc32(kind + body).to_bytes(4)

    for side in (9_000, 60_000):
        head = side.to_bytes(4) * 2 + bytes([8, 0, 0, 0, 0])
        rows = zlib.compress(bytes(1000))
        content = chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
        (folder / "scans" / "02.png").write_bytes(b"\x89PNG\r\n\x1a\n" + content)
        assert "scans/02.png declares" in message_of(folder)


def test_more_memory_than_admitted_is_refused_before_reading(folder, monkeypatch):
    monkeypatch.setattr("mlzoo_mdn.image_files.MAX_BYTES", 1000)
    message = message_of(folder)
    assert "16 images of 1 x 6 x 7 take 2.7 kB; at most 1.0 kB" in message
    assert "--image-size" in message


def test_several_frames_are_refused(folder):
    frames = [Image.fromarray(pixels(number)) for number in range(3)]
    frames[0].save(folder / "scans" / "03.png", save_all=True, append_images=frames[1:])
    assert "scans/03.png has 3 frames" in message_of(folder)


def test_pixels_of_a_kind_without_a_scale_are_refused(folder):
    Image.fromarray(np.zeros((6, 7), np.float32)).save(folder / "scans" / "03.tiff")
    columns = table_of()
    columns["file"][3] = "scans/03.tiff"
    write_table(folder, columns)
    assert "scans/03.tiff has pixels of kind F" in message_of(folder)


def test_formats_that_run_other_programs_are_never_opened(folder):
    (folder / "scans" / "03.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 7 6\n")
    assert "scans/03.png is no image of the kinds" in message_of(folder)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((7, 6), "00.png has 7 x 6 pixels, scans/05.png has 6 x 7\nMake them alike with --image-"),
        ((6, 7, 3), "00.png is grey, scans/05.png is in colour\nMake them alike with --color"),
    ],
)
def test_images_unlike_each_other_are_named(folder, shape, message):
    Image.fromarray(pixels(5, shape)).save(folder / "scans" / "05.png")
    assert message in message_of(folder)


def test_both_layouts_at_once_are_refused(folder):
    (folder / "train.npz").write_bytes(b"x")
    assert "holds both images.csv and train.npz" in message_of(folder)


def test_options_of_the_table_are_refused_with_npz_files(tmp_path):
    with pytest.raises(UsageError, match="--image-size belongs to images.csv"):
        load(tmp_path, image_size=5)


# --- the demo ---


def test_demo_is_read_by_the_loader_and_holds_what_it_says(tmp_path):
    root = tmp_path / "data" / "images"
    planted = write_images_demo(root, seed=3)
    data = load(root)
    assert sorted(path.name for path in root.iterdir()) == ["images", "images.csv"]
    assert data.metadata_names == ("confounder",)
    assert planted["accuracy_ceilings"]["true effect"] == pytest.approx(83.333, abs=1e-3)
    for name, group_size in planted["images_of_each_label"].items():
        assert np.bincount(data[name].label).tolist() == [group_size, group_size]
        for label, told in enumerate(data.label_names):
            low, high = planted["confounder"][f"label {told}"]
            values = data[name].metadata[data[name].label == label]
            assert low <= values.min() <= values.max() <= high
    # The quadrant of the confounder shows it, and nothing of it is cut off.
    quadrant = data.train.images[:, 0, :16, 16:].mean(axis=(1, 2))
    assert np.corrcoef(quadrant, data.train.metadata[:, 0])[0, 1] > 0.99
    assert data.train.images.max() < 1
    json.dumps(planted, allow_nan=False)


def test_demo_follows_its_seed(tmp_path):
    fingerprints = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        write_images_demo(tmp_path / name, seed)
        fingerprints.append(load(tmp_path / name).fingerprint())
    assert fingerprints[0] == fingerprints[1] != fingerprints[2]


@pytest.mark.parametrize("name", ["images.csv", "images"])
def test_demo_never_overwrites_somebodys_file(tmp_path, name):
    (tmp_path / name).write_bytes(b"mine")
    with pytest.raises(UsageError, match=f"{name} exists"):
        write_images_demo(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_bytes() == b"mine"


def test_an_interrupted_demo_leaves_nothing_behind(tmp_path, monkeypatch):
    def full_disk(*_, **__):
        raise RunError("no space left on device")

    monkeypatch.setattr(images_demo, "atomic_write", full_disk)
    with pytest.raises(RunError, match="no space"):
        write_images_demo(tmp_path)
    assert not list(tmp_path.iterdir())
