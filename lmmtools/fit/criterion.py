"""What the record of a fit holds, and its criteria: log-likelihood, AIC, BIC and the counts in them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools.design.redeclare import Given

if TYPE_CHECKING:
    from lmmtools import core
    from lmmtools.design.matrices import Design
    from lmmtools.engines.estimate import Estimate

__all__ = ["Criterion", "Names", "Prepared"]


@dataclass(frozen=True, slots=True)
class Names:
    """Names of data, weights and offset for reports; None where there is none or its name is unknown.

    Attributes
    ----------
    data, weights, offset : str or None
    given : Given
        The data themselves, while somebody holds them.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
    >>> fit.names.data
    'Dyestuff'
    """

    data: str | None = None
    weights: str | None = None
    offset: str | None = None
    given: Given = field(default_factory=Given, compare=False, repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """What was computed before the record of a fit was made and need not be computed again.

    Attributes
    ----------
    problem : Problem or None
        The cross-products of the design, as the pls engine holds them.
    mixedlm : MixedLMResults or None
        The result that the fit was read from.
    """

    problem: core.Problem | None = None
    mixedlm: Any = None


@dataclass(frozen=True, eq=False, repr=False)
class Criterion:
    """What a fit holds, and its criteria."""

    design: Design
    """What was fitted: y, X, the blocks of Z, and what was left out of the data."""
    estimate: Estimate
    """What the engine returned: theta, beta, sigma, modes, criterion."""
    names: Names = field(default_factory=Names)
    """What data, weights and offset are called, where known."""
    fit_seconds: float = float("nan")
    """Wall-clock time from the design to the estimate, in seconds; of ``lmer()`` itself where R fitted the model."""
    warnings: tuple[str, ...] = ()
    """What the fit warned of: dropped rows and columns, boundary, the engine's own messages."""
    remarks: tuple[str, ...] = ()
    """Sentences for the foot of the report that say what a MixedLM model that was read really is."""
    prepared: Prepared = field(default_factory=Prepared)
    """What was computed before this record was made and need not be computed again."""

    @property
    def engine(self) -> str:
        """The engine that fitted the model.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
        >>> fit.engine
        'pls'
        """
        return self.estimate.engine

    @property
    def reml(self) -> bool:
        """Whether the criterion is REML.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
        >>> fit.reml
        True
        """
        return self.estimate.reml

    @property
    def objective(self) -> float:
        """lme4's ``REMLcrit()`` under REML, ``deviance()`` (-2 log likelihood) under ML.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
        >>> round(fit.objective, 4)
        1743.6283
        """
        return self.estimate.objective

    @property
    def llf(self) -> float:
        """(Restricted) log-likelihood, as lme4's ``logLik()``.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
        >>> round(fit.llf, 4)
        -871.8141
        """
        return -0.5 * self.objective

    @property
    def nobs(self) -> int:
        """Number of rows used.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
        >>> fit.nobs
        180
        """
        return self.design.n

    @property
    def k_params(self) -> int:
        """Number of parameters: fixed effects, covariance parameters and the residual variance.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
        >>> fit.k_params
        6
        """
        return self.design.p + self.design.k_free + 1

    @property
    def df_resid(self) -> int:
        """Rows less parameters, as lme4's ``df.residual()``.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
        >>> fit.df_resid
        174
        """
        return self.nobs - self.k_params

    @property
    def aic(self) -> float:
        """Akaike's criterion from ``llf`` and ``k_params``, as lme4's ``AIC()``, under REML too.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
        >>> round(fit.aic, 3)
        1755.628
        """
        return self.objective + 2.0 * self.k_params

    @property
    def bic(self) -> float:
        """Schwarz's criterion from ``llf``, ``k_params`` and ``nobs``, as lme4's ``BIC()``.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
        >>> round(fit.bic, 3)
        1774.786
        """
        return self.objective + float(np.log(self.nobs)) * self.k_params
