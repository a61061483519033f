"""The printed MixedLM call, pasted with only pandas and statsmodels at hand, gives the same fit."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from statsmodels.regression.mixed_linear_model import MixedLM

import lmmtools as lmt
from lmmtools.errors import LmmWarning

# MixedLM's own optimisers, from their own start, on the data's scale.
LOOSE = 1e-6


def islands():
    """Partially crossed factors that fall into three islands, none of the factors being the islands."""
    rng = np.random.default_rng(7)
    a = rng.integers(0, 4, 240)
    b = rng.integers(0, 5, 240)
    island = rng.integers(0, 3, 240)
    effects = rng.normal(size=(3, 4))[island, a] + rng.normal(size=(3, 5))[island, b]
    return pd.DataFrame(
        {
            "y": effects + rng.normal(size=240),
            "a": [f"a{i}{j}" for i, j in zip(island, a, strict=True)],
            "b": island * 5 + b,
        }
    )


def odd_names():
    data = lmt.datasets.load("Pastes")
    return data.rename(columns={"strength": "yield", "batch": "C", "cask": "the cask (no.)"})


def with_missing():
    data = lmt.datasets.load("sleepstudy")
    data.loc[[3, 50, 51], "Reaction"] = np.nan
    data.loc[7, "Days"] = np.nan
    return data


def load(name):
    return lambda: lmt.datasets.load(name)


CASES = {
    "crossed": (load("Penicillin"), "diameter ~ 1 + (1|plate) + (1|sample)"),
    "nested": (load("Pastes"), "strength ~ 1 + (1|batch/cask)"),
    "nested by its own labels": (load("Pastes"), "strength ~ 1 + (1|batch) + (1|sample)"),
    "crossed by reused labels": (load("Pastes"), "strength ~ 1 + (1|batch) + (1|cask)"),
    "one factor": (load("Dyestuff"), "Yield ~ 1 + (1|Batch)"),
    "slopes": (load("sleepstudy"), "Reaction ~ Days + (Days|Subject)"),
    "uncorrelated slopes": (load("sleepstudy"), "Reaction ~ Days + (Days||Subject)"),
    "slope alone": (load("sleepstudy"), "Reaction ~ Days + (0 + Days|Subject)"),
    "interaction": (load("cake"), "angle ~ recipe * temp + (1|recipe:replicate)"),
    "factor in both parts": (load("cake"), "angle ~ recipe + temp + (1|replicate/recipe)"),
    "transformed basis": (load("sleepstudy"), "Reaction ~ np.log(Days + 1) + (np.log(Days + 1)|Subject)"),
    "transformed response": (load("sleepstudy"), "np.log(Reaction) ~ Days + (Days|Subject)"),
    "offset": (load("sleepstudy"), "Reaction ~ offset(Days * 10) + Days + (1|Subject)"),
    "slope on a nested factor": (load("Oats"), "yield ~ nitro + (1|Block) + (0 + nitro|Block:Variety)"),
    "islands": (islands, "y ~ 1 + (1|a) + (1|b)"),
    "odd names": (odd_names, "`yield` ~ 1 + (1|C/`the cask (no.)`)"),
    "missing values": (with_missing, "Reaction ~ Days + (Days|Subject)"),
    "categorical basis": (load("Machines"), "score ~ Machine + (0 + Machine|Worker)"),
    "redundant column": (load("sleepstudy"), "Reaction ~ Days + I(2 * Days) + (1|Subject)"),
    "levels by dummy()": (load("sleepstudy"), "Reaction ~ Days + (1|Subject) + (0 + dummy(Days, 9)|Subject)"),
}


@pytest.fixture(params=CASES, ids=CASES)
def declared(request):
    make, formula = CASES[request.param]
    return make(), formula


@pytest.mark.parametrize("reml", [True, False])
def test_pasted_code_gives_the_same_fit(declared, reml):
    data, formula = declared
    model = lmt.lmm(formula, data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        want = model.fit(reml=reml, engine="pls").objective
        names = {"pd": pd, "data": data.copy()}
        exec(str(model.spec).replace("reml=True", f"reml={reml}"), names)
    assert -2 * names["result"].llf == pytest.approx(want, rel=LOOSE)


def test_keyword_arguments_give_the_same_model(declared):
    data, formula = declared
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = lmt.lmm(formula, data)
        result = MixedLM.from_formula(**model.spec.kwargs).fit(method=["powell", "bfgs"], ftol=1e-12, maxiter=1000)
        assert -2 * result.llf == pytest.approx(model.fit(engine="pls").objective, rel=LOOSE)


def test_the_users_frame_is_not_changed():
    data = odd_names()
    before = data.copy()
    lmt.lmm("`yield` ~ 1 + (1|C/`the cask (no.)`)", data).spec  # noqa: B018 - reading it must change nothing
    pd.testing.assert_frame_equal(data, before)


def test_penicillin_is_one_group_with_two_components():
    spec = lmt.lmm("diameter ~ 1 + (1|plate) + (1|sample)", lmt.datasets.load("Penicillin")).spec
    assert spec.data[spec.groups].nunique() == 1
    assert spec.re_formula is None
    assert spec.vc_formula == {"plate": "0 + C(plate)", "sample": "0 + C(sample)"}


def test_nested_designs_split_at_the_outer_factor():
    spec = lmt.lmm("strength ~ 1 + (1|batch/cask)", lmt.datasets.load("Pastes")).spec
    assert spec.data[spec.groups].nunique() == 10
    assert spec.re_formula == "1"
    assert list(spec.vc_formula) == ["cask:batch"]


@pytest.mark.parametrize(
    ("formula", "culprit"),
    [
        ("yield ~ nitro + (nitro|Block:Variety) + (1|Variety)", "(nitro | Block:Variety)"),
        ("yield ~ nitro + (nitro|Block) + (nitro|Variety)", "(nitro | "),
    ],
)
def test_what_mixedlm_cannot_say_names_the_term_and_the_engine_that_can(formula, culprit):
    model = lmt.lmm(formula, lmt.datasets.load("Oats"))
    with pytest.raises(lmt.TranslationError) as caught:
        _ = model.spec
    assert culprit in str(caught.value)
    assert 'engine="pls"' in str(caught.value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LmmWarning)
        fit = model.fit(engine="auto")
    assert fit.mixedlm is None
    assert fit.second_look.status == "no such model"
    assert "MixedLM has no such model" in str(fit.summary())
