"""The data sets arrive as R has them: columns, level orders, types, values."""

from __future__ import annotations

import csv
import dataclasses
import gzip
import json
import subprocess
import sys
import time
from importlib.resources import files

import numpy as np
import pandas as pd
import pytest

from lmmtools import datasets
from lmmtools.errors import DataError

# Seconds; the measured times are about 0.03 and 0.002, the rest is for slow machines.
INSTEVAL_LOAD_LIMIT = 0.5
SMALL_LOAD_LIMIT = 0.05

SHAPES = {
    "Dyestuff": (30, 2),
    "Dyestuff2": (30, 2),
    "Penicillin": (144, 3),
    "Pastes": (60, 4),
    "sleepstudy": (180, 3),
    "cake": (270, 5),
    "InstEval": (73421, 7),
    "ergoStool": (36, 3),
    "Machines": (54, 3),
    "Oats": (72, 4),
    "Orthodont": (108, 4),
    "Oxide": (72, 5),
    "Rail": (18, 2),
    "RatPupWeight": (322, 5),
    "MathAchieve": (7185, 6),
    "radon": (919, 4),
}

# What R's levels() prints, with _ for a blank inside a label.
LEVELS = {
    ("Penicillin", "plate"): "a b c d e f g h i j k l m n o p q r s t u v w x",
    ("Penicillin", "sample"): "A B C D E F",
    ("Pastes", "cask"): "a b c",
    ("sleepstudy", "Subject"): "308 309 310 330 331 332 333 334 335 337 349 350 351 352 369 370 371 372",
    ("cake", "replicate"): "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15",
    ("cake", "temperature"): "175 185 195 205 215 225",
    ("InstEval", "studage"): "2 4 6 8",
    ("InstEval", "dept"): "15 5 10 12 6 7 4 8 9 14 1 3 11 2",
    ("ergoStool", "Subject"): "8 5 4 9 6 3 7 1 2",
    ("Machines", "Worker"): "6 2 4 1 3 5",
    ("Oats", "Block"): "VI V III IV II I",
    ("Oats", "Variety"): "Golden_Rain Marvellous Victory",
    ("Orthodont", "Sex"): "Male Female",
    ("Rail", "Rail"): "2 5 1 6 3 4",
    ("RatPupWeight", "Litter"): "9 8 7 4 2 10 1 3 5 6 21 22 24 27 26 25 23 17 11 14 13 15 16 20 19 18 12",
    ("RatPupWeight", "Treatment"): "Control Low High",
    ("Orthodont", "Subject"): (
        "M16 M05 M02 M11 M07 M08 M03 M12 M13 M14 M09 M15 M06 M04 M01 M10 F10 F09 F06 F01 F05 F07 F02 F08 F03 F04 F11"
    ),
}

ORDERED = {
    ("cake", "temperature"),
    ("InstEval", "studage"),
    ("InstEval", "lectage"),
    ("ergoStool", "Subject"),
    ("Machines", "Worker"),
    ("Oats", "Block"),
    ("Orthodont", "Subject"),
    ("Rail", "Rail"),
    ("RatPupWeight", "Litter"),
    ("RatPupWeight", "Treatment"),
    ("MathAchieve", "School"),
}

INTEGERS = {("cake", "angle"), ("InstEval", "y"), ("radon", "floor")}

# mean() in R, 15 digits.
MEANS = {
    ("Dyestuff", "Yield"): 1527.5,
    ("Dyestuff2", "Yield"): 5.6656,
    ("Penicillin", "diameter"): 22.9722222222222,
    ("Pastes", "strength"): 60.0533333333333,
    ("sleepstudy", "Reaction"): 298.507891666667,
    ("cake", "angle"): 32.1222222222222,
    ("InstEval", "y"): 3.2057449503548,
    ("ergoStool", "effort"): 10.25,
    ("Machines", "score"): 59.65,
    ("Oats", "yield"): 103.972222222222,
    ("Orthodont", "distance"): 24.0231481481481,
    ("Oxide", "Thickness"): 2000.15277777778,
    ("Rail", "travel"): 66.5,
    ("RatPupWeight", "weight"): 6.08096273291925,
    ("MathAchieve", "MathAch"): 12.7478526096033,
    ("radon", "log_radon"): 1.26477923714106,
}


