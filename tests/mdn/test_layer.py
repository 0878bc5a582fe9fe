"""MetadataNorm against recorded results, the plain formulas and its promised properties."""

from __future__ import annotations

import copy
import doctest
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mlzoo.errors import DataError, UsageError
from mlzoo_mdn import layer as layer_module
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


# --- the formulas as written ------------------------------------------------------------------


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("shape", [(3,), (2, 4), (2, 3, 5)])
def test_output_gradient_and_running_statistic_equal_the_plain_formulas(
    estimator: Any, shape: tuple[int, ...]
) -> None:
    everyone = make_metadata()
    layer = MetadataNorm(everyone, shape, estimator=estimator, momentum=0.3)
    running = make_features(4, layer.num_features, seed=7)
    layer.coefficients = running
    for start in (0, 20, 40):
        metadata = everyone[start : start + 17]
        x = make_features(17, *shape, seed=start).requires_grad_()
        grad = make_features(17, *shape, seed=start + 1)
        twin = x.detach().clone().requires_grad_()

        out = layer(x, metadata)
        out.backward(grad)
        expected, estimate = plain_norm(twin, metadata, everyone, running, estimator)
        expected.backward(grad)
        running = (0.7 * running + 0.3 * estimate).detach()

        assert_close(out.detach(), expected.detach(), 1e-10)
        assert_close(x.grad, twin.grad, 1e-10)
        assert_close(layer.coefficients, running, 1e-10)


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("training", [True, False])
def test_gradient_passes_gradcheck(estimator: Any, training: bool) -> None:
    metadata = make_metadata(20)
    layer = MetadataNorm(metadata, (2, 2), estimator=estimator, momentum=0.0).train(training)
    layer.coefficients = make_features(4, 4, seed=5)
    x = make_features(6, 2, 2).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: layer(x, metadata[:6]), [x])


def test_second_derivative_is_refused_rather_than_wrong() -> None:
    metadata = make_metadata()
    x = make_features(60, 3).requires_grad_()
    out = MetadataNorm(metadata, 3)(x, metadata).square().sum()
    (grad,) = torch.autograd.grad(out, x, create_graph=True)
    with pytest.raises(RuntimeError, match="differentiate"):
        grad.sum().backward()


@pytest.mark.parametrize(
    ("kept", "nuisance"), [((), (0, 1, 2)), ((1,), (2, 0)), ((2, 0), (1,)), ((0, 1, 2), ())]
)
def test_any_set_of_columns_can_be_kept(kept: Any, nuisance: Any) -> None:
    everyone = make_metadata()
    metadata, order = everyone[:20], list(kept + nuisance)
    layer = MetadataNorm(everyone, 4, kept=kept, nuisance=nuisance, momentum=1.0)
    x = make_features(20, 4)
    expected, estimate = plain_norm(
        x, metadata[:, order], everyone[:, order], torch.zeros(4, 4).double(), "global", len(kept)
    )
    assert_close(layer(x, metadata), expected, 1e-10)
    assert_close(layer.coefficients, estimate, 1e-10)
    design = with_intercept(metadata[:, order])
    expected = x - design[:, len(kept) :] @ estimate[len(kept) :]
    assert_close(layer.eval()(x, metadata), expected, 1e-10)


def test_model_without_intercept_subtracts_only_the_nuisance_columns() -> None:
    everyone = make_metadata()
    metadata, x = everyone[:20], make_features(20, 4)
    layer = MetadataNorm(everyone, 4, intercept=False, momentum=1.0)
    kernel = torch.linalg.inv(everyone.T @ everyone)
    estimate = 60 / 20 * kernel @ metadata.T @ x
    assert_close(layer(x, metadata), x - metadata[:, 1:] @ estimate[1:], 1e-10)
    assert_close(layer.coefficients, estimate, 1e-10)


# --- properties of the method -----------------------------------------------------------------


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_full_batch_leaves_no_nuisance_effect_and_keeps_the_label_effect(estimator: Any) -> None:
    metadata, x = make_metadata(), make_features(60, 5)
    x = x + 2 * metadata[:, :1] + 3 * metadata[:, 1:2]
    design = with_intercept(metadata)
    before = torch.linalg.lstsq(design, x).solution
    after = torch.linalg.lstsq(
        design, MetadataNorm(metadata, 5, estimator=estimator)(x, metadata)
    ).solution
    torch.testing.assert_close(after[1:], torch.zeros_like(after[1:]), atol=1e-10, rtol=0)
    torch.testing.assert_close(after[:1], before[:1])


