"""What the package offers under its own name."""

from __future__ import annotations

import pytest

import mlzoo_imagecode


@pytest.mark.parametrize("name", mlzoo_imagecode.__all__)
def test_every_public_name_is_there_and_described(name):
    assert getattr(mlzoo_imagecode, name).__doc__


def test_another_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no_such_name"):
        mlzoo_imagecode.no_such_name  # noqa: B018
