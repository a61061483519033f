"""Means where fixed factors are nested, cells are empty, or cells count by their rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import lmmtools as lmt
from lmmtools.errors import DataError
from lmmtools.inference.marginal.nesting import find_nesting

pytestmark = pytest.mark.filterwarnings("ignore::lmmtools.errors.DroppedColumnsWarning")


def crossing(*sizes):
    return np.ones(sizes)


def terms(text):
    return [frozenset(term.split(":")) for term in text.split()]


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("A A:B", {"B": ("A",)}),
        ("A:B", {}),
        ("A A:B:C", {}),
        ("A B A:C", {"C": ("A",)}),
        ("A B A:B:C", {"C": ("A", "B")}),
        ("A B A:B A:B:C", {"C": ("A", "B")}),
        ("A A:B A:B:C", {"B": ("A",), "C": ("A", "B")}),
        ("B C A:B:C", {"A": ("B", "C")}),
        ("A A:B B:C", {"B": ("A",), "C": ("A", "B")}),
        ("A B A:B A:C B:C A:B:C", {}),
        ("A B C A:B A:C", {}),
    ],
)
def test_a_factor_without_main_effect_is_nested_as_emmeans_finds_it(formula, expected):
    """Nesting that ref_grid() of emmeans 1.8.4 reports for crossed data."""
    assert find_nesting("ABC", crossing(2, 3, 2), terms(formula)) == expected


def test_of_two_names_of_one_partition_the_first_is_nested_in_the_second():
    assert find_nesting("AB", np.eye(3), []) == {"A": ("B",)}


@pytest.fixture(scope="module")
def control():
    """A control beside a factorial of form and dose, six blocks, each cell's mean known."""
    cells = [("ctl", "none", "d0"), *(("trt", f, d) for f in "ABC" for d in ("d1", "d2"))]
    rows = [(*cell, f"b{b}") for b in range(6) for cell in cells]
    data = pd.DataFrame(rows, columns=["trt", "form", "dose", "block"])
    data["y"] = 10 + np.sin(np.arange(len(data)) ** 2) + data.block.str[1:].astype(int) + 2 * (data.trt == "trt")
    return data


@pytest.mark.parametrize("factor", ["trt", "form", "dose"])
def test_means_of_a_control_and_a_factorial_average_the_cells_that_exist(control, factor):
    fit = lmt.lmm("y ~ trt + form * dose + (1 | block)", control).fit()
    found = fit.marginal_means(factor).to_frame()
    want = control.groupby(["trt", "form", "dose"]).y.mean().groupby(factor).mean()
    np.testing.assert_allclose(found.set_index(factor).emmean.loc[want.index], want, rtol=1e-8)
    assert "trt" in found
    assert "form is nested in trt; dose is nested in trt" in str(fit.marginal_means(factor))


def test_nothing_is_nested_where_the_caller_says_so(control):
    fit = lmt.lmm("y ~ trt + form * dose + (1 | block)", control).fit()
    assert fit.marginal_means("trt", nesting={}).to_frame().emmean.isna().all()
    told = fit.marginal_means("trt", nesting={"form": "trt", "dose": ["trt"]}).to_frame()
    pd.testing.assert_frame_equal(told, fit.marginal_means("trt").to_frame())
    for nesting, said in (
        ({"form": "block"}, "'block', which is no factor"),
        ({"form": "trt", "trt": "form"}, "nested in itself"),
        ("form in trt", "must be a dict"),
    ):
        with pytest.raises(DataError, match=said):
            fit.marginal_means("trt", nesting=nesting)


def test_contrasts_of_nested_factors_are_all_or_within_what_they_are_nested_in(control):
    fit = lmt.lmm("y ~ trt + form * dose + (1 | block)", control).fit()
    assert list(fit.pairwise("form").to_frame().contrast)[:2] == ["none ctl - A trt", "none ctl - B trt"]
    within = fit.pairwise("form", by="trt")
    frame = within.to_frame()
    assert list(frame.trt) == ["trt"] * 3
    assert list(frame.contrast) == ["A - B", "A - C", "B - C"]
    assert "one mean alone, and nothing to compare it with, within ctl" in str(within)
    assert "for 3 means" in str(within)
    assert list(fit.pairwise("form", by="dose").to_frame().columns[:2]) == ["dose", "trt"]


