"""The benchmark's own split files, where they are at hand, with made-up features of the right length."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io

from mlzoo_tfvaegan.dataset_config import ImagesOptions, UCF101Options
from mlzoo_tfvaegan.loading import load_awa2, load_cub, load_flo, load_sun, load_ucf101
from mlzoo_tfvaegan.mat_files import FeatureFile, read_split
from mlzoo_tfvaegan.versions import BENCHMARKS, incomparable, lists_digest, split_version
from mlzoo_tfvaegan.zero_shot import ZeroShotData

REAL = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "zero-shot"
pytestmark = pytest.mark.skipif(not REAL.is_dir(), reason="the published files are not here")

WIDTH = 4
NO_FEATURES = f"features are {WIDTH}-d, published rows use 2048-d"
LOADERS = {"cub": load_cub, "awa2": load_awa2, "sun": load_sun, "flo": load_flo}
# N, seen, unseen, A, trainval, test_seen, test_unseen, train classes, val classes, leaks
COUNTS: dict[str, tuple[int, ...]] = {
    "cub": (11788, 150, 50, 312, 7057, 1764, 2967, 100, 50, 1173, 591),
    "awa2": (37322, 40, 10, 85, 23527, 5882, 7913, 27, 13, 4031, 1851),
    "sun": (14340, 645, 72, 102, 10320, 2580, 1440, 580, 65, 2320, 260),
    "flo": (8189, 82, 20, 1024, 5631, 1403, 1155, 62, 20, 1173, 230),
}


def labels(dataset: str) -> Any:
    """From 1, in the order of the benchmark's features file."""
    return np.loadtxt(REAL / dataset.upper() / f"{dataset}_labels_1based.txt", dtype=np.uint16)


def folder(
    root: Path, dataset: str, *, version: str = "", embedding: str = "att", label: Any = None
) -> Path:
    """The real split file beside random features."""
    label = labels(dataset) if label is None else label
    features = np.random.default_rng(0).random((WIDTH, len(label)), dtype=np.float32)
    scipy.io.savemat(root / "res101.mat", {"features": features, "labels": label[:, None]})
    path = REAL / dataset.upper() / f"{embedding}_splits{version}.mat"
    (root / f"{embedding}_splits.mat").symlink_to(path)
    return root


def load(root: Path, dataset: str, version: str = "", **options: Any) -> ZeroShotData:
    name = options.get("embedding", "att")
    return LOADERS[dataset](
        folder(root, dataset, version=version, embedding=name), ImagesOptions(**options)
    )


@pytest.mark.parametrize("dataset", COUNTS)
def test_counts_are_the_benchmarks_and_no_test_sample_is_in_validation(
    dataset: str, tmp_path: Path
) -> None:
    data = load(tmp_path, dataset, "_v1" if dataset == "awa2" else "")
    samples, seen, unseen, width, train, held, tested, fitted, acting, *leaks = COUNTS[dataset]
    found = data.describe()
    assert len(data.label) == samples
    assert found["attributes"] == width
    assert found["classes"] == {"seen": seen, "unseen": unseen}
    assert found["samples"] == {"train": train, "test_seen": held, "test_unseen": tested}
    assert found["validation_classes"] == {"seen": fitted, "unseen": acting}
    assert found["version"] == "v1"
    assert found["left_out_of_validation"] == dict(
        zip(("train_loc", "val_loc"), leaks, strict=True)
    )
    assert data.validation_split is not None
    inside = np.concatenate(list(data.validation_split.arrays().values()))
    assert np.array_equal(np.sort(inside), np.sort(data.split.train))
    assert data.incomparable == NO_FEATURES


def test_versions_are_told_apart_by_content(tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "2").mkdir()
    first = load(tmp_path / "1", "awa2", "_v1")
    second = load(tmp_path / "2", "awa2", "_v2")
    assert second.describe()["version"] == "v2"
    assert "left_out_of_validation" not in second.describe()
    assert second.incomparable == "split version v2, published rows use v1"
    assert second.fingerprint() == first.fingerprint()  # the same samples in every part
    assert first.describe()["missing_attributes"] == 4


