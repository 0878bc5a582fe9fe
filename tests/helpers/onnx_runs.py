"""A model's ONNX network, run by torch and by onnxruntime."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch

from mlzoo import OnnxNetwork


def by_torch(network: OnnxNetwork, **inputs: np.ndarray) -> dict[str, np.ndarray]:
    """Outputs by name; of the examples, or of other inputs."""
    given = {name: torch.tensor(value) for name, value in inputs.items()}
    network.network.eval()
    with torch.no_grad():
        returned = network.network(*{**network.inputs, **given}.values())
    found = returned if isinstance(returned, tuple) else (returned,)
    return dict(zip(network.outputs, (each.numpy() for each in found), strict=True))


def by_onnxruntime(network: OnnxNetwork) -> Callable[..., dict[str, np.ndarray]]:
    """The same of a file that ``mlzoo export`` would write; called with inputs in place of the examples."""
    import onnxruntime

    from mlzoo.export.onnx import written

    with torch.no_grad():
        content, _, _ = written(network, {}, "the test")
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    examples = {name: value.numpy() for name, value in network.inputs.items()}

    def run(**inputs: np.ndarray) -> dict[str, np.ndarray]:
        outputs = session.run(None, {**examples, **inputs})
        return dict(zip(network.outputs, outputs, strict=True))

    return run


def assert_close(
    found: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray], share: float = 1e-4
) -> None:
    """Within a share of each array's largest value."""
    assert set(found) == set(expected)
    for name, value in expected.items():
        scale = np.abs(value).max()
        np.testing.assert_allclose(found[name], value, rtol=0, atol=share * scale, err_msg=name)
