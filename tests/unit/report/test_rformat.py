"""Numbers and names print as R prints them; R's answers are in rformat_cases.json, beside the script that made them."""

import json
import math
from pathlib import Path

import pytest

from lmmtools.report.rformat import (
    abbreviate,
    format_coefficients,
    format_correlations,
    format_numbers,
    format_pvalues,
    format_statistics,
    round_half_even,
    significance_stars,
    zapsmall,
)

CASES = json.loads((Path(__file__).parent / "rformat_cases.json").read_text())


def from_hex(text):
    if text == "NA":
        return None
    return float(text) if text in {"NaN", "Inf", "-Inf"} else float.fromhex(text)


def from_hexes(texts):
    return [from_hex(t) for t in texts]


def cases(name):
    return pytest.mark.parametrize("case", CASES[name], ids=range(len(CASES[name])))


@cases("format")
def test_columns_of_numbers_are_laid_out_as_r_does(case):
    assert format_numbers(from_hexes(case["x"]), case["digits"], case["nsmall"]) == case["text"]


@cases("round")
def test_rounding_goes_the_way_of_r(case):
    assert round_half_even(from_hex(case["x"]), case["decimals"]) == from_hex(case["value"])


@cases("zapsmall")
def test_negligible_numbers_are_zapped_as_in_r(case):
    assert zapsmall(from_hexes(case["x"]), case["digits"]) == from_hexes(case["value"])


@cases("coefficients")
def test_coefficient_tables_have_the_cells_of_print_coefmat(case):
    p = len(case["estimate"])
    both = format_coefficients(from_hexes(case["estimate"]) + from_hexes(case["error"]))
    t = format_statistics(from_hexes(case["t"]))
    ours = [[both[i].strip(), both[p + i].strip(), t[i].strip()] for i in range(p)]
    assert ours == case["cells"]


@cases("pvalues")
def test_p_values_are_those_of_format_pval(case):
    assert [c.strip() for c in format_pvalues(from_hexes(case["p"]), case["digits"])] == [
        c.strip() for c in case["text"]
    ]


@cases("abbreviate")
def test_names_are_abbreviated_as_r_does(case):
    assert abbreviate(case["names"], case["minlength"]) == case["short"]


def test_correlations_always_show_their_decimals():
    assert format_correlations([-0.2976, None, 1.0]) == ["-0.30", "   NA", " 1.00"]
    assert format_correlations([float("nan")]) == ["NaN"]


def test_stars_mark_the_usual_levels():
    assert significance_stars([0.0005, 0.005, 0.03, 0.07, 0.2, None]) == ["***", "**", "*", ".", "", ""]


def test_empty_columns_are_no_special_case():
    assert format_numbers([]) == []
    assert format_coefficients([]) == []
    assert math.isnan(round_half_even(float("nan"), 2))
