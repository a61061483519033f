"""Tables as people have them: whatever separates columns, whatever writes decimals, whatever holds them.

What cells are is compared with what R's read.csv made of the same files (tests/reference/make_read_csv.R).
"""

from __future__ import annotations

import gzip
import io
import json
import math
import sys
from pathlib import Path

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


FILES = json.loads((Path(__file__).parents[2] / "reference" / "read_csv.json").read_text(encoding="utf-8"))["files"]

# What is read otherwise than R reads it, and why.
OTHERWISE = {
    # The two words are labels in R; as truth values they make the same factor.
    "true and false": {"a": ["1", "1"], "g": ["TRUE", "FALSE"]},
    "True and False": {"a": ["1", "1"], "g": ["TRUE", "FALSE"]},
    # R takes the first of the two cells for the row's name and the empty one for g.
    "separator at the end of rows": {"a": ["1", "3"], "g": ["2", "4"]},
    # R keeps the blank in all labels, and calls g "X.g" had the line of names none.
    "blank behind separators": {"a": ["1", "2"], "g": ["x", "z"]},
    # R's read.csv knows one separator.
    "line sep=;": {"a": ["1"], "g": ["2"]},
    "semicolons": {"a": ["1"], "g": ["2"]},
    # R reads these to something that nobody means: rows are broken, or the comment names a column.
    "long row": DataError,
    "comment line": DataError,
    # R renames the second; here both keep their name, and a formula that has it is refused.
    "a name twice": {"a": ["1"], "a again": ["2"]},
}


def write_value(value) -> str | None:
    if isinstance(value, str):
        return value
    if pd.isna(value):
        return None
    if isinstance(value, bool) or type(value).__name__ == "bool":
        return str(bool(value)).upper()
    return str(value).capitalize() if math.isinf(value) else f"{float(value):.17g}"


def read(path, content: str, **options):
    path.write_text(content, encoding="utf-8", newline="")
    return read_data(str(path), **options)


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_what_r_makes_of_it(tmp_path, name):
    expected = OTHERWISE.get(name, FILES[name].get("values"))
    if expected is DataError:
        with pytest.raises(DataError):
            read(tmp_path / "a.csv", FILES[name]["text"])
        return
    frame = read(tmp_path / "a.csv", FILES[name]["text"])
    names = [f"{c} again" if c in list(frame.columns)[:j] else c for j, c in enumerate(frame.columns)]
    came = {
        n: [
            write_value(v).replace("-inf", "-Inf") if isinstance(v, float) and math.isinf(v) else write_value(v)
            for v in frame.iloc[:, j]
        ]
        for j, n in enumerate(names)
    }
    assert came == expected


@pytest.mark.live_r
def test_the_record_of_read_csv_is_that_of_the_r_at_hand(tmp_path):
    import shutil
    import subprocess

    if shutil.which("Rscript") is None:
        pytest.skip("no R")
    script = Path(__file__).parents[2] / "reference" / "make_read_csv.R"
    done = subprocess.run(["Rscript", str(script)], capture_output=True, check=True)
    assert json.loads(done.stdout)["files"] == FILES


def test_tokens_for_missing_are_added_to_na(tmp_path):
    frame = read(tmp_path / "a.csv", "y,arm\n1,None\n-,NA\n3,-\n", missing=["-"])
    assert frame["y"].isna().tolist() == [False, True, False]
    assert frame["y"].dtype.kind == "f"
    assert frame["arm"].isna().tolist() == [False, True, True]


def test_an_empty_token_makes_empty_texts_missing(tmp_path):
    assert read(tmp_path / "a.csv", "y,arm\n1,\n2,b\n", missing=[""])["arm"].isna().tolist() == [True, False]


@pytest.mark.parametrize(
    ("cells", "levels"),
    [
        (["10", "9", "9", ""], ["9", "10"]),  # in the order of numbers; an empty cell is missing, as factor(x) has it
        (["01", "1", "10"], ["01", "1", "10"]),
        (["T", "F", "T"], ["F", "T"]),
        (["b", "", "NA"], ["", "b"]),
        (["1,5", "2,25"], ["1,5", "2,25"]),
        (["1e1", "9"], ["9", "1e1"]),
    ],
)
def test_a_declared_factor_has_its_labels_as_written(tmp_path, cells, levels):
    frame = read(tmp_path / "a.csv", "y;g\n" + "".join(f"1;{cell}\n" for cell in cells), factors=["g"])
    assert frame["g"].cat.categories.tolist() == levels


@pytest.mark.parametrize("ending", ["tsv", "csv"])
def test_three_digits_behind_each_comma_are_thousands_or_decimals_which_only_a_semicolon_settles(tmp_path, ending):
    separator = "\t" if ending == "tsv" else ";"
    frame = read(tmp_path / f"a.{ending}", f"y{separator}g\n5,011{separator}a\n4,000{separator}b\n")
    assert frame["y"].tolist() == (["5,011", "4,000"] if ending == "tsv" else [5.011, 4.0])


# The cell that spoils a column of numbers -> what the message says of it.
CULPRITS = {
    "missing": "'missing' in row 3 is no number (11 of the 12 values are)",
    "None": "add --na None",
    "1.2.3": "'1.2.3' in row 3 is no number",
    "1,234": "'1,234' in row 3 is a number with thousands separators or a decimal comma",
    "1,234.5": "with thousands separators",
    "1.234,5": "with thousands separators and a decimal comma",
    "3,5": "with a decimal comma",
    "5 kg": "with a unit",
    "50%": "with a percent sign",
    "$4.50": "with a currency",
    "\u22123.5": "with a minus sign that is no hyphen",
}


@pytest.mark.parametrize("cell", CULPRITS)
def test_the_cell_that_spoils_a_column_of_numbers_is_named_with_its_row(capsys, tmp_path, cell):
    path = tmp_path / "a.csv"
    rows = [f'"{cell if i == 2 else i * 1.5}",{i % 5},{i // 3}' for i in range(12)]
    path.write_text("y,x,g\n" + "\n".join(rows) + "\n", encoding="utf-8")
    assert main(["fit", str(path), "y ~ x + (1|g)"]) == 2
    error = capsys.readouterr().err
    assert CULPRITS[cell] in error
    assert "pd." not in error
    assert "data[" not in error


def test_a_covariate_that_one_word_made_a_factor_is_remarked_on(capsys, tmp_path):
    path = tmp_path / "a.csv"
    rows = [f"{(i * 7) % 11},{'none' if i == 2 else i % 6},{i // 5}" for i in range(40)]
    path.write_text("y,x,g\n" + "\n".join(rows) + "\n")
    assert main(["fit", str(path), "y ~ x + (1|g)"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "x is a factor of 7 levels, of which 6 are numbers and 'none' is not" in printed
    assert main(["fit", str(path), "y ~ x + (1|g)", "--na", "none"]) == 0
    assert "is a factor" not in capsys.readouterr().out
