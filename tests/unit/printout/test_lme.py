"""Summaries of nlme are read with the numbers behind them, and compared with fits of the same models."""

import json
from pathlib import Path

import pytest

import lmmtools as lmt

REFERENCE = Path(__file__).parents[2] / "reference" / "printed_lme"
RECORDED = json.loads((REFERENCE / "lme.json").read_text(encoding="utf-8"))["fits"]
SLEEP = ("Reaction ~ Days + (Days | Subject)", "sleepstudy")
MODELS = {
    "slope": SLEEP,
    "slope_print": SLEEP,
    "slope_ml": SLEEP,
    "slope_narrow": SLEEP,
    "apart": ("Reaction ~ Days + (Days || Subject)", "sleepstudy"),
    "pastes": ("strength ~ 1 + (1 | batch/cask)", "Pastes"),
    "three_effects": ("score ~ Machine + (Machine | Worker)", "Machines"),
}


def text_of(name):
    return (REFERENCE / f"{name}.txt").read_text(encoding="utf-8")


def all_shown(printed, recorded):
    pairs = list(zip(printed, recorded, strict=True))
    return all(found.shows(v) or abs(found - v) <= 1.1 * found.half_unit for found, v in pairs)


@pytest.mark.parametrize("name", RECORDED)
def test_the_numbers_are_those_behind_the_text(name):
    printed, record = lmt.read_printout(text_of(name)), RECORDED[name]
    assert (printed.engine, printed.reml, printed.nobs) == ("nlme", record["reml"], record["nobs"])
    assert printed.criterion.shows(record["criterion"])
    assert printed.sigma.shows(record["sigma"])
    assert all_shown(printed.std_devs.values(), record["sds"])
    assert all_shown(printed.correlations.values(), record["correlations"])
    assert list(printed.fixef) == record["fixef_names"]
    assert all_shown(printed.fixef.values(), record["fixef"])
    if not name.endswith("print"):
        assert printed.criteria["AIC"].shows(record["AIC"])
        assert all_shown(printed.std_errors.values(), record["std_errors"])
        for column in ("df", "t", "p"):
            assert all_shown([getattr(c, column) for c in printed.fixed], record[column])
        assert all_shown(printed.scaled_residuals, record["residuals"])


@pytest.mark.parametrize("name", MODELS)
def test_compare_finds_the_same_model(name):
    formula, data = MODELS[name]
    fit = lmt.lmm(formula, lmt.datasets.load(data)).fit(reml=RECORDED[name]["reml"])
    table = lmt.compare(fit, text_of(name))
    assert table.verdict in ("same to the digits shown", "looser convergence"), table.sentences


def test_groups_and_formula_are_lmers():
    printed = lmt.read_printout(text_of("nested_ml"))
    assert printed.formula == "yield ~ nitro * Variety + (1 | Block) + (1 | Variety:Block)"
    assert printed.ngroups == {"Block": 6, "Variety:Block": 18}
    assert lmt.read_printout(text_of("apart")).formula == "Reaction ~ Days + (Days || Subject)"


def test_bic_is_left_out_where_rows_are_counted_otherwise():
    """nlme's BIC under REML has log(n - p), lme4's log(n): 1774.719 and 1774.786 of one fit."""
    assert set(lmt.read_printout(text_of("slope")).criteria) == {"AIC", "logLik"}
    assert set(lmt.read_printout(text_of("slope_ml")).criteria) == {"AIC", "BIC", "logLik"}


@pytest.mark.parametrize(
    ("name", "old", "new", "named"),
    [
        ("slope", "1755.628", "1755.268", "AIC 1755.268 does not follow"),
        ("slope", "Days         5.92", "         5.92", "has not 2 numbers after a name"),
        (
            "slope",
            " Structure: General positive-definite, Log-Cholesky parametrization\n",
            "",
            "is not 'StdDev:' and its numbers",
        ),
        ("apart", " Structure: Diagonal\n", "", "'Structure:' below line .* is missing"),
        ("slope", "36.83", "38.63", "t-value is not Value over Std.Error"),
        ("nested_ml", " Formula: ~1 | Variety %in% Block\n", "", "not one each"),
        ("pastes", "             10              30", "             10", "numbers of groups"),
        ("slope", "Number of Observations", "Number", "missing: Number of Observations"),
        (
            "intercept",
            "\nFixed effects",
            "\nCorrelation Structure: AR(1)\n Formula: ~1 | Subject \n Parameter estimate(s):\nFixed effects",
            "structure of its residuals",
        ),
    ],
)
def test_what_was_lost_or_is_another_model_is_refused(name, old, new, named):
    text = text_of(name)
    assert old in text
    with pytest.raises(lmt.LmmError, match=named):
        lmt.read_printout(text.replace(old, new))


def test_every_text_has_its_record():
    assert {path.stem for path in REFERENCE.glob("*.txt")} == set(RECORDED)
