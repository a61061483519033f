"""What MixedLM models really are, against a table of calls; statsmodels' own covariance is the judge of the arrays."""

import numpy as np
import pandas as pd
import pytest

import lmmtools as lmt
from lmmtools.engines.mixedlm.reading import read_model
from lmmtools.engines.mixedlm.reading.labels import parse_label

sm = pytest.importorskip("statsmodels.api")
from statsmodels.regression.mixed_linear_model import MixedLM, VCSpec  # noqa: E402


def _data(name, *, as_text):
    data = lmt.datasets.load(name).assign(one=1)
    return data.astype({c: str for c in data if isinstance(data[c].dtype, pd.CategoricalDtype)}) if as_text else data


PLATE_AND_SAMPLE = {"plate": "1 + C(plate)", "sample": "0 + C(sample)"}
# (data, formula, keywords) -> (lme4, kinds, confounded); the same for text and for categoricals.
CALLS = [
    (
        ("Penicillin", "diameter ~ 1", {"groups": "plate", "vc_formula": PLATE_AND_SAMPLE}),
        ("(1|plate) + (1|plate:sample)", None, (("sample", "Residual"),)),
    ),
    (
        ("Penicillin", "diameter ~ 1", {"groups": "plate", "vc_formula": {"sample": "0 + C(sample)"}}),
        ("(1|plate:sample)", ["indicator"], (("sample", "Residual"),)),
    ),
    (
        (
            "Penicillin",
            "diameter ~ 1",
            {"groups": "one", "vc_formula": {"p": "0 + C(plate)", "s": "0 + C(sample)"}},
        ),
        ("(1|plate) + (1|sample)", ["indicator", "indicator"], ()),
    ),
    (
        ("Penicillin", "diameter ~ 1", {"groups": "one", "vc_formula": {"s": "C(sample)"}}),
        ("(1|one) + (1|sample)", ["reference-coded"], ()),
    ),
    (
        ("Pastes", "strength ~ 1", {"groups": "batch", "re_formula": "1", "vc_formula": {"cask": "0 + C(cask)"}}),
        ("(1|batch) + (1|batch:cask)", ["intercept", "indicator"], ()),
    ),
    (
        ("Pastes", "strength ~ 1", {"groups": "batch", "re_formula": "1", "vc_formula": {"s": "0 + C(sample)"}}),
        ("(1|batch) + (1|sample)", ["intercept", "indicator"], ()),
    ),
    (
        (
            "Pastes",
            "strength ~ 1",
            {"groups": "one", "vc_formula": {"batch": "0 + C(batch)", "cask": "0 + C(cask)"}},
        ),
        ("(1|batch) + (1|cask)", ["indicator", "indicator"], ()),
    ),
    (
        ("Pastes", "strength ~ 1", {"groups": "one", "vc_formula": {"cask": "0 + C(batch):C(cask)"}}),
        ("(1|batch:cask)", ["indicator"], ()),
    ),
    (
        ("sleepstudy", "Reaction ~ Days", {"groups": "Subject"}),
        ("(1|Subject)", ["intercept"], ()),
    ),
    (
        ("sleepstudy", "Reaction ~ Days", {"groups": "Subject", "re_formula": "~Days"}),
        ("(1 + Days|Subject)", ["correlated"], ()),
    ),
    (
        ("sleepstudy", "Reaction ~ Days", {"groups": "Subject", "re_formula": "0 + Days"}),
        ("(0 + Days|Subject)", ["slope"], ()),
    ),
    (
        ("sleepstudy", "Reaction ~ Days", {"groups": "Subject", "vc_formula": {"a": "1", "b": "0 + Days"}}),
        ("(1|Subject) + (0 + Days|Subject)", ["intercept", "slope"], ()),
    ),
    (
        ("sleepstudy", "Reaction ~ Days", {"groups": "Subject", "vc_formula": {"a": "Days"}}),
        ("(1|Subject) + (0 + Days|Subject)", ["several columns"], ()),
    ),
    (
        ("sleepstudy", "Reaction ~ Days", {"groups": "one", "vc_formula": {"b": "0 + C(Subject):Days"}}),
        ("(0 + Days|Subject)", ["indicator slope"], ()),
    ),
    (
        ("sleepstudy", "Reaction ~ Days", {"groups": "Subject", "re_formula": "1", "vc_formula": {"a": "1"}}),
        ("(1|Subject) + (1|Subject)", ["intercept", "intercept"], (("Subject", "a"),)),
    ),
]


