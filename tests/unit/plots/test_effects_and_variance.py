"""Effects show the population's mean, and variances add up to that of a row."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import lmmtools as lmt
from lmmtools.errors import DataError
from lmmtools.plots.variance_plot import variance_parts

EXACT = 1e-10


def test_line_and_interval_are_those_of_the_fixed_effects(sleep):
    ax = sleep.plot.effects("Days", ddf="z")
    assert "normal" in ax.get_legend().get_texts()[0].get_text()
    x, mean = ax.lines[1].get_data()
    assert_allclose(mean, sleep.params["Intercept"] + sleep.params["Days"] * x, rtol=EXACT)
    half = 1.959963984540054 * sleep.bse["Intercept"]
    at_zero = ax.collections[0].get_paths()[0].vertices
    at_zero = at_zero[at_zero[:, 0] == 0.0][:, 1]
    assert_allclose([at_zero.min(), at_zero.max()], mean[0] + np.array([-half, half]), rtol=EXACT)
    assert_allclose(ax.lines[0].get_ydata(), sleep.design.y)
    assert ax.get_title() == ""


@pytest.mark.parametrize("ddf", ["satterthwaite", "kenward-roger", "z"])
def test_intervals_are_those_of_marginal_means_and_their_method_is_named(ddf):
    fit = lmt.lmm("yield ~ Variety + nitro + (1|Block/Variety)", lmt.datasets.load("Oats")).fit(engine="pls")
    ax = fit.plot.effects("Variety", ddf=ddf)
    drawn = [part[:, 1] for part in ax.containers[0].lines[2][0].get_segments()]
    assert_allclose(drawn, fit.marginal_means("Variety", ddf=ddf).to_frame()[["lower", "upper"]], rtol=EXACT)
    assert ("normal" if ddf == "z" else ddf.title()) in ax.get_legend().get_texts()[0].get_text()


def test_other_variables_are_averaged_or_held_as_marginal_means_does(cake):
    ax = cake.plot.effects("recipe")
    assert [t.get_text() for t in ax.get_xticklabels()] == ["A", "B", "C"]
    assert ax.get_title() == "at temp = 200"
    assert_allclose(ax.containers[0].lines[0].get_ydata(), cake.marginal_means("recipe").estimate, rtol=EXACT)
    line = cake.plot.effects("temp")
    assert line.get_title() == "averaged over the levels of recipe"
    x, mean = line.lines[1].get_data()
    found = cake.marginal_means("temp", at={"temp": [x[0], x[-1]]})
    assert_allclose(mean[[0, -1]], found.estimate, rtol=EXACT)
    vertices = line.collections[0].get_paths()[0].vertices
    at_end = vertices[vertices[:, 0] == x[-1]][:, 1]
    assert_allclose([at_end.min(), at_end.max()], [found.lower[-1], found.upper[-1]], rtol=EXACT)


def test_what_is_no_fixed_effect_is_named(sleep, penicillin):
    with pytest.raises(DataError, match="'Subject' is no column in the fixed effects"):
        sleep.plot.effects("Subject")
    with pytest.raises(DataError, match="nothing to plot"):
        penicillin.plot.effects()


def test_parts_of_intercepts_are_the_variances(penicillin):
    parts = variance_parts(penicillin)
    assert_allclose(list(parts.values()), penicillin.varcorr.to_frame()["vcov"], rtol=EXACT)
    assert list(parts) == ["plate", "sample", "residual"]


def test_parts_of_slopes_are_the_mean_variance_of_a_row(sleep):
    parts = variance_parts(sleep)
    assert sum(parts.values()) == pytest.approx(sleep.design.V(sleep).diagonal().mean(), rel=EXACT)
    ax = sleep.plot.variance()
    assert [bar.get_width() for bar in ax.patches] == pytest.approx(list(parts.values()))
    written = [t.get_text().splitlines() for t in ax.get_yticklabels()]
    assert written == [["Subject: (Intercept), Days", "1698 (72.2%)"], ["residual", "654.9 (27.8%)"]]


def test_weights_count_in_the_residual_part():
    data = lmt.datasets.load("sleepstudy")
    data["w"] = np.where(data["Days"] > 4, 2.0, 0.5)
    fit = lmt.lmm("Reaction ~ Days + (1|Subject)", data, weights="w").fit(engine="pls")
    assert sum(variance_parts(fit).values()) == pytest.approx(fit.design.V(fit).diagonal().mean(), rel=EXACT)
