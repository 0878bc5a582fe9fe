"""Demo worlds in the benchmark's own format, and the answer planted in them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.io import loadmat
from scipy.stats import norm

from mlzoo.errors import UsageError
from mlzoo_tfvaegan import demo
from mlzoo_tfvaegan.planted import NOISE, best_accuracies, draw_world

WRITERS: dict[str, Callable[[Path, int], Mapping[str, object]]] = {
    "cub": demo.write_cub_demo,
    "awa2": demo.write_awa2_demo,
    "sun": demo.write_sun_demo,
    "flo": demo.write_flo_demo,
    "custom": demo.write_custom_demo,
    "ucf101": demo.write_ucf101_demo,
    "hmdb51": demo.write_hmdb51_demo,
}
IMAGES = ("cub", "awa2", "sun", "flo", "custom")
ACTIONS = ("ucf101", "hmdb51")
Rows = dict[str, npt.NDArray[np.int64]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The demo of a dataset, written once."""
    root = tmp_path_factory.mktemp("demos")

    def write(name: str) -> Path:
        if not (root / name).exists():
            WRITERS[name](root / name, 3)
        return root / name

    return write


def files_of(name: str) -> tuple[str, list[str]]:
    if name in ACTIONS:
        return "i3d.mat", [f"split_{number}/att_splits.mat" for number in (1, 2, 3)]
    return "res101.mat", ["att_splits.mat"]


def rows_of(path: Path) -> Rows:
    return {
        name.removesuffix("_loc"): value.ravel().astype(np.int64) - 1
        for name, value in loadmat(path).items()
        if name.endswith("_loc")
    }


@pytest.mark.parametrize("name", WRITERS)
def test_features_are_columns_non_negative_and_sometimes_zero(
    folder: Callable[[str], Path], name: str
) -> None:
    found = loadmat(folder(name) / files_of(name)[0])
    features, labels = found["features"], found["labels"]
    assert features.dtype == np.float64
    assert features.shape[1] == len(labels) == len(found["image_files"])
    assert features.min() == 0
    assert 0.02 < (features == 0).mean() < 0.15
    assert sorted(np.unique(labels)) == list(range(1, 31))


@pytest.mark.parametrize("name", WRITERS)
def test_splits_are_disjoint_complete_and_follow_the_classes(
    folder: Callable[[str], Path], name: str
) -> None:
    features, splits = files_of(name)
    label = loadmat(folder(name) / features)["labels"].ravel()
    for split in splits:
        rows = rows_of(folder(name) / split)
        parts = [rows[part] for part in ("trainval", "test_seen", "test_unseen")]
        assert sorted(np.concatenate(parts)) == list(range(len(label)))
        trained, seen, unseen = (set(label[part]) for part in parts)
        assert trained == seen
        assert not trained & unseen
        if "train" in rows:
            assert not set(label[rows["train"]]) & set(label[rows["val"]])
            assert set(label[rows["train"]]) | set(label[rows["val"]]) == trained


@pytest.mark.parametrize("name", ["cub", "sun", "ucf101", "hmdb51"])
def test_train_and_val_leak_as_in_version_1(folder: Callable[[str], Path], name: str) -> None:
    rows = rows_of(folder(name) / files_of(name)[1][0])
    both = np.union1d(rows["train"], rows["val"])
    np.testing.assert_array_equal(both, np.union1d(rows["trainval"], rows["test_seen"]))


@pytest.mark.parametrize("name", ["awa2", "custom"])
def test_train_and_val_are_trainval_as_in_version_2(
    folder: Callable[[str], Path], name: str
) -> None:
    rows = rows_of(folder(name) / "att_splits.mat")
    np.testing.assert_array_equal(np.union1d(rows["train"], rows["val"]), rows["trainval"])


