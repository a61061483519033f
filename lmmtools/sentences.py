"""Lists of names in the sentences of messages and reports."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["count_noun", "join_with_and", "list_first"]


def join_with_and(names: Iterable[object], most: int | None = None) -> str:
    """Return names as a sentence lists them: ``"a"``, ``"a and b"``, ``"a, b and c"``; empty for none.

    Parameters
    ----------
    names : iterable
        Written by ``str``.
    most : int, optional
        How many are named: of more, the others are counted, ``"a, b and 6 more"``.
    """
    words = list(map(str, names))
    if most is not None and len(words) > most:
        words = [*words[:most], f"{len(words) - most} more"]
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def count_noun(number: int, noun: str) -> str:
    """Return a number with its noun, in the plural unless it is one: ``"1 row"``, ``"1,200 rows"``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def list_first(names: Iterable[object], most: int) -> str:
    """Return the first ``most`` names and how many follow: ``"a, b and 6 more"``; ``"a, b"`` where none does."""
    words = list(map(str, names))
    return ", ".join(words) if len(words) <= most else join_with_and(words, most)
