"""The studentised range beside SciPy's, and where it is known in closed form."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from lmmtools.inference.studentized_range import range_quantile, range_tail


@pytest.mark.parametrize("df", [1.0, 2.0, 7.3, 1e4])
def test_the_range_of_two_means_is_t(df):
    """To 1e-6: the integral leaves out what is unlikely of the standard deviation's estimate."""
    q = np.array([0.1, 1.0, 3.0, 8.0, 15.0])
    np.testing.assert_allclose(range_tail(q, 2, df), 2 * stats.t.sf(q / np.sqrt(2), df), rtol=1e-6)


@pytest.mark.parametrize(("k", "df"), [(3, 2.0), (4, 45.0), (12, 9.7), (40, 200.0)])
def test_tails_and_quantiles_are_scipys(k, df):
    q = np.array([0.7, 2.0, 4.0, 6.5])
    np.testing.assert_allclose(range_tail(q, k, df), stats.studentized_range.sf(q, k, df), rtol=1e-6, atol=1e-10)
    assert range_quantile(0.05, k, df) == pytest.approx(stats.studentized_range.ppf(0.95, k, df), rel=1e-7)


def test_without_end_of_degrees_the_range_is_of_normal_variables():
    want = stats.studentized_range.sf([2.0, 3.633, 5.0], 4, np.inf)
    np.testing.assert_allclose(range_tail([2.0, 3.633, 5.0], 4, np.inf), want, rtol=1e-6)
    np.testing.assert_allclose(range_tail([2.0, 3.633, 5.0], 4, 1e7), want, rtol=1e-5)


def test_small_tails_keep_their_digits():
    """Between one comparison of two means and the sum of the six, which meet where both are small."""
    q = np.array([20.0, 40.0])
    one = 2 * stats.t.sf(q / np.sqrt(2), 30.0)
    found = range_tail(q, 4, 30.0)
    assert (found > one).all()
    assert (found < 6 * one).all()
    assert found[1] < 1e-15


def test_what_is_undefined_stays_so():
    assert np.isnan(range_tail([np.nan, 2.0, 2.0], 3, [5.0, np.nan, -1.0])).all()
    assert range_tail(0.0, 3, 5.0) == pytest.approx(1.0)
    assert np.isnan(range_quantile(0.05, 3, np.nan))
