"""translate(): whatever goes in, every notation comes out, and the code in it runs to the same model."""

import warnings

import numpy as np
import pandas as pd
import pytest

import lmmtools as lmt

smf = pytest.importorskip("statsmodels.formula.api")


@pytest.fixture(scope="module")
def pastes():
    return lmt.datasets.load("Pastes")


def criterion_at(model, ratios):
    """MixedLM's REML criterion with the given relative variances."""
    from statsmodels.regression.mixed_linear_model import MixedLMParams

    k = model.k_re
    params = MixedLMParams.from_components(
        np.zeros(model.k_fe), cov_re=np.diag(ratios[:k]), vcomp=np.asarray(ratios[k:], dtype=float)
    )
    model.cov_pen = None
    return -2 * model.loglike(params)


def run_code(code, data):
    scope = {"data": data.copy()}
    exec(code.split("result = ")[0], scope)
    return scope["model"]


FORMULAS = [
    ("Pastes", "strength ~ 1 + (1|batch/cask)"),
    ("Pastes", "strength ~ 1 + (1|cask:batch)"),
    ("Pastes", "strength ~ 1 + (1|batch) + (1|cask)"),
    ("Penicillin", "diameter ~ 1 + (1|plate) + (1|sample)"),
    ("sleepstudy", "Reaction ~ Days + (Days||Subject)"),
    ("sleepstudy", "Reaction ~ Days + (0 + Days|Subject)"),
    ("sleepstudy", "Reaction ~ 0 + Days + (Days|Subject)"),
    ("Machines", "score ~ Machine + (1|Worker/Machine)"),
]


@pytest.mark.parametrize(("name", "formula"), FORMULAS)
def test_the_call_without_data_is_the_model_that_the_data_give(name, formula):
    data = lmt.datasets.load(name)
    sketched = run_code(lmt.translate(formula).mixedlm, data)
    with_data = run_code(lmt.translate(formula, data).mixedlm, data)
    assert (sketched.k_re, sketched.k_vc) in {(with_data.k_re, with_data.k_vc), (0, with_data.k_re + with_data.k_vc)}
    # All components equal, so that their order does not matter.
    ratios = np.full(sketched.k_re + sketched.k_vc, 0.7)
    assert criterion_at(sketched, ratios) == pytest.approx(criterion_at(with_data, ratios), rel=1e-10)


def test_a_call_without_data_spells_names_as_patsy_needs_them(pastes):
    data = pastes.rename(columns={"batch": "my batch", "cask": "C"}).astype({"C": str})
    model = run_code(lmt.translate("strength ~ 1 + (1|`my batch`)").mixedlm, data)
    assert model.n_groups == 10


@pytest.mark.parametrize(
    ("formula", "why"),
    [
        ("y ~ x + (x|a) + (1|b)", r"\(x \| a\) has no MixedLM form"),
        ("y ~ x + (x|a) + (x|a:b)", "one set of correlated effects"),
        ("y ~ x + scale(x) + (1|a)", "give the data"),
        ("y ~ x + offset(z) + (1|a)", "no offset"),
    ],
)
def test_where_there_is_no_call_the_note_says_why(formula, why):
    translation = lmt.translate(formula)
    assert translation.mixedlm is None
    with pytest.raises(AssertionError, match=why):
        raise AssertionError(translation.notes[0])


