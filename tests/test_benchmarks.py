"""The benchmarks' own parts: the tables of pages are those of the record beside them, and say what the record says."""

from __future__ import annotations

import copy
import csv
import json
import re

import pytest

from benchmarks.cases import CASES
from benchmarks.generators import islands, movers
from benchmarks.readme import (
    BUSY,
    FIRST,
    QUIET,
    Place,
    choose_rows,
    merge,
    read_section,
    render_section,
    render_short_section,
)
from benchmarks.table import format_seconds, notes, render


@pytest.fixture(scope="module")
def record() -> dict:
    return json.loads(QUIET.record.read_text(encoding="utf-8"))


def test_the_readme_shows_six_rows_of_the_record_with_the_notes_of_those_rows(record: dict) -> None:
    section = read_section(FIRST)
    assert section == render_short_section(record)
    chosen = choose_rows(record)
    assert len(chosen["cases"]) == 6
    rows = [line for line in section.splitlines() if line.startswith(tuple(c["name"] for c in chosen["cases"]))]
    assert len(rows) == 6
    assert any("**" in row for row in rows), "a row in which somebody else is faster"
    marks = set(re.findall(r"\[\d+\]", "".join(rows)))
    assert marks
    assert marks == set(re.findall(r"\[\d+\]", section)), "each mark has its note"


def test_the_speed_page_shows_the_record_of_a_run_of_all_cases(record: dict) -> None:
    assert read_section(QUIET) == render_section(record)
    assert [c["name"] for c in record["cases"]] == [c.name for c in CASES if not c.is_long]
    assert all(c["outcomes"]["lmmtools"]["gap"] is None for c in record["cases"]), record["cases"]


def test_the_table_of_a_busy_machine_is_that_of_its_record() -> None:
    record = json.loads(BUSY.record.read_text(encoding="utf-8"))
    assert record["busy"] == 2
    assert read_section(BUSY) == render_section(record)
    assert "beside 2 processes that count for ever" in read_section(BUSY)


def test_the_exponents_of_the_docs_are_those_of_their_record() -> None:
    from benchmarks import exponents

    record = json.loads(exponents.RECORD.read_text(encoding="utf-8"))
    with exponents.TABLE.open(encoding="utf-8", newline="") as file:
        assert list(csv.reader(file)) == exponents.rows(record)
    assert [s["size"] for s in record["series"]] == [s.size for s in exponents.SERIES]


def test_a_missed_aim_and_a_missed_optimum_are_told(record: dict) -> None:
    changed = copy.deepcopy(record)
    case = next(c for c in changed["cases"] if "lme4" in c["outcomes"])
    ours, lme4 = case["outcomes"]["lmmtools"], case["outcomes"]["lme4"]
    case["aims"] = [ours["seconds"] / 2, {"rival": "lme4", "factor": 20.0}, {"rival": "not_run", "factor": 1.0}]
    lme4.update(gap=3.25, seconds=5 * ours["seconds"])
    row = next(line for line in render(changed).splitlines() if line.startswith(case["name"]))
    assert "missed by 2x; 20x under lme4: missed by 4x" in row
    case["aims"] = [{"rival": "lme4", "factor": 0.4}]
    assert "2.5 times lme4: met" in render(changed)
    assert any("lme4" in note and "3.25 above" in note for note in notes(changed)), notes(changed)


def test_the_engine_by_name_has_a_column_where_it_differs_from_the_default(record: dict) -> None:
    changed = copy.deepcopy(record)
    changed["rivals"] = ["lmmtools", "lmmtools_pls", "lme4"]
    for case in changed["cases"]:
        if case["task"] == "fit":
            case["outcomes"]["lmmtools_pls"] = copy.deepcopy(case["outcomes"]["lmmtools"])
    assert 'engine="pls"' not in render(changed)
    assert any(note.startswith('engine="pls" by name takes the same time') for note in notes(changed)), notes(changed)
    changed["cases"][0]["outcomes"]["lmmtools_pls"]["seconds"] /= 1.5
    assert 'engine="pls"' in render(changed).splitlines()[1]
    assert not any(note.startswith('engine="pls" by name') for note in notes(changed)), notes(changed)


