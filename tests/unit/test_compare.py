"""``lmt.compare``: whatever it is given, and the command line."""

from __future__ import annotations

import json
import warnings

import pytest
import statsmodels.formula.api as smf

import lmmtools as lmt
from lmmtools.cli import main

PRINTED = """Linear mixed model fit by REML ['lmerMod']
Formula: diameter ~ 1 + (1 | plate) + (1 | sample)
   Data: Penicillin

REML criterion at convergence: 330.9

Random effects:
 Groups   Name        Variance Std.Dev.
 plate    (Intercept) 0.7169   0.8467
 sample   (Intercept) 3.7311   1.9316
 Residual             0.3024   0.5499
Number of obs: 144, groups:  plate, 24; sample, 6

Fixed effects:
            Estimate Std. Error t value
(Intercept)  22.9722     0.8086   28.41
"""


@pytest.fixture(scope="module")
def model() -> lmt.Model:
    return lmt.lmm("diameter ~ 1 + (1|plate) + (1|sample)", lmt.datasets.load("Penicillin"))


@pytest.fixture(scope="module")
def obvious():
    data = lmt.datasets.load("Penicillin").astype({"plate": str, "sample": str})
    parts = {"plate": "1 + C(plate)", "sample": "0 + C(sample)"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return smf.mixedlm("diameter ~ 1", data, groups="plate", vc_formula=parts).fit()


def test_a_mixedlm_script_and_a_printout_give_the_sentence_that_explains_them(obvious) -> None:
    found = lmt.compare(obvious, lmt.read_lme4_summary(PRINTED))
    assert found.verdict == "another model"
    assert (
        "Not the same model: MixedLM is diameter ~ 1 + (1|plate) + (1|plate:sample), "
        "lme4 is diameter ~ 1 + (1 | plate) + (1 | sample)." in found.sentences
    )


def test_a_fit_read_from_json_compares_as_the_fit(model) -> None:
    fit = model.fit(engine="pls")
    found = lmt.compare(fit, lmt.read_json(fit.to_json()), names=["fit", "file"])
    assert found.verdict == "same to the digits shown"
    assert all(d == 0 for row in found.rows for d in row.differences if d is not None), found.rows


def test_models_without_engine_names_are_fitted(model) -> None:
    smaller = lmt.lmm("diameter ~ 1 + (1|plate)", lmt.datasets.load("Penicillin"))
    found = lmt.compare(model, smaller, "pls", reml=False)
    assert len(found.columns) == 2
    assert not found.columns[0].reml
    assert "Not the same model" in found.sentences[0]


def test_command_line_compares_engines_and_files(tmp_path, capsys, model) -> None:
    record, printout, data = tmp_path / "fit.json", tmp_path / "printed.txt", tmp_path / "penicillin.csv"
    record.write_text(model.fit(engine="pls").to_json(), encoding="utf-8")
    printout.write_text(PRINTED, encoding="utf-8")
    lmt.datasets.load("Penicillin").to_csv(data, index=False)
    command = ["compare", str(data), "diameter ~ 1 + (1|plate) + (1|sample)", "--engines", "pls", "--with"]
    main([*command, str(record), str(printout), "--json"])
    shown = json.loads(capsys.readouterr().out)
    assert shown["comparison"]["columns"][1:4] == ["pls", "fit", "printed"]
    assert main([*command, str(record)]) == 0
    assert "agree to the digits shown" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["compare", "x.csv"], "needs a formula"),
        (["compare", "--with", "nowhere.txt"], "cannot be read"),
    ],
)
def test_bad_input_on_the_command_line(capsys, arguments, words) -> None:
    assert main(arguments) == 2
    assert words in capsys.readouterr().err


def test_half_a_printout_is_a_clear_error(tmp_path, capsys) -> None:
    half = tmp_path / "half.txt"
    half.write_text(PRINTED[:200], encoding="utf-8")
    assert main(["compare", "--with", str(half), str(half)]) == 2
    assert capsys.readouterr().err.startswith("lmmtools: ")


@pytest.mark.filterwarnings("ignore")
def test_a_column_of_ones_is_the_intercept_whatever_its_name():
    import statsmodels.api as sm

    # One model by formula, by arrays, and with columns of ones in place of both intercepts; criteria are equal.
    data = lmt.datasets.load("sleepstudy").assign(const=1.0, one=1.0)
    fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", data).fit(engine="pls")
    X = data[["const", "Days"]]
    arrays = sm.MixedLM(data.Reaction, X, groups=data.Subject, exog_re=data[["one", "Days"]]).fit()
    spelled = lmt.lmm("Reaction ~ 0 + const + Days + (0 + one + Days | Subject)", data).fit(engine="pls")
    for other in (arrays, spelled):
        found = lmt.compare(fit, other)
        assert found.verdict in ("same to the digits shown", "looser convergence"), found.sentences
        assert not any("another model" in s for s in found.sentences), found.sentences
    zero = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff2")).fit(engine="pls")
    ols = sm.OLS(lmt.datasets.load("Dyestuff2").Yield, [1.0] * 30).fit()  # statsmodels calls it const
    assert lmt.compare(zero, ols).verdict == "same to the digits shown"


@pytest.mark.filterwarnings("ignore")
def test_a_column_of_twos_is_no_intercept():
    data = lmt.datasets.load("sleepstudy").assign(two=2.0)
    fit = lmt.lmm("Reaction ~ Days + (1 | Subject)", data).fit(engine="pls")
    other = lmt.lmm("Reaction ~ 0 + two + Days + (1 | Subject)", data).fit(engine="pls")
    assert any("other coordinates" in s for s in lmt.compare(fit, other).sentences), lmt.compare(fit, other).sentences
