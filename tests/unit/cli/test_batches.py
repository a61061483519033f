"""Data that ``lmmtools fit`` reads in batches: folders, patterns, files too large for memory."""

from __future__ import annotations

import io
import sys

import pytest

import lmmtools as lmt
from lmmtools.cli import files, main
from lmmtools.cli.files import is_source
from lmmtools.cli.terminal import waiting
from lmmtools.progress import count_rows
from lmmtools.sources import whole

pytest.importorskip("pyarrow")
FORMULA = "strength ~ 1 + (1|batch/cask)"


@pytest.fixture
def parts(tmp_path):
    data = lmt.datasets.load("Pastes")
    data[["batch", "cask"]] = data[["batch", "cask"]].astype(str)
    (tmp_path / "parts").mkdir()
    for i in range(3):
        data.iloc[i * 20 : i * 20 + 20].to_parquet(tmp_path / "parts" / f"{i}.parquet", index=False)
    data.to_csv(tmp_path / "pastes.csv", index=False)
    return tmp_path


@pytest.fixture
def little_memory(monkeypatch):
    monkeypatch.setattr(files, "MATTERS", 0)
    monkeypatch.setattr(files, "free_memory", lambda: 100.0)
    monkeypatch.setattr(whole, "free_memory", lambda: 100.0)


@pytest.mark.parametrize("what", ["parts", "parts/*.parquet", "pastes.csv"])
def test_the_report_is_that_of_the_whole_file(parts, capsys, what, little_memory, monkeypatch):
    assert main(["fit", str(parts / what), FORMULA, "--ddf", "satterthwaite"]) == 0
    in_batches = capsys.readouterr().out
    assert "rows were read in batches\n" in in_batches
    monkeypatch.undo()
    assert main(["fit", str(parts / "pastes.csv"), FORMULA, "--ddf", "satterthwaite"]) == 0
    at_once = capsys.readouterr().out
    assert in_batches.replace(str(parts / what), "pastes.csv").replace("rows were read in batches\n", "") == at_once


def test_parts_that_memory_holds_are_one_table(parts, capsys):
    for command in (["report", "-o", str(parts / "page.html")], ["fit", "--factor", "cask"], ["compare"]):
        assert main([command[0], str(parts / "parts"), FORMULA, *command[1:]]) in (0, 1), command
        assert capsys.readouterr().err == ""
    assert (parts / "page.html").exists()


def test_folders_and_patterns_are_sources_and_files_that_memory_holds_are_not(parts, monkeypatch):
    assert is_source(str(parts / "parts"))
    assert is_source(f"{parts}/parts/*.parquet")
    assert is_source("s3://bucket/ratings")
    for path in (f"{parts}/pastes.csv", f"{parts}/parts/0.parquet", "-", "sleepstudy", "no.csv"):
        assert not is_source(path)
    monkeypatch.setattr(files, "MATTERS", 0)
    monkeypatch.setattr(files, "free_memory", lambda: 100.0)
    assert is_source(f"{parts}/pastes.csv")


def test_a_name_with_brackets_that_exists_is_a_file(tmp_path):
    (tmp_path / "a[1].csv").write_text("x\n1\n")
    assert not is_source(str(tmp_path / "a[1].csv"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--factor", "cask"], r"--factor cask goes with data that memory holds.*Write C(cask) in the formula"),
        (["--confirm"], "--confirm goes with data that memory holds.*Leave it out"),
        (["--na", "none"], "is no text: words for missing values and an encoding go with texts alone"),
    ],
)
def test_options_of_whole_files_are_refused_with_the_cure(parts, capsys, options, message, little_memory):
    assert main(["fit", str(parts / "parts"), FORMULA, *options]) == 2
    first, _, second = message.partition(".*")
    said = capsys.readouterr().err
    assert first in said
    assert second in said


def test_a_fit_in_batches_is_compared_with_one_that_was_stored(parts, capsys, little_memory):
    path = str(parts / "parts")
    assert main(["fit", path, FORMULA, "--json"]) == 0
    (parts / "fit.json").write_text(capsys.readouterr().out)
    assert main(["compare", path, FORMULA, "--engines", "pls", "--with", str(parts / "fit.json")]) == 0
    assert "same to the digits shown" in capsys.readouterr().out
    assert main(["compare", path, FORMULA]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "engine 'mixedlm' takes all rows in memory" in said
    assert "leave it out; --with takes a fit to compare with" in said


def test_commands_that_need_all_rows_say_so(parts, capsys, little_memory):
    for command in (["structure", "batch", "cask"], ["translate", FORMULA]):
        path = str(parts / "parts")
        assert main([command[0], path, *command[1:]]) == 2
        assert "is larger than memory, and this needs all rows at once" in capsys.readouterr().err


def test_parts_are_a_table_for_every_command(parts, capsys):
    assert main(["structure", str(parts / "parts"), "batch", "cask"]) == 0
    assert "cask" in capsys.readouterr().out


def test_a_pattern_without_a_match_says_what_is_there(parts, capsys):
    assert main(["fit", f"{parts}/parts/*.csv", FORMULA]) == 2
    assert "matches no file" in (said := capsys.readouterr().err)
    assert "has: 0.parquet, 1.parquet, 2.parquet" in said


def test_a_terminal_shows_rows_rate_and_time_to_go(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setattr("lmmtools.cli.terminal.DELAY", 0.01)
    with waiting("fitting"):
        count_rows(100_000_000)(25_000_000)
        while "to go" not in sys.stderr.getvalue():
            pass
    assert "25,000,000 of 100,000,000 rows, " in sys.stderr.getvalue()
