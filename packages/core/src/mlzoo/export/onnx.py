"""A model's feature-level network as an ONNX file, written only if it gives torch's numbers."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mlzoo.contracts import OnnxNetwork
from mlzoo.errors import MlzooError, PluginError, RunError
from mlzoo.export.provenance import FinishedRun, Made, compact, library, provenance
from mlzoo.registry import resolve
from mlzoo.rng import preserved_rng
from mlzoo.scoring import load_best
from mlzoo.session import build, require_same_data

FILE = "model.onnx"

TOLERANCE = 1e-4
"""How far an output may be from torch's, as a share of its largest value."""

Sizes: TypeAlias = dict[str, int]
"""Of axes, by name."""


def onnx_file(run: FinishedRun) -> Made:
    """The network that ``ModelSpec.onnx`` names, with its selected weights.

    onnxruntime's outputs are compared with torch's on the example inputs, and with other sizes of every
    axis that may have any.

    Raises:
        UsageError: the model has no such network under the run's options.
        DataError: the run's data are missing or damaged.
        RunError: a library is not installed, the data have changed, or the outputs differ.
        PluginError: the Ref breaks its contract, or torch cannot export the network.
    """
    for name in ("onnx", "onnxscript", "onnxruntime"):
        library(name)
    entry = run.plan.model_entry
    who = f"onnx of {entry.plugin}"
    with preserved_rng(), torch.no_grad():
        data = run.plan.load_data()
        require_same_data(run.record, data)
        model = build(run.plan, data, "cpu")
        load_best(model, run.record.directory, "best")
        try:
            network = resolve(run.plan.model.onnx or "", entry.plugin)(model, data)
        except (MlzooError, OSError, MemoryError):
            raise
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            raise PluginError(f"{who} failed: {reason}", "--debug shows where.") from error
        content, opset, compared = written(network, provenance(run), who)
    return Made(
        {FILE: content},
        {
            "opset": opset,
            "inputs": {name: _shape(network, name) for name in network.inputs},
            "outputs": list(network.outputs),
            "largest_relative_difference": max(compared.values()),
            "compared_at": list(compared),
        },
    )


def written(
    network: OnnxNetwork, said: Mapping[str, str], who: str
) -> tuple[bytes, int, dict[str, float]]:
    """The file's content, its opset, and the largest relative difference by sizes of the axes.

    Args:
        network: what to write.
        said: metadata of the file.
        who: is to blame.

    Raises:
        PluginError: the network breaks its contract, or torch cannot export it.
        RunError: onnxruntime's outputs differ from torch's.
    """
    _require_contract(network, who)
    network.network.eval()
    _outputs(network, network.inputs, who)
    proto = _exported(network, who)
    facts = {**said, "facts": compact(network.facts)}
    onnx = library("onnx")
    onnx.helper.set_model_props(proto, facts)
    try:
        content: bytes = proto.SerializeToString()
        onnx.checker.check_model(content)
    except Exception as error:  # more than 2 GB, or no valid graph
        reason = " ".join(str(error).split())
        raise PluginError(f"{who} makes no ONNX file: {reason}") from error
    return content, int(proto.opset_import[0].version), _compared(network, content, who)


def _require_contract(network: object, who: str) -> None:
    if not isinstance(network, OnnxNetwork):
        raise PluginError(f"{who} returned {type(network).__name__} instead of an OnnxNetwork.")
    if not network.inputs or not network.outputs:
        raise PluginError(f"{who} names no inputs or no outputs.")
    if twice := set(network.inputs) & set(network.outputs):
        raise PluginError(f"{who} names both an input and an output {sorted(twice)[0]!r}.")
    if unknown := set(network.axes) - set(network.inputs):
        raise PluginError(f"{who} names axes of {sorted(unknown)}, which are no inputs.")
    sizes: Sizes = {}
    for name, axes in network.axes.items():
        for axis, symbol in axes.items():
            size = network.inputs[name].shape[axis]
            if size < 2 or sizes.setdefault(symbol, size) != size:
                raise PluginError(
                    f"{who}: axis {axis} of {name!r}, {symbol}, is {size} in the example; it must be at "
                    f"least 2 and have one size everywhere."
                )


