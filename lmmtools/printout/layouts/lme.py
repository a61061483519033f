"""``summary()`` of nlme's ``lme()``, and the fit printed itself."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lmmtools.errors import PrintoutError
from lmmtools.printout.fixed_effects import read_fixed_effects, split_names
from lmmtools.printout.number import PrintedNumber, RoundedNumber, is_count_text, is_number_text
from lmmtools.printout.printed_fit import PrintedCoefficient, PrintedEffect, PrintedSummary
from lmmtools.printout.row import read_tail
from lmmtools.printout.rtable import check_quotients, columns_of, name_line, read_rtable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmmtools.printout.layout import Line

__all__ = ["IS_FIT", "TITLE", "begins", "read"]

TITLE = "nlme's lme()"
IS_FIT = True
_TITLE = re.compile(r"Linear mixed-effects model fit by (?P<method>REML|maximum likelihood)")
_LIKELIHOOD = re.compile(r"Log-(?:restricted-)?likelihood: (?P<value>\S+)")
_FORMULA = re.compile(r"Formula: ~(?P<effects>.+) \| (?P<group>.+)")
_FIXED = re.compile(r"Fixed(?: effects)?: ?(?P<formula>.+~.+)")
_NOBS = re.compile(r"Number of Observations: ?(?P<nobs>\d+)")
_GROUPS = "Number of Groups:"
_PARTS = ("Random effects", "Number of Observations", "Number of Groups")
_QUANTILES = ["Min", "Q1", "Med", "Q3", "Max"]
_COLUMNS = re.compile(r"\b(?:Value|Std\.Error|DF|t-value|p-value)(?=\s|$)")
_NEEDED = {"Value", "Std.Error", "DF", "t-value", "p-value"}
_CORRELATED = "Structure: General positive-definite"
_DIAGONAL = "Structure: Diagonal"
_OTHER_MODEL = re.compile(r"Correlation Structure:|Variance function:|Composite Structure:|Structure: (?!General|Diag)")
_RESIDUAL = "Residual"
# lme() rounds p values to four decimals; final zeros are dropped.
_DECIMALS_OF_P = 4


@dataclass(frozen=True, slots=True)
class _Term:
    """A term of the random part: its formula, its group, its effects; whether it is uncorrelated."""

    effects: str
    group: str
    rows: list[PrintedEffect]
    is_diagonal: bool

    @property
    def formula(self) -> str:
        return f"({self.effects} {'||' if self.is_diagonal else '|'} {self.group})"


def begins(lines: Sequence[Line]) -> int | None:
    """Return the place of the title; None if there is none."""
    return next((k for k, line in enumerate(lines) if _TITLE.match(line.words) and not line.is_break), None)


def read(lines: Sequence[Line], start: int) -> PrintedSummary:
    """Return the fit that begins at ``start``.

    nlme widens standard errors under ML by ``sqrt(n / (n - p))``: they are given without that factor, and t with it.
    """
    lines = lines[start:]
    end = next((k for k in range(1, len(lines)) if lines[k].is_break or _TITLE.match(lines[k].words)), len(lines))
    if end < len(lines) and not lines[end].is_break:
        raise PrintoutError("The text holds more than one printed fit: give one.")
    lines = lines[:end]
    other = next((line for line in lines if _OTHER_MODEL.match(line.words)), None)
    if other is not None:
        raise PrintoutError(
            f"{name_line(other)}: the fit has a structure of its residuals or effects that is no term of lmer(), and "
            "is not read."
        )
    title = _TITLE.match(lines[0].words)
    assert title is not None
    reml = title["method"] == "REML"
    places = {name: k for k, line in enumerate(lines) for name in [_part(line)] if name}
    if missing := [
        name for name in ("Random effects", "Fixed", "Number of Observations", "Number of Groups") if name not in places
    ]:
        raise PrintoutError(f"The printout is not complete; missing: {', '.join(missing)}.")
    is_summary = places["Fixed"] > places["Random effects"]
    stop = places["Fixed"] if is_summary else places["Number of Observations"]
    terms, residual = _read_random(lines[places["Random effects"] + 1 : stop])
    nobs = _NOBS.match(lines[places["Number of Observations"]].words)
    fixed_formula = _FIXED.match(lines[places["Fixed"]].words)
    if nobs is None or fixed_formula is None:
        raise PrintoutError("The formula, or the number of observations, is missing: was the text cut?")
    below = lines[places["Fixed"] + 1 :]
    fixed = _read_fixed(below) if is_summary else read_fixed_effects(_block(below))
    criteria = _read_criteria(lines, len(fixed) + 1 + sum(_size(term) for term in terms), reml)
    if not reml and is_summary:
        fixed = [_without_factor(c, math.sqrt(1.0 - len(fixed) / int(nobs["nobs"]))) for c in fixed]
    random = [row for term in terms for row in term.rows]
    return PrintedSummary(
        reml=reml,
        criterion=RoundedNumber(-2.0 * criteria["logLik"], 2.0 * criteria["logLik"].half_unit),
        random=tuple(random),
        residual=residual,
        nobs=int(nobs["nobs"]),
        ngroups=_read_groups(lines[places["Number of Groups"] :], terms),
        fixed=tuple(fixed),
        formula=" + ".join([fixed_formula["formula"], *(term.formula for term in terms)]),
        method="t-tests use nlme's degrees of freedom",
        criteria=criteria,
        scaled_residuals=_read_quantiles(lines),
        engine="nlme",
    )


def _part(line: Line) -> str:
    """Return the name of the part that begins with a line; empty if none does."""
    for name in _PARTS:
        if line.words.startswith(f"{name}:"):
            return name
    return "Fixed" if _FIXED.match(line.words) else ""


def _block(lines: Sequence[Line]) -> list[Line]:
    """Return the lines up to a blank one."""
    return list(lines[: next((k for k, line in enumerate(lines) if line.is_blank), len(lines))])


def _size(term: _Term) -> int:
    """Return the number of variance parameters of a term."""
    return len(term.rows) + sum(len(row.correlations) for row in term.rows)


# -- criteria ------------------------------------------------------------------------------------------------------


def _read_criteria(lines: Sequence[Line], parameters: int, reml: bool) -> dict[str, PrintedNumber]:
    """Return AIC, BIC (under ML: nlme counts rows otherwise under REML) and log-likelihood."""
    alone = next((m for line in lines if (m := _LIKELIHOOD.match(line.words))), None)
    if alone is not None and is_number_text(alone["value"]):
        return {"logLik": PrintedNumber(alone["value"])}
    k = next((k for k, line in enumerate(lines[:-1]) if line.words == "AIC BIC logLik"), None)
    tail = read_tail("" if k is None else lines[k + 1].text)
    if len(tail) != 3 or tail.label(3).strip():
        raise PrintoutError("The table 'AIC BIC logLik' has not three numbers: was the text cut?")
    aic, bic, llf = tail.numbers
    if abs(-2.0 * llf + 2.0 * parameters - aic) > 2.0 * llf.half_unit + 1.01 * aic.half_unit:
        raise PrintoutError(
            f"AIC {aic} does not follow from logLik {llf} and the {parameters} parameters that are printed: a digit "
            "or a line was lost."
        )
    return {"AIC": aic, "logLik": llf} | ({} if reml else {"BIC": bic})


def _read_quantiles(lines: Sequence[Line]) -> tuple[PrintedNumber, ...] | None:
    k = next((k for k, line in enumerate(lines) if line.words == "Standardized Within-Group Residuals:"), len(lines))
    tails = [read_tail(line.text) for line in _block(lines[k + 1 :])]
    names = [word for tail in tails for word in tail.label(len(tail)).split()]
    numbers = [number for tail in tails for number in tail.numbers]
    return tuple(numbers) if names == _QUANTILES and len(numbers) == len(names) else None


def _read_groups(lines: Sequence[Line], terms: Sequence[_Term]) -> dict[str, int]:
    """Return the levels of each group: one number on the line, or names over numbers."""
    groups = list(dict.fromkeys(term.group for term in terms))
    alone = lines[0].words.removeprefix(_GROUPS).strip()
    if len(groups) == 1 and is_count_text(alone):
        return {groups[0]: int(alone)}
    names = [_group(each) for each in re.split(r" (?!%in%)(?<!%in% )", lines[1].words)] if len(lines) > 2 else []
    counts = lines[2].words.split() if names else []
    if alone or names != groups or len(counts) != len(groups) or not all(map(is_count_text, counts)):
        raise PrintoutError(f"The numbers of groups are not those of {', '.join(groups)}: was the text cut?")
    return dict(zip(groups, map(int, counts), strict=True))


def _group(name: str) -> str:
    """Return a group in lme4's notation: ``cask %in% batch`` is ``cask:batch``."""
    return ":".join(each.strip() for each in name.split("%in%"))


