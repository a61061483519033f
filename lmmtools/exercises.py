"""Answers to exercises, checked: right, or wrong with a hint."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools import memory

if TYPE_CHECKING:
    from lmmtools.formula.declare import Declaration
    from lmmtools.formula.terms import RandomTerm

__all__ = ["Verdict", "check", "same_terms"]

# Exercises ask for two or three digits.
RTOL = 0.01

# Characters of an answer that are shown again.
LONGEST_SHOWN = 300


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
        The right answer, or a function of an answer that returns whether it is right, as `same_terms` makes one. Whole
        numbers and truth values are compared exactly, other numbers up to ``rtol``, text without regard to blanks,
        quotes and capitals, collections item by item (sets in any order). Numbers may be text (``"12 wards"``,
        ``"79%"``), and truth values ``"yes"`` and ``"no"``.
    hint : str
        A sentence that helps without revealing the answer.
    because : str
        What to add when the answer is right.
    mistakes : collection of (object, str)
        Foreseeable wrong answers, or functions as for ``right``, each with the sentence that replaces the hint.
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
    shown = shown if len(shown) <= LONGEST_SHOWN else f"{shown[:LONGEST_SHOWN]}..."
    try:
        is_right = _is_same(answer, right, rtol)
    except Exception as error:
        return Verdict(False, f"Not yet: {shown} cannot be tried ({error}). {hint}")
    if is_right:
        return Verdict(True, f"Right: {shown}. {because}".rstrip())
    said = next((text for wrong, text in mistakes if _is_same(answer, _plain(wrong), rtol)), hint)
    return Verdict(False, f"Not yet: {shown} is not it. {said}")


def same_terms(*right: str | Declaration) -> Callable[[Any], bool]:
    """Return a function that says whether an answer has the random terms of one of some formulas.

    It takes brackets, ``"(1|a) + (1|a:b)"``, in any order and with slashes or without; a whole formula, whose response
    and fixed part do not count; a declaration, ``lmt.nested("a", "b")``; or a list of terms.

    Parameters
    ----------
    *right : str or Declaration
        Right answers that are not the same model.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> is_right = lmt.exercises.same_terms("(1|hospital/ward)")
    >>> is_right("(1|ward:hospital) + (1|hospital)"), is_right("(1|hospital) + (1|ward)")
    (True, False)
    """
    wanted = [_random_terms(form) for form in right]

    def is_right(answer: Any) -> bool:
        return _random_terms(answer) in wanted

    return is_right


def _random_terms(answer: Any) -> Counter[RandomTerm]:
    """Return the random terms of brackets, of a formula, of a declaration or of a list of them."""
    from lmmtools.formula.declare import Declaration, crossed, nested
    from lmmtools.formula.parser import parse

    if isinstance(answer, str) and (call := _DECLARED.fullmatch(answer.strip())):
        declare = {"crossed": crossed, "nested": nested}[call["kind"]]
        answer = declare(*re.findall("""['"]([^'"]+)['"]""", call["names"]))
    if isinstance(answer, Declaration):
        return Counter(parse("y ~ 1", answer).random)
    if isinstance(answer, Collection) and not isinstance(answer, str):
        return sum((_random_terms(part) for part in answer), Counter())
    text = _bare(str(answer)).rpartition("~")[2].strip().strip("+").strip()
    return Counter(parse(f"y ~ 1 + {text}").random)


def _is_same(answer: Any, right: Any, rtol: float) -> bool:
    if callable(right):
        return bool(right(answer))
    if isinstance(right, str | bool | Real):
        answer = _alone(answer)
    if isinstance(right, str):
        return not isinstance(answer, bool) and _words(str(answer)) == _words(right)
    if isinstance(right, bool) or isinstance(answer, bool):
        answer = _YES_OR_NO.get(_words(answer), answer) if isinstance(answer, str) else answer
        return isinstance(answer, bool) and isinstance(right, bool) and answer == right
    if isinstance(right, Real):
        number = _number(answer)
        if number is None:
            return False
        if isinstance(right, int):
            return number == right
        return abs(number - float(right)) <= rtol * abs(float(right))
    if isinstance(answer, str):
        answer = _parts(answer)
    if isinstance(right, Mapping):
        return (
            isinstance(answer, Mapping)
            and answer.keys() == right.keys()
            and all(_is_same(answer[key], right[key], rtol) for key in right)
        )
    if not isinstance(answer, Collection):
        return False
    if isinstance(right, set | frozenset):
        return len(answer) == len(right) and all(any(_is_same(a, r, rtol) for a in answer) for r in right)
    return len(answer) == len(right) and all(_is_same(a, r, rtol) for a, r in zip(answer, right, strict=True))


def _plain(value: Any) -> Any:
    """Return Python's number for a number of NumPy, which prints as np.float64(...)."""
    return value.item() if isinstance(value, np.generic) else value


