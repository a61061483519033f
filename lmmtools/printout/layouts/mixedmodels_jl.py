"""The printed ``LinearMixedModel`` of Julia's MixedModels."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from lmmtools.errors import PrintoutError
from lmmtools.printout.number import is_count_text, is_quotient
from lmmtools.printout.printed_fit import PrintedCoefficient, PrintedSummary
from lmmtools.printout.random_effects import RESIDUAL, read_random_effects
from lmmtools.printout.row import read_tail
from lmmtools.printout.rtable import name_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmmtools.printout.layout import Line
    from lmmtools.printout.number import PrintedNumber
    from lmmtools.printout.printed_fit import PrintedEffect

__all__ = ["IS_FIT", "TITLE", "begins", "read"]

TITLE = "a LinearMixedModel of MixedModels.jl"
IS_FIT = True
_TITLE = re.compile(r"Linear mixed model fit by (?P<method>maximum likelihood|REML)")
_VARIANCES = "Variance components:"
_CRITERIA = re.compile(r"logLik -2 logLik AIC AICc BIC")
_REML = re.compile(r"REML criterion at convergence: (?P<value>\S+)")
_SIZES = re.compile(r"Number of obs: (?P<nobs>\d+); levels of grouping factors: (?P<levels>[\d, ]+)")
_FIXED = re.compile(r"Coef\. Std\. ?Error z Pr\(>\|z\|\)")
_RULE = re.compile(r"[─-]{5,}")


def begins(lines: Sequence[Line]) -> int | None:
    """Return the place of the title; None if there is none with variance components below it."""
    if not any(line.words == _VARIANCES for line in lines):
        return None
    return next((k for k, line in enumerate(lines) if _TITLE.match(line.words) and not line.is_break), None)


def read(lines: Sequence[Line], start: int) -> PrintedSummary:
    """Return the fit that begins at ``start``."""
    lines = lines[start:]
    title = _TITLE.match(lines[0].words)
    assert title is not None
    if sum(line.words == _VARIANCES for line in lines) > 1:
        raise PrintoutError("The text holds more than one printed fit: give one.")
    reml = title["method"] == "REML"
    criteria = _read_criteria(lines, reml)
    sizes = _one(lines, _SIZES, "the line 'Number of obs'")
    effects, residual = _read_variances(lines)
    groups = list(dict.fromkeys(effect.group for effect in effects))
    levels = [each.strip() for each in sizes["levels"].split(",")]
    if len(levels) != len(groups) or not all(map(is_count_text, (*levels, sizes["nobs"]))):
        raise PrintoutError(f"{len(levels)} numbers of levels are printed for {len(groups)} grouping factors.")
    formula = lines[1].words if len(lines) > 1 and "~" in lines[1].words else None
    return PrintedSummary(
        reml=reml,
        criterion=criteria.pop("criterion"),
        random=tuple(effects),
        residual=residual,
        nobs=int(sizes["nobs"]),
        ngroups=dict(zip(groups, map(int, levels), strict=True)),
        fixed=tuple(_read_fixed(lines)),
        formula=formula,
        method="z",
        criteria=criteria or None,
        engine="MixedModels.jl",
    )


def _one(lines: Sequence[Line], pattern: re.Pattern[str], what: str) -> re.Match[str]:
    found = [m for line in lines if (m := pattern.search(line.words))]
    if len(found) != 1:
        raise PrintoutError(f"The printout is not complete, or holds several fits: {what} stands {len(found)} times.")
    return found[0]


def _read_criteria(lines: Sequence[Line], reml: bool) -> dict[str, PrintedNumber]:
    """Return the criterion, and log-likelihood, AIC and BIC where they are printed."""
    if reml:
        tail = read_tail(_one(lines, _REML, "the REML criterion")["value"])
        if len(tail) != 1:
            raise PrintoutError("The REML criterion is no number: was the text cut?")
        return {"criterion": tail.numbers[0]}
    k = next((k for k, line in enumerate(lines) if _CRITERIA.fullmatch(line.words)), len(lines))
    tail = read_tail(lines[k + 1].text) if k + 1 < len(lines) else read_tail("")
    if len(tail) != 5 or tail.label(5).strip():
        raise PrintoutError("The table 'logLik -2 logLik AIC AICc BIC' has not five numbers: was the text cut?")
    llf, criterion, aic, _, bic = tail.numbers
    if abs(-2.0 * llf - criterion) > 2.0 * llf.half_unit + criterion.half_unit * 1.01:
        raise PrintoutError(f"-2 logLik, {criterion}, is not that of logLik {llf}: a digit was lost or changed.")
    return {"criterion": criterion, "logLik": llf, "AIC": aic, "BIC": bic}


def _read_variances(lines: Sequence[Line]) -> tuple[list[PrintedEffect], PrintedEffect]:
    start = next(k for k, line in enumerate(lines) if line.words == _VARIANCES) + 1
    ends = [k for k in range(start, len(lines)) if lines[k].words.startswith(RESIDUAL)]
    heading = lines[start] if start < len(lines) else lines[-1]
    if not ends or not re.fullmatch(r"Column Variance Std\. ?Dev\.(?: Corr\.)?", heading.words):
        raise PrintoutError("The table of variance components has not its heading or no row Residual: was it cut?")
    rows = lines[start + 1 : ends[0] + 1]
    groups = [line.text.split()[0] for line in rows if line.text[:1].strip()]
    first = re.match(r"\S+\s+", rows[0].text)
    if first is None or any(line.is_blank or line.is_break for line in rows):
        raise PrintoutError(f"{name_line(rows[0])} names no group: was a line lost?")
    names = f"{'Groups':<{max(first.end(), 7)}}Name {heading.words.removeprefix('Column ').replace('Corr.', 'Corr')}"
    return read_random_effects([replace(heading, text=names), *rows], [g for g in groups if g != RESIDUAL])


def _read_fixed(lines: Sequence[Line]) -> list[PrintedCoefficient]:
    k = next((k for k, line in enumerate(lines) if _FIXED.fullmatch(line.words)), len(lines))
    found: list[PrintedCoefficient] = []
    is_closed = False
    for line in lines[k + 1 :]:
        if _RULE.fullmatch(line.words):
            is_closed = bool(found)
            if is_closed:
                break
            continue
        tail = read_tail(line.text)
        if len(tail) < 4 or not tail.label(4).strip():
            raise PrintoutError(f"{name_line(line)} has not four numbers after a name: was the text cut?")
        estimate, error, z, p = tail.last(4)
        if not is_quotient(z, estimate, error):
            raise PrintoutError(f"z is not Coef. over Std. Error in {name_line(line)}: a digit was lost or changed.")
        # 'recipe: B & temp' is recipeB:temp in R.
        name = " ".join(tail.label(4).split()).replace(": ", "").replace(" & ", ":")
        found.append(PrintedCoefficient(name, estimate, error, None, z, p))
    if not found or not is_closed:
        raise PrintoutError("The table of fixed effects has no rule below it: was the text cut?")
    return found
