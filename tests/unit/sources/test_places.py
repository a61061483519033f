"""Messages name the file and the row in it as people count, and cures that go with data that are no frame."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import lmmtools as lmt
from lmmtools.cli import main
from lmmtools.errors import DataError
from lmmtools.sources import open_source

pytest.importorskip("pyarrow")

ROWS = 60


@pytest.fixture
def folder(tmp_path):
    """Three CSV files of 20 rows, the last with faults in its sixth row."""
    rng = np.random.default_rng(2)
    data = pd.DataFrame({"y": rng.normal(size=ROWS), "x": rng.normal(size=ROWS), "g": rng.integers(0, 6, ROWS)})
    data["t"] = data["x"].astype(str)
    data["w"] = data["x"].where(data.index != 45, np.inf)
    data.loc[45, "t"] = "oops"
    data.loc[[0, 1, 2], "x"] = np.nan  # positions are those in the data, not among the complete rows
    (tmp_path / "rows").mkdir()
    for i in range(3):
        data[20 * i : 20 * i + 20].to_csv(tmp_path / "rows" / f"{i}.csv", index=False)
    return tmp_path / "rows"


FAULTS = {
    "y ~ x + w + (1|g)": r"Column 'w' has 1 infinite value \(first in row 6 of .*2\.csv\)",
    "y ~ x + log(t) + (1|g)": r"'oops' in row 6 of .*2\.csv is no number .*: in SQL try_cast\(t as double\), in",
    "t ~ x + (1|g)": r"Column 't' is the response .*'oops' in row 6 of .*2\.csv is no number",
}


@pytest.mark.filterwarnings("ignore::lmmtools.LmmWarning")
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("formula", FAULTS)
def test_the_file_and_its_row_are_named(formula, stream, folder):
    with pytest.raises(DataError, match=FAULTS[formula]):
        lmt.lmm(formula, folder, stream=stream)


def test_the_command_line_names_them_too_and_gives_its_own_cure(folder, capsys):
    assert main(["fit", str(folder), "t ~ x + (1|g)"]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "'oops' in row 6 of" in said
    assert "2.csv is no number" in said
    assert "add --na oops" in said


@pytest.mark.parametrize("stream", [True, False])
def test_rows_of_a_query_are_counted_from_one(folder, stream):
    duckdb = pytest.importorskip("duckdb")
    query = duckdb.sql(f"select * from '{folder}/2.csv'")
    with pytest.raises(DataError, match=r"first in row 6 of the DuckDB relation"):
        lmt.lmm("y ~ w + (1|g)", query, stream=stream)


def test_a_text_that_the_first_rows_do_not_show_is_found(tmp_path, monkeypatch):
    monkeypatch.setattr("lmmtools.design.survey.HEAD", 10)
    cells = [f"{i}" for i in range(50)]
    cells[40] = "none"
    pd.DataFrame({"y": cells, "g": np.arange(50) % 5}).to_parquet(tmp_path / "rows.parquet")
    with pytest.raises(
        DataError, match=r"'none' in row 41 of .*rows\.parquet is no number \(49 of the 50 values are\)"
    ):
        lmt.lmm("y ~ 1 + (1|g)", tmp_path / "rows.parquet", stream=True)


def test_places_of_parts_whose_rows_are_not_known_are_of_the_whole():
    dd = pytest.importorskip("dask.dataframe")
    source = open_source(dd.from_pandas(pd.DataFrame({"x": range(9)}), npartitions=3))
    assert source.place(4) == "row 5 of the dask frame"


def test_a_frame_in_memory_has_the_labels_of_its_index(folder):
    data = pd.concat([pd.read_csv(folder / f"{i}.csv") for i in range(3)], ignore_index=True)
    with pytest.raises(DataError, match=r"first in row 45\)\. Correct them"):
        lmt.lmm("y ~ w + (1|g)", data)
    with pytest.raises(DataError, match=r"missing value: pd\.to_numeric\(data\['t'\], errors='coerce'\)\."):
        lmt.lmm("t ~ y + (1|g)", data)


def test_translate_takes_what_models_take(folder):
    data = pd.concat([pd.read_csv(folder / f"{i}.csv") for i in range(3)], ignore_index=True)
    assert str(lmt.translate("y ~ x + (1|g)", folder)) == str(lmt.translate("y ~ x + (1|g)", data))


def test_a_query_as_text_and_a_connection_are_no_data():
    duckdb = pytest.importorskip("duckdb")
    with pytest.raises(DataError, match=r"is a query and no path\. Give what it selects: duckdb\.sql\(.select"):
        lmt.lmm("y ~ x + (1|g)", "select * from 'rows.csv'")
    with pytest.raises(DataError, match=r'connection\.sql\("select'):
        lmt.lmm("y ~ x + (1|g)", duckdb.connect())


def test_structure_takes_what_models_take(folder):
    data = pd.concat([pd.read_csv(folder / f"{i}.csv") for i in range(3)], ignore_index=True).assign(h=[1, 2, 3] * 20)
    wanted = str(lmt.structure(data, ["g", "h"]))
    data.to_csv(folder / "rows.csv", index=False)
    assert str(lmt.structure(folder / "rows.csv", ["g", "h"])) == wanted
    with pytest.raises(DataError, match="have no column 'k'"):
        lmt.structure(str(folder / "rows.csv"), ["g", "k"])


def test_structure_of_more_than_memory_says_so(folder, monkeypatch):
    monkeypatch.setattr("lmmtools.sources.whole.WHOLE_VALUES", 2 * ROWS)
    assert lmt.structure(folder, ["g", "t"]).n_rows == ROWS  # two columns of five
    monkeypatch.setattr("lmmtools.sources.whole.WHOLE_VALUES", 2 * ROWS - 1)
    with pytest.raises(DataError, match=r"needs g and t of all rows in memory, and .*rows has more"):
        lmt.structure(folder, ["g", "t"])
