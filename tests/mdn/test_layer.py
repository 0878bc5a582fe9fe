"""MetadataNorm against recorded results, the plain formulas and its promised properties."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mlzoo.errors import DataError, UsageError
from mlzoo_mdn.layer import MetadataNorm

GOLDEN = Path(__file__).parents[1] / "golden" / "mdn"
ESTIMATORS = ("global", "batch", "control-variate")


def load_golden(name: str) -> dict[str, Any]:
    with np.load(GOLDEN / f"{name}.npz", allow_pickle=False) as file:
        return {key: torch.from_numpy(np.asarray(file[key])) for key in file.files}


def assert_close(actual: Tensor, expected: Tensor, tolerance: float) -> None:
    """Largest difference relative to the largest value."""
    scale = max(1e-30, float(expected.double().abs().max()))
    assert actual.shape == expected.shape
    assert float((actual.double() - expected.double()).abs().max()) <= tolerance * scale


def make_metadata(count: int = 60, confounders: int = 2, seed: int = 0) -> Tensor:
    """[label, confounders...]; the confounders depend on the label. float64."""
    generator = torch.Generator().manual_seed(seed)
    label = (torch.arange(count) % 2).double()
    noise = torch.randn(count, confounders, generator=generator, dtype=torch.float64)
    return torch.cat([label[:, None], 0.7 * label[:, None] + noise], dim=1)


def make_features(*shape: int, seed: int = 1, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (torch.randn(*shape, generator=generator, dtype=torch.float64) + 0.5).to(dtype)


def with_intercept(metadata: Tensor) -> Tensor:
    return torch.cat([metadata, torch.ones_like(metadata[:, :1])], dim=1)


def plain_norm(
    x: Tensor, metadata: Tensor, everyone: Tensor, running: Tensor, estimator: str, kept: int = 1
) -> tuple[Tensor, Tensor]:
    """The formulas as written, in raw units, gradients by autograd: (output, coefficients)."""
    design, full = with_intercept(metadata), with_intercept(everyone)  # [m, c], [N, c]
    features = x.reshape(len(x), -1)  # [m, F]
    if estimator == "batch":
        coefficients = torch.linalg.lstsq(design, features).solution
    else:
        kernel = torch.linalg.inv(full.T @ full)
        prior = running if estimator == "control-variate" else torch.zeros_like(running)
        residual = features - design @ prior
        coefficients = prior + len(full) / len(design) * kernel @ design.T @ residual
    out = features - design[:, kept:] @ coefficients[kept:]
    return out.reshape(x.shape), coefficients


# --- recorded results -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "tolerance"),
    [("layer_2d", 1e-5), ("layer_4d", 1e-5), ("layer_2d_multicov", 1e-5), ("layer_2d_f64", 1e-10)],
)
def test_training_and_evaluation_equal_recorded_results(name: str, tolerance: float) -> None:
    golden = load_golden(name)
    batch_size, momentum = int(golden["batch_size"]), float(golden["momentum"])
    x = golden["x"].requires_grad_()
    layer = MetadataNorm(
        golden["X_all"][:, :-1], x.shape[1:], momentum=momentum, batch_size=batch_size
    )
    layer.load_published_beta(golden["beta_before"], batch_size)
    metadata = golden["X_batch"][:, :-1]

    out = layer(x, metadata)
    out.backward(golden["grad_out"])

    assert out.dtype == x.dtype
    assert_close(out.detach(), golden["out_train"], tolerance)
    assert_close(x.grad, golden["grad_x_train"], tolerance)
    assert_close(layer.published_beta(batch_size), golden["beta_after"], tolerance)

    x.grad = None
    out = layer.eval()(x, metadata)
    out.backward(golden["grad_out"])
    assert_close(out.detach(), golden["out_eval"], tolerance)
    assert_close(x.grad, golden["grad_x_eval"], tolerance)


def test_running_statistic_follows_recorded_batches() -> None:
    golden = load_golden("running_beta")
    stand_in = golden["X"][:, :, :-1].flatten(
        0, 1
    )  # only the kernel of the training set is recorded
    layer = MetadataNorm(stand_in, 4, momentum=float(golden["momentum"]))
    layer.load_published_kernel(golden["kernel"], int(golden["dataset_size"]))
    for x, design, out, beta in zip(*(golden[k] for k in ("x", "X", "out", "beta")), strict=True):
        assert_close(layer(x, design[:, :-1]), out, 1e-5)
        assert_close(layer.published_beta(len(x)), beta, 1e-5)
    out = layer.eval()(golden["x_eval"], golden["X_eval"][:, :-1])
    assert_close(out, golden["out_eval"], 1e-5)
