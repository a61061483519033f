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
    from collections.abc import Iterator, Mapping, Sequence

    from lmmtools.printout.layout import Line, Sections
    from lmmtools.printout.number import PrintedNumber
    from lmmtools.printout.printed_fit import PrintedCoefficient, PrintedEffect

__all__ = ["IS_FIT", "TITLE", "begins", "read"]

TITLE = "summary() of glmmTMB or glmer()"
IS_FIT = True
_FAMILY = re.compile(r"Family: (?P<family>[\w ]+?) ?\( ?(?P<link>\w+) ?\)")
_CONDITIONAL = "Conditional model:"
# How a further model is declared above the tables -> the heading of its tables.
_FURTHER = {"Zero inflation:": "Zero-inflation model:", "Dispersion:": "Dispersion model:"}
_MODELS = (_CONDITIONAL, *_FURTHER.values())
_NOBS = re.compile(r"Number of obs ?: ?")
_END = re.compile(r"---$|Signif\. ?codes|Number of obs ?:|Dispersion (?:parameter|estimate)|Random effects ?:")
_NEEDED = {"criteria": "the table 'AIC BIC logLik'", "random": "the random effects", "nobs": "the line 'Number of obs'"}


def begins(lines: Sequence[Line]) -> int | None:
    """Return the place of the line ``Family:``; None if there is none."""
    return next((k for k, line in enumerate(lines) if _FAMILY.match(line.words) and not line.is_break), None)


def read(lines: Sequence[Line], start: int) -> PrintedSummary | PrintedTable:
    """Return the fit that begins at ``start``."""
    found = _FAMILY.match(lines[start].words)
    assert found is not None
    if sum(_FAMILY.match(line.words) is not None for line in lines) > 1:
        raise PrintoutError("The text holds more than one printed fit: give one.")
    if any(line.words.startswith(tuple(_FURTHER)) or line.words in _FURTHER.values() for line in lines[start:]):
        return _read_models(lines[start:], {"family": found["family"], "link": found["link"]})
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


def _read_models(lines: Sequence[Line], facts: dict[str, str]) -> PrintedTable:
    """Return a fit of glmmTMB with a model of zero inflation or of the dispersion."""
    first = next((k for k, line in enumerate(lines) if line.words in _MODELS), len(lines))
    for line in lines[:first]:
        for declared, heading in _FURTHER.items():
            if line.words.startswith(declared):
                facts[declared.removesuffix(":").lower()] = line.words.removeprefix(declared).strip()
                if not any(other.words == heading for other in lines):
                    raise PrintoutError(f"{name_line(line)} declares a model whose table is missing: was the text cut?")
    criteria = read_criteria(find_sections(lines[:first]))
    if criteria is None:
        raise PrintoutError(f"The printout is not complete; missing: {_NEEDED['criteria']}.")
    rows = [PrintedRow(("criteria",), criteria)]
    done: set[tuple[str, bool]] = set()
    for model, block, below in _split_models(lines[first:]):
        is_of_variances = next((line.words for line in block if not line.is_blank), "").startswith("Groups")
        if (model, is_of_variances) in done:
            raise PrintoutError(f"Two tables stand below {model!r}: was a heading lost, or are there two fits?")
        done.add((model, is_of_variances))
        if is_of_variances:
            nobs, ngroups = read_sizes(_NOBS.sub("", below))
            sizes = {"nobs": str(nobs)} | {f"levels of {g}": str(m) for g, m in ngroups.items()}
            if any(facts.get(name, size) != size for name, size in sizes.items()):
                raise PrintoutError("The models have not the same numbers of rows and levels: a digit was changed.")
            facts |= sizes
            # The residual variance is the dispersion model's.
            own = [line for line in block if line.words != "Residual NA NA"]
            found = [_row(effect) for effect in read_variances(own, ngroups)]
        else:
            found = [_coefficient_row(c) for c in read_fixed_effects(block, is_z=True)]
            check_end(block)
        part = () if model == _CONDITIONAL else (model.removesuffix(" model:").lower(),)
        rows += [PrintedRow((*part, *row.labels), row.numbers) for row in found]
    if not {(model, False) for model, _ in done} <= done or (_CONDITIONAL, False) not in done:
        raise PrintoutError("The table of a model's effects is missing: was the text cut?")
    return PrintedTable("glmm", TITLE, tuple(rows), facts)


def _split_models(lines: Sequence[Line]) -> Iterator[tuple[str, list[Line], str]]:
    """Yield the heading of each table, its lines, and the words of the line that ends it."""
    model = ""
    block: list[Line] = []
    for line in lines:
        is_end = line.is_break or line.words in _MODELS or _END.match(line.words) is not None
        if not is_end:
            block.append(line)
            continue
        if model:
            yield model, block, line.words
        model, block = (line.words if line.words in _MODELS else ""), []
    if model:
        yield model, block, ""


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
