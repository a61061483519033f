"""Means and contrasts on the scale of the response's column, where the formula transforms it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import lmmtools as lmt
from lmmtools.errors import DataError, FormulaError
from lmmtools.inference.marginal.response_scale import response_scale

FORWARD = {
    "log(y)": np.log,
    "log(y + 3)": lambda y: np.log(y + 3),
    "log2(y)": np.log2,
    "np.log10(y)": np.log10,
    "log1p(y)": np.log1p,
    "sqrt(y)": np.sqrt,
    "sqrt(y - 1)": lambda y: np.sqrt(y - 1),
    "I((y**0.3 - 1) / 0.3)": lambda y: (y**0.3 - 1) / 0.3,
    "1 / y": lambda y: 1 / y,
    "I(5 - 2 * y)": lambda y: 5 - 2 * y,
    "y ** 2": np.square,
    "log(p / (1 - p))": lambda y: np.log(y / (1 - y)),
    "asin(sqrt(p))": lambda y: np.arcsin(np.sqrt(y)),
    "exp(p)": np.exp,
    "I(2 ** 0.5 * -log(y))": lambda y: -np.sqrt(2) * np.log(y),
}


@pytest.fixture(scope="module")
def data():
    t = np.arange(48)
    frame = pd.DataFrame({"f": np.resize(["a", "b", "c"], 48), "g": np.repeat(list("stuvwxyz"), 6)})
    frame["y"] = 6 + np.sin(t**2) + 0.5 * np.sin(np.repeat(np.arange(8), 6)) + (frame.f == "b")
    return frame.assign(p=frame.y / 10)


@pytest.fixture(scope="module")
def fits(data):
    made = {}

    def fit(response):
        if response not in made:
            made[response] = lmt.lmm(f"{response} ~ f + (1 | g)", data).fit()
        return made[response]

    return fit


@pytest.mark.parametrize("response", FORWARD)
def test_the_inverse_undoes_the_formula_and_its_derivatives_are_those_of_differences(fits, response):
    scale = response_scale(fits(response).design)
    y = np.array([0.2, 0.45, 0.7]) if "p" in response.replace("exp", "") else np.array([2.0, 5.0, 7.5])
    eta = FORWARD[response](y)
    jet = scale.inverse(eta)
    np.testing.assert_allclose(jet[0], y, rtol=1e-12)
    h = 1e-4 * np.abs(eta).max()
    for order in (1, 2, 3):
        slope = (scale.inverse(eta + h)[order - 1] - scale.inverse(eta - h)[order - 1]) / (2 * h)
        np.testing.assert_allclose(jet[order], slope, rtol=1e-5, atol=1e-6 * np.abs(jet[order]).max() + 1e-9)


def test_means_of_a_logarithm_are_back_transformed_with_limits_and_errors_by_the_delta_method(fits):
    fit = fits("log(y)")
    link, back = (fit.marginal_means("f", type=t).to_frame() for t in ("link", "response"))
    assert list(back.columns) == ["f", "response", "se", "df", "lower", "upper"]
    np.testing.assert_allclose(back[["response", "lower", "upper"]], np.exp(link[["emmean", "lower", "upper"]]))
    np.testing.assert_allclose(back.se, np.exp(link.emmean) * link.se)
    assert "on the scale of log(y)" in str(fit.marginal_means("f"))
    assert "back-transformed from the scale of log(y)" in " ".join(
        str(fit.marginal_means("f", type="response")).split()
    )


def test_where_the_back_transformation_falls_limits_change_sides(fits):
    link, back = (fits("1 / y").marginal_means("f", type=t).to_frame() for t in ("link", "response"))
    np.testing.assert_allclose(back.lower, 1 / link.upper)
    np.testing.assert_allclose(back.upper, 1 / link.lower)


def test_the_bias_of_a_logarithm_is_adjusted_to_second_order(fits):
    fit = fits("log(y)")
    plain = fit.marginal_means("f", type="response").to_frame()
    for sigma, used in ((None, np.sqrt(fit.scale)), (0.3, 0.3)):
        found = fit.marginal_means("f", type="response", bias_adjust=True, sigma=sigma)
        columns = ["response", "se", "lower", "upper"]
        np.testing.assert_allclose(found.to_frame()[columns], plain[columns] * (1 + used**2 / 2))
        assert f"standard deviation of {used:.5g}" in " ".join(str(found).split())


@pytest.mark.parametrize(
    ("response", "column", "base"),
    [("log(y)", "ratio", np.e), ("log10(y)", "ratio", 10.0), ("log(p / (1 - p))", "odds_ratio", np.e)],
)
def test_differences_of_logarithms_are_ratios_named_as_such(fits, response, column, base):
    fit = fits(response)
    link, back = (fit.pairwise("f", type=t) for t in ("link", "response"))
    frame, plain = back.to_frame(), link.to_frame()
    assert list(frame.columns) == ["contrast", column, "se", "df", "t", "p"]
    assert list(frame.contrast) == ["a / b", "a / c", "b / c"]
    np.testing.assert_allclose(frame[column], base**plain.estimate)
    np.testing.assert_allclose(frame.se, np.log(base) * base**plain.estimate * plain.se)
    assert frame[["df", "t", "p"]].equals(plain[["df", "t", "p"]])
    np.testing.assert_allclose(back.conf_int().lower, base ** link.conf_int().lower)
    assert ("Odds ratio" if column == "odds_ratio" else "Ratio") in str(back)
    means = fit.contrasts("f", method="consec", type="response").to_frame()
    assert list(means.contrast) == ["b / a", "c / b"]


def test_contrasts_that_are_no_ratios_stay_on_the_models_scale_and_say_so(fits):
    root = fits("sqrt(y)").pairwise("f", type="response")
    assert list(root.to_frame().contrast) == ["a - b", "a - c", "b - c"]
    assert "on the scale of sqrt(y)" in str(root)
    sums = fits("log(y)").contrasts("f", method={"sum": [1, 1, 0], "gap": [1, -1, 0]}, type="response")
    assert list(sums.to_frame().columns)[1] == "estimate"
    inside = fits("log(sqrt(y))").pairwise("f", type="response")
    assert list(inside.to_frame().columns)[1] == "estimate"


def test_a_plain_response_is_on_its_own_scale(fits):
    fit = fits("y")
    assert fit.marginal_means("f", type="response").to_frame().equals(fit.marginal_means("f").to_frame())
    assert "scale" not in str(fit.marginal_means("f"))


def test_letters_of_back_transformed_means_are_those_of_the_models_scale(fits):
    link, back = (fits("log(y)").marginal_means("f", type=t).cld().to_frame() for t in ("link", "response"))
    assert list(back.group) == list(link.group)


def test_what_cannot_be_undone_is_refused_with_the_cure(fits, data):
    with pytest.raises(DataError, match=r"there is none here for a part of it, scale\(\)"):
        fits("scale(y)").marginal_means("f", type="response")
    with pytest.raises(DataError, match="type='respond' is not known"):
        fits("log(y)").marginal_means("f", type="respond")
    with pytest.raises(DataError, match="sigma= is the standard deviation for bias_adjust"):
        fits("log(y)").marginal_means("f", type="response", sigma=1.0)
    with pytest.raises(DataError, match="bias_adjust=True needs means that are back-transformed"):
        fits("y").marginal_means("f", type="response", bias_adjust=True)
    with pytest.raises(DataError, match="must be a standard deviation"):
        fits("log(y)").marginal_means("f", type="response", bias_adjust=True, sigma=-1)
    with pytest.raises(FormulaError, match=r"Write log\(p / \(1 - p\)\)"):
        lmt.lmm("logit(p) ~ f + (1 | g)", data)
