"""Caterpillar and shrinkage show the numbers of the fit, under the levels' names."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import lmmtools as lmt
from lmmtools.errors import DataError
from lmmtools.plots.mode_plots import least_squares_by_level

EXACT = 1e-12
# Two routes to the same least-squares estimates.
ROUTES = 1e-8


def labels_of(ticks):
    return [t.get_text() for t in ticks]


def test_caterpillar_has_each_mode_at_its_level_in_order_of_size(penicillin):
    ax = penicillin.plot.caterpillar("plate")
    modes = penicillin.random_effects["plate"]["(Intercept)"].sort_values(kind="stable")
    x, y = ax.lines[0].get_data()
    assert_allclose(x, modes, rtol=EXACT)
    assert y.tolist() == list(range(24))
    assert labels_of(ax.get_yticklabels()) == list(modes.index)
    assert ax.get_ylabel() == "plate"


def test_caterpillar_intervals_are_those_of_the_conditional_variances(sleep):
    ax = sleep.plot.caterpillar("Subject", "Days", level=0.8, is_sorted=False)
    low_high = np.array([s[:, 0] for s in ax.collections[0].get_segments()])[::-1]
    modes, cov = sleep.random_effects["Subject"]["Days"], sleep.random_effects_cov["Subject"]
    sd = np.sqrt(cov.xs("Days", level="effect")["Days"].to_numpy())
    assert_allclose(low_high[:, 0], modes - 1.2815515655446004 * sd, rtol=EXACT)
    assert_allclose(low_high[:, 1], modes + 1.2815515655446004 * sd, rtol=EXACT)
    assert "80% interval" in ax.get_xlabel()


def test_thousands_of_levels_are_counted_not_named(insteval):
    ax = insteval.plot.caterpillar("s")
    assert len(ax.lines[0].get_xdata()) == 2972
    assert labels_of(ax.get_yticklabels()) == []
    assert "2,972 levels of s" in ax.get_ylabel()


def test_shrinkage_starts_from_a_regression_of_each_subject_alone(sleep):
    own = least_squares_by_level(sleep, "Subject")
    data = lmt.datasets.load("sleepstudy")
    fixed = sleep.params.to_numpy()
    for k, (_, rows) in enumerate(data.groupby("Subject", observed=True)):
        slope, intercept = np.polyfit(rows["Days"], rows["Reaction"], 1)
        assert_allclose(own[k], np.array([intercept, slope]) - fixed, rtol=ROUTES, atol=ROUTES)
    ax = sleep.plot.shrinkage()
    assert_allclose(ax.lines[0].get_xdata(), own[:, 0], rtol=EXACT)
    assert_allclose(ax.lines[1].get_ydata(), sleep.random_effects["Subject"]["Days"], rtol=EXACT)
    assert {t.get_text() for t in ax.texts} >= {"308", "335"}


def test_shrinkage_of_a_balanced_intercept_is_one_factor(penicillin):
    own = least_squares_by_level(penicillin, "plate")[:, 0]
    modes = penicillin.random_effects["plate"]["(Intercept)"].to_numpy()
    variance = penicillin.varcorr["plate"].iloc[0, 0]
    assert_allclose(modes, own * variance / (variance + penicillin.scale / 6), rtol=ROUTES, atol=ROUTES)
    texts = [t.get_text() for t in penicillin.plot.shrinkage("plate").texts]
    assert sorted(", ".join(texts).split(", ")) == list("abcdefghijklmnopqrstuvwx")


def test_modes_that_are_zero_lie_on_the_line_of_zero_in_sight(dyestuff2):
    ax = dyestuff2.plot.shrinkage()
    assert ax.get_xlim() == ax.get_ylim()
    assert_allclose(ax.lines[-1].get_ydata(), 0.0)


def test_levels_without_an_estimate_of_their_own_are_counted():
    data = lmt.datasets.load("sleepstudy")
    data = pd.concat([data[data["Subject"] != "308"], data[data["Subject"] == "308"].iloc[:1]])
    fit = lmt.lmm("Reaction ~ Days + (1 + Days|Subject)", data).fit(engine="pls")
    assert np.isnan(least_squares_by_level(fit, "Subject")).all(axis=1).sum() == 1
    assert fit.plot.shrinkage().get_title().startswith("1 level has too few rows")


@pytest.mark.parametrize("plot", ["caterpillar", "shrinkage", "by_group"])
def test_a_factor_that_is_not_there_is_named(penicillin, plot):
    with pytest.raises(DataError, match=r"'dish' is no grouping factor of the model; there are plate, sample"):
        getattr(penicillin.plot, plot)("dish")


def test_levels_of_coverage_are_shares(sleep):
    with pytest.raises(DataError, match="between 0 and 1"):
        sleep.plot.caterpillar(level=95)
