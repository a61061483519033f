"""Printed summaries of MixedLM: every number is read as it stands, and what is cut or changed is refused.

``tests/reference/printed_mixedlm/make_printed.py`` wrote the texts with statsmodels 0.13.5, 0.14.4 and 0.15.0; the
numbers stated here are those that a person reads in them.
"""

from pathlib import Path

import pytest

import lmmtools as lmt
from lmmtools.errors import DataError, PrintoutError
from lmmtools.printout.read import read_printout

REFERENCE = Path(__file__).parents[2] / "reference" / "printed_mixedlm"
RELEASES = ("0.13", "0.14", "0.15")
MODELS = {
    "slope": ("Reaction ~ Days + (Days | Subject)", "sleepstudy", True),
    "slope_ml": ("Reaction ~ Days + (Days | Subject)", "sleepstudy", False),
    "crossed": ("diameter ~ 1 + (1 | plate) + (1 | sample)", "Penicillin", True),
    "nested": ("strength ~ 1 + (1 | batch / cask)", "Pastes", True),
    "boundary": ("Yield ~ 1 + (1 | Batch)", "Dyestuff2", True),
}


def text_of(name):
    return (REFERENCE / f"{name}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("release", RELEASES)
def test_every_number_is_read_as_it_stands(release):
    printed = lmt.read_mixedlm_summary(text_of(f"slope_{release}"))
    assert (printed.reml, printed.converged, printed.response) == (True, True, "Reaction")
    assert (printed.nobs, dict(printed.ngroups)) == (180, {"Subject": 18})
    assert str(printed.scale) == "654.8430"
    assert float(printed.log_likelihood) == -871.8141
    # The digits shown are kept: -2 log L is known to twice the last one.
    assert printed.criterion == 2 * 871.8141
    assert printed.criterion.half_unit == pytest.approx(1e-4)
    assert {k: str(v) for k, v in printed.fixef.items()} == {"Intercept": "251.405", "Days": "10.467"}
    assert {k: str(v) for k, v in printed.std_errors.items()} == {"Intercept": "6.827", "Days": "1.546"}
    assert [str(c.t) for c in printed.fixed] == ["36.826", "6.770"]
    assert {k: str(v) for k, v in printed.variances.items()} == {
        "Subject (Intercept)": "612.700",
        "Subject Days": "35.098",
    }
    assert {k: str(v) for k, v in printed.covariances.items()} == {"Subject (Intercept), Days": "9.588"}
    assert {k: str(v) for k, v in printed.ratio_errors.items()} == {
        "Subject (Intercept)": "11.898",
        "Subject (Intercept), Days": "1.823",
        "Subject Days": "0.610",
    }
    assert printed.correlations["Subject (Intercept), Days"] == pytest.approx(9.588 / (612.700 * 35.098) ** 0.5)


def test_a_wide_table_with_three_correlated_effects_is_read():
    printed = lmt.read_mixedlm_summary(text_of("wide_0.15"))
    assert len(printed.variances) == len(printed.covariances) == 3
    assert len(printed.fixed) == 10


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("name", MODELS)
def test_a_fit_and_its_printout_are_the_same_model(name, release):
    formula, data, reml = MODELS[name]
    fit = lmt.lmm(formula, lmt.datasets.load(data)).fit(engine="pls", reml=reml)
    found = lmt.compare(fit, text_of(f"{name}_{release}"))
    if name == "crossed":
        # MixedLM stopped 2e-3 above the lowest criterion: the groups are not counted for another model.
        assert found.verdict in {"looser convergence", "disagrees"}
    else:
        assert found.verdict in {"same to the digits shown", "looser convergence"}


def test_levels_of_components_are_not_in_the_printout():
    assert dict(lmt.read_mixedlm_summary(text_of("crossed_0.15")).ngroups) == {}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("10.467", "104.67", "z of 'Days'"),
        ("1.546", "1.645", "z of 'Days'"),
        ("13.498", "31.498", "limit 31.498 of 'Days'"),
        ("Method:                REML", "Method:                FIML", "neither REML nor ML"),
        ("Subject Var        612.700", "Subject Var        -612.700", "below zero"),
        ("Scale:                 654.8430", "Scale:                 broken", "no number"),
    ],
)
def test_a_changed_printout_is_refused(old, new, said):
    text = text_of("slope_0.14")
    assert old in text
    with pytest.raises(PrintoutError, match=said):
        lmt.read_mixedlm_summary(text.replace(old, new))


def test_a_doubled_variance_disagrees_with_the_fit():
    fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
    assert lmt.compare(fit, text_of("slope_0.14").replace("612.700", "1225.40")).verdict == "disagrees"


@pytest.mark.parametrize("end", ["Coef.", "Intercept  ", "Subject Var", "Days Var"])
def test_a_cut_printout_is_refused(end):
    text = text_of("slope_0.14")
    with pytest.raises(PrintoutError):
        lmt.read_mixedlm_summary(text[: text.index(end)])


def test_two_printouts_in_one_text_are_refused():
    with pytest.raises(PrintoutError, match="more than one"):
        lmt.read_mixedlm_summary(text_of("slope_0.14") * 2)


def test_the_reader_is_found_by_the_text():
    assert read_printout(text_of("nested_0.14")).engine == "mixedlm"
    assert read_printout((REFERENCE.parent / "printed" / "print_reml.txt").read_text(encoding="utf-8")).engine == "lme4"


@pytest.mark.parametrize(
    ("name", "said"), [("a.pickle", "from_mixedlm"), ("m.rds", "capture.output"), ("M.RData", "R"), ("t.xlsx", "JSON")]
)
def test_files_that_are_no_text_say_what_to_give(name, said):
    from lmmtools.cli.compare import read_other

    with pytest.raises(DataError, match=said):
        read_other(name)
