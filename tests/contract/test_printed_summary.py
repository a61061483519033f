"""The printed report of a fit beside the printed summary of lme4, token by token."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import pytest

from lmmtools.errors import LmmWarning
from lmmtools.report.summary import summarise
from tests.reference_data import Recorded, all_fits

REFERENCE = Path(__file__).parents[1] / "reference"
# What lme4 adds at the end (its optimiser's messages); what we add are notes, left out by the test.
THEIR_NOTES = ("\noptimizer (", "\nfit warnings:", "\nThe correlations of the", "\nCorrelation matrix not shown")
EXAMPLES = ("dyestuff", "dyestuff2", "penicillin", "pastes_nested")


def tokens(text: str) -> list[str]:
    for note in THEIR_NOTES:
        text = text.split(note)[0]
    # R's line breaks and spaces inside a formula are spacing too.
    return text.replace(" ['lmerMod']", "").split()


def without_formula(words: list[str]) -> list[str]:
    """The words but for the formula, whose spelling is R's in one and Python's in the other."""
    start = words.index("Formula:")
    stop = next(i for i in range(start, len(words)) if words[i] in ("Data:", "REML", "AIC"))
    return words[:start] + words[stop:]


def is_tie(ours: str, theirs: str, exact: list[float]) -> bool:
    """Whether two printed numbers are the two roundings of a recorded one that lies half-way between them."""
    try:
        middle = (float(ours) + float(theirs)) / 2
    except ValueError:
        return False
    return any(abs(middle - value) <= 1e-9 * abs(value) for value in exact)


@pytest.mark.parametrize("engine", ["auto", "mixedlm"])
@pytest.mark.parametrize("recorded", all_fits(), ids=str)
def test_a_report_differs_from_lme4s_in_spacing_names_and_notes_only(recorded: Recorded, engine: str):
    if engine == "mixedlm" and recorded.name not in EXAMPLES:
        pytest.skip("the four examples are printed through statsmodels; the contract suite compares its numbers")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LmmWarning)
        fit = recorded.declare().fit(reml=recorded.reml, engine=engine)
    want = recorded.fit
    text = (REFERENCE / want["summary_files"]["exact"]).read_text()
    table = want["varcorr"]
    spelt = tuple(
        (grp, var1, var2, row[3], row[4])
        for grp, var1, var2, row in zip(table["grp"], table["var1"], table["var2"], fit.varcorr.rows(), strict=True)
    )
    data = fit.summary().data
    data_name = text.split("Data:")[1].splitlines()[0].strip() if "Data:" in text else None
    data = replace(data, names=tuple(want["fixef_names"]), varcorr=spelt, data_name=data_name, notes=())
    ours, theirs = without_formula(tokens(str(summarise(data)))), without_formula(tokens(text))
    assert len(ours) == len(theirs)
    # Balanced data have exact decimal estimates (16.340625): which way the last digit rounds is the last bit's choice.
    different = [pair for pair in zip(ours, theirs, strict=True) if pair[0] != pair[1]]
    assert all(is_tie(*pair, want["fixef"] + want["std_errors"]) for pair in different), different
