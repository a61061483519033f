"""A result of statsmodels' MixedLM as LMMResults."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lmmtools.errors import DataError, LmmWarning, StructureWarning
from lmmtools.fit.record import Fit, Prepared
from lmmtools.results import findings

if TYPE_CHECKING:
    from lmmtools.engines.mixedlm.reading import ReadDesign

__all__ = ["read_mixedlm"]


def read_mixedlm(result: Any) -> tuple[Fit, ReadDesign, list[tuple[type[LmmWarning], str]]]:
    """Return the fit of a MixedLM result, the design as it was read, and what to warn of.

    Raises
    ------
    DataError, TranslationError, EngineError
        As :func:`lmmtools.from_mixedlm`.
    """
    from lmmtools import core
    from lmmtools.engines.mixedlm import reading

    if not hasattr(result, "cov_re_unscaled"):
        raise DataError(f"this takes the result of a MixedLM fit, not {type(result).__name__}")
    model = reading.read_model(result)
    read = reading.as_design(result.model, model)
    problem = core.prepare(read.design)
    estimate = reading.as_estimate(result, read, problem)
    fit = Fit(read.design, estimate, remarks=model.remarks, prepared=Prepared(problem, result))
    found = findings.find(fit)
    found += [(StructureWarning, text) for text in model.remarks]
    said = (*(text for _, text in found), *estimate.messages)
    fit = replace(fit, warnings=tuple(dict.fromkeys(said)), remarks=(*model.remarks, *estimate.messages))
    return fit, read, found
