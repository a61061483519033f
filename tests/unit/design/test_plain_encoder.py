"""The plain encoder stands beside formulaic for speed: over hundreds of drawn formulas the two make the same matrix.

Formulas are drawn from a grammar of what the plain encoder claims to make (columns, products, powers, nesting, with and
without a constant), and frames have columns of every type that pandas has for numbers and labels, under awkward names.
Names are equal, and values to the last bit: both multiply a product from left to right.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache

import formulaic
import numpy as np
import pandas as pd
import pytest

from lmmtools.design.encoders import FormulaicEncoder, PlainEncoder, learn_matrix
from lmmtools.design.formulaic_encoder import learn_formulaic
from lmmtools.errors import DataError
from lmmtools.formula.algebra import expand_terms
from lmmtools.formula.tokens import tokenize

N = 40
SEEDS = range(300)
NUMBERS: dict[str, Callable[[np.random.Generator], object]] = {
    "x": lambda rng: rng.normal(size=N),
    "body weight": lambda rng: rng.uniform(1e-3, 1e5, N).astype(np.float32),
    "half": lambda rng: rng.normal(size=N).astype(np.float16),
    "z.1": lambda rng: rng.integers(-100, 100, N).astype(np.int8),
    "2nd": lambda rng: rng.integers(0, 2**63, N, dtype=np.uint64),
    "np": lambda rng: pd.array(rng.integers(0, 9, N), dtype="Int64"),
    "größe": lambda rng: pd.array(rng.normal(size=N), dtype="Float32"),
    "log": lambda rng: np.array(rng.integers(1, 9, N).tolist(), dtype=object),
    "a:b": lambda rng: [Decimal(int(i)) / 8 for i in rng.integers(-9, 9, N)],
}
LABELS = ["a", "B", "", " a", "T.b", "x:y", "[c]", "NA", "é"]
FACTORS: dict[str, Callable[[np.random.Generator], object]] = {
    "f": lambda rng: _labels(rng, LABELS[:3]),
    "C": lambda rng: pd.array(_labels(rng, LABELS[3:6]), dtype="string"),
    "the group": lambda rng: pd.Categorical(_labels(rng, ["lo", "hi"]), categories=["mid", "lo", "hi", "max"]),
    "g": lambda rng: pd.Categorical(_labels(rng, LABELS[5:]), categories=LABELS[::-1], ordered=True),
    "code": lambda rng: pd.Categorical(_labels(rng, [3, 10, 2])),
    "score": lambda rng: pd.Categorical(_labels(rng, [0.5, 10.0])),
    "b": lambda rng: np.array(_labels(rng, [True, False])),
    "maybe": lambda rng: pd.array(_labels(rng, [True, False]), dtype="boolean"),
    "mixed": lambda rng: np.array(_labels(rng, ["1", 1, "b"]), dtype=object),
}


def _labels(rng: np.random.Generator, levels: list) -> list:
    """Every level, in some order, and then any."""
    picked = [*rng.permutation(len(levels)), *rng.integers(0, len(levels), N - len(levels))]
    return [levels[i] for i in picked]


@lru_cache(maxsize=4)
def frame(seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame({name: pd.Series(make(rng)) for name, make in {**NUMBERS, **FACTORS}.items()})


def write(rng: random.Random, names: list[str], depth: int = 2) -> str:
    """A sum of products of names, as their users write it."""
    if depth == 0:
        return f"`{rng.choice(names)}`"
    left, right = (write(rng, names, depth - 1) for _ in range(2))
    return rng.choice(
        [left, f"{left} + {right}", f"({left}) * ({right})", f"({left}):({right})", f"({left} + {right})**2"]
        + ([f"({left}) / ({right})"] if depth == 1 else [])
    )


def draw(seed: int) -> tuple[str, pd.DataFrame]:
    rng = random.Random(seed)
    names = rng.sample([*NUMBERS, *FACTORS], rng.randint(1, 4))
    constant = rng.choice(["", "", "1 + ", "0 + ", "-1 + "])
    return constant + " + ".join(write(rng, names) for _ in range(rng.randint(1, 2))), frame(seed % 4)


def terms_of(text: str) -> list[tuple[str, ...]]:
    return [tuple(name.strip("`") for name in term) for term in expand_terms(tokenize(text), text)]


def is_claimed(text: str) -> bool:
    """Whether each factor stands alone or beside what is a term too: then no rule but the margin's codes it."""
    terms = terms_of(text)
    present = {frozenset(term) for term in terms}
    margins = [frozenset(term) - {name} for term in terms for name in term if name in FACTORS]
    return all(not margin or margin in present for margin in margins)


def plain_and_formulaic(text: str, data: pd.DataFrame, constant: str = "Intercept"):
    columns = {name: data[name] for name in data}
    return learn_matrix(text, columns, N, constant=constant), learn_formulaic(text, columns, constant, {}, {}, None)


DRAWN = [draw(seed)[0] for seed in SEEDS]


