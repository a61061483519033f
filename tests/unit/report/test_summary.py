"""The summary of a fit is lme4's, part by part and digit by digit."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lmmtools.report.summary import SummaryData, summarise

HERE = Path(__file__).parent
REFERENCE = HERE.parents[1] / "reference"
RECORDED = REFERENCE / "lme4.json"

SLEEP = SummaryData(
    formula="Reaction ~ Days + (Days | Subject)",
    reml=True,
    objective=1743.6282720,
    llf=-871.8141360,
    aic=1755.6282720,
    bic=1774.7858,
    df_resid=174,
    scaled_residuals=np.array([-3.95357, -0.46340, 0.02312, 0.46339, 5.17925]),
    varcorr=(
        ("Subject", "(Intercept)", None, 612.0902, 24.74045),
        ("Subject", "Days", None, 35.07165, 5.922132),
        ("Subject", "(Intercept)", "Days", 9.604409, 0.06555124),
        ("Residual", None, None, 654.9410, 25.59182),
    ),
    nobs=180,
    ngroups={"Subject": 18},
    names=("Intercept", "Days"),
    estimates=np.array([251.4051, 10.46729]),
    std_errors=np.array([6.824556, 1.545789]),
    cov=np.array([[46.57457, -1.451096], [-1.451096, 2.389463]]),
    data_name="sleepstudy",
    notes=("engine: pls; mixedlm has the same criterion to 1e-12, relative",),
)
SLEEP_ML = replace(
    SLEEP, reml=False, objective=1751.939, llf=-875.9697, aic=1763.939, bic=1783.097, data_name=None, notes=()
)
SLEEP_TESTS = replace(
    SLEEP,
    df=np.array([17.0, 17.0]),
    pvalues=np.array([1.17e-17, 3.264e-06]),
    method="t-tests use Satterthwaite's method",
)


@pytest.mark.parametrize(("name", "data"), [("reml", SLEEP), ("ml", SLEEP_ML), ("tests", SLEEP_TESTS)])
def test_printed_summary(name, data):
    assert f"{summarise(data)}\n" == (HERE / "expected" / f"summary_{name}.txt").read_text()


@pytest.mark.parametrize("suffix", ["md", "html", "tex", "json"])
def test_other_formats(suffix):
    method = {"md": "to_markdown", "html": "to_html", "tex": "to_latex", "json": "to_json"}[suffix]
    text = getattr(summarise(SLEEP_TESTS), method)()
    assert f"{text}\n" == (HERE / "expected" / f"summary.{suffix}").read_text()


def test_notebooks_get_html():
    assert summarise(SLEEP)._repr_html_().startswith('<section class="lmmtools">')


def test_numbers_stay_unrounded_until_they_are_shown():
    content = json.loads(summarise(SLEEP).to_json())
    assert content["criterion"]["reml_criterion"] == SLEEP.objective
    assert content["random_effects"]["rows"][0][2] == 612.0902
    assert content["fixed_effects"]["rows"][1][1:3] == [10.46729, 1.545789]


def many_effects(p):
    names = ("Intercept", *(f"x{i}" for i in range(1, p)))
    return replace(SLEEP, names=names, estimates=np.arange(1.0, p + 1), std_errors=np.ones(p), cov=np.eye(p))


def test_correlations_of_many_fixed_effects_are_hidden_and_that_is_said():
    shown, hidden = summarise(many_effects(12)), summarise(many_effects(13))
    assert "Correlation of Fixed Effects" in str(shown)
    assert "Correlation of Fixed Effects" not in str(hidden)
    assert "correlations of the 13 fixed effects are not shown" in str(hidden).replace("\n", " ")
    assert "Correlation of Fixed Effects" in str(summarise(many_effects(13), correlation=True))
    assert "Correlation of Fixed Effects" not in str(summarise(many_effects(3), correlation=False))


def test_model_without_fixed_effects():
    data = replace(SLEEP, names=(), estimates=np.empty(0), std_errors=np.empty(0), cov=np.empty((0, 0)))
    assert "No fixed effect coefficients" in str(summarise(data))


def test_zero_variance_shows_as_zero_and_its_correlation_as_undefined():
    rows = (
        ("g", "(Intercept)", None, 0.0, 0.0),
        ("g", "x", None, 2.0, 2.0**0.5),
        ("g", "(Intercept)", "x", 0.0, float("nan")),
        ("Residual", None, None, 13.80628, 3.715681),
    )
    text = str(summarise(replace(SLEEP, varcorr=rows, ngroups={"g": 6})))
    assert " g        (Intercept)  0.00    0.000\n" in text
    assert "          x            2.00    1.414    NaN\n" in text


def test_weights_and_offset_are_named():
    text = str(summarise(replace(SLEEP, weights="w", offset="log(time)")))
    assert "   Data: sleepstudy\nWeights: w\n Offset: log(time)\n" in text


# -- against lme4 -------------------------------------------------------------------------------------------------


def is_default_exact(fit):
    """Whether lme4's default optimiser ended where the recorded numbers are, to far more digits than it prints."""
    return np.allclose(fit["theta"], fit["theta_default"], rtol=0, atol=1e-7)