def test_a_hole_in_a_factorial_makes_its_means_inestimable_and_the_foot_names_them(control):
    holes = control[~((control.form == "B") & (control.dose == "d2"))]
    fit = lmt.lmm("y ~ trt + form * dose + (1 | block)", holes).fit()
    found = fit.marginal_means("form")
    frame = found.to_frame()
    assert list(frame.form[frame.emmean.isna()]) == ["B"]
    assert "not estimable" in str(found)
    assert "B trt" in str(found)
    cells = fit.marginal_means("form", weights="cells").to_frame().set_index("form")
    assert np.isfinite(cells.emmean).all()


def test_weights_by_rows_are_the_means_of_the_rows_in_a_saturated_model(control):
    uneven = control.drop(index=[2, 8, 9, 16, 22, 23])
    fit = lmt.lmm("y ~ form * dose + (1 | block)", uneven[uneven.trt == "trt"]).fit()
    cells = fit.marginal_means(["form", "dose"]).to_frame().set_index(["form", "dose"]).emmean
    n = uneven[uneven.trt == "trt"].groupby(["form", "dose"]).size()
    by_cells = fit.marginal_means("form", weights="cells").to_frame().set_index("form").emmean
    by_dose = fit.marginal_means("form", weights="prop").to_frame().set_index("form").emmean
    for form in "ABC":
        np.testing.assert_allclose(by_cells[form], np.average(cells[form], weights=n[form]), rtol=1e-10)
        np.testing.assert_allclose(by_dose[form], np.average(cells[form], weights=n.groupby("dose").sum()), rtol=1e-10)
    with pytest.raises(DataError, match="weights='rows' is not known"):
        fit.marginal_means("form", weights="rows")


def test_covariates_are_reduced_by_a_function_to_one_value_or_several():
    fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit()
    slope, start = fit.fe_params["Days"], fit.fe_params["Intercept"]
    ends = fit.marginal_means("Days", cov_reduce=lambda x: [x.min(), x.max()]).to_frame()
    np.testing.assert_allclose(ends.emmean, [start, start + 9 * slope])
    assert len(fit.marginal_means("Days", cov_reduce=False).to_frame()) == 10
    median = fit.marginal_means("Days", cov_reduce={"Days": np.max}).to_frame()
    np.testing.assert_allclose(median.emmean, [start + 9 * slope])
    with pytest.raises(DataError, match="must be a function"):
        fit.marginal_means("Days", cov_reduce=3)
    with pytest.raises(DataError, match="no finite numbers"):
        fit.marginal_means("Days", cov_reduce=lambda x: [])
    oats = lmt.lmm("yield ~ Variety + nitro + (1 | Block)", lmt.datasets.load("Oats")).fit()
    with pytest.raises(DataError, match="cov_reduce= is of covariates, and 'Variety' is a factor"):
        oats.marginal_means("nitro", cov_reduce={"Variety": np.max})
    with pytest.raises(DataError, match="'Dys' is no predictor"):
        fit.marginal_means("Days", cov_reduce={"Dys": np.max})


def test_rows_read_in_batches_are_counted_alike(control, tmp_path):
    path = tmp_path / "control.parquet"
    control.to_parquet(path)
    formula = "y ~ trt + form * dose + (1 | block)"
    far, near = lmt.lmm(formula, path, stream=True).fit(), lmt.lmm(formula, control).fit()
    for weights in ("equal", "cells"):
        there, here = (fit.marginal_means("form", weights=weights).to_frame() for fit in (far, near))
        pd.testing.assert_frame_equal(there, here, rtol=1e-6)
