"""The layers, the networks' training step and recalibration against plain formulations.

    python benchmarks/mdn_layer.py [--json FILE] [--device cuda] [--threads 1] [--repeats 9] [--quick]

"plain" is the layer as the formulas are written, its gradient left to autograd; "copy" is
``x * 1.0`` and its gradient, the least that any layer takes.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial

import torch
from _measure import Call, Row, arguments, compare, report
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from mlzoo_mdn.layer import MetadataNorm
from mlzoo_mdn.networks import ConfoundedClassifier, Network
from mlzoo_mdn.recalibration import recalibrate, running_statistics
from mlzoo_mdn.recursive import RecursiveMDN

TRAINING_SET = 2000
SHAPES = ((16, 28, 28), (32, 24, 24))


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
        if not self.training:
            effect = TRAINING_SET / len(x) * (design[:, 1:] @ self.beta[1:])
            return (features - effect).reshape(x.shape)
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

    def _normalised(self, name: str, x: Tensor, metadata: Tensor | None) -> Tensor:
        norm = getattr(self, name, None)
        return x if norm is None else norm(x, metadata)


def metadata_table() -> Tensor:
    label = (torch.arange(TRAINING_SET) % 2).float()
    return torch.stack([label, 1 + 2 * label + 3 * torch.rand(TRAINING_SET)], dim=1)


def same_layers(
    shape: tuple[int, ...], table: Tensor, device: str
) -> tuple[MetadataNorm, PlainMetadataNorm]:
    """Ours and the plain one, with the same running coefficients."""
    ours = MetadataNorm(table, shape)
    return ours.to(device), PlainMetadataNorm(table, ours.num_features).to(device)


def layer_row(shape: tuple[int, ...], batch: int, options: argparse.Namespace) -> Row:
    """Forward and backward of one layer [batch, *shape]."""
    device = options.device
    table = metadata_table()
    ours, plain = same_layers(shape, table, device)
    metadata = table[:batch].to(device)
    x = torch.randn(batch, *shape, device=device, requires_grad=True)
    grad = torch.randn(batch, *shape, device=device)
    batch_norm, group_norm = (
        nn.BatchNorm2d(shape[0]).to(device),
        nn.GroupNorm(4, shape[0]).to(device),
    )

    def step(forward: Callable[[Tensor], Tensor]) -> Call:
        def call() -> None:
            x.grad = None
            torch.autograd.backward(forward(x), grad)

        return call

    torch.testing.assert_close(ours(x, metadata), plain(x, metadata), rtol=1e-3, atol=1e-3)
    forwards: dict[str, Callable[[Tensor], Tensor]] = {
        "mlzoo": lambda x: ours(x, metadata),
        "plain": lambda x: plain(x, metadata),
        "batch norm": batch_norm,
        "group norm": group_norm,
        "copy": lambda x: x * 1.0,
    }
    return compare(
        f"layer {named(shape)}, m = {batch}, forward + backward",
        {name: step(forward) for name, forward in forwards.items()},
        options,
        against=("plain", "batch norm"),
        accelerated=True,
        gigabytes=6 * x.nbytes / 1e9,  # read, read and write x, and the same of its gradient
    )


def evaluation_row(shape: tuple[int, ...], batch: int, options: argparse.Namespace) -> Row:
    """Forward in evaluation mode."""
    table = metadata_table()
    ours, plain = (layer.eval() for layer in same_layers(shape, table, options.device))
    metadata = table[:batch].to(options.device)
    x = torch.randn(batch, *shape, device=options.device)

    def without_gradient(call: Call) -> Call:
        return torch.no_grad()(call)

    calls: dict[str, Call] = {
        "mlzoo": lambda: ours(x, metadata),
        "plain": lambda: plain(x, metadata),
    }
    return compare(
        f"layer {named(shape)}, m = {batch}, evaluation",
        {name: without_gradient(call) for name, call in calls.items()},
        options,
        against=("plain",),
        accelerated=True,
        gigabytes=2 * x.nbytes / 1e9,
    )


def step_row(batch: int, options: argparse.Namespace) -> Row:
    """One whole training step of Conv (forward, loss, backward, Adam)."""
    device = options.device
    table = metadata_table()
    metadata, target = table[:batch].to(device), table[:batch, :1].to(device)
    images = torch.randn(batch, 1, 32, 32, device=device)

    def step(model: ConfoundedClassifier) -> Call:
        model.to(device)
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)

        def call() -> None:
            logit, _ = model(images, metadata)
            loss = functional.binary_cross_entropy_with_logits(logit, target)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()

        return call

    calls = {
        "mlzoo": step(ConfoundedClassifier("conv", table)),
        "plain": step(PlainClassifier("conv", table)),
        "no layers": step(ConfoundedClassifier("baseline", table)),
    }
    with FlopCounterMode(display=False) as counter:
        calls["mlzoo"]()
    return compare(
        f"training step of Conv, m = {batch}",
        calls,
        options,
        against=("plain", "no layers"),
        accelerated=True,
        gflop=counter.get_total_flops() / 1e9,
    )


def recalibration_row(options: argparse.Namespace) -> Row:
    """Exact statistics of all layers of Conv over the training set."""
    count = 40 if options.quick else TRAINING_SET
    table = metadata_table()[:count]
    model = ConfoundedClassifier("conv", table).to(options.device)
    images = torch.randn(count, 1, 32, 32, device=options.device)
    batches = list(zip(images.split(200), table.to(options.device).split(200), strict=True))

    @torch.no_grad()
    def forward() -> None:
        model.eval()
        for batch in batches:
            model(*batch)

    recalibrate(model, batches)
    exact = running_statistics(model)
    plain_recalibration(model, batches)
    for name, found in running_statistics(model).items():
        torch.testing.assert_close(found, exact[name], rtol=1e-3, atol=1e-4)
    calls: dict[str, Call] = {
        "mlzoo": lambda: recalibrate(model, batches),
        "plain": lambda: plain_recalibration(model, batches),
        "a forward pass": forward,
    }
    what = f"exact statistics of Conv over {count} images"
    return compare(what, calls, options, against=("plain", "a forward pass"), accelerated=True)


def _keep_features(seen: list[Tensor], _: nn.Module, inputs: tuple[Tensor, Tensor]) -> None:
    seen.append(inputs[0].flatten(1).double())


@torch.no_grad()
def plain_recalibration(model: ConfoundedClassifier, batches: list[tuple[Tensor, Tensor]]) -> None:
    """All features of a layer side by side, then least squares; one layer after the other."""
    model.eval()
    for name in ("norm1", "norm2", "norm3"):
        layer: MetadataNorm = getattr(model, name)
        seen: list[Tensor] = []
        hook = layer.register_forward_pre_hook(partial(_keep_features, seen))
        for batch in batches:
            model(*batch)
        hook.remove()
        metadata = torch.cat([metadata for _, metadata in batches]).double()
        design = torch.cat([metadata, torch.ones_like(metadata[:, :1])], dim=1)  # [N, c]
        layer.coefficients = torch.linalg.lstsq(design, torch.cat(seen)).solution  # [c, F]


def recursion_row(shape: tuple[int, ...], batch: int, options: argparse.Namespace) -> Row:
    """One step of R-MDN over features [batch, *shape]: a c x c system, or as written m x m."""
    table = metadata_table()[:batch].double().to(options.device)
    x = torch.randn(batch, *shape, device=options.device)
    ours, plain = (RecursiveMDN(2, shape).to(options.device) for _ in "ab")

    @torch.no_grad()
    def as_written() -> None:
        rows, features = plain.design(table), x.flatten(1).double()  # [m, c], [m, F]
        prior = plain.covariance / plain.forgetting
        inner = torch.eye(batch, dtype=prior.dtype, device=prior.device) + rows @ prior @ rows.T
        gain = prior @ rows.T @ torch.linalg.inv(inner)  # [c, m]
        plain.coefficients += gain @ (features - rows @ plain.coefficients)
        eye = torch.eye(len(prior), dtype=prior.dtype, device=prior.device)
        plain.covariance.copy_(prior - gain @ rows @ prior + plain.regularisation * eye)
        plain.subtract(x, table, plain.coefficients)

    ours(x, table)
    as_written()
    torch.testing.assert_close(ours.coefficients, plain.coefficients, rtol=1e-3, atol=1e-4)
    calls: dict[str, Call] = {"mlzoo": lambda: ours(x, table), "plain": as_written}
    what = f"recursive step {named(shape)}, m = {batch}"
    return compare(what, calls, options, against=("plain",), accelerated=True)


def named(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def main() -> None:
    options = arguments(__doc__, repeats=9)
    batches = (20,) if options.quick else (200, 1000)
    rows = [layer_row(shape, batch, options) for shape in SHAPES for batch in batches]
    rows += [evaluation_row(shape, batches[0], options) for shape in SHAPES]
    rows.append(step_row(batches[0], options))
    rows.append(recalibration_row(options))
    rows += [recursion_row((84,), batch, options) for batch in batches]
    report(rows, options)


if __name__ == "__main__":
    main()
