"""``mlzoo data prepare custom --images``: lists of images, the files made, refusals, stops."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError
from scipy.io import loadmat

from mlzoo.backbones import BACKBONES, load_weights, read_image, resnet
from mlzoo.backbones.images import IMAGENET
from mlzoo.config import unwrap
from mlzoo.errors import DataError, MlzooError, RunError, UsageError
from mlzoo.progress import Progress
from mlzoo_tfvaegan.mat_writing import write_splits
from mlzoo_tfvaegan.prepare import prepare
from mlzoo_tfvaegan.prepare_config import PrepareOptions

QUIET = Progress(quiet=True)
CLASSES = ("002.ant", "001.bee", "003.cat")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "resnet18.pth"
    torch.save(resnet("resnet18").state_dict(), path)
    return path


def draw(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (40, 50 + seed, 3), np.uint8)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three classes of three images each."""
    for number, name in enumerate(CLASSES):
        for image in range(3):
            draw(tmp_path / "images" / name / f"{image}.png", 3 * number + image)
    return tmp_path / "images"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "custom").mkdir()
    return tmp_path / "custom"


def options(**given: object) -> PrepareOptions:
    return PrepareOptions(**{"backbone": "resnet18", "device": "cpu", "batch_size": 4, **given})


def names_of(cells: np.ndarray) -> list[str]:
    return [str(cell[0]) for cell in cells.ravel()]


def test_features_file_has_a_column_for_each_image(folder, root, weights) -> None:
    facts = prepare(root, options(images=folder, weights=weights), QUIET)
    assert facts["images"] == 9
    assert facts["classes"] == 3
    assert sorted(path.name for path in root.iterdir()) == ["res101.mat"]
    found = loadmat(root / "res101.mat")
    assert found["features"].shape == (512, 9)
    assert found["labels"].ravel().tolist() == [1, 1, 1, 2, 2, 2, 3, 3, 3]
    files = names_of(found["image_files"])
    assert files[:4] == ["001.bee/0.png", "001.bee/1.png", "001.bee/2.png", "002.ant/0.png"]
    network = load_weights(weights, "resnet18")
    for column, file in zip(found["features"].T, files, strict=True):
        pixels = torch.from_numpy(read_image(folder / file, IMAGENET).copy())[None]
        with torch.no_grad():
            alone = network.features(IMAGENET.normalised(pixels))[0].numpy()
        np.testing.assert_allclose(column, alone, rtol=1e-4, atol=1e-5)


def test_unreadable_images_are_left_out_and_listed(folder, root, weights) -> None:
    (folder / "001.bee" / "1.png").write_bytes(b"no image")
    (folder / "003.cat" / "note.txt").write_text("about the cat")
    (folder / "003.cat" / ".DS_Store").touch()
    facts = prepare(root, options(images=folder, weights=weights), QUIET)
    assert (facts["images"], facts["unreadable"], facts["other files"]) == (8, 1, 1)
    found = loadmat(root / "res101.mat")
    assert found["labels"].ravel().tolist() == [1, 1, 2, 2, 2, 3, 3, 3]
    assert "001.bee/1.png" not in names_of(found["image_files"])
    listed = (root / "res101.unreadable.csv").read_text().splitlines()
    assert listed == ["file,reason", "001.bee/1.png,not an image of a known format"]


def test_class_names_give_the_numbers(folder, root, weights, tmp_path) -> None:
    (tmp_path / "names.txt").write_text("003.cat\nnobody\n001.bee\n002.ant\n")
    given = options(images=folder, weights=weights, class_names=tmp_path / "names.txt")
    prepare(root, given, QUIET)
    labels = loadmat(root / "res101.mat")["labels"].ravel()
    assert labels.tolist() == [3, 3, 3, 4, 4, 4, 1, 1, 1]


