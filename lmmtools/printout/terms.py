"""The terms of a printed formula: which fixed effects it has."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["begins_like_effect", "has_no_fixed_effects", "missing_terms", "name_of_label"]

_NAME = re.compile(r"`[^`]+`|(?<![\w.])\.?[^\W\d][\w.]*")
_NO_VARIABLE_AFTER = re.compile(r"\s*(?:\(|::|=(?!=))")
_CONSTANTS = frozenset({"TRUE", "FALSE", "T", "F", "NULL", "NA", "pi", "Inf"})
# Signs that typesetting puts in the place of R's.
_SIGNS = str.maketrans({"∼": "~", "˜": "~", "～": "~", "∣": "|", "│": "|", "−": "-", "–": "-"})

# A level behind its factor, ``Sex [Female]``; of a polynomial or a transformed column, R's name cannot be told.
_LEVEL = re.compile(r" \[([^\]]*)\]")
_NO_LEVEL = re.compile(r"\d(?:st|nd|rd|th) degree|log|sqrt|exp")


def name_of_label(label: str) -> str | None:
    """Return R's name of a term that packages label ``age * Sex [Female]``, as ``age:SexFemale``; None if unknown."""
    if not label or any(_NO_LEVEL.fullmatch(level) for level in _LEVEL.findall(label)):
        return None
    return re.sub(r" [*\u00d7] ", ":", _LEVEL.sub(r"\1", label))


def missing_terms(formula: str, names: Sequence[str]) -> list[str]:
    """Return the intercept, variables and interactions of the formula for which there is no fixed effect.

    Parameters
    ----------
    formula : str
        As printed, ``"Reaction ~ Days + (Days | Subject)"``.
    names : sequence of str
        The fixed effects.

    Returns
    -------
    list of str
        Empty too if the formula does not show its terms: R printed the name of a formula, or the formula has a dot or
        removes terms.
    """
    terms = _fixed_terms(formula)
    if terms is None or "." in terms or any("-" in re.sub(r"- ?1\b|\([^()]*\)", "", term) for term in terms):
        return []
    text = re.sub(r"%[^%]*%", " ", " + ".join(terms))
    found = [
        match[0]
        for match in _NAME.finditer(text)
        if match[0] not in _CONSTANTS and not _NO_VARIABLE_AFTER.match(text, match.end())
    ]
    everything = " ".join(names)
    variables = [name for name in dict.fromkeys(found) if name.strip("`") not in everything]
    has_intercept = not any(re.search(r"^0$|- ?1$", term) for term in terms)
    intercept = ["(Intercept)"] if has_intercept and "(Intercept)" not in everything else []
    return [
        *intercept,
        *variables,
        *(":".join(parts) for parts in _interactions(terms) if not _have_interaction(names, parts)),
    ]


def _interactions(terms: Sequence[str]) -> list[list[str]]:
    """Return the variables of each term that is ``a * b`` or ``a:b`` of plain names."""
    split = ([part.strip() for part in re.split(r"[*:]", term)] for term in terms)
    return [parts for parts in split if len(parts) > 1 and all(_NAME.fullmatch(part) for part in parts)]


def _have_interaction(names: Sequence[str], parts: Sequence[str]) -> bool:
    return any(name.count(":") >= len(parts) - 1 and all(part in name for part in parts) for name in names)


def has_no_fixed_effects(formula: str) -> bool:
    """Whether a printed formula has no fixed effects: ``y ~ 0 + (1 | g)``."""
    terms = _fixed_terms(formula)
    return terms is not None and bool(terms) and all(term.replace(" ", "") in ("0", "-1") for term in terms)


def _fixed_terms(formula: str) -> list[str] | None:
    """Return the terms of the fixed effects, without offsets; None if there is no tilde."""
    _, tilde, right = formula.translate(_SIGNS).partition("~")
    if not tilde:
        return None
    pieces, depth = [""], 0
    for sign in right:
        depth += (sign in "([") - (sign in ")]")
        if sign == "+" and depth == 0:
            pieces.append("")
        else:
            pieces[-1] += sign
    terms = (piece.strip() for piece in pieces)
    return [term for term in terms if term and "|" not in term and not term.startswith("offset(")]


def begins_like_effect(text: str, formula: str | None, *, is_cut: bool) -> bool | None:
    """Whether a line begins as the name of a fixed effect of the formula does; None if the formula does not tell.

    A name begins with ``(Intercept)``, a variable, or a function with its parenthesis.

    Parameters
    ----------
    text : str
        The line.
    formula : str or None
        As printed.
    is_cut : bool
        Whether the line may have but the beginning of a name.
    """
    terms = _fixed_terms(formula or "")
    first = text.split(maxsplit=1)[0] if text.strip() else ""
    if terms is None or "." in terms or not first:
        return None
    fixed = " + ".join(terms)
    names = ["(Intercept)"]
    for match in _NAME.finditer(fixed):
        names.append(match[0] + ("(" if fixed[match.end() :].startswith("(") else ""))
    names += [name.strip("`") for name in names]
    return any(first.startswith(name) or (is_cut and name.startswith(first)) for name in names)
