"""ViLBERT and UNITER at their published sizes: text trimmed, and the text's own sublayers once a description.

    python benchmarks/imagecode_cross.py [--json FILE] [--device cuda] [--threads 1] [--repeats 2] [--quick]

One description and its ten images of 37 regions, or 15 descriptions on a GPU. Descriptions have 25 tokens, as
those of ImageCoDe in the mean (on a GPU 12 to 52). "text of 120" is padded to the published length, "once a
pair" runs the twelve sublayers of ViLBERT's text for each image anew, and "plain" are the formulas as they
stand, both ways. A last row is of those twelve sublayers alone. Weights are random, and larger than initial
ones, whose results hardly depend on the input. Dropout is off, so that all give the same. 3 GB on a CPU.
"""

from __future__ import annotations

import argparse
import gc
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from _measure import Call, Row, arguments, compare, report
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from mlzoo_imagecode.cross.encoder import Given, initialise, trimmed
from mlzoo_imagecode.cross.network import CrossNetwork
from mlzoo_imagecode.cross.scheme import uniter_values, vilbert_values
from mlzoo_imagecode.cross.scheme_reading import scheme_of
from mlzoo_imagecode.losses import matching_loss

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))
from plain_cross import plain_logits
from small_cross import as_pairs, weights_of

Settings = dict[str, Any]

TOKENS, REGIONS, IMAGES = 120, 37, 10
LENGTHS = {"cpu": [25], "cuda": [12, 15, 17, 19, 20, 21, 22, 24, 25, 26, 28, 31, 34, 40, 52]}
DEVIATION = 0.04
"""Of random weights."""


def descriptions(settings: Settings, device: str) -> Given:
    """Padded descriptions and the regions of their images."""
    lengths = torch.tensor(LENGTHS[device])
    count = len(lengths)
    mask = (torch.arange(TOKENS) < lengths[:, None]).long()
    images = count * IMAGES
    return Given(
        ids=torch.randint(1, settings["vocab_size"], (count, TOKENS)) * mask,
        mask=mask,
        features=torch.randn(images, REGIONS, settings["v_feature_size"]).relu(),
        spatials=torch.rand(images, REGIONS, settings["num_locs"]),
        image_mask=torch.ones(images, REGIONS, dtype=torch.long),
        places=torch.arange(images).view(count, IMAGES),
        positions=torch.arange(IMAGES).expand(count, IMAGES),
        temporal=torch.ones(count, dtype=torch.bool),
    )


def on(device: str, given: Given) -> Given:
    """The tensors there."""
    return Given(*(None if x is None else x.to(device) for x in given))  # type: ignore[arg-type]


def network_of(settings: Settings, device: str) -> CrossNetwork:
    """In the variant contra, without dropout; in training mode, in which ``once_in_training`` counts."""
    network = CrossNetwork(scheme_of(settings, "benchmark"), "contra", dropout=0.0).to(device)
    initialise(network, DEVIATION)
    return network.train()


