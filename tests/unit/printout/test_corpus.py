"""Every recorded printout is read whole, and its numbers are those of the fit, to the digits printed."""

import json
from pathlib import Path

import numpy as np
import pytest

import lmmtools as lmt

REFERENCE = Path(__file__).parents[2] / "reference"
MODELS = json.loads((REFERENCE / "lme4.json").read_text())["models"]
PRINTED = json.loads((REFERENCE / "printed" / "printed.json").read_text(encoding="utf-8"))["fits"]
SUMMARIES = sorted((REFERENCE / "summaries").glob("*.txt"))
# Printed at the polished optimum, which lme4.json records; the others show where the default optimiser stopped.
EXACT = [p for p in SUMMARIES if p.name.endswith(".exact.txt") or not p.with_suffix(".exact.txt").exists()]


def read(path):
    return lmt.read_lme4_summary(path.read_text(encoding="utf-8"))


def recorded_fit(path):
    model, criterion = path.name.split(".")[:2]
    return MODELS[model]["fits"][criterion]


def assert_shows(printed, values):
    """Whether each value rounds to the number printed of it; None is R's NaN."""
    assert len(printed) == len(values)
    for number, value in zip(printed, values, strict=True):
        assert number.shows(float("nan") if value is None else value), (str(number), value)


def assert_same_numbers(printed, fit):
    assert printed.reml == fit["reml"]
    assert printed.criterion.shows(fit["criterion"])
    assert printed.nobs == fit["nobs"]
    assert printed.ngroups == fit["ngrps"]
    table = [dict(zip(fit["varcorr"], row, strict=True)) for row in zip(*fit["varcorr"].values(), strict=True)]
    *terms, residual = [row for row in table if not row["var2"]]
    labels = [f"{row['grp']} {row['var1']}" for row in terms]
    assert list(printed.variances) == list(printed.std_devs) == labels
    assert_shows(printed.variances.values(), [row["vcov"] for row in terms])
    assert_shows(printed.std_devs.values(), [row["sdcor"] for row in terms])
    assert_shows([printed.residual_variance, printed.sigma], [residual["vcov"], residual["sdcor"]])
    correlations = {f"{row['grp']} {row['var1']}, {row['var2']}": row["sdcor"] for row in table if row["var2"]}
    assert set(printed.correlations) == set(correlations)
    assert_shows([printed.correlations[label] for label in correlations], correlations.values())
    assert list(printed.fixef) == fit["fixef_names"]
    assert_shows(printed.fixef.values(), fit["fixef"])
    if printed.std_errors:
        assert_shows(printed.std_errors.values(), fit["std_errors"])
        assert_shows([c.t for c in printed.fixed], fit["t_values"])


@pytest.mark.parametrize("path", SUMMARIES, ids=lambda path: path.stem)
def test_recorded_summary_is_read_whole(path):
    printed, fit = read(path), recorded_fit(path)
    assert list(printed.fixef) == fit["fixef_names"]
    assert list(printed.std_errors) == fit["fixef_names"]
    assert printed.scaled_residuals is not None
    assert (printed.fixed_correlations is not None) == (1 < len(fit["fixef"]) <= 12)
    assert (printed.criteria is None) == fit["reml"]
    assert printed.formula
    assert printed.data_name
    is_default = path not in EXACT
    assert bool(printed.is_singular) == fit["is_singular_default" if is_default else "is_singular"]


@pytest.mark.parametrize("path", EXACT, ids=lambda path: path.stem)
def test_recorded_summary_agrees_with_the_fit(path):
    printed, fit = read(path), recorded_fit(path)
    assert_same_numbers(printed, fit)
    assert_shows(printed.scaled_residuals, fit["scaled_residual_quantiles"])
    if printed.criteria:
        names = {"AIC": "AIC", "BIC": "BIC", "logLik": "logLik", "deviance": "criterion", "df.resid": "df_residual"}
        assert_shows([printed.criteria[name] for name in names], [fit[name] for name in names.values()])
    if printed.fixed_correlations:
        V = np.array(fit["fixef_vcov"])
        corr = V / np.sqrt(np.outer(np.diag(V), np.diag(V)))
        for i, row in enumerate(printed.fixed_correlations, 1):
            assert_shows(row, corr[i, :i])


@pytest.mark.parametrize("name", PRINTED)
def test_printout_agrees_with_the_fit(name):
    printed, fit = read(REFERENCE / "printed" / f"{name}.txt"), PRINTED[name]
    assert_same_numbers(printed, {"ngrps": {}, **fit})
    if "df" in fit:
        assert_shows([c.df for c in printed.fixed], fit["df"])
        assert_shows([c.p for c in printed.fixed], fit["p_values"])
        assert printed.method.startswith("t-tests use ")
    if not fit["is_singular"]:
        assert printed.is_singular is None


def test_every_printout_has_its_record():
    assert {path.stem for path in (REFERENCE / "printed").glob("*.txt")} == set(PRINTED)


def test_messages_and_the_call_are_kept():
    printed = read(REFERENCE / "printed" / "not_converged.txt")
    assert printed.converged is False
    assert "Model failed to converge: degenerate Hessian with 1 negative eigenvalues" in printed.messages
    called = read(REFERENCE / "printed" / "call_with_options.txt")
    assert (called.subset, called.weights, called.offset) == ("Days > 1", "w", "o")
    assert called.control == 'lmerControl(optimizer = "bobyqa")'
    assert read(REFERENCE / "printed" / "singular.txt").is_singular is True


def test_a_dropped_zero_is_a_digit():
    assert read(REFERENCE / "printed" / "zero_decimal.txt").criterion.half_unit == 0.05


def test_our_own_summary_is_read_too():
    fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
    printed = lmt.read_lme4_summary(str(fit.summary()))
    assert printed.criterion.shows(fit.objective)
    assert lmt.compare(printed, fit).verdict == "same to the digits shown"