@pytest.mark.parametrize(
    ("labels", "base", "expected"),
    [
        (("b", "a", "b"), None, [2, 1, 2]),
        ((0, 1, 0), None, [1, 2, 1]),
        ((1, 2, 1), 1, [1, 2, 1]),
        ((1, 2, 1), 0, [2, 3, 2]),
    ],
)
def test_table_gives_order_and_classes(folder, root, weights, tmp_path, labels, base, expected):
    files = ["003.cat/2.png", "001.bee/0.png", "002.ant/1.png"]
    rows = [f"{file},{label}" for file, label in zip(files, labels, strict=True)]
    (tmp_path / "table.csv").write_text("\n".join(["file,label", *rows]))
    given = {"images": folder, "weights": weights, "labels": tmp_path / "table.csv"}
    prepare(root, options(label_base=base, **given), QUIET)
    found = loadmat(root / "res101.mat")
    assert names_of(found["image_files"]) == files
    assert found["labels"].ravel().tolist() == expected


def test_order_of_a_list_is_kept(folder, root, weights, tmp_path) -> None:
    files = ["003.cat/2.png", "001.bee/0.png", "002.ant/1.png"]
    order = table(tmp_path / "order.txt", *files)
    prepare(root, options(images=folder, weights=weights, order=order), QUIET)
    found = loadmat(root / "res101.mat")
    assert names_of(found["image_files"]) == files
    assert found["labels"].ravel().tolist() == [3, 1, 2]
    for rows, said in {
        ("001.bee/0.png", "001.bee/7.png"): "001.bee/7.png, which is no image here",
        ("001.bee/0.png", "001.bee/0.png"): "'001.bee/0.png' twice",
    }.items():
        order = table(tmp_path / "order.txt", *rows)
        with pytest.raises(DataError, match=said):
            prepare(root, options(images=folder, weights=weights, order=order, name="x"), QUIET)


def table(path: Path, *rows: str) -> Path:
    path.write_text("\n".join(rows))
    return path


@pytest.mark.parametrize(
    ("rows", "error", "said"),
    [
        (("file,label", "a.png,1", "b.png,2"), UsageError, "may count from 0 or from 1"),
        (("file,class", "a.png,1"), DataError, "columns file and label, found file, class"),
        (("file,label",), DataError, "names no image"),
        (("file,label", "a.png,x", "a.png,y"), DataError, "names 'a.png' twice"),
        (("file,label", "a.png,x"), DataError, "none of the 1 images can be read; a.png: there is"),
    ],
)
def test_table_that_does_not_fit_is_refused(folder, root, weights, tmp_path, rows, error, said):
    labels = table(tmp_path / "table.csv", *rows)
    with pytest.raises(error, match=said):
        prepare(root, options(images=folder, weights=weights, labels=labels), QUIET)
    assert not list(root.glob("*.mat"))


def test_folders_that_do_not_fit_are_refused(folder, root, weights, tmp_path) -> None:
    def refused(said: str, **more: object) -> None:
        given = {"images": folder, "weights": weights, **more}
        with pytest.raises(MlzooError, match=said):
            prepare(root, options(**given), QUIET)
        assert list(root.iterdir()) == []

    names = table(tmp_path / "names.txt", "001.bee", "002.ant", "003.cats")
    refused("'003.cat' is not among the class names", class_names=names)
    refused("nobody is no folder", images=tmp_path / "nobody")
    refused("absent.pth does not exist", weights=tmp_path / "absent.pth")
    (folder / "empty").mkdir()
    refused("empty holds no image")
    draw(folder / "loose.png", 0)
    refused("the image loose.png is in no class")
    (tmp_path / "bare").mkdir()
    refused("bare has no folders of classes", images=tmp_path / "bare")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "nothing to prepare from"),
        ({"images": "x"}, "--images needs --weights"),
        ({"images": "x", "weights": "w", "features": "f"}, "--features does not go with --images"),
        ({"images": "x", "weights": "w", "image_files": "f"}, "--image-files does not go with"),
        ({"images": "x", "weights": "w", "splits": "s"}, "--splits needs --attributes"),
        ({"images": "x", "weights": "w", "attributes": "a"}, "--attributes needs --splits"),
        ({"features": "x", "weights": "w"}, "--weights does not go with --features"),
        ({"features": "x"}, "--features needs --splits"),
        ({"features": "x", "splits": "s"}, "--splits needs --attributes"),
        ({"features": "x", "splits": "s.mat"}, "--features needs --labels"),
        ({"features": "x", "attributes": "a", "splits": "s"}, "--features needs --labels"),
        ({"weights": "w"}, "nothing to prepare from"),
    ],
)
def test_options_that_do_not_go_together_are_refused(root, given, said) -> None:
    with pytest.raises(UsageError, match=said):
        prepare(root, PrepareOptions(**given), QUIET)


