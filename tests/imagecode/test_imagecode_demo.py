"""Demo data of ImageCoDe: the published layout, made-up names, and descriptions that are right."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mlzoo_imagecode.dataset_config import DescriptionOptions, SimpleOptions
from mlzoo_imagecode.imagecode import demo
from mlzoo_imagecode.imagecode.annotations import read_annotations
from mlzoo_imagecode.imagecode.demo import TINY_CLIP, write_demo, write_simple_demo
from mlzoo_imagecode.imagecode.descriptions import read_labelled
from mlzoo_imagecode.imagecode.doctor import examine
from mlzoo_imagecode.imagecode.doctor_simple import examine as examine_simple
from mlzoo_imagecode.imagecode.files import ANNOTATIONS
from mlzoo_imagecode.imagecode.loading import load
from mlzoo_imagecode.imagecode.marker import DEMO
from mlzoo_imagecode.imagecode.set_names import set_names
from mlzoo_imagecode.imagecode.simple import load as load_simple
from mlzoo_imagecode.imagecode.sources import SOURCES, is_video, source_of
from mlzoo_imagecode.imagecode.statistics import tables

SETS = {"train": 12, "val": 6, "test": 5}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A demo with fewer sets."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "SETS", SETS)
        folder = tmp_path_factory.mktemp("demo") / "imagecode"
        folder.mkdir()
        planted = write_demo(folder, 3)
    assert planted["sets"] == SETS
    assert planted["ceilings"]["accuracy"] == 100.0
    return folder


def digest(folder: Path) -> str:
    files = sorted(
        path for path in folder.rglob("*") if path.is_file() and TINY_CLIP not in str(path)
    )
    content = [path.relative_to(folder).as_posix().encode() + path.read_bytes() for path in files]
    return hashlib.sha256(b"".join(content)).hexdigest()


def test_it_loads_under_both_protocols_and_says_that_it_is_a_demo(written: Path) -> None:
    data = load(written, DescriptionOptions())
    assert data.incomparable == DEMO
    assert data.hidden == ("test",)
    assert {name: len(data.part(name).sets) for name in SETS} == SETS
    assert data.ceilings["accuracy"] == 100.0
    on_valid = load(written, DescriptionOptions(protocol="valid"))
    assert on_valid.hidden == ()
    assert on_valid.incomparable == DEMO
    assert len(on_valid.part("test")) == len(data.part("val"))
    part = data.part("val")
    assert part.annotated is not None
    assert part.annotated.all()
    assert part.tag is not None
    assert part.tag.any()
    assert part.annotator is not None
    assert set(part.annotator.tolist()) <= {0, 1}


def test_the_doctor_finds_nothing_wrong(written: Path) -> None:
    found = examine(written, DescriptionOptions())
    assert [finding.text for finding in found if finding.level in ("error",)] == []
    assert ("descriptions", DEMO) in [(finding.subject, finding.text) for finding in found]
    assert [f.text for f in found if f.level == "warning"] == [f"not comparable: {DEMO}"]


def test_images_are_jpgs_in_the_order_of_their_frames(written: Path) -> None:
    part = load(written, DescriptionOptions()).part("train")
    frames = part.frame.reshape(-1, 10)
    assert (np.diff(frames, axis=1) > 0).all()
    assert (frames[~part.video] == np.arange(10)).all()
    assert (frames[part.video] != np.arange(10)).any(axis=1).all()
    with Image.open(written / "image-sets" / part.images.names[0]) as image:
        assert image.format == "JPEG"
        assert image.size == (40, 32)
    crops = part.images.crops(np.arange(20), 32)
    strips = demo.draw_strips(SETS["train"], 3, writers="train")
    wanted = strips.pixels[:2].reshape(20, 32, 32, 3)
    assert np.abs(crops.astype(int) - wanted).mean() < 8


def test_descriptions_are_those_of_the_strips(written: Path) -> None:
    own = read_labelled(written / "train_data.json")
    strips = demo.draw_strips(SETS["train"], 3, writers="train")
    assert [row.text for row in own.rows] == list(strips.texts)
    assert [row.target for row in own.rows] == strips.target.tolist()
    rows = read_annotations(written / ANNOTATIONS)
    valid = read_labelled(written / "valid_data.json")
    assert [row.key for row in rows] == [(row.set, row.target) for row in valid.rows]
    assert len(tables(written, DescriptionOptions())) == 9


def test_test_targets_are_nowhere(written: Path) -> None:
    texts = [
        p.read_text(encoding="utf-8") for p in written.rglob("*.json") if TINY_CLIP not in str(p)
    ]
    hidden = load(written, DescriptionOptions()).part("test")
    for text in hidden.texts:
        assert not any(re.search(rf'"\d": {re.escape(repr(text))}', own) for own in texts)


def test_a_seed_gives_the_same_files_and_another_seed_others(
    written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "SETS", SETS)
    monkeypatch.setattr("mlzoo_imagecode.clip.tiny_clip_folder", lambda *_: None, raising=False)
    for seed in (3, 4):
        (tmp_path / str(seed)).mkdir()
        write_demo(tmp_path / str(seed), seed)
    assert digest(tmp_path / "3") == digest(written)
    assert digest(tmp_path / "4") != digest(written)


def test_a_tiny_clip_lies_beside_the_data(written: Path) -> None:
    from mlzoo_imagecode.clip.folder import open_clip

    encoders, tokenizer = open_clip(str(written / TINY_CLIP), None)
    ids = tokenizer.encode(["the largest digit"])
    assert ids.shape[0] == 1
    assert encoders.image_size == 32


def test_pairs_tell_their_images_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "SETS", SETS)
    root = tmp_path / "imagecode-simple"
    root.mkdir()
    planted = write_simple_demo(root, 3)
    data = load_simple(root, SimpleOptions())
    assert data.incomparable == DEMO
    assert data.splits == ("val", "test")
    assert data.choices == 2
    counts = {name: len(data.part(name)) for name in ("train", "val", "test")}
    assert counts["train"] + counts["val"] == planted["pairs"]["train"]
    assert counts["test"] == planted["pairs"]["val"]
    apart = np.diff(data.part("test").position[data.part("test").candidates], axis=1)
    assert (apart == 2).all()
    found = examine_simple(root, SimpleOptions())
    assert [finding.text for finding in found if finding.level == "error"] == []
    assert not any("described by no file" in finding.text for finding in found)


def test_names_are_unlike_each_other_and_of_every_source() -> None:
    video = np.arange(300) % 4 > 0
    random = np.random.RandomState(0)
    train = set_names(video, random, first=0, training=True)
    test = set_names(video, random, first=300, training=False)
    assert len({*train, *test}) == 600
    assert [is_video(name) for name in train] == video.tolist()
    assert {source_of(name) for name in train} == set(SOURCES)
    assert re.fullmatch(r"open-images-\d+_[0-9a-f]{16}", train[0])
    of_msrvtt = [name for name in test if source_of(name) == "MSR-VTT"]
    pattern = r"MSR-VTT-videoTestVideo_video\d+-shot\d+_\d"
    assert all(re.fullmatch(pattern, name) for name in of_msrvtt)
