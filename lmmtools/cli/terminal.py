"""Output of the command: text that is coloured on a terminal, a progress line, the exit statuses."""

from __future__ import annotations

import os
import re
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from lmmtools.progress import on_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lmmtools.progress import Rows, Step

__all__ = [
    "DONE",
    "FOUND",
    "INTERRUPTED",
    "WRONG",
    "colour_report",
    "describe_statuses",
    "is_coloured",
    "is_terminal",
    "print_report",
    "waiting",
]

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
# Seconds before the progress line is shown, and between its updates.
DELAY, INTERVAL = 1.0, 0.25
_CLEAR = "\r\x1b[K"
# Exit statuses.
DONE, FOUND, WRONG, INTERRUPTED = 0, 1, 2, 130
# Subcommand -> what it found where its status is FOUND.
_FOUND = {
    "fit": "the optimum is not certified",
    "report": "the optimum is not certified; the page says so",
    "lint": "there are errors or warnings",
    "compare": "a number disagrees, is of another model, or cannot be\n       compared; looser convergence is 0",
}
_INDENT = "  "


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


def colour_report(text: str) -> str:
    """Return a report with its headings, verdicts and findings coloured."""
    for pattern, code in _RULES:
        text = pattern.sub(lambda match, code=code: f"\x1b[{code}m{match[0]}\x1b[0m", text)  # type: ignore[misc]
    return text


def print_report(text: str) -> None:
    """Print a report on standard output, coloured where that is a terminal."""
    print(colour_report(text) if is_coloured(sys.stdout) else text)


@contextmanager
def waiting(what: str) -> Iterator[Callable[[Step], None] | None]:
    """Show what is being done, for how long and how far, on standard error if that is a terminal.

    Rows that are read in batches are counted, with their rate and the time to go. Yields a callback for ``model.fit``
    that adds evaluations and criterion to the line; None if nothing is shown.
    """
    if not is_terminal(sys.stderr):
        yield None
        return
    started, over, last = time.monotonic(), threading.Event(), [""]

    def show_rows(rows: Rows) -> None:
        last[0] = f", {rows}"

    def show(step: Step) -> None:
        plural = "s" * (step.n_evaluations != 1)
        last[0] = f", {step.n_evaluations} evaluation{plural}, criterion {step.objective:.4f}"

    def run() -> None:
        if over.wait(DELAY):
            return
        while True:
            sys.stderr.write(f"{_CLEAR}{what}: {time.monotonic() - started:.0f} s{last[0]}")
            sys.stderr.flush()
            if over.wait(INTERVAL):
                sys.stderr.write(_CLEAR)
                sys.stderr.flush()
                return

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        with on_rows(show_rows):
            yield show
    finally:
        over.set()
        thread.join()


def describe_statuses(command: str | None = None) -> str:
    """Return the exit statuses of one subcommand, or of all, as lines of help."""
    found = _FOUND if command is None else {k: v for k, v in _FOUND.items() if k == command}
    lines = [(str(DONE), "done")]
    lines += [
        (str(FOUND), f"done, and {text}" + (f" ({name})" if command is None else "")) for name, text in found.items()
    ]
    lines.append((str(WRONG), "wrong input, or output that cannot be written: standard error says why"))
    lines.append((str(INTERRUPTED), "interrupted"))
    return "exit status:\n" + "\n".join(f"{_INDENT}{number:<4} {text}" for number, text in lines)