def test_names_lists_every_data_set() -> None:
    assert datasets.names() == list(SHAPES)


@pytest.mark.parametrize("name", SHAPES)
def test_shape_and_index(name: str) -> None:
    frame = datasets.load(name)
    assert frame.shape == SHAPES[name]
    assert isinstance(frame.index, pd.RangeIndex)
    assert not frame.isna().to_numpy().any()


@pytest.mark.parametrize(("name", "column"), LEVELS)
def test_levels_keep_the_order_of_r(name: str, column: str) -> None:
    assert datasets.load(name)[column].cat.categories.str.replace(" ", "_").tolist() == LEVELS[name, column].split()


@pytest.mark.parametrize("name", SHAPES)
def test_column_types_are_those_of_r(name: str) -> None:
    for column, values in datasets.load(name).items():
        kind = {each.name: each.kind for each in datasets.describe(name).columns}[str(column)]
        if isinstance(values.dtype, pd.CategoricalDtype):
            assert values.cat.ordered == ((name, column) in ORDERED), column
            assert kind == ("ordered" if values.cat.ordered else "factor"), column
        else:
            assert values.dtype == (np.int64 if (name, column) in INTEGERS else np.float64), column
            assert kind == ("integer" if (name, column) in INTEGERS else "double"), column


@pytest.mark.parametrize(("name", "column"), MEANS)
def test_means_are_those_of_r(name: str, column: str) -> None:
    assert datasets.load(name)[column].mean() == pytest.approx(MEANS[name, column], rel=1e-14)


@pytest.mark.parametrize("name", SHAPES)
def test_every_level_occurs(name: str) -> None:
    for column in datasets.load(name).select_dtypes("category"):
        values = datasets.load(name)[column]
        assert set(values.cat.codes) == set(range(len(values.cat.categories))), column


@pytest.mark.parametrize("name", [name for name in SHAPES if name not in {"InstEval", "MathAchieve"}])
def test_values_are_those_of_the_file(name: str) -> None:
    text = (files("lmmtools.datasets") / "data" / f"{name}.csv").read_text(encoding="utf-8")
    header, *rows = csv.reader(text.splitlines())
    frame = datasets.load(name)
    assert frame.columns.tolist() == header
    for position, column in enumerate(header):
        expected = [row[position] for row in rows]
        if isinstance(frame[column].dtype, pd.CategoricalDtype):
            assert frame[column].astype(object).tolist() == expected, (position, column)
        else:
            assert frame[column].tolist() == [float(value) for value in expected], (position, column)


def test_insteval_first_and_last_rows() -> None:
    frame = datasets.load("InstEval").astype(object)
    assert frame.iloc[0].tolist() == ["1", "1002", "2", "2", "0", "2", 5]
    with gzip.open(str(files("lmmtools.datasets") / "data" / "InstEval.csv.gz"), "rt") as stream:
        last = stream.readlines()[-1].strip().split(",")
    assert [str(value) for value in frame.iloc[-1]] == last


def test_designs_are_what_the_descriptions_say() -> None:
    penicillin = datasets.load("Penicillin")
    assert (pd.crosstab(penicillin["plate"], penicillin["sample"]) == 1).to_numpy().all()

    pastes = datasets.load("Pastes")
    together = pastes["batch"].astype(object) + ":" + pastes["cask"].astype(object)
    assert together.tolist() == pastes["sample"].astype(object).tolist()

    cake = datasets.load("cake")
    assert cake["temperature"].astype(object).astype(float).tolist() == cake["temp"].tolist()

    ratings = datasets.load("InstEval")
    assert not ratings.duplicated(["s", "d"]).any()
    assert (ratings[["d", "dept"]].drop_duplicates()["d"].value_counts() == 1).all()

    oxide = datasets.load("Oxide")
    assert (oxide.groupby("Lot", observed=True)["Source"].nunique() == 1).all()

    pups = datasets.load("RatPupWeight")
    assert (pups.groupby("Litter", observed=True)["Treatment"].nunique() == 1).all()

    students = datasets.load("MathAchieve")
    assert (students.groupby("School", observed=True)["MEANSES"].nunique() == 1).all()

    houses = datasets.load("radon")["county"].value_counts()
    assert (len(houses), houses.min(), houses.max()) == (85, 1, 116)


