"""Packed folders of features: what is read is what was packed, and damage is named."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from mlzoo.backbones.part_work import PartWork
from mlzoo.errors import DataError, UsageError
from mlzoo_biam.labels import Labels
from mlzoo_biam.packed.packing import finish, pack_arrays, part_folder, shapes
from mlzoo_biam.packed.store import ArrayFeatures, PackedFeatures, ShardedFeatures

GRID = (2, 3)


def arrays(count: int = 7, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    regions = random.standard_normal((count, 4, 6), dtype=np.float32)
    return regions, random.standard_normal((count, 5), dtype=np.float32)


def packed(folder: Path, count: int = 7, seed: int = 0) -> PackedFeatures:
    regions, scene = arrays(count, seed)
    names = [f"{seed}_{number}.jpg" for number in range(count)]
    return pack_arrays(folder, regions, GRID, scene, names)


@pytest.mark.parametrize("rows", [[0], [3, 4, 5], [6, 0, 0, 2, 3], [], [0, 1, 2, 3, 4, 5, 6]])
def test_rows_are_read_in_the_order_asked_for(tmp_path: Path, rows: list[int]) -> None:
    features = packed(tmp_path / "train")
    regions, scene = arrays()
    index = np.array(rows, dtype=np.int64)
    np.testing.assert_array_equal(features.regions(index), regions[index])
    np.testing.assert_array_equal(features.scene(index), scene[index])
    assert features.regions(index).dtype == np.float32
    assert (features.channels, features.grid, features.scene_width) == (4, GRID, 5)
    assert features.names[2] == "0_2.jpg"
    assert len(features) == 7


def test_rows_that_are_not_there_are_refused(tmp_path: Path) -> None:
    features = packed(tmp_path / "train")
    for bad in (7, -1):
        with pytest.raises(IndexError, match="outside the 7 images"):
            features.regions(np.array([0, bad]))


def test_packed_and_embedded_features_have_the_same_digest(tmp_path: Path) -> None:
    regions, scene = arrays()
    embedded = ArrayFeatures(regions, GRID, scene)
    assert packed(tmp_path / "a").digest() == embedded.digest()
    assert packed(tmp_path / "b", seed=1).digest() != embedded.digest()
    assert ArrayFeatures(regions, (3, 2), scene).digest() != embedded.digest()


def test_shards_are_one_set(tmp_path: Path) -> None:
    parts = [packed(tmp_path / str(seed), count, seed) for seed, count in enumerate((3, 1, 4))]
    whole = ShardedFeatures(parts)
    regions, scene = (
        np.concatenate(pieces)
        for pieces in zip(
            *(arrays(count, seed) for seed, count in enumerate((3, 1, 4))), strict=True
        )
    )
    rows = np.array([7, 0, 3, 2, 4, 4, 6])
    np.testing.assert_array_equal(whole.regions(rows), regions[rows])
    np.testing.assert_array_equal(whole.scene(rows), scene[rows])
    assert len(whole) == 8
    assert whole.offsets.tolist() == [0, 3, 4, 8]
    assert whole.digest() != ShardedFeatures(parts[::-1]).digest()
    with pytest.raises(IndexError, match="outside the 8 images"):
        whole.scene(np.array([8]))


def test_shards_of_different_kinds_are_refused(tmp_path: Path) -> None:
    regions, scene = arrays()
    other = ArrayFeatures(regions, (3, 2), scene)
    with pytest.raises(DataError, match=r"features of shard 1 are .* of .*train"):
        ShardedFeatures([packed(tmp_path / "train"), other])
    with pytest.raises(DataError, match="no shards"):
        ShardedFeatures([])


@pytest.mark.parametrize("name", ["regions.npy", "scene.npy"])
def test_file_cut_short_is_named(tmp_path: Path, name: str) -> None:
    features = packed(tmp_path / "train")
    path = tmp_path / "train" / name
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(DataError, match=f"{name}: expected .* bytes for shape"):
        PackedFeatures(tmp_path / "train")
    with pytest.raises(DataError, match=f"{name} is not a whole .npy file"):
        (features.regions if name == "regions.npy" else features.scene)(np.array([6]))


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="absent does not exist"):
        PackedFeatures(tmp_path / "absent")
    for name in ("regions.npy", "scene.npy", "store.json", "made.json"):
        folder = tmp_path / name[:5]
        packed(folder)
        (folder / name).unlink()
        with pytest.raises(DataError, match=f"{name} (does not exist|is missing)"):
            PackedFeatures(folder)


def test_files_that_do_not_fit_together_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "train"
    packed(folder)
    (folder / "names.txt").write_text("a.jpg\nb.jpg\n")
    with pytest.raises(DataError, match=r"names.txt has 2 names for 7 images"):
        _ = PackedFeatures(folder).names
    record = json.loads((folder / "store.json").read_text())
    (folder / "store.json").write_text(json.dumps({**record, "grid": [5, 5]}))
    with pytest.raises(DataError, match="6 regions are no grid of 5 × 5"):
        PackedFeatures(folder)
    (folder / "store.json").write_text("{}")
    with pytest.raises(DataError, match=r"store.json is damaged"):
        PackedFeatures(folder)
    (folder / "store.json").write_text(json.dumps(record))
    np.save(folder / "scene.npy", np.zeros((6, 5), np.float32))
    with pytest.raises(DataError, match=r"scene.npy: expected shape \(7, 5\), found \(6, 5\)"):
        PackedFeatures(folder)
    np.save(folder / "scene.npy", np.zeros((7, 5)))
    with pytest.raises(DataError, match=r"scene.npy: expected float32"):
        PackedFeatures(folder)


def test_values_that_are_not_finite_are_never_packed(tmp_path: Path) -> None:
    regions, scene = arrays()
    regions[3, 1, 2] = np.nan
    names = [f"{number}.jpg" for number in range(7)]
    with pytest.raises(
        DataError, match=r"the image '3.jpg': its regions holds values that are not"
    ):
        pack_arrays(tmp_path / "train", regions, GRID, scene, names)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(DataError, match="not finite|expected finite"):
        ArrayFeatures(regions, GRID, scene)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["a.jpg", "b.jpg", "a.jpg"], "'a.jpg' occurs twice"),
        (["a.jpg", "", "b.jpg"], "name 2 is empty"),
        (["a.jpg", "b.jpg"], "3 images have regions, 3 a scene, 2 names"),
        (["a.jpg", "b\n.jpg", "c.jpg"], "has a line break"),
    ],
)
def test_names_that_do_not_fit_are_never_packed(
    tmp_path: Path, names: list[str], said: str
) -> None:
    regions, scene = arrays(3)
    with pytest.raises(DataError, match=said):
        pack_arrays(tmp_path / "train", regions, GRID, scene, names)
    assert list(tmp_path.iterdir()) == []


def test_packed_folder_is_never_replaced(tmp_path: Path) -> None:
    packed(tmp_path / "train")
    with pytest.raises(UsageError, match="train exists"):
        packed(tmp_path / "train", seed=1)


def test_labels_and_facts_lie_beside_the_features(tmp_path: Path) -> None:
    regions, scene = arrays(3)
    labels = Labels.from_dense(np.array([[1, -1], [-1, -1], [1, 1]], np.int8), -1)
    found = pack_arrays(
        tmp_path / "a", regions, GRID, scene, ["a", "b", "c"], labels=labels, facts={"from": "here"}
    )
    assert found.facts == {"from": "here"}
    assert (tmp_path / "a" / "labels.npz").is_file()
    with pytest.raises(DataError, match="3 labels for 2 images"):
        pack_arrays(tmp_path / "b", regions[:2], GRID, scene[:2], ["a", "b"], labels=labels)


def test_images_that_are_left_out_have_no_row(tmp_path: Path) -> None:
    regions, scene = arrays(2)
    folder = tmp_path / "train"
    with PartWork.opened(part_folder(folder), {"made of": "test"}, shapes(4, 6, 5)) as work:
        work.append({"regions": regions, "scene": scene}, ["", "unreadable", ""])
        with pytest.raises(DataError, match="3 names for 2 images"):
            finish(work, folder, ["a", "b", "c"], GRID)
        found = finish(work, folder, ["a", "c"], GRID)
    assert found.names == ["a", "c"]
    assert found.identity == {"made of": "test"}
    np.testing.assert_array_equal(found.regions(np.array([1, 0])), regions[::-1])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["train"]


def test_memory_of_a_read_does_not_depend_on_the_number_of_images(tmp_path: Path) -> None:
    peaks = []
    for count in (50, 5000):
        features = packed(tmp_path / str(count), count)
        tracemalloc.start()
        for start in range(0, count, 10):
            features.regions(np.arange(start, start + 10))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0]
