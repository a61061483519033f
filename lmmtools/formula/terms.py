"""What a model declares: random-effects terms and the formula that holds them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lmmtools.formula.tokens import quote_name

if TYPE_CHECKING:
    from collections.abc import Sequence

# A part of an interaction: what stands between colons, a quoted name or parentheses as a whole.
_PIECE = re.compile(r"(?:`[^`]*`|\([^()]*\)|[^:])+")

__all__ = ["ModelFormula", "RandomTerm", "factor_parts", "nest", "order_written", "parts_of_term"]


def parts_of_term(text: str) -> list[str]:
    """Return the parts of an interaction: ``"a:C(b)"`` has two."""
    return _PIECE.findall(text)


@dataclass(frozen=True, slots=True, eq=False)
class RandomTerm:
    """One random-effects term ``(basis | factor)``, its effects correlated with each other.

    ``(x || g)``, ``(1 | a/b)`` and the like never reach this record: they are two terms each. Terms are equal where
    they are the same model: the order in an interaction, and that of effects before the bar, mean nothing.

    Attributes
    ----------
    intercept : bool
        Whether the basis has a constant column.
    variables : tuple of str
        The basis beside the constant, one formula term each (``"Days"``, ``"I(x**2)"``, ``"a:b"``), in declared order.
    factors : tuple of str
        Columns whose combination is the grouping factor; more than one for an interaction such as ``cask:batch``.
    label : str
        What lme4 calls the grouping factor if it lies within others by a slash: ``"c:(b:a)"`` of ``a/b/c``; else empty.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> str(lmt.random("Subject", "1 + Days").terms[0])
    '(Days | Subject)'
    """

    intercept: bool
    variables: tuple[str, ...]
    factors: tuple[str, ...]
    label: str = ""

    @property
    def _meaning(self) -> tuple[bool, frozenset[str | frozenset[str]], frozenset[str]]:
        """The parts of a term that make it equal to another."""
        variables = frozenset(frozenset(parts_of_term(v)) if ":" in v else v for v in self.variables)
        return self.intercept, variables, frozenset(self.factors)

    def __eq__(self, other: object) -> bool:
        return self._meaning == other._meaning if isinstance(other, RandomTerm) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._meaning)

    @property
    def basis(self) -> str:
        """The left of the bar, ``"1 + Days"`` or ``"0 + Days"``."""
        return " + ".join((str(int(self.intercept)), *self.variables)) if self.variables else str(int(self.intercept))

    @property
    def group(self) -> str:
        """The name of the grouping factor as lme4 has it, ``"Subject"``, ``"cask:batch"`` or ``"c:(b:a)"``."""
        return self.label or ":".join(self.factors)

    def __str__(self) -> str:
        left = " + ".join(self.variables) if self.intercept and self.variables else self.basis
        # Quoted where a name needs it, so that what is printed reads as the same term.
        return f"({left} | {':'.join(map(quote_name, self.factors))})"


@dataclass(frozen=True, slots=True)
class ModelFormula:
    """A parsed mixed-model formula.

    Attributes
    ----------
    response : str
        The left-hand side, a column or an expression of columns.
    fixed : str
        The fixed-effects part of the right-hand side, as formulaic reads it (``"1"``, ``"Days"``, ``"0 + C(f)"``).
    random : tuple of RandomTerm
        The random-effects terms in declared order, slashes and double bars written out.
    offsets : tuple of str
        Expressions inside ``offset(...)``.
    source : str
        The formula as its user wrote it, declarations appended as terms.
    trusted : bool
        Whether its user lets it call any function; else what it calls is checked once more before it is evaluated.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).formula.source
    'Yield ~ 1 + (1 | Batch)'
    """

    response: str
    fixed: str
    random: tuple[RandomTerm, ...]
    offsets: tuple[str, ...] = ()
    source: str = ""
    trusted: bool = False

    def __str__(self) -> str:
        parts = [self.fixed, *(f"offset({o})" for o in self.offsets), *(str(t) for t in self.random)]
        return f"{self.response} ~ {' + '.join(parts)}"


def order_written(terms: Sequence[RandomTerm]) -> list[int]:
    """Return where the terms of a formula stand in lme4's, which writes ``(x | a/b)`` out inner factor first."""
    order: list[int] = []
    at = 0
    while at < len(terms):
        stop = at + 1
        while stop < len(terms) and _is_nested_in(terms[stop], terms[stop - 1]):
            stop += 1
        order += reversed(range(at, stop))
        at = stop
    return order


def _is_nested_in(term: RandomTerm, before: RandomTerm) -> bool:
    """Whether two terms are what ``(x | a/b)`` is written out to, outer first."""
    is_same_basis = (term.intercept, term.variables) == (before.intercept, before.variables)
    return bool(term.label) and is_same_basis and term.factors[-len(before.factors) :] == before.factors


def nest(basis: tuple[bool, tuple[str, ...]], chain: Sequence[tuple[str, ...]]) -> tuple[RandomTerm, ...]:
    """Return the terms of one basis on ``a/b/c``.

    Parameters
    ----------
    basis : (bool, tuple of str)
        Intercept and variables.
    chain : sequence of tuple of str
        The factors outermost first, each ending in the one before it: ``("a",), ("b", "a"), ("c", "b", "a")``.
    """
    terms: list[RandomTerm] = []
    for factors in chain:
        label = ""
        if terms:
            outer = terms[-1]
            inner = ":".join(factors[: -len(outer.factors)])
            label = f"{inner}:({outer.group})" if len(outer.factors) > 1 else f"{inner}:{outer.group}"
        terms.append(RandomTerm(*basis, factors, label))
    return tuple(terms)


def factor_parts(name: str) -> list[str]:
    """Return the sorted parts of a grouping factor's name: alike however an interaction is written."""
    return sorted(part.strip("()") for part in name.split(":"))
