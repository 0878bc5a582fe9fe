"""What several files of this room need."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def small_vgg(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Weights of a network like VGG-19 with few channels, which goes by that name here."""
    import torch

    from mlzoo.backbones import BACKBONES
    from mlzoo.backbones.registry import Backbone
    from mlzoo.backbones.vgg import VGG, Design, described

    design = Design(((4, 4), (4, 4), (4,) * 4, (6,) * 4, (6,) * 4), hidden=10)
    small = Backbone(
        name="vgg19", build=lambda n: VGG(design, n), describe=described, head="classifier.6"
    )
    monkeypatch.setitem(BACKBONES, "vgg19", small)
    torch.manual_seed(0)
    network = VGG(design, 3)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, 0.01, 0.35)
    path = tmp_path_factory.mktemp("weights") / "vgg19.pth"
    torch.save(network.state_dict(), path)
    return path
