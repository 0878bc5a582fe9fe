"""The family's layers and losses against plain formulations, in float64."""

from __future__ import annotations

import copy
import doctest

import pytest
import torch
from torch import Tensor, nn

from mlzoo.errors import DataError, UsageError
from mlzoo_mdn import recursive as recursive_module
from mlzoo_mdn.adversary import (
    CorrelationAdversary,
    GradientReversal,
    squared_correlation,
    squared_error,
)
from mlzoo_mdn.penalty import NormalisedPenaltyMDN, PenaltyLoss, PenaltyMDN
from mlzoo_mdn.recursive import RecursiveMDN
from mlzoo_mdn.residualise import Residualise


def make_metadata(count: int, confounders: int = 2, seed: int = 0) -> Tensor:
    """[label, confounders...]; the confounders depend on the label. float64."""
    generator = torch.Generator().manual_seed(seed)
    label = (torch.arange(count) % 2).double()
    noise = torch.randn(count, confounders, generator=generator, dtype=torch.float64)
    return torch.cat([label[:, None], 0.7 * label[:, None] + noise], dim=1)


def make_features(*shape: int, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64) + 0.5


def with_intercept(metadata: Tensor) -> Tensor:
    return torch.cat([metadata, torch.ones_like(metadata[:, :1])], dim=1)


# --- recursive ----------------------------------------------------------------------------------


def plain_recursion(
    batches: list[tuple[Tensor, Tensor]], forgetting: float, regularisation: float, start: float
) -> tuple[list[Tensor], Tensor, Tensor]:
    """The update as written, with the m x m inverse: outputs, coefficients, covariance."""
    size = batches[0][1].shape[1] + 1
    covariance = start * torch.eye(size, dtype=torch.float64)
    coefficients = torch.zeros(size, batches[0][0].shape[1], dtype=torch.float64)
    outputs = []
    for features, metadata in batches:
        design = with_intercept(metadata)  # [m, c]
        covariance = covariance / forgetting
        inner = torch.eye(len(design), dtype=torch.float64) + design @ covariance @ design.T
        gain = covariance @ design.T @ torch.linalg.inv(inner)  # [c, m]
        coefficients = coefficients + gain @ (features - design @ coefficients)
        covariance = covariance - gain @ design @ covariance
        covariance = covariance + regularisation * torch.eye(size, dtype=torch.float64)
        outputs.append(features - design[:, 1:] @ coefficients[1:])
    return outputs, coefficients, covariance


def batches_of(sizes: tuple[int, ...], width: int = 5) -> list[tuple[Tensor, Tensor]]:
    features = make_features(sum(sizes), width)
    metadata = make_metadata(sum(sizes))
    features = features + metadata @ make_features(3, width, seed=2)
    return list(zip(features.split(sizes), metadata.split(sizes), strict=True))


