"""The embedded mosaics: what is in a picture, and what training may know."""

from __future__ import annotations

import numpy as np
import pytest

from mlzoo_biam import digit_mosaics as module
from mlzoo_biam.dataset_config import MosaicOptions


@pytest.fixture(scope="module")
def data():
    return module.load(None, MosaicOptions())


def test_training_and_validation_pictures_hold_seen_tags_alone(data):
    assert (data.seen_count, len(data.tags)) == (32, 40)
    for part in (data.train, data.val):
        positives = part.own_labels.positives()
        assert (positives[data.seen] > 0).all()
        assert not positives[data.unseen].any()
    assert (data.test.own_labels.positives() > 0).all()


def test_every_digit_and_every_style_is_seen(data):
    seen = [tag.split(" ", 1) for tag in data.tags[data.seen]]
    assert {digit for digit, _ in seen} == set("0123456789")
    assert {style for _, style in seen} == set(module.STYLES)
    unseen = [tag.split(" ", 1) for tag in data.tags[data.unseen]]
    assert sorted(style for _, style in unseen) == sorted(2 * list(module.STYLES))
    assert len({digit for digit, _ in unseen}) == 8


def test_parts_are_of_different_handwriting(monkeypatch):
    """With a mark in every digit of the later writers, no cell of an earlier part has one."""
    digits, label = module._handwriting()
    marked = digits.copy()
    marked[1200:, 0, 0] = 40.0
    marked[1000:1200, 0, 0] = 20.0
    monkeypatch.setattr(module, "_handwriting", lambda: (marked, label))
    data = module.load(None, MosaicOptions())
    corner = {
        name: np.abs(data.part(name).read(slice(None))[0][:, 0]).max()
        for name in ("train", "val", "test")
    }
    assert corner["train"] < 10 < corner["val"] < 25 < corner["test"]


def test_labels_are_what_is_in_the_cells(monkeypatch):
    """With one written digit each and no noise, a picture is made of just its tags."""
    digits = np.zeros((1797, 8, 8), dtype=np.float32)
    label = np.arange(1797) % 10
    digits[np.arange(1797), 1 + label % 5, 1 + label // 5] = 0.75
    monkeypatch.setattr(module, "_handwriting", lambda: (digits, label))
    monkeypatch.setattr(module, "NOISE", 0.0)
    monkeypatch.setattr(module, "COUNTS", {"train": 40, "val": 10, "test": 40})
    data = module.load(None, MosaicOptions())
    tags = [tag.split(" ", 1) for tag in data.tags]
    cells = {
        module.styled(digits[int(digit)], module.STYLES.index(style)).tobytes(): number
        for number, (digit, style) in enumerate(tags)
    }
    assert len(cells) == 40
    for name in ("train", "test"):
        regions, _ = data.part(name).read(slice(None))  # [n, 64, 9]
        dense = data.part(name).own_labels.dense()
        for picture, own in zip(regions, dense, strict=True):
            filled = [cell for cell in picture.T if cell.any()]
            assert module.FEWEST <= len(filled) <= module.MOST
            found = {cells[np.ascontiguousarray(cell).tobytes()] for cell in filled}
            assert found == set(np.flatnonzero(own > 0))


def test_a_picture_is_put_together_from_its_regions():
    picture = np.arange(24 * 24, dtype=np.float32).reshape(24, 24) / 576
    cells = picture.reshape(3, 8, 3, 8).transpose(0, 2, 1, 3).reshape(9, 64)
    np.testing.assert_array_equal(module.picture(cells.T), picture)


def test_the_seed_of_the_data_decides_them(data):
    assert module.load(None, MosaicOptions()).fingerprint() == data.fingerprint()
    assert module.load(None, MosaicOptions(data_seed=1)).fingerprint() != data.fingerprint()


def test_references_are_the_shares_of_present_tags(data):
    chance = data.references()["zsl_map"]["chance"]
    share = 100 * data.test.own_labels.positives()[data.unseen].mean() / len(data.test)
    assert chance == pytest.approx(share, abs=1.0)
