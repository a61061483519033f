"""Least squares within each level, beside lme4 1.1-31's ``lmList`` (R 4.2)."""

from __future__ import annotations

import numpy as np
import pytest

import lmmtools as lmt
from lmmtools.errors import DataError, FormulaError, RowsNeededError


@pytest.fixture(scope="module")
def sleep():
    return lmt.datasets.load("sleepstudy")


@pytest.fixture(scope="module")
def found(sleep):
    return lmt.lmer_list("Reaction ~ Days | Subject", sleep)


def test_coefficients_and_tests_are_lme4s(found) -> None:
    np.testing.assert_allclose(found.coef.iloc[:2], [[244.1926691, 21.7647024], [205.0549455, 2.261785455]], rtol=1e-8)
    assert found.pooled_sigma == pytest.approx(25.59181563, rel=1e-9)  # sigma(), pooledSD()
    assert (found.pooled_df, found.k_params) == (144, 37)
    assert found.llf == pytest.approx(-818.9350841, abs=1e-6)
    pooled = found.summary().to_frame()
    np.testing.assert_allclose(
        pooled.iloc[:2, 2:].astype(float),
        [
            [244.1926691, 15.04168723, 144, 16.23439348, 2.419368463e-34],
            [21.7647024, 2.817566169, 144, 7.724646, 1.74184e-12],
        ],
        rtol=1e-6,
    )
    own = found.summary(pool=False).to_frame()
    np.testing.assert_allclose(own["std_error"][:4], [28.082693, 5.26037037, 5.21616468, 0.97707717], rtol=1e-7)
    np.testing.assert_allclose(own["p"][:2], [2.385022e-05, 0.003264657], rtol=1e-6)


def test_intervals_are_lme4s_or_pooled(found) -> None:
    # confint(f): each level's own variance, whatever its pool= says.
    limits = found.conf_int().to_numpy()[:4]
    np.testing.assert_allclose(
        limits,
        [
            [179.4338629, 308.9514753],
            [9.634266613, 33.895138236],
            [193.0264481, 217.0834428],
            [0.008641467, 4.514929442],
        ],
        rtol=1e-6,
    )
    low, high = found.conf_int(pool=True).loc[("308", "Days")]
    assert (high - low) / 2 == pytest.approx(1.976575 * 2.817566169, rel=1e-6)  # qt(0.975, 144)


def test_levels_that_lack_coefficients_or_residuals_are_named(sleep) -> None:
    few = sleep.drop(index=[*range(9), *range(10, 18)])  # one row of 308, two of 309
    found = lmt.lmer_list("Reaction ~ Days | Subject", few)
    assert np.isnan(found.coef.loc["308", "Days"])
    assert found.coef.loc["308", "Intercept"] == pytest.approx(466.3535)
    np.testing.assert_allclose(found.coef.loc["309"], [120.1477, 13.0185], rtol=1e-6)
    # 163 rows less 35 coefficients; lme4 counts the one that it does not estimate, and has 127.
    assert found.pooled_df == 128
    assert found.notes == (
        "rows of these levels do not tell all coefficients: 308",
        "no residual degree of freedom in these levels: 308, 309",
    )
    assert found.conf_int().loc["309"].isna().all().all()
    assert found.predict(sleep.iloc[:2]).isna().tolist() == [False, True]
    assert found.resid.iloc[0] == 0


def test_weights_are_those_of_least_squares(sleep) -> None:
    found = lmt.lmer_list("Reaction ~ Days | Subject", sleep, weights=sleep.Days + 1)
    one = sleep[sleep.Subject == "308"]
    X, w = np.column_stack([np.ones(10), one.Days]), (one.Days + 1).to_numpy()
    cov = np.linalg.inv(X.T @ (w[:, None] * X))
    beta = cov @ (X.T @ (w * one.Reaction.to_numpy()))
    np.testing.assert_allclose(found.coef.loc["308"], beta, rtol=1e-10)
    scale = (w * (one.Reaction.to_numpy() - X @ beta) ** 2).sum() / 8
    np.testing.assert_allclose(found.summary(pool=False).std_error[:2], np.sqrt(scale * np.diag(cov)), rtol=1e-10)
    np.testing.assert_allclose(found.predict(sleep), found.fittedvalues, rtol=1e-12)


def test_factors_are_coded_alike_in_all_levels(sleep) -> None:
    late = sleep.assign(late=np.where(sleep.Days > 4, "b", "a"))
    found = lmt.lmer_list("Reaction ~ late + Days | Subject", late)
    np.testing.assert_allclose(found.coef.iloc[0], [244.56868, 2.06806, 21.45136], rtol=1e-6)
    short = lmt.lmer_list("Reaction ~ late + Days | Subject", late[~((late.Subject == "308") & (late.late == "b"))])
    assert short.coef.loc["308"].isna().tolist() == [False, True, False]


@pytest.mark.parametrize(
    "formula",
    [
        "Reaction ~ Days",
        "Reaction ~ Days | Subject | x",
        "Reaction ~ Days || Subject",
        "Reaction ~ (Days | Subject)",
        "Reaction ~ Days | Subject/Days",
        "Reaction ~ | Subject",
        "~ Days | Subject",
        "Reaction ~ Days |",
        5,
    ],
)
def test_a_formula_of_another_form_is_refused(sleep, formula) -> None:
    with pytest.raises(FormulaError):
        lmt.lmer_list(formula, sleep)


def test_what_it_cannot_do_is_said(sleep, found, tmp_path) -> None:
    sleep.to_csv(tmp_path / "sleep.csv", index=False)
    with pytest.raises(RowsNeededError, match="all rows in memory"):
        lmt.lmer_list("Reaction ~ Days | Subject", str(tmp_path / "sleep.csv"))
    with pytest.raises(DataError, match="row 1 of the new data has a level of Subject"):
        found.predict(sleep.iloc[:2].assign(Subject=["308", "nobody"]))
    with pytest.raises(DataError, match="is no coefficient"):
        lmt.plots.intervals_by_level(found, "Weeks")
    with pytest.raises(DataError, match="lmer_list"):
        lmt.plots.intervals_by_level(sleep)


def test_the_text_has_a_row_for_each_level(found) -> None:
    lines = str(found).splitlines()
    assert sum(line[:3].isdigit() and len(line.split()) == 5 for line in lines) == 18
    assert lines[-1] == "180 rows; pooled residual standard deviation 25.592 on 144 degrees of freedom"
    assert "own residual variance" in str(found.summary(pool=False))
