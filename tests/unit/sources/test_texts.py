"""CSV and other texts of columns give what the command line reads of the whole file."""

from __future__ import annotations

import bz2
import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lmmtools.cli.files import read_data
from lmmtools.errors import DataError
from lmmtools.sources import as_columns, open_source

pa = pytest.importorskip("pyarrow")

TEXTS = {
    "plain.csv": "y,x,f\n1.5,1,a\n-2e3,2,b\nNA,3,\n,4,NA\n",
    "labels among numbers.csv": "id,y\n1,1\n2,2\n3,3\nA7,4\n5,5\n",
    "numbers of many kinds.csv": "a,b,c\n0x1F,+1,nan\n2,.5,inf\n 3 ,1.,-Infinity\n4,1e5,1\n5,NA,2\n",
    "truth.csv": "a,b,c,d\nTRUE,T,true,1\nFALSE,F,,0\nTRUE,F,False,TRUE\nFALSE,T,NA,0\n",
    "commas.csv": "y;x;f\n1,5;2;a,b\n2,25;3;c\n1e3;4,5;d\n",
    "thousands.tsv": "a\tb\n1,234\t1,5\n2,000\t2,5\n10\t3\n",
    "declared.csv": "sep=;\ny;x\n1;2\n3;4\n5;6\n",
    "semicolons.txt": "y;x\n1;2\n3;4\n",
    "row names.csv": 'y,x\n"1",5,7\n"2",6,8\n"3",7,9\n',
    "separators at ends.csv": "y,x\n1,2,\n3,4,\n5,6,\n",
    "short rows.csv": "y,x,f\n1,2,a\n3\n4,5\n",
    "quotes.csv": 'y,"a ""b""",f\n1,"x, y","line\nbreak"\n2,"NA",b\n3,z,""\n',
    "spaced.csv": "y, x, f\n1, 2, a\n3, 4, b\n",
    "no name.csv": ",y\na,1\nb,2\n",
    "mark.csv": "\ufeffy,x\n1,2\n3,4\n",
    "large.csv": f"a,b\n{2**63 + 5},1\n7,{2**70}\n9,3\n",
    "empty columns.csv": "a,b\n,1\nNA,2\n,3\n",
    "numbers at first.csv": "a,b\n1,TRUE\n2,1\n3,FALSE\n",
    "half truth.csv": "a\nTRUE\nmaybe\nFALSE\n",
    "missing first.csv": "a,b\n,\nNA,NA\n1,T\n2,F\n",
}


def read(path: Path) -> pd.DataFrame:
    source = open_source(path)
    assert source is not None
    batches = [pd.DataFrame(as_columns(b)).astype(object) for b in source.batches(source.columns)]
    return pd.concat(batches, ignore_index=True)


@pytest.mark.parametrize("rows", [1, 2, 1000])
@pytest.mark.parametrize("name", list(TEXTS))
def test_texts_read_as_the_command_line_reads_them(
    tmp_path: Path, name: str, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lmmtools.sources.text_file.BATCH_ROWS", rows)
    path = tmp_path / name
    path.write_text(TEXTS[name], encoding="utf-8")
    expected, got = read_data(str(path)), read(path)
    assert got.columns.tolist() == expected.columns.tolist()
    for column in expected:
        is_number = pd.api.types.is_numeric_dtype(expected[column].dtype)
        if is_number and expected[column].dtype != bool:
            np.testing.assert_array_equal(got[column].astype(float), expected[column].astype(float))
        else:
            wanted = expected[column].astype(object)
            assert got[column].where(got[column].notna(), None).tolist() == wanted.where(wanted.notna(), None).tolist()


def test_a_label_in_another_file_makes_labels_of_a_column(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text("id,y\n01,1\n2,2\n")
    (tmp_path / "2.csv").write_text("y,id\n3,A7\n")
    got = read(tmp_path)
    assert got["id"].tolist() == ["01", "2", "A7"]
    assert got["y"].tolist() == [1, 2, 3]


def test_whole_and_other_numbers_in_two_files_are_numbers(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text("y\n1\n")
    (tmp_path / "2.csv").write_text("y\n0x10\n")
    (tmp_path / "3.csv").write_text("y\n")
    assert read(tmp_path)["y"].tolist() == [1.0, 16.0]


@pytest.mark.parametrize(("ending", "pack"), [(".gz", gzip.compress), (".bz2", bz2.compress)])
def test_packed_texts_are_unpacked(tmp_path: Path, ending: str, pack: object) -> None:
    path = tmp_path / f"t.csv{ending}"
    path.write_bytes(pack(b"y,f\n1,a\n2,b\n"))  # type: ignore[operator]
    assert read(path).to_dict("list") == {"y": [1, 2], "f": ["a", "b"]}
    assert open_source(path).rows() == 2  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("y,x\n1,2\n3,4\n5,6,7\n8,9\n", r"Expected 2 fields in line 4, saw 3"),
        ('y,x\n1,2\n3,"4\n5,6\n', r"starting at row 2"),
        ("", r"is empty; the first line must name the columns"),
        ("# made by hand\ny,x\n1,2\n", r"begins with a comment, '# made by hand'"),
        ("y,x\n1,2,\n3,4,5\n", r"rows have more cells than the first line, which has 2"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(DataError, match=rf"t\.csv cannot be read as a table: .*{message}"):
        open_source(tmp_path / "t.csv")


def test_another_encoding_is_named(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes("y,f\n1,Zürich\n".encode("cp1252"))
    with pytest.raises(DataError, match=r"t\.csv is no text in utf-8"):
        open_source(tmp_path / "t.csv")


def test_columns_that_blanks_separate_are_refused_with_the_cure(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("y x\n1 2\n")
    with pytest.raises(DataError, match=r"blanks separate its columns; .* commas, tabs or semicolons"):
        open_source(tmp_path / "t.txt")


def test_a_text_that_grows_between_the_passes_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("y\n1\n")
    source = open_source(path)
    assert source is not None
    path.write_text("y\n1\n2\n")
    with pytest.raises(DataError, match="has grown from 4 to 6 bytes"):
        list(source.batches(["y"]))
