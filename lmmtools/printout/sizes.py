"""What stands around the tables of a printed summary: criteria, numbers of rows and levels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmmtools.errors import PrintoutError
from lmmtools.printout.number import is_count_text
from lmmtools.printout.row import read_tail

if TYPE_CHECKING:
    from lmmtools.printout.layout import Sections
    from lmmtools.printout.number import PrintedNumber

__all__ = ["read_criteria", "read_pairs", "read_sizes"]

_CRITERIA = ("AIC", "BIC", "logLik", "-2*log(L)", "deviance", "MLdeviance", "REMLdev", "REMLdeviance", "df.resid")


def read_pairs(sections: Sections, part: str) -> dict[str, PrintedNumber]:
    """Return the numbers by the names above them, from one pair of rows or several."""
    names: list[str] = []
    numbers: list[PrintedNumber] = []
    for line in sections.block(part):
        tail = read_tail(line.text)
        if not tail.label(len(tail)):
            numbers.extend(tail.numbers)
        else:
            names.extend(line.words.split())
    return dict(zip(names, numbers, strict=False)) if len(names) == len(numbers) else {}


def read_criteria(sections: Sections) -> dict[str, PrintedNumber] | None:
    """Return AIC, BIC, log-likelihood, deviance and residual degrees of freedom; None if they are not printed."""
    if "criteria" not in sections:
        return None
    found = read_pairs(sections, "criteria")
    unknown = [name for name in found if name not in _CRITERIA]
    if unknown:
        raise PrintoutError(
            f"The table 'AIC BIC logLik deviance' has the name {unknown[0]!r}: was it broken by a page?"
        )
    # Later versions of lme4 print -2*log(L) above the deviance.
    criteria = {"deviance" if name.startswith("-2") else name: value for name, value in found.items()}
    if "deviance" not in criteria:
        raise PrintoutError("The table 'AIC BIC logLik deviance' has not a number below each name: was the text cut?")
    return criteria


def read_sizes(words: str) -> tuple[int, dict[str, int]]:
    """Return the number of rows and the levels per group in ``180, groups: Subject, 18; item, 20``."""
    rows, _, listed = words.partition(",")
    groups: dict[str, int] = {}
    for entry in listed.partition("groups:")[2].split(";"):
        name, _, count = entry.rpartition(",")
        if not name.strip() or not is_count_text(count.strip()):
            break
        groups[name.strip()] = int(count)
    else:
        if is_count_text(rows.strip()):
            return int(rows), groups
    raise PrintoutError(
        f"The line 'Number of obs: {words[:200]}' does not read as '180, groups: Subject, 18': was the text cut?"
    )
