"""Known weights against the diagonal matrix that they are."""

from __future__ import annotations

import numpy as np
import pytest

from lmmtools.core.model.residual import KnownWeights

W = np.array([0.5, 2.0, 4.0])


@pytest.mark.parametrize("w", [W, None])
def test_products_are_those_of_the_inverse_covariance_and_of_its_root(w):
    R = np.diag(1.0 / W) if w is not None else np.eye(3)
    inverse, A = np.linalg.inv(R), np.arange(6.0).reshape(3, 2) - 2.0
    model = KnownWeights(w)
    for x in (A, A[:, 0]):
        np.testing.assert_allclose(model.weighted(x), inverse @ x, rtol=1e-14)
        np.testing.assert_allclose(model.whitened(x), np.sqrt(inverse) @ x, rtol=1e-14)
    np.testing.assert_allclose(model.log_weights, -np.linalg.slogdet(R)[1], rtol=1e-14, atol=1e-15)


def test_without_weights_nothing_is_copied():
    A = np.ones((3, 2))
    assert KnownWeights(None).weighted(A) is A
    assert KnownWeights(None).whitened(A) is A


def test_some_rows_have_their_own_weights():
    np.testing.assert_array_equal(KnownWeights(W).take(slice(1, 3)).w, W[1:])
    assert KnownWeights(None).take(slice(1, 3)).w is None
