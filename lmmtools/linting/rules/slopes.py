"""Random slopes without a fixed effect, of variables that are constant within groups, and without a correlation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lmmtools.design.findings import Finding
from lmmtools.formula.notation import write_comment
from lmmtools.formula.terms import RandomTerm
from lmmtools.linting.alternatives import reading_terms, write_lmm_call
from lmmtools.linting.call import columns_in, read_side
from lmmtools.sentences import join_with_and

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lmmtools.engines.mixedlm.reading import Piece
    from lmmtools.linting.call import Part
    from lmmtools.linting.case import Case

__all__ = ["check"]


def check(case: Case) -> Iterator[Finding]:
    """Yield findings on random slopes."""
    yield from _not_fixed(case)
    reading = case.reading
    if reading is None:
        return
    for component in reading.components:
        for piece in component.pieces:
            for j, name in enumerate(piece.cnames):
                if name != "(Intercept)" and _is_constant_within(piece, j):
                    yield Finding(
                        "slope-constant",
                        "error" if "correlated" in component.kind else "warning",
                        f"{name} does not vary within the levels of {':'.join(piece.term.factors)}: a random slope for "
                        "it cannot be told from a random intercept whose variance depends on it.",
                        f"Leave {name} out of the random effects; its fixed effect stays.",
                    )
    yield from _uncorrelated(case)


def _is_constant_within(piece: Piece, j: int) -> bool:
    values = piece.basis[:, j]
    if piece.m == len(values):
        return False
    low, high = np.full(piece.m, np.inf), np.full(piece.m, -np.inf)
    np.minimum.at(low, piece.codes, values)
    np.maximum.at(high, piece.codes, values)
    return bool(np.all(high - low <= 1e-12 * np.abs(values).max(initial=1e-300)))


def _uncorrelated(case: Case) -> Iterator[Finding]:
    """Yield a note where intercept and slope of one factor are components of their own."""
    reading = case.reading
    assert reading is not None
    by_factor: dict[tuple[str, ...], list[RandomTerm]] = {}
    # Pieces of one component share its variance: there is no correlation to speak of.
    own = {p.term for c in reading.components if c.is_exact and len(c.pieces) == 1 for p in c.pieces}
    for term in reading_terms(reading):
        if term in own:
            by_factor.setdefault(term.factors, []).append(term)
    for factors, terms in by_factor.items():
        slopes = [v for t in terms for v in t.variables]
        if len(terms) < 2 or not slopes or not any(t.intercept for t in terms):
            continue
        joint = RandomTerm(True, tuple(dict.fromkeys(slopes)), factors)
        others = [t for t in reading_terms(reading) if t.factors != factors]
        name = ":".join(factors)
        yield Finding(
            "uncorrelated-slopes",
            "info",
            f"Intercepts and slopes ({', '.join(slopes)}) by {name} are variance components of their own, hence taken "
            f"for uncorrelated: lme4's ({' + '.join(['1', *slopes])} || {name}). MixedLM can correlate the effects of "
            "its groups only, through re_formula.",
            f"# If the correlation is wanted:\n{write_lmm_call(case, [joint, *others])}",
        )


def _not_fixed(case: Case) -> Iterator[Finding]:
    """Yield a finding for the random slopes of re_formula whose columns have no fixed effect."""
    call = case.call
    side = read_side(call.re_formula) if call is not None and call.re_formula is not None else None
    if call is None or side is None or case.fixed is None or call.api == "arrays":
        return
    named = {n for p in side.parts for n in (*p.factors, *(c for v in p.variables for c in columns_in(v)))}
    missing = sorted(named - case.fixed_columns)
    if not missing:
        return
    group = call.groups or "the groups"
    added = " + ".join(part for p in side.parts for part in [_write_part(p)] if columns_in(part) & set(missing))
    yield Finding(
        "slope-not-fixed",
        "warning",
        f"{join_with_and(missing)} {'has a random slope' if len(missing) == 1 else 'have random slopes'} by {group} "
        "and no fixed effect: the mean of the slopes is taken for zero. What it really is goes into their "
        "variance, which comes out too large.",
        write_comment(f"Add the mean slope to the fixed effects: ... ~ {case.fixed_text} + {added}"),
    )


def _write_part(part: Part) -> str:
    return ":".join((*(f"C({f})" for f in part.factors), *part.variables))
