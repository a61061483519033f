"""Products through SciPy's BLAS: the numbers of NumPy's, whatever the operands' order, and small ones left to it."""

from __future__ import annotations

import numpy as np
import pytest

from lmmtools import blas
from lmmtools.threads import LARGE

RNG = np.random.default_rng(8)


def in_order(A: np.ndarray, order: str) -> np.ndarray:
    if order == "strided":
        wide = np.zeros((A.shape[0], 2 * A.shape[1]))
        wide[:, ::2] = A
        return wide[:, ::2]
    return np.asarray(A, order=order)  # type: ignore[call-overload]


@pytest.mark.parametrize("right", ["C", "F", "strided"])
@pytest.mark.parametrize("left", ["C", "F", "strided"])
@pytest.mark.parametrize("shape", [(40, 70, 30), (1, 20_000, 1), (200, 1, 200), (3, 2, 4), (0, 5, 3), (4, 0, 3)])
def test_product_equals_numpys(shape: tuple[int, int, int], left: str, right: str) -> None:
    a, c, b = shape
    A, B = in_order(RNG.standard_normal((a, c)), left), in_order(RNG.standard_normal((c, b)), right)
    found = blas.product(A, B)
    assert found.shape == (a, b)
    np.testing.assert_allclose(found, A @ B, rtol=1e-12, atol=1e-11)


@pytest.mark.parametrize("order", ["C", "F", "strided"])
@pytest.mark.parametrize("shape", [(200, 90), (90, 200), (3, 2)])
def test_product_with_a_vector_equals_numpys(shape: tuple[int, int], order: str) -> None:
    A, x = in_order(RNG.standard_normal(shape), order), RNG.standard_normal(shape[1])
    np.testing.assert_allclose(blas.product(A, x), A @ x, rtol=1e-12, atol=1e-11)


@pytest.mark.parametrize("orders", [("C", "C"), ("F", "F"), ("C", "F"), ("strided", "C")])
@pytest.mark.parametrize("shape", [(150, 130), (5, 3)])
def test_dot_sums_products_of_the_same_places(shape: tuple[int, int], orders: tuple[str, str]) -> None:
    a, b = (in_order(RNG.standard_normal(shape), order) for order in orders)
    assert blas.dot(a, b) == pytest.approx(float((a * b).sum()), rel=1e-11, abs=1e-11)


def test_large_products_are_scipys_and_small_ones_numpys(monkeypatch: pytest.MonkeyPatch) -> None:
    called = []
    for name in ("ddot", "dgemm", "dgemv"):
        function = getattr(blas, name)
        monkeypatch.setattr(blas, name, lambda *a, f=function, n=name, **k: called.append(n) or f(*a, **k))
    A, x = RNG.standard_normal((120, 100)), RNG.standard_normal(20_000)
    blas.dot(x, x), blas.product(A, A.T), blas.product(A, x[:100])
    assert called == ["ddot", "dgemm", "dgemv"]
    blas.dot(x[:9], x[:9]), blas.product(A[:9, :9], A[:9, :9]), blas.product(A[:9, :9], x[:9])
    assert len(called) == 3


@pytest.mark.parametrize(
    ("shape", "is_shared"),
    [((800, 800, 800), True), ((50, 50, 100_000), False), ((100_000, 50, 50), False), ((600, 600, 900), False)],
)
def test_long_narrow_products_are_not_shared_out(monkeypatch, shape, is_shared):
    """Threads meet for every few hundred of the inner dimension: what is between has to be worth it."""
    asked = []
    monkeypatch.setattr(blas, "cores_for", asked.append)
    blas._cores_for_product(*shape)
    assert (asked[0] >= LARGE) == is_shared
