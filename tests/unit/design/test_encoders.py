"""Model matrices: written out here or by formulaic, the names and numbers are formulaic's."""

from __future__ import annotations

import numpy as np
import pandas as pd
import patsy
import pytest
from formulaic import model_matrix

from lmmtools.design.encoders import FormulaicEncoder, PlainEncoder, learn_matrix
from lmmtools.errors import DataError

rng = np.random.default_rng(20240501)
N = 60
DATA = pd.DataFrame(
    {
        "x": rng.normal(size=N),
        "z": rng.uniform(1, 2, size=N),
        "i": rng.integers(1, 5, size=N),
        "f": rng.choice(list("abc"), size=N),
        "g": pd.Categorical(rng.choice(["hi", "lo"], size=N), categories=["lo", "hi"]),
        "h": pd.Categorical(rng.integers(1, 4, size=N)),
        "b": rng.choice([True, False], size=N),
    }
)
# formulaic needs the labels of C(...) of integers to be integers; so do users.
PLAIN = [
    "1",
    "x",
    "1 + x",
    "0 + x",
    "x + z",
    "x - 1",
    "i",
    "b",
    "f",
    "g",
    "h",
    "0 + f",
    "0 + f + g",
    "0 + x + f + g",
    "f + g + x",
    "x * z",
    "x:z",
    "f:x + f + x",
    "f * x",
    "x * f",
    "f * g",
    "f * g * h",
    "f * g * x",
    "(f + g + x)**2",
    "f * b",
    "0 + f * g",
]
FORMULAIC = [
    "f:x",
    "f:g",
    "0 + f:x",
    "f / x",
    "f / g",
    "np.log(z)",
    "log(z) + exp(x)",
    "I(x ** 2)",
    "poly(x, 2)",
    "poly(x, 2) * f",
    "bs(x, df=4)",
    "cr(x, df=3)",
    "cc(x, df=3)",
    "scale(x) + center(z)",
    "C(i)",
    "C(i) * x",
    "0 + C(f)",
    "C(f, Treatment('b'))",
    "C(f, Sum)",
    "C(f, contr.helmert)",
    "C(f, Poly)",
    "C(g, Diff)",
    "C(b)",
    "np.sqrt(z):f",
]


@pytest.mark.parametrize("text", PLAIN + FORMULAIC)
def test_names_and_numbers_are_formulaics(text):
    matrix, encoder = learn_matrix(text, DATA, N)
    theirs = model_matrix(text, DATA.astype({"b": "category"}))  # to formulaic alone booleans are numbers
    assert list(encoder.column_names) == list(theirs.columns)
    np.testing.assert_allclose(matrix, theirs.to_numpy(dtype=float), rtol=1e-12, atol=1e-14)
    assert isinstance(encoder, PlainEncoder if text in PLAIN else FormulaicEncoder)


CONDITIONS = [
    "I(x > 0)",
    "0 + I(x > 0)",
    "I(x > 0) * f",
    "I((x > 0) & (z < 1.5))",
    "I(~(x > 0))",
    "0 + b",
    "b:x",
    "np.log(z) + b",
]


@pytest.mark.parametrize("text", CONDITIONS)
def test_conditions_are_factors_as_patsy_has_them(text):
    matrix, encoder = learn_matrix(text, DATA, N)
    theirs = patsy.dmatrix(text, DATA)
    names = [name.replace("( ~", "(~") for name in theirs.design_info.column_names]
    assert set(encoder.column_names) == set(names)
    for name, column in zip(encoder.column_names, matrix.T, strict=True):
        np.testing.assert_allclose(column, theirs[:, names.index(name)], rtol=1e-12)


def test_booleans_inside_calls_are_numbers():
    matrix, encoder = learn_matrix("b + I(b * x)", DATA, N)
    assert encoder.column_names == ("Intercept", "b[T.True]", "I(b * x)")
    np.testing.assert_array_equal(matrix[:, 2], DATA["b"] * DATA["x"])