def test_the_drawn_formulas_are_many_and_of_many_kinds():
    claimed = [text for text in DRAWN if is_claimed(text)]
    assert len(set(claimed)) > 150
    assert len(set(DRAWN) - set(claimed)) > 40
    factors = [sum(name in FACTORS for name in max(terms_of(text), key=len)) for text in claimed]
    assert {0, 1, 2, 3} <= set(factors)
    assert sum(() not in terms_of(text) for text in claimed) > 30
    assert {name for text in claimed for term in terms_of(text) for name in term} == {*NUMBERS, *FACTORS}


@pytest.mark.parametrize("seed", SEEDS)
def test_a_drawn_formula_has_formulaics_names_and_values_to_the_last_bit(seed):
    text, data = draw(seed)
    (matrix, encoder), (theirs, reference) = plain_and_formulaic(text, data)
    assert isinstance(encoder, PlainEncoder if is_claimed(text) else FormulaicEncoder)
    assert encoder.column_names == reference.column_names
    np.testing.assert_array_equal(matrix, theirs)
    assert encoder.columns_by_term() == reference.columns_by_term()


@pytest.mark.parametrize("seed", SEEDS[::3])
def test_new_rows_of_a_drawn_formula_are_coded_alike_and_missing_ones_are_missing_in_both(seed):
    text, data = draw(seed)
    (matrix, encoder), (_, reference) = plain_and_formulaic(text, data)
    rng = np.random.default_rng(seed)
    new = data.iloc[rng.permutation(N)[:15]].copy()
    for name in new:
        new[name] = new[name].astype(object if name in ("2nd", "z.1", "b") else new[name].dtype)
        new.loc[new.index[rng.random(15) < 0.1], name] = None
    used = sorted({name for term in terms_of(text) for name in term})
    is_complete = new[used].notna().all(axis=1).to_numpy()
    made, theirs = encoder.encode(new), reference.encode(new)
    np.testing.assert_array_equal(made[is_complete], theirs[is_complete])
    np.testing.assert_array_equal(made[is_complete], matrix[new.index[is_complete]])
    # formulaic's side leaves out whole rows, this one knows the columns that miss nothing.
    assert np.isnan(theirs[~is_complete]).all()
    if used:
        assert np.isnan(made[~is_complete]).any(axis=1).all()


@pytest.mark.parametrize("name", FACTORS)
def test_an_unseen_level_is_refused_in_the_same_words(name):
    data = frame(1)
    (_, encoder), (_, reference) = plain_and_formulaic(f"`{name}` + x", data)
    new = data.head(3).astype({name: object})
    new.loc[1, name] = "never seen"
    said = []
    for way in (encoder, reference):
        with pytest.raises(DataError, match="never seen") as caught:
            way.encode(new)
        said.append(str(caught.value))
    assert said[0] == said[1]


# What formulaic alone reads as it is meant here: floats, integers that floats hold, text and categories.
READ_ALIKE = ["x", "body weight", "z.1", "f", "the group", "g"]


@pytest.mark.parametrize("seed", range(100))
def test_names_and_values_are_those_of_formulaic_by_itself(seed):
    rng, data = random.Random(seed), frame(seed % 4)[READ_ALIKE]
    data = data.assign(**{"the group": data["the group"].cat.remove_unused_categories()})
    data["g"] = data["g"].cat.remove_unused_categories()
    text = rng.choice(["", "0 + "]) + write(rng, rng.sample(READ_ALIKE, 3))
    matrix, encoder = learn_matrix(text, {name: data[name].astype(data[name].dtype) for name in data}, N)
    theirs = formulaic.model_matrix(text, data.astype({"z.1": float, "body weight": float}))
    assert list(encoder.column_names) == [name.replace("`", "") for name in theirs.columns]
    np.testing.assert_array_equal(matrix, theirs.to_numpy(dtype=float))


@pytest.mark.parametrize(
    "text",
    [
        *("x:f", "f:g", "0 + f:x", "f / g", "x + x:f + f:g", "0 + f:g + f"),
        *("C(f)", "C(f, Sum)", "I(x * 2)", "np.sqrt(x**2)", "poly(x, 2)", "x + scale(x):f", "lag(x)", "bs(x, df=4)"),
    ],
)
def test_what_is_not_claimed_goes_to_formulaic(text):
    _, encoder = learn_matrix(text, {name: frame(0)[name] for name in frame(0)}, N)
    assert isinstance(encoder, FormulaicEncoder)


@pytest.mark.parametrize("text", ["f", "C(f)", "f:x"])
def test_levels_that_are_written_alike_are_refused_in_a_category_and_one_in_a_column_of_objects(text):
    levels = [1, "1", "b"]
    data = pd.DataFrame({"x": np.arange(6.0), "f": pd.Categorical([1, "1", "b"] * 2, categories=levels)})
    with pytest.raises(DataError, match=r"2 levels that are written 1, of different types.*astype\(str\)"):
        learn_matrix(text, {name: data[name] for name in data}, 6)
    _, encoder = learn_matrix("f", {"f": pd.Series([1, "1", "b"] * 2, dtype=object)}, 6)
    assert encoder.column_names == ("Intercept", "f[T.b]")
