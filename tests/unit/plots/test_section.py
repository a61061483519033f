"""The section's curve is the criterion, and answers stand where they are."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

import lmmtools as lmt
from lmmtools import core
from lmmtools.errors import DataError
from lmmtools.plots.section_plot import theta_labels

# Of criteria in the thousands.
ROUNDING = 1e-8


def test_elements_of_theta_have_names(sleep):
    assert theta_labels(sleep.design.blocks) == {
        "(Intercept) by Subject": True,
        "Days, (Intercept) by Subject": False,
        "Days by Subject": True,
    }


def test_curve_is_the_criterion_and_lowest_at_the_answer(sleep):
    ax = sleep.plot.section(parameter="Days by Subject")
    x, y = ax.lines[0].get_data()
    assert x[np.argmin(y)] == sleep.theta[2]
    theta = sleep.theta
    theta[2] = x[-1]
    rise = core.evaluate(sleep.problem, theta, True).objective - sleep.objective
    assert y[-1] == pytest.approx(rise, abs=ROUNDING)
    assert ax.lines[1].get_xdata()[0] == sleep.theta[2]


def test_an_optimiser_that_stopped_early_stands_above_the_curve_s_foot(sleep):
    stalled = replace(sleep, estimate=replace(sleep.estimate, theta=sleep.theta * 1.2, engine="other"))
    ax = sleep.plot.section(stalled)
    height = ax.lines[2].get_ydata()[0]
    expected = core.evaluate(sleep.problem, 1.2 * sleep.theta, True).objective - sleep.objective
    assert height == pytest.approx(expected, abs=ROUNDING)
    assert ax.get_legend().get_texts()[1].get_text().startswith("other: ")


def test_a_variance_at_its_boundary_shows_a_curve_that_rises_from_zero(dyestuff2):
    ax = dyestuff2.plot.section()
    x, y = ax.lines[0].get_data()
    assert (x[0], y[0]) == (0.0, 0.0)
    assert (np.diff(y) > 0).all()
    assert "boundary" in ax.get_legend().get_texts()[-1].get_text()


def test_fits_of_different_models_have_no_section(sleep, penicillin):
    with pytest.raises(DataError, match="one model"):
        sleep.plot.section(penicillin)
    with pytest.raises(DataError, match="no covariance parameter"):
        sleep.plot.section(parameter="Days")
    with pytest.raises(DataError, match="at least one fit"):
        lmt.plots.section()


def test_width_is_kept(sleep):
    x = sleep.plot.section(width=0.1).lines[0].get_xdata()
    assert_allclose([x[0], x[-1]], sleep.theta[0] + np.array([-0.1, 0.1]))
