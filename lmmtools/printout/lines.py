"""From pasted text to lines: prompts, comment marks and a page's typography taken off, the layout kept."""

from __future__ import annotations

import html
import re
import unicodedata
from dataclasses import dataclass
from itertools import pairwise

__all__ = ["Line", "clean_lines"]

_COMMENT = re.compile(r"\s*(?:#+['>]?)(?: |$)")
_QUOTED = re.compile(r"\s*(?:>|\||%)(?: |$)")
_PROMPT = re.compile(r"\s*(?:>|In ?\[\d*\]:)(?: |$)")
_CONTINUED = re.compile(r"\+(?: |$)")
_FENCE = re.compile(r"\s*(?:```|~~~)")
_TAG = re.compile(r"</?(?:pre|code|samp|span|div|p|br)\b[^<>\n]*>")
_ESCAPE = re.compile(r"\x1b\[[0-9;]*m")
_ENTITY = re.compile(r"&(?:lt|gt|amp|nbsp|quot|#\d+|#x[0-9a-f]+);", re.I)
_INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u2060\ufeff"))
_LIGATURES = {0xFB00: "ff", 0xFB01: "fi", 0xFB02: "fl", 0xFB03: "ffi", 0xFB04: "ffl"}
# Marks before every line of a quoted text; some lines (a page number, a line that was wrapped) may have lost theirs.
_MOST = 0.8
# A mail is quoted within quotations no deeper.
_DEEPEST = 20
# With fewer lines, blank lines between them are no sign of double spacing.
_FEWEST = 5


@dataclass(frozen=True, slots=True)
class Line:
    """One line of pasted text.

    Attributes
    ----------
    text : str
        Without what was around it; blanks at its start are kept, as columns may depend on them.
    number : int
        Its place in the text, from 1.
    is_break : bool
        Whether it was not printed but typed at a prompt, or is the fence of a block: what is printed ends before it.
    """

    text: str
    number: int
    is_break: bool = False

    @property
    def is_blank(self) -> bool:
        """Whether there is nothing on it."""
        return not self.text

    @property
    def words(self) -> str:
        """The text with single spaces."""
        return " ".join(self.text.split())


def clean_lines(text: str) -> list[Line]:
    """Return the lines of a pasted text.

    Taken off are comment marks (``##``, ``#>``), marks of quotation before (nearly) every line, escape codes, tags and
    entities of HTML, and double spacing; ligatures are taken apart, and every kind of space is a space. Code fences and
    lines that begin with a prompt, with their continuations, are marked as breaks.
    """
    text = _TAG.sub("", _ESCAPE.sub("", text))
    if _ENTITY.search(text):
        text = html.unescape(text)
    text = text.translate(_INVISIBLE).translate(_LIGATURES)
    rows = _without_marks([_plain_spaces(row).rstrip() for row in text.splitlines()])
    numbered = _single_spaced(list(enumerate(rows, 1)))
    lines: list[Line] = []
    for number, row in numbered:
        goes_on = bool(lines) and lines[-1].is_break and bool(_CONTINUED.match(row))
        lines.append(Line(row, number, goes_on or bool(_PROMPT.match(row) or _FENCE.match(row))))
    return lines


def _single_spaced(rows: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """Return the numbered rows without the blank one after each, if there is one after each."""
    filled = [i for i, (_, row) in enumerate(rows) if row]
    gaps = [b - a for a, b in pairwise(filled)]
    if len(gaps) < _FEWEST or any(gap % 2 for gap in gaps):
        return rows
    return rows[filled[0] :: 2]


def _plain_spaces(row: str) -> str:
    row = row.expandtabs(8)
    return "".join(" " if unicodedata.category(c) == "Zs" else c for c in row) if not row.isascii() else row


def _without_marks(rows: list[str]) -> list[str]:
    """Take off comment marks wherever they are, and marks of quotation where (nearly) all lines have one."""
    for _ in range(_DEEPEST):
        rows = [_COMMENT.sub("", row, count=1) if _COMMENT.match(row) else row for row in rows]
        filled = [row for row in rows if row]
        if not filled or sum(bool(_QUOTED.match(row)) for row in filled) < _MOST * len(filled):
            return rows
        rows = [_QUOTED.sub("", row, count=1) if _QUOTED.match(row) else row for row in rows]
    return rows