def test_batch_estimator_leaves_no_nuisance_effect_in_any_batch() -> None:
    everyone = make_metadata()
    layer = MetadataNorm(everyone, 5, estimator="batch")
    metadata = everyone[:9]
    out = layer(make_features(9, 5), metadata)
    left = torch.linalg.lstsq(with_intercept(metadata), out).solution[1:]
    torch.testing.assert_close(left, torch.zeros_like(left), atol=1e-10, rtol=0)


def test_evaluation_before_training_is_the_identity() -> None:
    metadata, x = make_metadata(), make_features(60, 2, 3)
    assert torch.equal(MetadataNorm(metadata, (2, 3)).eval()(x, metadata), x)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_permuted_rows_give_permuted_outputs(estimator: Any) -> None:
    metadata, x = make_metadata(), make_features(60, 3)
    order = torch.randperm(60, generator=torch.Generator().manual_seed(1))
    out = MetadataNorm(metadata, 3, estimator=estimator)(x, metadata)
    permuted = MetadataNorm(metadata, 3, estimator=estimator)(x[order], metadata[order])
    assert_close(permuted, out[order], 1e-12)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_batch_with_a_copy_of_itself_gives_the_same_outputs(estimator: Any) -> None:
    everyone = make_metadata()
    metadata, x = everyone[:16], make_features(16, 3)
    out = MetadataNorm(everyone, 3, estimator=estimator)(x, metadata)
    twice = MetadataNorm(everyone, 3, estimator=estimator)(
        torch.cat([x, x]), torch.cat([metadata, metadata])
    )
    assert_close(twice, torch.cat([out, out]), 1e-12)


def test_affine_change_of_the_nuisance_columns_changes_nothing() -> None:
    everyone, x = make_metadata(), make_features(20, 3)
    mixing = torch.tensor([[3.0, -1.0], [0.5, 2.0]], dtype=torch.float64)
    mixed = torch.cat([everyone[:, :1], everyone[:, 1:] @ mixing + 40.0], dim=1)
    for estimator in ESTIMATORS:
        out = MetadataNorm(everyone, 3, estimator=estimator)(x, everyone[:20])
        assert_close(MetadataNorm(mixed, 3, estimator=estimator)(x, mixed[:20]), out, 1e-10)


def test_float32_features_keep_their_digits_beside_a_year_column() -> None:
    everyone = make_metadata(200, confounders=1)
    years = everyone.clone()
    years[:, 1] = (2015 + 3 * everyone[:, 1]).round()
    x = make_features(50, 6)
    expected, _ = plain_norm(x, years[:50], years, torch.zeros(3, 6).double(), "global")
    layer = MetadataNorm(years.int(), 6)
    out = layer(x.float(), years[:50].float())
    assert_close(out, expected, 2e-6)
    plain, _ = plain_norm(x.float(), years[:50].float(), years.float(), torch.zeros(3, 6), "global")
    assert float((plain - expected).abs().max()) > 100 * float((out - expected).abs().max())


# --- batches ----------------------------------------------------------------------------------


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("count", [1, 2, 7])
def test_partial_batch_is_scaled_by_its_own_size(estimator: Any, count: int) -> None:
    everyone = make_metadata()
    layer = MetadataNorm(everyone, 3, estimator=estimator, momentum=1.0)
    metadata, x = everyone[:count], make_features(count, 3)
    out = layer(x, metadata)
    assert bool(out.isfinite().all())
    if estimator != "batch":
        expected, _ = plain_norm(x, metadata, everyone, torch.zeros(4, 3).double(), estimator)
        assert_close(out, expected, 1e-10)


def test_fixed_batch_size_scales_a_partial_batch_as_published() -> None:
    everyone = make_metadata()
    layer = MetadataNorm(everyone, 3, momentum=1.0, batch_size=10)
    metadata, x = everyone[:7], make_features(7, 3)
    design, full = with_intercept(metadata), with_intercept(everyone)
    beta = torch.linalg.inv(full.T @ full) @ design.T @ x
    assert_close(layer(x, metadata), x - 60 / 10 * design[:, 1:] @ beta[1:], 1e-10)
    assert_close(layer.published_beta(10), beta, 1e-10)


@pytest.mark.parametrize("rows", [[0, 2, 4, 6, 8], [3], [0, 0, 0]])
def test_batch_that_determines_nothing_takes_the_solution_nearest_to_the_running_one(
    rows: list[int],
) -> None:
    everyone = make_metadata(confounders=1)  # even rows: one class only
    layer = MetadataNorm(everyone, 3, estimator="batch", momentum=1.0)
    layer.coefficients = make_features(3, 3, seed=9)
    before = layer.running.clone()
    x = make_features(len(everyone), 3)[rows]
    design = layer.design(everyone[rows])
    layer(x, everyone[rows])
    expected = before + torch.linalg.pinv(design, rtol=1e-6) @ (x - design @ before)
    assert_close(layer.running, expected, 1e-6)


