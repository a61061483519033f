"""The text of a hypothesis is read, never run; what is no hypothesis is refused."""

from __future__ import annotations

import time

import numpy as np
import pytest

import lmmtools as lmt
from lmmtools.errors import DataError
from lmmtools.inference.wald_tests import read_constraints

NAMES = ("Intercept", "Days", "h[T.b]", "h[T.b]:Days")


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('touch touched') = 0",
        "Days.__class__",
        "eval('1')",
        "lambda: Days",
        "Days = open('touched', 'w')",
        "Days; Intercept",
        "[Days]",
        "{Days}",
        "f'{Days}'",
        "Days := 1",
        "9**9**9 = Days",
        "Days**2 = 0",
        "Days*Days = 0",
        "nowhere = 0",
        "Days = nowhere",
        "Days =",
        "= 0",
        "=",
        "(" * 500,
        "-" * 5000 + "Days",
        "Days" + " + Days" * 100_000,
        "Days/0 = 1",
        "1e400*Days = 1",
        "0*Days = 0",
        "Days - Days = 0",
    ],
)
def test_text_that_is_no_linear_hypothesis_is_refused_and_never_run(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = time.process_time()
    with pytest.raises(DataError):
        read_constraints(text, NAMES)
    assert time.process_time() - before < 5
    assert not (tmp_path / "touched").exists()


def test_names_with_brackets_and_colons_are_read():
    L, values, labels = read_constraints("h[T.b]:Days - 2*Days = 1, h[T.b] = 0", NAMES)
    np.testing.assert_array_equal(L, [[0, -2, 0, 1], [0, 0, 1, 0]])
    np.testing.assert_array_equal(values, [1, 0])
    assert labels == ("-2*Days + h[T.b]:Days", "h[T.b]")


@pytest.mark.parametrize("thing", ["sleepstudy", None, 5, {"Days": 1}])
def test_power_is_asked_of_a_model(thing):
    with pytest.raises(DataError, match=f"not {type(thing).__name__}"):
        lmt.power(thing)
