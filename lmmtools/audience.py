"""Where messages are read: advice in Python for those who write Python, options for those at a command line."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["advice", "at_command_line", "how_to_install", "option"]

_AT_COMMAND_LINE: ContextVar[bool] = ContextVar("at_command_line", default=False)


@contextmanager
def at_command_line() -> Iterator[None]:
    """Let the messages made within give advice for a command line."""
    token = _AT_COMMAND_LINE.set(True)
    try:
        yield
    finally:
        _AT_COMMAND_LINE.reset(token)


def advice(python: str, command: str) -> str:
    """Return the one of two pieces of advice that fits where it is read."""
    return command if _AT_COMMAND_LINE.get() else python


def option(name: str, value: str) -> str:
    """Return how an option is given a value: ``engine="pls"``, at a command line ``--engine pls``."""
    return advice(f'{name}="{value}"', f"--{name} {value}")


def how_to_install(*packages: str) -> str:
    """Return the command that installs packages which lmmtools can do without.

    It names the packages themselves, so that it works wherever lmmtools came from.
    """
    return f"pip install {' '.join(packages)}"
