"""A model on a small file is the model on the frame that the file holds, in all that a fit says; batches on request."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import lmmtools as lmt
from lmmtools.cli import main
from lmmtools.errors import DataError
from lmmtools.sources import whole

pytest.importorskip("pyarrow")
pytestmark = pytest.mark.filterwarnings("ignore::lmmtools.LmmWarning")

FORMULA = "y ~ poly(x, 2) + f + (1|g)"


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> str:
    rng = np.random.default_rng(3)
    n = 200
    frame = pd.DataFrame({"x": rng.normal(size=n), "f": rng.choice(["u", "v"], n), "g": rng.integers(0, 9, n)})
    frame["y"] = frame.x + rng.normal(size=9)[frame.g] + rng.normal(size=n)
    frame["other"] = 2 * frame.y + rng.normal(size=n)
    frame.loc[4, "x"] = np.nan
    path = tmp_path_factory.mktemp("csv") / "rows.csv"
    frame.to_csv(path, index=False)
    return str(path)


@pytest.fixture(scope="module")
def frame(path):
    return pd.read_csv(path)


@pytest.fixture(scope="module")
def fits(path, frame):
    return lmt.lmm(FORMULA, frame).fit(), lmt.lmm(FORMULA, path).fit()


SAME = {
    "criterion": lambda fit: fit.objective,
    "resid": lambda fit: fit.resid,
    "influence": lambda fit: fit.influence("g").to_frame().select_dtypes("number"),
    "simulate": lambda fit: fit.simulate(2, rng=1),
    "bootstrap": lambda fit: fit.bootstrap(2, rng=1).draws,
    "agreement": lambda fit: fit.agreement.objective,
    "augment": lambda fit: fit.augment().select_dtypes("number"),
    "update": lambda fit: fit.update(". ~ . - f + other").params,
    "leverages": lambda fit: fit.hat_values,
}


@pytest.mark.parametrize("what", SAME)
def test_all_numbers_are_those_of_the_frame(what, fits):
    wanted, found = (SAME[what](fit) for fit in fits)
    np.testing.assert_array_equal(np.asarray(found), np.asarray(wanted))


def test_the_summary_and_the_design_tell_where_the_rows_are(fits, path):
    assert not fits[1].design.is_streamed
    assert f"all rows of {path} were read into memory" in " ".join(str(fits[1].summary()).split())
    assert "read into memory" not in str(fits[0].summary())
    streamed = lmt.lmm("y ~ x + f + (1|g)", path, stream=True).fit()
    assert streamed.design.is_streamed
    assert "rows are read in batches when they are needed" in str(streamed.summary())
    assert streamed.objective == pytest.approx(lmt.lmm("y ~ x + f + (1|g)", path).fit().objective, rel=1e-12)


def test_a_changed_model_is_read_as_the_first_one_was(path):
    for stream in (None, True, False):
        changed = lmt.lmm("y ~ x + (1|g)", path, stream=stream).update("~ . + f")
        assert changed.design.is_streamed == bool(stream)


def test_more_than_is_read_into_memory_unasked_is_on_request(path, monkeypatch):
    monkeypatch.setattr(whole, "WHOLE_VALUES", 599)
    assert lmt.lmm("y ~ x + (1|g)", path).design.is_streamed
    assert not lmt.lmm("y ~ 1 + (1|g)", path).design.is_streamed  # 400 values
    fit = lmt.lmm("y ~ x + (1|g)", path, stream=False).fit()
    assert not fit.design.is_streamed
    assert lmt.read_json(fit.to_json()).provenance.call.startswith(f"lmt.lmm('y ~ x + (1|g)', {path!r}, stream=False)")


def test_the_call_in_a_record_is_code(path, capsys):
    """A path is quoted, from the command line too; a query has no name."""
    duckdb = pytest.importorskip("duckdb")
    query = duckdb.sql(f"select * from '{path}'")
    folder = str(Path(path).parent)
    assert main(["fit", folder, "y ~ x + (1|g)", "--json"]) == 0
    calls = [lmt.read_json(lmt.lmm("y ~ x + (1|g)", d).fit().to_json()).provenance.call for d in (query, [path])]
    calls.append(lmt.read_json(capsys.readouterr().out).provenance.call)
    for call, data in zip(calls, ("data", repr([path]), repr(folder)), strict=True):
        assert call.startswith(f"lmt.lmm('y ~ x + (1|g)', {data}).fit(")


def test_other_columns_of_the_file_are_there(fits, path, tmp_path):
    in_memory, read = fits
    other = pd.read_csv(path).other[in_memory.design.rows]
    assert read.refit("other").objective == in_memory.refit(other).objective
    with pytest.raises(DataError, match="have no column 'othr'"):
        read.refit("othr")
    written = pd.read_parquet(read.augment(tmp_path / "out"))
    assert written.other.tolist() == other.tolist()
    np.testing.assert_array_equal(written.fitted, in_memory.fittedvalues)


def test_weights_beside_the_rows_go_with_rows_in_memory(path):
    weights = np.linspace(0.5, 2.0, 200)
    wanted = lmt.lmm("y ~ x + (1|g)", pd.read_csv(path), weights=weights).fit()
    assert lmt.lmm("y ~ x + (1|g)", path, weights=weights).fit().objective == wanted.objective


def test_a_frame_in_memory_is_not_streamed(path):
    with pytest.raises(DataError, match="stream='yes' is not an option"):
        lmt.lmm("y ~ x + (1|g)", path, stream="yes")
    with pytest.raises(DataError, match="data are in memory already"):
        lmt.lmm("y ~ x + (1|g)", pd.read_csv(path), stream=True)
