"""A design whose rows are read in batches has the rows, the levels and the columns of one in memory."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import lmmtools as lmt
from lmmtools.design.build import build_design
from lmmtools.design.of_source import build_source_design
from lmmtools.design.streamed import build_streamed_design
from lmmtools.errors import DataError
from lmmtools.formula.parser import parse
from lmmtools.sources import open_source

pytest.importorskip("pyarrow")

# Means and spreads of all rows are merged from those of parts; expressions are the same operations on the same numbers.
ROUNDING = 1e-13

FORMULAS = (
    "y ~ x + z + (1|g)",
    "y ~ x*f + (x|g) + (1|h)",
    "y ~ C(f, Sum) + (1|g)",
    "y ~ np.log(x + 10) + (1|g)",
    "y ~ np.log(x - 2) + f + (1|g/h)",
    "y ~ I(x**2) + x + (0 + f|g)",
    "y ~ poly(x, 2, raw=True) + (1|g)",
    "y ~ scale(x) + center(z) + (scale(x)|g)",
    "y ~ scale(np.exp(x)) + (1|g)",
    "y ~ scale(x, center=False) + (1|g)",
    "y ~ f + b + f:b + offset(z) + (1|h:f)",
    "y ~ C(k) + k + (1|k) + (b|g)",
    "y ~ c + c:x + (c||g)",
    "log(y + 10) ~ x + (1|g)",
    "y ~ f:h + (1|g)",
    "y ~ x + I(2*x) + f + (1|g)",
    "y ~ 0 + f + f:x + (1|g)",
    "y ~ k + (1|h/f/b)",
    "y ~ I(b*x) + x + (1|g)",
    "y ~ x:z + (z|c)",
    "y ~ f + C(f) + (1|g)",
    "y ~ rare + x + (1|`odd name`)",
    "scale(y) ~ x + (1|g)",
    "`odd name` ~ x + (1|g)",
)


def declare(formula, rows, **beside):
    """Declare a model on a frame in memory, or on rows of a source that are read when they are needed."""
    return lmt.lmm(formula, rows, stream=None if isinstance(rows, pd.DataFrame) else True, **beside)


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    n = 1500
    frame = pd.DataFrame(
        {
            "x": rng.normal(3.0, 1.0, n),
            "z": rng.normal(0.0, 2.0, n),
            "g": rng.integers(10, 60, n),
            "h": rng.choice(list("gfedcba"), n),
            "f": rng.choice(["u", "v", "w"], n),
            "b": rng.random(n) > 0.5,
            "k": rng.integers(1, 4, n),
            "w": rng.random(n) + 0.5,
            "odd name": rng.integers(0, 5, n) / 4,
            "rare": np.where(np.arange(n) == 1400, "late", "often"),
        }
    )
    frame["c"] = pd.Categorical(rng.choice(["lo", "mid", "hi"], n), categories=["lo", "mid", "hi", "never"])
    frame["y"] = frame.x + rng.normal(size=60)[frame.g] + rng.normal(size=4)[frame.k] + rng.normal(size=n)
    frame.loc[5:7, "x"] = np.nan
    frame.loc[20, "h"] = None
    frame.loc[30, "c"] = np.nan
    frame.loc[700:1000, "z"] = np.nan  # a whole batch without a complete row
    return frame


@pytest.fixture(scope="module", params=[97, 300, 5000])
def path(request, data, tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("parquet") / "rows.parquet"
    data.to_parquet(path, row_group_size=request.param)
    return str(path)


@pytest.mark.parametrize("formula", FORMULAS)
@pytest.mark.parametrize("beside", [{}, {"weights": "w", "offset": "z"}], ids=["plain", "weighted"])
def test_rows_read_in_batches_are_coded_as_rows_in_memory(formula, beside, data, path):
    parsed = parse(formula)
    whole = build_design(parsed, data, **beside)
    streamed = build_streamed_design(parsed, open_source(path), **beside)
    batches = list(streamed.batches(211))

    def joined(part):
        return np.concatenate([part(b) for b in batches])

    assert streamed.n == whole.n
    assert streamed.x_names == whole.x_names
    assert streamed.dropped == whole.dropped
    np.testing.assert_allclose(joined(lambda b: b.y), whole.y, rtol=ROUNDING, atol=ROUNDING)
    np.testing.assert_allclose(joined(lambda b: b.X), whole.X, rtol=ROUNDING, atol=ROUNDING)
    np.testing.assert_array_equal(joined(lambda b: b.rows), whole.rows)
    for k, (own, wanted) in enumerate(zip(streamed.blocks, whole.blocks, strict=True)):
        assert own.term == wanted.term
        assert own.cnames == wanted.cnames
        assert own.levels.tolist() == wanted.levels.tolist()
        np.testing.assert_array_equal(own.members, wanted.members)
        np.testing.assert_array_equal(joined(lambda b, k=k: b.codes[k]), wanted.codes)
        np.testing.assert_allclose(joined(lambda b, k=k: b.bases[k]), wanted.basis, rtol=ROUNDING, atol=ROUNDING)
        np.testing.assert_array_equal(own.codes.counts, np.bincount(wanted.codes))
    for key in ("weights", "offset"):
        if getattr(whole, key) is not None:
            np.testing.assert_allclose(joined(lambda b, key=key: getattr(b, key)), getattr(whole, key), rtol=ROUNDING)


@pytest.mark.parametrize(
    "formula", ["y ~ x*f + (x|g) + (1|h)", "y ~ np.log(x - 2) + (1|g) + (1|k)", "y ~ 0 + x + (1|g)"]
)
@pytest.mark.parametrize("beside", [{}, {"weights": "w"}], ids=["plain", "weighted"])
@pytest.mark.filterwarnings("ignore::lmmtools.LmmWarning")
def test_a_fit_to_rows_read_in_batches_is_that_to_rows_in_memory(formula, beside, data, path):
    whole = declare(formula, data, **beside).fit()
    streamed = declare(formula, path, **beside).fit()
    assert streamed.objective == pytest.approx(whole.objective, rel=1e-10)
    np.testing.assert_allclose(streamed.params, whole.params, rtol=1e-8)
    np.testing.assert_allclose(streamed.theta, whole.theta, rtol=1e-6)
    assert streamed.warnings == whole.warnings


WRONG = (
    ("y ~ w + (1|g)", lambda d: d.assign(y=2.0)),
    ("y ~ f + (1|g)", lambda d: d.assign(f="one")),
    ("y ~ x + (1|g)", lambda d: d.assign(x=d.x.where(d.index != 11, np.inf))),
    ("y ~ np.log(x - x) + (1|g)", lambda d: d),
    ("f ~ x + (1|g)", lambda d: d),
    ("b ~ x + (1|g)", lambda d: d),
    ("y ~ np.log(f) + (1|g)", lambda d: d.assign(f=np.sort(d.f))),
    ("y ~ x + day + (1|g)", lambda d: d.assign(day=pd.Timestamp("2026-01-01"))),
    ("y ~ x + nothing + (1|g)", lambda d: d),
    ("y ~ x + (1|g)", lambda d: d.assign(x=np.nan)),
    ("y ~ np.sqrt(-1 - x**2) + (1|g)", lambda d: d),
    ("y ~ x + (1|g)", lambda d: d.assign(x=d.x * 1e-2 + 1e8)),
    ("y ~ x + (1|g)", lambda d: d.assign(x=d.x * 1e200)),
    ("y ~ x + (1|g)", lambda d: d.iloc[:0]),
)


@pytest.mark.parametrize(("formula", "change"), WRONG, ids=[str(i) for i in range(len(WRONG))])
def test_what_is_wrong_with_the_data_is_said_in_the_same_words(formula, change, data, tmp_path):
    changed = change(data)
    path = tmp_path / "rows.parquet"
    changed.to_parquet(path, row_group_size=400)
    with pytest.raises(lmt.LmmError) as of_frame:
        build_design(parse(formula), pd.read_parquet(path))
    # Of a file, rows are named by their place in it, and cures are no code for a frame, read into memory or not.
    with pytest.raises(type(of_frame.value)) as in_memory:
        build_source_design(parse(formula), open_source(path), stream=False)
    with pytest.raises(type(of_frame.value)) as streamed:
        build_streamed_design(parse(formula), open_source(path))
    assert str(streamed.value) == str(in_memory.value)
    assert str(streamed.value)[:30] == str(of_frame.value)[:30]


def test_levels_are_named_alike_whatever_holds_missing_values(tmp_path):
    """Whole numbers stay whole and truth values true or false: as R names them, and as a column without NA is named."""
    rng = np.random.default_rng(5)
    frame = pd.DataFrame({"y": rng.normal(size=60), "i": rng.integers(0, 3, 60), "t": rng.random(60) < 0.5})
    frame["g"] = frame.index % 7
    masked = frame.astype({"i": "Int64", "t": "boolean", "g": "Int64"})
    masked.loc[3, "i"] = masked.loc[5, "t"] = masked.loc[8, "g"] = pd.NA
    masked.to_parquet(tmp_path / "rows.parquet")
    table = pytest.importorskip("pyarrow").Table.from_pandas(masked)
    as_objects = masked.astype(object).where(masked.notna(), None).astype({"y": float})
    kinds = {"masked": masked, "arrow": table, "objects": as_objects}
    kinds["backed"] = masked.convert_dtypes(dtype_backend="pyarrow")
    kinds |= {"file": tmp_path / "rows.parquet", "whole": frame.drop(index=[3, 5, 8])}
    kinds["polars"] = pytest.importorskip("polars").from_pandas(masked)
    for kind, data in kinds.items():
        for stream in (False, True) if kind == "file" else (None,):
            design = lmt.lmm("y ~ C(i) + t + (1|g) + (1|i:t)", data, stream=stream).design
            assert design.x_names == ("Intercept", "C(i)[T.1]", "C(i)[T.2]", "t[T.True]"), kind
            assert design.blocks[0].levels.tolist() == list(range(7)), kind
            assert design.blocks[1].levels.tolist() == [f"{i}:{t}" for i in range(3) for t in (False, True)], kind


@pytest.mark.parametrize("weights", [0.0, -1.0])
def test_weights_that_are_not_positive_are_refused_in_the_same_words(weights, data, tmp_path):
    changed = data.assign(w=data.w.where(data.index != 900, weights))
    path = tmp_path / "rows.parquet"
    changed.to_parquet(path, row_group_size=400)
    said = []
    for make in (
        lambda: build_design(parse("y ~ x + (1|g)"), changed, weights="w"),
        lambda: build_streamed_design(parse("y ~ x + (1|g)"), open_source(path), weights="w"),
    ):
        with pytest.raises(DataError) as error:
            make()
        said.append(str(error.value))
    assert said[0] == said[1]


@pytest.mark.parametrize(
    ("call", "cure"),
    [
        ("poly(x, 2)", "raw=True"),
        ("bs(x, df=5)", "poly(x, 3, raw=True)"),
        ("cr(x, df=5)", "poly(x, 3, raw=True)"),
        ("lag(x)", "a column of the data"),
    ],
)
def test_functions_of_a_whole_column_are_refused_with_their_cure(call, cure, path):
    with pytest.raises(DataError, match=r"needs the whole column at once") as error:
        declare(f"y ~ {call} + (1|g)", path)
    assert cure in str(error.value)


def test_values_beside_the_rows_are_refused(path):
    with pytest.raises(DataError, match="takes the name of a column"):
        declare("y ~ x + (1|g)", path, weights=np.ones(3))