@pytest.mark.parametrize("forgetting", [1.0, 0.999, 0.7])
@pytest.mark.parametrize("regularisation", [0.0, 1e-4, 0.1])
def test_recursion_equals_the_formulas_with_the_large_inverse(
    forgetting: float, regularisation: float
) -> None:
    batches = batches_of((7, 2, 1, 30))
    layer = RecursiveMDN(3, 5, forgetting=forgetting, regularisation=regularisation)
    outputs, coefficients, covariance = plain_recursion(batches, forgetting, regularisation, 100.0)
    for (features, metadata), expected in zip(batches, outputs, strict=True):
        torch.testing.assert_close(layer(features, metadata), expected, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(layer.coefficients, coefficients, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(layer.covariance, covariance, rtol=1e-9, atol=1e-9)


def test_recursion_without_forgetting_is_ridge_regression_of_everything_seen() -> None:
    batches = batches_of((9, 3, 20))
    layer = RecursiveMDN(3, 5, forgetting=1.0, regularisation=0.0, initial_covariance=4.0)
    for features, metadata in batches:
        layer(features, metadata)
    design = with_intercept(torch.cat([metadata for _, metadata in batches]))
    everything = torch.cat([features for features, _ in batches])
    penalised = design.T @ design + torch.eye(4, dtype=torch.float64) / 4.0
    expected = torch.linalg.solve(penalised, design.T @ everything)
    torch.testing.assert_close(layer.coefficients, expected, rtol=1e-10, atol=1e-10)


def test_recursion_from_a_wide_prior_is_least_squares_however_it_is_batched() -> None:
    for sizes in ((32,), (4,) * 8, (1,) * 32):
        batches = batches_of(sizes)
        layer = RecursiveMDN(3, 5, forgetting=1.0, regularisation=0.0, initial_covariance=1e8)
        for features, metadata in batches:
            layer(features, metadata)
        design = with_intercept(torch.cat([metadata for _, metadata in batches]))
        expected = torch.linalg.lstsq(design, torch.cat([f for f, _ in batches])).solution
        torch.testing.assert_close(layer.coefficients, expected, rtol=1e-6, atol=1e-6)


def test_evaluation_uses_the_last_coefficients_and_neither_reads_the_label_nor_learns() -> None:
    (features, metadata), (others, rows) = batches_of((20, 6))
    layer = RecursiveMDN(3, 5)
    layer(features, metadata)
    layer.eval()
    before = copy.deepcopy(layer.state_dict())
    expected = others - with_intercept(rows)[:, 1:] @ layer.coefficients[1:]
    torch.testing.assert_close(layer(others, rows), expected)
    rows = rows.clone()
    rows[:, 0] = 7.0
    torch.testing.assert_close(layer(others, rows), expected)
    assert all(torch.equal(value, before[name]) for name, value in layer.state_dict().items())


def test_gradient_passes_the_recursion_as_it_is() -> None:
    ((features, metadata),) = batches_of((12,))
    features = features.clone().requires_grad_()
    layer = RecursiveMDN(3, 5)
    weight = make_features(12, 5, seed=4)
    (layer(features, metadata) * weight).sum().backward()
    torch.testing.assert_close(features.grad, weight)
    assert not list(layer.parameters())


def test_state_of_the_recursion_survives_saving_moving_and_casting() -> None:
    first, second = batches_of((12, 9))
    layer, other = RecursiveMDN(3, 5), RecursiveMDN(3, 5)
    layer(*first)
    other.load_state_dict(layer.state_dict())
    other = nn.Sequential(other).half().float()[0]
    assert other.covariance.dtype == torch.float64
    torch.testing.assert_close(other(*second), layer(*second), rtol=0, atol=0)


def test_recursion_of_images_keeps_shape_and_type_also_under_autocast() -> None:
    metadata = make_metadata(16)
    images = make_features(16, 2, 3, 4).float()
    plain, automatic = RecursiveMDN(3, (2, 3, 4)), RecursiveMDN(3, (2, 3, 4))
    expected = plain(images, metadata)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = automatic(images, metadata)
    assert out.dtype == torch.float32
    assert out.shape == images.shape
    assert torch.equal(out, expected)
    assert automatic(images.bfloat16(), metadata).dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"forgetting": 0.0}, "forgetting"),
        ({"forgetting": 1.1}, "forgetting"),
        ({"regularisation": -1.0}, "regularisation"),
        ({"initial_covariance": 0.0}, "initial_covariance"),
        ({"kept": (5,)}, "columns 0..2"),
        ({"num_features": 0}, "num_features"),
        ({"columns": 0}, "at least one"),
    ],
)
def test_options_that_cannot_work_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        RecursiveMDN(**{"columns": 3, "num_features": 5, **options})  # type: ignore[arg-type]


def test_batches_that_do_not_fit_are_refused() -> None:
    layer = RecursiveMDN(3, (2, 3))
    x, metadata = make_features(6, 2, 3), make_metadata(6)
    with pytest.raises(UsageError, match="RecursiveMDN needs the batch's metadata, got NoneType"):
        layer(x, None)
    with pytest.raises(UsageError, match=r"must be \[6, 3\], got \[5, 3\]"):
        layer(x, metadata[:5])
    with pytest.raises(UsageError, match=r"expected \(2, 3\), got \(3, 2\)"):
        layer(x.reshape(6, 3, 2), metadata)
    with pytest.raises(UsageError, match="floating point"):
        layer(x.long(), metadata)


def test_example_of_the_documentation_runs() -> None:
    assert doctest.testmod(recursive_module).attempted > 0
    assert not doctest.testmod(recursive_module).failed


