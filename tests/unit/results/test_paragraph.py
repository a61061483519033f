"""``fit.report()``: each number is the fit's or its tests', as the APA's manual writes numbers."""

from __future__ import annotations

import re

import numpy as np
import pytest

import lmmtools as lmt
from lmmtools.errors import DataError
from lmmtools.report.apa import amount, decimals_for, p_value, share

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def sleep() -> lmt.LMMResults:
    return lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit()


def test_the_numbers_are_those_of_the_fit(sleep) -> None:
    text = " ".join(str(sleep.report()).split())
    tests, limits = sleep.tests().to_frame(), sleep.conf_int(ddf="satterthwaite")
    b, se, df, t, _ = tests.loc["Days"]
    low, high = limits.loc["Days"]
    assert f"Days, b = {b:.2f}, SE = {se:.2f}, 95% CI [{low:.2f}, {high:.2f}], t({df:.2f}) = {t:.2f}, p < .001" in text
    sd = sleep.varcorr.terms[0].sd
    assert f"{sd[0]:.2f} for intercepts and {sd[1]:.2f} for effects of Days by Subject (r = .07)" in text
    assert f"{sleep.sigma:.2f} for the residuals" in text
    r2 = sleep.r2()
    assert f"marginal R2 = {r2.marginal:.2f}".replace("0.", ".") in text
    assert f"conditional R2 = {r2.conditional:.2f}".replace("0.", ".") in text
    assert "180 observations of 18 levels of Subject by restricted maximum likelihood" in text


def test_a_column_with_spaces_has_no_quotes_in_a_sentence() -> None:
    data = lmt.datasets.load("sleepstudy").rename(columns={"Reaction": "reaction time", "Days": "day of study"})
    fit = lmt.lmm("`reaction time` ~ `day of study` + (`day of study` | Subject)", data).fit()
    assert str(fit.report()).startswith("A linear mixed model of reaction time was fitted to")
    words = lmt.translate(fit)
    assert "The mean of reaction time is linear in day of study" in words.words
    assert "`" not in words.words
    assert "textasciigrave" not in words.latex


def test_symbols_are_set_in_each_format(sleep) -> None:
    found = sleep.report("z", level=0.9)
    assert "*z* = 6.77, *p* \\< .001" in found.to_markdown()
    assert "$z = 6.77$, $p < .001$" in found.to_latex()
    assert r"\texttt{Reaction \textasciitilde{} Days" in found.to_latex()
    assert "<em>R</em>² = .28" in found.to_html()
    assert "90% CI [7.92, 13.01]" in str(found).replace("\n", " ")
    assert max(map(len, str(found).splitlines())) <= 80
    assert not any(line.endswith((" p", " p <", "=")) for line in str(found).splitlines())


def test_a_robust_covariance_is_named(sleep) -> None:
    text = " ".join(str(sleep.report(cov="CR2")).split())
    assert "CR2" in text
    se = sleep.tests(cov="CR2").to_frame().loc["Days", "std_error"]
    assert f"Days, b = 10.47, SE = {se:.2f}" in text


def test_terms_with_several_coefficients_have_f_tests() -> None:
    fit = lmt.lmm("effort ~ Type + (1 | Subject)", lmt.datasets.load("ergoStool")).fit()
    assert "Type, F(3, 24.00) = 22.36, p < .001" in " ".join(str(fit.report()).split())
    assert "Type, χ2(3) = 67.07, p < .001" in " ".join(str(fit.report("z")).split())
    assert r"$\chi^2(3) = 67.07$" in fit.report("z").to_latex()
    assert "t(32) = " in str(fit.report("residual"))


def test_a_singular_fit_is_said_to_be() -> None:
    fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff2")).fit()
    text = " ".join(str(fit.report()).split())
    assert "The fit is singular: the variance of (Intercept) by Batch is zero" in text
    assert "residuals alone make as much of this variation" in text
    assert "R2" not in text


@pytest.mark.parametrize(
    ("formula", "options", "said"),
    [
        ("Reaction ~ 0 + (1 | Subject)", {}, "The model has no fixed effects."),
        ("Reaction ~ Days + (1 | Subject)", {"weights": "w"}, "for the residuals at a weight of one"),
        ("Reaction ~ gap + (1 | Subject)", {}, "9 of 180 rows left out for missing values"),
        ("Reaction ~ Days + twice + (1 | Subject)", {}, "twice"),
        ("Reaction ~ factor(row) + (1 | Subject)", {}, "The estimates of the 90 fixed effects belong in a table."),
    ],
)
def test_every_model_has_a_paragraph(formula, options, said) -> None:
    data = lmt.datasets.load("sleepstudy")
    data = data.assign(w=1.0 + data.Days, twice=2 * data.Days, gap=np.where(np.arange(180) < 9, np.nan, data.Days))
    data["row"] = np.arange(180) // 2
    fit = lmt.lmm(formula, data, **options).fit()
    assert said in " ".join(str(fit.report()).split())
    for text in (fit.report().to_markdown(), fit.report().to_latex(), fit.report().to_html()):
        assert "nan" not in re.findall(r"[a-z]+", text)


def test_rows_read_in_batches_give_the_same_paragraph(sleep, tmp_path) -> None:
    lmt.datasets.load("sleepstudy").to_csv(tmp_path / "sleep.csv", index=False)
    streamed = lmt.lmm("Reaction ~ Days + (Days | Subject)", str(tmp_path / "sleep.csv"), stream=True).fit()
    assert str(streamed.report()) == str(sleep.report())


def test_text_of_names_is_not_mark_up() -> None:
    data = lmt.datasets.load("sleepstudy").rename(columns={"Days": "<b>_d*", "Subject": "s$&"})
    fit = lmt.lmm("Reaction ~ `<b>_d*` + (1 | `s$&`)", data).fit()
    assert "<b>" not in fit.report().to_html()
    assert "s\\$\\&" in fit.report().to_latex()
    assert "\\_d\\*, *b*" in fit.report().to_markdown()


def test_options_that_are_none_are_named(sleep) -> None:
    with pytest.raises(DataError, match="ddf='t'"):
        sleep.report("t")
    with pytest.raises(DataError, match="level"):
        sleep.report(level=95)


def test_numbers_as_the_manual_has_them() -> None:
    assert [p_value(p).value for p in (0.0344, 0.2, 0.99999, 0.0001)] == [".034", ".200", ".999", ".001"]
    assert [p_value(p).relation for p in (0.0344, 0.9999, 0.0001)] == ["=", ">", "<"]
    assert [share(r) for r in (-0.456, 0.066, 1.0, 0.0)] == ["-.46", ".07", "1.00", ".00"]
    assert [decimals_for(se) for se in (1.5, 0.052, 0.0031, 250.0, 9e9)] == [2, 3, 4, 1, 0]
    assert amount(-0.0001) == "0.00"
    assert amount(1.2345e-5, decimals_for(1e-6)) == "1.23e-05"