def test_features_file_is_never_replaced(folder, root, weights) -> None:
    (root / "res101.mat").write_text("precious")
    with pytest.raises(UsageError, match="res101.mat exists"):
        prepare(root, options(images=folder, weights=weights), QUIET)
    assert (root / "res101.mat").read_text() == "precious"
    prepare(root, options(images=folder, weights=weights, name="tuned"), QUIET)
    assert (root / "tuned.mat").exists()


class Stopping(Progress):
    def counted(self, done: int, total: int) -> None:
        if done >= 4:
            raise KeyboardInterrupt


def test_stopped_work_goes_on(folder, root, weights, tmp_path, capsys) -> None:
    given = options(images=folder, weights=weights)
    with pytest.raises(KeyboardInterrupt):
        prepare(root, given, Stopping())
    assert "the same command goes on" in capsys.readouterr().err
    assert sorted(path.name for path in root.iterdir()) == ["res101.part"]
    assert json.loads((root / "res101.part" / "progress.json").read_text())["done"] == 4
    straight = tmp_path / "straight"
    straight.mkdir()
    prepare(straight, given, QUIET)
    prepare(root, given, QUIET)
    one, two = (loadmat(folder / "res101.mat") for folder in (root, straight))
    assert all(np.array_equal(one[key], two[key]) for key in ("features", "labels"))
    assert sorted(path.name for path in root.iterdir()) == ["res101.mat"]


def test_stopped_work_of_other_images_is_refused(folder, root, weights) -> None:
    given = options(images=folder, weights=weights)
    with pytest.raises(KeyboardInterrupt):
        prepare(root, given, Stopping())
    draw(folder / "001.bee" / "9.png", 9)
    with pytest.raises(RunError, match=r"res101.part holds unfinished work with other images"):
        prepare(root, given, QUIET)


KILLED = """
import sys
from pathlib import Path
from mlzoo.progress import Progress
from mlzoo_tfvaegan.mat_writing import write_splits
from mlzoo_tfvaegan.prepare import prepare
from mlzoo_tfvaegan.prepare_config import PrepareOptions
class Told(Progress):
    def counted(self, done, total):
        print(done, flush=True)
root, images, weights = map(Path, sys.argv[1:])
options = PrepareOptions(
    images=images, weights=weights, backbone="resnet18", device="cpu", batch_size=1)
prepare(root, options, Told())
"""


def test_killed_process_leaves_no_half_file_and_goes_on(folder, root, weights, tmp_path) -> None:
    words = [sys.executable, "-c", KILLED, *map(str, (root, folder, weights))]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "1\n"
        process.send_signal(signal.SIGKILL)
    assert sorted(path.name for path in root.iterdir()) == ["res101.part"]
    given = options(images=folder, weights=weights, batch_size=1)
    prepare(root, given, QUIET)
    straight = tmp_path / "straight"
    straight.mkdir()
    prepare(straight, given, QUIET)
    one, two = (loadmat(folder / "res101.mat")["features"] for folder in (root, straight))
    assert np.array_equal(one, two)


def test_both_files_are_made_with_a_split(folder, root, weights, tmp_path) -> None:
    np.save(tmp_path / "attributes.npy", np.random.default_rng(0).random((3, 5)))
    splits = table(tmp_path / "unseen.txt", "003.cat")
    given = {"attributes": tmp_path / "attributes.npy", "splits": splits}
    prepare(root, options(images=folder, weights=weights, **given), QUIET)
    assert sorted(path.name for path in root.iterdir()) == ["att_splits.mat", "res101.mat"]
    features, split = loadmat(root / "res101.mat"), loadmat(root / "att_splits.mat")
    assert features["features"].shape == (512, 9)
    assert split["att"].shape == (5, 3)
    assert names_of(features["image_files"])[0] == "001.bee/0.png"
    assert names_of(split["allclasses_names"]) == sorted(CLASSES)
    assert sorted(split["test_unseen_loc"].ravel().tolist()) == [7, 8, 9]
    seen = [split[name].ravel() for name in ("trainval_loc", "test_seen_loc")]
    assert sorted(np.concatenate(seen).tolist()) == [1, 2, 3, 4, 5, 6]


