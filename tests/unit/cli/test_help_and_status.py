"""What every subcommand has: help with examples that hold, statuses as documented, JSON, colour only on a terminal."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
import pytest

import lmmtools as lmt
from lmmtools.cli import COMMANDS, main, terminal

FORMULA = "strength ~ 1 + (1|batch/cask)"
LINES = lmt.datasets.load("Pastes").to_csv(index=False)
DOCS = Path(__file__).parents[3] / "docs" / "command_line.rst"
PRINTOUT = next((Path(__file__).parents[2] / "reference" / "printed").glob("*.txt"))
SCRIPT = """import statsmodels.formula.api as smf
smf.mixedlm("strength ~ 1", df, groups="batch", vc_formula={"cask": "0 + C(cask)"}).fit()
"""


@pytest.fixture
def pastes(tmp_path):
    path = tmp_path / "pastes.csv"
    path.write_text(LINES)
    return str(path)


def run(capsys, *arguments):
    code = main(list(map(str, arguments)))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def help_of(capsys, command):
    with pytest.raises(SystemExit) as left:
        main([command, "--help"] if command else ["--help"])
    assert left.value.code == 0
    return capsys.readouterr().out


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A folder with the files that the examples name."""
    monkeypatch.chdir(tmp_path)
    data = lmt.datasets.load("Pastes")
    data.to_csv("pastes.csv", index=False)
    scores(sep="\t", path="scores.tsv")
    Path("printout.txt").write_text(PRINTOUT.read_text(encoding="utf-8"), encoding="utf-8")
    fit = lmt.lmm(FORMULA, data).fit(engine="pls")
    for name in ("monday.json", "tuesday.json"):
        fit.to_json(name)
    Path("analysis.py").write_text(SCRIPT, encoding="utf-8")
    notebook = {"cells": [{"cell_type": "code", "source": SCRIPT}], "metadata": {}}
    Path("analysis.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    return {"-": fit.to_json().encode(), "fit": scores().encode(), "lint": SCRIPT.encode()}


def scores(path=None, **options):
    k = np.arange(120)
    frame = pd.DataFrame({"x": np.sin(k), "school": k % 12 + 101})
    noise = np.random.default_rng(1).normal(size=120)
    frame["y"] = frame["x"] * (1 + k % 12 / 6) + k % 12 / 3 + noise
    return frame.to_csv(path, index=False, **options)


def examples_of(text):
    """The command lines of a help text, words after ``lmmtools``, one list each; what is piped or written is not."""
    lines = text.partition("examples:")[2].partition("exit status:")[0]
    lines = re.sub(r"(?<=\||\\)\n +", " ", lines).replace("\\ ", " ")
    return [words for line in lines.splitlines() for words in commands_in(line)]


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_fits_a_terminal_and_teaches_by_examples_that_run(capsys, monkeypatch, desk, command):
    monkeypatch.setenv("COLUMNS", "80")
    text = help_of(capsys, command)
    assert max(map(len, text.splitlines())) <= 80
    examples = examples_of(text)
    assert command in ("", *(words[0] for words in examples))
    for words in examples:
        # R need not be there; tests/live_r run its engine.
        words = [word.replace("pls,lme4", "pls,mixedlm") for word in words]
        monkeypatch.setattr(sys, "stdin", Input(desk.get(words[0], desk["-"])))
        assert main(words) in (terminal.DONE, terminal.FOUND), words
        assert "Traceback" not in capsys.readouterr().err, words


class Input(io.TextIOWrapper):
    """Standard input that holds some bytes."""

    def __init__(self, content):
        super().__init__(io.BytesIO(content), encoding="utf-8")


def commands_in(line):
    """Words after each ``lmmtools`` of a line; none where the line is prose."""
    if line.endswith((":", ".")) or "pip install" in line or not line.startswith("  "):
        return []
    lexer = shlex.shlex(re.sub(r'"\$\((.*)\)"', r"(\1)", line), posix=True, punctuation_chars="|>()")
    lexer.whitespace_split = True
    found: list[list[str]] = []
    is_open = False
    for word in lexer:
        if word == "lmmtools":
            found.append([])
        elif word in ("|", ">", ")"):
            is_open = False
            continue
        elif is_open:
            found[-1].append(word)
        is_open = is_open or word == "lmmtools"
    return found


@pytest.mark.parametrize("command", COMMANDS)
def test_help_and_documentation_state_the_exit_statuses(capsys, command):
    text = " ".join(help_of(capsys, command).partition("exit status:")[2].split())
    assert text.startswith("0 done")
    assert "2 wrong input" in text
    assert ("1 done, and" in text) == (command in ("fit", "report", "lint", "compare"))
    documented = DOCS.read_text(encoding="utf-8")
    for number in (terminal.DONE, terminal.FOUND, terminal.WRONG, terminal.INTERRUPTED):
        assert re.search(rf"^{number} +\S", documented, re.MULTILINE), number
    if "1 done, and" in text:
        assert f"(``{command}``)" in documented


def test_help_names_every_method_for_degrees_of_freedom(capsys):
    from lmmtools.inference.degrees import DDF

    text = help_of(capsys, "fit")
    assert all(name in text for name in get_args(DDF)), get_args(DDF)


def test_status_is_one_where_the_optimum_is_not_certified(capsys, pastes, monkeypatch):
    assert run(capsys, "fit", pastes, FORMULA)[0] == terminal.DONE
    monkeypatch.setattr(lmt.LMMResults, "converged", property(lambda fit: False))
    assert run(capsys, "fit", pastes, FORMULA)[0] == terminal.FOUND
    assert run(capsys, "report", pastes, FORMULA, "-o", f"{pastes}.html")[0] == terminal.FOUND


def test_status_is_one_where_fits_differ_and_two_where_input_is_wrong(capsys, pastes, tmp_path):
    lmt.lmm("strength ~ 1 + (1|batch)", lmt.datasets.load("Pastes")).fit().to_json(tmp_path / "other.json")
    code, out, err = run(capsys, "compare", pastes, FORMULA, "--engines", "pls", "--with", tmp_path / "other.json")
    assert (code, err) == (terminal.FOUND, "")
    assert "another model" in out
    code, out, err = run(capsys, "compare", pastes, FORMULA, "--with", tmp_path / "no.json")
    assert (code, out) == (terminal.WRONG, "")
    assert "no.json" in err
    with pytest.raises(SystemExit) as left:
        main(["fit"])
    assert left.value.code == terminal.WRONG


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX pipes")
@pytest.mark.parametrize("arguments", [["--version"], ["fit", "Pastes", FORMULA, "--engine", "pls"]])
def test_a_reader_that_has_gone_is_no_fault(arguments):
    read, write = os.pipe()
    os.close(read)
    done = run_into(write, arguments)
    os.close(write)
    assert (done.returncode, done.stderr) == (terminal.DONE, b"")


def run_into(stdout, arguments):
    # Buffered, as where a shell starts it: what is left is written when all is done.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    command = [sys.executable, "-m", "lmmtools", *arguments]
    return subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, env=environment, check=False)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
