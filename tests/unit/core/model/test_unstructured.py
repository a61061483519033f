"""The lower-triangular root of Sigma, one or many at once.

Each is checked against Sigma itself, and against its Cholesky factor where Sigma is positive definite.
"""

from __future__ import annotations

import numpy as np
import pytest

from lmmtools.core.model.unstructured import lower_triangular

TOL = 1e-12
"""Rounding of a QR decomposition of a few rows of order one, with room."""


def roots() -> np.ndarray:
    """Six roots (3, 3): full, a column gone in each place, a row gone, and nothing."""
    rng = np.random.default_rng(3)
    out = rng.normal(size=(6, 3, 3))
    for i in range(3):
        out[1 + i, :, i] = 0.0
    out[4, 0] = 0.0
    out[5] = 0.0
    return out


def test_root_is_triangular_with_a_diagonal_that_is_not_negative() -> None:
    lam = roots()
    found = lower_triangular(lam)
    np.testing.assert_allclose(found @ found.transpose(0, 2, 1), lam @ lam.transpose(0, 2, 1), atol=TOL)
    assert (np.triu(found, 1) == 0).all()
    assert (np.diagonal(found, axis1=1, axis2=2) >= 0).all()
    np.testing.assert_allclose(found[0], np.linalg.cholesky(lam[0] @ lam[0].T), atol=TOL)


@pytest.mark.parametrize("i", range(6))
def test_many_at_once_equal_each_by_itself(i: int) -> None:
    lam = roots()
    np.testing.assert_allclose(lower_triangular(lam)[i], lower_triangular(lam[i]), atol=TOL)


def test_what_has_vanished_is_exactly_zero() -> None:
    found = lower_triangular(roots())
    assert (found[1:4, :, 2] == 0).all()  # a column is gone: rank two
    assert (found[4, 0] == 0).all()  # an effect without variance has neither row
    assert (found[4, :, 0] == 0).all()  # nor column
    assert (found[5] == 0).all()
