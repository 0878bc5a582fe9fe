"""What several files of this room need."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def small_vgg(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Weights of a network like VGG-19 with few channels, which goes by that name here."""
    from small_vgg import AS_VGG19, write_weights

    from mlzoo.backbones import BACKBONES

    monkeypatch.setitem(BACKBONES, "vgg19", AS_VGG19)
    return write_weights(tmp_path_factory.mktemp("weights") / "vgg19.pth", AS_VGG19)
