"""NUS-WIDE from h5 files to loaded data: the demo world, preparing and its stops, bad input, the doctor."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from mlzoo import Finding
from mlzoo.errors import DataError, RunError, UsageError
from mlzoo.progress import Progress
from mlzoo_biam.dataset_config import NusWideOptions
from mlzoo_biam.nus_wide import demo as nus_demo
from mlzoo_biam.nus_wide.doctor import examine
from mlzoo_biam.nus_wide.files import VECTORS
from mlzoo_biam.nus_wide.loading import load
from mlzoo_biam.nus_wide.prepare import prepare
from mlzoo_biam.nus_wide.prepare_config import PrepareNusWideOptions
from mlzoo_biam.packed.projection import Projection
from mlzoo_biam.planted import log_likelihood

QUIET = Progress(quiet=True)
TAGS, CONCEPTS = ("nature", "sky", "car", "elk"), ("cars", "elk", "sky")
SEEN = [0, 2]
TRIAL = PrepareNusWideOptions(scene="projection", batch_size=4)


def names_of(part: str) -> list[str]:
    count = {"train": 11, "test": 5}[part]
    return [f"{part}_folder_{number:04d}_{number}.jpg" for number in range(count)]


def labels_of(part: str) -> np.ndarray:
    """int8 [N, 5] of -1 and +1."""
    bits = np.random.default_rng(len(part)).integers(0, 2, (len(names_of(part)), 5))
    return (2 * bits - 1).astype(np.int8)


def regions_of(part: str) -> np.ndarray:
    random = np.random.default_rng(len(part))
    return random.random((len(names_of(part)), 3, 4), dtype=np.float32)


def write_raw(root: Path) -> Path:
    """A tiny copy of what BiAM's program reads: 3 channels, 2 × 2 regions, 2 + 3 tags."""
    root.mkdir()
    for name, words in (("TagList1k.txt", TAGS), ("Concepts81.txt", CONCEPTS)):
        (root / name).write_bytes("".join(f"{word}\r\n" for word in words).encode())
    of_tags = np.random.default_rng(0).standard_normal((4, 6)).astype(np.float32)
    of_concepts = np.concatenate([-of_tags[:1], of_tags[[3, 1]]])
    (root / VECTORS).write_bytes(pickle.dumps([of_tags, of_concepts], protocol=3))
    for part, prefix in (("train", ""), ("test", "test_")):
        names, labels = names_of(part), labels_of(part)
        (root / f"{prefix}img_names.pkl").write_bytes(pickle.dumps({"img_names": names}))
        with h5py.File(root / f"nus_wide_{part}.h5", "w") as file:
            for name, image, own in zip(names, regions_of(part), labels, strict=True):
                file[f"{name}-features"] = image
                file[f"{name}-labels"] = own[:2] if part == "train" else own
                file[f"{name}-labels_81"] = own[2:]
    return root


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return write_raw(tmp_path / "nus-wide")


def test_h5_files_are_packed_in_the_order_of_the_published_list(raw: Path) -> None:
    for part, prefix in (("train", ""), ("test", "test_")):
        content = pickle.dumps({"img_names": names_of(part)[::-1]})
        (raw / f"{prefix}img_names.pkl").write_bytes(content)
    facts = prepare(raw, TRIAL, QUIET)
    assert facts["train"]["images"] == 11
    assert facts["tags"] == {"seen": 2, "unseen": 3}
    data = load(raw, NusWideOptions(validation="none"))
    assert data.tags == ("nature", "car", "cars", "elk", "sky")
    for part in ("train", "test"):
        images = data.part(part)
        assert images.own_names == names_of(part)[::-1]
        regions, scene = images.read(slice(None))
        np.testing.assert_array_equal(regions, regions_of(part)[::-1])
        np.testing.assert_array_equal(scene, Projection(3)(regions))
        np.testing.assert_array_equal(images.own_labels.dense(), labels_of(part)[::-1])
    assert data.incomparable.startswith("2 seen and 3 unseen tags, not the published lists")


