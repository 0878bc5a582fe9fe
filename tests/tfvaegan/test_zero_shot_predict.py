"""``mlzoo predict`` in the zero-shot task: new files of features, and what is wrong with some."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.io

from mlzoo.errors import DataError, UsageError
from mlzoo.prediction import checked_columns
from mlzoo.progress import Progress
from mlzoo_tfvaegan.predict import predict, softmax
from mlzoo_tfvaegan.zero_shot import Split, ZeroShotData

WIDTH = 5
NAMES = ("ant", "bee", "cow", "doe")
SEEN, UNSEEN = (0, 2), (1, 3)


class Notes(Progress):
    """Keeps what was said."""

    def __init__(self) -> None:
        super().__init__(quiet=True)
        self.lines: list[str] = []

    def message(self, text: str) -> None:
        self.lines.append(text)


class Nearest:
    """Minus the squared distance to each class's centre in scaled features."""

    def __init__(self, data: ZeroShotData) -> None:
        self.data = data
        self.given: list[np.ndarray] = []

    def classify(self, features):
        self.given.append(features)
        centres = self.data.scaler.transform(CENTRES)
        distance = ((features[:, None] - centres) ** 2).sum(axis=2)
        scores = -distance.astype(np.float32)
        return {"scores": scores[:, self.data.classes], "unseen_scores": scores[:, UNSEEN]}


CENTRES = 10 + np.array([[0, 4, 0, 4, 0], [4, 4, 0, 0, 2], [4, 0, 4, 0, 4], [0, 0, 4, 4, 2]])


def samples(label, seed=1) -> np.ndarray:
    noise = 0.05 * np.random.RandomState(seed).randn(len(label), WIDTH)
    return CENTRES[list(label)] + noise


@pytest.fixture
def data() -> ZeroShotData:
    label = np.repeat(np.arange(4), 20)
    rows = np.arange(80)
    seen = np.isin(label, SEEN)
    return ZeroShotData(
        features=samples(label),
        label=label,
        attributes=np.eye(4, dtype=np.float32),
        class_names=NAMES,
        split=Split(rows[seen][::2], rows[seen][1::2], rows[~seen]),
    )


def write_csv(path: Path, features: np.ndarray) -> None:
    np.savetxt(path, features, delimiter=",", fmt="%.17g")