def gflop(network: CrossNetwork, given: Given) -> float:
    """Of a forward."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(given)
    return float(counter.get_total_flops()) / 1e9


def check_same(
    calls: dict[str, Callable[[], Tensor]], network: CrossNetwork, gradients: bool
) -> None:
    """All calls give the same logits, and the same gradients."""
    found: dict[str, list[Tensor]] = {}
    for name, call in calls.items():
        network.zero_grad()
        found[name] = [call().detach()]
        if gradients:
            tensors = (network.bert.t_pooler.dense, network.bert.embeddings.LayerNorm)
            found[name] += [layer.weight.grad.clone() for layer in tensors]  # type: ignore[union-attr]
    first, *others = found.values()
    spread = float(first[0].std())
    for other in others:
        for one, same in zip(first, other, strict=True):
            scale = float(one.abs().max())
            torch.testing.assert_close(one, same, rtol=1e-4, atol=1e-4 * scale)
    most = max(float((first[0] - other[0]).abs().max()) for other in others)
    print(f"logits spread {spread:.3g}, differ by {most:.1g} at most", flush=True)


def training_row(name: str, settings: Settings, options: argparse.Namespace) -> Row:
    """Forward and backward."""
    device = options.device
    network = network_of(settings, device)
    padded = descriptions(settings, device)
    target = torch.zeros(len(padded.places), dtype=torch.long, device=device)
    short, padded = on(device, trimmed(padded)), on(device, padded)

    def step(given: Given, once: bool) -> Tensor:
        network.bert.once_in_training = once
        network.zero_grad()
        logits: Tensor = network(given)
        matching_loss(logits, target, "mean").backward()
        return logits

    longest = f"text of {padded.ids.shape[1]}"
    calls: dict[str, Callable[[], Tensor]] = {
        "mlzoo": lambda: step(short, True),
        longest: lambda: step(padded, True),
    }
    if network.bert.scheme.alone:
        calls["once a pair"] = lambda: step(short, False)
        calls[f"{longest}, once a pair"] = lambda: step(padded, False)
    check_same(calls, network, gradients=True)
    network.bert.once_in_training = True
    work = 3 * gflop(network, short)
    return compare(
        f"{name}, {short.places.numel()} pairs: forward and backward",
        dict[str, Call](calls),
        options,
        against=list(calls)[1:],
        accelerated=True,
        gflop=work,
    )


def scoring_row(name: str, settings: Settings, options: argparse.Namespace) -> Row:
    """Forward alone."""
    device = options.device
    network = network_of(settings, device)
    padded = descriptions(settings, device)
    short, padded = on(device, trimmed(padded)), on(device, padded)

    @torch.no_grad()
    def scores(given: Given, once: bool) -> Tensor:
        network.bert.once_in_training = once
        logits: Tensor = network(given)
        return logits

    @torch.no_grad()
    def plain() -> Tensor:
        return plain_logits(weights_of(network), settings, as_pairs(padded)).view(
            padded.places.shape
        )

    longest = f"text of {padded.ids.shape[1]}, once a pair"
    calls: dict[str, Callable[[], Tensor]] = {
        "mlzoo": lambda: scores(short, True),
        "once a pair": lambda: scores(short, False),
        longest: lambda: scores(padded, False),
        "plain": plain,
    }
    check_same(calls, network, gradients=False)
    network.bert.once_in_training = True
    work = gflop(network, short)
    return compare(
        f"{name}, {short.places.numel()} pairs: forward",
        dict[str, Call](calls),
        options,
        against=("once a pair", longest, "plain"),
        accelerated=True,
        gflop=work,
    )


def text_row(name: str, settings: Settings, options: argparse.Namespace) -> Row:
    """The sublayers of the text alone, forward."""
    network = network_of(settings, options.device)
    short = on(options.device, trimmed(descriptions(settings, options.device)))
    alone = network.bert.scheme.alone

    @torch.no_grad()
    def states(once: bool) -> Tensor:
        network.bert.once_in_training = once
        return network.bert.streams(short, alone).text

    calls: dict[str, Callable[[], Tensor]] = {
        "mlzoo": lambda: states(True),
        "once a pair": lambda: states(False),
    }
    check_same(calls, network, gradients=False)
    return compare(
        f"{name}, {short.places.numel()} pairs: embeddings and the text's own {alone} sublayers",
        dict[str, Call](calls),
        options,
        against=("once a pair",),
        accelerated=True,
    )


def main() -> None:
    options = arguments(__doc__, repeats=2)
    small = {"width": 32, "heads": 2, "feed_forward": 32, "layers": 1, "pooled": 16}
    regions = {"v_width": 32, "v_heads": 2, "v_feed_forward": 16, "text_layers": 1}
    tiny = options.quick
    uniter = uniter_values(dropout=0.0, **(small if tiny else {}))
    vilbert = vilbert_values(dropout=0.0, **(small | regions if tiny else {}))
    rows = []
    for row, name, settings in (
        (training_row, "UNITER", uniter),
        (training_row, "ViLBERT", vilbert),
        (scoring_row, "ViLBERT", vilbert),
        (text_row, "ViLBERT", vilbert),
    ):
        rows.append(row(name, settings, options))
        gc.collect()
    report(rows, options)


if __name__ == "__main__":
    main()
