"""Fits of imputed data sets, pooled.

Values: mice 3.15.0, mitml 0.4-4 and emmeans 1.8.4 on lme4 1.1-31 (tests/reference/make_pooled.R); Rubin's rules written
out here for variances.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import lmmtools as lmt
from lmmtools.errors import DataError

RECORDED = json.loads((Path(__file__).parents[2] / "reference" / "pooled.json").read_text())

# lme4 stops where the criterion is flat to 1e-10 or so: theta then agrees to 1e-5, and what depends on it no better.
CLOSE = 2e-5


def imputed(i):
    """Return the data set that make_pooled.R makes by the same formulas."""
    data = lmt.datasets.load("sleepstudy")
    at = np.arange(1, len(data) + 1)
    is_missing = at % 6 == 0
    z = data["Reaction"].to_numpy() / 50
    z = np.where(is_missing, z + 1.5 * np.sin(37 * at + 11 * i), z + np.sin(5 * at))
    group = np.where(is_missing, (at + i * (at // 6)) % 3, (at * 5) // 7 % 3)
    return data.assign(z=z, group=np.array(list("abc"))[group])


@pytest.fixture(scope="module")
def sets():
    return [imputed(i) for i in range(1, RECORDED["m"] + 1)]


@pytest.fixture(scope="module")
def fits(sets):
    return [lmt.lmm("Reaction ~ Days + z + group + (Days | Subject)", d).fit() for d in sets]


@pytest.fixture(scope="module")
def smaller(sets):
    return [lmt.lmm("Reaction ~ Days + (Days | Subject)", d).fit() for d in sets]


@pytest.mark.parametrize(("name", "dfcom"), [("pooled", "residual"), ("infinite", "infinite")])
def test_fixed_effects_are_mices(fits, name, dfcom):
    frame, recorded = lmt.pool(fits, dfcom=dfcom).to_frame(), RECORDED[name]
    names = {"std.error": "std_error", "p.value": "p", "2.5 %": "lower", "97.5 %": "upper"}
    for theirs in recorded:
        if theirs == "term" or recorded[theirs][0] is None:
            continue
        ours = frame[names.get(theirs, theirs)].to_numpy(dtype=float)
        np.testing.assert_allclose(ours, recorded[theirs], rtol=5e-4 if theirs == "p.value" else CLOSE, err_msg=theirs)


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("D1", lambda fits, smaller: lmt.pool(fits, dfcom="infinite").test(smaller, "D1")),
        ("D1_adjusted", lambda fits, smaller: lmt.pool(fits).test(lmt.pool(smaller), "D1")),
        ("D2_wald", lambda fits, smaller: lmt.pool(fits).f_test(np.eye(5)[2:], "D2")),
        ("D2", lambda fits, smaller: lmt.pool(fits).test(smaller, "D2")),
        ("D3", lambda fits, smaller: lmt.pool(fits).test(smaller)),
    ],
)
def test_joint_tests_are_mitmls(fits, smaller, name, call):
    found, recorded = call(fits, smaller), RECORDED["tests"][name]
    assert found.method == name[:2]
    np.testing.assert_allclose(
        [found.F, found.num_df, found.den_df, found.riv],
        [recorded[key] for key in ("F.value", "df1", "df2", "RIV")],
        rtol=CLOSE,
    )
    assert found.p == pytest.approx(recorded["P(>F)"], rel=1e-3)


def test_means_and_contrasts_are_emmeans_over_all_data_sets(fits):
    pooled = lmt.pool(fits)
    means = pooled.marginal_means("group", at={"Days": 4}).to_frame()
    np.testing.assert_allclose(means["estimate"], RECORDED["means"]["emmean"], rtol=CLOSE)
    np.testing.assert_allclose(means["std_error"], RECORDED["means"]["SE"], rtol=CLOSE)
    contrasts = pooled.contrasts("group", at={"Days": 4}).to_frame()
    np.testing.assert_allclose(contrasts["estimate"], RECORDED["contrasts"]["estimate"], rtol=1e-4)
    np.testing.assert_allclose(contrasts["std_error"], RECORDED["contrasts"]["SE"], rtol=CLOSE)
    # A difference from the reference level is its coefficient, with Rubin's degrees of freedom.
    term = pooled.to_frame().loc["group[T.b]"]
    assert contrasts["df"][0] == pytest.approx(term["df"], rel=1e-9)
    holm = pooled.contrasts("group", at={"Days": 4}, adjust="bonferroni").to_frame()
    np.testing.assert_allclose(holm["p"], np.minimum(3 * contrasts["p"], 1.0))


def test_the_pool_has_the_names_of_a_fit(fits):
    pooled = lmt.pool(fits)
    frame = pooled.to_frame()
    assert pooled.params["Days"] == frame.loc["Days", "estimate"]
    assert pooled.bse["Days"] == frame.loc["Days", "std_error"]
    assert pooled.pvalues["Days"] == frame.loc["Days", "p"]
    np.testing.assert_allclose(pooled.conf_int(), frame[["lower", "upper"]])
    assert (pooled.conf_int(0.5)[0] > frame["lower"]).all()


def test_a_test_of_one_constraint_is_its_t_test_squared(fits):
    pooled = lmt.pool(fits)
    one, joint = pooled.t_test("z = 17"), pooled.f_test("z = 17")
    assert pytest.approx(one.statistic[0] ** 2, rel=1e-9) == joint.F
    assert joint.den_df == pytest.approx(one.df[0], rel=1e-9)
    assert joint.p == pytest.approx(one.p[0], rel=1e-9)


def test_variances_are_pooled_on_the_log_scale(fits):
    table = lmt.pool(fits).variances().to_frame()
    rows = [fit.varcorr_bse for fit in fits]
    log_sd = np.array([np.log(r["sdcor"].iloc[0]) for r in rows])
    spread = np.array([(r["se_sdcor"].iloc[0] / r["sdcor"].iloc[0]) ** 2 for r in rows])
    total = spread.mean() + (1 + 1 / 5) * log_sd.var(ddof=1)
    assert table["sdcor"][0] == pytest.approx(np.exp(log_sd.mean()))
    assert table["std_error"][0] == pytest.approx(np.sqrt(total))
    assert table["df"][0] == pytest.approx(4 / (1.2 * log_sd.var(ddof=1) / total) ** 2)
    z = np.array([np.arctanh(r["sdcor"].iloc[2]) for r in rows])
    assert table["sdcor"][2] == pytest.approx(np.tanh(z.mean()))
    assert (table["lower"] < table["sdcor"]).all()


@pytest.mark.filterwarnings("ignore::lmmtools.LmmWarning")
def test_a_variance_on_the_boundary_is_said():
    zero, other = lmt.datasets.load("Dyestuff2"), lmt.datasets.load("Dyestuff")
    table = lmt.pool([lmt.lmm("Yield ~ 1 + (1 | Batch)", d).fit() for d in (other, zero, other)]).variances()
    assert np.isnan(table.sdcor[0])
    assert "on the boundary in data set 2" in str(table)


def test_data_sets_that_do_not_differ_give_the_fits_own_numbers(fits):
    pooled = lmt.pool([fits[0]] * 3, dfcom="satterthwaite")
    own = fits[0].tests()
    np.testing.assert_allclose(pooled.coefficients.std_error, own.std_error)
    np.testing.assert_allclose(pooled.coefficients.fmi, 2 / (pooled.coefficients.df + 3))
    # Barnard and Rubin's take (df + 1) / (df + 3) of the complete data's, whatever is missing.
    np.testing.assert_allclose(pooled.coefficients.df, (own.df + 1) / (own.df + 3) * own.df)
    assert lmt.pool([fits[0]] * 3, dfcom="infinite").f_test("z = 0, Days = 0").den_df == np.inf


def test_robust_covariances_are_pooled(fits):
    pooled = lmt.pool(fits, cov="CR2")
    within = np.mean([np.diag(fit.cov_params("CR2")) for fit in fits], axis=0)
    np.testing.assert_allclose(pooled.coefficients.ubar, within)
    assert "CR2" in str(pooled)
    means = pooled.contrasts("group").to_frame()
    assert means["ubar"][0] == pytest.approx(within[3])


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda fits, smaller: lmt.pool(fits[0]), "one per imputed data set"),
        (lambda fits, smaller: lmt.pool(fits[:1]), "there is one fit"),
        (lambda fits, smaller: lmt.pool([]), "there are no fits"),
        (lambda fits, smaller: lmt.pool(3), "and not int"),
        (lambda fits, smaller: lmt.pool([fits[0], "x"]), "item 2 is str and no fit"),
        (lambda fits, smaller: lmt.pool([fits[0], smaller[1]]), "fit 2 has other fixed effects"),
        (
            lambda fits, smaller: lmt.pool([smaller[0], smaller[1].update("~ . - (Days | Subject) + (1 | Subject)")]),
            "fit 2 has other random effects",
        ),
        (lambda fits, smaller: lmt.pool(fits, dfcom="many"), "is not known"),
        (lambda fits, smaller: lmt.pool(smaller).test(fits), "larger.test"),
        (lambda fits, smaller: lmt.pool(fits).test(smaller[:2]), "one per data set"),
        (lambda fits, smaller: lmt.pool(fits).test(smaller, "D4"), '"D3"'),
        (lambda fits, smaller: lmt.pool(fits).contrasts("group", adjust="tukey"), "pooled contrasts"),
        (lambda fits, smaller: lmt.pool(fits).f_test("z = 0, 2*z = 0"), "depend on each other"),
    ],
)
def test_errors_name_what_is_wrong(fits, smaller, call, said):
    with pytest.raises(DataError, match=said):
        call(fits, smaller)
