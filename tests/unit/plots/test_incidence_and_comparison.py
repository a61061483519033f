"""Incidence shows each combination in its place; a comparison's dots are its relative differences."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import lmmtools as lmt
from lmmtools.errors import DataError, EngineError


def names(ticks):
    return [t.get_text() for t in ticks]


def test_crossed_factors_fill_the_field_under_their_names(penicillin):
    ax = penicillin.plot.incidence()
    assert names(ax.get_xticklabels()) == list("abcdefghijklmnopqrstuvwx")
    assert names(ax.get_yticklabels()) == list("ABCDEF")
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_title()) == ("plate", "sample", "plate and sample: crossed")
    assert names(ax.texts) == ["1"] * 144


def test_nested_factors_make_stairs():
    found = lmt.structure(lmt.datasets.load("Pastes"), ["batch", "sample"])
    shares = lmt.plots.incidence(found).collections[0].get_array()
    expected = np.kron(np.eye(10), np.ones(3))
    # One row up to matplotlib 3.7.
    assert_allclose(shares.filled(0.0).reshape(expected.shape), expected)


def test_thousands_of_levels_are_drawn_in_blocks_that_hold_every_combination():
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"user": rng.integers(0, 3000, 20000), "item": rng.integers(0, 1500, 20000)})
    found = lmt.structure(data, ["user", "item"])
    ax = lmt.plots.incidence(found)
    assert ax.collections[0].get_array().size == 150 * 150
    assert ax.get_xlabel() == f"user ({found.factors[0].m:,} levels)"
    assert len(ax.figure.axes) == 2


def test_incidence_needs_two_factors(sleep, penicillin):
    with pytest.raises(DataError, match="needs two factors"):
        sleep.plot.incidence()
    with pytest.raises(DataError, match="'dish'"):
        penicillin.plot.incidence("plate", "dish")


def test_dots_are_the_relative_differences(sleep):
    ml = lmt.lmm("Reaction ~ Days + (1 + Days|Subject)", lmt.datasets.load("sleepstudy")).fit(reml=False, engine="pls")
    compared = lmt.compare(sleep, ml, names=["REML", "ML"])
    ax = lmt.plots.comparison(compared)
    rows = names(ax.get_yticklabels())
    drawn = dict(zip(rows, ax.lines[0].get_xdata(), strict=True))
    expected = compared.to_frame()["relative ML"].abs()
    for row in ("variance, Subject Days", "std. error, Intercept"):
        assert drawn[row] == pytest.approx(expected[row]), row
    assert names(ax.get_legend().get_texts()) == ["ML"]
    assert ax.get_xlabel().endswith("from REML")


def test_fits_that_do_not_differ_stand_at_the_edge(sleep):
    ax = lmt.plots.comparison(lmt.compare(sleep, sleep))
    assert set(ax.lines[0].get_xdata()) == {ax.get_xlim()[0]}
    assert names(ax.get_xticklabels())[0] == "same"


@pytest.mark.parametrize(
    "plot", ["caterpillar", "shrinkage", "incidence", "residuals", "by_group", "qq", "variance", "section"]
)
def test_every_plot_draws_on_the_axes_it_is_given(penicillin, plot):
    from matplotlib import pyplot

    ax = pyplot.subplots()[1]
    assert getattr(penicillin.plot, plot)(ax=ax) is ax
    assert ax.has_data()
    assert pyplot.get_fignums() == [ax.figure.number]


def test_without_matplotlib_the_cure_is_named(sleep, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.pyplot", None)
    with pytest.raises(EngineError, match=r"pip install"):
        sleep.plot.variance()
