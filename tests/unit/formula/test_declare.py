"""Declarations: the very same terms as the formula's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmmtools.errors import FormulaError
from lmmtools.formula.declare import Declaration, crossed, nested, random
from lmmtools.formula.parser import parse

SAME = {
    "(1|a)": crossed("a"),
    "(1|a) + (1|b)": crossed("a", "b"),
    "(1|a)  +(1|b)+ (1|c)": crossed("a", "b", "c"),
    "(1|a/b)": nested("a", "b"),
    "(1|a/b/c)": nested("a", "b", "c"),
    "(1|a/b/c/d)": nested("a", "b", "c", "d"),
    "(1|a) + (1|b) + (1|c/d)": crossed("a", "b") + nested("c", "d"),
    "(1|g) ": random("g"),
    "(x|g)": random("g", "1 + x"),
    "( x | g )": random("g", "x"),
    "(0+x|g)": random("g", "0 + x"),
    "(x-1|g)": random("g", "x - 1"),
    "(x||g)": random("g", "x", correlated=False),
    "(0+x||g)": random("g", "0+x", correlated=False),
    "(1+x*z||g)": random("g", "x * z", correlated=False),
    "(x*z|g)": random("g", "x*z"),
    "(1|a:b)": random(("a", "b")),
    "(x|a:b)": random(("a", "b"), "x"),
    "(I(x^2)|g)": random("g", "I(x**2)"),
    "(np.log(x)|g)": random("g", "np.log( x )"),
    "(poly(x,2)||g)": random("g", "poly(x, 2)", correlated=False),
    "(`a b`|`c d`)": random("c d", "`a b`"),
    "(1|`a:b`)": crossed("a:b"),
    "(1|`a/b`/`c|d`)": nested("a/b", "c|d"),
    "(1|a) + (0+x|a)": random("a") + random("a", "0 + x"),
    "(1|a) + (x|b) + (1|a:b)": crossed("a") + random("b", "x") + random(("a", "b")),
    "(1|C) + (1|Q)": crossed("C", "Q"),
}


@pytest.mark.parametrize("text", SAME)
def test_declaration_gives_the_same_terms_as_the_formula(text):
    declared = parse("y ~ x", random=SAME[text])
    assert declared.random == parse(f"y ~ x + {text}").random
    assert declared.fixed == "x"


@pytest.mark.parametrize("text", SAME)
def test_declaration_prints_as_a_formula_that_reads_as_itself(text):
    assert parse(f"y ~ {SAME[text]}").random == SAME[text].terms
    assert repr(SAME[text]) == f"<{SAME[text]}>"


@given(st.lists(st.text(min_size=1), min_size=1, max_size=4, unique=True))
def test_any_text_is_a_column_name(names):
    formula = " + ".join(f"(1|Q({name!r}))" for name in names)
    assert parse(f"response_ ~ {formula}").random == crossed(*names).terms


@given(st.lists(st.text(min_size=1), min_size=2, max_size=4, unique=True))
def test_any_text_nests(names):
    formula = "/".join(f"Q({name!r})" for name in names)
    assert parse(f"response_ ~ (1|{formula})").random == nested(*names).terms


def test_declarations_add_to_the_formulas_own_terms():
    parsed = parse("y ~ x + (1|a)", random=crossed("b") + nested("c", "d"))
    assert [t.group for t in parsed.random] == ["a", "b", "c", "d:c"]
    assert parsed.source == "y ~ x + (1|a) + (1 | b) + (1 | c) + (1 | d:c)"


@pytest.mark.parametrize(
    ("make", "fragment"),
    [
        (lambda: crossed(), "at least one"),
        (lambda: crossed("a", "a"), "'a' twice"),
        (lambda: crossed("a", 3), "not 3"),
        (lambda: crossed(["a", "b"]), "as text"),
        (lambda: crossed(""), "as text"),
        (lambda: nested("a"), r"crossed\('a'\)"),
        (lambda: nested("a", "b", "a"), "'a' twice"),
        (lambda: random("g", ""), "not ''"),
        (lambda: random("g", "0"), "no effect"),
        (lambda: random("g", "1 | g"), "does not fit|no operator"),
        (lambda: random("g", "eval('1')"), "not a function"),
        (lambda: random(()), "at least one"),
        (lambda: crossed("a") + crossed("a"), r"declared twice\. Leave one out"),
        (lambda: parse("y ~ (1|a)", random=crossed("a")), "declared twice"),
    ],
)
def test_wrong_declarations_are_refused(make, fragment):
    with pytest.raises(FormulaError, match=fragment):
        make()


def test_only_declarations_add_up():
    with pytest.raises(TypeError):
        crossed("a") + "(1|b)"


def test_declarations_are_values():
    assert crossed("a", "b") == crossed("a") + crossed("b")
    assert len({crossed("a"), random("a"), Declaration(crossed("a").terms)}) == 1
