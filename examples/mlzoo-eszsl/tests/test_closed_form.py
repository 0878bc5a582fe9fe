"""The decomposed closed form against the formula as it is printed."""

import numpy as np
import pytest

from mlzoo_eszsl.closed_form import ClosedForm, spectrum


def as_printed(features, classes, embeddings, gamma, lambda_):
    """V = (X Xᵀ + γ I)⁻¹ X Y Sᵀ (S Sᵀ + λ I)⁻¹, samples and classes in columns."""
    X, S = features.T, embeddings.T
    Y = np.where(classes[:, None] == np.arange(len(embeddings)), 1.0, -1.0)  # [m, z]
    left = X @ X.T + gamma * np.eye(len(X))
    right = S @ S.T + lambda_ * np.eye(len(S))
    return np.linalg.solve(left, X @ Y @ S.T) @ np.linalg.inv(right)


@pytest.mark.parametrize("samples", [12, 90], ids=["few samples", "many samples"])
@pytest.mark.parametrize("width", [3, 15], ids=["short embeddings", "long embeddings"])
@pytest.mark.parametrize("centred", [False, True], ids=["plain", "centred"])
def test_every_pair_equals_the_printed_formula(samples, width, centred):
    stream = np.random.default_rng(samples + width)
    features = stream.standard_normal((samples, 25))
    embeddings = stream.standard_normal((6, width))
    if centred:  # one dimension less
        features -= features.mean(axis=0)
        embeddings -= embeddings.mean(axis=0)
    classes = stream.integers(6, size=samples)
    shared = ClosedForm.of(features, classes, embeddings)
    for gamma in (1e-3, 1.0, 1e3):
        for lambda_ in (1e-3, 1.0, 1e3):
            expected = as_printed(features, classes, embeddings, gamma, lambda_)
            found = shared.solve(gamma, lambda_)
            np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-7 * abs(expected).max())


@pytest.mark.parametrize("shape", [(5, 9), (9, 5), (7, 7)])
def test_spectrum_rebuilds_the_product(shape):
    rows = np.random.default_rng(0).standard_normal(shape)
    basis, power = spectrum(rows)
    assert len(power) == min(shape)
    np.testing.assert_allclose(basis.T @ basis, np.eye(len(power)), atol=1e-10)
    np.testing.assert_allclose(basis * power @ basis.T, rows.T @ rows, atol=1e-10)


def test_class_without_samples_counts_as_not_the_others():
    features, embeddings = np.eye(4), np.eye(3)
    classes = np.array([0, 0, 1, 1])
    found = ClosedForm.of(features, classes, embeddings).solve(0.5, 0.5)
    np.testing.assert_allclose(found, as_printed(features, classes, embeddings, 0.5, 0.5))