@pytest.mark.parametrize("text", PLAIN + FORMULAIC + CONDITIONS)
def test_new_rows_are_encoded_as_the_fitted_ones_were(text):
    matrix, encoder = learn_matrix(text, DATA, N)
    order = rng.permutation(N)
    np.testing.assert_allclose(encoder.encode(DATA.iloc[order]), matrix[order], rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(encoder.encode(DATA.iloc[:3]), matrix[:3], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("text", ["x * f", "np.log(z) + C(f) + poly(x, 2)", "I(x ** 2) + f"])
def test_new_rows_with_missing_values_are_missing(text):
    matrix, encoder = learn_matrix(text, DATA, N)
    new = DATA.iloc[:4].copy()
    new.loc[1, "x"] = np.nan
    new.loc[2, "f"] = None
    made = encoder.encode(new)
    np.testing.assert_allclose(made[[0, 3]], matrix[[0, 3]], rtol=1e-12)
    assert np.isnan(made[1]).any()
    assert np.isnan(made[2]).any()


@pytest.mark.parametrize("text", ["f", "C(f)", "x:f", "C(i)"])
def test_unseen_level_of_a_fixed_factor_is_an_error(text):
    _, encoder = learn_matrix(text, DATA, N)
    new = DATA.iloc[:2].assign(f=["a", "new"], i=[1, 99])
    with pytest.raises(DataError, match=r"new|99"):
        encoder.encode(new)


NAMES = ["body weight", "body.weight", "C", "Q", "np", "I", "log", "größe", "µ", "class", "True", "a:b", "a|b", "x+z"]
NAMES += ["it's", 'say "a"', "back`tick", "back\\slash", "2nd", "contr", "scale", "lmmcolumn0_", "Intercept_", "__x__"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("text", ["{q} + C(f)", "np.log({a}) + {q}", "I({a} ** 2) * f", "scale({a}) + poly({a}, 2)"])
def test_any_column_name_works(name, text):
    from lmmtools.formula.expressions import quote_argument
    from lmmtools.formula.tokens import quote_name

    data = DATA.assign(**{name: DATA["z"]})
    matrix, encoder = learn_matrix(text.format(q=quote_name(name), a=quote_argument(name)), data, N)
    expected, plain = learn_matrix(text.format(q="z", a="z"), data, N)
    np.testing.assert_allclose(matrix, expected, rtol=1e-14)
    if text.startswith("{q}"):
        assert list(encoder.column_names) == [c if c != "z" else name for c in plain.column_names]
    np.testing.assert_allclose(encoder.encode(data), expected, rtol=1e-14)


def test_integers_do_not_overflow():
    data = DATA.assign(i=np.full(N, 2_000_000_000, dtype=np.int64) + np.arange(N))
    matrix, _ = learn_matrix("I(i ** 3)", data, N)
    np.testing.assert_allclose(matrix[:, 1], data["i"].to_numpy(float) ** 3, rtol=1e-14)


def test_function_names_are_not_hidden_by_columns():
    data = DATA.assign(C=DATA["f"], np=DATA["z"])
    matrix, encoder = learn_matrix("C(C) + np.log(np)", data, N)
    assert encoder.column_names == ("Intercept", "C(C)[T.b]", "C(C)[T.c]", "np.log(np)")
    np.testing.assert_allclose(matrix[:, 3], np.log(DATA["z"]))


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("log(w)", "infinite"),
        ("I(1 / w)", "infinite"),
        ("np.log(f)", "log"),
        ("poly(f, 2)", "poly"),
        ("one", "one level"),
        ("C(constant)", "one level"),
        ("day", "dates"),
        ("np.log(day)", "dates"),
        ("complex", "complex"),
        ("bs(x, df=-2)", "cannot be made"),
        ("C(f, Treatment('nope'))", "nope"),
    ],
)
def test_what_cannot_be_made_is_a_data_error_in_the_users_words(text, fragment):
    data = DATA.assign(
        w=np.r_[0.0, np.ones(N - 1)],
        one="only",
        constant=7,
        day=pd.Timestamp("2020-01-01"),
        complex=DATA["x"] + 1j,
    )
    with pytest.raises(DataError, match=fragment) as caught:
        learn_matrix(text, data, N)
    assert "lmmcolumn" not in str(caught.value)


def test_scale_divides_by_n_minus_one_as_r_does():
    matrix, _ = learn_matrix("0 + scale(x)", DATA, N)
    assert np.std(matrix[:, 0], ddof=1) == pytest.approx(1.0, abs=1e-12)