def test_without_a_list_the_images_of_the_file_are_taken(raw: Path) -> None:
    for name in ("img_names.pkl", "test_img_names.pkl"):
        (raw / name).unlink()
    assert prepare(raw, TRIAL, QUIET)["train"]["names"] == "h5"
    assert load(raw, NusWideOptions(validation="none")).train.own_names == names_of("train")


def test_validation_images_are_not_trained_on_and_labels_cover_all_tags(raw: Path) -> None:
    prepare(raw, TRIAL, QUIET)
    data = load(raw, NusWideOptions(validation="alphabetical", validation_share=0.3))
    assert data.splits == ("val", "test")
    assert data.val is not None
    assert data.val.own_names == names_of("train")[7:]
    assert data.train.own_names == names_of("train")[:7]
    np.testing.assert_array_equal(data.val.own_labels.dense(), labels_of("train")[7:])
    drawn = load(raw, NusWideOptions(validation_share=0.3))
    assert drawn.fingerprint() != data.fingerprint()
    assert drawn.fingerprint() == load(raw, NusWideOptions(validation_share=0.3)).fingerprint()


def test_files_may_lie_elsewhere_and_in_folders(raw: Path, tmp_path: Path) -> None:
    away = tmp_path / "away"
    shutil.move(raw, away)
    (away / "features").mkdir()
    for path in away.glob("*.h5"):
        path.rename(away / "features" / path.name)
    raw.mkdir()
    with pytest.raises(UsageError, match="nothing to prepare from"):
        prepare(raw, TRIAL, QUIET)
    given = TRIAL.model_copy(update={"h5": away / "features", "archive": away})
    prepare(raw, given, QUIET)
    load(raw, NusWideOptions())
    assert sorted(path.name for path in raw.iterdir()) == sorted(
        ["Concepts81.txt", "TagList1k.txt", VECTORS, "test", "train"]
    )


def change(raw: Path, part: str, key: str, value: Any) -> None:
    with h5py.File(raw / f"nus_wide_{part}.h5", "a") as file:
        del file[key]
        if value is not None:
            file[key] = value


NAN = np.full((3, 4), np.nan, np.float32)
TRAIN_3 = "train_folder_0003_3.jpg"


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        (
            f"{TRAIN_3}-features",
            None,
            "1 of 11 images have no features, such as 'train_folder_0003",
        ),
        (f"{TRAIN_3}-labels", None, "1 of 11 images have no labels, such as 'train_folder_0003"),
        (f"{TRAIN_3}-labels_81", None, "1 of 11 images have no labels_81, such as"),
        (
            f"{TRAIN_3}-features",
            NAN,
            f"the image '{TRAIN_3}': its features holds values that are not",
        ),
        (f"{TRAIN_3}-features", np.ones((3, 5), np.float32), r"are \(3, 5\)"),
        (f"{TRAIN_3}-features", np.ones((3, 4), np.int8), r"int8 \(3, 4\), expected floats"),
        (f"{TRAIN_3}-labels", np.ones(3, np.int8), r"int8 \(3,\), expected 2 or 5 integers"),
        (f"{TRAIN_3}-labels", np.ones(2, np.float32), r"float32 \(2,\), expected 2 or 5 integers"),
        (f"{TRAIN_3}-labels", np.full(2, 255, np.uint8), "are others than -1, 0 and 1"),
        (
            f"{TRAIN_3}-labels",
            np.full(2, 3, np.int8),
            f"labels of '{TRAIN_3}' are others than -1, 0 and 1",
        ),
    ],
)
def test_rows_that_are_missing_or_damaged_are_named(raw: Path, key, value, said: str) -> None:
    change(raw, "train", key, value)
    with pytest.raises(DataError, match=said):
        prepare(raw, TRIAL, QUIET)
    assert not (raw / "train").exists()


