"""Nested factors that are declared as crossed: their labels are reused within another factor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmmtools.design.findings import Finding
from lmmtools.errors import LmmError
from lmmtools.formula.notation import write_comment
from lmmtools.formula.terms import RandomTerm
from lmmtools.linting.alternatives import lowest_criterion, reading_terms, write_model
from lmmtools.report.factors.structure import structure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lmmtools.design.relations import Pair
    from lmmtools.linting.case import Case

__all__ = ["check"]


def check(case: Case) -> Iterator[Finding]:
    """Yield a finding for every pair of factors that are declared as crossed and nested by the data."""
    reading = case.reading
    if reading is None or reading.frame is None:
        return
    terms = reading_terms(reading)
    alone = [t.factors for t in terms if len(t.factors) == 1 and t.factors[0] in reading.frame.columns]
    names = list(dict.fromkeys(f[0] for f in alone))
    if len(names) < 2:
        return
    try:
        pairs = structure(reading.frame.reset_index(drop=True), names).pairs
    except LmmError:
        return
    for pair in pairs:
        if pair.reuse is not None and pair.reuse.is_strong and pair.inner and pair.outer:
            yield from _compare_nested(case, terms, pair)


def _compare_nested(case: Case, terms: list[RandomTerm], pair: Pair) -> Iterator[Finding]:
    assert pair.inner is not None
    assert pair.outer is not None
    assert pair.reuse is not None
    if any({pair.inner, pair.outer} <= set(t.factors) for t in terms):
        return
    nested = [
        RandomTerm(t.intercept, t.variables, (pair.outer, pair.inner)) if t.factors == (pair.inner,) else t
        for t in terms
    ]
    now, then = lowest_criterion(case, terms), lowest_criterion(case, nested)
    if now is None or then is None or then > now:
        return
    yield Finding(
        "nested-crossed",
        "error",
        f"{pair.inner} is declared on its own, so that {pair.inner} {_write_first_level(pair)} is one and the same in "
        f"every {pair.outer}; but its labels are reused. {pair.reuse.evidence} The lowest criterion of this model is "
        f"{now:.2f}, with {pair.inner} nested in {pair.outer} it is {then:.2f}.",
        f"{write_comment(f'Declare {pair.inner} within {pair.outer}:')}\n{write_model(case, nested)}",
    )


def _write_first_level(pair: Pair) -> str:
    levels = pair.a_levels if pair.a == pair.inner else pair.b_levels
    return repr(levels[0])
