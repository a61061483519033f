"""Whether MixedLM's own search, from its own start, finds a lower criterion than a fit's."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lmmtools import core
from lmmtools.errors import EngineError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lmmtools.fit.record import Fit

__all__ = ["Confirmation", "run_confirmation"]

# Criteria that differ by less are the same: an absolute part for where the searches stop, and a relative one for the
# rounding of two computations of one closed form.
SAME, SAME_SHARE = 1e-5, 1e-9


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Confirmation:
    """What MixedLM's own search found beside a fit; prints as a sentence.

    Attributes
    ----------
    reml : bool
        Whether the criteria are REML criteria; else deviances.
    objective : float
        The fit's criterion.
    found : float
        statsmodels' criterion where its search ended (the least-squares criterion where every variance was zero).
    theta : ndarray, shape (k,)
        Where that was: relative covariance parameters, as ``fit.theta``.
    n_evaluations : int
        Evaluations of the criterion that MixedLM made.
    seconds : float
        Wall-clock time of the search.
    messages : tuple of str
        What MixedLM said.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
    >>> fit.confirm().is_same_optimum
    True
    """

    reml: bool
    objective: float
    found: float
    theta: NDArray[np.float64]
    n_evaluations: int
    seconds: float
    messages: tuple[str, ...]

    @property
    def difference(self) -> float:
        """``found`` minus ``objective``: below zero where MixedLM found a lower criterion."""
        return self.found - self.objective

    @property
    def confirmed(self) -> bool:
        """Whether MixedLM found nothing lower, to rounding."""
        return self.difference >= -self._tolerance

    @property
    def is_same_optimum(self) -> bool:
        """Whether MixedLM's search ended at the fit's criterion, to rounding."""
        return abs(self.difference) <= self._tolerance

    @property
    def _tolerance(self) -> float:
        return SAME + SAME_SHARE * abs(self.objective)

    def __str__(self) -> str:
        name = "REML criterion" if self.reml else "deviance"
        if self.is_same_optimum:
            return (
                f"MixedLM confirms the optimum: its own search, from its own start, ended at the same {name}, "
                f"{self.found:.4f}."
            )
        apart = f"{abs(self.difference):.4g}"
        if self.confirmed:
            return (
                f"MixedLM found nothing lower: its own search, from its own start, stopped at the {name} "
                f"{self.found:.4f}, {apart} above the fit's {self.objective:.4f}."
            )
        return (
            f"MixedLM does not confirm the optimum: its own search, from its own start, found the {name} "
            f"{self.found:.4f}, {apart} below the fit's {self.objective:.4f}. To fit again from there, write "
            "model.fit(start=fit.confirm().theta)."
        )

    def __repr__(self) -> str:
        return f"<Confirmation: {self}>"


def run_confirmation(fit: Fit) -> Confirmation:
    """Return what MixedLM's own search finds for the model of ``fit``.

    Raises
    ------
    TranslationError
        If MixedLM cannot express the model.
    EngineError
        If MixedLM's optimisers fail, or blocks of the design share a variance.
    """
    from lmmtools.engines import mixedlm

    core.refuse_shared(fit.design, "search")
    layout = mixedlm.plan(fit.design)
    started = time.perf_counter()
    search = mixedlm.search(fit.design, layout, reml=fit.reml)
    seconds = time.perf_counter() - started
    if search.theta is None:
        raise EngineError(f"MixedLM's own search failed, so that it confirms nothing: {'; '.join(search.messages)}")
    # Its own likelihood, but without the components that it brought to zero, where its algebra is not reliable.
    _, found = mixedlm.evaluate_likelihood(fit.design, layout, search.theta, reml=fit.reml)
    return Confirmation(fit.reml, fit.objective, found, search.theta, search.n_evaluations, seconds, search.messages)