def test_evaluation_depends_neither_on_the_batch_nor_on_the_training_batch_size() -> None:
    metadata, x = make_metadata(), make_features(60, 3)
    layer = MetadataNorm(metadata, 3, batch_size=10)
    layer(x[:10], metadata[:10])
    layer.eval()
    out = layer(x, metadata)
    assert_close(
        torch.cat([layer(x[i : i + 7], metadata[i : i + 7]) for i in range(0, 60, 7)]), out, 1e-12
    )
    other = MetadataNorm(metadata, 3, batch_size=20).eval()
    other.load_state_dict(layer.state_dict())
    assert torch.equal(other(x, metadata), out)


def test_evaluation_never_reads_the_kept_columns() -> None:
    metadata, x = make_metadata(), make_features(60, 3)
    layer = MetadataNorm(metadata, 3, kept=(2, 0))
    layer(x, metadata)
    layer.eval()
    blind = metadata.clone()
    blind[:, [0, 2]] = torch.nan
    assert torch.equal(layer(x, blind), layer(x, metadata))


def test_evaluation_changes_no_state() -> None:
    metadata, x = make_metadata(), make_features(60, 3)
    layer = MetadataNorm(metadata, 3)
    layer(x, metadata)
    before = copy.deepcopy(layer.state_dict())
    layer.eval()(x, metadata)
    assert all(torch.equal(value, before[name]) for name, value in layer.state_dict().items())


def test_no_momentum_is_the_plain_average_of_all_batches() -> None:
    everyone, x = make_metadata(), make_features(60, 3)
    layer = MetadataNorm(everyone, 3, momentum=None)
    estimates = []
    for start in (0, 15, 30, 45):
        rows = slice(start, start + 15)
        layer(x[rows], everyone[rows])
        zero = torch.zeros(4, 3).double()
        estimates.append(plain_norm(x[rows], everyone[rows], everyone, zero, "global")[1])
        assert_close(layer.coefficients, torch.stack(estimates).mean(dim=0), 1e-12)


def test_state_round_trips_bit_for_bit_and_replaces_the_training_metadata() -> None:
    metadata, x = make_metadata(), make_features(60, 3)
    layer = MetadataNorm(metadata, 3, momentum=None)
    layer(x, metadata)
    other = MetadataNorm(make_metadata(90, seed=4), 3, momentum=None)
    other.load_state_dict(layer.state_dict())
    assert all(torch.equal(v, layer.state_dict()[k]) for k, v in other.state_dict().items())
    assert torch.equal(other(x[:9], metadata[:9]), layer(x[:9], metadata[:9]))
    assert torch.equal(other.published_beta(9), layer.published_beta(9))


def test_published_statistic_and_kernel_round_trip() -> None:
    metadata = make_metadata()
    layer = MetadataNorm(metadata + 5, 3)
    beta = make_features(4, 3)
    layer.load_published_beta(beta, batch_size=20)
    assert_close(layer.published_beta(20), beta, 1e-12)
    assert_close(layer.coefficients, 60 / 20 * beta, 1e-12)
    design = with_intercept(metadata)
    layer.load_published_kernel(torch.linalg.inv(design.T @ design), 60)
    x, metadata = make_features(20, 3), metadata[:20]
    assert_close(layer(x, metadata), MetadataNorm(make_metadata(), 3)(x, metadata), 1e-10)


# --- tensors of every kind --------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("training", [True, False])
def test_half_precision_features_are_normalised_in_float32(
    dtype: torch.dtype, training: bool
) -> None:
    metadata, x = make_metadata(), make_features(60, 3, dtype=dtype)
    layer = MetadataNorm(metadata, 3).train(training)
    layer.coefficients = make_features(4, 3)
    exact = copy.deepcopy(layer)(x.float(), metadata)
    out = layer(x, metadata)
    assert out.dtype == dtype
    assert torch.equal(out, exact.to(dtype))


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_autocast_changes_neither_output_nor_gradient(estimator: Any) -> None:
    metadata = make_metadata()
    results = []
    for enabled in (True, False):
        layer = MetadataNorm(metadata, 8, estimator=estimator)
        x = make_features(60, 8, dtype=torch.float32).requires_grad_()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
            out = layer(x, metadata)
            out.square().sum().backward()
            evaluated = layer.eval()(x, metadata)
        results.append((out, x.grad, layer.running, evaluated))
    for automatic, exact in zip(*results, strict=True):
        assert automatic.dtype == exact.dtype
        assert torch.equal(automatic, exact)