def test_labels_of_zero_and_one_are_refused_before_any_feature_is_packed(raw: Path) -> None:
    for name, own in zip(names_of("train"), labels_of("train"), strict=True):
        change(raw, "train", f"{name}-labels", (own[:2] + 1) // 2)
    with pytest.raises(
        DataError, match=r"'labels': no label is -1 \(absent\), found only 0, 1"
    ) as e:
        prepare(raw, TRIAL, QUIET)
    assert "2 * labels - 1" in e.value.fix
    assert sorted(path.name for path in raw.glob("train*")) == []


def test_test_labels_that_contradict_each_other_are_refused(raw: Path) -> None:
    name, own = names_of("test")[1], labels_of("test")[1]
    change(raw, "test", f"{name}-labels", np.roll(own, 1) * np.array([1, 1, -1, 1, 1], np.int8))
    with pytest.raises(DataError, match="does not end with the labels of"):
        prepare(raw, TRIAL.model_copy(update={"part": "test"}), QUIET)


def test_names_that_occur_twice_are_refused(raw: Path) -> None:
    names = [*names_of("train")[:-1], TRAIN_3]
    (raw / "img_names.pkl").write_bytes(pickle.dumps({"img_names": names}))
    with pytest.raises(DataError, match=f"the image '{TRAIN_3}' occurs twice"):
        prepare(raw, TRIAL, QUIET)


def test_h5_file_cut_short_is_named(raw: Path) -> None:
    path = raw / "nus_wide_train.h5"
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(DataError, match=r"nus_wide_train.h5 is not a whole HDF5 file"):
        prepare(raw, TRIAL, QUIET)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "the global feature needs --weights"),
        ({"scene": "projection", "weights": "w.pth"}, "needs no --weights"),
        ({"scene": "projection", "images": "."}, "--scene projection does not go with --images"),
        ({"h5": ".", "images": "."}, "--h5 does not go with --images"),
    ],
)
def test_options_that_do_not_go_together_are_refused(raw: Path, given, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        prepare(raw, PrepareNusWideOptions(**given), QUIET)


class Stopping(Progress):
    def begin(self, title: str, total: int, done: int) -> None:
        self.begun = title

    def counted(self, done: int, total: int) -> None:
        if total == 11 and done == 8 and self.begun == "images":
            raise KeyboardInterrupt


def test_stopped_work_goes_on_and_gives_the_same_folder(raw: Path, tmp_path: Path, capsys) -> None:
    straight = write_raw(tmp_path / "straight")
    prepare(straight, TRIAL, QUIET)
    with pytest.raises(KeyboardInterrupt):
        prepare(raw, TRIAL, Stopping())
    assert "the same command goes on" in capsys.readouterr().err
    assert json.loads((raw / "train.part" / "progress.json").read_text())["done"] == 8
    prepare(raw, TRIAL, QUIET)
    for path in sorted(straight.glob("t*/*")):
        assert (
            raw / path.relative_to(straight)
        ).read_bytes() == path.read_bytes() or path.suffix == ".npz"
    assert (
        load(raw, NusWideOptions()).fingerprint() == load(straight, NusWideOptions()).fingerprint()
    )
    assert not (raw / "train.part").exists()
    with pytest.raises(UsageError, match="train exists"):
        prepare(raw, TRIAL, QUIET)


def test_part_that_is_there_stays_and_the_other_is_made(raw: Path) -> None:
    prepare(raw, TRIAL.model_copy(update={"part": "test"}), QUIET)
    before = (raw / "test" / "made.json").stat().st_mtime_ns
    facts = prepare(raw, TRIAL, QUIET)
    assert "test" not in facts
    assert (raw / "test" / "made.json").stat().st_mtime_ns == before
    load(raw, NusWideOptions())


def test_stopped_work_on_other_images_is_refused(raw: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        prepare(raw, TRIAL, Stopping())
    (raw / "img_names.pkl").write_bytes(pickle.dumps({"img_names": names_of("train")[1:]}))
    with pytest.raises(RunError, match=r"train.part holds unfinished work with other images"):
        prepare(raw, TRIAL, QUIET)


KILLED = """
import sys
from pathlib import Path
from mlzoo.progress import Progress
from mlzoo_biam.nus_wide.prepare import prepare
from mlzoo_biam.nus_wide.prepare_config import PrepareNusWideOptions
class Told(Progress):
    def begin(self, title, total, done):
        self.begun = title
    def counted(self, done, total):
        if self.begun == "images":
            print(done, flush=True)
            if done >= 4:
                sys.stdin.read()
prepare(Path(sys.argv[1]), PrepareNusWideOptions(scene="projection", batch_size=4), Told(quiet=True))
"""


@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
def test_killed_work_goes_on(raw: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(raw)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"4\n"
        process.send_signal(signal.SIGKILL)
    assert not (raw / "train").exists()
    prepare(raw, TRIAL, QUIET)
    data = load(raw, NusWideOptions(validation="none"))
    np.testing.assert_array_equal(data.train.read(slice(None))[0], regions_of("train"))


def test_disk_that_is_too_small_is_refused_first(raw: Path, monkeypatch) -> None:
    usage = type(shutil.disk_usage("."))(10**6, 10**6, 1000)
    monkeypatch.setattr("mlzoo_biam.nus_wide.prepare.shutil.disk_usage", lambda _: usage)
    with pytest.raises(RunError, match="GB free, the packed images need"):
        prepare(raw, TRIAL, QUIET)


# What is loaded.


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("TagList1k.txt", "TagList1k.txt does not exist"),
        (VECTORS, f"{VECTORS} does not exist"),
        ("test", "test does not exist"),
        ("train/labels.npz", "labels.npz does not exist"),
        ("train/scene.npy", "scene.npy does not exist"),
        ("train/names.txt", "names.txt does not exist"),
    ],
)
def test_missing_files_are_named(raw: Path, damage: str, said: str) -> None:
    prepare(raw, TRIAL, QUIET)
    path = raw / damage
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(DataError, match=said):
        load(raw, NusWideOptions())


def test_image_in_both_parts_is_refused(raw: Path) -> None:
    prepare(raw, TRIAL, QUIET)
    names = [*names_of("test")[:-1], TRAIN_3]
    (raw / "test" / "names.txt").write_text("\n".join(names) + "\n")
    with pytest.raises(DataError, match=f"1 images are in train and in test, such as '{TRAIN_3}'"):
        load(raw, NusWideOptions())


def test_labels_of_other_images_are_refused(raw: Path) -> None:
    prepare(raw, TRIAL, QUIET)
    shutil.copy(raw / "test" / "labels.npz", raw / "train" / "labels.npz")
    said = r"train.labels.npz has labels of 5 images for 5 tags, expected 11 images and 5 tags"
    with pytest.raises(DataError, match=said):
        load(raw, NusWideOptions())


# The demo world.


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root: Path = tmp_path_factory.mktemp("demo") / "nus-wide"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nus_demo, "IMAGES", {"train": 60, "test": 40})
        nus_demo.write_demo(root, 3)
    return root


