"""The layout of a pasted text: its lines, and the parts they form."""

from __future__ import annotations

import html
import re
import unicodedata
from dataclasses import dataclass, replace
from itertools import dropwhile, pairwise, takewhile
from typing import TYPE_CHECKING

from lmmtools.errors import PrintoutError
from lmmtools.printout.marks import remove_marks
from lmmtools.printout.row import read_tail

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Line", "Sections", "clean_lines", "find_parts", "find_sections"]

_PROMPT = re.compile(r"\s*(?:(?:[A-Za-z]\w*)?>|>>>|In ?\[\d*\]:)(?: |$)")
# What R prints of a vector: [1] TRUE.
_VECTOR = re.compile(r"\s*\[\d+\] ")
_CONTINUED = re.compile(r"\+(?: |$)")
_FENCE = re.compile(r"\s*(?:```|~~~)")
_TAG = re.compile(r"</?(?:pre|code|samp|span|div|p|br)\b[^<>\n]*>")
_ESCAPE = re.compile(r"\x1b\[[0-9;]*m")
_ENTITY = re.compile(r"&(?:lt|gt|amp|nbsp|quot|#\d+|#x[0-9a-f]+);", re.I)
_INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u2060\ufeff"))
_LIGATURES = {0xFB00: "ff", 0xFB01: "fi", 0xFB02: "fl", 0xFB03: "ffi", 0xFB04: "ffl"}
# A further line of a message.
_FURTHER = re.compile(r"- |\d+: ")
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
    # What follows a fit and is no part of it.
    "tests": (
        r"(?=(?:Type I{1,3} )?(?:Marginal )?Analysis of (?:Variance|Deviance) Table|ANOVA-like table|Data: .*Models:"
        r"|refitting model|Computing profile|Linear Hypotheses|Simultaneous Tests|(?:npar|Df|NumDF) (?:Sum|AIC|num))"
    ),
    "message": (
        r"(?=optimizer \(|convergence code|fit warnings:|boundary \(singular\)|singular fit|Model failed to converge"
        r"|Model is nearly unidentifiable|Some predictor variables are on|unable to evaluate scaled gradient"
        r"|Hessian is numerically singular|Parameters or bounds appear|fixed-effect model matrix is rank deficient"
        r"|Warning messages?:)"
    ),
}
_PATTERNS = {part: re.compile(pattern) for part, pattern in _HEADINGS.items()}


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
        Whether the line was typed at a prompt, is the fence of a code block, or lacks the mark of the lines above it:
        the printout ends before it.
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

    Removed are the marks that ``marks`` knows, escape codes, tags and entities of HTML, and double spacing; ligatures
    become letters, and every kind of space becomes a blank. Marked as breaks are code fences, lines that begin with a
    prompt, with their continuations, vectors that R printed, and what follows a marked printout without its mark.

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
    rows, outside = remove_marks([_plain_spaces(row).rstrip() for row in text.splitlines()], _is_heading)
    numbered = _single_spaced(list(enumerate(rows, 1)))
    lines: list[Line] = []
    for number, row in numbered:
        goes_on = bool(lines) and lines[-1].is_break and bool(_CONTINUED.match(row))
        ends = number - 1 in outside or any(sign.match(row) for sign in (_PROMPT, _FENCE, _VECTOR))
        lines.append(Line(row, number, goes_on or ends))
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


def find_parts(lines: Sequence[Line]) -> set[str]:
    """Return the names of the parts of printed summaries in a text, however many it holds."""
    return {part for part, _ in _blocks(lines)}


def _blocks(lines: Sequence[Line]) -> Iterator[tuple[str, list[Line]]]:
    """Yield each part with its lines; lines between a break and the next heading belong to no part."""
    part = ""
    block: list[Line] = []
    for line in lines:
        heading = "" if line.is_break else _heading(line)
        # A message ends with its last line; what follows is not by lme4.
        if heading or line.is_break or (part == "message" and not _goes_on(block, line)):
            if part:
                yield part, block
            part, block = (heading, [_without_heading(line, heading)]) if heading else ("", [])
        elif part:
            block.append(line)
    if part:
        yield part, block


def _goes_on(message: Sequence[Line], line: Line) -> bool:
    """Whether a line goes on with a message: it is indented or a point of a list, or closes what the message opened."""
    said = " ".join(each.words for each in message)
    if line.is_blank or said.count("(") > said.count(")") or said.endswith((":", ",", ";")):
        return not line.is_blank
    is_deeper = _indent(line) > _indent(message[0])
    return _FURTHER.match(line.words) is not None or (is_deeper and not read_tail(line.text))


def _indent(line: Line) -> int:
    return len(line.text) - len(line.text.lstrip())


def _heading(line: Line) -> str:
    """Return the part that begins with a line; empty if the line is no heading."""
    return next((part for part, pattern in _PATTERNS.items() if pattern.match(line.words)), "")


def _is_heading(row: str) -> bool:
    return bool(_heading(Line(row, 0)))


def _without_heading(line: Line, part: str) -> Line:
    found = _PATTERNS[part].match(line.words)
    assert found is not None
    # The blanks at the start of a table's line matter; those of a heading's line do not.
    return line if found.end() == 0 else replace(line, text=line.words[found.end() :].strip())
