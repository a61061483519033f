"""The formula parser: tables of text -> expected."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmmtools.errors import FormulaError
from lmmtools.formula.parser import parse
from lmmtools.formula.terms import ModelFormula, RandomTerm

# random-effects part -> [(intercept, variables, factors), ...]
RANDOM = {
    "(1|g)": [(True, (), ("g",))],
    "( 1 | g )": [(True, (), ("g",))],
    "(1\n\t|\r\n g)": [(True, (), ("g",))],
    "((1|g))": [(True, (), ("g",))],
    "(x|g)": [(True, ("x",), ("g",))],
    "(1+x|g)": [(True, ("x",), ("g",))],
    "(x+1|g)": [(True, ("x",), ("g",))],
    "(0+x|g)": [(False, ("x",), ("g",))],
    "(x+0|g)": [(False, ("x",), ("g",))],
    "(-1+x|g)": [(False, ("x",), ("g",))],
    "(x-1|g)": [(False, ("x",), ("g",))],
    "(x+-1|g)": [(False, ("x",), ("g",))],
    "(x - 0|g)": [(True, ("x",), ("g",))],
    "(x*z|g)": [(True, ("x", "z", "x:z"), ("g",))],
    "(x:z|g)": [(True, ("x:z",), ("g",))],
    "(0+x:z|g)": [(False, ("x:z",), ("g",))],
    "(x:z + x|g)": [(True, ("x", "x:z"), ("g",))],
    "(x/z|g)": [(True, ("x", "x:z"), ("g",))],
    "((x+z)**2|g)": [(True, ("x", "z", "x:z"), ("g",))],
    "((x+z)^2 - z|g)": [(True, ("x", "x:z"), ("g",))],
    "(x + x|g)": [(True, ("x",), ("g",))],
    "(x:z + z:x|g)": [(True, ("x:z",), ("g",))],
    "(x||g)": [(True, (), ("g",)), (False, ("x",), ("g",))],
    "(1||g)": [(True, (), ("g",))],
    "(0+x||g)": [(False, ("x",), ("g",))],
    "(1+x+z||g)": [(True, (), ("g",)), (False, ("x",), ("g",)), (False, ("z",), ("g",))],
    "(x*z||g)": [(True, (), ("g",)), (False, ("x",), ("g",)), (False, ("z",), ("g",)), (False, ("x:z",), ("g",))],
    "(1|a:b)": [(True, (), ("a", "b"))],
    "(1|a:b:c)": [(True, (), ("a", "b", "c"))],
    "(1|(a:b):c)": [(True, (), ("a", "b", "c"))],
    "(1|a/b)": [(True, (), ("a",)), (True, (), ("b", "a"))],
    "(1|(a/b))": [(True, (), ("a",)), (True, (), ("b", "a"))],
    "(1|a/b/c)": [(True, (), ("a",)), (True, (), ("b", "a")), (True, (), ("c", "b", "a"))],
    "(1|a:b/c)": [(True, (), ("a", "b")), (True, (), ("c", "a", "b"))],
    "(1|a/(b:c))": [(True, (), ("a",)), (True, (), ("b", "c", "a"))],
    "(1|a/(b/c))": [(True, (), ("a",)), (True, (), ("b", "a")), (True, (), ("c", "b", "a"))],
    "(x|a/b)": [(True, ("x",), ("a",)), (True, ("x",), ("b", "a"))],
    "(x||a/b)": [(True, (), ("a",)), (True, (), ("b", "a")), (False, ("x",), ("a",)), (False, ("x",), ("b", "a"))],
    "(1|a)+(1|b)": [(True, (), ("a",)), (True, (), ("b",))],
    "(1|a)+(0+x|a)": [(True, (), ("a",)), (False, ("x",), ("a",))],
    "((1|a)+(1|b))": [(True, (), ("a",)), (True, (), ("b",))],
    "(1|factor(g))": [(True, (), ("g",))],
    "(1|as.factor(g))": [(True, (), ("g",))],
    "(1|C(g))": [(True, (), ("g",))],
    "(1|factor(a)/C(b))": [(True, (), ("a",)), (True, (), ("b", "a"))],
    "(I(x**2)|g)": [(True, ("I(x ** 2)",), ("g",))],
    "(I(x^2)|g)": [(True, ("I(x ** 2)",), ("g",))],
    "(np.log(x)|g)": [(True, ("np.log(x)",), ("g",))],
    "(poly(x,2)|g)": [(True, ("poly(x, 2)",), ("g",))],
    "(x + I(x | z)|g)": [(True, ("x", "I(x | z)"), ("g",))],
    "(`my x`|`my g`)": [(True, ("`my x`",), ("my g",))],
    '(Q("my x")|Q("my g"))': [(True, ("`my x`",), ("my g",))],
    "(`a:b`|`c/d`)": [(True, ("`a:b`",), ("c/d",))],
    "(`a|b`|`c|d`)": [(True, ("`a|b`",), ("c|d",))],
    "(body.weight|sub.ject)": [(True, ("body.weight",), ("sub.ject",))],
    "(`x`|g)": [(True, ("x",), ("g",))],
    "(größe|Prüfer)": [(True, ("größe",), ("Prüfer",))],
    "(Q|C)": [(True, ("Q",), ("C",))],
    "(1|np)": [(True, (), ("np",))],
    "(1|log)": [(True, (), ("log",))],
    "(1|I)": [(True, (), ("I",))],
    "(1|offset)": [(True, (), ("offset",))],
}

# right-hand side -> (fixed, offsets)
FIXED = {
    "(1|g)": ("1", ()),
    "1 + (1|g)": ("1", ()),
    "0 + (1|g)": ("0", ()),
    "-1+(1|g)": ("-1", ()),
    "-1+x+(1|g)": ("-1 + x", ()),
    "x+(1|g)-1": ("x - 1", ()),
    "(1|g)+x": ("x", ()),
    "x - -1 + (1|g)": ("x + 1", ()),
    "x*f*w + (1|g)": ("x * f * w", ()),
    "(a+b)^2+(1|g)": ("(a + b)**2", ()),
    "(a+b)**2-a:b+(1|g)": ("(a + b)**2 - a:b", ()),
    "a/b+(1|g)": ("a / b", ()),
    "(x + (1|g))": ("x", ()),
    "x + (z + (1|g))": ("x + z", ()),
    "x - (z - (1|g))": ("x - z", ()),
    "C(f)+(1|g)": ("C(f)", ()),
    "factor(f)+(1|g)": ("C(f)", ()),
    'C(f,Treatment("B"))+(1|g)': ("C(f, Treatment('B'))", ()),
    "C(f, contr.sum)+(1|g)": ("C(f, contr.sum)", ()),
    "C(f, Sum):x+(1|g)": ("C(f, Sum):x", ()),
    "bs(x, df=4)+cr(z,df=3)+(1|g)": ("bs(x, df=4) + cr(z, df=3)", ()),
    "bs(x, knots=c(1, 2))+(1|g)": ("bs(x, knots=[1, 2])", ()),
    "poly(x,2,raw=TRUE)+(1|g)": ("poly(x, 2, raw=True)", ()),
    "scale(x)+center(z)+(1|g)": ("scale(x) + center(z)", ()),
    "log(x)+exp(x)+log2(x)+log10(x)+(1|g)": ("log(x) + exp(x) + log2(x) + log10(x)", ()),
    "sqrt(x)+abs(x)+log1p(x)+(1|g)": ("np.sqrt(x) + np.abs(x) + np.log1p(x)", ()),
    "I(x^2)+I(x^2*z)+(1|g)": ("I(x ** 2) + I(x ** 2 * z)", ()),
    "I(-x^2)+(1|g)": ("I(-x ** 2)", ()),
    "I((x>3)&(z<2))+(1|g)": ("I((x > 3) & (z < 2))", ()),
    "I(x/1000L)+(1|g)": ("I(x / 1000)", ()),
    "log(body.weight)+(1|g)": ("log(`body.weight`)", ()),
    "log(`body weight`)+(1|g)": ("log(`body weight`)", ()),
    "log(Q('body weight'))+(1|g)": ("log(`body weight`)", ()),
    "np.log(größe)+(1|g)": ("np.log(`größe`)", ()),
    '`it\'s`+`a "b"`+(1|g)': ('`it\'s` + `a "b"`', ()),
    "Q('back`tick')+(1|g)": ("Q('back`tick')", ()),
    "C(C)+Q+(1|g)": ("C(C) + Q", ()),
    "class+lambda+I(`class`*2)+(1|g)": ("class + lambda + I(`class` * 2)", ()),
    "I(scale(x)*2)+(1|g)": ("I(scale(x) * 2)", ()),
    "lag(y)+(1|g)": ("lag(y)", ()),
    "x+offset(z)+(1|g)": ("x", ("z",)),
    "offset(z)+(1|g)": ("1", ("z",)),
    "offset(log(z))+offset(w/2)+(1|g)": ("1", ("log(z)", "I(w / 2)")),
    "offset(`a b`)+(1|g)": ("1", ("`a b`",)),
    "offset+(1|g)": ("offset", ()),
}

RESPONSE = {
    "y": "y",
    " y ": "y",
    "log(y)": "log(y)",
    "np.log(y)": "np.log(y)",
    "I(y/2)": "I(y / 2)",
    "y/2": "I(y / 2)",
    "y - b": "I(y - b)",
    "-y": "I(-y)",
    "y^2": "I(y ** 2)",
    "(y)": "I(y)",
    "`y 1`": "`y 1`",
    "Q('y 1')": "`y 1`",
    "y.1": "y.1",
    "log(y.1)": "log(`y.1`)",
    "sqrt(y)": "np.sqrt(y)",
}

# text -> (a part of the message, the characters under the carets)
MALFORMED = {
    "": ("empty", None),
    "  \n ": ("empty", None),
    "y": ("no ~", "y"),
    "y + (1|g)": ("no ~", "y + (1|g)"),
    "y ~": ("nothing after the ~", "~"),
    "~ x + (1|g)": ("no response", "~"),
    "y ~ x ~ (1|g)": ("one ~", "~"),
    "y ~ x": ("ordinary least squares", None),
    "y ~ y + (1|g)": ("response y is also", "y"),
    "y ~ x*y + (1|g)": ("response y is also", "y"),
    "log(y) ~ I(y^2) + (1|g)": ("response y is also", "I(y^2)"),
    "y ~ (y|g)": ("response y is also", "y"),
    "y ~ (1|y)": ("response y is also", "y"),
    "3 ~ (1|g)": ("no column", "3"),
    "cbind(a, b) ~ (1|g)": ("one response", "cbind"),
    "y ~ (1|)": ("no grouping factor", "|)"),
    "y ~ (|g)": ("nothing before the bar", "(|"),
    "y ~ (||g)": ("nothing before the bar", "(||"),
    "y ~ (|)": ("nothing before the bar", "(|"),
    "y ~ (0|g)": ("no effect", "0"),
    "y ~ (1-1|g)": ("no effect", "1-1"),
    "y ~ (2|g)": ("number 2", "2"),
    "y ~ 1|g": ("(1|g)", "1|g"),
    "y ~ x + x | g": ("parentheses", "x | g"),
    "y ~ x |": ("parentheses", "x |"),
    "y ~ (1|g": ("never closed", "("),
    "y ~ ((1|g)": ("never closed", "("),
    "y ~ 1|g)": ("closes nothing", ")"),
    "y ~ (1|g]": ("closes nothing", "]"),
    "y ~ log(x + (1|g)": ("never closed", "("),
    "y ~ (1|2)": ("number 2", "2"),
    "y ~ (1|g|h)": ("one bar", "|"),
    "y ~ ((1|g)|h)": ("one bar", "|"),
    "y ~ (1|(x|h))": ("one bar", "|"),
    "y ~ (1|g) + (1|g)": ("declared twice", "(1|g)"),
    "y ~ (1|a/b) + (1|a)": ("declared twice", "(1|a)"),
    "y ~ (1|a:b) + (1|b:a)": ("declared twice", "(1|b:a)"),
    "y ~ (x|g) + (1 + x|g)": ("declared twice", "(1 + x|g)"),
    "y ~ (1|a+b)": ("(1 | a) + (1 | b)", "+"),
    "y ~ (1|a*b)": ("(1 | a) + (1 | b)", "*"),
    "y ~ (1|a:)": ("either side", ":"),
    "y ~ (1|/a)": ("grouping factor on either side", "/"),
    "y ~ (1|a:a)": ("itself", "a"),
    "y ~ (1|a/a)": ("itself", "a"),
    "y ~ (1|a:(b/c))": ("ambiguous", "(b/c)"),
    "y ~ (1|a b)": ("Write `a b` if", "a b"),
    "y ~ (1|'a')": ("not a grouping factor", "'a'"),
    "y ~ (1|log(a))": ("a column, not an expression", "log(a)"),
    "y ~ (1|interaction(a, b))": ("a:b", "interaction"),
    "y ~ x:(1|g)": ("added", "|"),
    "y ~ (1|g)*x": ("added", "|"),
    "y ~ (1|g)^2": ("added", "|"),
    "y ~ x - (1|g)": ("subtracted", "(1|g)"),
    "y ~ x (1|g)": ("Put + between", "x"),
    "y ~ 1 (1|g)": ("no operator", "(1|g)"),
    "y ~ (1|g) (1|h)": ("no operator", "(1|h)"),
    "y ~ (1|g) x": ("no operator", "x"),
    "y ~ x z + (1|g)": ("Write `x z` if", "x z"),
    "y ~ (x z|g)": ("Write `x z` if", "x z"),
    "y ~ w + (1|a/b c d)": ("Write `b c d` if", "b c d"),
    "x z ~ w + (1|g)": ("Write `x z` if", "x z"),
    "y ~ log(x z) + (1|g)": ("Write `x z` if", "x z"),
    "y ~ x + (1|g) +": ("nothing after this sign", "+"),
    "y ~ x * + (1|g)": ("nothing beside", "*"),
    "y ~ :x + (1|g)": ("nothing beside", ":"),
    "y ~ x** + (1|g)": ("whole number", "**"),
    "y ~ x^z + (1|g)": ("I(x**2)", "^"),
    "y ~ x^99 + (1|g)": ("whole number", "^"),
    "y ~ () + (1|g)": ("nothing in these parentheses", "()"),
    "y ~ . + (1|g)": ("wildcard", "."),
    "y ~ 2*x + (1|g)": ("number 2", "2"),
    "y ~ 'x' + (1|g)": ("Text is not a term", "'x'"),
    "y ~ x == 3 + (1|g)": ("I(x > 3)", "=="),
    "y ~ x > 3 + (1|g)": ("I(x > 3)", ">"),
    "y ~ x %in% f + (1|g)": ("a/b", "%in%"),
    "y ~ I(x %in% f) + (1|g)": ("Series.isin", "%in%"),
    "y ~ I(x %% 2) + (1|g)": ("% for the remainder", "%%"),
    "y ~ I(x %/% 2) + (1|g)": ("integer division", "%/%"),
    "y ~ I(x && z) + (1|g)": ("parentheses", "&&"),
    "y ~ I(!x) + (1|g)": ("~ for not", "!"),
    "y ~ I(x > 3 & z < 2) + (1|g)": ("each comparison in parentheses", "I(x > 3 & z < 2)"),
    "y ~ I(1 < x < 3) + (1|g)": ("each comparison in parentheses", "I(1 < x < 3)"),
    "y ~ I(x +) + (1|g)": ("does not read", "I(x +)"),
    "y ~ I() + (1|g)": ("no column", "I()"),
    "y ~ log(x, 2) + (1|g)": ("log2(x)", "log(x, 2)"),
    "y ~ lgo10(x) + (1|g)": ("log10", "lgo10"),
    "y ~ ns(x, 3) + (1|g)": ("cr(x, df=4)", "ns"),
    "y ~ relevel(f, 'B') + (1|g)": ("Treatment", "relevel"),
    "y ~ ordered(f) + (1|g)": ("C(f, Poly)", "ordered"),
    "y ~ cut(x, 3) + (1|g)": ("pd.cut", "cut"),
    "y ~ ifelse(x > 3, 1, 0) + (1|g)": ("np.where", "ifelse"),
    "y ~ as.numeric(f) + (1|g)": ("to_numeric", "as.numeric"),
    "y ~ x*offset(z) + (1|g)": ("whole model", "offset(z)"),
    "y ~ (offset(z)|g)": ("whole model", "offset(z)"),
    "y ~ x - offset(z) + (1|g)": ("offset(-z)", "offset(z)"),
    "y ~ offset() + (1|g)": ("no column", "offset"),
    "y ~ {x} + (1|g)": ("Braces", "{"),
    "y ~ `x + (1|g)": ("never closed", "`x + (1|g)"),
    "y ~ 'x + (1|g)": ("never closed", "'x + (1|g)"),
    "y ~ `` + (1|g)": ("no column name", "``"),
    "y ~ 2nd + (1|g)": ("back-ticks", "2"),
    "y ~ x # z": ("no meaning", "#"),
    "y ~ x\\z + (1|g)": ("no meaning", "\\"),
    "y ~ x; z + (1|g)": ("does not fit", ";"),
    "y ~ x$z + (1|g)": ("does not fit", "$"),
    "y ~ x[1] + (1|g)": ("Brackets", "["),
    "y ~ [] + (1|g)": ("Brackets", "["),
    "y ~ [x + z] + (1|g)": ("Brackets", "["),
    "y ~ (1|[g])": ("not a grouping factor", "[g]"),
    "y ~ x, z + (1|g)": ("does not fit", ","),
    "y ~ (a+b+c+d+e+f+h+i+j+k+l+m)^9 + (1|g)": ("1000 terms", "(a+b+c+d+e+f+h+i+j+k+l+m)^9"),
    "y ~ " + "(" * 2000 + "x" + ")" * 2000 + " + (1|g)": ("too deeply", "("),
    "y ~ " + "log(" * 60 + "x" + ")" * 60 + " + (1|g)": ("too deeply", "("),
    "y = x + (1|g)": ("no ~", "y = x + (1|g)"),
}


def terms(formula: ModelFormula) -> list[tuple[bool, tuple[str, ...], tuple[str, ...]]]:
    return [(t.intercept, t.variables, t.factors) for t in formula.random]


@pytest.mark.parametrize("text", RANDOM)
def test_random_part_reads_as_its_terms(text):
    assert terms(parse(f"y ~ 1 + {text}")) == RANDOM[text]


@pytest.mark.parametrize("text", RANDOM)
def test_random_part_stands_anywhere_and_glued(text):
    parsed = parse(f"y~{text}+w-1")
    assert terms(parsed) == RANDOM[text]
    assert parsed.fixed == "w - 1"


@pytest.mark.parametrize("text", FIXED)
def test_fixed_part_and_offsets_are_kept(text):
    parsed = parse(f"y ~ {text}")
    assert (parsed.fixed, parsed.offsets) == FIXED[text]
    assert terms(parsed) == [(True, (), ("g",))]


@pytest.mark.parametrize("text", RESPONSE)
def test_response_is_arithmetic(text):
    assert parse(f"{text} ~ 1 + (1|g)").response == RESPONSE[text]


@pytest.mark.parametrize("text", MALFORMED)
def test_malformed_formula_is_refused_with_a_caret_under_the_fault(text):
    fragment, marked = MALFORMED[text]
    with pytest.raises(FormulaError) as caught:
        parse(text)
    message = str(caught.value)
    assert fragment in message
    if marked is None:
        return
    shown, carets = message.split("\n")[1:3]
    start = carets.index("^")
    assert shown[start : start + carets.count("^")] == marked


@given(st.text("yxzg1|()+-*:/~` .'\"^,[]=%\\é\n", max_size=30))
@settings(max_examples=300, deadline=None)
def test_any_text_parses_or_is_a_formula_error(text):
    for formula in (text, f"y ~ {text} + (1|g)", f"y ~ ({text}|g)", f"y ~ (1|{text})"):
        try:
            result = parse(formula)
        except FormulaError as error:
            result = error
        assert str(result).strip(), formula


def test_caret_is_right_in_a_formula_of_several_lines():
    with pytest.raises(FormulaError) as caught:
        parse("y ~ x\n  + (1|)")
    shown, carets = str(caught.value).split("\n")[1:3]
    assert shown.strip() == "y ~ x   + (1|)"
    assert shown[carets.index("^") :][:2] == "|)"


@pytest.mark.parametrize("text", [*RANDOM, *FIXED])
def test_what_is_printed_reads_as_the_same_model(text):
    parsed = parse(f"y ~ {text if text in FIXED else '1 + ' + text}")
    again = parse(str(parsed))
    assert (again.response, again.fixed, again.offsets, again.random) == (
        parsed.response,
        parsed.fixed,
        parsed.offsets,
        parsed.random,
    )


@pytest.mark.parametrize("received", [None, 3, ["y ~ (1|g)"], b"y ~ (1|g)"])
def test_what_is_no_text_is_refused(received):
    with pytest.raises(FormulaError, match="A formula is text"):
        parse(received)


def test_random_must_be_a_declaration():
    with pytest.raises(FormulaError, match=r"random= takes crossed"):
        parse("y ~ 1", random="(1|g)")


def test_source_is_kept():
    assert parse(" y ~ x + (1|g) ").source == "y ~ x + (1|g)"


def test_terms_of_a_formula_print_in_lme4_notation():
    assert str(RandomTerm(True, ("x",), ("b", "a"))) == "(x | b:a)"
    assert str(RandomTerm(False, ("x", "z"), ("g",))) == "(0 + x + z | g)"


def test_a_simple_formula_parses_in_well_under_a_millisecond():
    from lmmtools.formula.parser import _parse

    times = []
    for _ in range(20):
        _parse.cache_clear()
        start = time.perf_counter()
        parse("Reaction ~ Days + (Days | Subject)")
        times.append(time.perf_counter() - start)
    assert min(times) < 1e-3


@pytest.mark.parametrize(
    ("bar", "groups"),
    [
        # The names that lme4 1.1-31 gives them.
        ("a/b", ["a", "b:a"]),
        ("a/b/c", ["a", "b:a", "c:(b:a)"]),
        ("a/b/c/e", ["a", "b:a", "c:(b:a)", "e:(c:(b:a))"]),
        ("a/b:c", ["a", "b:c:a"]),
        ("a:b", ["a:b"]),
        ("c:b:a", ["c:b:a"]),
    ],
)
def test_grouping_factors_are_named_as_lme4_names_them(bar: str, groups: list[str]):
    assert [t.group for t in parse(f"y ~ 1 + (1 | {bar})").random] == groups


def test_a_slash_names_its_factors_and_declares_the_same_terms():
    assert parse("y ~ 1 + (1 | a/b/c)").random == parse("y ~ 1 + (1 | a) + (1 | b:a) + (1 | c:b:a)").random


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("(1 | a/b)", "(1 | a) + (1 | a:b)"),
        ("(1 | a/b)", "(1 | b:a) + (1 | a)"),
        ("(1 | a/b/c)", "(1 | a) + (1 | a:b) + (1 | b:c:a)"),
        ("(x + z | g)", "(1 + z + x | g)"),
        ("(0 + x:f | g)", "(0 + f:x | g)"),
    ],
)
def test_terms_of_one_model_are_equal_however_they_are_written(one, other):
    assert set(parse(f"y ~ 1 + {one}").random) == set(parse(f"y ~ 1 + {other}").random)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("(1 | a:b)", "(1 | a)"),
        ("(x | g)", "(0 + x | g)"),
        ("(x + z | g)", "(x + z + x:z | g)"),
        ("(x | a)", "(x | b)"),
    ],
)
def test_terms_of_other_models_are_not_equal(one, other):
    assert parse(f"y ~ 1 + {one}").random != parse(f"y ~ 1 + {other}").random


def test_a_term_written_twice_in_another_order_is_refused():
    with pytest.raises(FormulaError, match="declared twice"):
        parse("y ~ 1 + (x + z | g) + (z + x | g)")


def test_a_declaration_keeps_its_own_order_of_an_interaction():
    from lmmtools import crossed, random

    names = [parse("y ~ 1", random(order, "1")).random[0].group for order in (("a", "b"), ("b", "a"))]
    assert names == ["a:b", "b:a"]
    assert crossed("a") + crossed("b") == crossed("a", "b")
