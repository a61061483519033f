"""X keeps the columns that R keeps."""

from __future__ import annotations

import numpy as np
import pytest

from lmmtools.design.columns import independent_columns, largest_sizes

rng = np.random.default_rng(7)
n = 50
one, a, b, c = np.ones(n), rng.normal(size=n), rng.normal(size=n), rng.normal(size=n)
year = 1990.0 + np.arange(n)

# columns, those kept; R: sort(qr(X, tol = 1e-7)$pivot[1:qr(X, tol = 1e-7)$rank])
CASES = {
    "full": ([one, a, b], [0, 1, 2]),
    "repeat": ([one, a, a], [0, 1]),
    "repeat in another unit": ([one, a, 1e6 * a, b], [0, 1, 3]),
    "sum of two": ([one, a, b, a + b, c], [0, 1, 2, 4]),
    "shift of one": ([one, a, a + 3, b], [0, 1, 3]),
    "two faults": ([one, a, 2 * a, b, a - b, c], [0, 1, 3, 5]),
    "zero column": ([one, np.zeros(n), a], [0, 2]),
    "zero first": ([np.zeros(n), one, a], [1, 2]),
    "years": ([one, year, year**2], [0, 1, 2]),
    "tiny": ([one, 1e-9 * a, 1e9 * b], [0, 1, 2]),
    "nearly": ([one, a, a + 1e-9 * b], [0, 1]),
    "near but apart": ([one, a, a + 1e-5 * b], [0, 1, 2]),
    "huge": ([one, 1e200 * a, 1e-200 * b], [0, 1, 2]),
    "empty": ([], []),
}


@pytest.mark.parametrize("case", CASES)
def test_columns_dependent_on_earlier_ones_are_found(case):
    columns, kept = CASES[case]
    X = np.column_stack(columns) if columns else np.empty((n, 0))
    assert independent_columns(X).tolist() == kept


@pytest.mark.parametrize("case", CASES)
def test_units_do_not_matter(case):
    columns, kept = CASES[case]
    if columns and case != "huge":
        X = np.column_stack(columns) * np.logspace(-12, 12, len(columns))
        assert independent_columns(X).tolist() == kept


def test_more_columns_than_rows():
    assert independent_columns(rng.normal(size=(3, 5))).tolist() == [0, 1, 2]


@pytest.mark.parametrize("p", [0, 1, 3, 20])
@pytest.mark.parametrize("n", [0, 5])
def test_largest_sizes_are_of_either_sign(n, p):
    X = np.random.default_rng(n + p).normal(size=(n, p))
    np.testing.assert_array_equal(largest_sizes(X), [max(abs(c), default=0.0) for c in X.T])


@pytest.mark.parametrize("p", [2, 20])
def test_the_largest_size_of_a_column_with_a_missing_value_is_missing(p):
    X = np.ones((4, p))
    X[2, 1] = np.nan
    assert np.isnan(largest_sizes(X)).tolist() == [j == 1 for j in range(p)]
