"""A line on the terminal while something takes long."""

from __future__ import annotations

import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lmmtools.cli.colour import is_terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lmmtools.progress import Step

__all__ = ["waiting"]

# What is over sooner is not announced; then the line is renewed so often. Seconds.
DELAY, INTERVAL = 1.0, 0.25
_CLEAR = "\r\x1b[K"


@contextmanager
def waiting(what: str) -> Iterator[Callable[[Step], None] | None]:
    """Show what is being done, how long already and how far, on standard error where that is a terminal.

    Gives a callback for ``model.fit``, which adds evaluations and criterion to the line; None where nothing is shown.
    """
    if not is_terminal(sys.stderr):
        yield None
        return
    started, over, last = time.monotonic(), threading.Event(), [""]

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
        yield show
    finally:
        over.set()
        thread.join()
