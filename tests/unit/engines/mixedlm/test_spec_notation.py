"""Which expressions MixedLM's call may hold as they are: those that patsy and formulaic read alike."""

from __future__ import annotations

import pytest

from lmmtools.engines.mixedlm.spec import is_elementary


@pytest.mark.parametrize("text", ["1", "x", "x + C(f)", "x:z", "x*z", "C(f):x", "1 + x"])
def test_names_numbers_and_plain_factors_are_read_alike(text) -> None:
    assert is_elementary(text)


@pytest.mark.parametrize(
    "text",
    ["C(f, Sum)", "C(f=1)", "C(a + b)", "log(x)", "Q('a')", "x - 1", "x**2", "`a b`", "print", "lambda: x", "x +"],
)
def test_other_expressions_are_made_columns_first(text) -> None:
    # A Python name (print) is none of the data's in patsy.
    assert not is_elementary(text)
