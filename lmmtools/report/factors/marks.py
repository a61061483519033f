"""The characters of a picture: block shades where the terminal has them, plain ASCII where not."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Literal

from lmmtools.errors import DataError

__all__ = ["ASCII", "UNICODE", "Characters", "Marks", "choose_marks"]

Characters = Literal["auto", "unicode", "ascii"]


@dataclass(frozen=True, slots=True)
class Marks:
    """Characters of a picture.

    Attributes
    ----------
    none : str
        Mark of a combination that does not occur.
    shades : str
        Four marks, from light to dark.
    """

    none: str
    shades: str


UNICODE = Marks("·", "░▒▓█")
ASCII = Marks(".", ":+#@")


def choose_marks(characters: Characters = "auto") -> Marks:
    """Return the marks asked for; ``"auto"`` takes the shades if standard output can write them.

    Raises
    ------
    DataError
        If there is no such set of characters.
    """
    if characters not in ("auto", "unicode", "ascii"):
        raise DataError(f"characters is 'auto', 'unicode' or 'ascii', not {characters!r}.")
    if characters == "auto":
        characters = "unicode" if _can_write(UNICODE) else "ascii"
    return UNICODE if characters == "unicode" else ASCII


def _can_write(marks: Marks) -> bool:
    try:
        (marks.none + marks.shades).encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
