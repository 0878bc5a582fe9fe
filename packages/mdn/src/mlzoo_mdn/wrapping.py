"""Metadata Normalization behind chosen parts of any network, without changing the network's code."""

from __future__ import annotations

import fnmatch
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from mlzoo.errors import UsageError, did_you_mean
from mlzoo_mdn import design_matrix
from mlzoo_mdn.methods import normalisation


class _Current(threading.local):
    """The metadata of the batch that this thread is working on."""

    metadata: Tensor | None = None


_current = _Current()


@contextmanager
def metadata_of(rows: Tensor | None) -> Iterator[None]:
    """The metadata [m, k] of the batch that wrapped models are called with inside this context.

    Example:
        >>> with metadata_of(torch.rand(4, 2)):
        ...     pass  # model(images)
    """
    outer = _current.metadata
    _current.metadata = rows
    try:
        yield
    finally:
        _current.metadata = outer


def wrap(
    module: nn.Module,
    layers: str | Sequence[str],
    metadata: Any,
    *,
    sample: Any,
    method: Literal["mdn", "recursive"] = "mdn",
    **options: Any,
) -> WithMetadata:
    """Put a normalisation layer behind parts of a network.

    The parts' outputs are replaced by what the layers make of them. The network itself stays as it
    is, with its names and weights, and :meth:`WithMetadata.unwrap` gives it back.

    Args:
        module: any network; it is changed in place (hooks), not copied.
        layers: names of parts as ``named_modules`` shows them, or patterns with ``*`` and ``?``
            (``*`` crosses dots).
        metadata: [N, k] of the whole training set; kept columns (labels) are by default column 0.
        sample: an input of the network, or a tuple of inputs, with at least one row: a forward in
            evaluation mode finds the shapes.
        method: ``"mdn"`` for :class:`MetadataNorm`, ``"recursive"`` for :class:`RecursiveMDN`.
        options: keyword arguments of the layers.

    Returns:
        A module to call as ``model(x, metadata)``, or as ``model(x)`` within :func:`metadata_of`.

    Raises:
        UsageError: a name that is not there, a part that is not called exactly once or that gives
            anything else than features by sample, or options that the layer refuses.
        DataError: metadata that are not finite, constant or collinear.

    Example:
        >>> network = nn.Sequential(nn.Conv3d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(32, 1))
        >>> metadata = torch.tensor([[0.0, 71.0], [1.0, 80.0], [0.0, 65.0], [1.0, 69.0]])
        >>> volumes = torch.randn(4, 1, 4, 4, 4)
        >>> model = wrap(network, ["0", "3"], metadata, sample=volumes[:1])
        >>> model(volumes, metadata).shape
        torch.Size([4, 1])
    """
    if isinstance(module, WithMetadata):
        raise UsageError("this network is wrapped already", "Name all its layers at once.")
    names = _chosen(module, [layers] if isinstance(layers, str) else list(layers))
    inputs = sample if isinstance(sample, tuple) else (sample,)
    outputs = _probe(module, names, inputs)
    norms = {}
    for name, output in outputs.items():
        shape = tuple(output.shape[1:])
        norms[name] = _layer(method, metadata, shape, options).to(output.device)
    return WithMetadata(module, norms)


class WithMetadata(nn.Module):
    """A network with normalisation layers behind some of its parts; made by :func:`wrap`.

    Its state dict holds the network's under ``module.`` and the layers' under ``norms.``.
    """

    def __init__(self, module: nn.Module, norms: dict[str, nn.Module]) -> None:
        super().__init__()
        self.module = module
        # Names of parts may hold dots, which a state dict's keys may not, or be a dict's own.
        self.norms = nn.ModuleDict({_key(name): norm for name, norm in norms.items()})
        self._handles: list[RemovableHandle] = [
            module.get_submodule(name).register_forward_hook(_Normalise(name, norm))
            for name, norm in norms.items()
        ]

    def forward(self, *inputs: Any, metadata: Tensor | None = None, **keywords: Any) -> Any:
        """The network's output.

        Args:
            inputs: the network's own, and the metadata [m, k] as the last one; without it, inside
                :func:`metadata_of` or where ``metadata`` is given by name.
            metadata: of this batch, raw columns as in the training set's table.
            keywords: the network's own.

        Raises:
            UsageError: no metadata, or metadata of another batch (not as many rows as samples).
        """
        if metadata is None and _current.metadata is None:
            if len(inputs) + len(keywords) < 2:
                raise UsageError(
                    "a wrapped network needs the batch's metadata",
                    "Call model(x, metadata), or model(x) inside `with metadata_of(rows):`.",
                )
            *inputs, metadata = inputs  # type: ignore[assignment]
        with metadata_of(_current.metadata if metadata is None else metadata):
            return self.module(*inputs, **keywords)

    def unwrap(self) -> nn.Module:
        """Take the layers away again; the network as it was given, with its present weights."""
        for handle in self._handles:
            handle.remove()
        self._handles = []
        return self.module


