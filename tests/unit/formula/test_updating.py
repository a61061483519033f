"""Changes of a formula read as R's ``update`` reads them."""

from __future__ import annotations

import pytest

from lmmtools.errors import FormulaError
from lmmtools.formula.parser import parse
from lmmtools.formula.updating import update_formula

MODEL = "y ~ a * b + offset(o) + (1 + x | g) + (1 | h)"


@pytest.mark.parametrize(
    ("change", "same_as"),
    [
        ("~ .", MODEL),
        (". ~ .", MODEL),
        ("~ . + z", "y ~ a + b + a:b + z + offset(o) + (x | g) + (1 | h)"),
        ("~ . - a:b", "y ~ a + b + offset(o) + (x | g) + (1 | h)"),
        ("~ . - a", "y ~ b + a:b + offset(o) + (x | g) + (1 | h)"),
        ("~ . - 1", "y ~ 0 + a + b + a:b + offset(o) + (x | g) + (1 | h)"),
        ("log(.) ~ . - (1 | h)", "log(y) ~ a * b + offset(o) + (x | g)"),
        ("~ . - (x | g) + (1 | g)", "y ~ a * b + offset(o) + (1 | h) + (1 | g)"),
        ("~ . - offset(o)", "y ~ a * b + (x | g) + (1 | h)"),
        ("z ~ x + (1 | g)", "z ~ x + (1 | g)"),
        ("~ .:z + (1 | g)", "y ~ a:z + b:z + a:b:z + (1 | g)"),
        ("~ . - a * b", "y ~ 1 + offset(o) + (x | g) + (1 | h)"),
    ],
)
def test_a_dot_is_what_was_there(change, same_as):
    from lmmtools.design.encoders import _plain_terms

    made, wanted = parse(update_formula(parse(MODEL), change)), parse(same_as)
    assert made.response == wanted.response
    assert _plain_terms(made.fixed) == _plain_terms(wanted.fixed)
    assert (made.random, made.offsets) == (wanted.random, wanted.offsets)


def test_what_was_taken_away_does_not_stand_in_the_new_formula():
    assert update_formula(parse("y ~ a * b + (1 | g)"), "~ . - a:b") == "y ~ a + b + (1 | g)"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("z", "one ~"),
        ("~", "one ~"),
        ("a ~ b ~ c", "one ~"),
        ("~ . - q", "nothing of q"),
        ("~ . - (1 | g)", r"no term \(1 \| g\)"),
        ("~ . - offset(z)", "no such offset"),
        ("~ . - .", "whole model"),
        (3, "not int"),
    ],
)
def test_what_is_no_change_is_refused(change, says):
    with pytest.raises(FormulaError, match=says):
        update_formula(parse(MODEL), change)
