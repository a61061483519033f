"""Data that ``lmmtools fit`` reads in batches: folders, patterns, files too large for memory."""

from __future__ import annotations

import io
import sys

import pytest

import lmmtools as lmt
from lmmtools.cli import files, main
from lmmtools.cli.files import is_read_in_batches
from lmmtools.cli.terminal import waiting
from lmmtools.progress import count_rows

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


def test_folders_and_patterns_are_read_in_batches_and_files_are_not(parts, monkeypatch):
    assert is_read_in_batches(str(parts / "parts"))
    assert is_read_in_batches(f"{parts}/parts/*.parquet")
    assert is_read_in_batches("s3://bucket/ratings")
    for path in (f"{parts}/pastes.csv", f"{parts}/parts/0.parquet", "-", "sleepstudy", "no.csv"):
        assert not is_read_in_batches(path)
    monkeypatch.setattr(files, "MATTERS", 0)
    monkeypatch.setattr(files, "free_memory", lambda: 100.0)
    assert is_read_in_batches(f"{parts}/pastes.csv")


def test_a_name_with_brackets_that_exists_is_a_file(tmp_path):
    (tmp_path / "a[1].csv").write_text("x\n1\n")
    assert not is_read_in_batches(str(tmp_path / "a[1].csv"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--factor", "cask"], r"--factor cask goes with a file that is read whole.*Write C(cask) in the formula"),
        (["--na", "none"], "is no text: words for missing values and an encoding go with texts alone"),
    ],
)
def test_options_of_whole_files_are_refused_with_the_cure(parts, capsys, options, message):
    assert main(["fit", str(parts / "parts"), FORMULA, *options]) == 2
    first, _, second = message.partition(".*")
    said = capsys.readouterr().err
    assert first in said
    assert second in said


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
