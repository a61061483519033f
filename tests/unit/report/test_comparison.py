"""Fits side by side: what is the same, what differs, and why."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

import lmmtools as lmt
from lmmtools import datasets
from lmmtools.errors import DataError
from lmmtools.report.comparison import ComparisonColumn, compare_columns
from lmmtools.report.comparison_column import column_of_linear_model

EXPECTED = Path(__file__).parent / "expected"
# Two routes to one closed form in double precision.
CRITERION_RTOL = 1e-12

PLATES = ComparisonColumn(
    name="lme4",
    criterion=330.860589,
    reml=True,
    variances={"plate (Intercept)": 0.716908, "sample (Intercept)": 3.730918},
    correlations={},
    sigma=0.549923,
    fixef={"Intercept": 22.972222},
    std_errors={"Intercept": 0.808573},
    nobs=144,
    theta=(1.53759, 3.51241),
    is_singular=False,
    engine="lme4",
)
# Another theta to the digits that tables show, so that its numbers may be others.
NEAR_PLATES = replace(PLATES, theta=tuple((1 + 1e-8) * t for t in PLATES.theta))
# lme4's REMLcrit() of the Dyestuff2 fit, which is singular, and its deviance() under ML.
DYESTUFF2_REML, DYESTUFF2_ML = 161.828277812288, 162.873036653826


def sentences(comparison):
    return " ".join(comparison.sentences)


def test_equal_fits_agree():
    found = compare_columns([PLATES, replace(PLATES, name="ours", criterion=PLATES.criterion + 1e-11)])
    assert found.verdict == "same to the digits shown"
    assert found.sentences == ("lme4 and ours agree to the digits shown.",)


def test_optimiser_that_stopped_early_is_told_from_another_optimum():
    variances = {"plate (Intercept)": 0.7172, "sample (Intercept)": 3.728}
    early = compare_columns([PLATES, replace(NEAR_PLATES, name="b", criterion=330.8612, variances=variances)])
    assert early.verdict == "looser convergence"
    assert "the optimiser of b stopped early: its criterion is higher by 0.00061" in sentences(early)
    far = compare_columns([PLATES, replace(PLATES, name="b", criterion=613.256, variances=variances)])
    assert far.verdict == "disagrees"
    assert "higher than that of lme4 by 282.4" in sentences(far)


def test_lower_criterion_blames_the_reference():
    found = compare_columns([PLATES, replace(NEAR_PLATES, name="b", criterion=330.8600, sigma=0.5498)])
    assert "the optimiser of lme4 stopped early" in sentences(found)


def test_flat_criterion_blames_nobody():
    variances = {"plate (Intercept)": 0.7170, "sample (Intercept)": 3.7309}
    found = compare_columns([PLATES, replace(PLATES, name="b", variances=variances, theta=None)])
    assert found.verdict == "looser convergence"
    assert "the same criterion" in sentences(found)


def test_ml_and_reml_are_different_models():
    found = compare_columns([PLATES, replace(PLATES, name="ml", reml=False, criterion=332.1883)])
    assert found.rows[0].verdict == "another model"
    assert "lme4 is fitted by REML and ml by maximum likelihood" in sentences(found)


def test_other_rows_are_other_data():
    found = compare_columns([PLATES, replace(PLATES, name="b", nobs=140, criterion=320.0)])
    assert found.verdict == "another model"
    assert "lme4 used 144 rows and b 140" in sentences(found)


def test_missing_component_is_another_model():
    found = compare_columns([PLATES, replace(PLATES, name="b", variances={"plate (Intercept)": 1.0}, criterion=400.0)])
    assert found.verdict == "another model"
    assert "lme4 has the variance component sample (Intercept), which b has not" in sentences(found)
    assert found.to_frame().loc["variance, sample (Intercept)", "b"] is None


def test_spelling_of_effects_does_not_matter():
    r = replace(PLATES, fixef={"(Intercept)": 1.0, "recipeB": 2.0}, std_errors={"(Intercept)": 0.1, "recipeB": 0.2})
    python = replace(
        r, name="b", fixef={"Intercept": 1.0, "recipe[T.B]": 2.0}, std_errors={"Intercept": 0.1, "recipe[T.B]": 0.2}
    )
    assert compare_columns([r, python]).verdict == "same to the digits shown"


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("batch:cask (Intercept)", "cask:batch (Intercept)"),
        ("Subject Days", "Subject.1 Days"),
        ("Worker MachineB", "Worker Machine[T.B]"),
        ("g log(x)", "g np.log(x)"),
    ],
)
def test_spelling_of_components_does_not_matter(ours, theirs):
    a = replace(PLATES, variances={ours: 1.0})
    assert compare_columns([a, replace(a, name="b", variances={theirs: 1.0})]).verdict == "same to the digits shown"


def test_component_under_another_name_is_recognised_by_its_numbers():
    other = replace(PLATES, name="b", variances={"p (Intercept)": 0.716908, "sample (Intercept)": 3.730918})
    found = compare_columns([PLATES, other])
    assert found.verdict == "same to the digits shown"
    assert "p (Intercept) in b is plate (Intercept) in lme4" in sentences(found)


def test_boundary_that_only_one_reaches_is_explained():
    near = replace(PLATES, name="b", is_singular=True)
    assert "b is at the boundary (singular), lme4 not" in sentences(compare_columns([PLATES, near]))


def test_fit_that_did_not_converge_says_so():
    found = compare_columns([PLATES, replace(PLATES, name="b", converged=False)])
    assert "b does not claim to be an optimum" in sentences(found)


def test_differences_are_from_the_first_column():
    frame = compare_columns([PLATES, replace(PLATES, name="b", sigma=0.56), replace(PLATES, name="c")]).to_frame()
    row = frame.loc["std. dev., residual"]
    assert row["difference b"] == pytest.approx(0.56 - 0.549923)
    assert row["relative b"] == pytest.approx((0.56 - 0.549923) / 0.549923)
    assert row["difference c"] == 0
    assert frame.index.name == "quantity"


def test_seconds_are_shown_and_not_judged():
    found = compare_columns([PLATES, replace(PLATES, name="b", seconds=1.5)])
    assert found.rows[-1].part == "seconds"
    assert found.rows[-1].verdict == ""
    # Every row has as many cells as the frame has columns.
    assert found.to_frame().loc["seconds", "verdict"] == ""


def test_columns_of_one_name_are_numbered():
    assert [c.name for c in compare_columns([PLATES, PLATES]).columns] == ["lme4", "lme4 (2)"]


def test_one_fit_is_no_comparison():
    with pytest.raises(ValueError, match="at least two fits"):
        compare_columns([PLATES])


def test_formats():
    found = compare_columns([PLATES, replace(NEAR_PLATES, name="b|c", sigma=0.55, criterion=330.8606, seconds=0.1234)])
    assert f"{found}\n" == (EXPECTED / "comparison.txt").read_text()
    assert r"b\|c" in found.to_markdown()
    assert "<th scope=" in found._repr_html_()
    assert r"\bottomrule" in found.to_latex()
    assert json.loads(found.to_json())["comparison"]["rows"][0][1] == PLATES.criterion


def test_theta_has_rows_where_two_fits_have_as_many() -> None:
    found = compare_columns([PLATES, replace(PLATES, name="b", theta=(1.6, 3.51241)), replace(PLATES, theta=None)])
    first = next(r for r in found.rows if r.name == "theta, 1")
    assert first.values == (1.53759, 1.6, None)
    assert first.verdicts[1:] == ("disagrees", "")


def test_other_models_are_named_in_lme4_notation() -> None:
    one = replace(PLATES, formula="diameter ~ 1 + (1|plate) + (1|sample)")
    other = replace(
        PLATES, name="b", formula="diameter ~ 1 + (1|plate)", variances={"plate (Intercept)": 0.1}, criterion=613.256
    )
    assert "Not the same model: lme4 is diameter ~ 1 + (1|plate) + (1|sample), b is" in sentences(
        compare_columns([one, other])
    )
    assert "Not the same model" not in sentences(compare_columns([one, replace(one, name="b", criterion=330.87)]))


def test_another_coding_of_the_fixed_effects_is_one_model() -> None:
    one = replace(PLATES, fixef={"Intercept": 23.0, "g[T.B]": 1.5}, std_errors={"Intercept": 0.8, "g[T.B]": 0.3})
    other = replace(
        one, name="b", criterion=331.9, fixef={"Intercept": 24.5, "g[T.A]": -1.5}, std_errors={"Intercept": 0.8}
    )
    said = sentences(compare_columns([one, other]))
    assert "b codes the fixed effects otherwise than lme4" in said
    assert "hence the difference of 1.039" in said
    assert "another model" not in said
    assert compare_columns([one, other]).verdict == "same to the digits shown"
    # Under ML the criterion does not depend on the coding: there it is another model.
    ml = compare_columns([replace(one, reml=False), replace(other, reml=False)])
    assert "codes the fixed effects otherwise" not in sentences(ml)


def test_standard_errors_on_another_scale_are_told_with_the_factor() -> None:
    errors = {k: v / PLATES.sigma for k, v in PLATES.std_errors.items()}
    said = sentences(compare_columns([PLATES, replace(PLATES, name="b", std_errors=errors)]))
    assert "all standard errors of b are 1.818 times those of lme4" in said
    assert "That is sigma (0.5499)" in said
    assert "another scale" not in sentences(compare_columns([PLATES, replace(PLATES, name="b")]))


def test_lost_rows_are_told_with_their_column() -> None:
    lost = replace(PLATES, name="b", nobs=142, lost="2 of 144 rows left out for missing values (diameter 2)")
    assert "b: 2 of 144 rows left out for missing values (diameter 2)" in sentences(compare_columns([PLATES, lost]))


def test_html_colours_the_verdicts() -> None:
    html = compare_columns([PLATES, replace(PLATES, name="b", criterion=340.0)]).to_html()
    assert html.count("font-weight: 700") == 1


# -- where columns come from --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ols():
    smf = pytest.importorskip("statsmodels.formula.api")
    return smf.ols("Yield ~ 1", datasets.load("Dyestuff2")).fit()


@pytest.mark.parametrize(("reml", "criterion"), [(True, DYESTUFF2_REML), (False, DYESTUFF2_ML)], ids=["REML", "ML"])
def test_ols_has_the_criterion_of_the_mixed_model_at_zero(ols, reml, criterion):
    assert column_of_linear_model(ols, reml=reml).criterion == pytest.approx(criterion, rel=CRITERION_RTOL)


def test_singular_mixed_model_is_the_linear_model(ols):
    column = column_of_linear_model(ols)
    mixed = replace(column, name="lme4", is_ols=False, variances={"Batch (Intercept)": 0.0}, is_singular=True)
    found = compare_columns([mixed, column])
    assert found.verdict == "same to the digits shown"
    assert "With its variances at zero, lme4 is the linear model" in sentences(found)


def test_ols_beside_a_mixed_model_that_is_not_at_zero(ols):
    column = column_of_linear_model(ols)
    mixed = replace(
        column, name="m", is_ols=False, variances={"Batch (Intercept)": 2.0}, criterion=column.criterion - 3
    )
    found = compare_columns([mixed, column])
    assert found.verdict == "another model"
    assert "makes the criterion worse by 3" in sentences(found)


def test_weights_enter_the_criterion_of_a_linear_model():
    smf = pytest.importorskip("statsmodels.formula.api")
    data = datasets.load("sleepstudy")
    w = 0.5 * (1 + np.arange(len(data)) % 5)
    found = column_of_linear_model(smf.wls("Reaction ~ Days", data, weights=w).fit())
    X, y = np.column_stack([np.ones(180), data["Days"]]), data["Reaction"].to_numpy()
    A = X.T @ (w[:, None] * X)
    rss = w @ (y - X @ np.linalg.solve(A, X.T @ (w * y))) ** 2
    dense = np.linalg.slogdet(A)[1] + 178 * (1 + np.log(2 * np.pi * rss / 178)) - np.log(w).sum()
    assert found.criterion == pytest.approx(dense, rel=CRITERION_RTOL)
    assert found.std_errors["Days"] == pytest.approx(float(np.sqrt(rss / 178 * np.linalg.inv(A)[1, 1])), rel=1e-10)


@pytest.mark.filterwarnings("ignore:The design matrix is rank-deficient")
def test_dependent_columns_are_refused():
    sm = pytest.importorskip("statsmodels.api")
    x = np.arange(5.0)
    result = sm.OLS(x**2, np.column_stack([np.ones(5), x, 2 * x])).fit()
    with pytest.raises(DataError, match="depend on each other"):
        column_of_linear_model(result)


def test_other_objects_are_refused():
    with pytest.raises(DataError, match="no OLS or WLS result"):
        column_of_linear_model(object())


RECORD = {
    "criterion": 1743.6,
    "reml": True,
    "sigma": 25.59,
    "nobs": 180,
    "theta": [0.97, 0.015, 0.23],
    "fixef_names": ["(Intercept)", "Days"],
    "fixef_names_python": ["Intercept", "Days"],
    "fixef": [251.4, 10.47],
    "std_errors": [6.82, 1.55],
    "is_singular": False,
    "varcorr": {
        "grp": ["Subject", "Subject", "Subject", "Residual"],
        "var1": ["(Intercept)", "Days", "(Intercept)", None],
        "var2": [None, None, "Days", None],
        "vcov": [612.1, 35.07, 9.6, 654.9],
        "sdcor": [24.74, 5.92, 0.066, 25.59],
    },
}


def test_recorded_fit():
    column = ComparisonColumn.from_recorded(RECORD, name="lme4 1.1-31")
    assert column.variances == {"Subject (Intercept)": 612.1, "Subject Days": 35.07}
    assert column.correlations == {"Subject (Intercept), Days": 0.066}
    assert column.std_errors == {"Intercept": 6.82, "Days": 1.55}


def test_incomplete_record_is_refused():
    with pytest.raises(DataError, match="no entry 'sigma'"):
        ComparisonColumn.from_recorded({k: v for k, v in RECORD.items() if k != "sigma"})


def test_result_of_a_fit_and_its_record_agree():
    table = RECORD["varcorr"]
    result = SimpleNamespace(
        engine="pls",
        objective=1743.6,
        reml=True,
        varcorr=SimpleNamespace(to_frame=lambda: pd.DataFrame(table).astype({"var1": object, "var2": object})),
        sigma=25.59,
        params=pd.Series([251.4, 10.47], ["Intercept", "Days"]),
        bse=pd.Series([6.82, 1.55], ["Intercept", "Days"]),
        nobs=180,
        theta=np.array([0.97, 0.015, 0.23]),
        is_singular=False,
        converged=True,
        fit_seconds=float("nan"),
        warnings=(),
    )
    column = ComparisonColumn.from_result(result)
    assert (column.name, column.seconds) == ("pls", None)
    assert compare_columns([ComparisonColumn.from_recorded(RECORD), column]).verdict == "same to the digits shown"


def test_a_linear_model_of_another_response_is_not_said_to_be_the_mixed_one_without_variances() -> None:
    sleep = lmt.datasets.load("sleepstudy")
    fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", sleep).fit(engine="pls")
    same = str(lmt.compare(fit, smf.ols("Reaction ~ Days", sleep).fit()))
    assert "variances of all random effects at zero" in same
    for other in ("np.log(Reaction) ~ Days", "Reaction ~ 1"):
        compared = lmt.compare(fit, smf.ols(other, sleep).fit())
        assert compared.verdict == "another model"
        assert "at zero" not in str(compared), other