def test_a_rival_ten_times_as_fast_is_not_told_to_take_no_time(record: dict) -> None:
    changed = copy.deepcopy(record)
    outcomes = changed["cases"][0]["outcomes"]
    outcomes["lme4"]["seconds"] = 0.04 * outcomes["lmmtools"]["seconds"]
    assert "**0.04x**" in render(changed), "who is ahead stands in bold type"
    outcomes["lme4"]["gap"] = 1.0
    assert "**0.04x**" not in render(changed), "who misses the optimum is not ahead"


def test_the_table_names_the_call_that_is_timed() -> None:
    assert "lmm(...).fit()" in read_section(QUIET).splitlines()[2]
    source = (QUIET.record.parent / "rivals" / "lmmtools.py").read_text(encoding="utf-8")
    assert ".fit()" in source
    assert "engine=" not in source


def test_slow_rivals_are_left_out_on_request(tmp_path, monkeypatch, record: dict) -> None:
    import benchmarks.__main__ as main

    assert main._find_slow("ratings, 1,000,000 rows", None) == set()
    changed = copy.deepcopy(record)
    outcomes = changed["cases"][0]["outcomes"]
    outcomes["lme4"]["seconds"], outcomes["mixedlm"]["seconds"] = 40.0, 20.0
    outcomes["statsmodels"].update(seconds=None, failure="over 300 s")
    (tmp_path / "results.json").write_text(json.dumps(changed))
    monkeypatch.setattr(main, "QUIET", Place(tmp_path / "speed.rst", tmp_path / "results.json"))
    assert main._find_slow(changed["cases"][0]["name"], 30.0) == {"lme4", "statsmodels"}


def test_a_run_of_some_cases_renews_those_only(record: dict) -> None:
    run = {**record, "cases": [{**record["cases"][3], "formula": "new"}], "rivals": ["lmmtools"]}
    merged = merge(run, record)
    assert merged["rivals"] == record["rivals"]
    assert [c["name"] for c in merged["cases"]] == [c["name"] for c in record["cases"]]
    assert [c["formula"] == "new" for c in merged["cases"]].index(True) == 3


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.000213, "0.21 ms"),
        (0.003, "3.0 ms"),
        (0.049, "49 ms"),
        (0.0996, "0.10 s"),
        (0.85, "0.85 s"),
        (8.4, "8.4 s"),
    ],
)
def test_times_are_printed_to_two_digits(seconds: float, text: str) -> None:
    assert format_seconds(seconds) == text


def test_simulated_data_are_the_same_each_time() -> None:
    import numpy as np

    for make in (lambda rng: movers(rng, 50, 20, 4), lambda rng: islands(rng, 3)):
        assert make(np.random.default_rng(1)).equals(make(np.random.default_rng(1))), make


def test_threads_are_compared_with_the_better_of_one_and_two(monkeypatch) -> None:
    from benchmarks import threads

    times = {"default": [3.0, 1.0, 2.0], "1": [4.0], "2": [1.0]}
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    asked = []

    def answer(case, rival, folder, environment):
        asked.append(environment.get("OMP_NUM_THREADS"))
        setting = environment.get("OPENBLAS_NUM_THREADS", "default")
        return {"seconds": times[setting], "cpu": times[setting]}

    monkeypatch.setattr(threads, "run_once", answer)
    row = threads._measure(CASES[0], None, "idle", 2)
    assert asked == [None, "1", "2"] * 2
    assert row["seconds_ratio"] == 2.0
    assert "over the aim" in threads._line(row)
    assert threads._sum_up([row]).startswith("0 of 1 within 1.2")
