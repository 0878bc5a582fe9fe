"""Class lists, descriptions, word vectors: the published files where they are, and made ones."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from mlzoo.errors import DataError
from mlzoo_biam.open_images.classes import (
    CHOSEN,
    DESCRIPTIONS,
    OTHERS,
    PUBLISHED,
    SEEN,
    read_classes,
    read_descriptions,
)
from mlzoo_biam.open_images.vectors import (
    BUILT,
    MISSING,
    PICKLE,
    build_class_vectors,
    read_class_vectors,
)

REAL = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "open-images"
real = pytest.mark.skipif(not REAL.is_dir(), reason="the published files are not here")

WORDS = {
    "/m/0s": "Cat",
    "/m/1s": "Big dog",
    "/m/2s": "Bat",
    "/m/0u": "Bat",
    "/m/1u": "Ducks, geese",
    "/m/2u": 'A "quoted" thing',
}


@pytest.fixture
def made(tmp_path):
    """Three seen classes, three others of which two are chosen, in the formats of the published files."""
    (tmp_path / SEEN).write_text("/m/0s\n/m/1s\n/m/2s\n")
    others = np.array(["/m/0u", "/m/1u", "/m/2u"], dtype=object)
    (tmp_path / OTHERS).write_bytes(pickle.dumps(others, protocol=2))
    (tmp_path / CHOSEN).write_bytes(b"\xef\xbb\xbf2\r\n0")
    lines = ["/m/9z,Not used", '/m/2u,"A ""quoted"" thing"', '/m/1u,"Ducks, geese"']
    lines += [f"{each},{WORDS[each]}" for each in ("/m/0s", "/m/1s", "/m/2s", "/m/0u")]
    (tmp_path / DESCRIPTIONS).write_text("\n".join(lines) + "\n")
    return tmp_path


@real
def test_published_class_lists_have_their_counts_and_order():
    classes = read_classes(REAL)
    assert (len(classes.seen), len(classes.others), len(classes.chosen)) == PUBLISHED
    assert classes.seen[:2] == ("/m/0108_09c", "/m/010dmf")
    first = [991, 1039, 120, 1533, 2195, 581, 168, 1913, 11, 985]
    assert classes.chosen[:10].tolist() == first
    assert (classes.chosen.min(), classes.chosen.max()) == (5, 2593)
    assert [classes.names[each] for each in classes.unseen[:3]] == ["Fauna", "Flora", "Exercise"]
    assert list(classes.others) == sorted(classes.others)
    assert len(set(classes.tags)) == 7586


@real
def test_published_descriptions_are_cut_at_the_first_comma():
    found = read_descriptions(REAL / DESCRIPTIONS)
    assert len(found) == 19995
    assert found["/m/01c_0l"] == "Ducks, geese and swans"
    assert found["/m/02wvth"] == 'Fiat 500 "topolino"'


def test_order_is_seen_then_chosen_as_the_file_has_it(made):
    classes = read_classes(made)
    assert classes.ids == ("/m/0s", "/m/1s", "/m/2s", "/m/2u", "/m/0u")
    assert classes.tags == (
        "Cat", "Big dog", "Bat (/m/2s)", 'A "quoted" thing', "Bat (/m/0u)",
    )  # fmt: skip
    assert classes.names["/m/1u"] == "Ducks, geese"


def test_digest_follows_order_and_the_number_of_seen_classes(made):
    before = read_classes(made).digest()
    (made / CHOSEN).write_text("0\n2\n")
    assert read_classes(made).digest() != before


def test_list_instead_of_an_array_is_read_too(made):
    (made / OTHERS).write_bytes(pickle.dumps(["/m/0u", "/m/1u", "/m/2u"]))
    assert read_classes(made).others == ("/m/0u", "/m/1u", "/m/2u")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        (SEEN, b"/m/0s\n/m/0s\n", "stands twice"),
        (SEEN, b"/m/0s\nCat\n", "entry 2 is 'Cat'"),
        (SEEN, b"\n", "is empty"),
        (SEEN, b"/m/0s\n/m/0u\n", "no id in both"),
        (SEEN, b"/m/0s\n/m/0new\n", "does not describe /m/0new"),
        (SEEN, b"\xff\xfe", "text in UTF-8"),
        (CHOSEN, b"0\n3\n", "line 2: 3 is outside the 3 labels"),
        (CHOSEN, b"1\n1\n", "line 2: 1 stands twice"),
        (CHOSEN, b"-1\n", "expected a number"),
        (CHOSEN, b"1.0\n", "expected a number"),
        (DESCRIPTIONS, b"/m/0s Cat\n", "expected id,description"),
        (DESCRIPTIONS, b"/m/0s,Cat\n/m/0s,Dog\n", "described twice"),
        (OTHERS, pickle.dumps({"a": 1}), "expected a list of ids"),
        (OTHERS, pickle.dumps([1, 2]), "entry 1 is 1"),
        (OTHERS, pickle.dumps(print), "is a pickle with"),
    ],
)
def test_damaged_list_is_one_clear_error(made, name, content, said):
    (made / name).write_bytes(content)
    with pytest.raises(DataError, match=said) as caught:
        read_classes(made)
    assert name in str(caught.value) or "describe" in said or "no id in both" in said


@pytest.mark.parametrize("name", [SEEN, OTHERS, CHOSEN, DESCRIPTIONS])
def test_missing_list_is_named(made, name):
    (made / name).unlink()
    with pytest.raises(DataError, match=name):
        read_classes(made)


def vectors(seen: int = 3, others: int = 3, width: int = 300) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.normal(size=(count, width)).astype(np.float32) for count in (seen, others)]


def test_published_vectors_are_normalised_and_indexed_by_the_chosen(made):
    both = vectors()
    (made / PICKLE).write_bytes(pickle.dumps(both, protocol=3))
    found = read_class_vectors(made, read_classes(made))
    expected = np.concatenate([both[0], both[1][[2, 0]]]).astype(np.float64)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(found.vectors, expected, rtol=1e-6)
    assert found.vectors.dtype == np.float32
    assert found.incomparable == ""


def test_vectors_of_another_width_are_not_comparable(made):
    (made / PICKLE).write_bytes(pickle.dumps(vectors(width=8)))
    assert "8-d" in read_class_vectors(made, read_classes(made)).incomparable


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (vectors()[:1], "list of two arrays"),
        (vectors(seen=4), r"expected shape \(3, any\), found \(4, 300\)"),
        (vectors(others=2), "other labels"),
        ([vectors()[0], vectors()[1][:, :8]], "rows of 300 and of 8"),
        ([vectors()[0] * 0, vectors()[1]], "'Cat' is zero"),
        ([vectors()[0] * np.nan, vectors()[1]], "'Cat' has values that are not finite"),
    ],
)
def test_wrong_vectors_are_one_clear_error(made, content, said):
    (made / PICKLE).write_bytes(pickle.dumps(content))
    with pytest.raises(DataError, match=said):
        read_class_vectors(made, read_classes(made))


def test_without_vectors_the_way_to_build_them_is_told(made):
    with pytest.raises(DataError, match="--glove"):
        read_class_vectors(made, read_classes(made))


def test_vectors_are_built_of_words_and_marked(made):
    glove = made / "glove.txt"
    glove.write_text("cat 1 0 0\nbig 0 2 0\ndog 0 0 2\nbat 1 1 0\nunused 9 9 9\nquoted 0 1 0\n")
    classes = read_classes(made)
    facts = build_class_vectors(made, classes, glove)
    assert facts["with words that have no vector"] == 1
    assert facts["without any known word"] == 0
    found = read_class_vectors(made, classes)
    half = np.sqrt(0.5)
    rows = [[1, 0, 0], [0, half, half], [half, half, 0], [0, 1, 0], [half, half, 0]]
    np.testing.assert_allclose(found.vectors, rows, atol=1e-6)
    assert "not the published ones" in found.incomparable
    lines = (made / MISSING).read_text().splitlines()
    assert lines[1:] == ['/m/2u,"A ""quoted"" thing",a thing,yes']


def test_class_without_any_known_word_is_listed(made):
    glove = made / "glove.txt"
    glove.write_text("cat 1 0\ndog 0 1\n")
    facts = build_class_vectors(made, read_classes(made), glove)
    assert facts["without any known word"] == 3  # both bats, and the quoted thing
    assert (made / MISSING).read_text().count(",no\n") == 3
    assert len(read_class_vectors(made, read_classes(made)).vectors) == 5


def test_built_vectors_of_other_classes_are_refused(made):
    glove = made / "glove.txt"
    glove.write_text("cat 1 0\ndog 0 1\n")
    build_class_vectors(made, read_classes(made), glove)
    (made / CHOSEN).write_text("0\n2\n")
    with pytest.raises(DataError, match="of another order"):
        read_class_vectors(made, read_classes(made))
    assert (made / BUILT).exists()


@real
def test_every_published_class_has_words():
    from mlzoo_biam.word_vectors import words_of

    classes = read_classes(REAL)
    assert all(words_of(classes.names[each]) for each in classes.ids)
