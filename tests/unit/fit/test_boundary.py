"""What the boundary's rows say, and from what they know it."""

from __future__ import annotations

import pandas as pd
import pytest

import lmmtools as lmt


def test_equal_mean_squares_are_a_zero_by_the_data_and_spanned_by_nothing() -> None:
    # Mean squares between and within levels are both 1/6 x 1: the derivative at zero is exactly zero.
    data = pd.DataFrame({"y": [0.0, 0, 0, 0, 0, 1], "g": list("aabbcc")})
    fit = lmt.lmm("y ~ 1 + (1 | g)", data).fit(engine="pls")
    (row,) = fit.boundary
    assert row.certificate == pytest.approx(0.0, abs=1e-9)
    assert not row.is_spanned
    assert not row.falls_inside
    assert "tell its levels apart" not in str(row)
    assert "Nothing tells" not in " ".join(flag.title for flag in _flags(fit))


def test_a_term_that_the_fixed_effects_span_is_marked_by_a_field() -> None:
    data = pd.DataFrame({"y": [0.0, 2, 1, 4, 2, 7, 3, 3], "g": list("aabbccdd")})
    fit = lmt.lmm("y ~ g + (1 | g)", data).fit(engine="pls")
    (row,) = fit.boundary
    assert row.is_spanned
    assert fit.certificate.null_spaces[0].is_spanned
    assert fit.boundary.to_frame().is_spanned.tolist() == [True]
    assert "tell its levels apart" in str(row)
    assert any("Nothing tells" in flag.title for flag in _flags(fit)), _flags(fit)


def _flags(fit: lmt.LMMResults):  # type: ignore[no-untyped-def]
    from lmmtools.page.flags import read_flags

    return read_flags(fit)


def test_ranova_says_every_variance_that_is_zero_in_the_smaller_model() -> None:
    # Of h and k the mean squares are below the residual's; without g both are at zero.
    data = pd.DataFrame(
        {
            "y": [1.0, 5, 1.2, 5.1, 0.9, 5.2, 1.1, 4.9],
            "g": list("abababab"),
            "h": list("ccddccdd"),
            "k": list("eeeeffff"),
        }
    )
    notes = " ".join(lmt.lmm("y ~ 1 + (1 | g) + (1 | h) + (1 | k)", data).fit(engine="pls").ranova().notes)
    assert "(1 | g): without it the variance of (1 | h) is zero and the variance of (1 | k) is zero" in notes
