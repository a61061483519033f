"""Figures of results that code takes for others: the harm in numbers, and that lint finds it in a script."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf

import lmmtools as lmt
from lmmtools.linting.lint import lint_file
from tests.unit.linting.calls import raters, schools, sleep

HEAD = "import numpy as np\nimport statsmodels.api as sm\nimport statsmodels.formula.api as smf\n"
FIT = 'r = smf.mixedlm("y ~ x", d, groups="g").fit()\n'


@pytest.fixture
def read(tmp_path):
    def reports(text):
        (tmp_path / "s.py").write_text(HEAD + text)
        return lint_file(str(tmp_path / "s.py"))[0]

    return reports


def _codes(reports):
    return [set(r.codes) for r in reports]


def _cure(reports, code):
    return next(f.cure for r in reports for f in r.findings if f.code == code)


def _fit(*arguments, reml=True, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = smf.mixedlm(*arguments, **options)
        return model.fit(reml=reml, method=["powell", "bfgs"], ftol=1e-12, maxiter=1000)


def _run(code, **names):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(code, names)
    return names


# -- variances of components ------------------------------------------------------------------------------------------

ROOMS = 'r = smf.mixedlm("y ~ x", d, groups="g", re_formula="1", vc_formula={"room": "0 + C(room)"}).fit()\n'


def test_an_icc_without_the_components_is_too_large(read) -> None:
    result = _fit("score ~ ses", schools(), groups="school", re_formula="1", vc_formula={"room": "0 + C(room)"})
    school, room = float(result.cov_re.iloc[0, 0]), float(result.vcomp[0])
    wrong = school / (school + result.scale)
    right = school / (school + room + result.scale)
    # A variance of rooms of 9 stands beside 25 of the residual in the data's recipe.
    assert room > 4
    assert wrong > right * 1.15
    reports = read(ROOMS + "icc = r.cov_re.iloc[0, 0] / (r.cov_re.iloc[0, 0] + r.scale)")
    assert _codes(reports) == [{"factor-inside", "vcomp-forgotten"}]
    total = _run(_cure(reports, "vcomp-forgotten"), result=result)["total"]
    assert school / total == pytest.approx(right)


@pytest.mark.parametrize(
    "use",
    [
        "v = float(r.cov_re.iloc[0, 0])\nicc = v / (v + r.scale)",
        "v = r.cov_re.values[0][0]\ntotal = v + r.scale\nicc = round(v / total, 3) if total > 0 else 0",
        "def icc(f):\n    v = np.trace(f.cov_re)\n    return v / (v + f.scale)\nicc(r)",
        "v = r.cov_re\nv /= v + r.scale",
    ],
)
def test_totals_without_the_components_are_found(read, use) -> None:
    assert "vcomp-forgotten" in _codes(read(ROOMS + use))[0]
    assert "vcomp-forgotten" not in _codes(read(FIT + use))[0]


@pytest.mark.parametrize(
    "use",
    [
        "v = r.cov_re.iloc[0, 0]\nicc = v / (v + r.vcomp[0] + r.scale)",
        "v = r.cov_re.iloc[0, 0]\ntotal = v + r.scale\nif len(r.vcomp):\n    total += sum(r.vcomp)\nicc = v / total",
        "parts = [r.cov_re.iloc[0, 0], *r.vcomp, r.scale]\nicc = parts[0] / sum(parts)",
        "share = r.cov_re.iloc[0, 0] / r.scale",
    ],
)
def test_totals_with_the_components_are_not(read, use) -> None:
    assert "vcomp-forgotten" not in _codes(read(ROOMS + use))[0]


# -- tests of variances -----------------------------------------------------------------------------------------------


def test_the_p_value_of_a_variance_is_far_from_the_test_of_it(read) -> None:
    data = sleep()
    result = _fit("Reaction ~ Days", data, groups="Subject")
    wald = result.pvalues["Subject Var"]
    without = smf.ols("Reaction ~ Days", data).fit()
    with_it = _fit("Reaction ~ Days", data, groups="Subject", reml=False)
    from scipy.stats import chi2

    ratio = chi2.sf(2 * (with_it.llf - without.llf), 1) / 2
    # 0.0095 by Wald; lme4's likelihood ratio for the same intercepts is 107.2 (REML: 116.5).
    assert wald > 1e-3
    assert ratio < 1e-24
    reports = read('r = smf.mixedlm("Reaction ~ Days", data, groups="Subject").fit()\nr.pvalues["Subject Var"]')
    assert _codes(reports) == [{"variance-pvalue"}]
    code = _cure(reports, "variance-pvalue").replace("lmt.lmm(", "table = lmt.lmm(")
    assert _run(code, data=data)["table"].to_frame()["p"].iloc[-1] < 1e-20


def test_p_values_of_variances_are_found_and_others_are_not(read) -> None:
    for use in ("r.pvalues['Group Var']", "r.pvalues.loc['g Var']", "r.pvalues.iloc[-1]", "r.tvalues.get('g Var')"):
        assert _codes(read(FIT + use)) == [{"variance-pvalue"}], use
    for use in ("r.pvalues['x']", "r.pvalues.loc['g x x Cov']", "r.pvalues.iloc[1]", "r.pvalues"):
        assert _codes(read(FIT + use)) == [set()], use


def test_standard_errors_and_limits_of_variances_are_divided_by_the_scale(read) -> None:
    result = _fit("Reaction ~ Days", sleep(), groups="Subject")
    # 17.16 is on the scale of variance by root of scale; the interval holds 1.43 and not the variance, 1378.
    assert result.conf_int().loc["Subject Var"].max() < 3 < 1000 < float(result.cov_re.iloc[0, 0])
    for use in ("r.bse['Group Var']", "r.conf_int().loc['Group Var']"):
        assert _codes(read(FIT + use)) == [{"params-scaled"}], use
    assert _codes(read(FIT + "r.conf_int().loc['x']\nr.bse['x']")) == [set()]


# -- fitted values ----------------------------------------------------------------------------------------------------


def test_fitted_values_hold_the_random_effects(read) -> None:
    result = _fit("Reaction ~ Days", sleep(), groups="Subject")
    fixed = np.var(result.model.exog @ result.fe_params)
    assert np.var(result.predict()) == pytest.approx(fixed)
    between = float(result.cov_re.iloc[0, 0])
    rest = between + result.scale
    right = fixed / (fixed + rest)
    wrong = np.var(result.fittedvalues) / (np.var(result.fittedvalues) + rest)
    conditional = (fixed + between) / (fixed + rest)
    # 0.28, 0.48 and 0.70: the wrong one is nearly twice the right one.
    assert right == pytest.approx(0.279, abs=1e-3)
    assert wrong == pytest.approx(0.476, abs=1e-3)
    assert conditional == pytest.approx(0.704, abs=1e-3)
    own = lmt.lmm("Reaction ~ Days + (1|Subject)", sleep()).fit(engine="pls").r2()
    assert own.marginal == pytest.approx(right, abs=2e-3)
    use = "f = np.var(r.fittedvalues)\nr2 = f / (f + float(r.cov_re.iloc[0, 0]) + r.scale)"
    reports = read(FIT + use)
    assert _codes(reports) == [{"fitted-as-fixed"}]
    values = _run(_cure(reports, "fitted-as-fixed"), result=result)["fixed"]
    assert np.var(values) == pytest.approx(fixed)


@pytest.mark.parametrize(
    "use",
    [
        "v = r.fittedvalues.var()\ntotal = v + r.cov_re.values[0][0] + r.scale\nm = v / total",
        "def r2(f):\n    v = f.fittedvalues.var()\n    return v / sum([v, np.trace(f.cov_re), f.scale])\nr2(r)",
        "d['fixed_pred'] = r.fittedvalues",
        "population = r.fittedvalues",
        "parts = dict(f=np.var(r.fittedvalues), u=r.cov_re.iloc[0, 0])\nm = parts['f'] + parts['u']",
    ],
)
def test_fitted_values_taken_for_the_fixed_part_are_found(read, use) -> None:
    assert _codes(read(FIT + use)) == [{"fitted-as-fixed"}]


@pytest.mark.parametrize(
    "use",
    [
        "v = r.predict(d).var()\ntotal = v + r.cov_re.iloc[0, 0] + r.scale",
        "share = r.fittedvalues.var() / d['y'].var()",
        "d['fitted'] = r.fittedvalues\nresid = d['y'] - r.fittedvalues",
        "v = np.var(r.fittedvalues)\nconditional = v / (v + r.scale)",
        "fixed = (r.model.exog @ r.fe_params).var()\ntotal = fixed + r.cov_re.iloc[0, 0]",
        "o = smf.ols('y ~ x', d).fit()\nv = o.fittedvalues.var() + r.cov_re.iloc[0, 0]",
    ],
)
def test_fitted_values_taken_for_what_they_are_are_not(read, use) -> None:
    assert _codes(read(FIT + use)) == [set()]


# -- criteria of REML fits --------------------------------------------------------------------------------------------


def test_a_difference_of_reml_likelihoods_depends_on_units(read) -> None:
    data = sleep().assign(hours=lambda d: d["Days"] * 24)
    null = _fit("Reaction ~ 1", data, groups="Subject")
    in_days, in_hours = (_fit(f"Reaction ~ {x}", data, groups="Subject") for x in ("Days", "hours"))
    reml = [2 * (r.llf - null.llf) for r in (in_days, in_hours)]
    # The same model in other units: REML's difference moves by 2 log 24 = 6.36.
    assert reml[0] - reml[1] == pytest.approx(2 * np.log(24), abs=1e-3)
    ml = [_fit(f, data, groups="Subject", reml=False).llf for f in ("Reaction ~ Days", "Reaction ~ hours")]
    assert ml[0] == pytest.approx(ml[1], abs=1e-6)
    script = (
        'model = smf.mixedlm("Reaction ~ Days", data, groups="Subject")\nfull = model.fit()\n'
        'null = smf.mixedlm("Reaction ~ 1", data, groups="Subject").fit()\n'
        "stat = 2 * (full.llf - null.llf)"
    )
    reports = read(script)
    assert _codes(reports) == [set(), {"reml-compared"}]
    code = _cure(reports, "reml-compared")
    result = _run(code, model=smf.mixedlm("Reaction ~ Days", data, groups="Subject"))["result"]
    assert result.llf == pytest.approx(ml[0], abs=1e-3)


HELPER = 'def fit(f):\n    return smf.mixedlm(f, d, groups="g").fit()\n'


@pytest.mark.parametrize(
    "use",
    [
        HELPER + 'a, b = fit("y ~ x"), fit("y ~ 1")\nstat = -2 * (b.llf - a.llf)',
        HELPER + "a, b = fit('y ~ x + z'), fit('y ~ x')\ndef lr(m, n):\n    return 2 * (m.llf - n.llf)\nlr(a, b)",
        HELPER + "fits = {n: fit(f'y ~ {n}') for n in ('x', 'z')}\nif fits['x'].llf > fits['z'].llf:\n    pass",
        HELPER + "k = 4\na = -2 * fit('y ~ x').llf + 2 * k\nb = -2 * fit('y ~ z').llf + 2 * k\nd_aic = a - b",
        HELPER + "best = max(fit('y ~ x').llf, fit('y ~ 1').llf)",
        HELPER + "best = max([fit('y ~ x'), fit('y ~ 1')], key=lambda r: r.llf)",
        "def run(y):\n    a = smf.mixedlm(f'{y} ~ x', d, groups='g').fit()\n"
        "    b = smf.mixedlm(f'{y} ~ 1', d, groups='g').fit()\n    return 2 * (a.llf - b.llf)",
    ],
)
def test_comparisons_of_reml_fits_are_found(read, use) -> None:
    assert any("reml-compared" in codes for codes in _codes(read(use)))


@pytest.mark.parametrize(
    "use",
    [
        HELPER.replace("fit()", "fit(reml=False)") + 'stat = fit("y ~ x").llf - fit("y ~ 1").llf',
        HELPER.replace("fit()", "fit(reml=flag)") + 'stat = fit("y ~ x").llf - fit("y ~ 1").llf',
        HELPER + 'stat = fit("y ~ x").llf - fit("y ~ 1 + x").llf',
        HELPER + 'print(fit("y ~ x").llf, fit("y ~ 1").llf)',
        HELPER + 'total = fit("a ~ x").llf + fit("b ~ z").llf',
        'a = smf.mixedlm("y ~ x", d, groups="g").fit()\n'
        'b = smf.mixedlm("y ~ x", d, groups="g", re_formula="~x").fit()\nstat = 2 * (b.llf - a.llf)',
        "def lr(f, g):\n    a = smf.mixedlm(f, d, groups='g').fit()\n    b = smf.mixedlm(g, d, groups='g').fit()\n"
        "    return a.llf - b.llf",
    ],
)
def test_comparisons_that_hold_are_not(read, use) -> None:
    assert not any("reml-compared" in codes for codes in _codes(read(use)))


def test_aic_of_a_reml_fit_is_nan(read) -> None:
    data = sleep()
    formulas = ["Reaction ~ 1", "Reaction ~ Days"]
    fits = {f: _fit(f, data, groups="Subject") for f in formulas}
    assert all(np.isnan([f.aic, f.bic]).all() for f in fits.values())
    # The first is called the best, whichever it is; by maximum likelihood Days lowers AIC by 114.5.
    assert [min(order, key=lambda f: fits[f].aic) for order in (formulas, formulas[::-1])] == formulas
    ml = {f: _fit(f, data, groups="Subject", reml=False).aic for f in formulas}
    assert ml["Reaction ~ 1"] - ml["Reaction ~ Days"] > 100
    reports = read(
        'model = smf.mixedlm("Reaction ~ Days", data, groups="Subject")\nr = model.fit()\nprint(r.aic, r.bic)'
    )
    assert _codes(reports) == [{"reml-aic"}]
    model = smf.mixedlm("Reaction ~ Days", data, groups="Subject")
    assert _run(_cure(reports, "reml-aic"), model=model)["result"].aic == pytest.approx(ml["Reaction ~ Days"], abs=1e-3)
    loop = (
        "m = smf.mixedlm('y ~ x', d, groups='g')\nfor k in ('bfgs', 'cg'):\n    try:\n        r = m.fit(method=k)\n"
        "        break\n    except Exception:\n        continue\nprint(r.bic)"
    )
    assert _codes(read(loop)) == [{"reml-aic"}]
    kept = (
        "class A:\n    def __init__(self):\n        self.fits = {}\n    def fit(self, d):\n"
        "        self.fits['full'] = smf.mixedlm('y ~ x', d, groups='g').fit()\n    def aic(self):\n"
        "        return self.fits['full'].aic\na = A()\na.fit(d)\na.aic()"
    )
    assert _codes(read(kept)) == [{"reml-aic"}]
    for fit in ("reml=False", "reml=flag"):
        assert _codes(read(f'r = smf.mixedlm("y ~ x", d, groups="g").fit({fit})\nr.aic')) == [set()]


# -- arguments --------------------------------------------------------------------------------------------------------


def test_arguments_that_mixedlm_does_not_have_fail(read) -> None:
    data = sleep()
    for name, value in (("family", sm.families.Gaussian()), ("weights", np.ones(180)), ("reml", False)):
        with pytest.raises(ValueError, match=f"argument {name} not permitted"):
            smf.mixedlm("Reaction ~ Days", data, groups="Subject", **{name: value})
        assert _codes(read(f'smf.mixedlm("y ~ x", d, groups="g", {name}=v).fit()')) == [{"no-such-argument"}]
    for name in ("use_sqrt=True", "missing='drop'", "subset=None", "use_sparse=True", "eval_env=0", "drop_cols=None"):
        assert _codes(read(f'smf.mixedlm("y ~ x", d, groups="g", {name}).fit()')) == [set()], name
    assert _cure(read('smf.mixedlm("y ~ x", d, group="g")'), "no-such-argument") == "groups='g'"


def test_exog_re_beside_a_formula_is_written_over(read) -> None:
    data = sleep()
    model = smf.mixedlm("Reaction ~ Days", data, groups="Subject", exog_re=data[["Days"]])
    assert (np.asarray(model.exog_re) == 1).all()
    assert _codes(read('smf.mixedlm("y ~ x", d, groups="g", exog_re=d[["x"]])')) == [{"no-such-argument"}]


def test_a_family_is_named_with_the_model_that_has_it(read) -> None:
    data = raters().assign(late=lambda d: (d["rt"] > 600).astype(int))
    call = 'smf.mixedlm("late ~ trial", data, groups="subj", family=sm.families.Binomial()).fit()'
    cure = _cure(read(call), "no-such-argument")
    result = _run(cure, data=data)["result"]
    assert result.model.exog_vc.shape[1] == data["subj"].nunique()
    assert len(result.vcp_mean) == 1


def test_groups_by_place_fail(read) -> None:
    data = sleep()
    with pytest.raises(AttributeError, match="groups"):
        smf.mixedlm("Reaction ~ Days", data, data["Subject"])
    assert _codes(read('smf.mixedlm("y ~ x", d, d["g"])')) == [{"groups-missing"}]
    assert _codes(read('smf.mixedlm("y ~ x", d)')) == [{"groups-missing"}]
    assert "groups-missing" not in _codes(read('def f(**k):\n    return smf.mixedlm("y ~ x", d, **k)'))[0]
    assert isinstance(data, pd.DataFrame)
