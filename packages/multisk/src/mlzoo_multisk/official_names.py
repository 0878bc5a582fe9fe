"""What the published programs call the weights of these networks, and what they hold beside."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from mlzoo_multisk.networks import MultiSKNetwork, TokenNetwork

_MODALITY = "(text|video|audio)"

_RULES = (
    (rf"token_proj\.{_MODALITY}\.", r"\1_token_proj."),
    (rf"proj\.{_MODALITY}\.", r"\1_proj."),
    (rf"norm\.{_MODALITY}\.", r"\1_norm_layer."),
    (rf"pos_embed\.{_MODALITY}", r"\1_pos_embed"),
    (rf"fusion\.{_MODALITY}\.", r"fusion_\1."),
)
"""Ours, and theirs; every other name is the same."""

_NEVER_USED = re.compile(
    r"davenet\.batchnorm1\..+"  # at the audio network's input
    r"|fusion(_\w+)?\.norm\.(weight|bias)"  # after the transformer
    r"|fusion_(video|audio)\.masking_token"  # that of text stands in for all
    rf"|(trans_)?cluster_{_MODALITY}\.anc_(dist|linear\.bias)"
)
"""What the programs hold and never use."""

_OF_AUDIO = re.compile(r"davenet\..+|audio_.+|fusion_audio\..+|(trans_)?cluster_audio\..+")
_OF_ANCHORS = re.compile(rf"(trans_)?cluster_{_MODALITY}\..+")

TEXT_TWICE = ("fusion.", "fusion_text.")
"""Multi-SK's transformer of text is in its files under both names."""


def network_names(network: TokenNetwork) -> dict[str, str]:
    """Every parameter and buffer of a network: our name, and theirs."""
    return {
        name: _official(name, isinstance(network, MultiSKNetwork)) for name in network.state_dict()
    }


def anchor_names(anchors: nn.Module | None) -> dict[str, str]:
    """Every parameter of the anchors: our name, and theirs."""
    if anchors is None:
        return {}
    return {name: _of_anchors(name) for name, _ in anchors.named_parameters()}


def in_their_names(
    state: Mapping[str, Any], network: TokenNetwork, anchors: nn.Module | None
) -> dict[str, Any]:
    """The state of a model of ours, whose names begin with ``network.`` or ``anchors.``, in their names;
    anchors are left out where there are none to load."""
    of_each, names = isinstance(network, MultiSKNetwork), anchor_names(anchors)
    found = {}
    for whole, value in state.items():
        part, _, name = whole.partition(".")
        if part != "anchors":
            found[_official(name if part == "network" else whole, of_each)] = value
        elif name in names:
            found[names[name]] = value
    return found


def is_unused(name: str, network: TokenNetwork, anchors: nn.Module | None) -> bool:
    """Whether a name of theirs stands for nothing that this network, or these anchors, make use of."""
    if _NEVER_USED.fullmatch(name):
        return True
    if "audio" not in network.modalities and _OF_AUDIO.fullmatch(name):
        return True
    return anchors is None and _OF_ANCHORS.fullmatch(name) is not None


def unused(network: TokenNetwork, anchors: nn.Module | None) -> dict[str, Tensor]:
    """What the programs hold and never use, with the values that do nothing."""
    width = network.masking_token.shape[0]
    prefixes = ["fusion"]
    found: dict[str, Tensor] = {}
    if isinstance(network, MultiSKNetwork):
        prefixes = [f"fusion_{name}" for name in network.modalities]
        found = {f"{prefix}.masking_token": torch.zeros(width) for prefix in prefixes[1:]}
    for prefix in prefixes:
        found |= {f"{prefix}.norm.weight": torch.ones(width)}
        found |= {f"{prefix}.norm.bias": torch.zeros(width)}
    if "audio" in network.modalities:
        norm = nn.BatchNorm2d(1).state_dict()
        found |= {f"davenet.batchnorm1.{name}": value for name, value in norm.items()}
    for name, value in [] if anchors is None else anchors.named_parameters():
        layer = _of_anchors(name).removesuffix(".weight")
        found[f"{layer}.bias"] = torch.zeros(len(value))
        found[f"{layer.removesuffix('linear')}dist"] = torch.zeros(len(value))
    return found


def _official(name: str, of_each_modality: bool) -> str:
    """Of a name of a network; with a transformer of each modality, or with one of all."""
    if name == "masking_token":
        return "fusion_text.masking_token" if of_each_modality else "fusion.masking_token"
    for ours, theirs in _RULES:
        changed, count = re.subn(f"^{ours}", theirs, name)
        if count:
            return changed
    return name


def _of_anchors(name: str) -> str:
    """Of a name of the anchors, such as ``anchors.in_text``."""
    kind, modality = name.removeprefix("anchors.").split("_")
    return f"{'trans_' if kind == 'out' else ''}cluster_{modality}.anc_linear.weight"
