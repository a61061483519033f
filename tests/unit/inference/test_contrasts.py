"""Contrasts of means beside emmeans 1.8.4 on Oats (yield ~ Variety * nitro + (1 | Block/Variety), Satterthwaite)."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import studentized_range

import lmmtools as lmt
from lmmtools.errors import DataError

# lme4's optimum leaves six digits; the multivariate t of R has an error of about 1e-5, larger than small p-values.
REL = 1e-4
JOINT = 5e-5


@pytest.fixture(scope="module")
def oats():
    data = lmt.datasets.load("Oats")
    return lmt.lmm("yield ~ Variety * nitro + (1 | Block/Variety)", data.assign(nitro=data.nitro.astype(str))).fit()


@pytest.mark.parametrize(
    ("method", "adjust", "p"),
    [
        ("consec", "scheffe", [0.0010076807, 0.0133912951, 0.2483306018]),
        ("consec", "sidak", [0.00019968831, 0.00361078684, 0.12781366288]),
        ("mean_chg", "scheffe", [3.2697780e-10, 9.0291611e-11, 1.5591771e-07]),
        ("trt.vs.ctrl", "scheffe", [1.0076807e-03, 1.5482971e-08, 2.1545796e-11]),
        ("eff", None, [4.3057751e-11, 6.7799774e-02, 6.2440913e-04, 1.2295851e-08]),
        ("del.eff", None, [4.3057751e-11, 6.7799774e-02, 6.2440913e-04, 1.2295851e-08]),
        ("pairwise", "scheffe", [1.0076807e-3, 1.5482971e-8, 2.1545796e-11, 1.3391295e-2, 3.1226483e-5, 2.4833060e-1]),
    ],
)
def test_p_values_are_those_of_emmeans(oats, method, adjust, p):
    np.testing.assert_allclose(oats.contrasts("nitro", method=method, adjust=adjust).p, p, rtol=REL)


@pytest.mark.parametrize(
    ("method", "p"),
    [
        ("consec", [0.00020060646, 0.00336914416, 0.11515396417]),
        ("trt.vs.ctrl", [1.7063276e-04, 1.8918134e-10, 1.1990409e-14]),
        ("pairwise", [4.1475699e-04, 7.2245232e-10, 1.5965007e-13, 6.3993229e-03, 6.4586856e-06, 1.7975291e-01]),
    ],
)
def test_the_multivariate_t_is_that_of_emmeans_to_its_error(oats, method, p):
    found = oats.contrasts("nitro", method=method, adjust="mvt").p
    np.testing.assert_allclose(found, p, atol=2e-4 if method == "consec" else JOINT)


def test_the_multivariate_t_of_balanced_pairs_is_the_studentised_range(oats):
    joint, tukey = (oats.contrasts("nitro", adjust=a) for a in ("mvt", "tukey"))
    np.testing.assert_allclose(joint.p, tukey.p, rtol=3e-3)
    np.testing.assert_allclose(joint.conf_int().lower, tukey.conf_int().lower, rtol=3e-5)


def test_one_contrast_is_not_adjusted(oats):
    weights = {"first to last": [-1, 0, 0, 1]}
    plain = oats.contrasts("nitro", method=weights)
    for adjust in ("mvt", "scheffe", "sidak"):
        np.testing.assert_allclose(oats.contrasts("nitro", method=weights, adjust=adjust).p, plain.p, rtol=1e-10)


def test_default_adjustments_are_those_of_emmeans(oats):
    wanted = {
        "pairwise": "tukey",
        "reference": "dunnett",
        "sequential": "mvt",
        "effects": "fdr",
        "polynomial": "none",
        "identity": "none",
    }
    assert {method: oats.contrasts("nitro", method=method).adjust for method in wanted} == wanted
    assert "Dunnett's method for 3 tests" in str(oats.contrasts("nitro", method="reference"))


def test_polynomials_are_the_tables_of_whole_numbers(oats):
    poly = oats.contrasts("nitro", method="poly", by="Variety").to_frame()
    assert list(poly.contrast[:3]) == ["linear", "quadratic", "cubic"]
    np.testing.assert_allclose(poly.estimate[:3], [150.67, -8.33, -3.67], atol=5e-3)
    from lmmtools.inference.marginal.contrast_methods import find_method

    names, weights = find_method("poly").weights([*"abcde"], 0)
    assert names[-1] == "quartic"
    # Fisher and Yates, table XXIII.
    assert weights.tolist() == [[-2, -1, 0, 1, 2], [2, -1, -2, -1, 2], [-1, 2, 0, -2, 1], [1, -4, 6, -4, 1]]


def test_interactions_are_products_of_contrasts(oats):
    found = oats.contrasts(["nitro", "Variety"], interaction=["consec", "pairwise"])
    assert found.names[0].endswith(" : Golden Rain - Marvellous")
    np.testing.assert_allclose(found.estimate, [-3.333, 7.5, 0.5, 0.333, -5.0, 2.5, 3.667, -12.5, 2.0], atol=5e-4)
    np.testing.assert_allclose(found.p[[0, 7]], [0.7604, 0.2560], atol=5e-5)


def test_the_reference_can_be_chosen(oats):
    found = oats.contrasts("nitro", method="reference", ref="0.2", by="Variety").to_frame()
    np.testing.assert_allclose(found.estimate[:3], [-18.5, 16.167, 26.333], atol=5e-4)
    last = oats.contrasts("nitro", method="trt.vs.ctrlk")
    np.testing.assert_allclose(last.estimate, [-44.0, -24.5, -9.1666667], rtol=1e-6)


@pytest.mark.parametrize(
    ("side", "delta", "t", "p"),
    [
        ("equivalence", 15, [1.014484117, 4.471244813, -1.315072004], [0.842112229, 0.999973879, 0.097573945]),
        ("noninferiority", 15, [-1.014484117, -4.471244813, 1.315072004], [0.842112229, 0.999973879, 0.097573945]),
        ("nonsuperiority", 15, [-7.7777116, -11.2344723, -5.4481554], [3.6373494e-10, 5.9916938e-15, 1.0210706e-06]),
        (">", 0, [-4.3960978, -7.8528585, -2.0665417], [0.99996672, 1.0, 0.97771964]),
        ("<", 0, [-4.3960978, -7.8528585, -2.0665417], [3.3283600e-05, 2.8244665e-10, 2.2280359e-02]),
    ],
)
def test_tests_of_equivalence_and_of_one_side_are_those_of_emmeans(oats, side, delta, t, p):
    found = oats.contrasts("nitro", adjust="none", side=side, delta=delta)
    np.testing.assert_allclose(found.t[[0, 1, 5]], t, rtol=REL)
    np.testing.assert_allclose(found.p[[0, 1, 5]], p, rtol=REL)


def test_one_sided_tests_take_sidaks_adjustment_and_one_limit(oats):
    found = oats.contrasts("nitro", side="equivalence", delta=15)
    assert found.adjust == "sidak"
    np.testing.assert_allclose(found.p[[3, 5]], [0.98919111, 0.45990550], rtol=1e-5)
    limits = oats.contrasts("nitro", side="<").conf_int()
    assert np.isinf(limits.lower).all()
    assert np.isfinite(limits.upper).all()
    shifted = oats.contrasts("nitro", null=5)
    np.testing.assert_allclose(shifted.t[[0, 5]], [-5.523, -3.194], atol=5e-4)
    np.testing.assert_allclose(shifted.p[[3, 5]], [0.0002, 0.0132], atol=5e-5)


def test_a_frame_gives_weights_by_its_columns(oats):
    import pandas as pd

    frame = pd.DataFrame({"ends": [-1, 0, 0, 1], "middle": [0, -1, 1, 0]})
    np.testing.assert_allclose(oats.contrasts("nitro", method=frame).estimate, [44.0, 15.333], atol=5e-4)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"method": "none"}, "polynomial"),
        ({"method": "poly", "adjust": "tukey"}, "pairwise"),
        ({"side": "left"}, "side="),
        ({"side": "noninferiority"}, "needs delta="),
        ({"delta": -1}, "delta="),
        ({"side": ">", "adjust": "scheffe"}, "two-sided"),
        ({"method": "reference", "ref": "9"}, "none of the means"),
        ({"ref": "0.2"}, "ref= goes with"),
        ({"interaction": ["poly", "poly"]}, "one method"),
    ],
)
def test_what_contrasts_cannot_read_is_named(oats, options, says):
    with pytest.raises(DataError, match=says):
        oats.contrasts("nitro", **options)


def test_one_sided_multivariate_t_of_one_direction_is_half_the_two_sided_where_it_is_small(oats):
    """The largest of positively correlated t exceeds a large value about as often as the smallest its negative."""
    above = oats.contrasts("nitro", method="reference", side=">", adjust="mvt")
    both = oats.contrasts("nitro", method="reference", adjust="mvt")
    np.testing.assert_allclose(above.p, both.p / 2, rtol=2e-2)
    below = oats.contrasts("nitro", method="reference", side="<", adjust="mvt")
    assert (below.p > 0.999).all()
    assert np.isinf(above.conf_int().upper).all()


@pytest.mark.filterwarnings("ignore::lmmtools.errors.BoundaryWarning")
def test_a_thousand_pairs_are_adjusted_in_an_instant_and_without_their_covariances():
    """Of 60 genotypes: 1,770 differences, whose covariances alone would be three million numbers."""
    t = np.arange(240)
    data = pd.DataFrame(
        {"g": [f"g{i:02d}" for i in t % 60], "b": [f"b{i}" for i in t // 60], "y": np.sin(t**2) + t % 60}
    )
    fit = lmt.lmm("y ~ g + (1 | b)", data).fit()
    frame = fit.pairwise("g").to_frame()
    assert len(frame) == 60 * 59 // 2
    near = frame[np.abs(frame.t) < 4]
    np.testing.assert_allclose(
        near.p.iloc[:5], studentized_range.sf(np.sqrt(2) * np.abs(near.t.iloc[:5]), 60, near.df.iloc[:5]), rtol=1e-5
    )
