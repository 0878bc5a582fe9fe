"""How a batch is cut, so that each image is encoded once and memory is bounded."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_contextual import small_part

from mlzoo_imagecode.pieces import pieces


def test_images_of_a_set_come_once_for_all_its_descriptions():
    part = small_part(3)  # sets of 1, 2 and 3 descriptions
    (piece,) = pieces(part, np.array([5, 0, 3, 1, 4, 2]), images_at_once=30)
    assert piece.images.tolist() == list(range(30))
    assert sorted(piece.rows.tolist()) == list(range(6))


@given(st.permutations(list(range(12))), st.integers(1, 60))
def test_every_description_comes_once_with_its_own_candidates(order, at_once):
    part = small_part(6)
    found = list(pieces(part, np.array(order), at_once))
    assert sorted(np.concatenate([p.rows for p in found]).tolist()) == sorted(order)
    for piece in found:
        np.testing.assert_array_equal(piece.images[piece.places], part.candidates[piece.rows])
        assert len(piece.images) <= max(at_once, part.choices)


def test_a_piece_has_one_description_at_least():
    part = small_part(3)
    found = list(pieces(part, np.arange(6), images_at_once=1))
    # Descriptions of a set share their images: they need no more of them.
    assert [len(p.rows) for p in found] == [1, 2, 3]


def test_random_candidates_are_shared_where_they_meet():
    part = small_part(4).taken(np.arange(4))
    other = part.candidates.copy()
    other[:, 1:] = other[:1, 1:]  # all have nine images in common
    (piece,) = pieces(replace(part, candidates=other), np.arange(4), images_at_once=40)
    assert len(piece.images) == len(np.unique(other))


def test_no_rows_are_no_pieces():
    assert not list(pieces(small_part(2), np.zeros(0, dtype=np.int64), 10))


@pytest.mark.parametrize("at_once", [10, 15, 20])
def test_pieces_hold_whole_sets_where_they_fit(at_once):
    part = small_part(6)
    for piece in pieces(part, np.arange(len(part)), at_once):
        for number in np.unique(part.set_of[piece.rows]):
            own = np.flatnonzero(part.set_of == number)
            assert set(own) <= set(piece.rows.tolist())