# -- random effects ------------------------------------------------------------------------------------------------


def _read_random(lines: Sequence[Line]) -> tuple[list[_Term], PrintedEffect]:
    """Return the terms, and the residual, which is the last number of the last one."""
    places = [k for k, line in enumerate(lines) if _FORMULA.fullmatch(line.words)]
    if not places or any(not line.is_blank for line in lines[: places[0]]):
        raise PrintoutError("The table 'Random effects' does not begin with a formula: was a line lost?")
    terms: list[_Term] = []
    residual: PrintedEffect | None = None
    for k, stop in zip(places, [*places[1:], len(lines)], strict=True):
        if residual is not None:
            raise PrintoutError(f"{name_line(lines[k])} stands below the residual: was a line lost?")
        found = _FORMULA.fullmatch(lines[k].words)
        assert found is not None
        group = _group(found["group"])
        block = [line for line in lines[k + 1 : stop] if not line.is_blank]
        structure = block[0].words if block and block[0].words.startswith("Structure:") else ""
        rows = block[1:] if structure else block
        is_correlated = structure.startswith(_CORRELATED)
        effects = _read_correlated(rows, group) if is_correlated else _read_apart(rows, group)
        if effects[-1].name == _RESIDUAL:
            residual = PrintedEffect(_RESIDUAL, "", None, effects.pop().sd)
        names = [effect.name for effect in effects]
        if _RESIDUAL in names or not names or len(set(names)) < len(names):
            raise PrintoutError(f"The effects below {name_line(lines[k])} are not one each: was a line lost?")
        if len(names) > 1 and not is_correlated and structure != _DIAGONAL:
            raise PrintoutError(f"The line 'Structure:' below {name_line(lines[k])} is missing: was it lost?")
        terms.append(_Term(found["effects"], group, effects, structure == _DIAGONAL))
    if residual is None or len({term.group for term in terms}) < len(terms):
        raise PrintoutError("The table 'Random effects' has no residual, or two terms for one group: was it cut?")
    return terms, residual


