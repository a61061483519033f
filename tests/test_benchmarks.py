"""The benchmarks' own parts: the README's table is that of the record beside them, and says what the record says."""

from __future__ import annotations

import copy
import json

import pytest

from benchmarks.cases import CASES
from benchmarks.generators import islands, movers
from benchmarks.readme import RECORD, merge, read_section, render_section
from benchmarks.table import format_seconds, notes, render


@pytest.fixture(scope="module")
def record() -> dict:
    return json.loads(RECORD.read_text(encoding="utf-8"))


def test_readme_shows_the_record_of_a_run_of_all_cases(record: dict) -> None:
    assert read_section() == render_section(record)
    assert [c["name"] for c in record["cases"]] == [c.name for c in CASES]
    assert all(c["outcomes"]["lmmtools"]["gap"] is None for c in record["cases"])


def test_a_missed_aim_and_a_missed_optimum_are_told(record: dict) -> None:
    changed = copy.deepcopy(record)
    case = next(c for c in changed["cases"] if isinstance(c["aim"], float) and "lme4" in c["outcomes"])
    case["aim"] = case["outcomes"]["lmmtools"]["seconds"] / 2
    case["outcomes"]["lme4"]["gap"] = 3.25
    assert "missed by 2x" in render(changed)
    assert any("lme4" in note and "3.25 above" in note for note in notes(changed))


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
        assert make(np.random.default_rng(1)).equals(make(np.random.default_rng(1)))
