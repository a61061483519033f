"""Colour where a terminal is, none where the output is piped."""

from __future__ import annotations

import os
import re
import sys
from typing import TextIO

__all__ = ["is_coloured", "is_terminal", "paint", "say"]

_BOLD, _DIM, _RED, _GREEN, _YELLOW = "1", "2", "1;31", "32", "33"
_RULES = tuple(
    (re.compile(pattern, re.MULTILINE), code)
    for pattern, code in (
        (r"^Linear mixed model fit by .*$", _BOLD),
        (r"^[A-Z][^\n:]*:$|^(?:lme4|lmmtools|statsmodels):$", _BOLD),
        (r"^NOT converged\b.*$", _RED),
        (r"^boundary \(singular\) fit:.*(?:\n(?!engine: )\S.*)*$", _YELLOW),
        (r"^engine: .*$", _DIM),
        (r"\bsame to the digits shown\b", _GREEN),
        (r"\blooser convergence\b|\bcannot be compared\b", _YELLOW),
        (r"\bdisagrees\b|\banother model\b", _RED),
        (r"^(?:- )?error\b[^:\n]*:", _RED),
        (r"^(?:- )?warning\b[^:\n]*:", _YELLOW),
        (r"^(?:- )?info\b[^:\n]*:", _BOLD),
    )
)


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a stream is a terminal; Python has None for one that is closed."""
    return stream is not None and stream.isatty()


def is_coloured(stream: TextIO | None) -> bool:
    """Whether to colour what is written to a stream.

    On a terminal, unless it is a dumb one or ``NO_COLOR`` is set (no-color.org); ``FORCE_COLOR`` is for pagers.
    """
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return is_terminal(stream) and os.environ.get("TERM") != "dumb"


def paint(text: str) -> str:
    """Return a report with its headings, verdicts and findings coloured."""
    for pattern, code in _RULES:
        text = pattern.sub(lambda match, code=code: f"\x1b[{code}m{match[0]}\x1b[0m", text)  # type: ignore[misc]
    return text


def say(text: str) -> None:
    """Print a report on standard output, coloured where that is a terminal."""
    print(paint(text) if is_coloured(sys.stdout) else text)
