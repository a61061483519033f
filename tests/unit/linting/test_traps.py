"""The harm of each trap in numbers, and that lint finds it in the text of a script and with the data."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf

import lmmtools as lmt
from lmmtools.linting.lint import lint_file
from tests.unit.linting.calls import raters, sleep

HEAD = "import statsmodels.api as sm\nimport statsmodels.formula.api as smf\n"


@pytest.fixture
def read(tmp_path):
    def codes(text, data=None):
        (tmp_path / "s.py").write_text(HEAD + text)
        reports, _ = lint_file(str(tmp_path / "s.py"), data)
        return [set(r.codes) for r in reports]

    return codes


def _quiet(make):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make()


def test_a_bar_in_the_formula_is_a_column_of_numbers_and_no_random_effect(read) -> None:
    data = sleep().astype({"Days": int})
    result = _quiet(lambda: smf.mixedlm("Reaction ~ 1 + (1|Days)", data, groups="Subject").fit())
    assert "1 | Days" in result.fe_params.index
    meant = lmt.lmm("Reaction ~ 1 + (1|Days) + (1|Subject)", data).fit(engine="pls").objective
    assert abs(-2 * result.llf - meant) > 20
    call = 'smf.mixedlm("Reaction ~ 1 + (1|Days)", data, groups="Subject").fit()'
    assert "bar-in-formula" in read(call)[0]
    assert "bar-in-formula" in read(call, data)[0]


def test_params_hold_variances_divided_by_the_scale(read) -> None:
    result = _quiet(lambda: smf.mixedlm("Reaction ~ Days", sleep(), groups="Subject").fit())
    variance = float(result.cov_re.iloc[0, 0])
    # lme4: 1378.18 beside a residual variance of 960.46.
    assert variance == pytest.approx(1378.18, rel=1e-3)
    assert result.params["Subject Var"] == pytest.approx(variance / result.scale)
    call = 'r = smf.mixedlm("y ~ x", d, groups="g").fit()\n'
    for use in (
        'v = r.params["Group Var"]',
        "v = r.params.loc['g x x Cov']",
        "v = r.params.get('Group Var')",
        "r.params[-1]",
    ):
        assert "params-scaled" in read(call + use)[0], use
    assert "params-scaled" in read(f"def icc(f):\n    return f.params['Group Var'] / (f.scale + 1)\n{call}icc(r)")[0]


@pytest.mark.parametrize(
    "use",
    [
        "v = r.params['Group Var'] * r.scale",
        "v = r.params['Group Var']\nw = r.scale * v",
        "v = r.params['Group Var']\nicc = v / (v + 1)",
        "v = r.params['Group Var'] / r.params['item Var']",
        "v = r.params['x']",
        "v = r.cov_re.iloc[0, 0]",
    ],
)
def test_what_does_not_depend_on_the_scale_is_no_finding(read, use) -> None:
    assert "params-scaled" not in read(f"r = smf.mixedlm('y ~ x', d, groups='g').fit()\n{use}\n")[0]


def test_a_slope_without_its_mean_has_a_variance_that_is_too_large(read) -> None:
    data = sleep()
    with_mean = lmt.lmm("Reaction ~ Days + (Days|Subject)", data).fit(engine="pls")
    without = lmt.lmm("Reaction ~ 1 + (Days|Subject)", data).fit(engine="pls")
    slopes = [f.varcorr.to_frame().query("vcov > 0").vcov.iloc[1] for f in (with_mean, without)]
    # The mean slope is 10.47: its square, 110, joins the variance of 35.
    assert slopes[0] == pytest.approx(35.07, abs=0.01)
    assert slopes[1] > 3 * slopes[0]
    call = 'smf.mixedlm("Reaction ~ 1", data, groups="Subject", re_formula="~Days").fit()'
    assert "slope-not-fixed" in read(call)[0]
    assert "slope-not-fixed" in read(call, data)[0]
    assert not read('smf.mixedlm("y ~ C(a)*b", d, groups="g", re_formula="~a:b")')[0]


def test_exog_re_takes_the_place_of_the_intercept(read) -> None:
    data = sleep()
    fit = lambda re: _quiet(  # noqa: E731
        lambda: sm.MixedLM(data.Reaction, sm.add_constant(data.Days), groups=data.Subject, exog_re=re).fit()
    )
    alone, both = fit(data[["Days"]]), fit(sm.add_constant(data[["Days"]]))
    slopes_only = lmt.lmm("Reaction ~ Days + (0 + Days|Subject)", data).fit(engine="pls").objective
    assert -2 * alone.llf == pytest.approx(slopes_only, abs=1e-2)
    assert 2 * (both.llf - alone.llf) > 20
    text = "sm.MixedLM(d['y'], X, groups=d['g'], exog_re={})"
    assert read(text.format("d[['Days']]")) == [{"no-random-intercept"}]
    assert read(text.format("sm.add_constant(d[['Days']])")) == [set()]
    assert "no-random-intercept" in lmt.lint(alone.model).codes
    assert "no-random-intercept" not in lmt.lint(both.model).codes


def test_groups_that_are_fixed_leave_no_variance_to_estimate(read) -> None:
    data = sleep()
    model = smf.mixedlm("Reaction ~ Days + C(Subject)", data, groups="Subject")
    model.cov_pen = model.fe_pen = None
    at = lambda v: model.loglike(np.sqrt([v]), profile_fe=True)  # noqa: E731
    # The REML criterion is the same whatever the variance, up to a constant of rounding.
    assert at(0.5) == pytest.approx(at(50.0), abs=1e-6)
    call = 'smf.mixedlm("Reaction ~ Days + C(Subject)", data, groups="Subject").fit()'
    assert "group-also-fixed" in read(call)[0]
    assert "group-also-fixed" in read(call, data)[0]
    assert "group-also-fixed" not in read('smf.mixedlm("y ~ Days", d, groups="Subject")')[0]


def test_a_list_of_columns_as_groups_fails_at_run_time(read) -> None:
    with pytest.raises((ValueError, IndexError)):
        smf.mixedlm("rt ~ 1", raters(), groups=["subj", "item"])
    for groups in ('["a", "b"]', 'd[["a", "b"]]', '[d["a"], d["b"]]'):
        assert "groups-not-one-column" in read(f'smf.mixedlm("y ~ x", d, groups={groups})')[0]


def test_components_that_are_one_have_no_variances_of_their_own(read) -> None:
    data = raters().assign(cell=lambda d: d["subj"] + "_" + d["item"])
    model = smf.mixedlm("rt ~ 1", data, groups="cell", re_formula="1", vc_formula={"subj": "0 + C(subj)"})
    model.cov_pen = model.fe_pen = None
    at = lambda a, b: model.loglike(np.sqrt([a, b]), profile_fe=True)  # noqa: E731
    assert at(1.5, 0.5) == pytest.approx(at(0.5, 1.5), abs=1e-6)
    script = (
        'd["cell"] = d["subj"] + "_" + d["item"]\n'
        'smf.mixedlm("rt ~ 1", d, groups="cell", re_formula="1", vc_formula={"subj": "0 + C(subj)"}).fit()'
    )
    assert "same-component" in read(script)[0]
    assert "same-component" in read(script, data)[0]
    apart = script.replace('d["subj"] + "_" + d["item"]', 'd["batch"]')
    assert "same-component" not in read(apart)[0]


def test_rows_that_the_script_drops_are_dropped_of_the_file_too(read) -> None:
    data = sleep()
    data.loc[[3, 50], "Days"] = np.nan
    call = 'smf.mixedlm("Reaction ~ Days", {}, groups="Subject", re_formula="~Days"{}).fit()'
    assert read(call.format("data", ', missing="drop"'), data) == [set()]
    assert read(call.format("data.dropna()", ""), data) == [set()]
    assert isinstance(data, pd.DataFrame)


def test_components_of_generalised_models_are_read_by_the_same_rules(read) -> None:
    from statsmodels.genmod.bayes_mixed_glm import BinomialBayesMixedGLM

    data = raters().assign(y=lambda d: (d["rt"] > 600).astype(int))
    model = BinomialBayesMixedGLM.from_formula("y ~ 1", {"s": "C(subj)"}, data)
    # An intercept and 19 contrasts with the first subject share one variance; indicators would be 20 of one kind.
    first = np.asarray(model.exog_vc[:, [0]].todense()).ravel()
    assert (first == 1).all()
    head = "from statsmodels.genmod.bayes_mixed_glm import BinomialBayesMixedGLM as B\n"
    text = "B.from_formula('y ~ x', {}, d).fit_vb()"
    assert read(head + text.format("{'s': 'C(subj)'}")) == [{"intercept-inside"}]
    assert read(head + text.format("{'s': '0 + C(subj)', 't': '0 + C(subj)'}")) == [{"same-component"}]
    assert read(head + text.format("{'s': '0 + C(subj)', 'i': '0 + C(item)'}")) == [set()]
    assert read(head + "B.from_formula('y ~ (1|g)', {'h': '0 + C(h)'}, d)") == [{"bar-in-formula"}]
