"""Time of the MetadataNorm layer and of the networks' training step against plain formulations.

    python benchmarks/mdn_layer.py [--threads 1] [--repeats 15] [--batches 200 1000] [--json FILE]

Every number is the least wall time of forward plus backward over interleaved repeats in one
process, so only ratios within a run mean anything. "plain" is the layer as the formulas are
written, its gradient left to autograd; "copy" is ``x * 1.0``, the memory floor.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from mlzoo_mdn.layer import MetadataNorm
from mlzoo_mdn.networks import ConfoundedClassifier, Network

TRAINING_SET = 2000
SHAPES = ((16, 28, 28), (32, 24, 24))
Step = Callable[[], object]


class PlainMetadataNorm(nn.Module):
    """B = K X^T Y; out = Y - s X[:, 1:] B[1:]; every term a tensor operation of its own."""

    kernel: Tensor
    beta: Tensor

    def __init__(self, metadata: Tensor, num_features: int) -> None:
        super().__init__()
        design = torch.cat([metadata, torch.ones_like(metadata[:, :1])], dim=1).double()
        self.register_buffer("kernel", torch.linalg.inv(design.T @ design).float())
        self.register_buffer("beta", torch.zeros(design.shape[1], num_features))

    def forward(self, x: Tensor, metadata: Tensor) -> Tensor:
        design = torch.cat([metadata, torch.ones_like(metadata[:, :1])], dim=1)  # [m, c]
        features = x.reshape(len(x), -1)  # [m, F]
        estimate = self.kernel @ (design.T @ features)  # [c, F]
        with torch.no_grad():
            self.beta = 0.9 * self.beta + 0.1 * estimate
        effect = TRAINING_SET / len(x) * (design[:, 1:] @ estimate[1:])
        return (features - effect).reshape(x.shape)


class PlainClassifier(ConfoundedClassifier):
    """The same network with plain layers and without overwritten buffers."""

    def __init__(self, network: Network, metadata: Tensor) -> None:
        super().__init__(network, metadata)
        for name, norm in list(self.named_children()):
            if isinstance(norm, MetadataNorm):
                setattr(self, name, PlainMetadataNorm(metadata, norm.num_features))

    def forward(self, x: Tensor, metadata: Tensor | None = None) -> tuple[Tensor, Tensor]:
        x = self._normalised("norm1", self.conv1(x), metadata).relu()
        x = self._normalised("norm2", self.conv2(x), metadata).relu()
        features = self._normalised("norm3", self.fc1(x.flatten(1)), metadata)
        return self.fc2(features.relu()), features


def metadata_table() -> Tensor:
    label = (torch.arange(TRAINING_SET) % 2).float()
    return torch.stack([label, 1 + 2 * label + 3 * torch.rand(TRAINING_SET)], dim=1)


def fastest(steps: dict[str, Step], repeats: int) -> dict[str, float]:
    """Least wall time of each step in ms; the steps take turns, after one round unmeasured."""
    times = dict.fromkeys(steps, float("inf"))
    for turn in range(repeats + 1):
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            if turn > 0:
                times[name] = min(times[name], 1e3 * (time.perf_counter() - start))
    return times


def layer_times(shape: tuple[int, ...], batch: int, repeats: int) -> dict[str, float]:
    """Forward and backward of one layer [batch, *shape], ms."""
    table = metadata_table()
    metadata = table[:batch]
    x = torch.randn(batch, *shape, requires_grad=True)
    grad = torch.randn(batch, *shape)
    fused = MetadataNorm(table, shape)
    plain = PlainMetadataNorm(table, fused.num_features)
    batch_norm, group_norm = nn.BatchNorm2d(shape[0]), nn.GroupNorm(4, shape[0])

    def step(forward: Callable[[Tensor], Tensor]) -> Step:
        def run() -> None:
            x.grad = None
            torch.autograd.backward(forward(x), grad)

        return run

    forwards: dict[str, Callable[[Tensor], Tensor]] = {
        "fused": lambda x: fused(x, metadata),
        "plain": lambda x: plain(x, metadata),
        "batch norm": batch_norm,
        "group norm": group_norm,
        "copy": lambda x: x * 1.0,
    }
    return fastest({name: step(forward) for name, forward in forwards.items()}, repeats)


def training_times(network: Network, batch: int, repeats: int) -> dict[str, float]:
    """One whole training step (forward, loss, backward, Adam), ms."""
    table = metadata_table()
    metadata, target = table[:batch], table[:batch, :1]
    images = torch.randn(batch, 1, 32, 32)

    def step(model: ConfoundedClassifier) -> Step:
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)

        def run() -> None:
            logit, _ = model(images, metadata)
            loss = functional.binary_cross_entropy_with_logits(logit, target)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()

        return run

    models = {
        "fused": ConfoundedClassifier(network, table),
        "plain": PlainClassifier(network, table),
    }
    return fastest({name: step(model) for name, model in models.items()}, repeats)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--batches", type=int, nargs="+", default=[200, 1000])
    parser.add_argument("--json", type=Path, help="write the times there as well")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)

    rows = []
    print(f"torch {torch.__version__}, {arguments.threads} thread(s); forward + backward in ms")
    for shape in SHAPES:
        for batch in arguments.batches:
            times = layer_times(shape, batch, arguments.repeats)
            rows.append({"what": "layer", "shape": shape, "batch": batch, "ms": times})
            show(f"layer {'x'.join(map(str, shape))}", batch, times)
    for network in ("baseline", "linear", "conv"):
        times = training_times(network, arguments.batches[0], max(3, arguments.repeats // 3))
        rows.append(
            {"what": "step", "network": network, "batch": arguments.batches[0], "ms": times}
        )
        show(f"training step {network}", arguments.batches[0], times)
    if arguments.json:
        machine = {"torch": torch.__version__, "cpu": platform.processor() or platform.machine()}
        facts = {**machine, "threads": arguments.threads, "repeats": arguments.repeats}
        arguments.json.write_text(json.dumps({**facts, "rows": rows}, indent=1) + "\n")


def show(what: str, batch: int, times: dict[str, float]) -> None:
    fused = times["fused"]
    ratios = ", ".join(
        f"{name} {value:.1f} ({value / fused:.2f}x)" for name, value in times.items()
    )
    print(f"{what:24} m={batch:<5} {ratios}")


if __name__ == "__main__":
    main()
