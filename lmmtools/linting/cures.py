"""Cures as code: the statsmodels call of the model that was meant, or lmmtools' where MixedLM cannot express it."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from lmmtools.design.build import build_design
from lmmtools.engines import mixedlm
from lmmtools.engines.mixedlm.sketch import sketch_call
from lmmtools.errors import DataError, LmmError, TranslationError
from lmmtools.formula.parser import parse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmmtools.formula.terms import ModelFormula, RandomTerm
    from lmmtools.linting.case import Case

__all__ = ["lme4_text", "use_lmm", "write_model"]

_LAST_REML = re.compile(r"\.fit\(reml=True")


def lme4_text(case: Case, terms: Sequence[RandomTerm]) -> str:
    """Return the formula of the case's fixed effects with other random effects, in lme4's notation."""
    return f"{case.response or 'y'} ~ {' + '.join([case.fixed_text or '1', *map(str, terms)])}"


def write_model(case: Case, terms: Sequence[RandomTerm]) -> str:
    """Return code that fits the case's fixed effects with the random effects ``terms``, given the case's data.

    It is a MixedLM call, the best for the data where there are data; lmmtools' own where MixedLM has no such model.
    """
    text = lme4_text(case, terms)
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
    text = lme4_text(case, terms)
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
