"""Every row of the table "call by call" for statsmodels' users: both sides run on one model."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import statsmodels.formula.api as smf
from scipy.optimize import minimize_scalar

import lmmtools as lmt
from tests.test_docs import DOCS

pytestmark = pytest.mark.filterwarnings("ignore")

# MixedLM's optimiser leaves about five digits of a variance, and so of what depends on it.
REL = 1e-3
OPTIONS = {"method": ["powell", "bfgs"], "ftol": 1e-12, "maxiter": 1000}

Values = Callable[[Any, Any], tuple[Any, Any]]

# Row -> their value and ours, of a REML fit of theirs (r) and one of ours (f).
ROWS: dict[str, Values] = {
    "smf.mixedlm(...).fit(reml=True)": lambda r, f: (-2 * r.llf, f.objective),
    'fit(method=["powell", "bfgs"])': lambda r, f: (-2 * r.llf, fit_by_mixedlm().objective),
    "res.fe_params res.bse_fe": lambda r, f: ([*r.fe_params, *r.bse_fe], [*f.params, *f.bse]),
    "res.params": lambda r, f: (np.asarray(r.params)[:2], f.params),
    "res.tvalues res.pvalues": lambda r, f: ([*r.tvalues[:2], *r.pvalues[:2]], [*f.tvalues, *f.pvalues]),
    "res.conf_int()": lambda r, f: (r.conf_int().iloc[:2], f.conf_int()),
    "res.cov_re res.vcomp res.scale": lambda r, f: (
        [*np.asarray(r.cov_re)[[0, 1, 0], [0, 1, 1]], r.scale],
        [*f.varcorr.to_frame()["vcov"][:3], f.scale],
    ),
    "res.cov_params()": lambda r, f: (np.asarray(r.cov_params())[:2, :2], f.cov_params()),
    "res.random_effects": lambda r, f: (
        np.array([r.random_effects[s] for s in f.random_effects["Subject"].index]),
        f.random_effects["Subject"],
    ),
    "res.random_effects_cov": lambda r, f: (
        np.asarray(r.random_effects_cov["308"]),
        f.random_effects_cov["Subject"].loc["308"],
    ),
    "res.llf res.aic res.bic": lambda r, f: (r.llf, f.llf),
    "res.fittedvalues res.resid": lambda r, f: ([*r.fittedvalues, *r.resid], [*f.fittedvalues, *f.resid]),
    "res.predict(data)": lambda r, f: (r.predict(data()), f.predict(data(), random=False)),
    # MixedLM's takes no text (statsmodels 0.15).
    "res.t_test(L)": lambda r, f: (
        [r.t_test(np.array([[0.0, 1.0]])).tvalue.item()] * 2,
        [*f.t_test([[0, 1]]).to_frame()["t"], *f.t_test("Days = 0").to_frame()["t"]],
    ),
    "res.converged": lambda r, f: (float(r.converged), float(f.converged)),
    "res.summary()": lambda r, f: (float("Days" in str(r.summary())), float("Days" in str(f.summary()))),
    "res.profile_re(...)": lambda r, f: (
        3.841459,
        rise_at_upper_limit(),
    ),
}


def data() -> Any:
    return lmt.datasets.load("sleepstudy").astype({"Subject": str})


def fit_by_mixedlm() -> Any:
    return lmt.lmm("Reaction ~ Days + (Days | Subject)", data()).fit(engine="mixedlm")


def rise_at_upper_limit() -> float:
    """How far the dense ML deviance with the intercepts' deviation at our upper limit lies above MixedLM's lowest."""
    fit = lmt.lmm("Reaction ~ Days + (1 | Subject)", data()).fit(reml=False)
    limit = float(fit.conf_int(method="profile").iloc[0, 1])
    y, groups = data().Reaction.to_numpy(), data().Subject.to_numpy().astype(str)
    X = np.column_stack([np.ones(len(y)), data().Days])
    same = groups[:, None] == groups

    def held(log_sigma: float) -> float:
        sigma2, ratio = np.exp(2 * log_sigma), limit**2 / np.exp(2 * log_sigma)
        V = np.eye(len(y)) + ratio * same
        solved = np.linalg.solve(V, np.column_stack([X, y]))
        beta = np.linalg.solve(X.T @ solved[:, :2], X.T @ solved[:, 2])
        r = y - X @ beta
        rss = float(r @ np.linalg.solve(V, r))
        return float(np.linalg.slogdet(V)[1] + len(y) * np.log(2 * np.pi * sigma2) + rss / sigma2)

    best = minimize_scalar(held, bounds=(2.0, 5.0), method="bounded", options={"xatol": 1e-8}).fun
    lowest = -2 * smf.mixedlm("Reaction ~ Days", data(), groups="Subject").fit(reml=False, **OPTIONS).llf
    return best - lowest


def table_rows() -> list[str]:
    text = (DOCS / "from_statsmodels.rst").read_text(encoding="utf-8").partition("Call by call")[2]
    _, _, table, *_ = re.split(r"^=+  =+$", text, flags=re.MULTILINE)
    lines = [line for line in table.splitlines() if line.startswith("``")]
    return [" ".join(re.findall(r"``(.*?)``", line[:46])) for line in lines]


@pytest.fixture(scope="module")
def fits() -> tuple[Any, Any]:
    theirs = smf.mixedlm("Reaction ~ Days", data(), groups="Subject", re_formula="1 + Days").fit(**OPTIONS)
    return theirs, lmt.lmm("Reaction ~ Days + (Days | Subject)", data()).fit()


def test_every_row_of_the_table_is_here() -> None:
    assert table_rows() == list(ROWS)


@pytest.mark.parametrize("calls", ROWS)
def test_a_row_gives_statsmodels_numbers(fits: tuple[Any, Any], calls: str) -> None:
    theirs, ours = (np.asarray(v, dtype=float).ravel() for v in ROWS[calls](*fits))
    np.testing.assert_allclose(ours, theirs, rtol=REL, atol=REL * 1e-2 * np.abs(theirs).max())
