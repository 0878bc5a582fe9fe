"""The closed form of ESZSL (Romera-Paredes & Torr, ICML 2015), for a whole grid of regularisers.

With features X, one column a sample, labels Y in {-1, 1}, one column a class, and embeddings S, one
column a class, the map V from features to embeddings is

    V = (X Xᵀ + γ I)⁻¹ X Y Sᵀ (S Sᵀ + λ I)⁻¹

and a sample x scores xᵀ V s for a class with embedding s. With the eigendecompositions X Xᵀ = Q diag(q) Qᵀ
and S Sᵀ = P diag(p) Pᵀ this is

    V = Q [(Qᵀ X Y Sᵀ P)ᵢⱼ / ((qᵢ + γ)(pⱼ + λ))] Pᵀ

in which nothing but the division depends on γ and λ: one decomposition serves every pair. Arrays here
hold samples and classes in rows, i.e. Xᵀ and Sᵀ.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ClosedForm:
    """What all pairs of regularisers share.

    Attributes:
        feature_basis: Q, float64 [d, r], r at most the number of samples.
        feature_power: q, float64 [r].
        class_basis: P, float64 [a, t], t at most the number of classes.
        class_power: p, float64 [t].
        product: Qᵀ X Y Sᵀ P, float64 [r, t].
    """

    feature_basis: Matrix
    feature_power: Matrix
    class_basis: Matrix
    class_power: Matrix
    product: Matrix

    @classmethod
    def of(cls, features: Matrix, classes: npt.NDArray[np.int64], embeddings: Matrix) -> ClosedForm:
        """Decompose a training set.

        Args:
            features: Xᵀ, float64 [m, d].
            classes: int64 [m], each sample's row of ``embeddings``.
            embeddings: Sᵀ, float64 [z, a], of the seen classes.
        """
        feature_basis, feature_power = spectrum(features)
        class_basis, class_power = spectrum(embeddings)
        sums = np.zeros((len(embeddings), features.shape[1]))
        np.add.at(sums, classes, features)  # [z, d], the features of each class added up
        labelled = 2 * sums - sums.sum(axis=0)  # (X Y)ᵀ, as 1 counts for the class, -1 for the rest
        product = feature_basis.T @ labelled.T @ (embeddings @ class_basis)  # [r, t]
        return cls(feature_basis, feature_power, class_basis, class_power, product)

    def solve(self, gamma: float, lambda_: float) -> Matrix:
        """V, float64 [d, a]."""
        weights = np.outer(self.feature_power + gamma, self.class_power + lambda_)  # [r, t]
        solution: Matrix = self.feature_basis @ (self.product / weights) @ self.class_basis.T
        return solution


def spectrum(rows: Matrix) -> tuple[Matrix, Matrix]:
    """Eigenvectors [d, r] and eigenvalues [r] of rowsᵀ rows, without the zeros.

    The smaller of the two products of ``rows`` [n, d] with itself is decomposed, which has the same
    eigenvalues. Directions that the rows do not reach count nothing: X Y Sᵀ has no part in them.
    """
    count, width = rows.shape
    small = rows @ rows.T if count < width else rows.T @ rows
    power, basis = np.linalg.eigh(small)
    kept = power > power[-1] * max(count, width) * np.finfo(np.float64).eps
    power, basis = power[kept], basis[:, kept]
    if count < width:
        basis = rows.T @ (basis / np.sqrt(power))
    return basis, power
