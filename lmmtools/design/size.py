"""How large what a formula asks for may be: refused before it is made, not when the memory is full."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from lmmtools.errors import DataError
from lmmtools.memory import need_memory

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lmmtools.design.blocks import Block

__all__ = ["check_columns", "check_effects"]

# A column of X costs n p^2 once and p^2 numbers for good; at this width a fit takes minutes.
MOST_COLUMNS = 5000
# Numbers in one matrix, 16 GiB of them.
MOST_NUMBERS = 2**31
# Its values, and as many in columns of one length while dependent ones are looked for.
COPIES = 2
# The Hessian's pieces for one factor have l^4 numbers: 800 MB.
MOST_EFFECTS = 100

CURE = (
    "A factor of many levels belongs after a bar, (1 | g); a column of numbers that was read as text has "
    "a cell that is none: make it missing."
)


def check_columns(terms: Iterable[tuple[str, int]], n: int) -> None:
    """Raise a DataError if a matrix would be wider than a fit can use, or fill the memory that is free.

    Parameters
    ----------
    terms : iterable of (str, int)
        Each term's name and number of columns.
    n : int
        Rows.
    """
    widths = dict(terms)
    total = sum(widths.values())
    widest = max(widths, key=lambda name: widths[name], default="")
    if total <= MOST_COLUMNS and total * n <= MOST_NUMBERS:
        need_memory(
            COPIES * total * n,
            DataError,
            f"A model matrix of {total:,} columns ({widths.get(widest, 0):,} of them in {widest}) and {n:,} rows",
            CURE,
        )
        return
    most = min(MOST_COLUMNS, MOST_NUMBERS // max(n, 1))
    raise DataError(
        f"The formula makes {total:,} columns for {n:,} rows, where {most:,} can be used; {widest} alone makes "
        f"{widths[widest]:,}. {CURE}"
    )


def check_effects(blocks: Sequence[Block]) -> None:
    """Raise a DataError if the terms of one grouping factor have more effects together than a fit can use."""
    effects: Counter[str] = Counter()
    for block in blocks:
        effects[block.group] += block.l
    for group, count in effects.items():
        if count > MOST_EFFECTS:
            raise DataError(
                f"The random-effects terms of {group!r} have {count:,} effects for each level, where {MOST_EFFECTS} "
                "can be used: write fewer before the bar."
            )
