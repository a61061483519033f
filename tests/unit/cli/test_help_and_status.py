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

import pytest

import lmmtools as lmt
from lmmtools.cli import COMMANDS, _build_parser, colour, main, status, waiting

FORMULA = "strength ~ 1 + (1|batch/cask)"
LINES = lmt.datasets.load("Pastes").to_csv(index=False)
DOCS = Path(__file__).parents[3] / "docs" / "command_line.rst"


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
        main([command, "--help"])
    assert left.value.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("command", COMMANDS)
def test_help_teaches_by_examples_that_parse(capsys, command):
    text = help_of(capsys, command)
    assert "examples:" in text
    lines = text.partition("examples:")[2].partition("exit status:")[0].splitlines()
    examples = [words for line in lines if (words := command_in(line))]
    assert examples
    for words in examples:
        assert words[0] == command
        assert _build_parser(words).parse_args(words).command == command


def command_in(line):
    """Words of a line after ``lmmtools``, up to a pipe or the like; none where it is prose."""
    if line.endswith((":", ".")) or "pip install" in line or not line.startswith("  "):
        return []
    lexer = shlex.shlex(re.sub(r'"\$\((.*)\)"', r"(\1)", line), posix=True, punctuation_chars="|>()")
    lexer.whitespace_split = True
    words = list(lexer)
    words = words[words.index("lmmtools") + 1 :] if "lmmtools" in words else []
    return words[: next((i for i, word in enumerate(words) if word in ("|", ">", ")")), len(words))]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_and_documentation_state_the_exit_statuses(capsys, command):
    text = " ".join(help_of(capsys, command).partition("exit status:")[2].split())
    assert text.startswith("0 done")
    assert "2 wrong input" in text
    assert ("1 done, and" in text) == (command in ("fit", "report", "lint", "compare"))
    documented = DOCS.read_text(encoding="utf-8")
    for number in (status.DONE, status.FOUND, status.WRONG, status.INTERRUPTED):
        assert re.search(rf"^{number} +\S", documented, re.MULTILINE)
    if "1 done, and" in text:
        assert f"(``{command}``)" in documented


def test_help_names_every_method_for_degrees_of_freedom(capsys):
    from lmmtools.inference.degrees import DDF

    text = help_of(capsys, "fit")
    assert all(name in text for name in get_args(DDF))


def test_status_is_one_where_the_optimum_is_not_certified(capsys, pastes, monkeypatch):
    assert run(capsys, "fit", pastes, FORMULA)[0] == status.DONE
    monkeypatch.setattr(lmt.LMMResults, "converged", property(lambda fit: False))
    assert run(capsys, "fit", pastes, FORMULA)[0] == status.FOUND
    assert run(capsys, "report", pastes, FORMULA, "-o", f"{pastes}.html")[0] == status.FOUND


def test_status_is_one_where_fits_differ_and_two_where_input_is_wrong(capsys, pastes, tmp_path):
    lmt.lmm("strength ~ 1 + (1|batch)", lmt.datasets.load("Pastes")).fit().to_json(tmp_path / "other.json")
    code, out, err = run(capsys, "compare", pastes, FORMULA, "--engines", "pls", "--with", tmp_path / "other.json")
    assert (code, err) == (status.FOUND, "")
    assert "different model" in out
    code, out, err = run(capsys, "compare", pastes, FORMULA, "--with", tmp_path / "no.json")
    assert (code, out) == (status.WRONG, "")
    assert "no.json" in err
    with pytest.raises(SystemExit) as left:
        main(["fit"])
    assert left.value.code == status.WRONG


def test_an_interrupt_has_its_status(capsys, pastes, monkeypatch):
    def interrupted(options):
        raise KeyboardInterrupt

    monkeypatch.setattr("lmmtools.cli.fit.run", interrupted)
    assert run(capsys, "fit", pastes, FORMULA)[::2] == (status.INTERRUPTED, "lmmtools: interrupted\n")


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
    found = json.loads(run(capsys, "translate", FORMULA, pastes, "--json")[1])
    assert found["lme4"] == "strength ~ 1 + (1|batch) + (1|cask:batch)"
    assert set(found) == {"lme4", "declaration", "mixedlm", "words", "latex", "notes"}
    assert "sentences" in json.loads(run(capsys, "compare", pastes, FORMULA, "--json")[1])


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
    assert colour.is_coloured(Terminal()) is on_terminal
    assert colour.is_coloured(io.StringIO()) is on_pipe


def test_colour_changes_nothing_but_colour(capsys, pastes, monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    commands = [("fit", pastes, FORMULA), ("structure", pastes, "batch", "cask")]
    for command in commands:
        monkeypatch.delenv("FORCE_COLOR", raising=False)
        _, plain, _ = run(capsys, *command)
        assert "\x1b" not in plain
        monkeypatch.setenv("FORCE_COLOR", "1")
        _, coloured, _ = run(capsys, *command)
        assert "\x1b[" in coloured
        assert re.sub(r"\x1b\[[\d;]*m", "", coloured) == plain


def test_waiting_is_shown_on_a_terminal_alone(monkeypatch):
    import time

    monkeypatch.setattr(waiting, "DELAY", 0.0)
    monkeypatch.setattr(waiting, "INTERVAL", 0.01)
    monkeypatch.setattr(sys, "stderr", Terminal())
    model = lmt.lmm(FORMULA, lmt.datasets.load("Pastes"))
    with waiting.waiting("fitting") as show:
        model.fit(callback=show)
        time.sleep(0.1)
    shown = sys.stderr.getvalue()
    assert "fitting: 0 s, " in shown
    assert "criterion 246.99" in shown
    assert shown.endswith("\r\x1b[K")
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with waiting.waiting("fitting") as show:
        time.sleep(0.05)
    assert show is None
    assert sys.stderr.getvalue() == ""


@pytest.mark.parametrize(
    ("command", "mark"),
    [
        (["fit", "-", FORMULA], "Number of obs: 60"),
        (["structure", "-", "batch", "cask"], "60 rows"),
        (["translate", FORMULA, "-"], "lmmtools:"),
        (["compare", "-", FORMULA], "agree to the digits"),
        (["report", "-", FORMULA], "<!doctype html>"),
    ],
)
@pytest.mark.parametrize("separator", [",", "\t"])
def test_standard_input_is_read_by_every_command_that_takes_data(capsys, monkeypatch, command, mark, separator):
    monkeypatch.setattr(sys, "stdin", io.StringIO(LINES.replace(",", separator)))
    code, out, err = run(capsys, *command)
    assert (code, err) == (0, "")
    assert mark in out


def test_an_empty_standard_input_is_named(capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
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
