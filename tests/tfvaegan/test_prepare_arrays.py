"""The two files of a zero-shot dataset, built from arrays that people have."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import loadmat

from mlzoo.errors import DataError, MlzooError, UsageError
from mlzoo.progress import Progress
from mlzoo_tfvaegan.demo import write_cub_demo
from mlzoo_tfvaegan.mat_writing import write_splits
from mlzoo_tfvaegan.prepare_arrays import Samples, prepare_arrays
from mlzoo_tfvaegan.prepare_config import PrepareOptions

REAL = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "zero-shot" / "CUB"
NAMES = ["cat", "great tit", "emu", "fox"]
LABEL = np.array([0, 0, 0, 1, 1, 1, 2, 2, 3, 3, 3, 3])
FEATURES = np.arange(60, dtype=np.float32).reshape(12, 5) / 7
ATTRIBUTES = np.array([[1, 0, 2], [0, 3, 1], [4, 4, 0], [0, 0, 5]], dtype=np.float64)
ROWS = {"trainval": [0, 1, 3, 4], "test_seen": [2, 5], "test_unseen": [6, 7, 8, 9, 10, 11]}


@dataclass(frozen=True)
class Case:
    """Files in a folder, and the options that name them."""

    folder: Path
    options: dict[str, Any] = field(default_factory=dict)

    def file(self, name: str, content: object) -> Path:
        """Write an array, several by name, or text."""
        path = self.folder / name
        if path.suffix == ".npy":
            np.save(path, np.asarray(content))
        elif isinstance(content, dict):
            np.savez(path, **content)
        elif isinstance(content, list):
            path.write_text("".join(f"{line}\n" for line in content), encoding="utf-8")
        else:
            path.write_text(str(content), encoding="utf-8")
        return path

    def given(self, **options: Any) -> Case:
        """With these options in place of, or beside, the others."""
        return replace(self, options={**self.options, **options})

    @property
    def root(self) -> Path:
        return self.folder / "made"

    def prepare(self, **options: Any) -> dict[str, Any]:
        values = PrepareOptions(**(self.options | options))
        return dict(prepare_arrays(self.root, values, Progress(self.log)))

    def refuse(self, *expected: str, kind: type[MlzooError] = DataError, **options: Any) -> None:
        """One error that says all this, and nothing is written."""
        before = sorted(self.root.iterdir()) if self.root.exists() else []
        with pytest.raises(kind) as caught:
            self.prepare(**options)
        for text in expected:
            assert text in str(caught.value)
        assert len(str(caught.value).splitlines()) <= 2
        assert (sorted(self.root.iterdir()) if self.root.exists() else []) == before

    def made(self) -> tuple[dict[str, Any], dict[str, Any]]:
        return loadmat(self.root / "res101.mat"), loadmat(self.root / "att_splits.mat")

    log: io.StringIO = field(default_factory=io.StringIO)


def locations(split: dict[str, Any]) -> dict[str, list[int]]:
    return {
        name.removesuffix("_loc"): (value.ravel().astype(int) - 1).tolist()
        for name, value in split.items()
        if name.endswith("_loc")
    }


@pytest.fixture
def case(tmp_path: Path) -> Case:
    """A complete and unambiguous one."""
    plain = Case(tmp_path)
    return plain.given(
        features=plain.file("features.npy", FEATURES),
        labels=plain.file("labels.npy", LABEL),
        attributes=plain.file("attributes.npy", ATTRIBUTES),
        class_names=plain.file("classes.txt", NAMES),
        splits=plain.file("split.npz", ROWS),
    )


def assert_made(case: Case) -> None:
    features, split = case.made()
    np.testing.assert_array_equal(features["features"], FEATURES.T)
    np.testing.assert_array_equal(features["labels"].ravel(), LABEL + 1)
    np.testing.assert_array_equal(split["att"], ATTRIBUTES.T)
    assert [cell.item().item() for cell in split["allclasses_names"]] == NAMES
    assert {name: sorted(rows) for name, rows in locations(split).items()} == ROWS


def test_arrays_become_the_two_files(case: Case) -> None:
    facts = case.prepare()
    assert_made(case)
    assert facts["classes"] == 4
    assert facts["samples"] == {"trainval": 4, "test_seen": 2, "test_unseen": 6}
    assert sorted(path.name for path in case.root.iterdir()) == ["att_splits.mat", "res101.mat"]
    assert "labels: ids from 0" in case.log.getvalue()


FORMS: dict[str, Callable[[Case], dict[str, Any]]] = {
    "features npz": lambda c: {"features": c.file("f.npz", {"features": FEATURES, "x": [1]})},
    "features transposed": lambda c: {"features": c.file("t.npy", FEATURES.T)},
    "features csv": lambda c: {
        "features": c.file("f.csv", [",".join(map(repr, map(float, row))) for row in FEATURES])
    },
    "features tsv with header": lambda c: {
        "features": c.file(
            "f.tsv", ["a\tb\tc\td\te", *("\t".join(str(float(v)) for v in row) for row in FEATURES)]
        )
    },
    "labels npz": lambda c: {"labels": c.file("l.npz", {"labels": LABEL, "features": FEATURES})},
    "labels npz by its only column": lambda c: {
        "labels": c.file("l.npz", {"y": LABEL, "features": FEATURES})
    },
    "labels from 1": lambda c: {"labels": c.file("l.npy", LABEL + 1)},
    "labels from 1 in double, a column": lambda c: {
        "labels": c.file("l.npy", (LABEL + 1.0)[:, None])
    },
    "labels by name": lambda c: {"labels": c.file("l.txt", [NAMES[i] for i in LABEL])},
    "labels by name in numpy": lambda c: {"labels": c.file("l.npy", [NAMES[i] for i in LABEL])},
    "labels in a column": lambda c: {
        "labels": c.file("l.csv", ["file,labels", *(f"{i}.jpg,{NAMES[i]}" for i in LABEL)])
    },
    "labels as text numbers": lambda c: {"labels": c.file("l.txt", (LABEL + 1).tolist())},
    "attributes transposed": lambda c: {"attributes": c.file("a.npy", ATTRIBUTES.T)},
    "attributes npz": lambda c: {"attributes": c.file("a.npz", {"attributes": ATTRIBUTES})},
    "attributes by name, in another order": lambda c: {
        "attributes": c.file(
            "a.csv",
            ["class,x,y,z"]
            + [f"{NAMES[i]},{','.join(map(str, ATTRIBUTES[i]))}" for i in (2, 0, 3, 1)],
        )
    },
    "attributes by name, which are the names": lambda c: {
        "class_names": None,
        "attributes": c.file(
            "a.csv",
            [f"{n},{','.join(map(str, r))}" for n, r in zip(NAMES, ATTRIBUTES, strict=True)],
        ),
    },
    "numbered class names": lambda c: {
        "class_names": c.file("n.txt", [f"{i}\t{name}" for i, name in enumerate(NAMES, 1)])
    },
    "class names as JSON": lambda c: {"class_names": c.file("n.json", json.dumps(NAMES))},
    "rows from 1": lambda c: {
        "splits": c.file("s.npz", {name: np.add(rows, 1) for name, rows in ROWS.items()})
    },
    "split in a column": lambda c: {
        "splits": c.file(
            "s.csv",
            ["row;split"]
            + [f"{row};{name}" for row in range(12) for name, rows in ROWS.items() if row in rows],
        )
    },
}


@pytest.mark.parametrize("form", FORMS)
def test_every_documented_form_gives_the_same_files(case: Case, form: str) -> None:
    case.prepare(**FORMS[form](case))
    assert_made(case)


def test_half_precision_is_kept_value_by_value(case: Case) -> None:
    half = FEATURES.astype(np.float16)
    case.prepare(features=case.file("h.npy", half))
    stored = case.made()[0]["features"]
    assert stored.dtype == np.float32
    np.testing.assert_array_equal(stored, half.T)


def test_train_and_val_are_kept_and_together_are_trainval(case: Case) -> None:
    column = ["split", *["train"] * 2, "test_seen", *["val"] * 2, "test_seen", *["test_unseen"] * 6]
    case.prepare(splits=case.file("s.csv", column))
    assert locations(case.made()[1]) == {**ROWS, "train": [0, 1], "val": [3, 4]}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("u.txt", ["emu", "fox"]),
        ("u.json", '["fox", "emu"]'),
        ("u.json", "[2, 3]"),
        ("u.csv", ["2", "3"]),
    ],
)
def test_unseen_classes_alone_hold_out_a_part_of_the_others(
    case: Case, name: str, content: object
) -> None:
    facts = case.prepare(splits=case.file(name, content))
    rows = locations(case.made()[1])
    assert rows["test_unseen"] == ROWS["test_unseen"]
    assert LABEL[rows["test_seen"]].tolist() == [0, 1]
    assert sorted(rows["trainval"] + rows["test_seen"]) == list(range(6))
    assert facts["split"] == "test_seen drawn with seed 0: 20% of every seen class"
    assert facts["split"] in case.log.getvalue()


def test_another_seed_holds_out_others(case: Case) -> None:
    unseen, found = case.file("u.txt", ["emu", "fox"]), set()
    for seed in range(8):
        case.prepare(splits=unseen, split_seed=seed, embedding=f"seed{seed}")
        case.root.joinpath("res101.mat").unlink()
        split = loadmat(case.root / f"seed{seed}_splits.mat")
        found.add(tuple(locations(split)["test_seen"]))
    assert len(found) > 1


def test_unseen_ids_count_as_the_labels_do(case: Case) -> None:
    case.prepare(labels=case.file("l.npy", LABEL + 1), splits=case.file("u.txt", ["3", "4"]))
    assert locations(case.made()[1])["test_unseen"] == ROWS["test_unseen"]
    case.refuse(
        "u.txt names classes 0 to 1; ids count from 1",
        labels=case.file("l.npy", LABEL + 1),
        splits=case.file("u.txt", ["0", "1"]),
        name="other",
        embedding="other",
    )


FILES = [f"{NAMES[i]}/{row}.jpg" for row, i in enumerate(LABEL)]


def test_features_are_brought_into_the_order_of_labels_and_split(case: Case) -> None:
    shuffled = np.random.default_rng(0).permutation(12)
    case.prepare(
        features=case.file("s.npy", FEATURES[shuffled]),
        image_files=case.file("have.txt", [f"{n} {FILES[n]}" for n in shuffled]),
        order=case.file("want.txt", FILES),
    )
    assert_made(case)
    assert [cell.item().item() for cell in case.made()[0]["image_files"]] == FILES


def test_an_order_may_leave_images_out(case: Case) -> None:
    case.prepare(
        features=case.file("more.npy", np.vstack([np.ones((2, 5), np.float32), FEATURES])),
        image_files=case.file("have.txt", ["emu/a.jpg", "none/b.jpg", *FILES]),
        order=case.file("want.txt", FILES),
    )
    assert_made(case)


AMBIGUOUS: dict[str, tuple[Callable[[Case], dict[str, Any]], tuple[str, ...]]] = {
    "label base": (
        lambda c: {"labels": c.file("l.npy", np.where(LABEL == 0, 1, np.minimum(LABEL, 3)))},
        ("l.npy", "ids from 0 or ids from 1", "Add --label-base 0 or --label-base 1."),
    ),
    "square features": (
        lambda c: {"features": c.file("f.npy", np.ones((12, 12)))},
        ("f.npy is 12 x 12", "rows and columns both fit 12 samples in", "constant feature"),
    ),
    "square attributes": (
        lambda c: {"attributes": c.file("a.npy", np.eye(4))},
        ("a.npy is 4 x 4", "first column names the classes"),
    ),
    "base of rows": (
        lambda c: {
            "splits": c.file("s.npz", {"trainval": [1], "test_seen": [2], "test_unseen": [9, 10]})
        },
        ("s.npz may count rows from 0 or from 1", "column 'split'"),
    ),
    "names that are numbers": (
        lambda c: {"class_names": c.file("n.txt", ["3", "2", "1", "0"])},
        ("labels.npy", "class names or ids from 0", "--label-base"),
    ),
}


@pytest.mark.parametrize("what", AMBIGUOUS)
def test_what_can_be_read_in_two_ways_is_refused_with_what_decides(case: Case, what: str) -> None:
    options, expected = AMBIGUOUS[what]
    case.refuse(*expected, **options(case))


def test_features_known_to_be_rows_may_be_square(case: Case) -> None:
    square = np.random.default_rng(0).random((12, 12))
    options = PrepareOptions(**case.given(features=case.file("f.npy", square)).options)
    prepare_arrays(case.root, options, Progress(case.log), Samples(square, None))
    np.testing.assert_array_equal(case.made()[0]["features"], square.T)


@pytest.mark.parametrize("base", [0, 1])
def test_the_option_decides_where_labels_count_from(case: Case, base: int) -> None:
    label = np.where(LABEL == 0, 1, np.minimum(LABEL, 2) + 1)
    rows = {"trainval": [0], "test_seen": [1], "test_unseen": [6, 11]}
    case.prepare(labels=case.file("l.npy", label), label_base=base, splits=case.file("s.npz", rows))
    assert (case.made()[0]["labels"].ravel() == label + 1 - base).all()


def test_classes_tell_where_rows_count_from(case: Case) -> None:
    """Rows 1 to 11 fit both; from 0, the last sample of class 1 would be in test_unseen."""
    rows = {"trainval": [1, 4], "test_seen": [2, 5], "test_unseen": [6, 7, 11]}
    facts = case.prepare(splits=case.file("s.npz", rows))
    assert facts["split"] == "rows count from 0"
    case.root.joinpath("res101.mat").unlink()
    case.root.joinpath("att_splits.mat").unlink()
    rows = {"trainval": [1, 4], "test_seen": [3, 6], "test_unseen": [7, 11]}
    assert case.prepare(splits=case.file("s.npz", rows))["split"] == "rows count from 1"


WRONG: dict[str, tuple[Callable[[Case], dict[str, Any]], tuple[str, ...]]] = {
    "no such file": (lambda c: {"features": c.folder / "none.npy"}, ("none.npy does not exist",)),
    "features of another set": (
        lambda c: {"features": c.file("f.npy", np.ones((7, 5)))},
        ("f.npy is 7 x 5; there are 12 samples in",),
    ),
    "NaN": (
        lambda c: {"features": c.file("f.npy", np.where(FEATURES > 8, np.nan, FEATURES))},
        ("f.npy", "finite"),
    ),
    "NaN in a table": (
        lambda c: {"features": c.file("f.csv", ["1,2"] * 11 + ["1,nan"])},
        ("f.csv", "finite"),
    ),
    "no samples": (
        lambda c: {"features": c.file("f.npy", np.ones((0, 5)))},
        ("f.npy holds an empty array",),
    ),
    "no labels": (
        lambda c: {"labels": c.file("l.npy", np.array([], dtype=int))},
        ("l.npy holds an empty array",),
    ),
    "a heading alone": (lambda c: {"features": c.file("f.csv", ["a,b"])}, ("f.csv is empty",)),
    "labels of a heading alone": (
        lambda c: {"labels": c.file("l.csv", ["labels"])},
        ("l.csv is empty",),
    ),
    "no text": (lambda c: {"labels": binary(c.folder / "l.txt")}, ("l.txt is not text in UTF-8",)),
    "names in no list": (
        lambda c: {"class_names": c.file("n.json", '{"a": 1}')},
        ("n.json must hold a list",),
    ),
    "a column that counts": (
        lambda c: {
            "features": c.file("f.csv", [",a", *(f"{i},{v}" for i, v in enumerate(LABEL + 0.5))])
        },
        ("f.csv: the first column merely counts the lines", "Leave it out"),
    ),
    "attributes of one class more": (
        lambda c: {"attributes": c.file("a.csv", [f"{n},1,2" for n in [*NAMES, "gnu"]])},
        ("a.csv has a row for 'gnu', which is none of the 4 classes",),
    ),
    "ragged table": (lambda c: {"features": c.file("f.csv", ["1,2", "1"])}, ("f.csv",)),
    "words in a table": (
        lambda c: {"features": c.file("f.csv", ["1,2", "1,two"])},
        ("f.csv is not a table of numbers",),
    ),
    "truncated": (
        lambda c: {"features": truncated(c.file("f.npz", {"features": FEATURES}))},
        ("f.npz",),
    ),
    "npz without the name": (
        lambda c: {"features": c.file("f.npz", {"feature": FEATURES})},
        ("f.npz holds no 'features'", "Did you mean 'feature'?"),
    ),
    "another kind of file": (
        lambda c: {"features": c.file("f.pkl", "x")},
        ("f.pkl: expected a file that ends in .npz, .npy",),
    ),
    "pickled labels": (
        lambda c: {"labels": pickled(c.folder / "l.npy")},
        ("l.npy", "pickled"),
    ),
    "labels in fractions": (
        lambda c: {"labels": c.file("l.npy", LABEL + 0.5)},
        ("l.npy", "whole numbers"),
    ),
    "labels outside": (
        lambda c: {"labels": c.file("l.npy", LABEL + 2)},
        ("l.npy: labels go from 2 to 5", "4 classes counted from 0 or from 1"),
    ),
    "labels against the option": (
        lambda c: {"label_base": 1},
        ("labels.npy: labels go from 0 to 3", "counted from 1"),
    ),
    "unknown class name": (
        lambda c: {"labels": c.file("l.txt", ["cat"] * 11 + ["fax"])},
        ("l.txt: label 'fax' is no class", "'fox'"),
    ),
    "names without a list of them": (
        lambda c: {"labels": c.file("l.txt", [NAMES[i] for i in LABEL]), "class_names": None},
        ("'cat' is no class", "--class-names"),
    ),
    "class named twice": (
        lambda c: {"class_names": c.file("n.txt", ["cat", "cat", "emu", "fox"])},
        ("n.txt names 'cat' twice",),
    ),
    "attributes of other classes": (
        lambda c: {"attributes": c.file("a.npy", np.ones((5, 3)))},
        ("a.npy is 5 x 3; there are 4 classes by name",),
    ),
    "class without attributes": (
        lambda c: {"attributes": c.file("a.npy", ATTRIBUTES * [[1], [0], [1], [1]])},
        ("a.npy: the attributes of class 2 of 4 are all zeros",),
    ),
    "class missing in the table": (
        lambda c: {"attributes": c.file("a.csv", ["cat,1,2", "emu,1,3", "fox,1,1"])},
        ("a.csv has no row for the class 'great tit'",),
    ),
    "row out of range": (
        lambda c: {"splits": c.file("s.npz", {**ROWS, "test_unseen": [6, 99]})},
        ("s.npz names rows 0 to 99; there are 12 samples",),
    ),
    "row in two parts": (
        lambda c: {"splits": c.file("s.npz", {**ROWS, "test_seen": [2, 4]})},
        ("s.npz: row 4 (from 0) is in both trainval and test_seen",),
    ),
    "row twice": (
        lambda c: {"splits": c.file("s.npz", {**ROWS, "test_seen": [2, 2]})},
        ("s.npz: test_seen names row 2 (from 0) twice",),
    ),
    "class seen and unseen": (
        lambda c: {"splits": c.file("s.npz", {**ROWS, "trainval": [0, 3, 6], "test_unseen": [7]})},
        ("s.npz: emu is in both trainval and test_unseen",),
    ),
    "seen test class without training": (
        lambda c: {"splits": c.file("s.npz", {**ROWS, "trainval": [0, 1]})},
        ("s.npz: great tit is in test_seen, but not in trainval",),
    ),
    "no test": (
        lambda c: {"splits": c.file("s.npz", {**ROWS, "test_seen": np.array([], dtype=int)})},
        ("s.npz: no sample is in test_seen",),
    ),
    "part missing": (
        lambda c: {"splits": c.file("s.npz", {"trainval": [0], "test_seen": [1]})},
        ("s.npz holds no 'test_unseen'",),
    ),
    "unknown part": (
        lambda c: {"splits": c.file("s.csv", ["split", *["trainval"] * 11, "test_sen"])},
        ("s.csv: column 'split' holds 'test_sen' for sample 12", "test_seen"),
    ),
    "split of another length": (
        lambda c: {"splits": c.file("s.csv", ["split", "train"])},
        ("s.csv has 1 samples; there are 12 labels",),
    ),
    "unseen class not known": (
        lambda c: {"splits": c.file("u.txt", ["emu", "fix"])},
        ("u.txt: 'fix' is no class", "'fox'"),
    ),
    "seen class of one sample": (
        lambda c: {
            "labels": c.file("l.npy", [0, *[1] * 5, 2, 2, 3, 3, 3, 3]),
            "splits": c.file("u.txt", ["emu", "fox"]),
        },
        ("u.txt: cat has one sample",),
    ),
    "file in the folder of another class": (
        lambda c: {"image_files": c.file("have.txt", FILES[::-1])},
        ("labels.npy: label 1 is cat; the image is fox/11.jpg", "--order"),
    ),
    "file not known": (
        lambda c: {
            "image_files": c.file("have.txt", FILES),
            "order": c.file("want.txt", [*FILES[:11], "x.jpg"]),
        },
        ("want.txt names x.jpg", "have.txt does not"),
    ),
    "file twice": (
        lambda c: {
            "image_files": c.file("have.txt", [*FILES[:11], FILES[0]]),
            "order": c.file("want.txt", FILES),
        },
        ("have.txt names 'cat/0.jpg' twice",),
    ),
    "labels of another length": (
        lambda c: {
            "image_files": c.file("have.txt", FILES),
            "order": c.file("want.txt", FILES[:11]),
        },
        ("labels.npy has 12 labels", "want.txt has 11 names"),
    ),
    "names of another length": (
        lambda c: {"image_files": c.file("have.txt", FILES[:9])},
        ("features.npy is 12 x 5; there are 9 samples in", "have.txt"),
    ),
}


def truncated(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[:200])
    return path


def binary(path: Path) -> Path:
    path.write_bytes(b"\xff\xfe\x00cat\n")
    return path


def pickled(path: Path) -> Path:
    np.save(path, np.array([{}], dtype=object), allow_pickle=True)
    return path


@pytest.mark.parametrize("what", WRONG)
def test_files_that_do_not_fit_are_one_error_and_write_nothing(case: Case, what: str) -> None:
    options, expected = WRONG[what]
    case.refuse(*expected, **options(case))


@pytest.mark.parametrize("name", ["features", "labels", "attributes", "splits"])
def test_a_missing_option_is_a_usage_error(case: Case, name: str) -> None:
    case.refuse(f"--{name} is missing", kind=UsageError, **{name: None})


def test_an_order_needs_names(case: Case) -> None:
    case.refuse("--order needs --image-files", kind=UsageError, order=case.file("o.txt", FILES))


@pytest.mark.parametrize("there", ["res101.mat", "att_splits.mat"])
def test_files_that_are_there_stay(case: Case, there: str) -> None:
    case.root.mkdir()
    (case.root / there).write_text("mine")
    case.refuse(f"{there} exists", kind=UsageError)
    assert (case.root / there).read_text() == "mine"


def test_other_names_stand_beside_them(case: Case) -> None:
    case.prepare()
    case.prepare(name="finetuned", embedding="sent")
    assert len(list(case.root.iterdir())) == 4


def test_a_benchmark_split_file_brings_its_classes(tmp_path: Path) -> None:
    write_cub_demo(tmp_path / "demo", 0)
    stored = loadmat(tmp_path / "demo" / "res101.mat")
    split = tmp_path / "demo" / "sent_splits.mat"
    case = Case(tmp_path)
    case.prepare(
        features=case.file("f.npy", stored["features"].T),
        labels=case.file("l.npy", stored["labels"]),
        splits=split,
    )
    features, made = case.made()
    np.testing.assert_array_equal(features["features"], stored["features"])
    wanted = loadmat(split)
    assert {name for name in wanted if name[0] != "_"} == {n for n in made if n[0] != "_"}
    np.testing.assert_array_equal(made["att"], wanted["att"])
    assert locations(made) == locations(wanted)


def test_a_benchmark_split_of_other_samples_is_refused(tmp_path: Path, case: Case) -> None:
    write_cub_demo(tmp_path / "demo", 0)
    case.refuse(
        "att_splits.mat",
        splits=tmp_path / "demo" / "att_splits.mat",
        attributes=None,
        class_names=None,
    )


def test_class_names_of_a_benchmark_split_cannot_be_others(case: Case) -> None:
    split = case.folder / "own_splits.mat"
    rows: Any = {name: np.array(part) for name, part in ROWS.items()}
    write_splits(split, attributes=ATTRIBUTES, class_names=NAMES[::-1], **rows)
    case.refuse(
        "classes.txt differs from the class names of", "Leave --class-names out", splits=split
    )


@pytest.mark.parametrize("names", [True, False])
def test_what_is_made_can_be_loaded(case: Case, names: bool) -> None:
    from mlzoo_tfvaegan.dataset_config import ImagesOptions
    from mlzoo_tfvaegan.loading import load_custom

    case.prepare(**({} if names else {"class_names": None}))
    data = load_custom(case.root, ImagesOptions())
    np.testing.assert_array_equal(data.features, FEATURES)
    np.testing.assert_array_equal(data.label, LABEL)
    assert data.unseen.tolist() == [2, 3]


@pytest.mark.skipif(not REAL.exists(), reason="the real files are not here")
def test_a_real_cub_folder(tmp_path: Path) -> None:
    case = Case(tmp_path).given(
        features=REAL / "resnet_logits_f16.npz",
        labels=REAL / "cub_labels_1based.txt",
        image_files=REAL / "images_2011.txt",
        order=REAL / "cub_image_order.txt",
        splits=REAL / "att_splits.mat",
    )
    facts = case.prepare()
    assert facts["samples"]["trainval"] == 7057
    features, split = case.made()
    real = loadmat(REAL / "att_splits.mat")
    assert {name for name in real if name[0] != "_"} == {n for n in split if n[0] != "_"}
    np.testing.assert_array_equal(split["att"], real["att"])
    assert locations(split) == locations(real)
    files = [cell.item().item() for cell in features["image_files"]]
    assert files == (REAL / "cub_image_order.txt").read_text().split()
    raw = np.load(REAL / "resnet_logits_f16.npz")
    names = [line.split()[1] for line in (REAL / "images_2011.txt").read_text().splitlines()]
    row = {name: number for number, name in enumerate(names)}
    place = np.array([row[file] for file in files])
    np.testing.assert_array_equal(features["features"], raw["features"][place].T)
    number = [int(file[:3]) for file in files]
    np.testing.assert_array_equal(raw["cub_class"][place], number)


@pytest.mark.skipif(not REAL.exists(), reason="the real files are not here")
@pytest.mark.parametrize("order", ["cub_image_order.txt", None])
def test_real_labels_of_another_numbering_are_refused(tmp_path: Path, order: str | None) -> None:
    """The classes' own numbers, 1 to 200, fit in range, but are not the benchmark's."""
    case = Case(tmp_path).given(
        features=REAL / "resnet_logits_f16.npz",
        labels=REAL / "resnet_logits_f16.npz",
        image_files=REAL / "images_2011.txt",
        order=None if order is None else REAL / order,
        splits=REAL / "att_splits.mat",
    )
    case.refuse("label 1 is 002.Laysan_Albatross; the image is 001.Black_footed_Albatross/")
