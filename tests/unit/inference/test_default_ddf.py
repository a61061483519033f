"""One method of degrees of freedom is the default of all tables, and each table says which it has."""

from __future__ import annotations

import inspect

import pytest

import lmmtools as lmt
from lmmtools.plots.fit_plots import FitPlots

# lme4's and statsmodels' names have the normal distribution; summary() has lme4's layout, without tests.
OTHERS = {"predict": "z", "conf_int": None, "summary": None, "to_report": None}


def takers(cls):
    methods = ((name, getattr(cls, name)) for name in dir(cls) if not name.startswith("_"))
    for name, method in methods:
        if callable(method) and "ddf" in inspect.signature(method).parameters:
            yield name, inspect.signature(method).parameters["ddf"].default


def test_every_method_that_takes_ddf_has_satterthwaites_unless_its_name_is_lme4s_or_statsmodels():
    found = dict(takers(lmt.LMMResults)) | dict(takers(FitPlots))
    assert {"tests", "anova", "drop1", "step", "marginal_means", "contrasts", "joint_tests", "effects"} <= set(found)
    assert {name: default for name, default in found.items() if default != "satterthwaite"} == OTHERS


@pytest.fixture(scope="module")
def fit():
    data = lmt.datasets.load("ergoStool")
    return lmt.lmm("effort ~ Type + (1 | Subject)", data).fit()


TABLES = {
    "tests": lambda f, **k: f.tests(**k),
    "anova": lambda f, **k: f.anova(**k),
    "f_test": lambda f, **k: f.f_test("Type[T.T2] = 0", **k),
    "drop1": lambda f, **k: f.drop1(**k),
    "marginal_means": lambda f, **k: f.marginal_means("Type", **k),
    "pairwise": lambda f, **k: f.pairwise("Type", adjust="holm", **k),
    "joint_tests": lambda f, **k: f.joint_tests(**k),
}
WORDS = {
    "satterthwaite": "Satterthwaite's method",
    "kenward-roger": "Kenward-Roger's method",
    "residual": "residual degrees",
}


@pytest.mark.parametrize("table", TABLES)
def test_each_table_says_by_which_method(fit, table):
    assert WORDS["satterthwaite"] in str(TABLES[table](fit))
    for ddf, words in WORDS.items():
        assert words in str(TABLES[table](fit, ddf=ddf)), ddf
    text = str(TABLES[table](fit, ddf="z"))
    assert "normal" in text or "chi-squared" in text
