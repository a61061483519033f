"""What a model declares: random-effects terms and the formula that holds them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lmmtools.formula.tokens import quote_name

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ModelFormula", "RandomTerm", "order_written"]


@dataclass(frozen=True, slots=True)
class RandomTerm:
    """One random-effects term ``(basis | factor)``, its effects correlated with each other.

    ``(x || g)``, ``(1 | a/b)`` and the like never reach this record: they are two terms each.

    Attributes
    ----------
    intercept : bool
        Whether the basis has a constant column.
    variables : tuple of str
        The basis beside the constant, one formula term each (``"Days"``, ``"I(x**2)"``, ``"a:b"``), in declared order.
    factors : tuple of str
        Columns whose combination is the grouping factor; more than one for an interaction such as ``cask:batch``.
    """

    intercept: bool
    variables: tuple[str, ...]
    factors: tuple[str, ...]

    @property
    def basis(self) -> str:
        """The left of the bar, ``"1 + Days"`` or ``"0 + Days"``."""
        return " + ".join((str(int(self.intercept)), *self.variables)) if self.variables else str(int(self.intercept))

    @property
    def group(self) -> str:
        """The name of the grouping factor, ``"Subject"`` or ``"cask:batch"``."""
        return ":".join(self.factors)

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
    """

    response: str
    fixed: str
    random: tuple[RandomTerm, ...]
    offsets: tuple[str, ...] = ()
    source: str = ""

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
    is_longer = len(term.factors) > len(before.factors)
    return is_same_basis and is_longer and term.factors[-len(before.factors) :] == before.factors
