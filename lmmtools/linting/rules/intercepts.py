"""Groups without an intercept: vc_formula without re_formula, exog_re without a column of ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lmmtools.design.findings import Finding
from lmmtools.formula.terms import RandomTerm
from lmmtools.linting.alternatives import BOUNDARY_5_PERCENT, lowest_criterion, reading_terms
from lmmtools.linting.call import read_side

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lmmtools.linting.call import MixedLMCall
    from lmmtools.linting.case import Case

__all__ = ["check"]

# Columns whose span leaves more of a column of ones than this, per row, hold none.
SMALL = 1e-8


def check(case: Case) -> Iterator[Finding]:
    """Yield a finding if components stand inside groups that have no effect of their own."""
    if case.reading is not None:
        yield from _from_model(case)
        yield from _from_columns(case)
    elif case.call is not None:
        yield from _from_text(case)


def _from_model(case: Case) -> Iterator[Finding]:
    reading = case.reading
    assert reading is not None
    if reading.n_groups < 2 or any(c.source == "re" for c in reading.components) or not reading.components:
        return
    own = RandomTerm(True, (), (reading.group,))
    terms = reading_terms(reading)
    if any(t.intercept and t.factors == own.factors for t in terms) or reading.frame is None:
        return
    is_column = reading.group in reading.frame.columns
    now, then = (lowest_criterion(case, terms), lowest_criterion(case, [own, *terms])) if is_column else (None, None)
    # Groups that only keep islands apart have no effect of their own: the criterion tells.
    is_wanted = now - then > BOUNDARY_5_PERCENT if now is not None and then is not None else _are_inside(case)
    if not is_wanted and not _are_inside(case):
        return
    gain = f" It lowers the criterion from {now:.4f} to {then:.4f}." if now is not None and then is not None else ""
    if not is_wanted:
        gain = f" The data do not ask for it: it lowers the criterion from {now:.4f} to {then:.4f} only."
    yield Finding(
        "no-group-intercept",
        "warning" if is_wanted else "info",
        f"vc_formula is given without re_formula, so that {reading.group} has no intercept of its own: the model has "
        f"{reading.lme4} and no (1|{reading.group}).{gain}",
        're_formula="1"',
    )


def _are_inside(case: Case) -> bool:
    assert case.reading is not None
    return any(case.reading.group in t.factors for t in reading_terms(case.reading))


def _from_text(case: Case) -> Iterator[Finding]:
    call = case.call
    if call is None or call.api == "arrays":
        yield from _from_arrays(call)
        return
    is_shown = call.shows("groups", "re_formula", "vc_formula")
    if not is_shown or call.is_one_group or not call.vc_formula or call.re_formula is not None:
        return
    sides = [c.side for c in call.components]
    if any(s is None or s.intercept or call.groups in s.factors for s in sides):
        return
    yield Finding(
        "no-group-intercept",
        "warning",
        f"vc_formula is given without re_formula: {call.groups} has no intercept of its own, as (1|{call.groups}) "
        "would be. Right only if the groups are islands that have no effect themselves.",
        're_formula="1"',
    )


def _from_arrays(call: MixedLMCall | None) -> Iterator[Finding]:
    """Yield a finding if the text gives ``exog_re`` columns and no column of ones."""
    side = read_side(call.re_formula) if call is not None and call.re_formula is not None else None
    if call is not None and side is not None and not side.intercept and side.parts and call.shows("exog_re"):
        yield _describe_missing(", ".join(v for p in side.parts for v in p.variables), call.groups or "the groups")


def _from_columns(case: Case) -> Iterator[Finding]:
    """Yield a finding if a model of arrays has ``exog_re`` without a column of ones."""
    model = case.model
    if model is None or case.call is not None or not getattr(model, "k_re", 0):
        return
    columns = np.asarray(model.exog_re, dtype=float)
    if columns.shape[1] and np.linalg.lstsq(columns, np.ones(len(columns)))[1].sum() > SMALL * len(columns):
        group = case.reading.group if case.reading is not None else "the groups"
        yield _describe_missing(", ".join(map(str, model.data.exog_re_names)), group)


def _describe_missing(columns: str, group: str) -> Finding:
    return Finding(
        "no-random-intercept",
        "warning",
        f"exog_re takes the place of MixedLM's column of ones: with {columns} alone, {group} has random slopes and no "
        "random intercept. All groups then have the same mean where the slope's column is zero.",
        "exog_re = sm.add_constant(exog_re, has_constant='add')  # a column of ones beside the slopes",
    )
