"""The default engine: pls fits; MixedLM evaluates its likelihood at the optimum when a report is made."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lmmtools.engines import pls

if TYPE_CHECKING:
    from lmmtools.design.matrices import Design
    from lmmtools.engines.estimate import Estimate

__all__ = ["fit"]


def fit(design: Design, *, reml: bool = True, **options: Any) -> Estimate:
    """Return the pls estimate, marked for MixedLM to evaluate its likelihood at when somebody looks at it.

    Parameters and errors as :func:`lmmtools.engines.pls.fit`.
    """
    return replace(pls.fit(design, reml=reml, **options), is_to_be_checked=True)
