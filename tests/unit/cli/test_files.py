"""Tables as people have them: whatever separates columns, whatever writes decimals, whatever holds them."""

from __future__ import annotations

import gzip
import io
import sys

import pandas as pd
import pytest

import lmmtools as lmt
from lmmtools.cli import main
from lmmtools.cli.files import read_data
from lmmtools.errors import DataError

PASTES = lmt.datasets.load("Pastes")[["strength", "batch", "cask"]]
CELLS = {name: column.tolist() for name, column in PASTES.items()}
FORMULA = "strength ~ 1 + (1|batch/cask)"


def write(path, **options):
    PASTES.to_csv(path, index=False, **options)
    return str(path)


def pipe(monkeypatch, content):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content), encoding="utf-8"))


def cells(frame):
    return {name: column.tolist() for name, column in frame.items()}


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".txt", ".csv.gz", "-"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_the_first_line_tells_what_separates_columns(tmp_path, monkeypatch, ending, separator, encoding):
    if ending == "-":
        pipe(monkeypatch, PASTES.to_csv(index=False, sep=separator).encode(encoding))
        frame = read_data("-")
    else:
        frame = read_data(write(tmp_path / f"pastes{ending}", sep=separator, encoding=encoding))
    assert cells(frame) == CELLS


@pytest.mark.parametrize("separator", [";", "\t"])
def test_decimal_commas_are_numbers_where_no_comma_separates_columns(tmp_path, separator):
    assert cells(read_data(write(tmp_path / "pastes.csv", sep=separator, decimal=","))) == CELLS


def test_labels_with_commas_stay_labels(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("y;g\n1,5;1,a\n2;2,b\n3,25;1,a\n")
    frame = read_data(str(path))
    assert frame["y"].tolist() == [1.5, 2.0, 3.25]
    assert frame["g"].tolist() == ["1,a", "2,b", "1,a"]


def test_a_quoted_separator_separates_nothing(tmp_path):
    path = tmp_path / "quoted.csv"
    path.write_text('"a;b", "c|d"\n1, "x"\n2, "y"\n')
    frame = read_data(str(path))
    assert list(frame.columns) == ["a;b", "c|d"]
    assert frame["c|d"].tolist() == ["x", "y"]


def test_what_r_writes_is_read(tmp_path):
    path = tmp_path / "table.txt"
    path.write_text('"strength" "batch"\n"1" 62.8 "A"\n"2" NA "B"\n')
    frame = read_data(str(path))
    assert list(frame.columns) == ["strength", "batch"]
    assert frame["strength"].isna().tolist() == [False, True]
    assert frame["batch"].tolist() == ["A", "B"]


@pytest.mark.parametrize("kind", ["parquet", "gzip"])
def test_standard_input_is_read_whatever_it_holds(monkeypatch, kind):
    if kind == "parquet":
        pytest.importorskip("pyarrow")
        stream = io.BytesIO()
        PASTES.to_parquet(stream)
        content = stream.getvalue()
    else:
        content = gzip.compress(PASTES.to_csv(index=False).encode())
    pipe(monkeypatch, content)
    assert cells(read_data("-")) == CELLS


def test_a_name_that_two_columns_have_is_refused_where_it_is_used(capsys, tmp_path):
    path = tmp_path / "twice.csv"
    PASTES.assign(again=PASTES["batch"]).set_axis(["strength", "batch", "cask", "batch"], axis=1).to_csv(path)
    assert main(["fit", str(path), FORMULA]) == 2
    assert "2 columns named 'batch'" in capsys.readouterr().err
    assert main(["fit", str(path), "strength ~ 1 + (1|cask)", "--engine", "pls"]) == 0
    assert main(["fit", str(path), "strength ~ 1 + (1|cask)", "--factor", "batch"]) == 2
    assert "2 columns of that name" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("encoding", "named"), [("cp1252", "cp1252"), ("utf-16", "utf-16"), ("utf-16-le", "utf-16-le")]
)
def test_another_encoding_is_refused_with_an_option_that_reads_it(capsys, tmp_path, encoding, named):
    path = tmp_path / "data.csv"
    PASTES.rename(columns={"batch": "bätch"}).to_csv(path, index=False, encoding=encoding)
    assert main(["fit", str(path), "strength ~ 1 + (1|bätch)"]) == 2
    error = capsys.readouterr().err
    assert f"--encoding {named}" in error
    assert "iconv" not in error  # which Windows has not
    assert main(["fit", str(path), "strength ~ 1 + (1|bätch)", "--engine", "pls", "--encoding", named]) == 0


@pytest.mark.parametrize("encoding", ["nonsense", "hex", "undefined"])
def test_an_encoding_that_is_none_is_one_clear_error(capsys, tmp_path, encoding):
    assert main(["fit", write(tmp_path / "data.csv"), FORMULA, "--encoding", encoding]) == 2
    assert "there is no such encoding of text" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("data.csv", b"a,b\n1,2\n3,4,5\n", "Expected 2 fields in line 3, saw 3"),
        ("data.csv", b"\n\n", "is empty"),
        ("data.csv", b'a,b\n1,"x\n', "EOF inside string"),
        ("data.csv.gz", b"a,b\n1,2\n", "cannot be read as a table"),
        ("data.csv.gz", gzip.compress(b"a,b\n1,2\n" * 99, mtime=0)[:-9], "cannot be read as a table"),
        ("data.parquet", b"no", "cannot be read as a table"),
        ("data.xlsx", b"PK", "as CSV"),
        ("data", b"a,b\n", "files without ending"),
    ],
)
def test_what_is_no_table_is_named(capsys, tmp_path, name, content, said):
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    path = tmp_path / name
    path.write_bytes(content)
    assert main(["fit", str(path), "a ~ 1 + (1|b)"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("lmmtools: ")
    assert str(path) in error
    assert said in error
    assert "tokeniz" not in error


def test_closed_standard_input_is_named(monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(DataError, match="standard input is closed"):
        read_data("-")
    assert main(["lint", "-"]) == 2
    assert main(["compare", "--with", "-", "-"]) == 2


def test_columns_keep_their_types_whatever_separates_them(tmp_path):
    path = tmp_path / "types.csv"
    path.write_text("n;b;t;e\n1;True;x;\n2;False;1,2,3;\n")
    frame = read_data(str(path))
    assert [pd.api.types.infer_dtype(frame[c].dropna()) for c in ("n", "b", "t")] == ["integer", "boolean", "string"]
    assert frame["e"].isna().all()