@pytest.mark.parametrize(
    ("name", "column", "of", "statistic"),
    [
        ("ergoStool", "Subject", "effort", "mean"),
        ("Machines", "Worker", "score", "max"),
        ("Oats", "Block", "yield", "max"),
        ("Rail", "Rail", "travel", "mean"),
    ],
)
def test_levels_ordered_by_the_response_are_so(name: str, column: str, of: str, statistic: str) -> None:
    assert datasets.load(name).groupby(column, observed=True)[of].agg(statistic).is_monotonic_increasing


def test_load_returns_a_fresh_frame() -> None:
    first = datasets.load("sleepstudy")
    first.loc[0, "Reaction"] = -1.0
    first["Subject"] = first["Subject"].cat.rename_categories({"308": "changed"})
    first["new"] = 0
    second = datasets.load("sleepstudy")
    assert second.columns.tolist() == ["Reaction", "Days", "Subject"]
    assert second.loc[0, "Reaction"] == 249.56
    assert second.loc[0, "Subject"] == "308"


@pytest.mark.parametrize("wrong", ["penicilin", "penicillin", "PENICILLIN"])
def test_unknown_name_suggests_the_closest(wrong: str) -> None:
    with pytest.raises(DataError, match=f"no data set '{wrong}'.*Did you mean 'Penicillin'"):
        datasets.load(wrong)
    with pytest.raises(DataError, match="Did you mean 'Penicillin'"):
        datasets.describe(wrong)


def test_hopeless_name_lists_all() -> None:
    with pytest.raises(DataError) as caught:
        datasets.load("zzz")
    assert "Did you mean" not in str(caught.value)
    assert all(name in str(caught.value) for name in datasets.names()), datasets.names()


@pytest.mark.parametrize("name", SHAPES)
def test_description_agrees_with_the_data(name: str) -> None:
    info = datasets.describe(name)
    frame = datasets.load(name)
    assert (info.n_rows, len(info.columns)) == frame.shape
    assert [column.name for column in info.columns] == frame.columns.tolist()
    assert info.package in {"lme4", "nlme", "rstanarm"}
    assert info.title
    assert info.source.endswith(".")
    assert info.meaning.endswith(".")
    roles = [column.role for column in info.columns]
    assert set(roles) <= {"response", "covariate", "treatment", "grouping"}
    assert roles.count("response") == 1
    assert "grouping" in roles
    for column in info.columns:
        assert column.meaning, column
        if column.levels:
            assert list(column.levels) == frame[column.name].cat.categories.tolist(), column
            assert not column.unit, column


def test_description_prints_as_a_page() -> None:
    page = str(datasets.describe("Pastes"))
    assert page.startswith("Pastes: strength of a chemical paste")
    assert "60 rows, 4 columns:" in page
    assert "Davies" in page
    assert "factor with 30 levels" in page
    assert max(map(len, page.splitlines())) <= 88


def test_description_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        datasets.describe("cake").title = "pie"  # type: ignore[misc]


def test_schema_records_the_versions_that_wrote_it() -> None:
    schema = json.loads((files("lmmtools.datasets") / "data" / "schema.json").read_text(encoding="utf-8"))
    assert set(schema["versions"]) == {"R", "lme4", "nlme", "rstanarm"}


@pytest.mark.parametrize(("name", "limit"), [("sleepstudy", SMALL_LOAD_LIMIT), ("InstEval", INSTEVAL_LOAD_LIMIT)])
def test_loading_is_quick(name: str, limit: float) -> None:
    def seconds() -> float:
        start = time.process_time()
        datasets.load(name)
        return time.process_time() - start

    assert min(seconds() for _ in range(5)) < limit


def test_loading_needs_no_heavy_import() -> None:
    code = (
        "import sys, lmmtools.datasets as d; d.load('cake'); d.load('InstEval'); d.describe('cake');"
        "heavy = {'statsmodels', 'scipy', 'formulaic', 'matplotlib'} & set(sys.modules);"
        "print(sorted(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
