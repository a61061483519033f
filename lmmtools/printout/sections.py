"""The parts of a printed summary, found by their headings."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import dropwhile, takewhile
from typing import TYPE_CHECKING

from lmmtools.errors import PrintoutError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lmmtools.printout.lines import Line

__all__ = ["Sections", "find_sections"]

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
        """Return the lines of a part that are not blank, none if the part is not there."""
        return [line for line in self.parts.get(part, ()) if not line.is_blank]

    def block(self, part: str) -> list[Line]:
        """Return the lines of a part up to a blank line, none if the part is not there."""
        printed = dropwhile(lambda line: line.is_blank, self.parts.get(part, ()))
        return list(takewhile(lambda line: not line.is_blank, printed))

    def words(self, part: str) -> str | None:
        """Return a part, up to a blank line, as one line with single spaces; None if it is not there."""
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
    """Yield each part with its lines; what follows a break, up to a heading, is of no part."""
    part = ""
    block: list[Line] = []
    for line in lines:
        heading = "" if line.is_break else _heading(line)
        # A message ends at a blank line: what follows is no longer lme4's.
        if heading or line.is_break or (part == "message" and line.is_blank):
            if part:
                yield part, block
            part, block = (heading, [_without_heading(line, heading)]) if heading else ("", [])
        elif part:
            block.append(line)
    if part:
        yield part, block


def _heading(line: Line) -> str:
    return next((part for part, pattern in _PATTERNS.items() if pattern.match(line.words)), "")


def _without_heading(line: Line, part: str) -> Line:
    found = _PATTERNS[part].match(line.words)
    assert found is not None
    # The blanks at the start of a table's line matter; those of a heading's line do not.
    return line if found.end() == 0 else replace(line, text=line.words[found.end() :].strip())
