"""``summary()`` of glmmTMB and of lme4's ``glmer()``: a Gaussian fit as a summary, others as a table."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from lmmtools.errors import PrintoutError
from lmmtools.printout.fixed_effects import check_end, read_fixed_effects
from lmmtools.printout.layout import find_sections
from lmmtools.printout.printed_fit import PrintedSummary
from lmmtools.printout.printed_table import PrintedRow, PrintedTable
from lmmtools.printout.random_effects import read_random_effects, read_variances
from lmmtools.printout.rtable import name_line
from lmmtools.printout.sizes import read_criteria, read_sizes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lmmtools.printout.layout import Line, Sections
    from lmmtools.printout.number import PrintedNumber
    from lmmtools.printout.printed_fit import PrintedCoefficient, PrintedEffect

__all__ = ["IS_FIT", "TITLE", "begins", "read"]

TITLE = "summary() of glmmTMB or glmer()"
IS_FIT = True
_FAMILY = re.compile(r"Family: (?P<family>[\w ]+?) ?\( ?(?P<link>\w+) ?\)")
_CONDITIONAL = "Conditional model:"
_OTHERS = ("Zero-inflation model:", "Dispersion model:")
_NEEDED = {"criteria": "the table 'AIC BIC logLik'", "random": "the random effects", "nobs": "the line 'Number of obs'"}


def begins(lines: Sequence[Line]) -> int | None:
    """Return the place of the line ``Family:``; None if there is none."""
    return next((k for k, line in enumerate(lines) if _FAMILY.match(line.words) and not line.is_break), None)


def read(lines: Sequence[Line], start: int) -> PrintedSummary | PrintedTable:
    """Return the fit that begins at ``start``."""
    found = _FAMILY.match(lines[start].words)
    assert found is not None
    other = next((line for line in lines[start:] if line.words in _OTHERS or _FAMILY.match(line.words)), lines[start])
    if any(line.words in _OTHERS for line in lines[start:]):
        other = next(line for line in lines[start:] if line.words in _OTHERS)
        raise PrintoutError(f"The fit has a second model ({name_line(other)}), which is not read.")
    if sum(_FAMILY.match(line.words) is not None for line in lines) > 1:
        raise PrintoutError("The text holds more than one printed fit: give one.")
    is_tmb = any(line.words == _CONDITIONAL for line in lines[start:])
    sections = find_sections(_as_of_glmer(lines[start:]) if is_tmb else lines[start:])
    missing = [what for part, what in _NEEDED.items() if part not in sections]
    if missing or "fixed" not in sections:
        raise PrintoutError(f"The printout is not complete; missing: {', '.join([*missing, 'the fixed effects'][:2])}.")
    fixed = read_fixed_effects(sections.parts["fixed"], sections.words("formula"), is_z=True)
    if not {"legend", "correlations"} & set(sections.parts):
        check_end(sections.parts["fixed"])
    criteria = read_criteria(sections)
    assert criteria is not None
    nobs, ngroups = read_sizes(sections.words("nobs") or "")
    if is_tmb and found["family"] == "gaussian" and found["link"] == "identity":
        effects, residual = read_random_effects(sections.parts["random"], ngroups)
        return _gaussian(sections, criteria, nobs, ngroups, effects, residual, fixed)
    rows = [_row(effect) for effect in read_variances(sections.parts["random"], ngroups)]
    facts = {"family": found["family"], "link": found["link"], "nobs": str(nobs)}
    facts |= {f"levels of {group}": str(m) for group, m in ngroups.items()}
    rows = [PrintedRow(("criteria",), criteria), *rows, *map(_coefficient_row, fixed)]
    return PrintedTable("glmm", TITLE, tuple(rows), facts)


def _as_of_glmer(lines: Sequence[Line]) -> list[Line]:
    """Return the lines with the headings of lme4: ``Conditional model:`` heads the variances, then the effects."""
    places = [k for k, line in enumerate(lines) if line.words == _CONDITIONAL]
    if len(places) != 2:
        raise PrintoutError(f"The text has not the line {_CONDITIONAL!r} twice: was it cut?")
    changed = {places[0]: "", places[1]: "Fixed effects:"}
    return [replace(line, text=changed.get(k, line.text)) for k, line in enumerate(lines)]


def _gaussian(
    sections: Sections,
    criteria: Mapping[str, PrintedNumber],
    nobs: int,
    ngroups: Mapping[str, int],
    effects: Sequence[PrintedEffect],
    residual: PrintedEffect,
    fixed: Sequence[PrintedCoefficient],
) -> PrintedSummary:
    """Return a Gaussian fit; its residual degrees of freedom tell REML, whose parameters are the variances alone."""
    variances = 1 + sum(1 + len(effect.correlations) for effect in effects)
    used = {nobs - variances - len(fixed): False, nobs - variances: True}
    reml = used.get(int(criteria["df.resid"])) if "df.resid" in criteria else None
    if reml is None:
        raise PrintoutError("The residual degrees of freedom tell neither ML nor REML: was the text cut?")
    return PrintedSummary(
        reml=reml,
        criterion=criteria["deviance"],
        random=tuple(effects),
        residual=residual,
        nobs=nobs,
        ngroups=ngroups,
        fixed=tuple(fixed),
        formula=sections.words("formula"),
        data_name=sections.words("data"),
        method="z",
        # Under REML the numbers of parameters differ from lme4's.
        criteria=criteria if not reml else {"logLik": criteria["logLik"]},
        engine="glmmTMB",
    )


def _row(effect: PrintedEffect) -> PrintedRow:
    amounts = {"Variance": effect.variance, "Std.Dev.": effect.sd}
    numbers = {name: number for name, number in amounts.items() if number is not None}
    numbers |= {f"Corr {k}": r for k, r in enumerate(effect.correlations, 1)}
    return PrintedRow((effect.group, effect.name), numbers)


def _coefficient_row(c: PrintedCoefficient) -> PrintedRow:
    cells = {"Estimate": c.estimate, "Std. Error": c.std_error, "z value": c.t, "Pr(>|z|)": c.p}
    return PrintedRow((c.name,), {name: number for name, number in cells.items() if number is not None})
