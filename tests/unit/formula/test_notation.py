"""A declared model written out reads back as the same model."""

import pytest

import lmmtools as lmt
from lmmtools.formula.notation import write_call, write_declaration, write_lme4
from lmmtools.formula.parser import parse

CASES = [
    ("y ~ 1 + (1|batch/cask)", "y ~ 1 + (1|batch) + (1|cask:batch)", 'lmt.nested("batch", "cask")'),
    ("y ~ x + (1|a) + (1|b)", "y ~ x + (1|a) + (1|b)", 'lmt.crossed("a", "b")'),
    ("y ~ x + (1|a/b/c)", "y ~ x + (1|a) + (1|b:a) + (1|c:b:a)", 'lmt.nested("a", "b", "c")'),
    ("y ~ x + (x|g)", "y ~ x + (1 + x|g)", 'lmt.random("g", "1 + x")'),
    ("y ~ x + (x||g)", "y ~ x + (1|g) + (0 + x|g)", 'lmt.random("g", "1 + x", correlated=False)'),
    ("y ~ x + (0 + x|g)", "y ~ x + (0 + x|g)", 'lmt.random("g", "0 + x")'),
    ("y ~ 1 + (1|a:b)", "y ~ 1 + (1|a:b)", 'lmt.random(("a", "b"), "1")'),
    (
        "y ~ 1 + (1|a/b) + (1|c) + (x|d)",
        "y ~ 1 + (1|a) + (1|b:a) + (1|c) + (1 + x|d)",
        'lmt.nested("a", "b") + lmt.crossed("c") + lmt.random("d", "1 + x")',
    ),
    ("y ~ 1 + (1|`my group`)", "y ~ 1 + (1|`my group`)", 'lmt.crossed("my group")'),
    (
        "log(y) ~ factor(f) + I(x^2) + offset(z) + (1|g)",
        "log(y) ~ factor(f) + I(x ^ 2) + offset(z) + (1|g)",
        'lmt.crossed("g")',
    ),
]


@pytest.mark.parametrize(("text", "lme4", "declaration"), CASES)
def test_a_formula_is_written_out_in_both_notations(text, lme4, declaration):
    formula = parse(text)
    assert write_lme4(formula) == lme4
    assert write_declaration(formula.random) == declaration


@pytest.mark.parametrize("text", [case[0] for case in CASES])
def test_what_is_written_reads_as_the_same_model(text):
    formula = parse(text)
    again = parse(write_lme4(formula))
    assert (again.response, again.fixed, again.offsets) == (formula.response, formula.fixed, formula.offsets)
    assert set(again.random) == set(formula.random)
    arguments = {}
    scope = {"lmt": type("lmt", (), {**vars(lmt), "lmm": lambda f, data, random: arguments.update(f=f, random=random)})}
    for name in ("nested", "crossed", "random"):
        setattr(scope["lmt"], name, staticmethod(getattr(lmt, name)))
    eval(write_call(formula), scope, {"data": None})
    declared = parse(arguments["f"], arguments["random"])
    assert (declared.response, declared.fixed, declared.offsets) == (formula.response, formula.fixed, formula.offsets)
    assert set(declared.random) == set(formula.random)
