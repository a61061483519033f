"""Names of statsmodels that scripts for MixedLM ask for are answered: with the same number, or with the name here."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import lmmtools as lmt


@pytest.fixture(scope="module")
def fit() -> lmt.LMMResults:
    return lmt.lmm("Reaction ~ Days + (Days|Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")


def test_what_means_the_same_is_an_alias(fit) -> None:
    smf = pytest.importorskip("statsmodels.formula.api")
    data = lmt.datasets.load("sleepstudy")
    theirs = smf.mixedlm("Reaction ~ Days", data, groups="Subject", re_formula="~Days").fit()
    assert fit.k_fe == theirs.k_fe == 2
    # The optimisers stop within a part in a thousand of each other; their errors of fixed effects are Hessian-based.
    np.testing.assert_allclose(fit.fe_params, theirs.fe_params, rtol=1e-3)
    np.testing.assert_allclose(fit.bse_fe, theirs.bse_fe, rtol=1e-2)
    assert list(fit.fe_params.index) == list(theirs.fe_params.index)


@pytest.mark.parametrize(
    ("name", "here"),
    {
        "cov_re": "varcorr",
        "vcomp": "varcorr",
        "wald_test": "f_test",
        "wald_test_terms": "anova",
        "t_test_pairwise": "pairwise",
        "get_prediction": "predict",
        "save": "to_json",
        "remove_data": "to_json",
    }.items(),
)
def test_what_does_not_is_an_error_that_names_what_is_here(fit, name, here) -> None:
    with pytest.raises(AttributeError, match=f"no {name}: write {here}"):
        getattr(fit, name)
    assert not hasattr(fit, name)
    assert hasattr(fit, here)


def test_the_fit_can_be_pickled_and_copied_as_before(fit) -> None:
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(fit)).fe_params, fit.fe_params)
