"""Residual plots show the fit's residuals, and the band holds normal samples as often as it says."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from lmmtools.errors import DataError
from lmmtools.plots.residual_plots import simulate_band

EXACT = 1e-12


def test_residuals_stand_over_their_fitted_values(sleep):
    ax = sleep.plot.residuals()
    assert_allclose(ax.lines[0].get_data(), [sleep.fittedvalues, sleep.resid], rtol=EXACT)
    assert ax.get_xlabel() == "fitted Reaction"
    assert_allclose(sleep.plot.residuals(is_scaled=True).lines[0].get_ydata(), sleep.scaled_resid, rtol=EXACT)


def test_many_rows_become_counts_that_add_up(insteval):
    ax = insteval.plot.residuals()
    assert ax.collections[0].get_array().sum() == insteval.nobs


def test_residuals_by_group_are_beside_their_level(sleep):
    ax = sleep.plot.by_group("Subject")
    x, y = ax.lines[1].get_data()
    names = [t.get_text() for t in ax.get_yticklabels()]
    assert names[-1] == "308"
    at_335 = x[y == names.index("335")]
    rows = (sleep.design.frame["Subject"] == "335").to_numpy()
    assert_allclose(at_335, sleep.resid.to_numpy()[rows], rtol=EXACT)


def test_quartiles_stand_for_many_levels(insteval):
    ax = insteval.plot.by_group("d")
    medians = ax.lines[1].get_xdata()
    assert len(ax.collections[0].get_segments()) == len(medians) == 1128
    expected = insteval.resid.groupby(insteval.design.frame["d"], observed=True).median()
    assert_allclose(np.sort(medians), np.sort(expected))


def test_qq_has_the_standardised_residuals_in_order(sleep):
    ax = sleep.plot.qq(n_simulations=50)
    hat = sleep.hat_values.to_numpy()
    assert_allclose(ax.lines[1].get_ydata(), np.sort(sleep.resid / (sleep.sigma * np.sqrt(1 - hat))), rtol=EXACT)
    # The two rows of subject 332 and the two of 308 that everybody knows lie outside.
    assert ax.lines[1].get_ydata()[-1] > ax.collections[0].get_paths()[0].vertices[:, 1].max()


def test_residuals_have_the_variance_that_leverage_leaves(sleep):
    V, R, X = sleep.design.V(sleep).toarray(), sleep.design.R(sleep).toarray(), sleep.design.X
    inverse = np.linalg.inv(V)
    P = inverse - inverse @ X @ np.linalg.solve(X.T @ inverse @ X, X.T @ inverse)
    # e = R P y, and P V P = P.
    assert_allclose(np.diag(R @ P @ R), sleep.scale * (1 - sleep.hat_values), rtol=1e-8)


def test_band_holds_a_whole_normal_sample_as_often_as_it_says():
    rng = np.random.default_rng(8)
    places, low, high = simulate_band(60, 0.9, 4000, rng)
    samples = np.sort(rng.standard_normal((4000, 60)), axis=1)[:, places]
    inside = ((samples >= low) & (samples <= high)).all(axis=1).mean()
    # Two binomial standard errors of 4,000 samples are 0.01; ranks are whole numbers.
    assert inside == pytest.approx(0.9, abs=0.02)


def test_band_is_the_same_for_a_seed(sleep):
    one, two = (sleep.plot.qq(n_simulations=30, rng=3).collections[0].get_paths()[0].vertices for _ in range(2))
    assert_allclose(one, two, rtol=0)


def test_a_band_needs_simulations(sleep):
    with pytest.raises(DataError, match="n_simulations"):
        sleep.plot.qq(n_simulations=5)
