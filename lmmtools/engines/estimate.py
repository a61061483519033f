"""What an engine returns: the estimate, and the certificate that it is an optimum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lmmtools.core.search.certificate import Certificate, NullSpace, Scope

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["AGREEMENT_TOL", "Agreement", "Certificate", "Estimate", "NullSpace", "Scope", "describe_shortfall"]


AGREEMENT_TOL = 1e-8
"""Relative difference of two engines' criteria at the same parameters up to which they agree: both compute one closed
form in double precision, and the worst seen over the reference models is 1e-11."""
SHORTFALL = 1e-4
"""A criterion this much above the optimum is worth a sentence: estimates move by a hundredth of a standard error."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """A second engine's criterion at the same parameters: whether both compute the same, not whether it is the lowest.

    Attributes
    ----------
    engine : str
        The engine that was asked.
    objective : float
        Its criterion at the same parameters.
    difference : float
        ``objective`` minus the first engine's, relative to ``max(1, |objective|)``.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> model = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff"))
    >>> model.fit().agreement.engine
    'mixedlm'
    """

    engine: str
    objective: float
    difference: float

    @classmethod
    def between(cls, engine: str, objective: float, reference: float) -> Agreement:
        """Return the agreement of a second engine's criterion with the first's, ``reference``."""
        return cls(engine, objective, (objective - reference) / max(1.0, abs(reference)))


@dataclass(frozen=True, slots=True, eq=False)
class Estimate:
    """A fitted model as an engine hands it on; everything is on the data's scale.

    Attributes
    ----------
    engine : str
        The engine's name.
    reml : bool
        Criterion used.
    theta : ndarray, shape (k,)
        Relative covariance parameters: the lower triangles of lambda_k, column by column, blocks in design order.
    beta : ndarray, shape (p,)
        Fixed effects.
    beta_cov : ndarray, shape (p, p)
        Their covariance, ``sigma**2 * inv(Hxx)``.
    sigma : float
        Residual standard deviation, in units of y.
    objective : float
        REML criterion, or deviance (-2 log L) under ML.
    modes : tuple of ndarray, each (m, l)
        Conditional modes b = Lambda u, one array per block.
    certificate : Certificate or None
        None where the engine gives none (a recorded result).
    n_evaluations : int
        Evaluations of the criterion.
    messages : tuple of str
        Messages of the engine.
    agreement : Agreement or None
        A second engine's criterion at these parameters, where it was computed with the fit.
    seconds : float or None
        Seconds of the fit by the engine's own clock, where starting it takes time of its own (R); else None.
    is_to_be_checked : bool
        Whether MixedLM is to evaluate its likelihood at these parameters when somebody looks at the fit (``"auto"``).

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
    >>> fit.estimate.theta.round(4).tolist()
    [0.8483]
    """

    engine: str
    reml: bool
    theta: NDArray[np.float64]
    beta: NDArray[np.float64]
    beta_cov: NDArray[np.float64]
    sigma: float
    objective: float
    modes: tuple[NDArray[np.float64], ...]
    certificate: Certificate | None = None
    n_evaluations: int = 0
    messages: tuple[str, ...] = ()
    agreement: Agreement | None = None
    seconds: float | None = None
    is_to_be_checked: bool = False


def describe_shortfall(program: str, objective: float, best: float) -> str:
    """Return by how much the criterion that a program stopped at lies above the optimum; empty where it is not."""
    if not objective - best > SHORTFALL:
        return ""
    return (
        f"{program} stopped short of the optimum: its criterion {objective:.4f} is {objective - best:.2g} above "
        f"{best:.4f}, which the pls engine reaches"
    )
