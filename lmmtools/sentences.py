"""Parts of the sentences that messages and reports are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["join_with_and", "list_first"]


def join_with_and(names: Sequence[str]) -> str:
    """Return names as a sentence lists them: ``"a"``, ``"a and b"``, ``"a, b and c"``; empty for none."""
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def list_first(names: Sequence[str], most: int) -> str:
    """Return the first ``most`` names and how many follow: ``"a, b and 6 more"``; ``"a, b"`` where none does."""
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")
