"""A model and data -> Design."""

from __future__ import annotations

import pickle
import time

import numpy as np
import pandas as pd
import pytest

from lmmtools.datasets import load
from lmmtools.design.build import build_design, used_columns
from lmmtools.design.factors import Columns
from lmmtools.design.frame import kind_of
from lmmtools.errors import DataError
from lmmtools.formula.declare import crossed
from lmmtools.formula.parser import parse

rng = np.random.default_rng(11)
N = 48


def make_data() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "y": rng.normal(size=N) + 5,
            "x": rng.normal(size=N),
            "z": rng.uniform(1, 2, size=N),
            "f": np.tile(list("abc"), N // 3),
            "g": np.repeat([f"g{i}" for i in range(8)], N // 8),
            "h": np.tile(np.arange(6), N // 6),
            "w": rng.uniform(0.5, 2, size=N),
            "o": rng.normal(size=N),
        }
    )


DATA = make_data()


def build(formula: str, data=DATA, **options):
    return build_design(parse(formula), data, **options)


def assert_same_design(a, b):
    np.testing.assert_array_equal(a.y, b.y)
    np.testing.assert_allclose(a.X, b.X, rtol=1e-14)
    assert a.x_names == b.x_names
    for p, q in zip(a.blocks, b.blocks, strict=True):
        np.testing.assert_array_equal(p.codes, q.codes)
        np.testing.assert_allclose(p.basis, q.basis, rtol=1e-14)
        assert p.levels.astype(str).tolist() == q.levels.astype(str).tolist()
        assert p.cnames == q.cnames


class TestParts:
    def test_sleepstudy(self):
        sleep = load("sleepstudy")
        design = build("Reaction ~ Days + (Days | Subject)", sleep)
        assert (design.n, design.p, design.q, design.k) == (180, 2, 36, 3)
        assert design.x_names == ("Intercept", "Days")
        (block,) = design.blocks
        assert block.cnames == ("(Intercept)", "Days")
        assert block.levels.tolist() == sleep["Subject"].cat.categories.tolist()
        np.testing.assert_array_equal(block.codes, sleep["Subject"].cat.codes)
        np.testing.assert_array_equal(block.basis[:, 1], sleep["Days"])
        np.testing.assert_array_equal(design.y, sleep["Reaction"])

    def test_whole_numbers_in_labels_of_combinations_have_no_decimals(self):
        # A column of whole numbers is of floats as soon as one is missing; R writes 4:a all the same.
        data = DATA.assign(k=np.resize([4.0, 2.5], len(DATA)), e=np.resize(["a", "a", "b", "b"], len(DATA)))
        assert list(build("y ~ 1 + (1 | k:e)", data).blocks[0].levels) == ["2.5:a", "2.5:b", "4:a", "4:b"]

    def test_nested_labels_are_pairs_as_in_lme4(self):
        design = build("strength ~ 1 + (1 | batch/cask)", load("Pastes"))
        assert [(b.group, b.m) for b in design.blocks] == [("cask:batch", 30), ("batch", 10)]
        assert design.blocks[0].levels[:3].tolist() == ["a:A", "a:B", "a:C"]

    def test_factor_in_the_basis_has_formulaics_names(self):
        machines = load("Machines")
        treatment = build("score ~ Machine + (Machine | Worker)", machines).blocks[0]
        dummies = build("score ~ Machine + (0 + Machine | Worker)", machines).blocks[0]
        assert treatment.cnames == ("(Intercept)", "Machine[T.B]", "Machine[T.C]")
        assert dummies.cnames == ("Machine[A]", "Machine[B]", "Machine[C]")
        np.testing.assert_array_equal(dummies.basis.sum(axis=1), 1.0)

    def test_double_bar_keeps_a_factor_in_one_block(self):
        design = build("y ~ f + (f || h)")
        assert [b.cnames for b in design.blocks] == [("(Intercept)",), ("f[a]", "f[b]", "f[c]")]

    def test_transformed_response_offsets_and_weights(self):
        design = build("log(y) ~ x + offset(log(z)) + offset(o) + (1 | g)", weights="w", offset=np.arange(N))
        np.testing.assert_allclose(design.y, np.log(DATA["y"]))
        np.testing.assert_allclose(design.offset, np.log(DATA["z"]) + DATA["o"] + np.arange(N))
        np.testing.assert_array_equal(design.weights, DATA["w"])
        np.testing.assert_allclose(design.response, design.y - design.offset)

    def test_response_arithmetic(self):
        np.testing.assert_allclose(build("y/2 ~ 1 + (1|g)").y, DATA["y"] / 2)
        np.testing.assert_allclose(build("I(y - z) ~ z + (1|g)").y, DATA["y"] - DATA["z"])

    def test_no_fixed_effects_at_all(self):
        assert build("y ~ 0 + (1 | g)").X.shape == (N, 0)

    def test_no_offset_and_no_weights(self):
        design = build("y ~ 1 + (1 | g)")
        assert design.weights is None
        assert design.offset is None

    def test_declared_terms_build_the_same_blocks(self):
        declared = build_design(parse("y ~ x", random=crossed("g", "h")), DATA)
        assert_same_design(declared, build("y ~ x + (1|g) + (1|h)"))

    def test_columns_used(self):
        formula = parse("log(y) ~ x*f + offset(o) + (I(z^2) | g/`h`)")
        assert used_columns(formula) == ("y", "x", "f", "o", "z", "g", "h")

    def test_booleans_are_factors(self):
        # As in R and in patsy: (0 + b | g) has an effect for each of the two.
        design = build("y ~ b + (0 + b | g)", DATA.assign(b=DATA["x"] > 0))
        assert design.x_names == ("Intercept", "b[T.True]")
        assert design.blocks[0].cnames == ("b[False]", "b[True]")
        np.testing.assert_array_equal(design.X[:, 1], DATA["x"] > 0)

    def test_a_boolean_of_one_value_is_refused(self):
        with pytest.raises(DataError, match=r"b.*one level"):
            build("y ~ b + (1 | g)", DATA.assign(b=True))

    def test_trusted_functions_come_from_the_context(self):
        formula = parse("y ~ double(x, k) + (1|g)", trusted=True)
        design = build_design(formula, DATA, context={"double": lambda v, k: k * v, "k": 2.0})
        np.testing.assert_allclose(design.X[:, 1], 2 * DATA["x"])


class TestOrder:
    """Blocks stand in lme4 1.1-31's order, `rev(order(nlevels))` when the sizes rise anywhere."""

    TABLE = pd.DataFrame(
        {
            "y": rng.normal(size=240),
            "x": rng.normal(size=240),
            "s": np.tile(np.arange(6), 40),
            "i": np.repeat(np.arange(20), 12),
            "c": rng.permutation(np.tile(np.arange(6), 40)),
            "e": np.repeat(np.arange(5), 48),
        }
    )

    # lFormula(..., d)$reTrms$cnms, names and effects
    @pytest.mark.parametrize(
        ("formula", "expected"),
        [
            ("y ~ (1+x||s) + (1|i)", ["i (Intercept)", "s x", "s (Intercept)"]),
            ("y ~ (1|i) + (1+x||s)", ["i (Intercept)", "s (Intercept)", "s x"]),
            ("y ~ (1|s) + (1|c) + (1|i)", ["i (Intercept)", "c (Intercept)", "s (Intercept)"]),
            ("y ~ (1|s) + (1|c)", ["s (Intercept)", "c (Intercept)"]),
            ("y ~ (1|s/c) + (1|c)", ["c:s (Intercept)", "s (Intercept)", "c (Intercept)"]),
            ("y ~ (1|i) + (1|e) + (1|i:e)", ["i:e (Intercept)", "i (Intercept)", "e (Intercept)"]),
            ("y ~ (1|e/i) + (1|i)", ["i (Intercept)", "i:e (Intercept)", "e (Intercept)"]),
        ],
    )
    def test_order_is_lme4s(self, formula, expected):
        blocks = build(formula, self.TABLE).blocks
        assert [f"{b.group} {' '.join(b.cnames)}" for b in blocks] == expected


class TestRows:
    def test_missing_values_are_dropped_once_and_counted_per_column(self):
        data = DATA.copy()
        data.loc[[0, 1], "y"] = np.nan
        data.loc[[1, 2], "x"] = np.nan
        data.loc[3, "g"] = None
        data.loc[4, "unused"] = np.nan
        weights = DATA["w"].to_numpy().copy()
        weights[5] = np.nan
        design = build("y ~ x + (1 | g)", data, weights=weights)
        assert design.dropped.rows == {"y": 2, "x": 2, "g": 1, "weights": 1}
        assert (design.dropped.n_input, design.dropped.n_rows, design.n) == (N, 5, N - 5)
        assert design.rows.tolist() == [4, *range(6, N)]
        np.testing.assert_array_equal(design.y, data["y"].to_numpy()[design.rows])
        np.testing.assert_array_equal(design.weights, weights[design.rows])
        assert len(design.frame) == design.n

    def test_undefined_expressions_are_missing_values(self):
        data = DATA.assign(x=np.r_[-1.0, np.ones(N - 1)] * np.arange(1, N + 1))
        design = build("y ~ log(x) + (1 | g)", data)
        assert design.dropped.rows == {"log(x)": 1}
        assert design.rows.tolist() == list(range(1, N))
        lagged = build("y ~ lag(y) + (1 | g)")
        assert lagged.dropped.n_rows == 1
        np.testing.assert_allclose(lagged.X[:, 1], DATA["y"][:-1])

    def test_a_weights_column_counts_under_its_name(self):
        design = build("y ~ x + (1 | g)", DATA.assign(w=np.r_[np.nan, DATA["w"][1:]]), weights="w")
        assert design.dropped.rows == {"w": 1}

    def test_transforms_learn_from_all_rows_that_have_their_column(self):
        data = DATA.copy()
        data.loc[:9, "z"] = np.nan
        data.loc[20, "x"] = np.nan
        design = build("y ~ scale(x) + z + (1 | g)", data)
        x = data["x"].to_numpy()[design.rows]
        np.testing.assert_allclose(design.X[:, 1], (x - data["x"].mean()) / data["x"].std(), rtol=1e-12)

    def test_raise_names_the_columns(self):
        with pytest.raises(DataError, match=r"x: 1\)"):
            build("y ~ x + (1 | g)", DATA.assign(x=np.r_[np.nan, DATA["x"][1:]]), na_action="raise")
        with pytest.raises(DataError, match="na_action"):
            build("y ~ x + (1 | g)", na_action="omit")

    def test_levels_without_rows_are_dropped_and_recorded(self):
        g = pd.Categorical(DATA["g"], categories=["none", *[f"g{i}" for i in range(7, -1, -1)]])
        data = DATA.assign(g=g)
        data.loc[data["g"] == "g3", "y"] = np.nan
        design = build("y ~ x + (1 | g)", data)
        assert design.blocks[0].levels.tolist() == ["g7", "g6", "g5", "g4", "g2", "g1", "g0"]
        assert design.dropped.levels == {"g": ("none", "g3")}
        assert "none" not in design.frame["g"].cat.categories

    def test_unused_levels_of_a_fixed_factor_make_no_column(self):
        data = DATA.assign(f=pd.Categorical(DATA["f"], categories=["z", "c", "b", "a"]))
        assert build("y ~ f + (1|g)", data).x_names == ("Intercept", "f[T.b]", "f[T.a]")

    @pytest.mark.parametrize(
        "index",
        [
            rng.permutation(N),
            np.zeros(N),
            pd.MultiIndex.from_arrays([np.arange(N), np.arange(N)[::-1]]),
            pd.Index(["y"] * N, name="x"),
            pd.date_range("2020", periods=N)[::-1],
        ],
        ids=["shuffled", "constant", "multi", "named", "dates"],
    )
    @pytest.mark.parametrize(
        "formula", ["y ~ x + f + (1 | g/f) + (x | h)", "np.log(y) ~ poly(x, 2)*f + offset(o) + (I(z^2)|g)"]
    )
    def test_the_index_means_nothing(self, index, formula):
        data = DATA.copy()
        data.loc[7, "x"] = np.nan
        plain = build(formula, data, weights=data["w"])
        other = build(formula, data.set_index(index), weights=data["w"].set_axis(index))
        assert_same_design(plain, other)
        np.testing.assert_array_equal(plain.weights, other.weights)

    def test_the_callers_data_are_left_alone(self):
        data = DATA.assign(g=DATA["g"].astype("category"))
        data.loc[3, "y"] = np.nan
        before = data.copy(deep=True)
        design = build("np.log(y) ~ x*f + (x | g)", data, weights="w")
        design.y[:] = design.X[:] = design.weights[:] = 0.0
        design.blocks[0].basis[:] = 0.0
        pd.testing.assert_frame_equal(data, before)


class TestPivoting:
    @pytest.mark.parametrize(
        ("formula", "dropped"),
        [
            ("y ~ x + x2 + (1|g)", ("x2",)),
            ("y ~ x2 + x + (1|g)", ("x",)),
            ("y ~ x + z + sum + (1|g)", ("sum",)),
            ("y ~ f + copy + (1|g)", ("copy[T.B]", "copy[T.C]")),
            ("y ~ constant + x + (1|g)", ("constant",)),
            ("y ~ x + z + (1|g)", ()),
        ],
    )
    def test_dependent_columns_are_dropped_and_named(self, formula, dropped):
        data = DATA.assign(x2=DATA["x"] * 1e6, sum=DATA["x"] + DATA["z"], copy=DATA["f"].str.upper(), constant=3.0)
        design = build(formula, data)
        assert design.dropped.columns == dropped
        assert np.linalg.matrix_rank(design.X) == design.p
        assert not set(design.x_names) & set(dropped)

    def test_empty_cells_are_dropped_as_lme4_drops_them(self):
        # lmer(y ~ f * g2 + (1|h), d): "fixed-effect model matrix is rank deficient so dropping 1 column"
        data = DATA.assign(g2=np.where(DATA["f"] == "c", "p", np.where(np.arange(N) % 2, "p", "q")))
        assert build("y ~ f * g2 + (1|h)", data).dropped.columns == ("f[T.c]:g2[T.q]",)


class TestFrames:
    FORMULA = "y ~ x * f + (x | g) + (1 | h)"

    def missing(self):
        data = DATA.astype({"h": "int64"})
        data.loc[2, "x"] = np.nan
        data.loc[5, "g"] = None
        return data

    def test_dict_of_arrays(self):
        data = self.missing()
        assert_same_design(build(self.FORMULA, data), build(self.FORMULA, {c: data[c].to_numpy() for c in data}))
        shuffled = {c: data[c].set_axis(rng.permutation(N)) for c in data}
        assert_same_design(build(self.FORMULA, data), build(self.FORMULA, shuffled))

    def test_record_array(self):
        data = DATA.drop(columns=["f", "g"]).to_records(index=False)
        assert_same_design(build("y ~ x + (1|h)"), build("y ~ x + (1|h)", data))

    @pytest.mark.parametrize("lazy", [False, True])
    def test_polars(self, lazy):
        pl = pytest.importorskip("polars")
        data = self.missing()
        other = pl.from_pandas(data).with_columns(pl.col("g").cast(pl.Categorical))
        assert other["g"].null_count() == 1
        assert_same_design(build(self.FORMULA, data), build(self.FORMULA, other.lazy() if lazy else other))

    def test_polars_enum_keeps_its_order(self):
        pl = pytest.importorskip("polars")
        levels = [f"g{i}" for i in range(7, -1, -1)]
        other = pl.DataFrame({c: DATA[c].tolist() for c in DATA}).with_columns(pl.col("g").cast(pl.Enum(levels)))
        assert build("y ~ 1 + (1|g)", other).blocks[0].levels.tolist() == levels

    def test_pyarrow(self):
        pa = pytest.importorskip("pyarrow")
        data = self.missing()
        table = pa.Table.from_pandas(data.assign(f=pd.Categorical(data["f"])), preserve_index=False)
        assert_same_design(build(self.FORMULA, data), build(self.FORMULA, table))

    @pytest.mark.parametrize("backend", ["numpy_nullable", "pyarrow"])
    def test_nullable_dtypes(self, backend):
        pytest.importorskip("pyarrow")
        data = self.missing()
        assert_same_design(build(self.FORMULA, data), build(self.FORMULA, data.convert_dtypes(dtype_backend=backend)))

    def test_objects_that_are_numbers(self):
        data = self.missing()
        assert_same_design(build(self.FORMULA, data), build(self.FORMULA, data.astype({"x": object, "h": object})))

    @pytest.mark.parametrize("name", ["body weight", "body.weight", "C", "Q", "np", "größe", "a:b", "x|z", "it's", "`"])
    def test_any_name_in_any_role(self, name):
        column = f"Q({name!r})"
        expected = build("y ~ x + (x|g)")
        as_slope = build(f"y ~ {column} + ({column}|g)", DATA.rename(columns={"x": name}))
        as_group = build(f"y ~ x + (x|{column})", DATA.rename(columns={"g": name}))
        as_response = build(f"{column} ~ x + (x|g)", DATA.rename(columns={"y": name}))
        np.testing.assert_array_equal(as_slope.X, expected.X)
        np.testing.assert_array_equal(as_slope.blocks[0].basis, expected.blocks[0].basis)
        assert as_slope.x_names == ("Intercept", name)
        np.testing.assert_array_equal(as_group.blocks[0].codes, expected.blocks[0].codes)
        assert as_group.blocks[0].group == name
        np.testing.assert_array_equal(as_response.y, expected.y)


NO_G = DATA.drop(columns="g").rename(columns={"h": "grp"})
CASES = {
    "unknown column": ("y ~ x + (1|grup)", NO_G, {}, r"'grup'.*Did you mean 'grp'"),
    "unknown column, none close": ("y ~ x + (1|qqq)", DATA, {}, r"'qqq'.*There are: y, x"),
    "unknown column in a call": ("y ~ log(xx) + (1|g)", DATA, {}, "'xx'"),
    "seconds since 1970": ("y ~ x + (1|g)", DATA.assign(x=1.7e9 + DATA["x"]), {}, r"far from zero.*center\(x\)"),
    "seconds before the bar": ("y ~ 1 + (x|g)", DATA.assign(x=1.7e9 + DATA["x"]), {}, r"far from zero.*center\(x\)"),
    "constant response": ("y ~ x + (1|g)", DATA.assign(y=3.0), {}, "constant: 3 in all 48 rows"),
    "infinite response": ("y ~ x + (1|g)", DATA.assign(y=np.r_[np.inf, DATA["y"][1:]]), {}, "'y' has 1 infinite"),
    "infinite slope": ("y ~ 1 + (x|g)", DATA.assign(x=np.r_[-np.inf, DATA["x"][1:]]), {}, "'x' has 1 infinite"),
    "infinite transform": ("y ~ log(h) + (1|g)", DATA, {}, r"log\(h\) has 8 infinite values"),
    "empty frame": ("y ~ x + (1|g)", DATA.iloc[:0], {}, "no rows"),
    "nothing complete": ("y ~ x + (1|g)", DATA.assign(x=np.nan), {}, "No row is complete.*x: 48"),
    "duplicate columns": ("y ~ x + (1|g)", DATA.rename(columns={"z": "x"}), {}, "2 columns named 'x'"),
    "two-storey columns": (
        "y ~ x + (1|g)",
        DATA.set_axis(pd.MultiIndex.from_product([["a"], DATA.columns]), axis=1),
        {},
        "2 levels",
    ),
    "text response": ("f ~ x + (1|g)", DATA, {}, r"'f' is the response.*text \('a'\).*to_numeric"),
    "categorical response": ("f ~ x + (1|g)", DATA.astype({"f": "category"}), {}, "a category"),
    "boolean response": ("y ~ x + (1|g)", DATA.assign(y=DATA["x"] > 0), {}, "generalised linear mixed model"),
    "date response": ("y ~ x + (1|g)", DATA.assign(y=pd.Timestamp("2020")), {}, "dates.*dt.days"),
    "date slope": ("y ~ x + (1|g)", DATA.assign(x=pd.date_range("2020", periods=N)), {}, "dates"),
    "complex": ("y ~ x + (1|g)", DATA.assign(x=DATA["x"] * 1j), {}, "complex"),
    "fixed factor with one level": ("y ~ f + (1|g)", DATA.assign(f="a"), {}, "'f' has one level"),
    "text offset": ("y ~ x + offset(f) + (1|g)", DATA, {}, "'f' is an offset"),
    "wide response": ("poly(y, 2) ~ x + (1|g)", DATA, {}, "one column"),
    "zero weight": ("y ~ x + (1|g)", DATA, {"weights": np.arange(N)}, "1 of 48 are not, the first 0"),
    "negative weight": ("y ~ x + (1|g)", DATA, {"weights": "x"}, "weights must be positive"),
    "short weights": ("y ~ x + (1|g)", DATA, {"weights": [1, 2]}, "2 values for 48 rows"),
    "short offset": ("y ~ x + (1|g)", DATA, {"offset": np.ones(3)}, "3 values for 48 rows"),
    "unknown weights": ("y ~ x + (1|g)", DATA, {"weights": "ww"}, "'ww'.*Did you mean 'w'"),
    "text weights": ("y ~ x + (1|g)", DATA, {"weights": "f"}, "'f' is the weights"),
    "infinite weights": ("y ~ x + (1|g)", DATA, {"weights": np.full(N, np.inf)}, "infinite"),
    "more effects than rows": ("y ~ C(k) + (1|g)", DATA.assign(k=np.arange(N)), {}, "48 fixed effects for 48 rows"),
    "ragged dict": ("y ~ x + (1|g)", {"y": [1, 2], "x": [1], "g": [1, 2]}, {}, "y: 2, x: 1"),
    "no table": ("y ~ x + (1|g)", 3, {}, "int, not a table"),
    "a series": ("y ~ 1 + (1|g)", DATA["y"], {}, "Series"),
    "None": ("y ~ 1 + (1|g)", None, {}, "NoneType, not a table"),
}


@pytest.mark.parametrize("case", CASES)
def test_data_that_cannot_carry_the_model_are_refused_with_a_cure(case):
    formula, data, options, fragment = CASES[case]
    with pytest.raises(DataError, match=f"(?s){fragment}"):
        build(formula, data, **options)


def best_time(work, repeats):
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def test_a_small_design_takes_milliseconds_at_most():
    sleep = load("sleepstudy")
    formula = parse("Reaction ~ Days + (Days | Subject)")
    # 0.7 ms measured; the bound leaves room for slow machines, and is far below formulaic's own 5 ms.
    assert best_time(lambda: build_design(formula, sleep), 30) < 3e-3


@pytest.mark.slow
def test_a_million_rows_take_about_a_second():
    n = 1_000_000
    data = pd.DataFrame(
        {"y": rng.normal(size=n), "x": rng.normal(size=n), "u": rng.integers(0, 6040, n), "i": rng.integers(0, 3706, n)}
    )
    assert best_time(lambda: build("y ~ x + (1|u) + (1|i)", data), 2) < 2.0


def test_columns_that_are_dependent_wherever_they_lie_are_dropped_as_before():
    data = DATA.assign(c=0.1, z=3 * DATA["x"] + 1e7)
    assert build("y ~ x + c + z + (1|g)", data).dropped.columns == ("c", "z")


def test_a_centred_column_far_from_zero_is_the_model_near_zero():
    far = build("y ~ center(x) + (center(x)|g)", DATA.assign(x=2.0**31 + np.round(DATA["x"] * 1024) / 1024))
    near = build("y ~ center(x) + (center(x)|g)", DATA.assign(x=np.round(DATA["x"] * 1024) / 1024))
    np.testing.assert_allclose(far.X, near.X, atol=1e-6)


@pytest.mark.parametrize("power", [-300, -160, 160, 300])
@pytest.mark.parametrize(
    ("column", "words"), [("y", "the response y"), ("x", "of x "), ("z", "of z "), ("w", "the weights")]
)
def test_values_whose_squares_no_double_holds_are_refused_with_their_unit(column, words, power):
    """10**160 squared is 10**320, above the largest double, 1.8e308."""
    data = DATA.assign(**{column: DATA[column] * 10.0**power})
    with pytest.raises(DataError, match=words) as error:
        build("y ~ x + (z | g)", data, weights="w")
    assert "divide them by" in str(error.value)


@pytest.mark.parametrize("power", [-150, 150])
def test_values_whose_squares_a_double_holds_are_not(power):
    data = DATA.assign(**{name: DATA[name] * 10.0**power for name in "yxzw"})
    assert len(build("y ~ x + (z | g)", data, weights="w").y) == N


@pytest.mark.parametrize("key", ["weights", "offset"])
def test_a_series_with_the_rows_in_another_order_is_refused(key):
    """By place its values would go to other rows than by label."""
    values = pd.Series(np.arange(1.0, N + 1), index=DATA.index[::-1])
    with pytest.raises(DataError, match="in another order"):
        build("y ~ x + (1 | g)", **{key: values})
    by_label = build("y ~ x + (1 | g)", **{key: values.reindex(DATA.index)})
    by_place = build("y ~ x + (1 | g)", **{key: values.to_numpy()})
    np.testing.assert_array_equal(getattr(by_label, key), getattr(by_place, key)[::-1])


def test_a_series_of_rows_with_labels_of_its_own_goes_by_place():
    """Rows chosen from a table keep their labels; values counted from zero beside them have no other order."""
    chosen, values = DATA.iloc[10:], pd.Series(np.arange(1.0, N - 9))
    np.testing.assert_array_equal(build("y ~ x + (1 | g)", chosen, weights=values).weights, values)


def test_the_frame_does_not_change_with_the_data() -> None:
    data = pd.DataFrame({"y": [1.0, 2.0, 4.0, 3.0], "g": list("aabb"), "other": range(4)})
    design = build_design(parse("y ~ 1 + (1 | g)"), data)
    data.loc[0, "y"] = 9.0
    data["g"] = "c"
    assert design.frame["y"].tolist() == [1.0, 2.0, 4.0, 3.0]
    assert design.frame["g"].tolist() == list("aabb")


def test_a_design_that_is_sent_elsewhere_takes_the_columns_used_alone() -> None:
    data = pd.DataFrame({"y": [1.0, 2.0, 4.0, 3.0], "g": list("aabb"), "other": range(4)})
    sent = pickle.loads(pickle.dumps(build_design(parse("y ~ 1 + (1 | g)"), data)))
    assert list(sent.frame.columns) == ["y", "g"]
    assert list(sent.complete.columns) == ["y", "g"]


def test_columns_of_a_table_are_read_as_pandas_reads_them() -> None:
    data = pd.DataFrame(
        {
            "y": [1.0, np.nan, 4.0],
            "k": [1, 2, 3],
            "n": pd.array([1, None, 3], dtype="Int64"),
            "b": [True, False, True],
            "c": pd.Categorical(["a", None, "b"], categories=["b", "z", "a"]),
            "t": ["u", "v", None],
            "o": [1, "x", None],
            "d": pd.to_datetime(["2020-01-01", None, "2020-01-03"]),
        },
        index=list("pqr"),
    )
    columns = Columns.of(data, data.columns)
    for name in data.columns:
        pd.testing.assert_series_equal(columns[name], data[name])
        assert columns.kind(name) == kind_of(data[name])
        missing = columns.missing(name)
        assert (np.zeros(3, dtype=bool) if missing is None else missing).tolist() == data[name].isna().tolist()
    assert [columns.is_factor(name) for name in "yknbcto"] == [False, False, False, True, True, True, True]


def test_columns_of_a_table_with_two_columns_of_one_name_are_read_by_name() -> None:
    data = pd.DataFrame([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], columns=["y", "x", "x"])
    assert Columns.of(data, ["y"])["y"].tolist() == [1.0, 4.0]


def test_the_frame_keeps_labels_names_and_attributes() -> None:
    data = pd.DataFrame({"y": [1.0, 2.0, 4.0, 3.0], "g": list("aabb"), "other": range(4)}, index=list("wxyz"))
    data.columns.name, data.attrs["name"] = "measured", "mine"
    design = build_design(parse("y ~ 1 + (1 | g)"), data)
    pd.testing.assert_frame_equal(design.frame, data[["y", "g"]])
    assert design.frame.columns.name == "measured"
    assert design.frame.attrs == {"name": "mine"}
