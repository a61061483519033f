"""A printed summary beside fits: numbers agree where the fit's rounds to the printed one."""

from dataclasses import replace
from pathlib import Path

import pytest

import lmmtools as lmt
from lmmtools.printout.number import PrintedNumber
from lmmtools.report.comparison_column import ComparisonColumn

REFERENCE = Path(__file__).parents[2] / "reference"


def printed(name):
    return lmt.read_lme4_summary((REFERENCE / name).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def penicillin():
    data = lmt.datasets.load("Penicillin")
    return lmt.lmm("diameter ~ 1 + (1 | plate) + (1 | sample)", data).fit(engine="pls")


@pytest.fixture(scope="module")
def sleep():
    return lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")


def test_a_fit_agrees_with_its_printout(penicillin):
    for items in (
        (printed("summaries/penicillin.REML.exact.txt"), penicillin),
        (penicillin, printed("summaries/penicillin.REML.exact.txt")),
    ):
        found = lmt.compare(*items)
        assert found.verdict == "same to the digits shown", items
        assert "agree to the digits shown" in found.sentences[0], items
        assert found.rows[0].values[0] != found.rows[0].values[1], items


def test_one_unit_of_the_last_digit_is_no_difference_and_a_tenth_is(penicillin):
    record = printed("summaries/penicillin.REML.exact.txt")
    for text, verdict in (("0.5500", "same to the digits shown"), ("0.6050", "disagrees")):
        off = replace(record, residual=replace(record.residual, sd=PrintedNumber(text), variance=None))
        (row,) = (r for r in lmt.compare(off, penicillin).rows if r.name == "std. dev., residual")
        assert row.verdict == verdict, verdict


def test_a_criterion_that_is_off_by_more_than_its_digits(penicillin):
    record = replace(printed("summaries/penicillin.REML.exact.txt"), criterion=PrintedNumber("331.5"))
    found = lmt.compare(record, penicillin)
    assert found.rows[0].verdict == "disagrees"
    assert "criterion of lme4 contradicts its other numbers" in found.sentences[0]


def test_a_short_printout_says_nothing_of_standard_errors(sleep):
    found = lmt.compare(printed("printed/print_reml.txt"), sleep)
    assert {row.verdict for row in found.rows if row.part == "std. error"} == {""}
    assert {row.verdict for row in found.rows if row.part == "fixed effect"} == {"same to the digits shown"}
    # Standard deviations alone are printed: their squares are known to fewer digits.
    variance = found.to_frame().loc["variance, Subject Days", "lme4"]
    assert variance == pytest.approx(5.922**2)
    assert "35.1 " in str(found)


def test_digits_are_shown_as_they_were_printed(sleep):
    text = str(lmt.compare(printed("printed/lmertest_satterthwaite.txt"), sleep))
    assert "612.10 " in text
    assert "612.100" not in text


def test_maximum_likelihood_is_told_from_reml(sleep):
    found = lmt.compare(printed("printed/print_ml.txt"), sleep)
    assert found.verdict == "another model"
    assert "lme4 by maximum likelihood" in found.sentences[0]


def test_an_unfinished_fit_says_so(sleep):
    found = lmt.compare(printed("printed/not_converged.txt"), sleep)
    assert found.verdict == "disagrees"
    assert "lme4 does not claim to be an optimum: it did not converge." in found.sentences


def test_other_names_for_the_same_numbers():
    fit = lmt.lmm("strength ~ 1 + (1 | batch) + (1 | sample)", lmt.datasets.load("Pastes")).fit(engine="pls")
    found = lmt.compare(printed("summaries/pastes_nested.REML.txt"), fit)
    assert found.verdict == "same to the digits shown"
    assert "sample (Intercept) in pls is cask:batch (Intercept) in lme4" in found.sentences[-1]


def test_another_model_is_told_by_its_terms():
    fit = lmt.lmm("strength ~ 1 + (1 | batch) + (1 | cask)", lmt.datasets.load("Pastes")).fit(engine="pls")
    found = lmt.compare(printed("summaries/pastes_nested.REML.txt"), fit)
    assert found.verdict == "another model"


def test_column_of_a_printout():
    column = ComparisonColumn.from_printed(printed("printed/singular.txt"), name="from the paper")
    assert (column.name, column.engine, column.is_singular, column.nobs) == ("from the paper", "lme4", True, 30)
    assert column.seconds is column.theta is None
