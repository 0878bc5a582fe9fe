"""What the package offers under its own name."""

from __future__ import annotations

import pytest

import mlzoo_multisk


@pytest.mark.parametrize("name", mlzoo_multisk.__all__)
def test_every_public_name_is_there_and_described(name):
    assert getattr(mlzoo_multisk, name).__doc__


def test_another_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no_such_name"):
        mlzoo_multisk.no_such_name  # noqa: B018