@pytest.mark.parametrize("arguments", [["--version"], ["fit", "Pastes", FORMULA, "--engine", "pls"]])
def test_output_that_cannot_be_written_is_one_line_and_status_two(arguments):
    with open("/dev/full", "w") as full:
        done = run_into(full, arguments)
    assert done.returncode == terminal.WRONG
    assert done.stderr == b"lmmtools: standard output: No space left on device\n"


def test_closed_streams_are_no_fault(monkeypatch, pastes):
    monkeypatch.setattr(sys, "stdout", None)
    assert main(["fit", pastes, FORMULA, "--engine", "pls"]) == terminal.DONE
    monkeypatch.setattr(sys, "stderr", None)
    assert main(["fit", pastes, FORMULA, "--engine", "nope"]) == terminal.WRONG


def test_too_little_memory_is_one_line_and_status_two(capsys, pastes, monkeypatch):
    def filled(options):
        raise MemoryError("Unable to allocate 60.3 GiB")

    monkeypatch.setattr("lmmtools.cli.fit.run", filled)
    code, out, err = run(capsys, "fit", pastes, FORMULA)
    assert (code, out) == (terminal.WRONG, "")
    assert err == "lmmtools: this needs more memory than there is: Unable to allocate 60.3 GiB\n"


def test_compare_reads_a_fit_from_standard_input_and_names_what_it_cannot_read(capsys, tmp_path, monkeypatch):
    fit = lmt.lmm(FORMULA, lmt.datasets.load("Pastes")).fit(engine="pls")
    path = tmp_path / "fit.json"
    path.write_text(fit.to_json(), encoding="utf-8-sig")
    monkeypatch.setattr(sys, "stdin", Input(fit.to_json().encode()))
    assert run(capsys, "compare", "--with", path, "-")[::2] == (terminal.DONE, "")
    path.write_text(fit.to_json().replace('"format": 2', '"format": 99'))
    code, _, err = run(capsys, "compare", "--with", path, path)
    assert code == terminal.WRONG
    assert err.startswith(f"lmmtools: {path}: ")
    assert "install a newer lmmtools" in err
    for arguments in (("--with", path), ("Pastes", FORMULA, "--engines", ","), ("Pastes", FORMULA, "--engines", "pls")):
        path.write_text(fit.to_json())
        code, _, err = run(capsys, "compare", *arguments)
        assert code == terminal.WRONG, arguments
        assert "two fits at least" in err, arguments