def _alone(answer: Any) -> Any:
    """Return what is alone in a list, a tuple, an array or a Series."""
    if getattr(answer, "ndim", None) == 0:
        return answer.item()
    if isinstance(answer, str | Mapping) or not hasattr(answer, "__len__") or len(answer) != 1:
        return _plain(answer)
    return _alone(next(iter(answer)))


def _bare(text: str) -> str:
    """Return text without blanks and quotes around it."""
    return text.strip().strip("\"'`\u201c\u201d\u2018\u2019").strip()


def _words(text: str) -> str:
    """Return text without quotes, capitals, blanks, an article before it and a stop behind it."""
    words = _bare(_bare(text).rstrip(".!")).casefold().split()
    return "".join(words[1:] if len(words) > 1 and words[0] in ("the", "a", "an", "it") else words)


def _parts(text: str) -> Any:
    """Return the parts of a list that was written as text: ``"(3, False)"``, ``"3 and no"``."""
    inner = _bare(text).strip("()[]{}")
    return [part for part in re.split(r",|;|\band\b", inner) if part.strip()]


def _number(answer: Any) -> float | None:
    """Return the number that an answer is or writes, None if there is none: ``"0.79"``, ``"79%"``, ``"11/14"``."""
    if isinstance(answer, Real | Decimal):
        return float(answer)
    if not isinstance(answer, str):
        return None
    text = _bare(answer).casefold().replace("\u2212", "-").lstrip("=~\u2248 ").removeprefix("about ")
    words = text.split()
    if words and words[0] in _NUMBERS:
        return float(_NUMBERS[words[0]])
    found = _WRITTEN.match(text)
    if found is None:
        return None
    number = _read(found["number"])
    if found["under"]:
        below = _read(found["under"])
        number = number / below if below else float("nan")
    return number / 100.0 if found["percent"] else number


def _read(digits: str) -> float:
    """Return the number of digits with separators of thousands or a decimal comma."""
    if re.fullmatch(r"[-+]?\d{1,3}(?:[,_ ]\d{3})+(?:\.\d*)?", digits) and not digits.lstrip("+-").startswith("0"):
        return float(re.sub("[,_ ]", "", digits))
    return float(digits.replace(",", "."))


# A number, a second one below a stroke, a percent sign, and a unit in letters.
_WRITTEN = re.compile(
    r"(?P<number>[-+]?(?:\d{1,3}(?:[,_ ]\d{3})+(?:\.\d*)?|\d+(?:[.,]\d*)?|[.,]\d+)(?:e[-+]?\d+)?)"
    r"(?:\s*/\s*(?P<under>\d+(?:[.,]\d*)?))?\s*(?P<percent>%|percent)?\s*(?:[a-z^\u00b2 ]*[a-z\u00b2^]\d?)?\.?$"
)
# A declaration as text, with names in quotes alone.
_DECLARED = re.compile(
    r"""(?:\w+\.)?(?P<kind>crossed|nested)\((?P<names>\s*['"][^'"]+['"](?:\s*,\s*['"][^'"]+['"])*\s*)\)"""
)
_UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty"
)
_TENS = ("thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_NUMBERS = {
    **{word: number for number, word in enumerate(_UNITS.split())},
    **{word: 10 * k for k, word in enumerate(_TENS, 3)},
}
_YES_OR_NO = {"true": True, "yes": True, "y": True, "false": False, "no": False, "n": False}