# --- penalty ------------------------------------------------------------------------------------


def penalty_layer(metadata: Tensor, width: int = 4) -> PenaltyMDN:
    layer = PenaltyMDN(metadata, width).double()
    layer.coefficients.data = make_features(metadata.shape[1] + 1, width, seed=6)
    return layer


def test_penalty_and_task_each_train_their_own_part() -> None:
    metadata = make_metadata(20)
    features = make_features(20, 4).requires_grad_()
    layer = penalty_layer(metadata)
    out = layer(features, metadata)
    assert layer.fit_error is not None
    (out.square().sum() + layer.fit_error).backward()

    design = layer.design(metadata)
    coefficients = layer.coefficients.detach()
    torch.testing.assert_close(features.grad, 2 * out.detach())
    unexplained = features.detach() - design @ coefficients
    torch.testing.assert_close(layer.coefficients.grad, -2 * design.T @ unexplained / 20)


def test_subtraction_is_that_of_the_metadata_in_raw_units() -> None:
    metadata = make_metadata(20)
    features = make_features(20, 4)
    layer = penalty_layer(metadata).eval()
    slopes = layer.coefficients[:3] / layer.scale[:, None]
    intercept = layer.coefficients[3] - layer.centre @ slopes
    expected = features - metadata[:, 1:] @ slopes[1:] - intercept
    torch.testing.assert_close(layer(features, metadata), expected)
    assert layer.fit_error is None


def test_descent_on_the_penalty_finds_least_squares() -> None:
    metadata, features = make_metadata(40), make_features(40, 4)
    layer = PenaltyMDN(metadata, 4).double()
    optimizer = torch.optim.Adam([layer.coefficients], lr=0.045)
    for _ in range(1500):
        layer(features, metadata)
        optimizer.zero_grad()
        assert layer.fit_error is not None
        layer.fit_error.backward()
        optimizer.step()
    expected = torch.linalg.lstsq(layer.design(metadata), features).solution
    torch.testing.assert_close(layer.coefficients.detach(), expected, rtol=1e-4, atol=1e-4)


def test_gradient_of_the_normalised_penalty_layer_is_that_of_autograd() -> None:
    metadata = make_metadata(5)
    layer = NormalisedPenaltyMDN(metadata, (2, 3)).double()
    features = make_features(5, 2, 3).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: layer(x, metadata), (features,))


def test_penalty_is_the_mean_over_layers_and_asks_for_a_forward() -> None:
    metadata, features = make_metadata(8), make_features(8, 4)
    network = nn.ModuleList([penalty_layer(metadata), penalty_layer(metadata)])
    loss = PenaltyLoss(network)
    with pytest.raises(UsageError, match="2 PenaltyMDN layers took no part"):
        loss(features, metadata)
    errors = []
    for layer in network:
        layer(features * (1 + len(errors)), metadata)
        errors.append(layer.fit_error)
    torch.testing.assert_close(loss(features, metadata)["fit_error"], sum(errors) / 2)
    with pytest.raises(UsageError, match="took no part"):
        loss(features, metadata)
    with pytest.raises(UsageError, match="needs a network with PenaltyMDN"):
        PenaltyLoss(nn.Linear(2, 2))


# --- adversaries --------------------------------------------------------------------------------


