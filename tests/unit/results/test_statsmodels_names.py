"""Names of statsmodels that scripts for MixedLM ask for are answered: with the same number, or with the name here."""

from __future__ import annotations

import pickle
import re

import numpy as np
import pandas as pd
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


@pytest.fixture(scope="module")
def theirs():
    smf = pytest.importorskip("statsmodels.formula.api")
    data = lmt.datasets.load("sleepstudy")
    return smf.mixedlm("Reaction ~ Days", data, groups="Subject", re_formula="~Days").fit()


def unanswered(here, there):
    """Names of an object of statsmodels that end in a bare AttributeError here."""
    names = [name for name in dir(there) if not name.startswith("_")]
    assert len(names) > 10
    bare = []
    for name in names:
        try:
            getattr(here, name)
        except AttributeError as error:
            if not re.search(rf"has no {name}: (write|print) ", str(error)):
                bare.append(name)
    return bare


def test_every_name_of_their_results_is_answered(fit, theirs) -> None:
    # A name that a new release of statsmodels adds is found here: make it an alias, or say what to write.
    assert unanswered(fit, theirs) == []


def test_every_name_of_their_model_is_answered(fit, theirs) -> None:
    assert unanswered(fit.model, theirs.model) == []


def test_a_name_that_nobody_has_is_an_ordinary_error(fit) -> None:
    for holder in (fit, fit.model):
        with pytest.raises(AttributeError, match=r"no_such_name'?$"):
            _ = holder.no_such_name


def test_method_and_use_t_mean_the_same(fit, theirs) -> None:
    assert fit.method == theirs.method == "REML"
    assert bool(fit.use_t) is bool(theirs.use_t) is False
    # Normal p-values on both sides: the scripts' sense of use_t.
    np.testing.assert_allclose(fit.pvalues["Days"], theirs.pvalues["Days"], rtol=0.02)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda fit: fit.predict(exog=[1]), r"predict\(data, random=False\)"),
        (lambda fit: fit.summary(title="T"), "patch_summary"),
        (lambda fit: fit.summary(xname_fe=["a", "b"]), "patch_summary"),
        (lambda fit: fit.cov_params(r_matrix=[1, 0]), r"L @ fit.cov_params\(\) @ L.T"),
        (lambda fit: fit.cov_params([1, 0]), r"L @ fit.cov_params\(\) @ L.T"),
    ],
)
def test_arguments_of_theirs_say_what_to_write(fit, call, said) -> None:
    with pytest.raises(lmt.errors.LmmError, match=said):
        call(fit)


def test_the_cures_of_arguments_give_their_numbers(fit, theirs) -> None:
    new = pd.DataFrame({"Days": [0.0, 5.0], "Subject": ["308", "309"]})
    # The optimisers stop within a part in a thousand of each other.
    np.testing.assert_allclose(fit.predict(new, random=False), theirs.predict(exog=new), rtol=1e-4)
    L = np.array([[1.0, 5.0]])
    V = np.asarray(theirs.cov_params())[:2, :2]
    np.testing.assert_allclose(L @ fit.cov_params() @ L.T, L @ V @ L.T, rtol=1e-2)


def test_tests_of_contrasts_answer_their_names(fit, theirs) -> None:
    tested = fit.t_test("Days = 0")
    for name, here in {"effect": "estimate", "sd": "std_error", "tvalue": "t", "pvalue": "p"}.items():
        assert hasattr(theirs.t_test(np.eye(2)), name), (name, here)
        with pytest.raises(AttributeError, match=f"no {name}: write {here}"):
            getattr(tested, name)
        assert hasattr(tested, here), (name, here)
    with pytest.raises(AttributeError, match="no summary: print it, or write to_frame"):
        tested.summary()
    with pytest.raises(AttributeError, match="no fvalue: write F"):
        _ = fit.f_test("Days = 0").fvalue
