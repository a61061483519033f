"""Why an expression has no value in rows where its columns have: log() of a negative number, the first of lag()."""

from __future__ import annotations

import re

__all__ = ["describe_undefined"]

# Functions without a value for negative numbers, for -1 and less, and beyond 1 in size; each as R and numpy spell it.
_DOMAINS = {
    **dict.fromkeys(("log", "log10", "log2", "sqrt"), "a negative number"),
    "log1p": "a number below -1",
    **dict.fromkeys(("arcsin", "arccos", "asin", "acos"), "a number beyond 1"),
}
_CALL = re.compile(r"(?:\b\w+\.)?\b([A-Za-z_]\w*)\(")
# Wrappers, which have a value where what is within has one.
_TRANSPARENT = ("I", "C", "Q", "abs", "exp", "np", "scale", "center", "standardize", "factor")


def describe_undefined(text: str) -> str:
    """Return what is undefined in an expression, ``"log(z) of a negative number"``.

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
        return f"{text[start : _closing(text, opening) + 1]} of {_DOMAINS[name]}"
    return f"no value of {text}"


def _closing(text: str, opening: int) -> int:
    """Return where the bracket closes that opens at ``opening``."""
    depth = 0
    for at in range(opening, len(text)):
        depth += {"(": 1, ")": -1}.get(text[at], 0)
        if not depth:
            return at
    return len(text) - 1
