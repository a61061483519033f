"""What other packages write into formulas, covariance structures and R's splines, and what to write here instead."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lmmtools.formula.tokens import closing, fail

if TYPE_CHECKING:
    from lmmtools.formula.tokens import Token


__all__ = ["read_structures", "spline_cure"]

_MEANINGS = {
    "diag": "a diagonal covariance",
    "cs": "compound symmetry",
    "ar1": "an autoregressive covariance",
    "homdiag": "a diagonal covariance with one variance",
    "homcs": "compound symmetry with one variance",
    "hetar1": "an autoregressive covariance with a variance for each effect",
    "toep": "a Toeplitz covariance",
    "homtoep": "a Toeplitz covariance with one variance",
    "ou": "an Ornstein-Uhlenbeck covariance",
    "exp": "an exponential spatial covariance",
    "gau": "a Gaussian spatial covariance",
    "mat": "a Matern covariance",
    "rr": "a covariance of reduced rank",
    "propto": "a covariance proportional to a given matrix",
    "equalto": "a given covariance",
}
_IN_LME4 = ("diag", "cs", "ar1")


def read_structures(tokens: list[Token], source: str) -> list[Token]:
    """Return the tokens with ``us(x | g)`` replaced by ``(x | g)``, the same term.

    Raises
    ------
    FormulaError
        For a structure that is not available here; the message says what it is and what comes nearest.
    """
    read: list[Token] = []
    for i, token in enumerate(tokens):
        inside = _inside_of_structure(tokens, i)
        if not inside:
            read.append(token)
        elif token.text != "us" or any(t.is_operator(",") for t in inside):
            _refuse_structure(token, inside, source)
    return read


def _inside_of_structure(tokens: list[Token], i: int) -> list[Token]:
    """Return what stands in the parentheses of a structure at token i, nothing if there is none."""
    token = tokens[i]
    is_known = token.kind == "name" and not token.quoted and (token.text == "us" or token.text in _MEANINGS)
    if not is_known or i + 1 == len(tokens) or tokens[i + 1].text != "(":
        return []
    inside = tokens[i + 2 : closing(tokens, i + 1)]
    return inside if any(t.is_operator("|", "||") for t in inside) else []


def _refuse_structure(token: Token, inside: list[Token], source: str) -> None:
    """Raise the error for a structure that is not available."""
    name = token.text
    end = next((t.start for t in inside if t.is_operator(",")), inside[-1].stop)
    text = source[inside[0].start : end].strip()
    left, right = (part.strip() for part in text.replace("||", "|").split("|", 1))
    if name == "us":
        fail("us() takes a term and nothing more:", source, token.start, token.stop, cure=f"Write ({text}).")
    whose = "lme4 2.0 and glmmTMB" if name in _IN_LME4 else "glmmTMB"
    cures = {
        "diag": f"Write ({left} || {right}): the same model where the effects are numeric columns. A factor there "
        "keeps correlations among its levels; write a column of 0 and 1 for each level instead.",
        "cs": "It is not available here. For two effects it is the same as "
        f"({left} | {right}); for a factor f with one variance and a correlation that is not negative, "
        f"(1 | {right}) + (1 | {right}:f) is.",
        "homcs": f"It is not available here. For a factor f and a correlation that is not negative, (1 | {right}) + "
        f"(1 | {right}:f) is the same.",
        "homdiag": f"It is not available here. For a factor f, (1 | {right}:f) is the same.",
    }
    cure = cures.get(name, f"It is not available here; ({left} | {right}) has a covariance of its own for each pair.")
    message = f"{name}(... | ...) is {_MEANINGS[name]} in {whose}:"
    fail(message, source, token.start, token.stop, cure=cure)


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
    given = _read_arguments(arguments)
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


def _read_arguments(arguments: str) -> dict[str, str]:
    """Return the arguments by name, those without one as x and df."""
    found: dict[str, str] = {}
    unnamed = iter(("x", "df"))
    for part in _split_arguments(arguments):
        named = _NAMED.match(part)
        if named:
            found[named[1]] = named[2].strip()
        elif part.strip():
            found[next(unnamed, "more")] = part.strip()
    return found


def _split_arguments(arguments: str) -> list[str]:
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