def test_datasets_differ_in_what_their_real_files_differ_in(
    folder: Callable[[str], Path],
) -> None:
    types = {n: loadmat(folder(n) / files_of(n)[0])["labels"].dtype.name for n in WRITERS}
    assert types["cub"] == "uint8"
    assert types["sun"] == "uint16"
    assert types["flo"] == types["custom"] == "float64"
    flo = loadmat(folder("flo") / "att_splits.mat")
    assert not {"train_loc", "val_loc", "allclasses_names", "original_att"} & set(flo)
    assert flo["att"].min() < 0
    assert loadmat(folder("awa2") / "att_splits.mat")["original_att"].min() == -1
    att, sent = (loadmat(folder("cub") / f"{kind}_splits.mat") for kind in ("att", "sent"))
    assert att["allclasses_names"].shape == (30, 1)
    np.testing.assert_array_equal(att["trainval_loc"], sent["trainval_loc"])
    assert np.linalg.norm(sent["att"], axis=0).min() > 10
    np.testing.assert_allclose(np.linalg.norm(att["att"], axis=0), 1)


def test_actions_have_three_splits_of_other_classes(folder: Callable[[str], Path]) -> None:
    label = loadmat(folder("ucf101") / "i3d.mat")["labels"].ravel()
    unseen = {
        tuple(np.unique(label[rows_of(folder("ucf101") / split)["test_unseen"]]))
        for split in files_of("ucf101")[1]
    }
    assert len(unseen) == 3


def test_manual_attributes_are_those_of_the_splits(folder: Callable[[str], Path]) -> None:
    manual = np.load(folder("ucf101") / "ucf101_manual_att.npy")
    split = loadmat(folder("ucf101") / "split_2" / "att_splits.mat")
    np.testing.assert_array_equal(manual, split["original_att"].T)
    assert set(np.unique(manual)) == {0, 1}
    # Word vectors are a rotation of them: angles between classes are the same.
    unit = manual / np.linalg.norm(manual, axis=1, keepdims=True)
    np.testing.assert_allclose(split["att"].T @ split["att"], unit @ unit.T, atol=1e-12)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", WRITERS)
def test_worlds_are_small_and_neither_trivial_nor_hopeless(
    tmp_path: Path, name: str, seed: int
) -> None:
    planted = WRITERS[name](tmp_path / name, seed)
    assert sum(path.stat().st_size for path in (tmp_path / name).rglob("*.*")) < 5e6
    ceilings = planted["ceilings"]
    assert isinstance(ceilings, dict)
    for found in ceilings.values():
        assert 85 < found["zsl_top1"] < 95.5
        assert 70 < found["gzsl_h"] < 95


@pytest.mark.parametrize("name", WRITERS)
def test_unseen_classes_follow_from_their_attributes(
    folder: Callable[[str], Path], name: str
) -> None:
    """Class means regressed on the attributes of seen classes find unseen ones, below the ceiling."""
    features, splits = files_of(name)
    found = loadmat(folder(name) / features)
    samples, label = found["features"].T, found["labels"].ravel().astype(int) - 1
    for split in splits:
        att, rows = loadmat(folder(name) / split)["att"].T, rows_of(folder(name) / split)
        regressors = np.c_[np.ones(len(att)), att]
        known = regressors[label[rows["trainval"]]]
        gram = known.T @ known + np.eye(known.shape[1])
        means = regressors @ np.linalg.solve(gram, known.T @ samples[rows["trainval"]])
        unseen = np.unique(label[rows["test_unseen"]])
        distance = np.linalg.norm(samples[rows["test_unseen"], None] - means[unseen], axis=2)
        guess, true = unseen[distance.argmin(axis=1)], label[rows["test_unseen"]]
        share = 100 * np.mean([(guess[true == c] == c).mean() for c in unseen])
        ceiling = demo.planted_ceilings(folder(name), features, split)["zsl_top1"]
        assert 60 < share < ceiling + 3


def test_densities_are_those_of_the_rectified_samples() -> None:
    """Against the textbook: the normal density, and its distribution function at 0."""
    world = draw_world(np.random.default_rng(0))
    mean = world.offset + world.attributes @ world.weight
    for row in (0, 17):
        x = world.features[row]
        plain = norm.logpdf(x, mean, NOISE)
        direct = np.where(x > 0, plain, norm.logcdf(0, mean, NOISE)).sum(axis=1)
        ours = world.log_likelihood(np.array([row]))[0]
        np.testing.assert_allclose(ours - ours[0], direct - direct[0], rtol=1e-9, atol=1e-9)


