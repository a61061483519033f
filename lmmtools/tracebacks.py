"""Short tracebacks of errors in notebooks: the lines of the caller and the message; once more, the whole.

IPython shows what ``_render_traceback_`` of an exception returns. Where the error came out of a call of lmmtools, the
frames within the package say nothing that the message does not say.
"""

from __future__ import annotations

import linecache
import sys
import traceback
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["render_traceback"]

_OF_IPYTHON = ("IPython", "ipykernel", "nbclient", "ipywidgets")
_MOST = 3
"""Frames of the caller that are shown: the innermost."""

_SHOWN: WeakSet[BaseException] = WeakSet()
"""Errors that were shown in short; shown again, as ``%tb`` does, they have the whole traceback."""


def render_traceback(error: BaseException) -> list[str]:
    """Return the lines that IPython shows of an error: the caller's line and the message, or the second time all."""
    if error in _SHOWN:
        return _whole(error)
    _SHOWN.add(error)
    lines: list[str] = []
    for frame, number in _callers(error)[-_MOST:]:
        lines += [_place(frame, number), f"----> {number} {_source(frame, number)}", ""]
    module = type(error).__module__
    name = type(error).__name__ if module == "builtins" else f"{module.partition('.')[0]}.{type(error).__name__}"
    return [*lines, *f"{name}: {error}".split("\n"), "", "(%tb shows the whole traceback)"]


def _callers(error: BaseException) -> list[tuple[FrameType, int]]:
    """Return the frames outside lmmtools that led into it, outermost first, without IPython's own."""
    found = []
    for frame, number in traceback.walk_tb(error.__traceback__):
        package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if package == "lmmtools":
            break
        if package not in _OF_IPYTHON:
            found.append((frame, number))
    return found


def _place(frame: FrameType, number: int) -> str:
    """Return where a line stands, a cell as IPython calls it: ``Cell In[3], line 2``."""
    code = frame.f_code
    where = f"File {code.co_filename}"
    shell = _shell()
    if shell is not None:
        named = shell.compile.format_code_name(code.co_filename)
        where = f"{named[0]} {named[1]}" if named else where
    within = "" if code.co_name == "<module>" else f", in {code.co_name}"
    return f"{where}, line {number}{within}"


def _source(frame: FrameType, number: int) -> str:
    """Return a line of source text."""
    return linecache.getline(frame.f_code.co_filename, number, frame.f_globals).strip()


def _whole(error: BaseException) -> list[str]:
    """Return the whole traceback, as the notebook's mode has it."""
    shell = _shell()
    if shell is not None:
        lines: list[str] = shell.InteractiveTB.structured_traceback(type(error), error, error.__traceback__)
        return lines
    return "".join(traceback.format_exception(type(error), error, error.__traceback__)).split("\n")


def _shell() -> Any:
    """Return the running IPython, None outside of one."""
    loaded = sys.modules.get("IPython")
    return None if loaded is None else loaded.get_ipython()
