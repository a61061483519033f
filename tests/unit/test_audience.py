"""Messages fit where they are read: no command-line options in Python, no Python at a command line."""

from __future__ import annotations

import io
import re
import sys

import numpy as np
import pandas as pd
import pytest

import lmmtools as lmt
from lmmtools import audience
from lmmtools.audience import advice, at_command_line, how_to_install
from lmmtools.cli import main
from lmmtools.errors import DataError, LmmError


def test_advice_is_for_a_command_line_within_it_only():
    assert advice("python", "command") == "python"
    with pytest.raises(ValueError, match="command"), at_command_line():
        raise ValueError(advice("python", "command"))
    assert advice("python", "command") == "python"


@pytest.mark.parametrize(
    ("package", "call"),
    [
        ("matplotlib", lambda fit: fit.plot.caterpillar("plate")),
        ("tqdm", lambda fit: fit.bootstrap(20, rng=1, progress=True)),
        ("joblib", lambda fit: fit.bootstrap(20, rng=1, n_jobs=2)),
        ("marginaleffects", lambda fit: fit.marginal.avg_predictions()),
    ],
)
def test_a_missing_package_is_named_with_a_command_that_any_installation_has(monkeypatch, package, call):
    fit = lmt.lmm("diameter ~ 1 + (1|plate) + (1|sample)", lmt.datasets.load("Penicillin")).fit(engine="pls")
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(LmmError, match=how_to_install(package)):
        call(fit)


# What Python has and no command line.
PYTHON = re.compile(r"pd\.|np\.where|data\[|\.astype|na_action|trusted=|engine=|ddf=|fit\(|check=")


@pytest.mark.parametrize(
    "words",
    [
        ["y ~ x + (1|row)"],
        ["truth ~ x + (1|g)"],
        ["label ~ x + (1|g)"],
        ["y ~ cut(x, 3) + (1|g)"],
        ["y ~ ifelse(x > 0, 1, 0) + (1|g)"],
        ["y ~ as.numeric(label) + (1|g)"],
        ["y ~ log(label) + (1|g)"],
        ["y ~ offset(label) + (1|g)"],
        ["y ~ x + (1|one)"],
        ["y ~ row_label + (1|g)"],
        ["y ~ x + (1|g)", "--weights", "label"],
        ["y ~ x + (1|g)", "--weights", "one", "--engine", "mixedlm"],
        ["y ~ x + (x|g) + (x|h)", "--engine", "mixedlm"],
        ["y ~ x + (1|g)", "--ddf", "kenward-roger", "--ml"],
    ],
    ids=" ".join,
)
def test_errors_at_a_command_line_advise_no_python(capsys, tmp_path, words):
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"y": rng.normal(size=60), "x": rng.normal(size=60), "g": np.arange(60) // 6, "one": 1})
    data = data.assign(row=range(60), h=np.arange(60) % 5, truth=data.x > 0, label=np.where(data.x > 0, "u", "v"))
    data["row_label"] = [f"r{i}" for i in range(60)]
    data.to_csv(tmp_path / "data.csv", index=False)
    assert main(["fit", str(tmp_path / "data.csv"), *words]) == 2
    error = capsys.readouterr().err
    assert not PYTHON.search(error), error


def test_a_column_named_by_a_number_is_said_to_be():
    data = pd.DataFrame({"y": np.arange(6.0), 0: np.arange(6.0) ** 2, "g": list("aabbcc")})
    with pytest.raises(DataError, match=r"'0'.*a number or the like.*astype\(str\)"):
        lmt.lmm("y ~ `0` + (1|g)", data)


@pytest.mark.parametrize("columns", ["80", "100"])
def test_a_comparison_of_three_fits_keeps_to_the_terminal(monkeypatch, columns):
    data = lmt.datasets.load("sleepstudy")
    fits = [
        lmt.lmm(f"Reaction ~ Days + {term}", data).fit()
        for term in ("(Days|Subject)", "(Days||Subject)", "(1|Subject)")
    ]
    table = lmt.compare(*fits, names=["correlated", "independent", "intercepts"])
    monkeypatch.setenv("COLUMNS", columns)
    lines = str(table).splitlines()
    assert max(map(len, lines)) <= int(columns)
    # Every row stands whole in each piece of the table.
    assert sum(line.startswith("variance, residual") for line in lines) >= 2
    assert any("another model" in line for line in lines)
    monkeypatch.setenv("COLUMNS", "200")
    assert sum(line.startswith("variance, residual") for line in str(table).splitlines()) == 1


def test_a_file_gets_whole_lines(monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setattr("sys.stdout", io.StringIO())
    assert audience.line_width() is None
    assert audience.wrap("word " * 60) == "word " * 60


def test_words_of_a_model_keep_to_the_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    text = str(lmt.translate("strength ~ 1 + (1|batch/cask)", lmt.datasets.load("Pastes")))
    words = text.partition("In words:")[2].partition("LaTeX:")[0]
    assert max(map(len, words.splitlines())) <= 80