def test_no_other_class_prior_does_better_on_average() -> None:
    """The best rule's mean accuracy over classes falls when any class is favoured."""
    world = draw_world(np.random.default_rng(1))
    rows = np.arange(len(world.label))
    scores = world.log_likelihood(rows)

    def mean_accuracy(bonus: npt.NDArray[np.float64]) -> float:
        guess = (scores + bonus).argmax(axis=1)
        return float(np.mean([(guess[world.label == c] == c).mean() for c in range(30)]))

    biased = [mean_accuracy(5.0 * np.eye(30)[c]) for c in range(30)]
    assert max(biased) < mean_accuracy(np.zeros(30))


def test_harmonic_mean_is_of_seen_and_unseen() -> None:
    world = draw_world(np.random.default_rng(2))
    seen, unseen = np.flatnonzero(world.label < 20), np.flatnonzero(world.label >= 20)
    found = best_accuracies(world, seen, unseen)
    s, u = found["gzsl_seen"], found["gzsl_unseen"]
    assert found["gzsl_h"] == pytest.approx(2 * s * u / (s + u))
    assert found["zsl_top1"] > u


def test_the_same_seed_writes_the_same_world_and_another_seed_another(tmp_path: Path) -> None:
    for name, seed in {"a": 1, "b": 1, "c": 2}.items():
        demo.write_cub_demo(tmp_path / name, seed)
    a, b, c = (loadmat(tmp_path / name / "res101.mat")["features"] for name in "abc")
    np.testing.assert_array_equal(a, b)
    assert a.shape != c.shape or (a != c).any()


def test_ceilings_are_read_back(tmp_path: Path) -> None:
    planted: Any = demo.write_hmdb51_demo(tmp_path, 0)
    split = "split_2/att_splits.mat"
    assert demo.planted_ceilings(tmp_path, "i3d.mat", split) == planted["ceilings"][split]
    stored = json.loads((tmp_path / "planted.json").read_text())
    assert stored == {**planted, "sha256": stored["sha256"]}
    assert demo.planted_ceilings(tmp_path) == {}  # res101.mat is not of this world


@pytest.mark.parametrize("changed", ["res101.mat", "att_splits.mat"])
def test_changed_files_have_no_ceiling(tmp_path: Path, changed: str) -> None:
    demo.write_cub_demo(tmp_path, 0)
    assert set(demo.planted_ceilings(tmp_path)) == set(demo.METRICS)
    with (tmp_path / changed).open("ab") as file:
        file.write(b"\0")
    assert demo.planted_ceilings(tmp_path) == {}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"sha256": 3}',
        '{"sha256": {}, "ceilings": {"att_splits.mat": 1}}',
        '{"ceilings": [1]}',
    ],
)
def test_a_damaged_record_gives_no_ceiling(tmp_path: Path, text: str) -> None:
    demo.write_cub_demo(tmp_path, 0)
    (tmp_path / "planted.json").write_text(text)
    assert demo.planted_ceilings(tmp_path) == {}


@pytest.mark.parametrize("value", ['"many"', "101", "-1", "null", "1e400"])
def test_a_senseless_ceiling_is_none(tmp_path: Path, value: str) -> None:
    demo.write_cub_demo(tmp_path, 0)
    planted = json.loads((tmp_path / "planted.json").read_text())
    planted["ceilings"]["att_splits.mat"]["gzsl_h"] = "HERE"
    text = json.dumps(planted).replace('"HERE"', value)
    (tmp_path / "planted.json").write_text(text)
    assert demo.planted_ceilings(tmp_path) == {}


def test_an_empty_folder_has_no_ceiling(tmp_path: Path) -> None:
    assert demo.planted_ceilings(tmp_path) == {}


@pytest.mark.parametrize("there", ["res101.mat", "att_splits.mat", "planted.json"])
def test_files_that_are_there_are_never_replaced(tmp_path: Path, there: str) -> None:
    (tmp_path / there).write_text("mine")
    with pytest.raises(UsageError, match=f"{there} exists"):
        demo.write_cub_demo(tmp_path, 0)
    assert [path.name for path in tmp_path.iterdir()] == [there]
    assert (tmp_path / there).read_text() == "mine"