def recorded_fits(condition=lambda fit: True):
    models = json.loads(RECORDED.read_text())["models"]
    return [
        pytest.param(fit, id=f"{name}-{criterion}")
        for name, model in models.items()
        for criterion, fit in model["fits"].items()
        if condition(fit)
    ]


def header(text, label):
    """What stands behind a label of the header, a formula over several lines as one."""
    lines = text.split("\n\n")[0].splitlines()
    start = next((i for i, line in enumerate(lines) if line.strip().startswith(f"{label}:")), None)
    if start is None:
        return None
    own = [lines[start].split(":", 1)[1], *(line for line in lines[start + 1 :] if line.startswith("    "))]
    return " ".join(part.strip() for part in own)


def data_of(fit, text):
    """The recorded numbers as the summary takes them; the five quantiles of the residuals are their own quantiles."""
    table = fit["varcorr"]
    rows = zip(table["grp"], table["var1"], table["var2"], table["vcov"], table["sdcor"], strict=True)
    return SummaryData(
        formula=header(text, "Formula"),
        reml=fit["reml"],
        objective=fit["criterion"],
        llf=fit["logLik"],
        aic=fit["AIC"],
        bic=fit["BIC"],
        df_resid=fit["df_residual"],
        scaled_residuals=np.array(fit["scaled_residual_quantiles"]),
        varcorr=tuple((g, a, b, v, float("nan") if s is None else s) for g, a, b, v, s in rows),
        nobs=fit["nobs"],
        ngroups=fit["ngrps"],
        names=tuple(fit["fixef_names"]),
        estimates=np.array(fit["fixef"]),
        std_errors=np.array(fit["std_errors"]),
        cov=np.array(fit["fixef_vcov"]),
        data_name=header(text, "Data"),
        weights=header(text, "Weights"),
        offset=header(text, "Offset"),
    )


def without_notes(text):
    """The summary without the class of the fit and without what lme4 or lmmtools add at the end."""
    for note in ("\noptimizer (", "\nfit warnings:", "\nThe correlations of the", "\nCorrelation matrix not shown"):
        text = text.split(note)[0]
    return text.replace(" ['lmerMod']", "").split()


@pytest.mark.parametrize("fit", recorded_fits(is_default_exact))
def test_summary_has_every_printed_digit_of_lme4(fit):
    text = (REFERENCE / fit["summary_files"]["default"]).read_text()
    assert without_notes(str(summarise(data_of(fit, text)))) == without_notes(text)


@pytest.mark.parametrize("fit", recorded_fits())
def test_summary_has_every_printed_digit_of_lme4_at_the_exact_optimum(fit):
    text = (REFERENCE / fit["summary_files"]["exact"]).read_text()
    assert without_notes(str(summarise(data_of(fit, text)))) == without_notes(text)
