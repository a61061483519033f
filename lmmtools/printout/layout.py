"""The layout of a pasted text: its lines, the parts they form, and the numbers that end a row."""

from __future__ import annotations

import html
import re
import unicodedata
from dataclasses import dataclass, replace
from itertools import dropwhile, pairwise, takewhile
from typing import TYPE_CHECKING

from lmmtools.errors import PrintoutError
from lmmtools.printout.number import PrintedNumber, is_number_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Line", "Sections", "Tail", "clean_lines", "find_sections", "read_tail"]

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
# Share of lines with a mark by which a text is quoted; some (a page number, a wrapped line) may have lost theirs.
_MOST = 0.8
# Quotations within quotations are removed to this depth.
_DEEPEST = 20
# With fewer lines, blank lines between them are no sign of double spacing.
_FEWEST = 5
# One printed fit is no longer.
_MOST_CHARACTERS = 2_000_000
# Heading -> part. A pattern is matched at the first word of a line, blanks being single.
_HEADINGS = {
    "title": r"(?:.*[^\w ] ?)?Linear mixed(?= ?$| model fit)",
    "formula": r"Formula:",
    "data": r"Data:",
    "weights": r"Weights:",
    "offset": r"Offset:",
    "subset": r"Subset:",
    "control": r"Control:",
    "reml": r"REML criterion at convergence ?:",
    "criteria": r"(?=AIC BIC\b)",
    "residuals": r"Scaled residuals ?:",
    "random": r"Random effects ?:",
    "nobs": r"Number of obs ?:",
    "fixed": r"Fixed [Ee]ffects ?:|(?=No fixed effect coefficients)",
    "correlations": r"Correlations? of Fixed Effects ?:",
    "legend": r"---$|Signif\. ?codes|attr\(,\"legend\"\)",
    "hidden": r"Correlation matrix not shown",
    "message": (
        r"(?=optimizer \(|convergence code|fit warnings:|boundary \(singular\)|singular fit|Model failed to converge"
        r"|Model is nearly unidentifiable|Some predictor variables are on|unable to evaluate scaled gradient"
        r"|Hessian is numerically singular|Parameters or bounds appear|fixed-effect model matrix is rank deficient"
        r"|Warning messages?:)"
    ),
}
_PATTERNS = {part: re.compile(pattern) for part, pattern in _HEADINGS.items()}
_WORD = re.compile(r"\S+")
_LONE_DASH = re.compile(r"[-\u2010-\u2014\u2212]")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of pasted text.

    Attributes
    ----------
    text : str
        Without prompts and marks. Blanks at its start are kept, as columns may depend on them.
    number : int
        Its place in the text, from 1.
    is_break : bool
        Whether the line was typed at a prompt or is the fence of a code block: the printout ends before it.
    """

    text: str
    number: int
    is_break: bool = False

    @property
    def is_blank(self) -> bool:
        """Whether the line is empty."""
        return not self.text

    @property
    def words(self) -> str:
        """The text, with single blanks."""
        return " ".join(self.text.split())


def clean_lines(text: str) -> list[Line]:
    """Return the lines of a pasted text.

    Removed are comment marks (``##``, ``#>``), marks of quotation before (nearly) every line, escape codes, tags and
    entities of HTML, and double spacing; ligatures become letters, and every kind of space becomes a blank. Code fences
    and lines that begin with a prompt, with their continuations, are marked as breaks.

    Raises
    ------
    PrintoutError
        If the text is longer than a printed fit.
    """
    if len(text) > _MOST_CHARACTERS:
        raise PrintoutError(f"The text has more than {_MOST_CHARACTERS:,} characters: paste one printed summary.")
    # A lone surrogate, as a broken copy may have, cannot be printed.
    text = text.encode("utf-8", "replace").decode("utf-8")
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
    """Return the numbered rows, without the blank ones if every second row is blank."""
    filled = [i for i, (_, row) in enumerate(rows) if row]
    gaps = [b - a for a, b in pairwise(filled)]
    if len(gaps) < _FEWEST or any(gap % 2 for gap in gaps):
        return rows
    return rows[filled[0] :: 2]


def _plain_spaces(row: str) -> str:
    """Return a row with blanks for tabs and for spaces of any kind."""
    row = row.expandtabs(8)
    return "".join(" " if unicodedata.category(c) == "Zs" else c for c in row) if not row.isascii() else row


def _without_marks(rows: list[str]) -> list[str]:
    """Return the rows without comment marks, and without marks of quotation if nearly all rows have one."""
    for _ in range(_DEEPEST):
        rows = [_COMMENT.sub("", row, count=1) if _COMMENT.match(row) else row for row in rows]
        filled = [row for row in rows if row]
        if not filled or sum(bool(_QUOTED.match(row)) for row in filled) < _MOST * len(filled):
            return rows
        rows = [_QUOTED.sub("", row, count=1) if _QUOTED.match(row) else row for row in rows]
    return rows


@dataclass(frozen=True, slots=True)
class Sections:
    """A printed summary by parts.

    Attributes
    ----------
    parts : dict of str to tuple of Line
        The lines of each part, the first without its heading; blank lines are kept.
    messages : tuple of str
        The lines of the messages.
    """

    parts: dict[str, tuple[Line, ...]]
    messages: tuple[str, ...]

    def __contains__(self, part: str) -> bool:
        return part in self.parts

    def filled(self, part: str) -> list[Line]:
        """Return the lines of a part that are not blank, none if there is no such part."""
        return [line for line in self.parts.get(part, ()) if not line.is_blank]

    def block(self, part: str) -> list[Line]:
        """Return the lines of a part up to a blank line, none if there is no such part."""
        printed = dropwhile(lambda line: line.is_blank, self.parts.get(part, ()))
        return list(takewhile(lambda line: not line.is_blank, printed))

    def words(self, part: str) -> str | None:
        """Return a part up to a blank line, as one line with single spaces; None if there is no such part."""
        return " ".join(line.words for line in self.block(part)) if part in self.parts else None


def find_sections(lines: Sequence[Line]) -> Sections:
    """Return the parts of the one printed summary in a text.

    Raises
    ------
    PrintoutError
        If the text holds more than one.
    """
    parts: dict[str, tuple[Line, ...]] = {}
    first: dict[str, int] = {}
    messages: list[str] = []
    for part, found in _blocks(lines):
        if part == "message":
            messages.extend(line.words for line in found)
        elif part in parts and part in ("title", "random", "fixed"):
            raise PrintoutError(
                f"The text holds more than one printed fit (lines {first[part]} and {found[0].number}): give one."
            )
        elif part not in parts:
            parts[part], first[part] = tuple(found), found[0].number
    return Sections(parts, tuple(dict.fromkeys(messages)))


def _blocks(lines: Sequence[Line]) -> Iterator[tuple[str, list[Line]]]:
    """Yield each part with its lines; lines between a break and the next heading belong to no part."""
    part = ""
    block: list[Line] = []
    for line in lines:
        heading = "" if line.is_break else _heading(line)
        # A message ends at a blank line; what follows is not by lme4.
        if heading or line.is_break or (part == "message" and line.is_blank):
            if part:
                yield part, block
            part, block = (heading, [_without_heading(line, heading)]) if heading else ("", [])
        elif part:
            block.append(line)
    if part:
        yield part, block


def _heading(line: Line) -> str:
    """Return the part that begins with a line; empty if the line is no heading."""
    return next((part for part, pattern in _PATTERNS.items() if pattern.match(line.words)), "")


def _without_heading(line: Line, part: str) -> Line:
    found = _PATTERNS[part].match(line.words)
    assert found is not None
    # The blanks at the start of a table's line matter; those of a heading's line do not.
    return line if found.end() == 0 else replace(line, text=line.words[found.end() :].strip())


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
