"""The default engine: pls fits; MixedLM evaluates its likelihood at the optimum when a report is made."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lmmtools.engines import pls

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from lmmtools.design.matrices import Design
    from lmmtools.engines.estimate import Estimate

    Floats = NDArray[np.float64]

__all__ = ["fit"]


def fit(
    design: Design,
    *,
    reml: bool = True,
    start: Floats | None = None,
    max_iter: int = pls.MAX_ITER,
    tol: float = pls.TOL,
    callback: Callable[[pls.Progress], Any] | None = None,
) -> Estimate:
    """Return the pls estimate, marked for MixedLM to evaluate its likelihood at when somebody looks at it.

    Parameters and errors as :func:`lmmtools.engines.pls.fit`.
    """
    estimate = pls.fit(design, reml=reml, start=start, max_iter=max_iter, tol=tol, callback=callback)
    return replace(estimate, is_to_be_checked=True)