def test_an_interrupt_has_its_status(capsys, pastes, monkeypatch):
    def interrupted(options):
        raise KeyboardInterrupt

    monkeypatch.setattr("lmmtools.cli.fit.run", interrupted)
    assert run(capsys, "fit", pastes, FORMULA)[::2] == (terminal.INTERRUPTED, "lmmtools: interrupted\n")


def test_the_json_of_a_fit_is_the_fit(capsys, pastes, tmp_path):
    _, out, _ = run(capsys, "fit", pastes, FORMULA, "--json")
    record = lmt.read_json(out)
    assert record.objective == pytest.approx(246.99074585348623, abs=1e-6)
    (tmp_path / "fit.json").write_text(out)
    code, out, _ = run(capsys, "compare", pastes, FORMULA, "--engines", "pls", "--with", tmp_path / "fit.json")
    assert code == 0
    assert "agree to the digits shown" in out


def test_structure_compare_and_translate_have_json(capsys, pastes):
    found = json.loads(run(capsys, "structure", pastes, "batch", "cask", "--json")[1])
    assert [f["levels"] for f in found["factors"]] == [10, 3]
    assert found["pairs"][0]["relation"] == "implicitly nested"
    assert found["suggestion"]["formula"] == "(1 | batch/cask)"
    assert found["findings"][0]["code"] == "labels-reused"
    found = json.loads(run(capsys, "translate", pastes, FORMULA, "--json")[1])
    assert found["lme4"] == "strength ~ 1 + (1|batch) + (1|cask:batch)"
    assert set(found) == {"lme4", "declaration", "mixedlm", "words", "latex", "notes"}
    assert "sentences" in json.loads(run(capsys, "compare", pastes, FORMULA, "--json")[1])


def test_the_keys_of_json_are_those_that_the_page_names(capsys, pastes, tmp_path):
    script = tmp_path / "analysis.py"
    script.write_text(SCRIPT)
    calls = {
        "compare": ("compare", pastes, FORMULA),
        "structure": ("structure", pastes, "batch", "cask"),
        "lint": ("lint", script),
        "translate": ("translate", pastes, FORMULA),
    }
    table = DOCS.read_text(encoding="utf-8").partition("\nJSON\n")[2].partition("\nExit statuses\n")[0]
    for command, arguments in calls.items():
        row = (
            table.partition(f"``{command}``")[2].partition("\n``")[0].partition("\n==")[0].partition("; of several")[0]
        )
        named = re.findall(r"``(\w+)``", re.sub(r"\([^)]*\)", "", row))
        assert named == list(json.loads(run(capsys, *arguments, "--json")[1])), command


def test_p_values_by_any_method(capsys, pastes):
    assert "Pr(>|t|)" not in run(capsys, "fit", pastes, FORMULA)[1]
    assert "Pr(>|t|)" in run(capsys, "fit", pastes, FORMULA, "--ddf", "satterthwaite")[1]
    assert "Kenward-Roger" in run(capsys, "fit", pastes, FORMULA, "--ddf", "kenward-roger")[1]
    code, _, err = run(capsys, "fit", pastes, FORMULA, "--ddf", "magic")
    assert code == 2
    assert "'satterthwaite'" in err


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("environment", "on_terminal", "on_pipe"),
    [
        ({}, True, False),
        ({"NO_COLOR": "1"}, False, False),
        ({"TERM": "dumb"}, False, False),
        ({"FORCE_COLOR": "1"}, True, True),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, False, False),
    ],
)
def test_colour_is_for_terminals_and_can_be_refused(monkeypatch, environment, on_terminal, on_pipe):
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert terminal.is_coloured(Terminal()) is on_terminal
    assert terminal.is_coloured(io.StringIO()) is on_pipe


