"""Columns of factors that are held sparse give what the dense matrix gives."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import lmmtools as lmt
from lmmtools.design.columns import independent_columns, largest_sizes
from lmmtools.design.sparse_columns import (
    SparseColumns,
    as_array,
    left_beside,
    take_columns,
    times,
    times_sparse,
    transposed_times,
)

N = 400

FORMULAS = [
    "y ~ f + (1|g)",
    "y ~ 0 + f + (1|g)",
    "y ~ x + f + (1|g)",
    "y ~ f + x + h + (x|g)",
    "y ~ f*x + (1|g)",
    "y ~ f*h + (1|g) + (1|k)",
    "y ~ f*h*x + (1|g)",
    "y ~ f:x + (z|g)",
    "y ~ C(f) + (1|g)",
    "y ~ C(k) * x + (1|g)",
    "y ~ C(f, contr.sum) * C(h, contr.sum) + (1|g)",
    "y ~ C(f, contr.treatment('f3')) + poly(x, 2) + (1|g)",
    "y ~ f + np.log(w):f + (1|g)",
    "y ~ h + f + nested + (1|g)",  # f is a function of nested: columns depend on others
    "y ~ sparse*h + (1|g)",  # empty cells
    "y ~ unused + (z||g)",  # levels that no row has
    "y ~ f*far + (1|g)",  # products of sparse columns lose their digits
    "y ~ f + far + (1|g)",  # far from zero for its spread
]


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(3)
    f, h, nested, g = (rng.integers(0, m, N) for m in (9, 4, 27, 20))
    x, z = rng.normal(size=N), rng.normal(size=N)
    frame = pd.DataFrame(
        {
            "f": [f"f{i}" for i in nested // 3],
            "nested": [f"n{i:02}" for i in nested],
            "h": [f"h{i}" for i in h],
            "sparse": [f"s{i}" for i in np.where(h == 1, f % 3, f)],
            "unused": pd.Categorical([f"u{i}" for i in f], [f"u{i}" for i in range(12)]),
            "g": g,
            "k": rng.integers(0, 7, N),
            "x": x,
            "z": z,
            "far": 1e5 + x * z,
            "positive": np.where(x > -1.5, x + 1.5, -1.0),
            "w": rng.uniform(0.5, 2.0, N),
            "o": rng.normal(size=N),
        }
    )
    frame["y"] = 3.0 + 0.3 * f + x + rng.normal(size=20)[g] + rng.normal(size=N)
    frame.loc[[3, 50], "f"] = None
    frame.loc[7, "x"] = np.nan
    return frame


@pytest.fixture
def hold_sparse(monkeypatch):
    def hold(*, sparse: bool):
        for module in ("plain_encoder", "formulaic_encoder"):
            monkeypatch.setattr(f"lmmtools.design.{module}.LEAST_LEVELS", 3)
            monkeypatch.setattr(f"lmmtools.design.{module}.LEAST_NUMBERS", 1 if sparse else np.inf)
        monkeypatch.setattr("lmmtools.core.data.small.MULTIPLICATIONS", 0)

    return hold


@pytest.mark.parametrize("options", [{}, {"weights": "w"}, {"offset": "o"}], ids=["plain", "weights", "offset"])
@pytest.mark.parametrize("formula", FORMULAS)
def test_a_fit_is_that_of_the_dense_matrix(formula, options, data, hold_sparse):
    fits = []
    for sparse in (False, True):
        hold_sparse(sparse=sparse)
        model = lmt.lmm(formula, data, **options)
        assert isinstance(model.design.fixed, SparseColumns) is sparse
        fits.append(model.fit(engine="pls"))
    dense, sparse = fits
    assert sparse.design.x_names == dense.design.x_names
    assert sparse.design.dropped == dense.design.dropped
    np.testing.assert_array_equal(sparse.design.X, dense.design.X)
    assert sparse.objective == pytest.approx(dense.objective, rel=1e-12)
    np.testing.assert_allclose(sparse.params, dense.params, rtol=1e-7, atol=1e-8)
    np.testing.assert_allclose(sparse.bse, dense.bse, rtol=1e-7)
    np.testing.assert_allclose(sparse.fittedvalues, dense.fittedvalues, rtol=1e-7)
    at = dense.theta
    values = [lmt.engines.pls.evaluate(fit.problem, at, reml).objective for fit in fits for reml in (True, False)]
    np.testing.assert_allclose(values[:2], values[2:], rtol=1e-12)
    rows = [fit.problem.with_response(np.cos(np.arange(fit.nobs))).response for fit in fits]
    assert rows[0].yy == pytest.approx(rows[1].yy, rel=1e-9)
    assert rows[0].y_scale == pytest.approx(rows[1].y_scale, rel=1e-10)
    leverages = [lmt.core.hat_values(fit.problem, at) for fit in fits]
    np.testing.assert_allclose(*leverages, rtol=1e-8)


def test_rows_without_a_value_are_left_out(data, hold_sparse):
    hold_sparse(sparse=True)
    design = lmt.lmm("y ~ f + np.sqrt(positive):h + (1|g)", data).design
    hold_sparse(sparse=False)
    dense = lmt.lmm("y ~ f + np.sqrt(positive):h + (1|g)", data).design
    assert design.dropped == dense.dropped
    assert design.dropped.undefined
    np.testing.assert_array_equal(design.X, dense.X)


@pytest.fixture
def matrix():
    from scipy import sparse

    rng = np.random.default_rng(0)
    S = sparse.random(60, 5, 0.3, format="csr", random_state=1)
    return SparseColumns(rng.normal(size=(60, 3)), S, np.array([0, 3, 6]), np.array([1, 2, 4, 5, 7]))


def test_products_are_those_of_the_array(matrix):
    from scipy import sparse

    X, rng = matrix.toarray(), np.random.default_rng(1)
    b, B, y, Y = rng.normal(size=8), rng.normal(size=(8, 2)), rng.normal(size=60), rng.normal(size=(60, 2))
    Zt = sparse.random(4, 60, 0.5, format="csr", random_state=2)
    w = rng.uniform(1, 2, (60, 1))
    for found, wanted in [
        (times(matrix, b), X @ b),
        (times(matrix, B), X @ B),
        (transposed_times(matrix, y), X.T @ y),
        (transposed_times(matrix, Y), X.T @ Y),
        (transposed_times(matrix, matrix * w), X.T @ (X * w)),
        (times_sparse(Zt, matrix), Zt @ X),
        (matrix[5:20].toarray(), X[5:20]),
        (matrix[y > 0].toarray(), X[y > 0]),
        (as_array(take_columns(matrix, np.array([1, 3, 6, 7]))), X[:, [1, 3, 6, 7]]),
        (as_array(matrix[:, 2:5]), X[:, 2:5]),
        (np.column_stack([matrix[:, j] for j in range(8)]), X),
        (largest_sizes(matrix), np.abs(X).max(axis=0)),
        (left_beside(matrix, Y), left_beside(X, Y)),
        (left_beside(matrix, y), left_beside(X, y)),
    ]:
        np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("nearness", [0.0, 1e-12, 1e-9, 3e-8, 3e-7, 1e-5, 1e-2])
def test_dependent_columns_are_those_of_the_array(matrix, nearness):
    X = matrix.toarray()
    near = X[:, 1] - 2.0 * X[:, 5]
    dense = np.column_stack([matrix.dense, near + nearness * np.linalg.norm(near) * np.eye(60)[0]])
    wider = SparseColumns(dense, matrix.sparse, np.array([0, 3, 6, 8]), matrix.at_sparse)
    assert independent_columns(wider).tolist() == independent_columns(wider.toarray()).tolist()