def test_demo_world_is_in_the_published_files(demo: Path) -> None:
    assert (demo / "TagList1k.txt").read_bytes().count(b"\r\n") == 49
    assert b"cnumpy.core.multiarray\n" in (demo / VECTORS).read_bytes()
    names = pickle.loads((demo / "test_img_names.pkl").read_bytes())["img_names"]
    with h5py.File(demo / "features" / "nus_wide_test.h5") as file:
        keys = list(file)
        assert len(keys) == 3 * len(names) == 120
        dataset = file[f"{names[0]}-features"]
        assert (dataset.shape, dataset.dtype, dataset.compression) == ((512, 196), "<f4", "gzip")
        assert file[f"{names[0]}-labels"].shape == (52,)
        assert file[f"{names[0]}-labels_81"].shape == (12,)
        assert file[f"{names[0]}-labels"].dtype == "int8"
    with h5py.File(demo / "features" / "nus_wide_train.h5") as file:
        assert file[
            f"{pickle.loads((demo / 'img_names.pkl').read_bytes())['img_names'][0]}-labels"
        ].shape == (40,)


def test_demo_world_loads_with_its_ceilings(demo: Path) -> None:
    data = load(demo, NusWideOptions())
    assert len(data.train) == 48
    assert data.seen_count == 40
    assert len(data.tags) == 52
    assert 60 < data.ceilings["zsl_map"] < 100
    assert data.ceilings == json.loads((demo / "planted.json").read_text())["ceilings"]
    assert data.references()["zsl_map"]["ceiling"] == data.ceilings["zsl_map"]
    assert "not the published lists" in data.incomparable


