"""Answers to exercises: right ones are known, wrong ones are told, with a hint."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest

import lmmtools as lmt
from lmmtools.exercises import check, same_terms

RIGHT = [
    (0.79, 0.7855),
    (np.float64(0.785), 0.7855),
    (30, np.int64(30)),
    (30.0, 30),
    (True, np.True_),
    ("(1 | a/b)", "(1|a/b)"),
    ("Crossed", "crossed"),
    ((3, False), (3, False)),
    ([0.1, 0.2], (0.1001, 0.1999)),
    (["b", "a"], {"a", "b"}),
    ({"a": 1.0}, {"a": 1.001}),
    (12, lambda n: n % 4 == 0),
    ("0.79", 0.7855),
    ("0,79", 0.7855),
    ("79 %", 0.7855),
    ("11/14", 0.7855),
    ("about 0.79", 0.7855),
    (Decimal("0.79"), 0.7855),
    ([0.79], 0.7855),
    (np.array(0.79), 0.7855),
    ("12 wards", 12),
    ("twelve", 12),
    ("37,614", 37614),
    ("'person'", "person"),
    ("The person.", "person"),
    (308, "308"),
    ("no", False),
    ("3 and no", (3, False)),
    ("(1|a) + (1|b:a)", same_terms("(1|a/b)")),
    ("y ~ x + (1|b) + (1|a)", same_terms("(1|a) + (1|b)")),
    (lmt.nested("a", "b"), same_terms("(1|a/b)")),
    ("lmt.nested('a', \"b\")", same_terms("(1|a/b)")),
    (["(1|a)", "(1|a:b)"], same_terms("(1|a/b)")),
]
WRONG = [
    (0.8, 0.7855),
    (31, 30),
    (1, True),
    (True, 1),
    ("0.79 or 0.9", 0.7855),
    ("nan", 0.7855),
    ("0.8", 0.7855),
    ("eleven", 12),
    ("", 12),
    ("12 or 13", 12),
    ("noon", False),
    ("the other", "crossed"),
    (float("nan"), 0.7855),
    ("nested", "crossed"),
    (3, "crossed"),
    ((3, True), (3, False)),
    ((3,), (3, False)),
    (3, (3, False)),
    ("ab", {"a", "b"}),
    (["a"], {"a", "b"}),
    ({"b": 1.0}, {"a": 1.0}),
    (0.001, 0.0),
    (13, lambda n: n % 4 == 0),
    ("(1|b/a)", same_terms("(1|a/b)")),
    ("(1|a) + (1|b)", same_terms("(1|a/b)")),
    ("(x|a)", same_terms("(1|a)")),
]


@pytest.mark.parametrize(("answer", "right"), RIGHT)
def test_a_right_answer_is_known(answer, right):
    verdict = check(answer, right, hint="Think.")
    assert verdict
    assert str(verdict).startswith("Right: ")
    assert "np." not in str(verdict)


@pytest.mark.parametrize(("answer", "right"), WRONG)
def test_a_wrong_answer_is_told_with_the_hint_and_without_the_right_one(answer, right):
    verdict = check(answer, right, hint="Think.")
    assert not verdict
    assert repr(verdict).startswith("Not yet: ")
    assert repr(verdict).endswith(" is not it. Think.")


@pytest.mark.parametrize("nothing", [..., None])
def test_no_answer_is_neither(nothing):
    verdict = check(nothing, 1.0, hint="Think.")
    assert not verdict
    assert str(verdict) == "No answer yet: put yours in place of the dots, and run the cells again."


def test_a_foreseen_mistake_is_named_in_place_of_the_hint():
    mistakes = [(1.0, "That is the residual's."), ("(1|a)", "And b?")]
    assert str(check(1.0, 2.0, hint="Think.", mistakes=mistakes)) == "Not yet: 1 is not it. That is the residual's."
    assert str(check("(1 | a)", "(1|b)", hint="Think.", mistakes=mistakes)).endswith("And b?")
    assert str(check(3.0, 2.0, hint="Think.", mistakes=mistakes)).endswith("Think.")


def test_the_reason_is_told_to_who_is_right_alone():
    assert str(check(2, 2, hint="Think.", because="Two and no more.")) == "Right: 2. Two and no more."
    assert "no more" not in str(check(3, 2, hint="Think.", because="Two and no more."))
    assert "no more" not in str(check(..., 2, hint="Think.", because="Two and no more."))


def test_the_tolerance_is_the_caller_s():
    assert check(1750.0, 1751.94, hint="Think.")
    assert not check(1750.0, 1751.94, hint="Think.", rtol=1e-5)


def test_an_answer_that_cannot_be_tried_is_wrong_and_says_why():
    verdict = check("(1|a", lambda text: 1 / 0, hint="Close the bracket.")
    assert not verdict
    assert str(verdict) == "Not yet: '(1|a' cannot be tried (division by zero). Close the bracket."