def test_reversed_gradient_trains_regressor_down_and_encoder_up() -> None:
    metadata, features = make_metadata(12), make_features(12, 6).requires_grad_()
    adversary = GradientReversal(metadata, 6, weight=0.3, samples="all").double()
    adversary(features, metadata)["confounder_error"].backward()
    found = features.grad, adversary.regressor[0].weight.grad

    plain = features.detach().clone().requires_grad_()
    adversary.zero_grad()
    confounders = (metadata[:, 1:] - metadata[:, 1:].mean(dim=0)) / metadata[:, 1:].std(
        dim=0, correction=0
    )
    (adversary.regressor(plain) - confounders).square().mean().backward()
    torch.testing.assert_close(found[0], -0.3 * plain.grad, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(found[1], adversary.regressor[0].weight.grad, rtol=1e-6, atol=1e-6)


def test_correlation_trains_the_encoder_and_error_the_regressor() -> None:
    metadata, features = make_metadata(12), make_features(12, 6).requires_grad_()
    adversary = CorrelationAdversary(metadata, 6, weight=0.5).double()
    losses = adversary(features, metadata)
    sum(losses.values()).backward()  # type: ignore[union-attr]
    found = features.grad, adversary.regressor[2].weight.grad

    controls = metadata[:, 0] == 0
    confounders, _ = adversary.targets(metadata)
    plain = features.detach().clone().requires_grad_()
    predicted = adversary.regressor(plain)[controls]
    pairs = zip(predicted.T, confounders[controls].T, strict=True)
    correlations = [torch.corrcoef(torch.stack(pair))[0, 1] ** 2 for pair in pairs]
    correlation = 0.5 * torch.stack(correlations).mean()
    torch.testing.assert_close(losses["correlation"], correlation, rtol=1e-6, atol=1e-6)
    (gradient,) = torch.autograd.grad(correlation, plain, retain_graph=True)
    torch.testing.assert_close(found[0], gradient, rtol=1e-6, atol=1e-6)
    error = (predicted - confounders[controls]).square().mean()
    torch.testing.assert_close(losses["confounder_error"], error)
    (gradient,) = torch.autograd.grad(error, adversary.regressor[2].weight)
    torch.testing.assert_close(found[1], gradient)


@pytest.mark.parametrize("kind", [GradientReversal, CorrelationAdversary])
def test_batch_without_controls_gives_zero_and_no_gradient(kind: type[GradientReversal]) -> None:
    metadata, features = make_metadata(12), make_features(12, 6).requires_grad_()
    adversary = kind(metadata, 6).double()
    metadata[:, 0] = 1
    losses = adversary(features, metadata)
    sum(losses.values()).backward()  # type: ignore[union-attr]
    assert all(not loss.detach().any() for loss in losses.values())
    assert not features.grad.any()  # type: ignore[union-attr]


def test_squared_correlation_passes_gradcheck_and_is_zero_without_spread() -> None:
    true, counted = make_features(9, 2, seed=3), (torch.arange(9) < 6).double()[:, None]
    predicted = make_features(9, 2).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda values: squared_correlation(values, true, counted), (predicted,)
    )
    torch.testing.assert_close(
        squared_correlation(true * -3 + 1, true, counted), torch.ones(()).double()
    )
    assert float(squared_correlation(torch.ones_like(true), true, counted)) == 0
    assert float(squared_error(true, true, 0 * counted)) == 0


def test_adversary_without_a_confounder_is_refused() -> None:
    with pytest.raises(UsageError, match="0 confounders"):
        GradientReversal(make_metadata(6)[:, :1], 4)


# --- residualise --------------------------------------------------------------------------------


def test_residualised_inputs_hold_no_linear_trace_of_the_confounders() -> None:
    metadata = make_metadata(40)
    images = make_features(40, 1, 3, 4) + metadata[:, 1:2, None, None]
    layer = Residualise(images, metadata)
    left = layer(images, metadata).flatten(1)
    fitted = torch.linalg.lstsq(with_intercept(metadata), left).solution
    torch.testing.assert_close(fitted[1:], torch.zeros_like(fitted[1:]), atol=1e-10, rtol=0)
    expected = torch.linalg.lstsq(with_intercept(metadata), images.flatten(1)).solution
    torch.testing.assert_close(fitted[0], expected[0])


def test_residualising_other_samples_does_not_read_their_label() -> None:
    metadata, images = make_metadata(40), make_features(40, 6)
    layer = Residualise(images, metadata)
    others, rows = make_features(5, 6, seed=8), make_metadata(5, seed=9)
    expected = layer(others, rows)
    rows[:, 0] = -1
    assert torch.equal(layer(others, rows), expected)


def test_collinear_metadata_are_refused_by_name_unless_ridge_lets_them_pass() -> None:
    metadata, images = make_metadata(40), make_features(40, 6)
    metadata[:, 2] = 2 * metadata[:, 1]
    names = ("label", "age", "years")
    with pytest.raises(DataError, match="age, years"):
        Residualise(images, metadata, names=names)
    assert Residualise(images, metadata, names=names, ridge=1e-3)(images, metadata).isfinite().all()
    with pytest.raises(UsageError, match="39 samples cannot have 40 rows"):
        Residualise(images[1:], metadata)