def test_preparing_the_demo_world_gives_the_folders_that_were_written(demo, tmp_path) -> None:
    for path in demo.iterdir():
        if path.name not in ("train", "test"):
            (tmp_path / path.name).symlink_to(path)
    prepare(tmp_path, PrepareNusWideOptions(scene="projection"), QUIET)
    written, made = (load(root, NusWideOptions()) for root in (demo, tmp_path))
    assert made.fingerprint() == written.fingerprint()
    assert made.ceilings == written.ceilings


def test_demo_world_depends_on_the_seed_and_replaces_nothing(demo: Path, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nus_demo, "IMAGES", {"train": 30, "test": 24})
        planted = [nus_demo.write_demo(tmp_path / str(n), seed) for n, seed in enumerate((5, 5, 6))]
        prints = [load(tmp_path / str(n), NusWideOptions()).fingerprint() for n in range(3)]
        assert prints[0] == prints[1] != prints[2]
        assert planted[0] == planted[1]
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine" / "img_names.pkl").write_text("precious")
        with pytest.raises(UsageError, match=r"img_names.pkl exists"):
            nus_demo.write_demo(tmp_path / "mine", 0)
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["img_names.pkl"]


def test_planted_likelihood_is_that_of_the_definition() -> None:
    from scipy.stats import norm

    from mlzoo_biam.planted import NOISE, draw_world

    world = draw_world(np.random.default_rng(0), np.full(4, 0.2))
    x = np.maximum(0, np.random.default_rng(1).standard_normal((3, 512)))
    density = np.where(
        x[:, None] > 0,
        norm.logpdf(x[:, None], world.means, NOISE),
        norm.logcdf(0, world.means, NOISE),
    ).sum(axis=2)  # [R, C + 1]
    found = log_likelihood(world, x)
    np.testing.assert_allclose(found - found[:, :1], density - density[:, :1], atol=1e-6)


# The doctor.


def told(findings: list[Finding], level: str) -> str:
    return "\n".join(f"{each.subject}: {each.text}" for each in findings if each.level == level)


def test_doctor_tells_what_a_copy_is(raw: Path) -> None:
    findings = list(examine(raw, NusWideOptions()))
    assert told(findings, "error") == ""
    assert "train: is not packed yet" in told(findings, "note")
    assert "nus_wide_train.h5: labels are -1 and +1" in told(findings, "ok")
    assert "2 words of both lists have one vector" in told(findings, "ok")
    prepare(raw, TRIAL, QUIET)
    findings = list(examine(raw, NusWideOptions()))
    assert told(findings, "error") == ""
    assert "train: 11 images, 3 × 2·2 and 4096" in told(findings, "ok")
    assert "published rows: not comparable: 2 seen and 3 unseen tags" in told(findings, "warning")


def test_doctor_finds_labels_of_zero_and_one_and_says_what_to_do(raw: Path) -> None:
    for name, own in zip(names_of("test"), labels_of("test"), strict=True):
        change(raw, "test", f"{name}-labels", (own + 1) // 2)
        change(raw, "test", f"{name}-labels_81", (own[2:] + 1) // 2)
    findings = list(examine(raw, NusWideOptions()))
    assert "no label is -1 (absent), found only 0, 1" in told(findings, "error")
    assert any("2 * labels - 1" in each.fix for each in findings)


def test_doctor_goes_on_after_what_it_cannot_read(raw: Path) -> None:
    change(raw, "train", f"{TRAIN_3}-features", None)
    of_tags, of_concepts = pickle.loads((raw / VECTORS).read_bytes())
    (raw / VECTORS).write_bytes(pickle.dumps([of_tags[::-1].copy(), of_concepts]))
    findings = list(examine(raw, NusWideOptions()))
    errors = told(findings, "error")
    assert "1 of 11 images have no features" in errors
    assert "has one vector as a tag and another as a concept" in errors
    assert "nus_wide_test.h5: 5 images" in told(findings, "ok")


def test_doctor_of_an_empty_folder_says_what_is_missing(tmp_path: Path) -> None:
    errors = told(list(examine(tmp_path, NusWideOptions())), "error")
    assert "TagList1k.txt: is missing" in errors
