"""A declared model written out: as lme4's users write it, and as a declaration of lmmtools."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lmmtools.formula.tokens import quote_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmmtools.formula.terms import ModelFormula, RandomTerm

__all__ = [
    "write_call",
    "write_comment",
    "write_declaration",
    "write_expression",
    "write_lme4",
    "write_term",
    "write_text",
]

_R_SPELLING = (
    (re.compile(r"\bnp\.(log|log2|log10|log1p|sqrt|exp|sin|cos|tan)\("), r"\1("),
    (re.compile(r"\bC\((?=[\w.`]+\))"), "factor("),
    (re.compile(r"\*\*"), "^"),
)


def write_term(term: RandomTerm) -> str:
    """Return a term as lme4's users write it, ``"(1|plate:sample)"``, ``"(1 + Days|Subject)"``."""
    return f"({write_expression(term.basis)}|{':'.join(map(quote_name, term.factors))})"


def write_lme4(formula: ModelFormula) -> str:
    """Return a formula in lme4's notation and R's spelling, slashes and double bars written out."""
    parts = [
        write_expression(formula.fixed),
        *(f"offset({write_expression(o)})" for o in formula.offsets),
        *map(write_term, formula.random),
    ]
    return f"{write_expression(formula.response)} ~ {' + '.join(parts)}"


def write_expression(text: str) -> str:
    """Return the fixed part, a basis or the response in R's spelling."""
    for pattern, replacement in _R_SPELLING:
        text = pattern.sub(replacement, text)
    return text


def write_declaration(terms: Sequence[RandomTerm]) -> str:
    """Return the declaration of random terms as code, ``'lmt.nested("batch", "cask")'``."""
    left = list(terms)
    parts = [f"lmt.nested({_write_names(chain)})" for chain in _take_chains(left)]
    crossed = [t for t in left if _is_intercept(t) and len(t.factors) == 1 and not _uncorrelated_slopes(t, left)]
    if crossed:
        parts.append(f"lmt.crossed({_write_names([t.factors[0] for t in crossed])})")
        left = [t for t in left if t not in crossed]
    while left:
        parts.append(_write_random(left))
    return " + ".join(parts)


def write_call(formula: ModelFormula) -> str:
    """Return the call of ``lmt.lmm`` that declares a model, random effects apart from the formula."""
    fixed = " + ".join([formula.fixed, *(f"offset({o})" for o in formula.offsets)])
    return f"lmt.lmm({write_text(f'{formula.response} ~ {fixed}')}, data, random={write_declaration(formula.random)})"


def _is_intercept(term: RandomTerm) -> bool:
    """Whether a term is a random intercept alone."""
    return term.intercept and not term.variables


def _take_chains(terms: list[RandomTerm]) -> list[list[str]]:
    """Take out of ``terms`` those that are ``(1|a/b/c)`` written out; return the factors of each, outermost first."""
    chains = []
    for outer in [t for t in terms if _is_intercept(t) and len(t.factors) == 1]:
        chain, names = [outer], [outer.factors[0]]
        while inner := next((t for t in terms if _extends(t, names)), None):
            (name,) = set(inner.factors) - set(names)
            chain.append(inner)
            names.append(name)
        if len(chain) > 1:
            chains.append(names)
            for t in chain:
                terms.remove(t)
    return chains


def _extends(term: RandomTerm, names: list[str]) -> bool:
    """Whether a term is an intercept on the factors ``names`` and one more."""
    return _is_intercept(term) and len(term.factors) == len(names) + 1 and set(names) < set(term.factors)


def _uncorrelated_slopes(term: RandomTerm, terms: Sequence[RandomTerm]) -> list[RandomTerm]:
    """Return the single slopes on a single effect's factor: with it, what ``||`` stands for."""
    if len(term.variables) + term.intercept != 1:
        return []
    single = [t for t in terms if t != term and not t.intercept and len(t.variables) == 1]
    return [t for t in single if t.factors == term.factors]


def _write_random(terms: list[RandomTerm]) -> str:
    """Take the first term, and those uncorrelated with it on its factor, out of ``terms``; return their code."""
    first = terms.pop(0)
    factor = write_text(first.factors[0]) if len(first.factors) == 1 else f"({_write_names(first.factors)})"
    others = _uncorrelated_slopes(first, terms)
    if not others:
        return f"lmt.random({factor}, {write_text(first.basis)})"
    for t in others:
        terms.remove(t)
    basis = " + ".join([str(int(first.intercept)), *first.variables, *(v for t in others for v in t.variables)])
    return f"lmt.random({factor}, {write_text(basis)}, correlated=False)"


def _write_names(names: Sequence[str]) -> str:
    """Return names as the arguments of a call."""
    return ", ".join(map(write_text, names))


def write_text(text: str) -> str:
    """Return a text as Python code writes it, in double quotes where that needs no escapes."""
    return repr(text) if set(text) & {'"', "\\"} or not text.isprintable() else f'"{text}"'


def write_comment(text: str) -> str:
    """Return a comment of Python code, on one line whatever names are in the text."""
    return f"# {''.join(c if c.isprintable() else ' ' for c in text)}"
