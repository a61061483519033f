"""The command line: results on standard output, faults in one line on standard error and status 2."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import lmmtools as lmt
from lmmtools.cli import main
from lmmtools.report import formats


@pytest.fixture
def pastes(tmp_path):
    path = tmp_path / "pastes.csv"
    lmt.datasets.load("Pastes").to_csv(path, index=False)
    return str(path)


def run(capsys, *arguments):
    status = main(list(map(str, arguments)))
    captured = capsys.readouterr()
    return status, captured.out, captured.err


FORMULA = "strength ~ 1 + (1|batch/cask)"


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".parquet", ".csv.gz"])
def test_fit_reads_every_kind_of_file(capsys, tmp_path, ending):
    data = lmt.datasets.load("Pastes")
    path = tmp_path / f"pastes{ending}"
    if ending == ".parquet":
        data.to_parquet(path)
    else:
        data.to_csv(path, index=False, sep="\t" if ending == ".tsv" else ",")
    status, out, err = run(capsys, "fit", path, FORMULA)
    assert (status, err) == (0, "")
    assert "REML criterion at convergence: 247" in out
    assert "cask:batch (Intercept) 8.434" in out


@pytest.mark.parametrize("command", [["fit"], ["compare", "--engines", "pls,pls"]], ids=["fit", "compare"])
def test_a_new_module_of_formats_is_a_choice_of_the_command_line(capsys, tmp_path, monkeypatch, pastes, command):
    (tmp_path / "shouted.py").write_text("def render(document):\n    return 'hear, hear'\n")
    monkeypatch.setattr(formats, "__path__", [*formats.__path__, str(tmp_path)])
    monkeypatch.delitem(sys.modules, f"{formats.__name__}.shouted", raising=False)
    name, *options = command
    status, out, err = run(capsys, name, pastes, FORMULA, *options, "--format", "shouted")
    assert (status, out, err) == (0, "hear, hear\n", "")


@pytest.mark.parametrize(
    ("form", "mark"),
    [("text", "Random effects:"), ("markdown", "|"), ("html", "<table"), ("latex", r"\toprule"), ("json", "{")],
)
def test_every_format_is_printed(capsys, pastes, form, mark):
    status, out, _ = run(capsys, "fit", pastes, FORMULA, "--format", form)
    assert status == 0
    assert mark in out
    if form == "json":
        json.loads(out)


@pytest.mark.parametrize("engine", ["auto", "pls", "mixedlm"])
def test_engines_and_criteria_can_be_chosen(capsys, pastes, engine):
    status, out, _ = run(capsys, "fit", pastes, FORMULA, "--ml", "--engine", engine)
    assert status == 0
    assert "fit by maximum likelihood" in out
    assert "248.0" in out


def test_numeric_codes_become_factors(capsys, tmp_path):
    data = lmt.datasets.load("cake")
    path = tmp_path / "cake.csv"
    data.assign(temp=data["temp"].astype(int)).to_csv(path, index=False)
    _, numeric, _ = run(capsys, "fit", path, "angle ~ temp + (1|recipe:replicate)")
    _, factor, _ = run(capsys, "fit", path, "angle ~ temp + (1|recipe:replicate)", "--factor", "temp")
    assert "temp[T.185]" not in numeric
    assert "temp[T.185]" in factor


def test_standard_input_is_read(pastes):
    with open(pastes, "rb") as stream:
        done = subprocess.run(
            [sys.executable, "-m", "lmmtools", "fit", "-", FORMULA], stdin=stream, capture_output=True, check=False
        )
    assert done.returncode == 0
    assert b"Number of obs: 60" in done.stdout


def bad_file(tmp_path, **columns):
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"y": rng.normal(size=12), "x": rng.normal(size=12), "g": list("aabbccddeeff")})
    path = tmp_path / "data.csv"
    frame.assign(**columns).to_csv(path, index=False)
    return path


@pytest.mark.parametrize(
    ("formula", "columns", "fragment"),
    [
        ("y ~ z + (1|g)", {}, "z"),
        ("y ~ x + (1|h)", {}, "h"),
        ("y ~ x + (1|)", {}, "(1|)"),
        ("y ~ x", {}, "random"),
        ("y ~ x + y + (1|g)", {}, "y"),
        ("y ~ x + (1|g", {}, "never closed"),
        ("y ~ x + (1|g)", {"g": "a"}, "one level"),
        ("y ~ x + (1|g)", {"g": list("abcdefghijkl")}, "levels"),
        ("y ~ x + (1|g)", {"y": 1.0}, "constant"),
        ("y ~ x + (1|g)", {"x": [np.inf] + [1.0] * 11}, "infinite"),
        ("y ~ x + (1|g)", {"y": list("abcdefghijkl")}, "y"),
        ("y ~ x + (1|g)", {"y": np.nan}, "missing"),
        ("__import__('os').system('x') ~ x + (1|g)", {}, "__import__"),
    ],
)
def test_a_fault_is_one_error_with_status_two(capsys, tmp_path, formula, columns, fragment):
    status, out, err = run(capsys, "fit", bad_file(tmp_path, **columns), formula)
    assert (status, out) == (2, "")
    assert err.startswith("lmmtools: ")
    assert fragment in err
    assert "Traceback" not in err


def test_a_missing_file_is_named(capsys):
    status, _, err = run(capsys, "fit", "no_such_file.csv", "y ~ (1|g)")
    assert status == 2
    assert "no_such_file.csv" in err


def test_an_empty_file_is_named(capsys, tmp_path):
    path = tmp_path / "empty.csv"
    path.write_text("")
    status, _, err = run(capsys, "fit", path, "y ~ (1|g)")
    assert status == 2
    assert "is empty" in err


def test_an_unknown_engine_lists_those_there_are(capsys, pastes):
    status, _, err = run(capsys, "fit", pastes, FORMULA, "--engine", "magic")
    assert status == 2
    assert "'pls'" in err


def test_structure_names_what_the_data_show(capsys, pastes):
    status, out, _ = run(capsys, "structure", pastes, "batch", "sample")
    assert status == 0
    assert "sample is nested in batch" in out


def test_structure_draws_in_ascii_and_writes_a_page(capsys, pastes, tmp_path):
    status, out, _ = run(capsys, "structure", pastes, "batch", "sample", "--ascii")
    assert status == 0
    assert "A 222..." in out
    assert out.isascii()
    page = tmp_path / "page.html"
    status, out, _ = run(capsys, "structure", pastes, "batch", "sample", "--html", str(page))
    assert (status, out) == (0, "")
    assert "<svg" in page.read_text(encoding="utf-8")
    status, _, err = run(capsys, "structure", pastes, "batch", "--html", str(tmp_path / "no" / "page.html"))
    assert status == 2
    assert "cannot be written" in err


def test_translate_prints_code(capsys, pastes):
    status, out, _ = run(capsys, "translate", pastes, FORMULA, "--only", "mixedlm")
    assert status == 0
    compile(out, "spec", "exec")
    assert "smf.mixedlm(" in out


def test_translate_takes_the_formula_first_as_it_once_did_and_says_so(capsys, pastes):
    now = run(capsys, "translate", pastes, FORMULA)
    before = run(capsys, "translate", FORMULA, pastes)
    assert before[:2] == now[:2]
    assert now[2] == ""
    assert before[2] == "lmmtools: translate takes DATA before FORMULA, as all commands do; read in that order\n"


def test_translate_prints_every_notation(capsys, pastes):
    status, out, _ = run(capsys, "translate", pastes, FORMULA)
    assert status == 0
    headings = [line for line in out.splitlines() if line and not line.startswith(" ")]
    assert headings == ["lme4:", "lmmtools:", "statsmodels:", "In words:", "LaTeX:"]
    assert 'random=lmt.nested("batch", "cask")' in out
    assert "(1|batch) + (1|cask:batch)" in out
    assert "cask:batch is nested in batch" in out
    assert r"\begin{aligned}" in out


def test_demo_shows_the_trap_and_its_cure_and_agrees_with_lme4(capsys):
    status, out, _ = run(capsys, "demo")
    assert status == 0
    assert "613.2560" in out
    assert out.count("330.8606") >= 3
    assert out.count("agree to the digits shown.") == 4
    assert "different" not in out.split("Declared", 1)[1]


def test_help_needs_no_numerical_library():
    code = "import sys\nfrom lmmtools.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
    code += "print(sorted({'numpy','pandas','scipy','statsmodels','formulaic'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert "examples:" in done.stdout


def test_fit_asks_statsmodels_only_to_confirm(capsys, pastes):
    plain = run(capsys, "fit", pastes, FORMULA)[1]
    assert plain.rstrip().endswith("engine: lmmtools pls; local optimum")
    status, confirmed, err = run(capsys, "fit", pastes, FORMULA, "--confirm")
    assert (status, err) == (0, "")
    assert confirmed == plain + "statsmodels' likelihood at this optimum agrees to 10 digits\n"
    assert run(capsys, "fit", pastes, FORMULA, "--confirm", "--engine", "pls")[1] == confirmed


def test_confirm_is_refused_beside_an_engine_that_does_not_go_with_it(capsys, pastes):
    status, _, err = run(capsys, "fit", pastes, FORMULA, "--confirm", "--engine", "mixedlm")
    assert status == 2
    assert "--confirm goes with --engine auto or pls, not with mixedlm" in err


def test_fit_of_a_text_imports_no_more_than_pandas_and_scipy(pastes):
    """The command's processor time is that of its imports: statsmodels takes 0.9 s, pyarrow or scipy.special 0.1 s."""
    code = "import sys\nfrom lmmtools.cli import main\n"
    code += f"main(['fit', {pastes!r}, {FORMULA!r}])\n"
    code += "unwanted = 'statsmodels formulaic patsy pyarrow scipy.special scipy.stats scipy.optimize tqdm'\n"
    code += "print(sorted(set(unwanted.split()) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
