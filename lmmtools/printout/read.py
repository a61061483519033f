"""The text of a printed fit -> its record: lme4's is read here, MixedLM's in ``mixedlm``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lmmtools import memory
from lmmtools.errors import PrintoutError
from lmmtools.printout.fixed_effects import (
    has_stars,
    read_fixed_correlations,
    read_fixed_effects,
)
from lmmtools.printout.layout import clean_lines, find_parts, find_sections
from lmmtools.printout.layouts import read_layout
from lmmtools.printout.mixedlm import is_mixedlm_summary, read_mixedlm_summary
from lmmtools.printout.number import PrintedNumber
from lmmtools.printout.printed_fit import PrintedSummary
from lmmtools.printout.random_effects import read_random_effects
from lmmtools.printout.row import read_tail
from lmmtools.printout.sizes import read_criteria, read_pairs, read_sizes
from lmmtools.printout.terms import has_no_fixed_effects, missing_terms
from lmmtools.sentences import join_with_and

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmmtools.printout.layout import Sections
    from lmmtools.printout.printed_fit import PrintedCoefficient, PrintedMixedLM
    from lmmtools.printout.printed_table import PrintedTable

__all__ = ["read_lme4_summary", "read_printout"]

# Part -> its description in messages. A printout without one of these was cut.
_NEEDED = {
    "criterion": "the criterion ('REML criterion at convergence:', or the table 'AIC BIC logLik deviance')",
    "random": "the table 'Random effects'",
    "nobs": "the line 'Number of obs'",
    "fixed": "the table 'Fixed effects'",
}
_METHOD = re.compile(r"t-tests use [^\[]*[^\[ .]")
_CLASS = re.compile(r"\[\W*(\w+)")
_OWN_CLASSES = ("lmerMod", "lmerModLmerTest", "merModLmerTest")
_QUANTILES = ["Min", "1Q", "Median", "3Q", "Max"]
# summary() rounds the criterion to one decimal and shows seven digits; a final zero is dropped.
_CRITERION_DECIMALS, _CRITERION_DIGITS = 1, 7
# A pattern that only this printout has, what it is, and what to do.
_SOURCES = (
    (r"Generali[sz]ed linear mixed model fit|\[?'?glmerMod", "a generalised linear mixed model of lme4's glmer()", ""),
    (r"Nonlinear mixed model fit|nlmerMod", "a nonlinear mixed model of lme4's nlmer()", ""),
    (
        r"Linear mixed-effects model fit by|Number of Observations: ?\d",
        "a fit of nlme's lme()",
        "lmmtools.read_printout(text) reads it",
    ),
    (r"Generali[sz]ed least squares fit by", "a fit of nlme's gls()", ""),
    (
        r"(?m)^\s*Conditional model:|Family: gaussian *\( ?identity",
        "a fit of glmmTMB",
        "lmmtools.read_printout(text) reads it",
    ),
    (
        r"Mixed Linear Model Regression Results",
        "a fit of statsmodels' MixedLM",
        "lmmtools.read_mixedlm_summary(text) reads it",
    ),
    (
        r"Variance components:|-2 logLik\b.*\bAICc",
        "a fit of MixedModels.jl",
        "lmmtools.read_printout(text) reads it",
    ),
    (r"Robust linear mixed model fit", "a fit of robustlmm", ""),
    (r"blmerMod|Cov prior", "a fit of blme, whose criterion has priors in it", ""),
    (r"The Mixed Procedure|Covariance Parameter Estimates", "output of SAS PROC MIXED", ""),
    (r"Mixed-effects (?:REML|ML) regression", "output of Stata's mixed", "lmmtools.read_printout(text) reads it"),
    (r"Group-Level Effects:|Population-Level Effects:|Multilevel Hyperparameters:", "a fit of brms", ""),
    (
        r"Estimates of Covariance Parameters|Tests of Fixed Effects",
        "output of SPSS MIXED",
        "lmmtools.read_printout(text) reads it",
    ),
    (r"Residual standard error:", "a linear model of R's lm(), without random effects", ""),
)


@memory.door
def read_printout(text: str) -> PrintedSummary | PrintedMixedLM | PrintedTable:
    """Return the numbers of a printed fit, or of a printed table about one, each with the digits that it shows.

    Reads fits as lme4, MixedLM, nlme, glmmTMB, MixedModels.jl, Stata, SPSS and jtools print them, and what R prints for
    ``anova()``, ``ranova()``, ``VarCorr()``, ``fixef()``, ``ranef()``, ``confint()``, ``emmeans()``, ``pairs()``,
    ``tidy()``, ``glance()``, ``model_parameters()``, ``model_performance()`` and ``tab_model()``. A number is read, or
    its line is named among those left out.

    Parameters
    ----------
    text : str
        The printout; what is around it does not matter. One fit, or one table.

    Raises
    ------
    PrintoutError
        If it is none of these, is cut, or its numbers contradict each other.

    See Also
    --------
    compare : Holds each number against a fit's.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> print(lmt.read_printout('''
    ...  Groups   Name        Std.Dev.
    ...  Batch    (Intercept) 42.001
    ...  Residual             49.510
    ... '''))
    printed by VarCorr() of lme4
      Batch, (Intercept): Std.Dev. 42.001
      Residual: Std.Dev. 49.510
    """
    if isinstance(text, str):
        if is_mixedlm_summary(text):
            return read_mixedlm_summary(text)
        lines = clean_lines(text)
        parts = find_parts(lines)
        is_summary = bool(parts & {"title", "reml"}) or {"random", "fixed", "nobs"} <= parts
        found = read_layout(lines, is_fit=True) or (None if is_summary else read_layout(lines, is_fit=False))
        if found is not None:
            return found
        if not parts and any(not line.is_blank for line in lines) and _name_source(text) is None:
            raise PrintoutError(
                "The text is no printout that is read: it has neither the heading of a fit (lme4, MixedLM, nlme, "
                "glmmTMB, MixedModels.jl, Stata, SPSS) nor that of a table about one, as anova(), VarCorr() or tidy() "
                "print them. Paste it with the lines that head it; the guide's page Compare lists what is read."
            )
    return read_lme4_summary(text)


@memory.door
def read_lme4_summary(text: str) -> PrintedSummary:
    """Return the numbers of a printed lme4 fit, each with the digits that it shows.

    Reads what R prints for ``summary(lmer(...))`` and for the fit itself, lmerTest's columns included, as it was
    pasted from a session, a knitr document or a PDF: with prompts, comment marks, lost or odd blanks, and tables that a
    narrow page cut in strips.

    Parameters
    ----------
    text : str
        The printout, from ``Linear mixed model fit by`` to the end; what is around it does not matter.

    Raises
    ------
    PrintoutError
        If the text is empty, cut, of another package, or its numbers contradict each other; the message names what is
        missing or whose it is.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
    >>> printed = lmt.read_lme4_summary(str(fit.summary()))
    >>> printed.sigma
    49.51
    """
    if not isinstance(text, str):
        raise PrintoutError(
            f"read_lme4_summary() takes the printed text, not {type(text).__name__}: open the file and read() it."
        )
    lines = clean_lines(text)
    if all(line.is_blank for line in lines):
        raise PrintoutError("The text is empty: paste what summary(lmer(...)) prints.")
    sections = find_sections(lines)
    _check_source(sections, text)
    _check_complete(sections)
    return _assemble(sections)


def _check_source(sections: Sections, text: str) -> None:
    """Raise PrintoutError if the text is no printed fit of lmer()."""
    named = _CLASS.search(sections.words("title") or "")
    if named and named[1] in _OWN_CLASSES and "random" in sections:
        return
    source = _name_source(text)
    if source is not None:
        raise PrintoutError(f"The text is {source}.")
    if "title" not in sections and not {"reml", "random", "fixed"} & set(sections.parts):
        raise PrintoutError(
            "The text is no printed lmer() fit: it has no line 'Linear mixed model fit by REML' (or 'by maximum "
            "likelihood') and none of its tables. Paste what summary(lmer(...)) prints."
        )


def _name_source(text: str) -> str | None:
    """Return which other printout a text is, and what to give instead; None if it is not known."""
    for pattern, source, cure in _SOURCES:
        if re.search(pattern, text):
            cure = cure or "read_lme4_summary() reads what summary(lmer(...)) prints"
            return f"{source}: {cure}"
    return None


def _check_complete(sections: Sections) -> None:
    """Raise PrintoutError if a part is missing that every printed fit has."""
    there = set(sections.parts)
    if there & {"reml", "criteria"}:
        there.add("criterion")
    if has_no_fixed_effects(sections.words("formula") or ""):
        there.add("fixed")
    missing = [what for part, what in _NEEDED.items() if part not in there]
    if missing:
        listed = join_with_and(missing)
        raise PrintoutError(
            f"The printout is not complete; missing: {listed}. Paste all that summary(lmer(...)) prints, from "
            "'Linear mixed model fit by' on."
        )


def _assemble(sections: Sections) -> PrintedSummary:
    criteria = read_criteria(sections)
    reml, criterion = _read_criterion(sections, criteria)
    nobs, ngroups = read_sizes(sections.words("nobs") or "")
    effects, residual = read_random_effects(sections.parts["random"], ngroups)
    formula = sections.words("formula")
    fixed = read_fixed_effects(sections.parts["fixed"], formula) if "fixed" in sections else []
    _check_fixed(formula, fixed, sections)
    correlations = None
    if "correlations" in sections and len(fixed) > 1:
        correlations = read_fixed_correlations(sections.parts["correlations"], [c.name for c in fixed])
    method = _METHOD.search(sections.words("title") or "")
    return PrintedSummary(
        reml=reml,
        criterion=criterion,
        random=tuple(effects),
        residual=residual,
        nobs=nobs,
        ngroups=ngroups,
        fixed=tuple(fixed),
        formula=formula,
        data_name=sections.words("data"),
        weights=sections.words("weights"),
        offset=sections.words("offset"),
        subset=sections.words("subset"),
        control=sections.words("control"),
        method=method[0] if method else None,
        criteria=criteria,
        scaled_residuals=_read_quantiles(sections),
        fixed_correlations=correlations,
        messages=sections.messages,
    )


def _read_criterion(sections: Sections, criteria: dict[str, PrintedNumber] | None) -> tuple[bool, PrintedNumber]:
    title = sections.words("title") or ""
    if "reml" in sections:
        tail = read_tail(sections.words("reml") or "")
        if len(tail) != 1:
            raise PrintoutError("The line 'REML criterion at convergence' has no number: was the text cut?")
        return True, _restore_zero(tail.numbers[0])
    assert criteria is not None
    if "fit by REML" in title:
        # Versions of lme4 before 1.0.
        if "REMLdev" not in criteria:
            raise PrintoutError("The title says REML, but no REML criterion is printed: was the text cut?")
        return True, criteria["REMLdev"]
    return False, criteria["deviance"]


def _restore_zero(criterion: PrintedNumber) -> PrintedNumber:
    """Return the criterion with the decimal that R drops if it is zero: 1454 stands for 1454.0."""
    has_room = abs(criterion) < 10 ** (_CRITERION_DIGITS - _CRITERION_DECIMALS) and criterion.decimals == 0
    return PrintedNumber(criterion.text, _CRITERION_DECIMALS) if has_room else criterion


def _read_quantiles(sections: Sections) -> tuple[PrintedNumber, ...] | None:
    found = read_pairs(sections, "residuals")
    return tuple(q.rounded_twice() for q in found.values()) if list(found) == _QUANTILES else None


def _check_fixed(formula: str | None, fixed: Sequence[PrintedCoefficient], sections: Sections) -> None:
    """Raise PrintoutError if the table of fixed effects lacks a term of the formula or the legend of its stars."""
    is_last = not {"correlations", "legend", "hidden"} & set(sections.parts) and not sections.messages
    if is_last and has_stars(sections.filled("fixed")):
        raise PrintoutError("The text ends with the table of fixed effects, before 'Signif. codes': was it cut?")
    if formula is None or any("rank deficient" in m for m in sections.messages):
        return
    missing = missing_terms(formula, [c.name for c in fixed])
    if missing:
        raise PrintoutError(
            f"The table of fixed effects has no row for {', '.join(missing)}, which the formula {formula} has: "
            "was the text cut?"
        )
