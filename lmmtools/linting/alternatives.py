"""Other models of a case's data: their lowest criterion, and the code that fits them."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from lmmtools import core
from lmmtools.design.build import build_design
from lmmtools.engines import mixedlm, pls
from lmmtools.engines.mixedlm.sketch import sketch_call
from lmmtools.errors import DataError, LmmError
from lmmtools.formula.parser import parse

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from lmmtools.engines.mixedlm.reading import MixedLMReading
    from lmmtools.formula.terms import ModelFormula, RandomTerm
    from lmmtools.linting.case import Case

__all__ = [
    "BOUNDARY_5_PERCENT",
    "_frame_with_groups",
    "lowest_criterion",
    "reading_terms",
    "write_lmm_call",
    "write_model",
]

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
    """Return code that fits the case's fixed effects and the random effects ``terms`` to its data.

    It is a MixedLM call; where MixedLM cannot express the model, a call of lmmtools.
    """
    text = _lme4_text(case, terms)
    try:
        formula = parse(text)
        return _name_data(case, _write_mixedlm_call(case, formula))
    except LmmError:
        return write_lmm_call(case, terms)


def write_lmm_call(case: Case, terms: Sequence[RandomTerm]) -> str:
    """Return a call of lmmtools that fits the case's fixed effects and the random effects ``terms``."""
    options = "" if case.reml else "reml=False, "
    text = _lme4_text(case, terms)
    return _name_data(case, f'import lmmtools as lmt\n\nresult = lmt.lmm({text!r}, data).fit({options}engine="pls")')


def _write_mixedlm_call(case: Case, formula: ModelFormula) -> str:
    """Return a MixedLM call of the model, the best for the data where there are data."""
    frame = _frame_with_groups(case)
    if frame is not None:
        try:
            design = build_design(formula, frame)
        except DataError:
            pass
        else:
            return str(replace(mixedlm.write_spec(design, mixedlm.lay_out(design)), reml=case.reml))
    code = sketch_call(formula)
    return code if case.reml else _LAST_REML.sub(".fit(reml=False", code)


def _name_data(case: Case, code: str) -> str:
    """Return code whose ``data`` are the case's data, by their own name."""
    reading, frame = case.reading, _frame_with_groups(case)
    if reading is not None and frame is not None and frame is not reading.frame and reading.group in code:
        code = f"data = data.assign(**{{{reading.group!r}: groups}})  # the groups given to MixedLM\n{code}"
    return code if case.data_name == "data" else f"data = {case.data_name}\n{code}"


def _frame_with_groups(case: Case) -> pd.DataFrame | None:
    """Return the data, with groups that were given as values as a column of their name."""
    if case.reading is None or case.reading.frame is None:
        return case.frame
    frame, group = case.reading.frame, case.reading.group
    if group in frame.columns or case.reading.n_groups < 2 or len(case.reading.groups) != len(frame):
        return frame
    return frame.reset_index(drop=True).assign(**{group: case.reading.groups})


def reading_terms(reading: MixedLMReading) -> list[RandomTerm]:
    """Return the random-effects terms of a model, as read from its arrays, each once."""
    return list(dict.fromkeys(p.term for c in reading.components for p in c.pieces if p.m > 1))


def lowest_criterion(case: Case, terms: list[RandomTerm]) -> float | None:
    """Return the lowest criterion of the case's fixed effects with the random effects ``terms``.

    None without data, with too many rows, and for models that cannot be fitted.
    """
    frame = _frame_with_groups(case)
    if frame is None or len(frame) > _MAX_ROWS:
        return None
    try:
        formula = parse(f"{case.response} ~ {case.fixed_text} + {' + '.join(map(str, terms))}")
        problem = core.prepare(build_design(formula, frame))
        return float(pls.fit_problem(problem, reml=case.reml).objective)
    except (LmmError, KeyError, ValueError, TypeError):
        return None
