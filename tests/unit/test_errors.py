"""Warnings point to the caller's line, however many calls lie between."""

from __future__ import annotations

import warnings

import pytest

import lmmtools as lmt
from lmmtools.errors import BoundaryWarning


def place_of_boundary_warning(call):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    found = [w for w in caught if w.category is BoundaryWarning]
    assert found
    return {w.filename for w in found}


@pytest.mark.parametrize("door", ["fit", "compare"])
def test_a_warning_points_to_the_line_that_called_the_package(door):
    model = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff2"))
    calls = {"fit": lambda: model.fit(engine="pls"), "compare": lambda: lmt.compare(model, "pls", "pls")}
    assert place_of_boundary_warning(calls[door]) == {__file__}


def test_a_warning_of_a_result_of_statsmodels_points_to_the_line_that_reads_it():
    smf = pytest.importorskip("statsmodels.formula.api")
    data = lmt.datasets.load("Dyestuff2")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = smf.mixedlm("Yield ~ 1", data, groups="Batch").fit()
    assert place_of_boundary_warning(lambda: lmt.from_mixedlm(result)) == {__file__}
    assert place_of_boundary_warning(lambda: lmt.compare(result, result)) == {__file__}
