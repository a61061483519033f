"""Covariance structures as lme4 2.0 and glmmTMB write them, ``us(x | g)``: what is read, and what to write instead."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmmtools.formula.tokens import closing, fail

if TYPE_CHECKING:
    from lmmtools.formula.tokens import Token

__all__ = ["read_structures"]

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
    """Return the tokens with ``us(x | g)`` as ``(x | g)``, which it is.

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
            _refuse(token, inside, source)
    return read


def _inside_of_structure(tokens: list[Token], i: int) -> list[Token]:
    """Return what stands in the parentheses of a structure at token i, nothing if there is none."""
    token = tokens[i]
    is_known = token.kind == "name" and not token.quoted and (token.text == "us" or token.text in _MEANINGS)
    if not is_known or i + 1 == len(tokens) or tokens[i + 1].text != "(":
        return []
    inside = tokens[i + 2 : closing(tokens, i + 1)]
    return inside if any(t.is_operator("|", "||") for t in inside) else []


def _refuse(token: Token, inside: list[Token], source: str) -> None:
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
