"""How the descriptions of a batch are cut into pieces that fit into memory, with each image once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mlzoo_imagecode.contextual import Index, Part


@dataclass(frozen=True, eq=False)
class Piece:
    """Some descriptions of a batch.

    Attributes:
        rows: int64 [b], the descriptions.
        images: int64 [u], the images that any of them chooses among, each once.
        places: int64 [b, k], their candidates as rows of ``images``.
    """

    rows: Index
    images: Index
    places: Index


def pieces(part: Part, rows: Index, images_at_once: int) -> Iterator[Piece]:
    """Cut descriptions into pieces of at most so many images, or of those of one description.

    Descriptions of a set come together whatever their order in the batch, so that its images are encoded
    once: the gradient of a batch is a sum over descriptions and does not depend on the order.

    Args:
        part: whose descriptions.
        rows: int64 [n], which of them.
        images_at_once: bounds the images of a piece.
    """
    rows = rows[np.argsort(part.set_of[rows], kind="stable")]
    begin, seen = 0, set[int]()
    for end, candidates in enumerate(part.candidates[rows].tolist()):
        more = seen.union(candidates)
        if end > begin and len(more) > max(images_at_once, len(seen)):
            yield _piece(part, rows[begin:end])
            begin, more = end, set(candidates)
        seen = more
    if begin < len(rows):
        yield _piece(part, rows[begin:])


def _piece(part: Part, rows: Index) -> Piece:
    images, places = np.unique(part.candidates[rows], return_inverse=True)
    return Piece(rows, images, places.reshape(len(rows), part.choices))
