"""The default engine: the pls optimum, confirmed by MixedLM wherever MixedLM can express it and afford it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lmmtools.engines import mixedlm, pls
from lmmtools.errors import EngineError, TranslationError

if TYPE_CHECKING:
    from lmmtools.design.record import Design
    from lmmtools.engines.estimate import Estimate

__all__ = ["COST_BOUND", "fit"]

# Floating-point operations of one MixedLM criterion evaluation (see mixedlm.cost) up to which confirmation is
# affordable: about a tenth of a second on one core for the few evaluations and the Hessian that it takes.
COST_BOUND = 2e7


def fit(design: Design, *, reml: bool = True, **options: Any) -> Estimate:
    """Fit by pls and hand the optimum to MixedLM; the estimate is pls', its ``agreement`` is MixedLM's word on it.

    Parameters and errors as :func:`lmmtools.engines.pls.fit`. Where MixedLM cannot express the model, or its dense
    algebra would cost more than ``COST_BOUND``, the estimate says so in ``messages`` and has no ``agreement``.
    """
    estimate = pls.fit(design, reml=reml, **options)
    try:
        layout = mixedlm.plan(design)
    except TranslationError as error:
        return replace(estimate, messages=(*estimate.messages, f"not confirmed by MixedLM: {_first_line(error)}"))
    flops = mixedlm.cost(design, layout)
    if flops > COST_BOUND:
        why = f"not confirmed by MixedLM: its dense algebra would take {flops:.1e} operations per evaluation"
        return replace(estimate, messages=(*estimate.messages, why))
    try:
        agreement = mixedlm.confirm(design, layout, estimate)
    except EngineError as error:
        return replace(estimate, messages=(*estimate.messages, f"not confirmed by MixedLM: {error}"))
    return replace(estimate, agreement=agreement)


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