def test_split_that_counts_unreadable_images_is_refused(folder, root, weights, tmp_path) -> None:
    (folder / "001.bee" / "1.png").write_bytes(b"no image")
    np.save(tmp_path / "attributes.npy", np.random.default_rng(0).random((3, 5)))
    parts = ["train", "train", "test_seen"] * 2 + ["test_unseen"] * 3
    rows = {"trainval": [0, 1, 3, 4], "test_seen": [2, 5], "test_unseen": [6, 7, 8]}
    np.savez(tmp_path / "rows.npz", **{name: np.array(part) for name, part in rows.items()})
    table(tmp_path / "column.csv", "split", *parts)
    for name in ("rows.npz", "column.csv"):
        given = {"attributes": tmp_path / "attributes.npy", "splits": tmp_path / name}
        with pytest.raises(DataError, match=r"unreadable.csv lists 1 images .* counts all"):
            prepare(root, options(images=folder, weights=weights, **given), QUIET)
        assert not list(root.glob("*.mat"))
    shutil.rmtree(root / "res101.part")
    draw(folder / "001.bee" / "1.png", 1)
    prepare(root, options(images=folder, weights=weights, **given), QUIET)
    assert not (root / "res101.unreadable.csv").exists()
    assert loadmat(root / "att_splits.mat")["test_seen_loc"].ravel().tolist() == [3, 6]


def test_split_by_classes_leaves_unreadable_images_out(folder, root, weights, tmp_path) -> None:
    (folder / "001.bee" / "1.png").write_bytes(b"no image")
    np.save(tmp_path / "attributes.npy", np.random.default_rng(0).random((3, 5)))
    splits = table(tmp_path / "unseen.txt", "003.cat")
    given = {"attributes": tmp_path / "attributes.npy", "splits": splits}
    facts = prepare(root, options(images=folder, weights=weights, **given), QUIET)
    assert (facts["images"], facts["unreadable"]) == (8, 1)
    assert loadmat(root / "res101.mat")["labels"].ravel().tolist() == [1, 1, 2, 2, 2, 3, 3, 3]
    unseen = loadmat(root / "att_splits.mat")["test_unseen_loc"]
    assert sorted(unseen.ravel().tolist()) == [6, 7, 8]


def test_split_file_of_the_benchmark_gives_classes_their_numbers(
    folder, root, weights, tmp_path
) -> None:
    order = ["003.cat", "001.bee", "002.ant"]
    embeddings = np.random.default_rng(0).random((3, 5))
    write_splits(
        tmp_path / "benchmark.mat",
        attributes=embeddings,
        class_names=order,
        trainval=np.array([0, 1, 3, 4]),
        test_seen=np.array([2, 5]),
        test_unseen=np.array([6, 7, 8]),
    )
    given = options(images=folder, weights=weights, splits=tmp_path / "benchmark.mat")
    prepare(root, given, QUIET)
    labels = loadmat(root / "res101.mat")["labels"].ravel()
    assert labels.tolist() == [2, 2, 2, 3, 3, 3, 1, 1, 1]
    np.testing.assert_array_equal(loadmat(root / "att_splits.mat")["att"], embeddings.T)


def test_every_residual_network_is_offered() -> None:
    field = PrepareOptions.model_fields["backbone"]
    offered = unwrap(field.annotation).__args__
    assert set(offered) == {name for name in BACKBONES if name.startswith("resnet")}


def test_options_are_listed_without_torch() -> None:
    code = "import sys, mlzoo_tfvaegan.prepare_config; print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    )
    assert done.stdout == "False\n"


@pytest.mark.parametrize("name", ["../res101", "a/b", ".hidden", "", "res101.mat"])
@pytest.mark.parametrize("field", ["name", "embedding"])
def test_file_to_write_is_a_name_without_folder_and_ending(field: str, name: str) -> None:
    with pytest.raises(ValidationError, match="without folder and ending"):
        PrepareOptions(**{field: name})
