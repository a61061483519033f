"""The record of a printed table about a fit: tests, variances, effects, intervals, means; row by row."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lmmtools.printout.number import PrintedNumber, RoundedNumber

__all__ = ["PrintedRow", "PrintedTable"]


@dataclass(frozen=True, slots=True)
class PrintedRow:
    """One row of a printed table.

    Attributes
    ----------
    labels : tuple of str
        What names the row: a term; group and effect; group, effect and level; a level of each factor of a mean.
    numbers : dict of str to PrintedNumber
        By the heading of the column, as it was printed; without the cells that are empty.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> table = lmt.read_printout('''
    ...  Groups   Name        Std.Dev.
    ...  Batch    (Intercept) 42.001
    ...  Residual             49.510
    ... ''')
    >>> table.rows[0].labels
    ('Batch', '(Intercept)')
    """

    labels: tuple[str, ...]
    numbers: Mapping[str, PrintedNumber | RoundedNumber]

    def __str__(self) -> str:
        return f"{', '.join(filter(None, self.labels))}: {', '.join(f'{k} {v}' for k, v in self.numbers.items())}"


@dataclass(frozen=True, slots=True)
class PrintedTable:
    """The numbers of a printed table about a fit, each with the digits that it shows.

    Attributes
    ----------
    layout : str
        Name of the layout: ``"anova"``, ``"ranova"``, ``"variances"``, ``"coefficients"``, ``"modes"``,
        ``"intervals"``, ``"means"``, ``"parameters"``, ``"glmm"``.
    title : str
        What printed it, ``"lmerTest's anova()"``.
    rows : tuple of PrintedRow
    facts : dict of str to str
        What stands around the table: the type of the tests, the method of the degrees of freedom, the level.
    unread : tuple of str
        Lines that were not understood, each with its number; none of their numbers was read.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> lmt.read_printout('''
    ... Type III Analysis of Variance Table with Satterthwaite's method
    ...      Sum Sq Mean Sq NumDF DenDF F value    Pr(>F)
    ... Days  30031   30031     1    17  45.853 3.264e-06 ***
    ... ''').facts["ddf"]
    'satterthwaite'
    """

    layout: str
    title: str
    rows: tuple[PrintedRow, ...]
    facts: Mapping[str, str] = field(default_factory=dict)
    unread: tuple[str, ...] = ()

    def __str__(self) -> str:
        left_out = [f"  not read: {line}" for line in self.unread]
        return "\n".join([f"printed by {self.title}", *(f"  {row}" for row in self.rows), *left_out])
