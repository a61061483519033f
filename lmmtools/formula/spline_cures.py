"""What to write for the splines of R: calls of ``cr()`` with as many columns beside the constant."""

from __future__ import annotations

import re

__all__ = ["spline_cure"]

_NAMED = re.compile(r"^\s*([A-Za-z_.]+)\s*=(?!=)\s*(.*)$", re.DOTALL)


def spline_cure(function: str, arguments: str) -> str | None:
    """Return what to write for ``ns(...)`` or ``rcs(...)``, None for another function.

    Parameters
    ----------
    function : str
        The name that was called.
    arguments : str
        What stands in its parentheses.

    Notes
    -----
    ``cr(x, df=k)`` has k columns that span the constant, so that k - 1 stand beside it: ``ns(x, 3)`` of R (3 columns)
    is ``cr(x, df=4)``, the same space where the quantiles of x and of its distinct values are the same, and in any case
    with R's knots given.  ``rcs(x, 4)`` of rms has 4 knots and 3 columns.
    """
    if function not in ("ns", "rcs"):
        return None
    given = _read(arguments)
    column = given.get("x") or "x"
    knots = given.get("knots")
    if function == "ns" and knots is not None:
        listed = re.sub(r"\s+", " ", re.sub(r"^c\((.*)\)$", r"[\1]", knots.strip(), flags=re.DOTALL))
        listed = listed if listed.startswith("[") else f"[{listed}]"
        return f"Write cr({column}, knots={listed}): natural cubic splines, R's model to these knots."
    size = given.get("df") or ("1" if function == "ns" else "5")
    columns = int(size) if size.isdigit() else 3
    if function == "ns" and columns == 1:
        return f"Write {column}: a natural cubic spline with one degree of freedom is a line."
    df = columns + 1 if function == "ns" else columns
    beside = f"{df - 1} columns beside the constant, as {function}({column}, {columns}) has"
    write = f"Write cr({column}, df={df}): natural cubic splines with {beside} (df counts the constant here)."
    if function == "ns":
        return f"{write} Knots stand at quantiles of the distinct values; for R's, write cr({column}, knots=[...])."
    bounds = "lower_bound=..., upper_bound=..."
    return f"{write} The outer knots are at the ends of the data; for rms's, add knots=[...], {bounds}."


def _read(arguments: str) -> dict[str, str]:
    """Return the arguments by name, those without one as x and df."""
    found: dict[str, str] = {}
    unnamed = iter(("x", "df"))
    for part in _split(arguments):
        named = _NAMED.match(part)
        if named:
            found[named[1]] = named[2].strip()
        elif part.strip():
            found[next(unnamed, "more")] = part.strip()
    return found


def _split(arguments: str) -> list[str]:
    """Split at the commas outside parentheses and back-ticks."""
    parts, depth, quoted = [""], 0, False
    for letter in arguments:
        quoted ^= letter == "`"
        depth += 0 if quoted else (letter in "([") - (letter in ")]")
        if letter == "," and not depth and not quoted:
            parts.append("")
        else:
            parts[-1] += letter
    return parts
