"""Exact evaluation statistics: least squares over the whole training set, layer by layer.

The running coefficients of the "global" estimator are a noisy average, and the noise that one layer
leaves is what the next learns to remove, so that evaluation keeps a dependence on the confounder.
Least squares over the training set with the final weights has no such noise. A layer's features
depend on the statistics of all layers before it, hence one pass per layer, in forward order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from mlzoo.errors import DataError, UsageError
from mlzoo_mdn import design_matrix
from mlzoo_mdn.layer import MetadataNorm

Loader = Iterable[Any]
"""Yields tuples of positional arguments of the model; can be iterated again and again."""


def recalibrate(model: nn.Module, loader: Loader) -> dict[str, float]:
    """Overwrite all running coefficients of a model with exact ones.

    Each layer gets the least squares coefficients of its features, computed in evaluation mode with
    the exact statistics of all layers before it, on ``[kept, nuisance, 1]`` over all samples of
    the loader, summed in float64 (with the layer's ``ridge``). Deterministic, and independent of
    the loader's order and batch size up to rounding. The model's training mode is left as found.

    Args:
        model: called as ``model(*batch)``; its MetadataNorm layers must each run exactly once.
        loader: tuples of model arguments on the model's device, covering the training set once,
            not augmented, its last batch included; read once per layer.

    Returns:
        By layer name, in forward order: the distance of the old running coefficients from the new
        ones, relative to the norm of the new ones.

    Raises:
        UsageError: the loader cannot be iterated twice or does not cover the training set once; a
            layer is never called or called twice.
        DataError: a layer's metadata are collinear over the loader.

    After an error, also of the model or the loader, all statistics are as before.
    """
    layers = _metadata_norms(model)
    if not layers:
        return {}
    if iter(loader) is loader:
        raise UsageError(
            f"recalibrate reads the loader once per layer, a {type(loader).__name__} goes once",
            "Give a DataLoader or a list of batches.",
        )
    changes: dict[str, float] = {}
    # A compiled forward would not see hooks that are set after its compilation.
    eager = torch.compiler.set_stance("force_eager")
    with torch.no_grad(), _evaluation_mode(model), eager, _all_or_nothing(model):
        for name in _forward_order(model, layers, loader):
            layer = layers[name]
            exact = _least_squares(name, model, layer, loader)  # [c, F]
            size = exact.norm().clamp_min(torch.finfo(exact.dtype).tiny)
            changes[name] = float((layer.running - exact).norm() / size)
            layer.running.copy_(exact)
    return changes


def running_statistics(model: nn.Module) -> dict[str, Tensor]:
    """A copy of the running coefficients of every MetadataNorm layer, by layer name."""
    return {name: layer.running.clone() for name, layer in _metadata_norms(model).items()}


def load_running_statistics(model: nn.Module, statistics: Mapping[str, Tensor]) -> None:
    """Set the running coefficients from :func:`running_statistics`; names and shapes must fit."""
    layers = _metadata_norms(model)
    if layers.keys() != statistics.keys():
        raise UsageError(
            f"running statistics of {sorted(statistics)} do not fit a model with {sorted(layers)}"
        )
    for name, layer in layers.items():
        if statistics[name].shape != layer.running.shape:
            raise UsageError(
                f"running statistics of {name} must be {list(layer.running.shape)}, "
                f"got {list(statistics[name].shape)}"
            )
    for name, layer in layers.items():
        layer.running.copy_(statistics[name])


@contextmanager
def using_statistics(model: nn.Module, statistics: Mapping[str, Tensor]) -> Iterator[None]:
    """Evaluate with other running coefficients; the present ones come back at the end."""
    present = running_statistics(model)
    load_running_statistics(model, statistics)
    try:
        yield
    finally:
        load_running_statistics(model, present)


@contextmanager
def _all_or_nothing(model: nn.Module) -> Iterator[None]:
    present = running_statistics(model)
    try:
        yield
    except BaseException:
        load_running_statistics(model, present)
        raise


class _Reached(BaseException):
    """Ends a forward pass at the layer that is being recalibrated; never leaves this module."""


def _metadata_norms(model: nn.Module) -> dict[str, MetadataNorm]:
    return {name: m for name, m in model.named_modules() if isinstance(m, MetadataNorm)}


@contextmanager
def _evaluation_mode(model: nn.Module) -> Iterator[None]:
    training = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, mode in training.items():
            module.training = mode


@contextmanager
def _on_call(layer: MetadataNorm, action: Callable[[Tensor, Tensor], None]) -> Iterator[None]:
    """Call ``action(x, metadata)`` before the layer's forward, however its arguments are passed."""

    def hook(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        given = {**dict(zip(("x", "metadata"), args, strict=False)), **kwargs}
        layer.check(given["x"], given.get("metadata"))
        action(given["x"], given["metadata"])

    handle = layer.register_forward_pre_hook(hook, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()


def _batches(loader: Loader) -> Iterator[tuple[Any, ...]]:
    for batch in loader:
        if not isinstance(batch, tuple | list):
            raise UsageError(
                f"the loader must yield tuples of model arguments, got {type(batch).__name__}"
            )
        yield tuple(batch)


def _forward_order(
    model: nn.Module, layers: Mapping[str, MetadataNorm], loader: Loader
) -> list[str]:
    """The layers' names in the order in which the first batch reaches them."""
    called: list[str] = []
    handles = [
        layer.register_forward_pre_hook(lambda *_, name=name: called.append(name))
        for name, layer in layers.items()
    ]
    try:
        first = next(_batches(loader), None)
        if first is None:
            raise UsageError("the loader is empty", "Give the batches of the training set.")
        model(*first)
    finally:
        for handle in handles:
            handle.remove()
    for name in layers:
        if (times := called.count(name)) != 1:
            raise UsageError(
                f"MetadataNorm layer {name!r} is called {times} times in a forward pass",
                "Exact statistics need exactly one call: give every place a layer of its own.",
            )
    return called


def _least_squares(name: str, model: nn.Module, layer: MetadataNorm, loader: Loader) -> Tensor:
    """(Z^T Z)^-1 Z^T Y over the loader, Y the layer's input: [c, F] for the standardised design."""
    product = torch.zeros_like(layer.running)  # Z^T Y [c, F]
    designs: list[Tensor] = []

    def accumulate(x: Tensor, metadata: Tensor) -> None:
        rows = layer.design(metadata)  # [m, c]
        product.addmm_(rows.T, x.flatten(1).to(rows.dtype))
        designs.append(rows)
        raise _Reached

    with _on_call(layer, accumulate):
        for batch in _batches(loader):
            try:
                model(*batch)
            except _Reached:
                continue
            raise UsageError(f"MetadataNorm layer {name!r} is not called by every batch")
    rows = torch.cat(designs) if designs else layer.inverse_moment[:0]  # [N, c]
    if len(rows) != int(layer.dataset_size):
        raise UsageError(
            f"the loader gave {len(rows)} samples to layer {name!r}, "
            f"which was built for a training set of {int(layer.dataset_size)}",
            "Read the training set once and in full (drop_last=False, one process, no limit).",
        )
    try:
        inverse = design_matrix.inverse_moment(
            rows, layer.ridge, layer.column_names, intercept=layer.intercept
        )
    except DataError as error:
        raise DataError(f"layer {name!r}: {error.message}", error.fix) from None
    return inverse @ product / len(rows)