def _exported(network: OnnxNetwork, who: str) -> Any:
    """The graph, as torch.export sees the network."""
    symbols = {symbol for axes in network.axes.values() for symbol in axes.values()}
    sizes = {symbol: torch.export.Dim(symbol) for symbol in symbols}
    shapes = tuple(
        {axis: sizes[symbol] for axis, symbol in network.axes.get(name, {}).items()}
        for name in network.inputs
    )
    arguments = tuple(network.inputs.values())
    try:
        with _quiet():
            program = torch.export.export(
                network.network, arguments, dynamic_shapes=shapes, strict=False
            )
            made = torch.onnx.export(
                program,
                dynamo=True,
                input_names=list(network.inputs),
                output_names=list(network.outputs),
                verbose=False,
            )
        assert made is not None
        return made.model_proto
    except Exception as error:
        reason = (str(error).splitlines() or [""])[0]
        raise PluginError(
            f"{who}: torch cannot export the network: {type(error).__name__}: {reason}",
            "--debug shows where.",
        ) from error


def _outputs(network: OnnxNetwork, given: Mapping[str, Tensor], who: str) -> tuple[Tensor, ...]:
    """What torch makes of inputs."""
    returned = network.network(*given.values())
    found = returned if isinstance(returned, tuple) else (returned,)
    if len(found) != len(network.outputs) or not all(isinstance(each, Tensor) for each in found):
        kinds = ", ".join(type(each).__name__ for each in found)
        raise PluginError(
            f"{who} names {len(network.outputs)} outputs, its network returns {len(found)} ({kinds})."
        )
    return found


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's remarks on itself."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _compared(network: OnnxNetwork, content: bytes, who: str) -> dict[str, float]:
    """The largest relative difference, by the sizes it was seen at."""
    session = library("onnxruntime").InferenceSession(content, providers=["CPUExecutionProvider"])
    found: dict[str, float] = {}
    for sizes in _all_sizes(network):
        given = {
            name: _resized(value, network.axes.get(name, {}), sizes)
            for name, value in network.inputs.items()
        }
        expected = _outputs(network, given, who)
        where = ", ".join(f"{symbol} {size}" for symbol, size in sizes.items()) or "the examples"
        try:
            actual = session.run(None, {name: value.numpy() for name, value in given.items()})
        except Exception as error:
            reason = " ".join(str(error).split())
            raise RunError(
                f"onnxruntime cannot run the file at {where}: {reason} Nothing was written."
            ) from error
        found[where] = max(
            _difference(name, one.numpy(), other, where)
            for name, one, other in zip(network.outputs, expected, actual, strict=True)
        )
    return found


def _all_sizes(network: OnnxNetwork) -> Iterator[Sizes]:
    """As in the examples; then each axis short and longer."""
    own = {
        symbol: network.inputs[name].shape[axis]
        for name, axes in network.axes.items()
        for axis, symbol in axes.items()
    }
    yield own
    for symbol, size in own.items():
        yield {**own, symbol: 1}
        yield {**own, symbol: 2 * size + 1}


def _resized(value: Tensor, axes: Mapping[int, str], sizes: Sizes) -> Tensor:
    """Rows of the example, from the beginning and again from there."""
    for axis, symbol in axes.items():
        rows = torch.arange(sizes[symbol]) % value.shape[axis]
        value = value.index_select(axis, rows)
    return value.contiguous()


def _difference(
    name: str, expected: npt.NDArray[Any], actual: npt.NDArray[Any], where: str
) -> float:
    """The largest difference as a share of the largest value.

    Raises:
        RunError: it is more than :data:`TOLERANCE`, or the outputs cannot be compared.
    """
    if expected.shape != actual.shape:
        raise RunError(
            f"the ONNX file returns {name} of {list(actual.shape)} at {where}, torch of "
            f"{list(expected.shape)}. Nothing was written."
        )
    if not np.isfinite(expected).all():
        raise RunError(f"{name} is not finite at {where}: it cannot be compared.")
    one, other = expected.astype(np.float64), actual.astype(np.float64)
    scale = float(np.abs(one).max(initial=0.0))
    gap = float(np.abs(one - other).max(initial=0.0))
    relative = gap / scale if scale else gap
    if not relative <= TOLERANCE:  # NaN, too
        raise RunError(
            f"the ONNX file gives other numbers than torch: {name} differs by {relative:.2g} of its "
            f"largest value at {where}. Nothing was written."
        )
    return relative


def _shape(network: OnnxNetwork, name: str) -> list[str | int]:
    axes = network.axes.get(name, {})
    return [axes.get(axis, size) for axis, size in enumerate(network.inputs[name].shape)]
