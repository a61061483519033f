"""``lmmtools lint``: scripts and notebooks are read, not run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import lmmtools as lmt
from lmmtools.cli import main

SEED = """
import pandas as pd
import statsmodels.formula.api as smf

raise SystemExit("this script is never run")
data = pd.read_csv("penicillin.csv")
parts = {"plate": "1 + C(plate)", "sample": "0 + C(sample)"}
model = smf.mixedlm("diameter ~ 1", data, groups="plate", vc_formula=parts)
result = model.fit()
"""
RIGHT = 'import statsmodels.formula.api as smf\nfit = smf.mixedlm("y ~ x", df, groups=df["g"]).fit()\n'


def write(folder: Path, text: str, name: str = "script.py") -> str:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_the_text_alone_shows_the_intercept_and_asks_for_the_data(tmp_path, capsys) -> None:
    assert main(["lint", write(tmp_path, SEED)]) == 1
    printed = capsys.readouterr().out
    assert "line 8" in printed
    assert "intercept-inside" in printed
    assert "factor-inside" in printed


def test_with_the_data_the_verdict_is_that_of_the_model(tmp_path, capsys) -> None:
    data = tmp_path / "penicillin.csv"
    lmt.datasets.load("Penicillin").to_csv(data, index=False)
    assert main(["lint", write(tmp_path, SEED), "--data", str(data), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)["calls"][0]
    assert found["lme4"] == "diameter ~ 1 + (1|plate) + (1|plate:sample)"
    assert "crossed-inside" in [f["code"] for f in found["findings"]]


def test_a_right_call_gives_status_zero(tmp_path, capsys) -> None:
    assert main(["lint", write(tmp_path, RIGHT)]) == 0
    assert "Nothing to report, as far as the text of the call tells" in capsys.readouterr().out


def test_a_notebook_is_read_cell_by_cell(tmp_path, capsys) -> None:
    cells = [
        {"cell_type": "markdown", "source": ["text"]},
        {"cell_type": "code", "source": ["%matplotlib inline\n", "import statsmodels.formula.api as smf\n"]},
        {"cell_type": "code", "source": ['m = smf.mixedlm("y ~ 1", d, groups="a", vc_formula={"b": "C(b)"})']},
    ]
    path = write(tmp_path, json.dumps({"cells": cells, "metadata": {}, "nbformat": 4}), "n.ipynb")
    assert main(["lint", path]) == 1
    assert "cell 3, line 1" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("broken.py", "x = (1,\nprint(", "line 2"),
        ("broken.ipynb", "{", "is no notebook"),
        ("data.csv", "a,b", "reads Python files"),
    ],
)
def test_what_cannot_be_read_is_one_clear_error(tmp_path, capsys, name, text, words) -> None:
    assert main(["lint", write(tmp_path, text, name)]) == 2
    assert words in capsys.readouterr().err


def test_a_missing_file(capsys) -> None:
    assert main(["lint", "nowhere.py"]) == 2
    assert "nowhere.py cannot be read" in capsys.readouterr().err


def test_a_script_without_mixedlm(tmp_path, capsys) -> None:
    assert main(["lint", write(tmp_path, "print(1)\n")]) == 0
    assert "no call of MixedLM found" in capsys.readouterr().out
