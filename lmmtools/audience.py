"""Wording of advice in messages: Python code for readers in Python, options for readers at the command line."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["advice", "at_command_line", "how_to_install", "line_width", "need_package", "option", "wrap"]

_AT_COMMAND_LINE: ContextVar[bool] = ContextVar("at_command_line", default=False)


@contextmanager
def at_command_line() -> Iterator[None]:
    """Return a context in which messages give advice for the command line."""
    token = _AT_COMMAND_LINE.set(True)
    try:
        yield
    finally:
        _AT_COMMAND_LINE.reset(token)


def advice(python: str, command: str) -> str:
    """Return ``command`` at the command line, else ``python``."""
    return command if _AT_COMMAND_LINE.get() else python


def option(name: str, value: str) -> str:
    """Return an option with its value: ``engine="pls"``, at the command line ``--engine pls``."""
    return advice(f'{name}="{value}"', f"--{name} {value}")


def line_width() -> int | None:
    """Return the characters of a line that text is read in, None where it goes to a file or a pipe.

    It is that of the environment variable ``COLUMNS``, or of the terminal.
    """
    given = os.environ.get("COLUMNS", "")
    if given.isdecimal() and int(given) > 0:
        return int(given)
    try:
        return shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    except (AttributeError, ValueError):  # no standard output, or a closed one
        return None


def wrap(text: str, indent: str = "", otherwise: int | None = None) -> str:
    """Return sentences broken at the line's width, or at ``otherwise``; lines that begin with a blank are code."""
    width = line_width() or otherwise
    if width is None:
        return indent + text.replace("\n", f"\n{indent}")
    return "\n".join(
        f"{indent}{line}"
        if line.startswith(" ")
        else textwrap.fill(
            line,
            max(width, 40),
            initial_indent=indent,
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
        )
        for line in text.splitlines()
    )


def need_package(name: str, what: str) -> None:
    """Raise an EngineError that says how to install a package, if it is not there.

    Parameters
    ----------
    name : str
        Of the module, which is the package's too.
    what : str
        What needs it.
    """
    from lmmtools.errors import EngineError

    try:
        __import__(name)
    except ImportError as error:
        raise EngineError(f"{what} needs {name}: {how_to_install(name)}") from error


def how_to_install(*packages: str) -> str:
    """Return the command that installs optional packages.

    It names the packages and not an extra of lmmtools, so that it works whatever lmmtools was installed from.
    """
    return f"pip install {' '.join(packages)}"
