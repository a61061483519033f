"""Whatever text is given for a formula: a result, or an LmmError that says what is wrong with it; nothing else.

A few examples run with the other tests, always the same; ``LMMTOOLS_FUZZ=10000`` runs as many, other ones each time.
"""

from __future__ import annotations

import math
import warnings

import numpy as np
import pandas as pd
import pytest

import lmmtools as lmt

pytest.importorskip("hypothesis")

from hypothesis import example, given
from hypothesis import strategies as st

from tests.fuzz.settings import often

ROWS = 36


def make_frame():
    rng = np.random.default_rng(7)
    k = np.arange(ROWS)
    frame = pd.DataFrame(
        {
            "y": rng.normal(size=ROWS) + k % 4,
            "x": rng.uniform(0.5, 2.0, size=ROWS),
            "z": rng.normal(size=ROWS),
            "n": rng.integers(0, 5, size=ROWS),
            "b": rng.normal(size=ROWS) > 0,
            "f": np.array(["a", "b", "c"])[k % 3],
            "g": np.array(list("klmn"))[k % 4],
            "h": np.array(list("pqrstuvwx"))[k // 4],
            "a b": rng.normal(size=ROWS),
            "q`'\"\\": rng.normal(size=ROWS),
            "one": 1.0,
            "text": [f"t{i}" for i in k],
            "when": pd.date_range("2020-01-01", periods=ROWS),
        }
    )
    frame.loc[[2, 5], "z"] = np.nan
    return frame


FRAME = make_frame()
NAMES = ["y", "x", "z", "n", "b", "f", "g", "h", "one", "text", "when", "`a b`", "Q('a b')", "nowhere", "np", "C", "I"]
FUNCTIONS = [
    "I",
    "C",
    "Q",
    "np.log",
    "np.exp",
    "np.sqrt",
    "log",
    "exp",
    "sqrt",
    "scale",
    "center",
    "poly",
    "bs",
    "cr",
    "cc",
]
FUNCTIONS += [
    "offset",
    "factor",
    "lag",
    "round",
    "eval",
    "np.load",
    "c",
    "Treatment",
    "abs",
    "standardize",
    "as.factor",
]
OPERATORS = [
    "+",
    "-",
    "*",
    "/",
    ":",
    "^",
    "**",
    "|",
    "||",
    "~",
    "==",
    "<",
    "&",
    "=",
    ",",
    "%in%",
    ".",
    "@",
    "[",
    "]",
    "{",
    "}",
]
LITERALS = [
    "0",
    "1",
    "2",
    "3",
    "-1",
    "1.5",
    "1e3",
    "1L",
    "99999999999",
    "'a'",
    '"b"',
    "True",
    "None",
    "TRUE",
    "df=4",
    "'`'",
]

name = st.sampled_from(NAMES)
atom = st.one_of(name, st.sampled_from(LITERALS))


@st.composite
def call(draw, inside):
    arguments = draw(st.lists(inside, min_size=0, max_size=3))
    return f"{draw(st.sampled_from(FUNCTIONS))}({', '.join(arguments)})"


expression = st.recursive(
    atom,
    lambda inside: st.one_of(
        call(inside),
        st.tuples(inside, st.sampled_from(["+", "-", "*", "/", ":", "^", "**", "==", "<", "&", "%"]), inside).map(
            " ".join
        ),
        inside.map("({})".format),
    ),
    max_leaves=6,
)
random_term = st.tuples(
    expression, st.sampled_from(["|", "||"]), st.one_of(name, st.sampled_from(["g/h", "g:h", "f/g/h"]))
).map(lambda parts: f"({parts[0]} {parts[1]} {parts[2]})")
expressions = st.tuples(
    st.one_of(st.just("y"), expression),
    st.lists(st.one_of(expression, random_term), min_size=0, max_size=3),
    st.one_of(st.just("(1 | g)"), random_term),
).map(lambda parts: f"{parts[0]} ~ {' + '.join([*parts[1], parts[2]])}")

# Formulas as people write them: most of them can be fitted.
COLUMNS = ["x", "z", "n", "b", "f", "`a b`", "h", "one", "when", "text"]
CALLS = [
    "I({}**2)",
    "I({} > 1)",
    "log({})",
    "np.exp({})",
    "sqrt({})",
    "scale({})",
    "center({})",
    "poly({}, 2)",
    "C({})",
]
CALLS += [
    "bs({}, df=4)",
    "cr({}, df=3)",
    "cc({}, df=3)",
    "lag({})",
    "round({}, 1)",
    "C({}, Sum)",
    "C({}, contr.SAS)",
    "factor({})",
]
CALLS += [
    "offset({})",
    "I({} - 1)",
    "np.maximum({}, 1)",
    "C({}, Treatment('b'))",
    "poly({}, degree=2, raw=True)",
    "{}",
    "{}",
    "{}",
]
variable = st.tuples(st.sampled_from(CALLS), st.sampled_from(COLUMNS)).map(lambda parts: parts[0].format(parts[1]))
fixed = st.one_of(
    variable,
    variable,
    st.tuples(variable, st.sampled_from("*:/"), variable).map("".join),
    st.sampled_from(["0", "1", "-1"]),
)
basis = st.one_of(
    st.just("1"), st.just("1"), st.sampled_from(["x", "1 + x", "0 + f", "0 + x + b", "f", "scale(x)"]), fixed
)
group = st.sampled_from(["g", "h", "f", "g/h", "g:f", "f/g", "(f + g)", "factor(g)", "n", "one", "`a b`"])
term = st.tuples(basis, st.sampled_from(["|", "|", "||"]), group).map(lambda parts: f"({' '.join(parts)})")
plausible = st.tuples(
    st.sampled_from(["y", "y", "y", "log(x)", "I(y + x)", "scale(y)", "n"]),
    st.lists(fixed, max_size=3),
    st.lists(term, min_size=1, max_size=2),
).map(lambda parts: f"{parts[0]} ~ {' + '.join([*parts[1], *parts[2]])}")

words = st.lists(st.sampled_from([*NAMES, *FUNCTIONS, *OPERATORS, *LITERALS, "(", ")", "(1|g)", "y ~"]), max_size=14)
soup = st.tuples(words, st.sampled_from(["", " "])).map(lambda parts: parts[1].join(parts[0]))


@st.composite
def damaged(draw):
    """A formula with a few characters taken out, doubled or put in."""
    text = draw(st.one_of(expressions, plausible))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, max(len(text) - 1, 0)))
        put = draw(
            st.one_of(st.just(""), st.characters(codec="utf-8"), st.sampled_from("~|()`'\"\\+*:^,=.[]{}_\n\t#;@$"))
        )
        text = text[:at] + put + text[at + draw(st.integers(0, 2)) :]
    return text