def test_cast_of_the_module_leaves_its_statistics_exact() -> None:
    metadata, x = make_metadata(), make_features(60, 3)
    layer = MetadataNorm(metadata, 3)
    layer(x, metadata)
    cast = nn.Sequential(copy.deepcopy(layer)).half().bfloat16().float()[0]
    for name, value in layer.state_dict().items():
        assert torch.equal(cast.state_dict()[name], value), name


@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.parametrize("training", [True, False])
def test_memory_layout_of_the_features_does_not_matter(inplace: bool, training: bool) -> None:
    metadata, x = make_metadata(), make_features(60, 4, 3, 5)
    layer = MetadataNorm(metadata, (4, 3, 5), inplace=inplace).train(training)
    layer.coefficients = make_features(4, 60)
    expected = copy.deepcopy(layer)(x.clone(), metadata)
    wide = make_features(60, 4, 3, 10)
    wide[..., ::2] = x
    layouts: tuple[Callable[[], Tensor], ...] = (
        lambda: x.to(memory_format=torch.channels_last),
        lambda: x.flip(0).clone().flip(0),
        lambda: wide[..., ::2],
        lambda: x.permute(1, 2, 3, 0).contiguous().permute(3, 0, 1, 2),
    )
    for layout in layouts:
        assert_close(copy.deepcopy(layer)(layout(), metadata), expected, 1e-12)


def test_in_place_output_overwrites_the_input_and_keeps_the_gradient() -> None:
    metadata, x = make_metadata(), make_features(60, 6, dtype=torch.float32)
    gradients = []
    for inplace in (False, True):
        producer = nn.Linear(6, 4)
        nn.init.constant_(producer.weight, 0.3)
        layer = MetadataNorm(metadata, 4, inplace=inplace)
        features = producer(x)
        out = layer(features, metadata)
        assert (out.data_ptr() == features.data_ptr()) == inplace
        torch.relu_(out).square().sum().backward()
        gradients.append(producer.weight.grad)
    torch.testing.assert_close(*gradients)


def test_in_place_output_is_refused_where_the_producer_needs_its_own() -> None:
    metadata = make_metadata()
    x = make_features(60, 4).requires_grad_()
    out = MetadataNorm(metadata, 4, inplace=True)(x.sigmoid(), metadata)
    with pytest.raises(RuntimeError, match="inplace"):
        out.sum().backward()


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_compiled_layer_equals_the_eager_one_without_a_graph_break(estimator: Any) -> None:
    metadata = make_metadata()
    layer = MetadataNorm(metadata, (2, 3), estimator=estimator, momentum=None)
    twin = copy.deepcopy(layer)
    torch._dynamo.reset()
    compiled = torch.compile(twin, backend="aot_eager", fullgraph=True)
    for start in (0, 30):
        x = make_features(30, 2, 3, seed=start).requires_grad_()
        y = x.detach().clone().requires_grad_()
        rows = metadata[start : start + 30]
        layer(x, rows).square().sum().backward()
        compiled(y, rows).square().sum().backward()
        torch.testing.assert_close(x.grad, y.grad)
    torch.testing.assert_close(layer.running, twin.running)


# --- metadata that cannot work ----------------------------------------------------------------


def test_collinear_columns_are_named() -> None:
    metadata = torch.cat([make_metadata(), make_features(60, 1)], dim=1)
    metadata[:, 3] = 2 * metadata[:, 1] - metadata[:, 0] + 5
    with pytest.raises(DataError, match="collinear") as raised:
        MetadataNorm(metadata, 3, names=("label", "age", "height", "years"))
    assert all(name in raised.value.message for name in ("label", "age", "years"))
    assert "height" not in raised.value.message
    assert "ridge" in raised.value.fix


def test_constant_column_is_named() -> None:
    metadata = make_metadata()
    metadata[:, 2] = 2015.1
    with pytest.raises(DataError, match="constant columns: year"):
        MetadataNorm(metadata, 3, names=("label", "age", "year"))
    MetadataNorm(metadata, 3, intercept=False)  # it then is the intercept


def test_fewer_samples_than_columns_are_refused() -> None:
    with pytest.raises(DataError, match="collinear over the 3 training samples"):
        MetadataNorm(make_metadata(3), 3)


