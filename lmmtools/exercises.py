"""Answers to exercises, checked: right, or wrong with a hint."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from lmmtools import memory

__all__ = ["Verdict", "check"]

# Exercises ask for two or three digits.
RTOL = 0.01


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict on an answer; prints as a sentence, and is true if the answer is right.

    Attributes
    ----------
    is_right : bool
        Whether the answer is right.
    sentence : str
        What to tell the person who answered.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> bool(lmt.exercises.check(2, 2, hint="Add them."))
    True
    """

    is_right: bool
    sentence: str

    def __bool__(self) -> bool:
        return self.is_right

    def __str__(self) -> str:
        return self.sentence

    def __repr__(self) -> str:
        return self.sentence


@memory.door
def check(
    answer: Any,
    right: Any,
    *,
    hint: str,
    because: str = "",
    mistakes: Collection[tuple[Any, str]] = (),
    rtol: float = RTOL,
) -> Verdict:
    """Return the verdict on an answer, with a hint if it is wrong.

    Parameters
    ----------
    answer : object
        The answer; ``...`` where none was given yet.
    right : object
        The right answer, or a function of an answer that returns whether it is right. Whole numbers and truth values
        are compared exactly, other numbers up to ``rtol``, text without regard to blanks and capitals, collections
        item by item (sets in any order).
    hint : str
        A sentence that helps without revealing the answer.
    because : str
        What to add when the answer is right.
    mistakes : collection of (object, str)
        Foreseeable wrong answers, each with the sentence that replaces the hint.
    rtol : float
        Largest relative difference of a number that counts as right.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> lmt.exercises.check(0.79, 0.7855, hint="Divide by the sum of all variances.")
    Right: 0.79.
    >>> lmt.exercises.check(3.73, 0.7855, hint="Divide by the sum of all variances.")
    Not yet: 3.73 is not it. Divide by the sum of all variances.
    >>> lmt.exercises.check(..., 0.7855, hint="Divide by the sum of all variances.")
    No answer yet: put yours in place of the dots, and run the cells again.
    """
    answer, right = _plain(answer), _plain(right)
    if answer is ... or answer is None:
        return Verdict(False, "No answer yet: put yours in place of the dots, and run the cells again.")
    shown = f"{answer:.6g}" if isinstance(answer, float) else repr(answer)
    try:
        is_right = bool(right(answer)) if callable(right) else _is_same(answer, right, rtol)
    except Exception as error:
        return Verdict(False, f"Not yet: {shown} cannot be tried ({error}). {hint}")
    if is_right:
        return Verdict(True, f"Right: {shown}. {because}".rstrip())
    said = next((text for wrong, text in mistakes if _is_same(answer, _plain(wrong), rtol)), hint)
    return Verdict(False, f"Not yet: {shown} is not it. {said}")


def _is_same(answer: Any, right: Any, rtol: float) -> bool:
    if isinstance(right, str):
        return isinstance(answer, str) and _letters(answer) == _letters(right)
    if isinstance(right, bool) or isinstance(answer, bool):
        return isinstance(answer, bool) and isinstance(right, bool) and answer == right
    if isinstance(right, Real):
        if not isinstance(answer, Real):
            return False
        if isinstance(right, int):
            return answer == right
        return abs(float(answer) - float(right)) <= rtol * abs(float(right))
    if isinstance(right, Mapping):
        return (
            isinstance(answer, Mapping)
            and answer.keys() == right.keys()
            and all(_is_same(answer[key], right[key], rtol) for key in right)
        )
    if isinstance(right, set | frozenset):
        return isinstance(answer, Collection) and not isinstance(answer, str) and set(answer) == right
    return (
        isinstance(answer, Collection)
        and not isinstance(answer, str)
        and len(answer) == len(right)
        and all(_is_same(a, r, rtol) for a, r in zip(answer, right, strict=True))
    )


def _plain(value: Any) -> Any:
    """Return Python's number for a number of NumPy, which prints as np.float64(...)."""
    return value.item() if isinstance(value, np.generic) else value


def _letters(text: str) -> str:
    return "".join(text.split()).casefold()
