"""Fits that the plots are drawn of, each made once, and a backend without a screen."""

import matplotlib
import pytest

import lmmtools as lmt

matplotlib.use("agg")

MODELS = {
    "penicillin": ("diameter ~ 1 + (1|plate) + (1|sample)", "Penicillin"),
    "sleep": ("Reaction ~ Days + (1 + Days|Subject)", "sleepstudy"),
    "dyestuff2": ("Yield ~ 1 + (1|Batch)", "Dyestuff2"),
    "cake": ("angle ~ recipe + temp + (1|recipe:replicate)", "cake"),
    "oats": ("yield ~ Variety * nitro + (1|Block/Variety)", "Oats"),
    "insteval": ("y ~ service + (1|s) + (1|d) + (1|dept)", "InstEval"),
}


def fit_model(name):
    formula, data = MODELS[name]
    return lmt.lmm(formula, lmt.datasets.load(data)).fit(engine="pls")


@pytest.fixture(scope="session")
def penicillin():
    return fit_model("penicillin")


@pytest.fixture(scope="session")
def sleep():
    return fit_model("sleep")


@pytest.fixture(scope="session")
def dyestuff2():
    with pytest.warns(lmt.errors.BoundaryWarning):
        return fit_model("dyestuff2")


@pytest.fixture(scope="session")
def cake():
    return fit_model("cake")


@pytest.fixture(scope="session")
def oats():
    return fit_model("oats")


@pytest.fixture(scope="session")
def insteval():
    return fit_model("insteval")


@pytest.fixture(autouse=True)
def _close_figures():
    from matplotlib import pyplot

    yield
    pyplot.close("all")