@pytest.mark.parametrize("dataset", ["cub", "sun", "flo"])
def test_version_2_is_recognised_from_version_1(dataset: str) -> None:
    path = REAL / dataset.upper() / "att_splits.mat"
    split = read_split(path, COUNTS[dataset][0])
    assert split_version(BENCHMARKS[dataset], split) == "v1"
    assert split.train is not None
    assert split.val is not None
    cleaned = [rows[~np.isin(rows, split.split.test_seen)] for rows in (split.train, split.val)]
    assert lists_digest(*cleaned) == BENCHMARKS[dataset].v2


def test_split_without_lists_is_either_version(tmp_path: Path) -> None:
    folder(tmp_path, "cub")
    whole = scipy.io.loadmat(tmp_path / "att_splits.mat")
    (tmp_path / "att_splits.mat").unlink()
    kept = ("att", "trainval_loc", "test_seen_loc", "test_unseen_loc")
    scipy.io.savemat(tmp_path / "att_splits.mat", {key: whole[key] for key in kept})
    data = load_cub(tmp_path, ImagesOptions())
    found = data.describe()
    assert found["version"] == "v1 or v2"
    assert found["validation"].startswith("50 classes drawn with seed 0")
    assert found["validation_classes"] == {"seen": 100, "unseen": 50}
    assert data.incomparable == NO_FEATURES


def test_class_lists_are_the_benchmarks(tmp_path: Path) -> None:
    data = load(tmp_path, "cub")

    def names(rows: Any) -> set[str]:
        return {data.class_names[c] for c in np.unique(data.label[rows])}

    def listed(name: str) -> set[str]:
        return set((REAL / "CUB" / f"{name}.txt").read_text().split())

    assert names(data.split.train) == names(data.split.test_seen) == listed("trainvalclasses")
    assert names(data.split.test_unseen) == listed("testclasses")
    assert data.validation_split is not None
    assert names(data.validation_split.train) == listed("trainclasses1")
    assert names(data.validation_split.test_unseen) == listed("valclasses1")


def test_names_agree_with_the_files_names(tmp_path: Path) -> None:
    folder(tmp_path, "cub")
    files = (REAL / "CUB" / "cub_image_order.txt").read_text().split()
    cells = np.array([f"/a/b/images/{file}" for file in files], dtype=object)
    features = scipy.io.loadmat(tmp_path / "res101.mat")
    kept = {key: features[key] for key in ("features", "labels")}
    scipy.io.savemat(tmp_path / "res101.mat", {**kept, "image_files": cells[:, None]})
    assert "names" not in load_cub(tmp_path, ImagesOptions()).describe()
    shifted = np.roll(cells, 60)  # at least one class further
    scipy.io.savemat(tmp_path / "res101.mat", {**kept, "image_files": shifted[:, None]})
    assert load_cub(tmp_path, ImagesOptions()).describe()["names"].startswith("200 class names")


def test_sentences_are_of_other_lengths_and_of_no_published_row(tmp_path: Path) -> None:
    data = load(tmp_path, "cub", embedding="sent")
    assert data.describe()["embedding"] == "of length 16.7 to 22.5 on file, divided by it"
    assert np.allclose(np.linalg.norm(data.attributes, axis=1), 1)
    assert data.describe()["version"] == "v1"


def published_width(root: Path, dataset: str, **changes: Any) -> str:
    """What is said of the real split with features as wide as the published ones."""
    given = {"label": labels(dataset).astype(np.int64) - 1, "name": "res101", "embedding": "att"}
    given |= changes
    label = given["label"]
    features = FeatureFile(
        root / f"{given['name']}.mat", np.zeros((len(label), 2048), np.float32), label, None
    )
    embedding = given["embedding"]
    split = read_split(REAL / dataset.upper() / f"{embedding}_splits.mat", len(label))
    values = changes.get("values", split.attributes)
    return incomparable(BENCHMARKS[dataset], features, split, values, embedding)


def test_only_the_benchmarks_own_data_are_comparable(tmp_path: Path) -> None:
    assert published_width(tmp_path, "flo") == ""
    assert published_width(tmp_path, "flo", name="finetuned") == ""
    assert "features 'mine'" in published_width(tmp_path, "flo", name="mine")
    assert published_width(tmp_path, "cub") == ""
    assert "'sent' is 1024-d" in published_width(tmp_path, "cub", embedding="sent")
    swapped = labels("flo").astype(np.int64) - 1
    swapped[[400, 401]] = swapped[[7000, 7001]]
    assert published_width(tmp_path, "flo", label=swapped) != ""
    other = read_split(REAL / "FLO" / "att_splits.mat", 8189).attributes[::-1]
    assert published_width(tmp_path, "flo", values=other) == (
        "class embedding 'att' is not the benchmark's"
    )