def test_colour_changes_nothing_but_colour(capsys, pastes, monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    commands = [("fit", pastes, FORMULA), ("structure", pastes, "batch", "cask")]
    for command in commands:
        monkeypatch.delenv("FORCE_COLOR", raising=False)
        _, plain, _ = run(capsys, *command)
        assert "\x1b" not in plain, command
        monkeypatch.setenv("FORCE_COLOR", "1")
        _, coloured, _ = run(capsys, *command)
        assert "\x1b[" in coloured, command
        assert re.sub(r"\x1b\[[\d;]*m", "", coloured) == plain, command


def test_waiting_is_shown_on_a_terminal_alone(monkeypatch):
    import time

    monkeypatch.setattr(terminal, "DELAY", 0.0)
    monkeypatch.setattr(terminal, "INTERVAL", 0.01)
    monkeypatch.setattr(sys, "stderr", Terminal())
    model = lmt.lmm(FORMULA, lmt.datasets.load("Pastes"))
    with terminal.waiting("fitting") as show:
        model.fit(callback=show)
        time.sleep(0.1)
    shown = sys.stderr.getvalue()
    assert "fitting: 0 s, " in shown
    assert "criterion 246.99" in shown
    assert shown.endswith("\r\x1b[K")
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with terminal.waiting("fitting") as show:
        time.sleep(0.05)
    assert show is None
    assert sys.stderr.getvalue() == ""


@pytest.mark.parametrize(
    ("command", "mark"),
    [
        (["fit", "-", FORMULA], "Number of obs: 60"),
        (["structure", "-", "batch", "cask"], "60 rows"),
        (["translate", "-", FORMULA], "lmmtools:"),
        (["compare", "-", FORMULA], "agree to the digits"),
        (["report", "-", FORMULA], "<!doctype html>"),
    ],
)
@pytest.mark.parametrize("separator", [",", "\t"])
def test_standard_input_is_read_by_every_command_that_takes_data(capsys, monkeypatch, command, mark, separator):
    monkeypatch.setattr(sys, "stdin", Input(LINES.replace(",", separator).encode()))
    code, out, err = run(capsys, *command)
    assert (code, err) == (0, "")
    assert mark in out


def test_an_empty_standard_input_is_named(capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", Input(b""))
    code, _, err = run(capsys, "fit", "-", FORMULA)
    assert code == 2
    assert "standard input is empty" in err


def test_a_report_is_written_and_kept_off_the_terminal(capsys, pastes, tmp_path, monkeypatch):
    page = tmp_path / "fit.html"
    code, out, err = run(capsys, "report", pastes, FORMULA, "-o", page, "--title", "Casks", "--ddf", "satterthwaite")
    assert (code, err) == (0, "")
    assert out == f"{page} written\n"
    assert "<h1>Casks</h1>" in page.read_text(encoding="utf-8")
    monkeypatch.setattr(sys, "stdout", Terminal())
    assert main(["report", pastes, FORMULA]) == 2


def complete(line):
    environment = {
        **os.environ,
        "_ARGCOMPLETE": "1",
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
        "_ARGCOMPLETE_IFS": "\n",
    }
    read, write = os.pipe()
    code = f"import os; os.dup2({write}, 8); os.dup2(2, 9); from lmmtools.cli import main; main([])"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, pass_fds=[write], capture_output=True, check=False
    )
    os.close(write)
    with os.fdopen(read) as stream:
        return {word.strip().replace("\\", "") for word in stream.read().split("\n")}, done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="the shells' file descriptors")
@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("lmmtools re", {"report"}),
        ("lmmtools fit --dd", {"--ddf"}),
        ("lmmtools fit Past", {"Pastes"}),
        ('lmmtools fit Pastes "strength ~ (1|batch)" --factor ba', {"batch"}),
        ("lmmtools structure Pastes ca", {"cask"}),
        ("lmmtools fit Pastes x --engine m", {"mixedlm"}),
        ("lmmtools fit Pastes x --ddf ken", {"kenward-roger"}),
    ],
)
def test_the_shell_completes_commands_options_files_and_columns(line, words):
    pytest.importorskip("argcomplete")
    found, error = complete(line)
    assert words <= found, error


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_script_names_the_command(capsys, shell):
    pytest.importorskip("argcomplete")
    code, out, _ = run(capsys, "completion", shell)
    assert code == 0
    assert "lmmtools" in out
