"""Word vectors of the classes of Open Images: the published pickle, or ones built of GloVe's text file.

The published file is a pickled list of two arrays: rows for the seen classes, rows for all labels that
are not trainable. How its rows were made of GloVe's is not published; those built here are the means of
the vectors of a description's words. They are other numbers, so results are not comparable.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mlzoo.data.checks import ArraySpec, check_array
from mlzoo.data.readers import read_npz, read_pickle
from mlzoo.data.word_vectors import Vectors, read_vectors
from mlzoo.errors import DataError
from mlzoo.files import atomic_write, write_arrays
from mlzoo_biam.open_images.classes import Classes
from mlzoo_biam.word_vectors import needed_words, phrase_vectors, unit_rows

PICKLE = "OpenImage_w2v_context_window_10_glove-wiki-gigaword-300.pkl"
BUILT = "word_vectors.npz"
MISSING = "word_vectors.missing.csv"
WIDTH = 300
"""Numbers of a published vector."""


@dataclass(frozen=True, eq=False)
class ClassVectors:
    """Attributes:
    vectors: float32 [C, E] with rows of length 1, seen classes then unseen.
    incomparable: why published numbers do not speak of them; empty if they do.
    """

    vectors: Vectors
    incomparable: str


def read_class_vectors(folder: Path, classes: Classes) -> ClassVectors:
    """The published vectors if they are there, else those that were built.

    Raises:
        DataError: neither is there, or the file is damaged, of other classes, or has a row that is
            zero or not finite.
    """
    if (folder / PICKLE).exists():
        vectors = _of_pickle(folder / PICKLE, classes)
        width = vectors.shape[1]
        other = f"word vectors are {width}-d, published rows use {WIDTH}-d"
        return ClassVectors(vectors, "" if width == WIDTH else other)
    if (folder / BUILT).exists():
        why = "word vectors were built of GloVe's, not the published ones"
        return ClassVectors(_of_arrays(folder / BUILT, classes), why)
    raise DataError(
        f"{folder} has no word vectors: neither {PICKLE} nor {BUILT}.",
        "Build them of GloVe's text file: mlzoo data prepare open-images --glove glove.6B.300d.txt",
    )


def build_class_vectors(folder: Path, classes: Classes, glove: Path) -> dict[str, object]:
    """Write ``word_vectors.npz``, and ``word_vectors.missing.csv`` with the words that have no vector.

    Returns:
        Facts of what was made.

    Raises:
        DataError: ``glove`` is no file of word vectors, or knows no word.
        RunError: a file cannot be written.
    """
    descriptions = [classes.names[each] for each in classes.ids]
    words = read_vectors(glove, needed_words(descriptions)).by_word()
    made = phrase_vectors(descriptions, words, glove)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["id", "description", "words without a vector", "any word known"])
    for each, description in zip(classes.ids, descriptions, strict=True):
        if lacking := made.missing.get(description):
            known = "no" if description in made.unknown else "yes"
            writer.writerow([each, description, " ".join(lacking), known])
    with atomic_write(folder / MISSING) as file:
        file.write(text.getvalue().encode())
    write_arrays(folder / BUILT, {"vectors": made.vectors, "ids": np.array(classes.ids)})
    return {
        "file": BUILT,
        "classes": len(classes.ids),
        "width": made.vectors.shape[1],
        "with words that have no vector": len(made.missing),
        "without any known word": len(made.unknown),
        "listed in": MISSING,
    }


def _of_pickle(path: Path, classes: Classes) -> Vectors:
    found = read_pickle(path, encoding="latin1")
    if not isinstance(found, list | tuple) or len(found) != 2:
        raise DataError(f"{path}: expected a list of two arrays.")
    counts = (len(classes.seen), len(classes.others))
    for array, count, what in zip(found, counts, ("seen classes", "other labels"), strict=True):
        if not isinstance(array, np.ndarray):
            raise DataError(f"{path}: expected a list of two arrays.")
        shape = (count, None)
        check_array(array, ArraySpec(shape=shape, kinds="f", finite=False), f"{path}: {what}")
    if found[0].shape[1] != found[1].shape[1]:
        raise DataError(f"{path}: rows of {found[0].shape[1]} and of {found[1].shape[1]} numbers.")
    return unit_rows(np.concatenate([found[0], found[1][classes.chosen]]), classes.tags, str(path))


def _of_arrays(path: Path, classes: Classes) -> Vectors:
    specs = {"vectors": ArraySpec(ndim=2, kinds="f"), "ids": ArraySpec(ndim=1, kinds="U")}
    arrays = read_npz(path, specs)
    if arrays["ids"].tolist() != list(classes.ids) or len(arrays["vectors"]) != len(classes.ids):
        raise DataError(
            f"{path} is of other classes than the class files, or of another order.",
            "Build it again: mlzoo data prepare open-images --glove FILE",
        )
    return unit_rows(arrays["vectors"], classes.tags, str(path))
