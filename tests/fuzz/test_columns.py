"""Columns of any kind and declarations of any shape give a result or an error of ours, never another one.

``LMMTOOLS_FUZZ=10000`` tries that many of each.
"""

from __future__ import annotations

import datetime
import math
import warnings
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest

import lmmtools as lmt

pytest.importorskip("hypothesis")

from hypothesis import example, given
from hypothesis import strategies as st

from tests.fuzz.settings import often

ROWS = 24
K = np.arange(ROWS)


def objects(make):
    values = np.empty(ROWS, dtype=object)
    for i in range(ROWS):
        values[i] = make(i)
    return values


COLUMNS = {
    "dates": pd.date_range("2020", periods=ROWS),
    "dates with a zone": pd.date_range("2020", periods=ROWS, tz="Europe/Paris"),
    "days as objects": objects(lambda i: datetime.date(2020, 1, 1 + i % 4)),
    "hours as objects": objects(lambda i: datetime.time(i % 4)),
    "spans": pd.to_timedelta(K, unit="h"),
    "months": pd.period_range("2020-01", periods=ROWS, freq="M"),
    "intervals": pd.cut(K, 4),
    "complex": K + 1j,
    "lists": objects(lambda i: [i % 3]),
    "dictionaries": objects(lambda i: {"a": i % 3}),
    "sets": objects(lambda i: {i % 3}),
    "arrays": objects(lambda i: np.arange(3)),
    "tuples": objects(lambda i: (i % 3, 1)),
    "functions": objects(lambda i: len),
    "nothing": objects(lambda i: None),
    "no numbers": np.full(ROWS, np.nan),
    "missing integers": pd.array([pd.NA] * ROWS, dtype="Int64"),
    "infinite": np.where(K == 3, np.inf, K * 1.0),
    "booleans": K % 2 == 0,
    "booleans or missing": pd.array([True, None, False, True] * 6, dtype="boolean"),
    "odd categories": pd.Categorical(np.array(["", "`a b`", '"', "{x}"])[K % 4]),
    "numbers as categories": pd.Categorical(K % 3),
    "dates as categories": pd.Categorical(pd.date_range("2020", periods=4).repeat(6)),
    "mixed categories": pd.Categorical(objects(lambda i: [1, "1", 1.5, (1, 2)][i % 4])),
    "no category": pd.Categorical([None] * ROWS, categories=["a"]),
    "huge integers": objects(lambda i: 10**30 + i),
    "integers beyond floats": pd.Series(objects(lambda i: 10**400 + i), dtype=object),
    "large unsigned": np.array([2**64 - 1 - i for i in range(ROWS)], dtype=np.uint64),
    "half floats": (K % 5 / 3).astype(np.float16),
    "long floats": np.sqrt(K).astype(np.longdouble),
    "decimals": objects(lambda i: Decimal(i) / 7),
    "a decimal that is none": objects(lambda i: Decimal("NaN") if i == 3 else Decimal(i)),
    "fractions": objects(lambda i: Fraction(i % 5, 7)),
    "strings": pd.array([f"s{i % 3}" for i in range(ROWS)], dtype="string"),
    "strings or missing": pd.array([None if i == 0 else f"s{i % 3}" for i in range(ROWS)], dtype="string"),
    "integers or missing": pd.array([None if i == 2 else i for i in range(ROWS)], dtype="Int64"),
    "floats or missing": pd.array([None if i == 2 else i / 3 for i in range(ROWS)], dtype="Float64"),
    "sparse floats": pd.arrays.SparseArray(np.where(K % 5 == 0, 1.0, 0.0)),
    "sparse booleans": pd.arrays.SparseArray(K % 2 == 0),
    "bytes": objects(lambda i: b"ab"[i % 2 : i % 2 + 1]),
    "fixed bytes": np.array([b"a", b"b"])[K % 2],
    "all sorts": objects(lambda i: [1, "a", None, 2.5][i % 4]),
    "a number and its text": objects(lambda i: [1, "1", "b", 2][i % 4]),
    "the word nan": objects(lambda i: "nan" if i % 2 else "a"),
    "breaks and zeros": objects(lambda i: "a\nb" if i % 2 else "a\0b"),
    "constant": np.ones(ROWS),
    "a label a row": [f"u{i}" for i in K],
    "tiny": 1e-320 * K,
    "vast": 1e306 * K,
}
FORMULAS = (
    """
    y ~ v + (1|g); v ~ x + (1|g); y ~ x + (1|v); y ~ x + (v|g); y ~ x + (1|g/v); y ~ v:x + (1|g); y ~ C(v) + (1|g)
    y ~ I(v) + (1|g); y ~ scale(v) + (1|g); y ~ log(v) + (1|g); y ~ poly(v, 2)*x + (1|g); y ~ offset(v) + (1|g)
    y ~ (0 + v || g); y ~ I(v > 1) + (1|g); y ~ I(v == 'a') + (1|g); y ~ lag(v) + (1|g); y ~ bs(v, df=4) + (1|g)
    y ~ cc(v, df=4) + (1|g); np.log(v) ~ x + (1|g); y ~ I(v * 2) + I(-v) + (1|g); y ~ C(v, Sum)*x + (1|g)
""".strip()
    .replace("\n", ";")
    .split(";")
)


