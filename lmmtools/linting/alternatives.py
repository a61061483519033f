"""Other models of a case's data: their lowest criterion, and the code that fits them."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from lmmtools import core
from lmmtools.design.build import build_design
from lmmtools.engines import mixedlm, pls
from lmmtools.engines.mixedlm.sketch import sketch_call
from lmmtools.errors import DataError, LmmError, TranslationError
from lmmtools.formula.parser import parse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmmtools.engines.mixedlm.reading import MixedLMReading
    from lmmtools.formula.terms import ModelFormula, RandomTerm
    from lmmtools.linting.case import Case

__all__ = ["BOUNDARY_5_PERCENT", "lowest_criterion", "reading_terms", "use_lmm", "write_model"]

# A variance more lowers the criterion by more than this once in twenty where it is zero: half a chi-square with one
# degree of freedom, as zero is on its boundary.
BOUNDARY_5_PERCENT = 2.71
# Other models are fitted up to so many rows.
_MAX_ROWS = 200_000
_LAST_REML = re.compile(r"\.fit\(reml=True")


def _lme4_text(case: Case, terms: Sequence[RandomTerm]) -> str:
    """Return the formula of the case's fixed effects with other random effects, in lme4's notation."""
    return f"{case.response or 'y'} ~ {' + '.join([case.fixed_text or '1', *map(str, terms)])}"


def write_model(case: Case, terms: Sequence[RandomTerm]) -> str:
    """Return code that fits the case's fixed effects with the random effects ``terms``, given the case's data.

    It is a MixedLM call, the best for the data where there are data; lmmtools' own where MixedLM has no such model.
    """
    text = _lme4_text(case, terms)
    try:
        formula = parse(text)
        return _named(case, _write(case, formula))
    except TranslationError:
        return use_lmm(case, terms)
    except LmmError:
        return use_lmm(case, terms)


def use_lmm(case: Case, terms: Sequence[RandomTerm]) -> str:
    """Return code that fits the model through lmmtools."""
    options = "" if case.reml else "reml=False, "
    text = _lme4_text(case, terms)
    return _named(case, f'import lmmtools as lmt\n\nresult = lmt.lmm({text!r}, data).fit({options}engine="pls")')


def _write(case: Case, formula: ModelFormula) -> str:
    frame = case.reading.frame if case.reading is not None else case.frame
    if frame is not None:
        try:
            design = build_design(formula, frame)
        except DataError:
            pass
        else:
            return str(replace(mixedlm.write_spec(design, mixedlm.plan(design)), reml=case.reml))
    code = sketch_call(formula)
    return code if case.reml else _LAST_REML.sub(".fit(reml=False", code)


def _named(case: Case, code: str) -> str:
    """Return code that begins with the case's own name of its data."""
    return code if case.data_name == "data" else f"data = {case.data_name}\n{code}"


def reading_terms(reading: MixedLMReading) -> list[RandomTerm]:
    """Return the terms that a model really has, each once."""
    return list(dict.fromkeys(p.term for c in reading.components for p in c.pieces if p.m > 1))


def lowest_criterion(case: Case, terms: list[RandomTerm]) -> float | None:
    """Return the lowest criterion of the case's fixed effects with other random effects; None if there is none."""
    frame = case.reading.frame if case.reading is not None else case.frame
    if frame is None or len(frame) > _MAX_ROWS:
        return None
    try:
        formula = parse(f"{case.response} ~ {case.fixed_text} + {' + '.join(map(str, terms))}")
        problem = core.prepare(build_design(formula, frame))
        return float(pls.fit_problem(problem, reml=case.reml).objective)
    except (LmmError, KeyError, ValueError, TypeError):
        return None
