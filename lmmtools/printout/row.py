"""One row of a printed table, split into its label and the numbers at its end."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lmmtools.printout.number import PrintedNumber, is_number_text

__all__ = ["Tail", "read_tail"]

_WORD = re.compile(r"\S+")
_LONE_DASH = re.compile(r"[-\u2010-\u2014\u2212]")


@dataclass(frozen=True, slots=True)
class Tail:
    """A row, split into its label and the numbers at its end.

    Attributes
    ----------
    text : str
        The row.
    numbers : tuple of PrintedNumber
        From left to right; the first ones may belong to the label (``dose 2``).
    starts : tuple of int
        Where each begins in the text.
    """

    text: str
    numbers: tuple[PrintedNumber, ...]
    starts: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.numbers)

    def label(self, count: int) -> str:
        """Return the text before the last ``count`` numbers, with the blanks at its start."""
        return (self.text[: self.starts[-count]] if count else self.text).rstrip()

    def last(self, count: int) -> tuple[PrintedNumber, ...]:
        """Return the last ``count`` numbers."""
        return self.numbers[len(self.numbers) - count :]


def read_tail(text: str) -> Tail:
    """Return the row, split into its label and the numbers at its end.

    A minus or a ``<`` that a blank separates from its number belongs to it.
    """
    numbers: list[PrintedNumber] = []
    starts: list[int] = []
    for word in reversed(list(_WORD.finditer(text))):
        is_sign = word[0] == "<" or _LONE_DASH.fullmatch(word[0]) is not None
        if is_sign and numbers and numbers[-1].text[0] in "0123456789.":
            numbers[-1] = PrintedNumber(word[0] + numbers[-1].text)
            starts[-1] = word.start()
            continue
        if not is_number_text(word[0]):
            break
        numbers.append(PrintedNumber(word[0]))
        starts.append(word.start())
    return Tail(text, tuple(reversed(numbers)), tuple(reversed(starts)))
