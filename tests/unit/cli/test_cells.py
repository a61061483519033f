"""Text files as R's read.csv reads them, against what R made of the same files (tests/reference/make_read_csv.R)."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pandas as pd
import pytest

from lmmtools.cli import main
from lmmtools.cli.files import read_data
from lmmtools.errors import DataError

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
