"""Checks draw the numbers of residuals, modes, influence and simulations; their panel says what it cannot draw."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from numpy.testing import assert_allclose

import lmmtools as lmt
from lmmtools.errors import DataError
from lmmtools.plots.check_plots import _bandwidth, _density

EXACT = 1e-10
# Bins are an eighth of the kernel's width, or less: they move a density by some 1e-3 of its height.
BINS = 3e-3


def titles(figure):
    return [ax.get_title(loc="left").split("\n")[0] for ax in figure.axes]


def test_scale_and_location_are_of_the_standardised_residuals(sleep):
    x, y = sleep.plot.scale_location().lines[0].get_data()
    assert_allclose(x, sleep.fittedvalues, rtol=EXACT)
    assert_allclose(y, np.sqrt(np.abs(sleep.residuals("standardized"))), rtol=EXACT)


def test_modes_are_in_order_over_their_standard_deviations(sleep):
    """mode_normality() tests the same values: Shapiro and Wilk's W is of what is drawn."""
    from scipy import stats

    drawn = sleep.plot.mode_qq("Subject", "Days").lines[1].get_ydata()
    assert (np.diff(drawn) >= 0).all()
    assert stats.shapiro(drawn).statistic == pytest.approx(sleep.mode_normality().to_frame()["W"][1], rel=1e-6)


def test_modes_of_a_variance_of_zero_are_not_drawn(dyestuff2):
    with pytest.raises(DataError, match="its variance is zero, so that all modes are zero"):
        dyestuff2.plot.mode_qq()


def test_influence_is_that_of_the_tables(sleep, penicillin):
    rows = sleep.plot.influence()
    assert_allclose(rows.lines[0].get_data(), [sleep.hat_values, sleep.cooks_distance], rtol=EXACT)
    assert rows.lines[1].get_ydata()[0] == 4 / 180
    worst = str(sleep.cooks_distance.idxmax())
    assert worst in [text.get_text() for text in rows.texts]
    found = penicillin.influence("sample")
    levels = penicillin.plot.influence("sample")
    assert_allclose(levels.lines[0].get_data(), [found.leverage, found.cooks], rtol=EXACT)
    assert levels.get_xlabel() == "leverage of each level of sample"


def test_the_width_of_kernels_is_that_of_r():
    """bw.nrd0((1:10)^2) and bw.nrd0(c(0, 1, 1, 1, 1, 9)), whose quartiles are equal, by R 4.2."""
    assert _bandwidth(np.arange(1.0, 11.0) ** 2) == pytest.approx(19.4058621928846, rel=EXACT)
    assert _bandwidth(np.array([0.0, 1, 1, 1, 1, 9])) == pytest.approx(2.12045383377118, rel=EXACT)


def test_a_density_is_that_of_kernels_at_each_value():
    values = np.random.default_rng(3).gamma(2.0, size=300)
    width = _bandwidth(values)
    x, y = _density(values, width)
    exact = np.exp(-0.5 * ((x[:, None] - values) / width) ** 2).sum(axis=1) / (300 * width * np.sqrt(2 * np.pi))
    assert np.abs(y - exact).max() < BINS * exact.max()
    assert y.sum() * (x[1] - x[0]) == pytest.approx(1.0, abs=1e-3)


def test_simulated_responses_are_beside_the_observed(sleep):
    ax = sleep.plot.predictive(n_simulations=7, rng=4)
    assert len(ax.lines) == 8
    x, y = ax.lines[-1].get_data()
    assert np.average(x, weights=y) == pytest.approx(sleep.design.y.mean(), rel=1e-3)
    again = sleep.plot.predictive(n_simulations=7, rng=4)
    assert_allclose(again.lines[3].get_ydata(), ax.lines[3].get_ydata(), rtol=0)


def test_the_panel_has_each_check_and_each_random_effect(sleep):
    figure = sleep.plot(n_simulations=3)
    assert titles(figure)[:6] == [
        "Observed and simulated",
        "Linearity",
        "Constant variance",
        "Influence",
        "Collinearity",
        "Normal residuals",
    ]
    assert titles(figure)[-2:] == ["Normal (Intercept) by Subject", "Normal Days by Subject"]
    assert all(ax.get_legend() is None for ax in figure.axes)


def test_a_panel_that_cannot_be_drawn_says_why(dyestuff2):
    figure = dyestuff2.plot(n_simulations=3)
    (text,) = figure.axes[-1].texts
    assert "its variance is zero" in text.get_text().replace("\n", " ")
    no_effects = lmt.lmm("Yield ~ 0 + (1|Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
    figure = no_effects.plot(n_simulations=3)
    (text,) = figure.axes[titles(figure).index("Influence")].texts
    assert "the model has none" in text.get_text().replace("\n", " ")


def test_a_printed_column_has_the_panels_below_each_other(dyestuff2):
    figure = Figure(figsize=(3.15, 14.0))
    assert dyestuff2.plot(n_simulations=2, fig=figure) is figure
    figure.canvas.draw()
    assert len({round(ax.bbox.x1) for ax in figure.axes}) == 1
    assert min(ax.bbox.width for ax in figure.axes) > 0.5 * figure.bbox.width


def test_plots_leave_the_style_as_it_was(sleep):
    import matplotlib

    before = dict(matplotlib.rcParams)
    sleep.plot(n_simulations=2)
    sleep.plot.effects("Days")
    assert dict(matplotlib.rcParams) == before


def test_inflation_is_that_of_the_table(oats, dyestuff2):
    found = oats.collinearity()
    ax = oats.plot.collinearity()
    assert_allclose(ax.lines[0].get_xdata(), found.gvif_adjusted**2, rtol=EXACT)
    assert [t.get_text() for t in ax.get_yticklabels()] == list(found.terms)
    assert [line.get_xdata()[0] for line in ax.lines[1:]] == [5.0, 10.0]
    with pytest.raises(DataError, match="nothing that it could depend on"):
        dyestuff2.plot.collinearity()
