"""What is identified is fitted by every engine that can say it; what is not is refused, with all of it named.

Criteria of lme4 are recorded by tests/reference/make_identified.R, its checks by counting off.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

import lmmtools as lmt
from lmmtools.design.identification import residual_direction
from lmmtools.errors import BoundaryWarning, DataError

RECORDED = json.loads((Path(__file__).parents[2] / "reference" / "identified.json").read_text())["fits"]
# lme4's bobyqa stops so close to the optimum when told to go on; parameters are good to about the square root.
CRITERION = 1e-6
PARAMETER = 1e-3


def golden(k):
    return (k * (np.sqrt(5) - 1) / 2) % 1


def normal(k):
    return norm.ppf((golden(k) * 998 + 1) / 1000)


def recorded_data() -> pd.DataFrame:
    """The data of make_identified.R."""
    i = np.arange(60)
    data = pd.DataFrame({"row": i, "g": i // 2, "cell": i // 3, "lab": i // 4, "x": normal(3 * i + 1)})
    data["t"] = (golden(7 * i + 2) < 0.5) * 1.0
    data["w"] = 1 / (0.1 + 2 * golden(11 * i + 5))
    slope, mean = normal(13 * data.g + 1001), normal(17 * data.lab + 77)
    data["y"] = 1 + 0.5 * data.x + 1.5 * slope * data.x + mean + normal(5 * i + 9) * (0.6 + 1.2 * data.t)
    return data


def noise(n: int = 80) -> pd.DataFrame:
    rng = np.random.default_rng(2)
    data = pd.DataFrame({"y": rng.normal(size=n), "x": rng.normal(size=n), "g": np.arange(n) // 5, "row": np.arange(n)})
    alternating = np.tile([1.0, 0.0], n // 2)
    return data.assign(t=alternating, c=1 - alternating, s=2 * alternating - 1, two=2.0, pair=np.arange(n) // 2)


@pytest.mark.parametrize("engine", ["pls", "mixedlm", "auto"])
@pytest.mark.parametrize("fit", RECORDED, ids=lambda f: f"{f['formula']} {'REML' if f['reml'] else 'ML'}")
@pytest.mark.filterwarnings("ignore::lmmtools.errors.BoundaryWarning")
def test_models_with_as_many_effects_as_rows_have_lme4s_optimum(fit, engine):
    if fit["weights"] and engine == "mixedlm":
        pytest.skip("MixedLM has no weights")
    model = lmt.lmm(fit["formula"], recorded_data(), weights=fit["weights"] or None)
    came = model.fit(engine=engine, reml=fit["reml"])
    assert came.objective == pytest.approx(fit["criterion"], abs=CRITERION)
    assert came.sigma == pytest.approx(fit["sigma"], rel=PARAMETER)
    np.testing.assert_allclose(came.params, fit["beta"], atol=PARAMETER)
    assert came.converged


@pytest.mark.live_r
def test_lme4_fits_through_its_engine_what_its_counting_refuses():
    from tests.live_lme4 import require_lme4

    require_lme4()
    fit = next(f for f in RECORDED if "0 + t" in f["formula"] and f["reml"])
    came = lmt.lmm(fit["formula"], recorded_data()).fit(engine="lme4")
    assert came.objective == pytest.approx(fit["criterion"], abs=1e-4)


# Formula, weights, the terms that the message names, terms that it must not name. By algebra: the covariance that each
# set of terms gives the response is that of the residuals.
NOT_IDENTIFIED = {
    "intercept": ("y ~ x + (1|g) + (1|row)", None, ["(1 | row)"], ["(1 | g)"]),
    "constant weights": ("y ~ x + (1|g) + (1|row)", "two", ["(1 | row)", "-0.5 to the variance"], ["(1 | g)"]),
    "slope of size one": ("y ~ x + (1|g) + (0+s|row)", None, ["(0 + s | row)"], ["(1 | g)"]),
    "two slopes": ("y ~ (1|g) + (0+t|row) + (0+c|row)", None, ["(0 + t | row)", "(0 + c | row)"], ["(1 | g)"]),
    "same slopes in pairs": ("y ~ x + (t|pair) + (1|g)", None, ["(t | pair)", "covariance of (Intercept) and t"], []),
    "nested": ("y ~ x + (1|g/row)", None, ["(1 | row:g)"], ["(1 | g) "]),
    "two names": ("y ~ x + (1|row) + (1|again)", None, ["(1 | row)", "(1 | again)"], []),
    "text slope": ("y ~ 1 + (k|g)", None, ["(k | g)", "to_numeric"], []),
}


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("case", NOT_IDENTIFIED)
def test_what_only_a_sum_of_variances_determines_is_refused_and_all_of_it_named(case, reml):
    formula, weights, named, not_named = NOT_IDENTIFIED[case]
    # Text has a column of the slope for each level: few rows keep its basis small.
    data = noise(20 if case == "text slope" else 80).assign(again=lambda d: d.row + 100, k=lambda d: d.row.astype(str))
    model = lmt.lmm(formula, data, weights=weights)
    with pytest.raises(DataError, match=r"cannot be told from the residuals(?s:.)*check=False") as refused:
        model.fit(reml=reml)
    message = str(refused.value)
    assert [text for text in named if text not in message] == []
    assert [text for text in not_named if text in message] == []


def test_the_direction_leaves_the_covariance_of_the_response_as_it_is():
    data = noise().assign(w=2.0)
    design = lmt.lmm("y ~ x + (t|pair) + (1|g)", data, weights="w").design
    found = residual_direction(design, True)
    Z = np.asarray(design.blocks[0].to_sparse().todense())
    np.testing.assert_allclose(Z @ np.kron(np.eye(40), found.changes[0]) @ Z.T, np.eye(80) / 2, atol=1e-8)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e7])
def test_the_units_of_a_slope_do_not_decide(scale):
    data = noise().assign(t=lambda d: d.t * scale, c=lambda d: d.c * scale, x=lambda d: d.x * scale)
    assert residual_direction(lmt.lmm("y ~ x + (0+t|row)", data).design, True) is None
    assert residual_direction(lmt.lmm("y ~ x + (0+t|row) + (0+c|row)", data).design, True) is not None


def test_more_rows_than_are_looked_at_first_change_nothing():
    n = 9000
    data = noise(n).assign(late=lambda d: np.where(d.row == n - 1, 0.0, d.s))
    assert residual_direction(lmt.lmm("y ~ x + (0+s|row)", data).design, True) is not None
    # One row in 9,000 tells the two apart, and stands last.
    assert residual_direction(lmt.lmm("y ~ x + (0+late|row)", data).design, True) is None


@pytest.mark.filterwarnings("ignore::lmmtools.errors.BoundaryWarning")
def test_what_reml_cannot_tell_ml_may():
    """Of four rows and three fixed effects one contrast is left, which cannot have two variances."""
    data = pd.DataFrame(
        {"y": [1.0, 3.0, 2.0, 7.0], "x": [1.0, 2.0, 4.0, 3.0], "z": [0.0, 1.0, 3.0, 5.0], "g": list("aabb")}
    )
    model = lmt.lmm("y ~ x + z + (1|g)", data)
    with pytest.raises(DataError, match=r"restricted likelihood.*fit\(reml=False\)"):
        model.fit()
    assert np.isfinite(model.fit(reml=False).objective)


def test_a_factor_of_one_level_is_refused_and_fitted_on_request():
    model = lmt.lmm("y ~ x + (1|g)", noise().assign(g="only"))
    with pytest.raises(DataError, match=r"'g' has one level, 'only'.*check=False"):
        model.fit()
    with pytest.warns(BoundaryWarning):
        fit = model.fit(reml=False, check=False)
    # The intercept takes up all that the level could add: by ML the variance is zero, the rest least squares.
    assert fit.theta[0] == 0.0


@pytest.mark.parametrize("engine", ["pls", "mixedlm"])
@pytest.mark.filterwarnings("ignore::lmmtools.errors.BoundaryWarning")
def test_without_the_check_the_sum_is_fitted_and_the_fit_says_that_it_is_one(engine):
    data = noise().assign(y=lambda d: d.y + np.sin(d.g))
    alone = lmt.lmm("y ~ x + (1|g)", data).fit(engine="pls")
    fit = lmt.lmm("y ~ x + (1|g) + (1|row)", data).fit(engine=engine, check=False)
    assert fit.objective == pytest.approx(alone.objective, abs=1e-7)
    table = fit.varcorr.to_frame()
    assert table.loc[table.grp.isin(["row", "Residual"]), "vcov"].sum() == pytest.approx(alone.scale, rel=1e-6)
    assert any("cannot be told from the residuals" in text for text in fit.warnings), fit.warnings


def test_comparing_with_lme4_checks_as_fitting_does():
    with pytest.raises(DataError, match="cannot be told from the residuals"):
        lmt.compare(lmt.lmm("y ~ x + (1|row)", noise()), "pls", "lme4")


def test_counting_suffices_for_ordinary_designs(monkeypatch):
    """No random vector is drawn where the terms' rank is too low for them to be the residuals."""
    monkeypatch.setattr("lmmtools.design.identification._trade_off", None)
    assert residual_direction(lmt.lmm("y ~ x + (x|g)", noise()).design, True) is None