def _covariance(model, variances):
    """Z D Z' that statsmodels' arrays stand for, each component with its variance; correlated effects independent."""
    total = np.zeros((len(model.endog), len(model.endog)))
    at = 0 if model.k_re == 0 else 1
    for g, label in enumerate(model.group_labels):
        own = np.ix_(model.row_indices[label], model.row_indices[label])
        if model.k_re:
            total[own] += variances[0] * model.exog_re_li[g] @ model.exog_re_li[g].T
        for j in range(model.k_vc):
            mat = model.exog_vc.mats[j][g]
            total[own] += variances[at + j] * np.asarray(mat @ mat.T)
    return total


def _reading_covariance(reading, variances):
    total = np.zeros((reading.n, reading.n))
    for component, variance in zip(reading.components, variances, strict=True):
        for piece in component.pieces:
            same = piece.codes[:, None] == piece.codes
            total += variance * same * (piece.basis @ piece.basis.T)
    return total


@pytest.mark.parametrize("as_text", [False, True], ids=["categorical", "text"])
@pytest.mark.parametrize(("call", "expected"), CALLS, ids=[f"{c[0][0]}: {c[1][0]} {i}" for i, c in enumerate(CALLS)])
def test_a_formula_model_reads_as_what_its_arrays_are(call, expected, as_text):
    name, formula, keywords = call
    model = MixedLM.from_formula(formula, _data(name, as_text=as_text), **keywords)
    reading = read_model(model)
    lme4, kinds, confounded = expected
    assert reading.lme4 == lme4
    assert reading.formula == f"{formula} + {lme4}"
    if kinds is not None:
        assert [c.kind for c in reading.components] == kinds
    assert reading.confounded == confounded
    variances = 1.0 + np.arange(len(reading.components))
    np.testing.assert_allclose(
        _reading_covariance(reading, variances), _covariance(model, variances), rtol=1e-12, atol=1e-12
    )


def test_levels_inside_groups_are_pairs_only_where_their_labels_cross():
    data = _data("Pastes", as_text=False)
    inside = {"groups": "batch", "re_formula": "1"}
    crossing = read_model(MixedLM.from_formula("strength ~ 1", data, vc_formula={"c": "0 + C(cask)"}, **inside))["c"]
    nested = read_model(MixedLM.from_formula("strength ~ 1", data, vc_formula={"s": "0 + C(sample)"}, **inside))["s"]
    assert (crossing.m, crossing.n_declared, crossing.crosses_groups, crossing.is_crossed_inside) == (30, 3, True, True)
    assert (nested.m, nested.n_declared, nested.crosses_groups, nested.is_crossed_inside) == (30, 30, False, False)
    assert crossing.factors == ("cask",)
    assert crossing.piece.term.factors == ("batch", "cask")
    # A categorical declares all its levels in every group: 10 groups of 30 columns, 270 of them zero.
    assert (nested.n_columns, nested.n_empty) == (300, 270)


def test_a_reference_coded_component_says_which_level_counts_less():
    model = MixedLM.from_formula(
        "diameter ~ 1", _data("Penicillin", as_text=False), groups="plate", vc_formula=PLATE_AND_SAMPLE
    )
    plate = read_model(model)["plate"]
    assert plate.kind == "reference-coded"
    assert not plate.is_exact
    assert "a has 0.5 of the variance" in plate.caveats[0]


def test_array_models_are_read_by_their_numbers():
    data = lmt.datasets.load("sleepstudy")
    X = sm.add_constant(data[["Days"]])
    named = read_model(MixedLM(data["Reaction"], X, groups=data["Subject"], exog_re=X))
    assert named.formula == "Reaction ~ 1 + Days + (1 + Days|Subject)"
    bare = read_model(MixedLM(data["Reaction"].to_numpy(), X.to_numpy(), groups=data["Subject"].to_numpy()))
    assert bare.formula == "y ~ 1 + x1 + (1|Group)"