def test_declaration_model_and_result_translate_alike(pastes):
    model = lmt.lmm("strength ~ 1", pastes, random=lmt.nested("batch", "cask"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        translations = [lmt.translate(model), lmt.translate(model.fit(engine="pls"))]
    translations.append(lmt.translate("strength ~ 1 + (1|batch/cask)", pastes))
    assert len({str(t) for t in translations}) == 1
    assert lmt.translate(lmt.nested("batch", "cask")).lme4 == "y ~ 1 + (1|batch) + (1|cask:batch)"
    assert lmt.translate(model.spec).lme4 == "strength ~ 1 + (1|batch) + (1|cask_batch)"


def test_a_mixedlm_model_translates_as_what_it_is():
    data = lmt.datasets.load("Penicillin").astype({"plate": str, "sample": str})
    vc = {"plate": "1 + C(plate)", "sample": "0 + C(sample)"}
    model = smf.mixedlm("diameter ~ 1", data, groups="plate", vc_formula=vc)
    translation = lmt.translate(model)
    assert translation.lme4 == "diameter ~ 1 + (1|plate) + (1|plate:sample)"
    assert translation.declaration == 'lmt.lmm("diameter ~ 1", data, random=lmt.nested("plate", "sample"))'
    assert "has nothing to do with the same level in another" in translation.words
    assert "only their sum is identified" in translation.notes[-1]
    again = run_code(translation.mixedlm, data)
    assert criterion_at(again, [0.5, 0.5]) == pytest.approx(criterion_at(model, [0.5, 0.5]), rel=1e-10)


def test_a_shared_variance_has_one_symbol_and_no_call():
    data = lmt.datasets.load("Penicillin").assign(one=1)
    model = smf.mixedlm("diameter ~ 1", data, groups="one", vc_formula={"sample": "C(sample)"})
    translation = lmt.translate(model)
    assert translation.latex.count(r"\sigma_{1}^2") == 2
    assert translation.mixedlm is None
    assert "share one variance" in translation.notes[1]


def test_words_and_equation_of_slopes():
    data = lmt.datasets.load("sleepstudy")
    translation = lmt.translate("Reaction ~ Days + (Days|Subject)", data)
    assert translation.words.splitlines() == [
        "The mean of Reaction is linear in Days, with a constant (2 fixed effects, 180 rows).",
        "Each Subject (18) has its own intercept and effect of Days, drawn together from a normal distribution: "
        "they may be correlated.",
        "What is left of each row is independent normal noise of one variance, sigma^2.",
    ]
    assert translation.latex.splitlines() == [
        r"\begin{aligned}",
        r"\text{Reaction}_{i} &= \beta_{0} + \beta_{1}\,\text{Days}_{i} + b^{(1)}_{0,\,\text{Subject}[i]} + "
        r"b^{(1)}_{1,\,\text{Subject}[i]}\,\text{Days}_{i} + \varepsilon_{i} \\",
        r"(b^{(1)}_{0,\,j},\, b^{(1)}_{1,\,j})^\top &\sim \mathcal{N}(0,\; \Sigma_{1}),\quad j = 1, \dots, 18 \\",
        r"\varepsilon_{i} &\sim \mathcal{N}(0,\; \sigma^2)",
        r"\end{aligned}",
    ]


@pytest.mark.parametrize(
    ("name", "formula", "sentence"),
    [
        ("Penicillin", "diameter ~ 1 + (1|plate) + (1|sample)", "plate and sample are crossed: every level"),
        ("Pastes", "strength ~ 1 + (1|batch) + (1|sample)", "sample is nested in batch"),
    ],
)
def test_words_say_how_factors_lie(name, formula, sentence):
    assert sentence in lmt.translate(formula, lmt.datasets.load(name)).words


def test_weights_and_offset_are_in_the_equation():
    data = lmt.datasets.load("sleepstudy").assign(w=2.0)
    model = lmt.lmm("Reaction ~ Days + offset(Days) + (1|Subject)", data, weights="w")
    translation = lmt.translate(model)
    assert "o_{i}" in translation.latex
    assert r"\sigma^2 / w_{i}" in translation.latex
    assert "no prior weights" in translation.notes[0]


def test_what_is_no_model_is_refused(pastes):
    with pytest.raises(lmt.DataError, match="not int"):
        lmt.translate(3)
    model = lmt.lmm("strength ~ 1 + (1|batch)", pastes)
    with pytest.raises(lmt.DataError, match="has its data"):
        lmt.translate(model, pastes)


def test_html_escapes_and_shows_the_equation():
    html = lmt.translate("y ~ x + (1|`a<b`)")._repr_html_()
    assert "a&lt;b" in html
    assert "$$" in html
    assert pd.notna(html)


@pytest.mark.parametrize(
    ("name", "formula", "sentence"),
    [
        ("Machines", "score ~ Machine + (1|Worker)", "is different between the levels of Machine, with a constant (3 "),
        (
            "Oats",
            "yield ~ Variety * nitro + (1|Block)",
            "is linear in nitro, with a slope of nitro for each level of Variety and different between the levels of "
            "Variety, with a constant (6 ",
        ),
        (
            "Oats",
            "yield ~ Variety * C(nitro) + (1|Block)",
            "is different between the levels of Variety, the levels of C(nitro) and combinations of Variety and "
            "C(nitro), with a constant (12 ",
        ),
        ("Oats", "yield ~ 0 + Variety + (1|Block)", "between the levels of Variety, without a constant (3 "),
        ("Oats", "yield ~ cr(nitro, df=3) + (1|Block)", "is linear in cr(nitro, df=3), with a constant ("),
    ],
)
def test_a_mean_is_linear_in_numbers_alone_and_differs_between_levels(name, formula, sentence):
    assert sentence in lmt.translate(formula, lmt.datasets.load(name)).words.splitlines()[0]


def test_without_data_nothing_is_said_of_what_columns_are():
    assert lmt.translate("y ~ x + (1|g)").words.startswith("The mean of y is the effect of x, with a constant.")
    assert "linear" not in lmt.translate("y ~ x * z + (1|g)").words
