"""``VarCorr(fit)``, printed alone: variances, standard deviations, correlations."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lmmtools.errors import PrintoutError
from lmmtools.printout.printed_table import PrintedRow, PrintedTable
from lmmtools.printout.random_effects import read_random_effects

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmmtools.printout.layout import Line
    from lmmtools.printout.printed_fit import PrintedEffect

__all__ = ["IS_FIT", "TITLE", "begins", "read"]

TITLE = "VarCorr() of lme4"
IS_FIT = False
_HEADING = re.compile(r"Groups Name (?:Variance|Std\. ?Dev\.)(?: Std\. ?Dev\.)?(?: Corr)?")
_OF_SUMMARY = re.compile(r"Random effects ?:|Conditional model:|Zero-inflation model:|Dispersion model:")
_RESIDUAL = re.compile(r"Residual\b")


def begins(lines: Sequence[Line]) -> int | None:
    """Return the place of the heading; None if there is none, or it is part of a summary."""
    above = ""
    for k, line in enumerate(lines):
        if _HEADING.fullmatch(line.words) and not line.is_break and not _OF_SUMMARY.match(above):
            return k
        above = line.words or above
    return None


def read(lines: Sequence[Line], start: int) -> PrintedTable:
    """Return the variances of the table that begins at ``start``."""
    ends = [k for k in range(start, len(lines)) if _RESIDUAL.match(lines[k].words)]
    if not ends or any(line.is_blank or line.is_break for line in lines[start : ends[0]]):
        raise PrintoutError("The table of variances has no row 'Residual' below its other rows: paste it whole.")
    if any(_HEADING.fullmatch(line.words) for line in lines[ends[0] :]):
        raise PrintoutError("The text holds two tables of variances: give one.")
    block = lines[start : ends[0] + 1]
    place = block[0].text.index("Name")
    # Each row that names a group has it before the column Name.
    groups = [line.text[:place].strip() for line in block[1:]]
    effects, residual = read_random_effects(block, [group for group in groups if group and group != "Residual"])
    if all(line.is_blank for line in lines[ends[0] + 1 :]):
        _check_decimals(effects, residual)
    return PrintedTable("variances", TITLE, tuple(_row(effect, effects) for effect in (*effects, residual)))


def _row(effect: PrintedEffect, effects: Sequence[PrintedEffect]) -> PrintedRow:
    above = [other.name for other in effects if other.group == effect.group]
    amounts = {"Variance": effect.variance, "Std.Dev.": effect.sd}
    numbers = {name: number for name, number in amounts.items() if number is not None}
    numbers |= {f"Corr with {name}": r for name, r in zip(above, effect.correlations, strict=False)}
    return PrintedRow((effect.group, effect.name), numbers)


def _check_decimals(effects: Sequence[PrintedEffect], residual: PrintedEffect) -> None:
    """Raise PrintoutError if the last number of the text has fewer decimals than those above it."""
    for name in ("variance", "sd"):
        last, above = getattr(residual, name), [getattr(effect, name) for effect in effects]
        if last is not None and above and last.decimals < max(n.decimals for n in above):
            raise PrintoutError(f"The text ends with {last}, which has fewer decimals than those above: was it cut?")