def test_ridge_goes_on_with_constant_and_collinear_columns() -> None:
    metadata = torch.cat([make_metadata(), torch.full((60, 1), 7.0)], dim=1)
    metadata[:, 2] = 2 * metadata[:, 1]
    x = make_features(60, 3) + metadata[:, 1:2]
    for estimator in ESTIMATORS:
        out = MetadataNorm(metadata, 3, estimator=estimator, ridge=1e-6)(x, metadata)
        left = torch.linalg.lstsq(with_intercept(metadata[:, :2]), out).solution[1:]
        torch.testing.assert_close(left, torch.zeros_like(left), atol=1e-5, rtol=0)


@pytest.mark.parametrize("estimator", ["global", "batch"])
def test_ridge_is_ridge_regression_of_the_standardised_columns(estimator: Any) -> None:
    metadata, x = make_metadata(), make_features(60, 3)
    layer = MetadataNorm(metadata, 3, estimator=estimator, ridge=0.5, momentum=1.0)
    layer(x, metadata)
    centred = metadata - metadata.mean(dim=0)
    scale = metadata.std(dim=0, correction=0)
    rows = centred / scale
    penalty = 0.5 * 60 * torch.eye(3, dtype=torch.float64)
    slopes = torch.linalg.solve(rows.T @ rows + penalty, rows.T @ x) / scale[:, None]
    assert_close(layer.coefficients[:-1], slopes, 1e-10)
    assert_close(layer.coefficients[-1], x.mean(dim=0) - metadata.mean(dim=0) @ slopes, 1e-10)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kept": (3,)}, r"columns 0..2, got index \[3\]"),
        ({"kept": (-1,)}, r"got index \[-1\]"),
        ({"kept": (0, 0)}, r"columns \[0\] are named more than once"),
        ({"kept": (0,), "nuisance": (0, 1, 2)}, "more than once"),
        ({"kept": (0,), "nuisance": (1,)}, r"columns \[2\] are neither"),
        ({"kept": (0, 1, 2), "intercept": False}, "nothing to subtract"),
        ({"estimator": "globl"}, "unknown estimator 'globl'"),
        ({"momentum": 1.5}, "momentum"),
        ({"ridge": -1.0}, "ridge"),
        ({"batch_size": 0}, "batch_size"),
        ({"names": ("label",)}, "names has 1 entries for 3"),
    ],
)
def test_options_that_do_not_fit_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        MetadataNorm(make_metadata(), 3, **options)


@pytest.mark.parametrize(
    "metadata", [None, [["a"]], np.ones(4), np.ones((0, 2)), np.ones((2, 2)) * 1j]
)
def test_training_metadata_that_are_no_table_of_numbers_are_refused(metadata: Any) -> None:
    with pytest.raises(UsageError, match="metadata"):
        MetadataNorm(metadata, 3)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_training_metadata_that_are_not_finite_are_refused(value: float) -> None:
    metadata = make_metadata().numpy()
    metadata[5, 2] = value
    with pytest.raises(DataError, match=r"columns \[2\]"):
        MetadataNorm(metadata, 3)


def test_batches_that_do_not_fit_are_refused() -> None:
    metadata, x = make_metadata(), make_features(60, 2, 3)
    layer = MetadataNorm(metadata, (2, 3))
    with pytest.raises(UsageError, match="needs the batch's metadata, got NoneType"):
        layer(x, None)
    with pytest.raises(UsageError, match=r"must be \[60, 3\], got \[59, 3\]"):
        layer(x, metadata[:59])
    with pytest.raises(UsageError, match=r"must be \[60, 3\], got \[60, 4\]"):
        layer(x, with_intercept(metadata))
    with pytest.raises(UsageError, match=r"expected \(2, 3\), got \(3, 2\)"):
        layer(x.reshape(60, 3, 2), metadata)
    with pytest.raises(UsageError, match=r"floating point, got torch\.int64"):
        layer(x.long(), metadata)
    with pytest.raises(UsageError, match="empty batch"):
        layer(x[:0], metadata[:0])
    assert layer.eval()(x[:0], metadata[:0]).shape == (0, 2, 3)


def test_number_of_features_fits_any_shape_of_that_many() -> None:
    metadata, x = make_metadata(), make_features(60, 2, 3)
    expected = MetadataNorm(metadata, 6)(x.flatten(1), metadata)
    assert torch.equal(MetadataNorm(metadata, 6)(x, metadata).flatten(1), expected)
    with pytest.raises(UsageError, match=r"6 in all, got \(2,\)"):
        MetadataNorm(metadata, 6)(x[..., 0], metadata)


def test_example_of_the_documentation_runs() -> None:
    results = doctest.testmod(layer_module)
    assert results.attempted > 0
    assert results.failed == 0
