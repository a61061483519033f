"""Rows, columns and levels that the model leaves out, counted, and described in words with the reason."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from lmmtools.errors import DataError
from lmmtools.sentences import list_first

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "Dropped",
    "check_lost",
    "describe_lost_columns",
    "describe_lost_rows",
    "describe_undefined",
    "list_unused_levels",
]


@dataclass(frozen=True, slots=True)
class Dropped:
    """What the model frame left out, and why.

    Attributes
    ----------
    n_input : int
        Rows of the data as given.
    rows : dict of str to int
        Rows lost to missing values, by the column (or expression) that had them; a row may count in several.
    n_rows : int
        Rows lost altogether.
    columns : tuple of str
        Columns of X left out because they depend linearly on the ones before them.
    levels : dict of str to tuple of str
        Levels that a factor declares and the used rows do not have.
    undefined : dict of str to str
        Those of ``rows`` that are no missing values but expressions without a value, and what it is:
        ``{"log(z)": "log(z) of a negative number"}``.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
    >>> fit.design.dropped
    Dropped(n_input=30, rows={}, n_rows=0, columns=(), levels={}, undefined={})
    """

    n_input: int
    rows: dict[str, int] = field(default_factory=dict)
    n_rows: int = 0
    columns: tuple[str, ...] = ()
    levels: dict[str, tuple[str, ...]] = field(default_factory=dict)
    undefined: dict[str, str] = field(default_factory=dict)


class _LostRows(Protocol):
    """The counts that `describe_lost_rows` writes out."""

    @property
    def n_input(self) -> int: ...

    @property
    def n_rows(self) -> int: ...

    @property
    def rows(self) -> Mapping[str, int]: ...

    @property
    def undefined(self) -> Mapping[str, str]: ...


def describe_lost_rows(dropped: _LostRows) -> str:
    """Return how many rows were left out, and why; empty for none.

    ``"78 of 180 rows left out for missing values (x 3) and log(z) of a negative number (75)"``
    """
    if not dropped.n_rows:
        return ""
    missing = ", ".join(f"{name} {count}" for name, count in dropped.rows.items() if name not in dropped.undefined)
    causes = [f"missing values ({missing})"] if missing else []
    # Columns made from one expression lack the same rows.
    undefined: dict[str, int] = {}
    for name, cause in dropped.undefined.items():
        undefined[cause] = max(dropped.rows.get(name, 0), undefined.get(cause, 0))
    causes += [f"{cause} ({count})" for cause, count in undefined.items()]
    return f"{dropped.n_rows} of {dropped.n_input} rows left out for {' and '.join(causes)}"


def check_lost(lost: Mapping[str, int], n: int, is_any_left: bool, na_action: str, is_undefined: bool) -> None:
    """Raise a DataError if rows may not be left out, or none is left.

    Parameters
    ----------
    lost : mapping of str to int
        Rows that each column, or each expression, takes away.
    n : int
        Rows before.
    is_any_left : bool
        Whether rows are left.
    na_action : {"drop", "raise"}
    is_undefined : bool
        Whether the rows have no value of an expression, rather than missing values.
    """
    counts = ", ".join(f"{describe_undefined(name) if is_undefined else name}: {count}" for name, count in lost.items())
    if na_action == "raise":
        raise DataError(
            f"There are rows without a value of a function ({counts}), where its columns have values. Change the "
            "expression or the data, or leave the rows out with na_action='drop'."
            if is_undefined
            else f"There are missing values ({counts}). Complete them, or leave their rows out with na_action='drop'."
        )
    if not is_any_left:
        raise DataError(
            f"No row is left: of {n}, functions without a value take away {counts}. Change the expression."
            if is_undefined
            else f"No row is complete: of {n}, missing values take away {counts}. "
            "Leave the emptiest column out of the model, or complete its values."
        )


def list_unused_levels(levels: Sequence[str]) -> str:
    """Return the levels that a factor declares and no row has, the first six by name: ``"a, b and 6 more"``."""
    return list_first(levels, _MOST_LEVELS)


_MOST_LEVELS = 6
# Functions without a value for negative numbers, for -1 and less, and beyond 1 in size; each as R and numpy spell it.
_DOMAINS = {
    **dict.fromkeys(("log", "log10", "log2", "sqrt"), "a negative number"),
    "log1p": "a number below -1",
    **dict.fromkeys(("arcsin", "arccos", "asin", "acos"), "a number beyond 1"),
}
_CALL = re.compile(r"(?:\b\w+\.)?\b([A-Za-z_]\w*)\(")
# Wrappers, which have a value where what is within has one.
_TRANSPARENT = ("I", "C", "Q", "abs", "exp", "np", "scale", "center", "standardize", "factor")


def describe_lost_columns(dropped: Dropped) -> str:
    """Return which columns of X were left out, and why; empty for none."""
    names = ", ".join(dropped.columns)
    return f"fixed-effects columns left out as linear combinations of others: {names}" if names else ""


def describe_undefined(text: str) -> str:
    """Return what is undefined in an expression, as ``"log(z) of a negative number"``.

    Parameters
    ----------
    text : str
        The expression, or the name of a column made from it: ``"log(z)"``, ``"x:log(z)"``.
    """
    calls = [(m.group(1), m.start(), m.end() - 1) for m in _CALL.finditer(text)]
    calls = [call for call in calls if call[0] not in _TRANSPARENT]
    may_divide = any(sign in text for sign in ("/", "**", "^", "%"))
    if len(calls) == 1 and calls[0][0] in _DOMAINS and not may_divide:
        name, start, opening = calls[0]
        return f"{text[start : _find_closing(text, opening) + 1]} of {_DOMAINS[name]}"
    return f"no value of {text}"


def _find_closing(text: str, opening: int) -> int:
    """Return where the bracket closes that opens at ``opening``."""
    depth = 0
    for at in range(opening, len(text)):
        depth += {"(": 1, ")": -1}.get(text[at], 0)
        if not depth:
            return at
    return len(text) - 1
