"""Sums of terms are multiplied out as formulaic, and so R, multiplies them out."""

from __future__ import annotations

import pytest
from formulaic import Formula

from lmmtools.formula.algebra import expand
from lmmtools.formula.expressions import columns_of, fold_calls, plain_name, respell
from lmmtools.formula.tokens import tokenize

SUMS = [
    "a",
    "1 + a",
    "0 + a",
    "a - 1",
    "-1 + a",
    "a + b",
    "a:b + a",
    "a * b",
    "a * b * c",
    "a * b - a:b",
    "a * b * c - a:b:c",
    "(a + b) * c",
    "a * (b + c)",
    "(a + b + c)**2",
    "(a + b + c)**3",
    "(a + b)**2 - a",
    "a / b",
    "a / b / c",
    "(a + b) / c",
    "a / (b + c)",
    "a:b:c + b",
    "(a + b):(c + d)",
    "a * b + c:d",
    "a + a",
    "a + b + a",
    "a * b + b * a + c * a",
    "(b + a)**2 + a:b",
    "a:b + b:a",
    "np.log(a) * b",
    "C(a, Treatment('x')):b",
    "poly(a, 2) + I(b ** 2)",
    "0 + a * b",
    "a + (b - c)",
]


@pytest.mark.parametrize("text", SUMS)
def test_expansion_agrees_with_formulaic(text):
    intercept, variables = expand(fold_calls(tokenize(text), text), text)
    theirs = [str(term) for term in Formula(text)]
    assert (["1"] if intercept else []) + list(variables) == theirs


def test_columns_are_listed_once_in_order_of_appearance():
    assert columns_of("np.log(b) * a + `c d`:b + poly(`e.f`, 2)") == ("b", "a", "c d", "e.f")
    assert columns_of("C(f, Treatment('x')) + C(g, contr.sum)") == ("f", "g")
    assert columns_of("I(x * np.pi)") == ("x",)


def test_respelling_reaches_every_column():
    assert respell("a + np.log(b):C(a, Sum)", lambda name: f"{name}_") == "a_ + np.log(b_) : C(a_, Sum)"


def test_a_column_is_named_without_its_quotes_and_an_expression_as_it_stands():
    assert [plain_name(t) for t in ("`blood pressure`", "Q('a`b')", "y", "log(y)", "np.log(`a b`)")] == [
        "blood pressure",
        "a`b",
        "y",
        "log(y)",
        "np.log(`a b`)",
    ]
