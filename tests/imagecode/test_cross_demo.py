"""ViLBERT and UNITER on the demo of ImageCoDe: regions from the published layout to scores."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

import mlzoo
from mlzoo.errors import DataError
from mlzoo.progress import Progress
from mlzoo.run_directory import RunRecord
from mlzoo_imagecode.contextual import ContextualData
from mlzoo_imagecode.cross.regions.prepare_config import RegionOptions
from mlzoo_imagecode.cross.regions.preparing import prepare
from mlzoo_imagecode.dataset_config import DescriptionOptions, SimpleOptions
from mlzoo_imagecode.figures import strips
from mlzoo_imagecode.imagecode import demo
from mlzoo_imagecode.imagecode.loading import load
from mlzoo_imagecode.imagecode.marker import DEMO
from mlzoo_imagecode.imagecode.simple import load as load_simple
from mlzoo_imagecode.images.absent import AbsentImages

SETS = {"train": 12, "val": 6, "test": 5}
QUIET = Progress(quiet=True)
SIZES = {
    "preset": "demo", "width": 16, "heads": 2, "feed_forward": 16, "layers": 1, "pooled": 16,
    "head_layers": 1, "epochs": 1,
}  # fmt: skip


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a demo of few sets, its regions prepared."""
    pytest.importorskip("lmdb")
    folder = tmp_path_factory.mktemp("data") / "imagecode"
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "SETS", SETS)
        planted = demo.write_demo(folder, 0)
        (folder.parent / "imagecode-simple").mkdir()
        demo.write_simple_demo(folder.parent / "imagecode-simple", 0)
    (told,) = [value for name, value in planted.items() if "--regions" in name]
    facts = prepare(folder, RegionOptions(regions=Path(told), max_regions=5), QUIET)
    assert facts["images"] == 10 * sum(SETS.values())
    assert facts["sets of valid_data.json with regions"] == "6 of 6"
    return folder.parent


def features_of(data: ContextualData, split: str) -> np.ndarray:
    part = data.part(split)
    assert part.regions is not None
    return part.regions.read(np.arange(len(part.images))).features


def test_regions_are_those_of_their_images(root: Path) -> None:
    data = load(root / "imagecode", DescriptionOptions())
    drawn = demo.draw_strips(SETS["train"], 0, writers="train")
    whole = features_of(data, "train")[:, 0].reshape(-1, 3, 3, 3).mean(axis=(1, 2))  # [N, 3]
    pixels = drawn.pixels.reshape(-1, 32, 32, 3).mean(axis=(1, 2)) / 127.5 - 1
    np.testing.assert_allclose(whole, pixels, atol=0.06)


def test_runs_without_regions_do_not_open_the_store_nor_get_another_fingerprint(
    root: Path, tmp_path: Path
) -> None:
    data = load(root / "imagecode", DescriptionOptions())
    copy = tmp_path / "imagecode"
    shutil.copytree(root / "imagecode", copy)
    (copy / "regions" / "made.json").write_text("{")
    assert load(copy, DescriptionOptions()).fingerprint() == data.fingerprint()
    with pytest.raises(DataError, match="damaged"):
        features_of(load(copy, DescriptionOptions()), "val")
    shutil.rmtree(copy / "regions")
    bare = load(copy, DescriptionOptions())
    assert bare.part("val").regions is None
    assert bare.fingerprint() == data.fingerprint()


@pytest.mark.parametrize("model", ["uniter", "vilbert"])
def test_a_run_on_the_demo_is_scored_and_not_compared(
    model: str, root: Path, tmp_path: Path
) -> None:
    options = {**SIZES, "out": tmp_path, "figures": False, "progress": QUIET, "device": "cpu"}
    result = mlzoo.run(model, dataset="imagecode", data_dir=root, **options)
    assert result.results["data"]["incomparable"] == DEMO
    assert np.isfinite(result.metrics["val"]["accuracy"])
    assert mlzoo.evaluate(result.directory)["val"] == pytest.approx(
        result.metrics["val"], nan_ok=True
    )


def test_regions_are_enough(root: Path, tmp_path: Path) -> None:
    data = load(root / "imagecode", DescriptionOptions())
    folder = tmp_path / "imagecode"
    shutil.copytree(
        root / "imagecode", folder, ignore=shutil.ignore_patterns("image-sets", "*.lmdb")
    )
    alone = load(folder, DescriptionOptions())
    for split in ("train", "val", "test"):
        one, two = data.part(split), alone.part(split)
        np.testing.assert_array_equal(one.frame, two.frame)
        assert list(one.images.names) == list(two.images.names)
        np.testing.assert_array_equal(features_of(data, split), features_of(alone, split))
    images = alone.part("val").images
    assert isinstance(images, AbsentImages)
    with pytest.raises(DataError, match="only its regions") as error:
        images.crops(np.arange(1), 32)
    assert "download" in error.value.fix
    options = {**SIZES, "out": tmp_path / "runs", "figures": False, "progress": QUIET}
    result = mlzoo.run("uniter", dataset="imagecode", data_dir=tmp_path, **options)
    assert strips([RunRecord(result.directory)]) is None


def test_pairs_have_the_regions_of_imagecode(root: Path) -> None:
    data = load_simple(root / "imagecode-simple", SimpleOptions())
    part = data.part("test")
    assert part.regions is not None
    assert features_of(data, "test").shape == (len(part.images), 5, 27)
    np.testing.assert_array_equal(part.regions.read(np.arange(1)).counts, [5])


def test_a_set_without_regions_is_named(root: Path, tmp_path: Path) -> None:
    folder = tmp_path / "imagecode"
    shutil.copytree(root / "imagecode", folder)
    sets = folder / "image-sets"
    name = load(folder, DescriptionOptions()).part("val").sets[0]
    (first, *_) = sorted((sets / name).iterdir())
    first.rename(first.with_name("img977.jpg"))
    with pytest.raises(DataError, match="no regions of 1 of 60 images"):
        features_of(load(folder, DescriptionOptions()), "val")


def test_without_lmdb_the_demo_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise DataError("region features need lmdb", "pip install it")

    monkeypatch.setattr(demo, "SETS", {"train": 2, "val": 1, "test": 1})
    monkeypatch.setattr(demo, "library", missing)
    planted = demo.write_demo(tmp_path, 0)
    assert "not written" in str(planted)
    assert not (tmp_path / demo.REGIONS).exists()