class _Normalise:
    """The forward hook; a class, so that copying a model copies the layer that it calls."""

    def __init__(self, name: str, norm: nn.Module) -> None:
        self.name, self.norm = name, norm

    def __call__(self, part: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> Tensor:
        metadata = _current.metadata
        if metadata is None:
            raise UsageError(
                f"the layer behind {self.name!r} has no metadata for this batch",
                "Call the wrapped model(x, metadata), or work inside `with metadata_of(rows):`.",
            )
        if len(metadata) != len(output):
            raise UsageError(
                f"the layer behind {self.name!r} has {len(output)} samples and metadata of "
                f"{len(metadata)}",
                "Give the rows of this batch; the last ones may still be in force.",
            )
        normalised: Tensor = self.norm(output, metadata)
        return normalised


def _key(name: str) -> str:
    return name.replace(".", "/") + "/norm"


def _layer(
    method: str, metadata: Any, shape: tuple[int, ...], options: dict[str, Any]
) -> nn.Module:
    if method not in ("mdn", "recursive"):
        hint = did_you_mean(str(method), ("mdn", "recursive"))
        raise UsageError(f"unknown method {method!r}", hint)
    if method == "mdn":  # whether a part's output may be overwritten is not known here
        options = {"inplace": False, **options}
    return normalisation(method, design_matrix.as_metadata(metadata), shape, **options)


def _chosen(module: nn.Module, patterns: Sequence[str]) -> list[str]:
    """Names of parts that fit the patterns, in the network's order."""
    names = [name for name, _ in module.named_modules() if name]
    if not patterns:
        raise UsageError("no layers are named", f"The network has {', '.join(names[:8])}.")
    chosen: set[str] = set()
    for pattern in patterns:
        found = fnmatch.filter(names, pattern)
        if not found:
            raise UsageError(
                f"the network has no part {pattern!r}.", did_you_mean(str(pattern), names)
            )
        chosen |= set(found)
    return [name for name in names if name in chosen]


def _probe(module: nn.Module, names: Sequence[str], inputs: tuple[Any, ...]) -> dict[str, Tensor]:
    """The output of every named part in one forward that leaves no trace."""
    outputs: dict[str, list[Any]] = {name: [] for name in names}
    handles = [
        module.get_submodule(name).register_forward_hook(
            lambda _, __, output, seen=outputs[name]: seen.append(output)
        )
        for name in names
    ]
    training = {part: part.training for part in module.modules()}
    module.eval()
    try:
        with torch.no_grad():
            module(*inputs)
    finally:
        for handle in handles:
            handle.remove()
        for part, mode in training.items():
            part.training = mode
    rows = next((len(value) for value in inputs if isinstance(value, Tensor)), None)
    for name, seen in outputs.items():
        if len(seen) != 1:
            raise UsageError(
                f"part {name!r} is called {len(seen)} times in a forward pass; a layer behind it "
                "needs exactly one call"
            )
        output = seen[0]
        if not isinstance(output, Tensor) or output.ndim < 2 or len(output) != rows:
            found = list(output.shape) if isinstance(output, Tensor) else type(output).__name__
            raise UsageError(
                f"part {name!r} gives {found} for {rows} samples; expected features [m, ...]"
            )
    return {name: seen[0] for name, seen in outputs.items()}
