"""Groups without an intercept, because vc_formula is given without re_formula."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmmtools.design.findings import Finding
from lmmtools.formula.terms import RandomTerm
from lmmtools.linting.alternatives import BOUNDARY_5_PERCENT, lowest_criterion, reading_terms

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lmmtools.linting.case import Case

__all__ = ["check"]


def check(case: Case) -> Iterator[Finding]:
    """Yield a finding if components stand inside groups that have no effect of their own."""
    if case.reading is not None:
        yield from _from_model(case)
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
    if call is None or not call.is_readable or call.is_one_group or not call.vc_formula or call.re_formula is not None:
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