def _read_apart(lines: Sequence[Line], group: str) -> list[PrintedEffect]:
    """Return the effects whose names stand over ``StdDev:`` and their numbers."""
    effects: list[PrintedEffect] = []
    if not lines or len(lines) % 2:
        raise PrintoutError(f"The standard deviations of {group} are not names over numbers: was a line lost?")
    for names, numbers in zip(lines[::2], lines[1::2], strict=True):
        tail = read_tail(numbers.text)
        if not len(tail) or tail.label(len(tail)).strip() != "StdDev:":
            raise PrintoutError(f"{name_line(numbers)} is not 'StdDev:' and its numbers: was a line lost?")
        if len(numbers.text) < len(names.text) and numbers.text != numbers.words:
            raise PrintoutError(f"{name_line(numbers)} ends before the names above it: was the text cut?")
        found = zip(split_names(names, tail), tail.numbers, strict=True)
        effects += [PrintedEffect(group, name, None, _sd(n, numbers)) for name, n in found]
    return effects


def _read_correlated(lines: Sequence[Line], group: str) -> list[PrintedEffect]:
    """Return the effects of a table of standard deviations and correlations."""
    if len(lines) < 3 or lines[0].words != "StdDev Corr":
        raise PrintoutError(f"The table 'StdDev Corr' of {group} is missing or cut.")
    effects: list[PrintedEffect] = []
    rows = [line for line in lines[1:] if not line.words.startswith(f"{_RESIDUAL} ")]
    for above, line in enumerate(lines[1:]):
        words = line.words.split()
        is_residual = words[0] == _RESIDUAL
        count = 1 if is_residual else 1 + above
        # The first row ends with the names of the columns of correlations.
        text = " ".join(words[: len(words) - len(rows) + 1]) if above == 0 else line.text
        tail = read_tail(text)
        if len(tail) != count or not tail.label(count).strip():
            raise PrintoutError(f"{name_line(line)} has not {count} numbers after a name: was a line lost?")
        sd, *correlations = tail.numbers
        if any(abs(r) > 1 or r.decimals > 3 for r in correlations):
            raise PrintoutError(f"{name_line(line)} has a number that is no correlation: a digit was changed.")
        name = " ".join(tail.label(count).split())
        effects.append(PrintedEffect(group, name, None, _sd(sd, line), tuple(correlations)))
    return effects


def _sd(number: PrintedNumber, line: Line) -> PrintedNumber:
    if not number >= 0:
        raise PrintoutError(f"{number} is no standard deviation, in {name_line(line)}: a digit was changed.")
    return number


# -- fixed effects -------------------------------------------------------------------------------------------------


def _read_fixed(lines: Sequence[Line]) -> list[PrintedCoefficient]:
    at = next((k for k, line in enumerate(lines) if not line.is_blank), 0)
    if not lines or columns_of(_COLUMNS)(lines[at]) is None:
        raise PrintoutError("The table of fixed effects has no heading 'Value Std.Error DF t-value p-value'.")
    table = read_rtable(lines[at:], columns_of(_COLUMNS))
    names = [" ".join(row.label.split()) for row in table.rows]
    if set(table.heading.names) != _NEEDED or table.unread or not names or len(set(names)) < len(names):
        where = name_line(table.unread[0]) if table.unread else name_line(lines[at])
        raise PrintoutError(f"The table of fixed effects lacks a column or a number ({where}): was the text cut?")
    check_quotients(table, "t-value", "Value", "Std.Error")
    found = []
    for name, row in zip(names, table.rows, strict=True):
        cells = table.by_column(row)
        p = PrintedNumber(cells["p-value"].text, _DECIMALS_OF_P)
        if not (0 <= p <= 1 and cells["Std.Error"] >= 0):
            raise PrintoutError(f"{name_line(row.line)} has no p value or error: a digit was changed.")
        found.append(PrintedCoefficient(name, cells["Value"], cells["Std.Error"], cells["DF"], cells["t-value"], p))
    return found


def _without_factor(c: PrintedCoefficient, factor: float) -> PrintedCoefficient:
    """Return a row with the standard error times a factor, and t over it."""
    assert c.std_error is not None
    assert c.t is not None
    error = RoundedNumber(c.std_error * factor, c.std_error.half_unit * factor)
    return PrintedCoefficient(c.name, c.estimate, error, c.df, RoundedNumber(c.t / factor, c.t.half_unit / factor), c.p)