@pytest.mark.parametrize("is_sparse", [False, True])
def test_array_components_are_read_with_or_without_names_of_levels(is_sparse):
    from scipy import sparse

    rng = np.random.default_rng(1)
    n, groups = 40, np.repeat([2, 1], 20)
    item = np.tile(np.arange(4), 10)
    mats, names = [], []
    for g in (1, 2):
        mat = np.eye(4)[item[groups == g]]
        mats.append(sparse.csr_array(mat) if is_sparse else mat)
        names.append([f"item[{i}]" for i in range(4)])
    y, X = rng.standard_normal(n), np.ones((n, 1))
    model = MixedLM(y, X, groups=groups, exog_vc=VCSpec(["v"], [names], [mats]))
    assert read_model(model).lme4 == "(1|Group:item)"
    model = MixedLM(y, X, groups=groups, exog_vc=VCSpec(["v"], [[[*"0123"]] * 2], [mats]))
    component = read_model(model)["v"]
    assert component.lme4 == "(1|Group:v)"
    assert component.crosses_groups is None
    assert component.m == 8


def test_components_of_nameless_arrays_go_by_the_names_of_the_components():
    data = lmt.datasets.load("sleepstudy")
    X = sm.add_constant(data[["Days"]])
    rows = data.groupby("Subject", observed=True).groups
    vc = {name: {g: X.loc[i, [name]].to_numpy() for g, i in rows.items()} for name in X}
    with pytest.warns((FutureWarning, UserWarning), match="deprecated"):
        model = MixedLM(data["Reaction"], X, groups=data["Subject"], exog_vc=vc)
    assert read_model(model).lme4 == "(0 + Days|Subject) + (1|Subject)"


def test_the_groups_keep_their_name_where_mixedlm_lost_the_column():
    data = lmt.datasets.load("sleepstudy")
    data.loc[[3, 50], "Reaction"] = np.nan
    model = MixedLM.from_formula("Reaction ~ Days", data, groups="Subject", re_formula="~Days", missing="drop")
    reading = read_model(model)
    assert (reading.n, reading.lme4) == (178, "(1 + Days|Subject)")
    assert "Subject" in reading.frame


def test_formulas_are_written_in_rs_spelling():
    data = lmt.datasets.load("Machines").assign(k=lambda d: d["Machine"].cat.codes)
    model = MixedLM.from_formula("np.log(score) ~ C(k)", data, groups="Worker", re_formula="C(k)")
    assert read_model(model).formula == "log(score) ~ factor(k) + (1 + factor(k)|Worker)"
    data = data.rename(columns={"Worker": "the worker", "score": "my score"})
    model = MixedLM.from_formula("Q('my score') ~ Machine", data, groups="the worker")
    assert read_model(model).formula == "`my score` ~ Machine + (1|`the worker`)"


def test_effects_held_uncorrelated_are_read_as_two_terms():
    from statsmodels.regression.mixed_linear_model import MixedLMParams

    data = lmt.datasets.load("sleepstudy")
    model = MixedLM.from_formula("Reaction ~ Days", data, groups="Subject", re_formula="~Days")
    free = MixedLMParams.from_components(fe_params=np.ones(2), cov_re=np.eye(2))
    assert read_model(model, free).lme4 == "(1|Subject) + (0 + Days|Subject)"


@pytest.mark.parametrize(
    ("text", "factors", "levels", "variables", "is_reduced"),
    [
        ("Intercept", (), (), (), False),
        ("x", (), (), ("x",), False),
        ("C(sample)[A]", ("sample",), ("A",), (), False),
        ("sample[T.B]", ("sample",), ("B",), (), True),
        ("C(a, Treatment(2))[T.3]:C(b)[x:y]", ("a", "b"), ("3", "x:y"), (), True),
        ("C(g)[1.5]:np.log(x)", ("g",), ("1.5",), ("np.log(x)",), False),
        ("C(Q('body weight'))[a[1]]", ("body weight",), ("a[1]",), (), False),
    ],
)
def test_names_of_columns_tell_factors_levels_and_covariates(text, factors, levels, variables, is_reduced):
    label = parse_label(text)
    assert (label.factors, label.levels, label.variables, label.is_reduced) == (factors, levels, variables, is_reduced)


def test_what_is_no_mixedlm_model_or_has_lost_its_data_is_refused():
    data = lmt.datasets.load("sleepstudy")
    with pytest.raises(lmt.DataError, match="not OLS"):
        read_model(sm.OLS(data["Reaction"], data[["Days"]]))
    model = MixedLM.from_formula("Reaction ~ Days", data, groups="Subject")
    model.endog = None
    with pytest.raises(lmt.DataError, match="lost its data"):
        read_model(model)
