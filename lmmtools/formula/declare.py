"""Random effects declared without a formula: crossed(), nested(), random() -> the same RandomTerms."""

from __future__ import annotations

from dataclasses import dataclass

from lmmtools import memory
from lmmtools.errors import FormulaError
from lmmtools.formula.algebra import expand
from lmmtools.formula.expressions import fold_calls
from lmmtools.formula.terms import RandomTerm, nest
from lmmtools.formula.tokens import tokenize

__all__ = ["Declaration", "crossed", "nested", "random", "split_correlated"]


@dataclass(frozen=True, slots=True)
class Declaration:
    """Random-effects terms declared apart from a formula; declarations add up.

    Attributes
    ----------
    terms : tuple of RandomTerm
        In declared order, each once.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> lmt.crossed("plate") + lmt.random("sample", "1 + dose")
    <(1 | plate) + (dose | sample)>
    """

    terms: tuple[RandomTerm, ...]

    def __add__(self, other: Declaration) -> Declaration:
        if not isinstance(other, Declaration):
            return NotImplemented
        repeated = [str(t) for t in other.terms if t in self.terms]
        if repeated:
            raise FormulaError(
                f"The random-effects term {repeated[0]} is declared twice. Leave one out: the data tell the sum of "
                "their variances alone."
            )
        return Declaration(self.terms + other.terms)

    def __str__(self) -> str:
        return " + ".join(map(str, self.terms))

    def __repr__(self) -> str:
        return f"<{self}>"


@memory.door
def crossed(*factors: str) -> Declaration:
    """Return a random intercept for each factor: ``crossed("plate", "sample")`` is ``(1|plate) + (1|sample)``.

    Parameters
    ----------
    *factors : str
        Column names, taken as they are: spaces, colons and slashes in them mean nothing.

    Raises
    ------
    FormulaError
        No factor, a factor twice, or what is not a column name.

    See Also
    --------
    nested, random

    Examples
    --------
    >>> import lmmtools as lmt
    >>> lmt.crossed("plate", "sample")
    <(1 | plate) + (1 | sample)>
    """
    _check_factors("crossed", factors)
    return Declaration(tuple(RandomTerm(True, (), (f,)) for f in factors))


@memory.door
def nested(*factors: str) -> Declaration:
    """Return a random intercept for each level of nesting: ``nested("batch", "cask")`` is ``(1|batch/cask)``.

    Parameters
    ----------
    *factors : str
        Column names, outermost first, taken as they are.

    Raises
    ------
    FormulaError
        Fewer than two factors, a factor twice, or what is not a column name.

    See Also
    --------
    crossed, random

    Examples
    --------
    >>> import lmmtools as lmt
    >>> lmt.nested("batch", "cask")
    <(1 | batch) + (1 | cask:batch)>
    """
    _check_factors("nested", factors)
    if len(factors) < 2:
        raise FormulaError(
            f"nested() takes an outer factor and at least one within it, not {factors!r}. "
            f"Write crossed({factors[0]!r}) for a single factor."
        )
    # lme4 names the inner factor first: cask:batch.
    return Declaration(nest((True, ()), [factors[i::-1] for i in range(len(factors))]))


@memory.door
def random(factor: str | tuple[str, ...], basis: str = "1", *, correlated: bool = True) -> Declaration:
    """Return random effects of a basis: ``random("Subject", "1 + Days")`` is ``(1 + Days | Subject)``.

    Parameters
    ----------
    factor : str or tuple of str
        The grouping column, or several whose combinations are the levels: ``("cask", "batch")`` is ``cask:batch``.
    basis : str
        What varies between levels, as on the left of a formula's bar.
    correlated : bool
        Whether the effects are correlated; ``False`` is lme4's ``||``.

    Raises
    ------
    FormulaError
        A basis that does not read as a sum of terms, or what is not a column name.

    See Also
    --------
    crossed, nested

    Examples
    --------
    >>> import lmmtools as lmt
    >>> lmt.random("Subject", "1 + Days", correlated=False)
    <(1 | Subject) + (0 + Days | Subject)>
    """
    factors = tuple(factor) if isinstance(factor, (tuple, list)) else (factor,)
    _check_factors("random", factors)
    if not isinstance(basis, str) or not basis.strip():
        raise FormulaError(f"The basis of a random-effects term is text such as '1 + x', not {basis!r}.")
    intercept, variables = expand(fold_calls(tokenize(basis), basis), basis)
    if not intercept and not variables:
        raise FormulaError(f"The basis {basis!r} has no effect in it. Write '1' for a random intercept.")
    return Declaration(
        tuple(RandomTerm(*part, factors) for part in split_correlated(intercept, variables, correlated=correlated))
    )


def split_correlated(
    intercept: bool, variables: tuple[str, ...], *, correlated: bool
) -> list[tuple[bool, tuple[str, ...]]]:
    """Return the bases of the terms that a basis stands for: itself, or one for each effect under ``||``.

    A categorical variable under ``||`` stays one basis, its columns correlated, as in lme4.
    """
    if correlated:
        return [(intercept, variables)]
    constant: list[tuple[bool, tuple[str, ...]]] = [(True, ())] if intercept else []
    return constant + [(False, (v,)) for v in variables]


def _check_factors(function: str, factors: tuple[str, ...]) -> None:
    """Raise a FormulaError unless the factors are distinct column names, at least one."""
    if not factors:
        raise FormulaError(f"{function}() needs the name of at least one column.")
    for f in factors:
        if not isinstance(f, str) or not f:
            raise FormulaError(f"{function}() takes column names as text, not {f!r}.")
    repeated = sorted({f for f in factors if factors.count(f) > 1})
    if repeated:
        raise FormulaError(f"{function}() was given the column {repeated[0]!r} twice.")