def test_other_split_of_the_same_samples_is_recognised(tmp_path: Path) -> None:
    folder(tmp_path, "flo")
    whole = scipy.io.loadmat(tmp_path / "att_splits.mat")
    (tmp_path / "att_splits.mat").unlink()
    train, held = whole["trainval_loc"], whole["test_seen_loc"]
    label = labels("flo")
    twin = np.flatnonzero(label[train.ravel() - 1] == label[held[0, 0] - 1])[0]
    train[twin], held[0] = held[0].copy(), train[twin].copy()
    kept = {key: value for key, value in whole.items() if not key.startswith("__")}
    scipy.io.savemat(tmp_path / "att_splits.mat", kept)
    data = load_flo(tmp_path, ImagesOptions())
    assert data.describe()["version"] == "not known"
    assert data.incomparable == "the split is not the benchmark's"


@pytest.mark.parametrize(
    ("dataset", "samples", "classes"), [("AWA1", 30475, 50), ("APY", 15339, 32)]
)
def test_files_of_further_datasets_are_read(dataset: str, samples: int, classes: int) -> None:
    split = read_split(REAL / dataset / "att_splits.mat", samples)
    assert len(split.attributes) == len(split.class_names) == classes
    assert sum(map(len, split.split.arrays().values())) == samples
    assert (split.train is None) == (dataset == "APY")


def ucf_folder(root: Path) -> Path:
    """The real split beside made-up features and labels, which are not at hand: seen and unseen videos
    are cut into as many classes as there are."""
    path = REAL / "UCF101" / "att_splits.mat"
    unseen = np.zeros(13320, dtype=bool)
    unseen[read_split(path, 13320).split.test_unseen] = True
    label = np.empty(13320, dtype=np.int64)
    label[~unseen] = 1 + np.arange((~unseen).sum()) * 51 // (~unseen).sum()
    label[unseen] = 52 + np.arange(unseen.sum()) * 50 // unseen.sum()
    features = np.random.default_rng(0).random((WIDTH, 13320), dtype=np.float32)
    scipy.io.savemat(root / "i3d.mat", {"features": features, "labels": label[:, None]})
    (root / "split_9").mkdir()
    (root / "split_9" / "att_splits.mat").symlink_to(path)
    return root


def test_actions_take_manual_attributes_or_word_vectors(tmp_path: Path) -> None:
    root = ucf_folder(tmp_path)
    manual = load_ucf101(root, UCF101Options(split=9))
    found = manual.describe()
    assert found["attributes"] == 115
    assert found["classes"] == {"seen": 51, "unseen": 50}
    assert found["samples"] == {"train": 5372, "test_seen": 1342, "test_unseen": 6606}
    assert found["left_out_of_validation"] == {"train_loc": 1070, "val_loc": 272}
    assert found["version"] == "v1"
    assert manual.incomparable == f"features are {WIDTH}-d, published rows use 8192-d"
    words = load_ucf101(root, UCF101Options(split=9, embedding="att"))
    assert words.attributes.shape == (101, 300)
    assert words.family() == manual.family()


def test_embeddings_of_actions_follow_the_numbers_not_the_names() -> None:
    """Cello is nearer to violin than to every drum, by the published numbering; by the names of the
    split file, which stand in another order there, it is not."""
    split = read_split(REAL / "UCF101" / "att_splits.mat", 13320)
    numbered = [line.split()[1] for line in (REAL / "UCF101" / "ucf_labels.txt").open()]
    cosine = split.attributes @ split.attributes.T

    def nearer(names: list[str]) -> bool:
        cello, violin, *drums = (
            names.index(f"Playing{name}") for name in ("Cello", "Violin", "Daf", "Dhol", "Tabla")
        )
        return bool(cosine[cello, violin] > cosine[cello, drums].max())

    assert nearer(numbered)
    assert not nearer([name.replace(" ", "") for name in split.class_names])