WRITERS = {
    "new.mat": lambda path, f: scipy.io.savemat(path, {"features": f.T}),
    "new.npy": np.save,
    "new.npz": lambda path, f: np.savez(path, features=f),
    "new.csv": write_csv,
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_kind_of_file_gives_the_same_classes(data, tmp_path, name) -> None:
    path, notes, model = tmp_path / name, Notes(), Nearest(data)
    features = samples([0, 1, 2, 3, 3], seed=2)
    WRITERS[name](path, features)
    columns = predict(model, data, [path], notes)
    assert list(columns) == ["row", "predicted", "score", "seen", "predicted_unseen"]
    plain = checked_columns(columns, "the stand-in")
    assert plain["row"] == [0, 1, 2, 3, 4]
    assert plain["predicted"] == ["ant", "bee", "cow", "doe", "doe"]
    assert plain["seen"] == [True, False, True, False, False]
    unseen = np.array(plain["predicted_unseen"])
    assert list(unseen[[1, 3, 4]]) == ["bee", "doe", "doe"]
    assert set(unseen) <= {"bee", "doe"}
    (given,) = model.given
    assert given.dtype == np.float32
    np.testing.assert_array_equal(given, data.scaler.transform(features))
    np.testing.assert_allclose(
        plain["score"], softmax(model.classify(given)["scores"]).max(axis=1), rtol=1e-6
    )
    assert not notes.lines


def test_several_inputs_are_told_apart_and_named_by_their_image_files(data, tmp_path) -> None:
    one, two = tmp_path / "one.mat", tmp_path / "two.mat"
    for path, label in ((one, [0, 1]), (two, [3])):
        files = np.array([[f"{path.stem}/{i}.jpg"] for i in label], dtype=object)
        scipy.io.savemat(path, {"features": samples(label).T, "image_files": files})
    columns = predict(Nearest(data), data, [one, two], Notes())
    assert columns["input"] == [str(one), str(one), str(two)]
    assert columns["row"] == [0, 1, 0]
    assert columns["file"] == ["one/0.jpg", "one/1.jpg", "two/3.jpg"]
    assert list(columns["predicted"]) == ["ant", "bee", "doe"]
    np.save(tmp_path / "three.npy", samples([2]))
    columns = predict(Nearest(data), data, [one, tmp_path / "three.npy"], Notes())
    assert "file" not in columns  # not all of them name theirs


def test_a_label_in_the_file_changes_nothing(data, tmp_path) -> None:
    path = tmp_path / "new.mat"
    scipy.io.savemat(path, {"features": samples([0, 1]).T, "labels": [[3], [3]]})
    assert list(predict(Nearest(data), data, [path], Notes())["predicted"]) == ["ant", "bee"]


def test_softmax_of_log_probabilities_is_the_probabilities() -> None:
    share = np.random.RandomState(0).dirichlet(np.ones(4), size=3)
    np.testing.assert_allclose(softmax(np.log(share)), share)
    np.testing.assert_allclose(softmax(np.array([[1e4, 0.0]])), [[1, 0]])


@pytest.mark.parametrize(
    ("name", "write", "words"),
    [
        ("x.npy", lambda p: np.save(p, np.zeros((3, 7))), r"3 x 7; expected a row of 5.*\n.*other"),
        ("x.npy", lambda p: np.save(p, np.zeros((5, 3))), r"5 x 3; expected a row.*\n.*transposed"),
        ("x.npy", lambda p: np.save(p, np.zeros((0, 5))), "0 x 5; expected a row of 5"),
        ("x.npy", lambda p: np.save(p, np.zeros(5)), r"2 axes, found shape \(5,\)"),
        ("x.npy", lambda p: np.save(p, np.full((2, 5), np.nan)), r"finite values, found nan"),
        ("x.npy", lambda p: np.save(p, np.full((2, 5), 1e300)), "too large to be features"),
        ("x.npy", lambda p: np.save(p, np.full((2, 5), "a")), "expected floats"),
        ("x.npz", lambda p: np.savez(p, feature=np.zeros((2, 5))), "no 'features'"),
        (
            "x.mat",
            lambda p: scipy.io.savemat(p, {"features": np.zeros((3, 5))}),
            r"3 x 5; expected a column of 5 .*\n.*transposed: a sample is a column",
        ),
        ("x.mat", lambda p: scipy.io.savemat(p, {"labels": [1]}), "no 'features'"),
        ("x.mat", lambda p: scipy.io.savemat(p, {"features": "abc"}), "'features' is text"),
        (
            "x.mat",
            lambda p: scipy.io.savemat(
                p, {"features": np.zeros((5, 3)), "image_files": np.array(["a"], dtype=object)}
            ),
            "'image_files' names 1 samples, 'features' has 3",
        ),
        (
            "x.csv",
            lambda p: p.write_text("a,b\n1,2\n"),
            r"line 1: could not convert .*'a'.*\n.*head",
        ),
        ("x.csv", lambda p: p.write_text("1,2,3,4,5\n1,2\n"), "line 2: 2 numbers.*first.* 5"),
        ("x.csv", lambda p: p.write_text("1,2,3,4,nan\n"), "finite values, found nan"),
        ("x.csv", lambda p: p.write_text("\n"), "holds no sample"),
        ("x.csv", lambda p: p.write_bytes(b"\xff\xfe\x00"), "UTF-8"),
        ("x.csv", lambda p: None, "No such file"),
    ],
)
def test_files_that_cannot_be_right_are_refused(data, tmp_path, name, write, words) -> None:
    path = tmp_path / name
    write(path)
    with pytest.raises(DataError, match=words) as error:
        predict(Nearest(data), data, [path], Notes())
    assert str(path) in str(error.value)


def test_other_kinds_of_files_are_a_wrong_use(data, tmp_path) -> None:
    with pytest.raises(UsageError, match=r"expected features in a \.mat"):
        predict(Nearest(data), data, [tmp_path / "bird.jpg"], Notes())


def test_features_far_outside_the_training_range_are_told(data, tmp_path) -> None:
    path, notes = tmp_path / "new.npy", Notes()
    np.save(path, 100 * samples([0, 1, 2]))
    assert len(predict(Nearest(data), data, [path], notes)["predicted"]) == 3
    (line,) = notes.lines
    assert line.startswith(
        f"warning: {path}: 100% of the values lie far outside the training range"
    )
    assert "in row 0, column 0, which reaches from 9." in line