def frame(**more):
    rng = np.random.default_rng(1)
    columns = {"y": rng.normal(size=ROWS), "x": rng.uniform(1, 2, size=ROWS), "g": np.repeat(list("abcd"), 6)}
    return pd.DataFrame({**columns, **more})


def fault_of_message(error):
    """What is wrong with the words of an error; empty if nothing is."""
    if not str(error).strip():
        return f"{type(error).__name__} says nothing"
    # What formulaic says of its own machinery is no help.
    return str(error) if "Unable to evaluate" in str(error) else ""


def fault_of_fit(formula, data, **options):
    """What is wrong with a fit or with the error in its place; empty if nothing is."""
    before, fault = data.copy(), ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fit = lmt.lmm(formula, data, **options).fit(engine="pls")
            if not math.isfinite(fit.objective):
                fault = f"the criterion is {fit.objective}"
            if not str(fit.summary()):
                fault = "the summary is empty"
            fit.predict(data.loc[fit.design.rows])
            lmt.read_json(fit.to_json(random_effects=True))
    except lmt.LmmError as error:
        fault = fault_of_message(error)
    pd.testing.assert_frame_equal(data, before)
    return fault


@often
@given(st.sampled_from(sorted(COLUMNS)), st.sampled_from(FORMULAS))
@example("lists", "y ~ x + (1|v)")
@example("dictionaries", "y ~ v + (1|g)")
@example("fixed bytes", "y ~ v + (1|g)")
@example("half floats", "y ~ C(v) + (1|g)")
@example("integers beyond floats", "y ~ v + (1|g)")
@example("numbers as categories", "y ~ poly(v, 2)*x + (1|g)")
@example("a number and its text", "y ~ x + (1|v)")
@example("vast", "y ~ x + (v|g)")
def test_a_column_of_any_kind_gives_a_result_or_an_error_of_ours(kind, formula):
    assert fault_of_fit(formula, frame(v=COLUMNS[kind])) == ""


@often
@given(st.sampled_from(sorted(COLUMNS)), st.sampled_from(["weights", "offset"]), st.booleans())
def test_weights_and_offsets_of_any_kind_give_a_result_or_an_error_of_ours(kind, argument, is_named):
    data = frame(v=COLUMNS[kind])
    given = "v" if is_named else data["v"].to_numpy()
    assert fault_of_fit("y ~ x + (1|g)", data, **{argument: given}) == ""


WORDS = ["g", "h", "x", "nope", "", "a:b", "g/h", "C(g)", "(1|g)", "Q('g')", "`g`", "\x00"]
THINGS = [
    None,
    5,
    1.5,
    True,
    ("g",),
    ("g", "h"),
    ("g", "g"),
    ("",),
    (),
    [],
    ["g"],
    {"g"},
    {"g": 1},
    b"g",
    object(),
    len,
]
BASES = [
    *(
        "1",
        "x",
        "1 + x",
        "0",
        "",
        "x*h",
        "y",
        "(x|g)",
        "1|g",
        "x~g",
        "I(x",
        "bs(x, df=4)",
        "eval('1')",
        "offset(x)",
        ".",
    ),
    *("'x'", "`a:b`", "x==1", "lag(x)", None, 5, ["x"], b"1"),
]
anything = st.one_of(st.sampled_from(WORDS), st.sampled_from(THINGS))


@often
@given(st.lists(anything, max_size=3), st.sampled_from(["crossed", "nested"]))
def test_factors_of_any_kind_are_declared_or_refused(factors, name):
    def declare():
        return getattr(lmt, name)(*factors)

    assert fault_of_declaration(declare) == ""


@often
@given(anything, st.sampled_from(BASES), st.booleans())
@example(None, "1", True)
@example(len, "1", False)
def test_a_basis_of_any_kind_is_declared_or_refused(factor, basis, correlated):
    assert fault_of_declaration(lambda: lmt.random(factor, basis, correlated=correlated)) == ""


def fault_of_declaration(declare):
    """What is wrong with the declaration, its fit or the error in their place; empty if nothing is."""
    data = frame(h=np.array(list("pqrs"))[K % 4], **{"a:b": np.array(list("ab"))[K % 2]})
    try:
        random = declare()
    except lmt.LmmError as error:
        return fault_of_message(error)
    return fault_of_fit("y ~ x", data, random=random)


@often
@given(anything)
def test_what_is_no_table_and_no_formula_is_refused(thing):
    for arguments in ((thing, frame()), ("y ~ x + (1|g)", thing)):
        with pytest.raises(lmt.LmmError):
            lmt.lmm(*arguments)
    for call in (lmt.read_json, lambda t: lmt.structure(frame(), t)):
        fault = ""
        try:
            call(thing)
        except lmt.LmmError as error:
            fault = fault_of_message(error)
        assert fault == ""
