"""What a fit must not keep to itself: each finding with the class of its warning."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from lmmtools.design.dropped import name_causes
from lmmtools.design.identification import find_ambiguities
from lmmtools.design.remarks import remark_on_columns
from lmmtools.errors import (
    AgreementWarning,
    BoundaryWarning,
    ConvergenceWarning,
    DroppedColumnsWarning,
    DroppedRowsWarning,
    LmmWarning,
    ReproducedWarning,
    StructureWarning,
)
from lmmtools.fit.second_look import describe_disagreement
from lmmtools.sentences import join_with_and

if TYPE_CHECKING:
    from typing import TypeVar

    from lmmtools.fit.record import Fit

    AnyFit = TypeVar("AnyFit", bound=Fit)

__all__ = ["Finding", "find", "with_findings"]

Finding: TypeAlias = tuple[type[LmmWarning], str]

# Residual standard deviation of an average row, as a share of the response's, below which a search without end has run
# to a perfect fit.
REPRODUCED = 1e-5

# A decrease below this is rounding: what keeps the certificate from holding is something else.
DECREASE_SHOWN = 1e-6


def with_findings(result: AnyFit) -> tuple[AnyFit, list[Finding]]:
    """Return a new fit with everything that it must say among its ``warnings``, and the findings with their classes."""
    found = find(result)
    said = (*(text for _, text in found), *result.design.narrower_in_r, *result.estimate.messages)
    return replace(result, warnings=tuple(dict.fromkeys(said))), found


def find(result: Fit) -> list[Finding]:
    """Return what a fit must not keep to itself, with its warning class."""
    found: list[Finding] = []
    dropped = result.design.dropped
    if dropped.n_rows:
        text = f"{dropped.n_rows} of {dropped.n_input} rows have {name_causes(dropped)}"
        found.append((DroppedRowsWarning, text))
    if dropped.columns:
        names = ", ".join(dropped.columns)
        found.append((DroppedColumnsWarning, f"X is rank deficient: dropped {names}"))
    found += [(StructureWarning, str(pair)) for pair in find_ambiguities(result.design)]
    found += [(StructureWarning, text) for text in remark_on_columns(result.design)]
    if result.is_singular:
        found.append((BoundaryWarning, f"boundary (singular) fit: {'; '.join(map(str, result.boundary))}"))
    found += _find_doubts(result)
    # Of a fit that is to be compared when somebody looks, the look says it.
    if result.estimate.agreement is not None:
        text = describe_disagreement(result.estimate, result.estimate.agreement)
        if text:
            found.append((AgreementWarning, text))
    return found


def _find_doubts(result: Fit) -> list[Finding]:
    """Return what speaks against the optimum, if anything does."""
    c, share = result.certificate, _residual_share(result)
    if not result.converged and share < REPRODUCED:
        text = (
            f"the model reproduces the response: the residual standard deviation has fallen to {share:.1g} of the "
            "response's, and the criterion falls without end, so that there is no optimum to certify. Take terms out, "
            "or look whether the response is constant within the levels of a factor"
        )
        return [(ReproducedWarning, text)]
    if c.reproduced_by:
        terms = join_with_and([f"{result.design.blocks[k].term}" for k in c.reproduced_by])
        text = (
            f"the model reproduces the response: with large enough effects of {terms} no residual is left, and the "
            "criterion falls as their variances grow, without end or to a limit that it never reaches. These estimates "
            "are a local optimum at best, since there is no lowest value. Take terms out, or get more rows"
        )
        return [(ReproducedWarning, text)]
    if result.converged:
        return []
    if c.near_decrease is None:
        fall = "the criterion falls from here, and its derivatives do not tell how far"
    elif c.near_decrease > DECREASE_SHOWN:
        fall = f"the criterion may still fall by about {c.near_decrease:.2g}"
    else:
        fall = "more of a variance that is zero would lower the criterion"
    return [(ConvergenceWarning, f"the optimum is not certified: {fall}")]


def _residual_share(result: Fit) -> float:
    """Return the residual standard deviation of an average row as a share of the response's, in any unit of both."""
    design = result.design
    y = design.response
    # Numbers whose squares would overflow are divided first.
    size = float(np.abs(y).max()) or 1.0
    weight = 1.0 if design.weights is None else float(design.weights.mean())
    return float(result.sigma / size / np.sqrt(weight) / np.std(y / size, ddof=1))