def fault_of(formula):
    """What is wrong with the fit of a formula, or with the error in its place; empty if nothing is."""
    before, fault = FRAME.copy(), ""
    with warnings.catch_warnings():
        # A text like "\^" in quotes: Python warns while it reads it.
        warnings.simplefilter("ignore")
        try:
            model = lmt.lmm(formula, FRAME)
            fit = model.fit(engine="pls")
            str(fit.summary())
            if not math.isfinite(fit.objective):
                fault = f"the criterion is {fit.objective}"
            fit.predict(FRAME.dropna())
            str(lmt.translate(model))
        except lmt.LmmError as error:
            if not str(error).strip():
                fault = f"{type(error).__name__} says nothing"
            if isinstance(error.__cause__, (AssertionError, NameError)):
                fault = f"the error comes from {error.__cause__!r}"
    pd.testing.assert_frame_equal(FRAME, before)
    return fault


@often
@given(plausible)
@example("y ~ x + (1 | g)")
@example("y ~ (cc(n, df=3) || n)")
def test_a_plausible_formula_gives_a_result_or_an_error_of_ours(formula):
    assert fault_of(formula) == ""


@often
@given(expressions)
@example("y ~ I(None) + (1 | g)")
@example("y ~ (I(None) | g)")
@example("y ~ I(1) + x + (1 | g)")
def test_an_expression_of_any_shape_gives_a_result_or_an_error_of_ours(formula):
    assert fault_of(formula) == ""


@often
@given(damaged())
@example("c(one) ~ (1 | g)")
@example("y ~ c(x) + I([x, z]) + (1 | g)")
def test_a_damaged_formula_gives_a_result_or_an_error_of_ours(formula):
    assert fault_of(formula) == ""


@often
@given(st.one_of(soup, st.text(max_size=40), st.text(max_size=20).map("y ~ {} + (1 | g)".format)))
def test_any_text_gives_a_result_or_an_error_of_ours(formula):
    assert fault_of(formula) == ""
