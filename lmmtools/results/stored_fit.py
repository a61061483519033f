"""The numbers of a fit without its data, as a file holds them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from numpy.typing import NDArray

    from lmmtools.engines.estimate import Scope
    from lmmtools.fit.record import Names
    from lmmtools.fit.varcorr import VarCorr
    from lmmtools.report.fingerprint import Inputs
    from lmmtools.report.nearby import ReachTable
    from lmmtools.report.provenance import Provenance

__all__ = ["RowsLost", "StoredFit"]


@dataclass(frozen=True, slots=True)
class RowsLost:
    """What was left out of the data before fitting.

    Attributes
    ----------
    n_input, n_rows : int
        Rows of the data as given, and how many of them were left out.
    rows : dict of str to int
        Rows lost to missing values, by the column or expression that had them.
    columns : tuple of str
        Columns of X left out because they depend linearly on others.
    levels : dict of str to tuple of str
        Levels that a factor declares and no used row has.
    undefined : dict of str to str
        Those of ``rows`` that are no missing values but expressions without a value, and what it is.
    """

    n_input: int
    n_rows: int = 0
    rows: Mapping[str, int] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    levels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    undefined: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class StoredFit:
    """The numbers of a fitted model as a file holds them, without its data.

    The attributes that ``LMMResults`` has too mean the same here.

    Attributes
    ----------
    formula : str
        The model as lme4 writes it.
    engine : str
        What fitted it.
    reml : bool
        Whether the criterion is REML.
    objective, llf, aic, bic : float
        The criterion, and what follows from it.
    nobs, df_resid, k_params : int
        Rows used, rows less parameters, parameters.
    sigma : float
        Residual standard deviation, in units of y.
    theta : ndarray, shape (k,)
        Relative covariance parameters in lme4's order.
    varcorr : VarCorr
        Variances, standard deviations, correlations.
    ngroups : dict of str to int
        Levels per grouping factor.
    x_names : tuple of str, length p
        Names of the fixed effects.
    beta : ndarray, shape (p,)
        Fixed effects.
    beta_cov : ndarray, shape (p, p)
        Their covariance.
    fixed_levels : dict of str to tuple of str
        Levels of the factors among the fixed effects, in order.
    scaled_residuals : ndarray, shape (5,)
        Minimum, quartiles and maximum of the scaled residuals.
    is_singular, converged : bool
        Whether a component is at its boundary; whether the optimum is certified.
    scope : {"global", "local"} or None
        Whether no theta has a lower criterion, or none is near and none was found; None in files that do not say.
    boundary : tuple of str
        A sentence per component at its boundary.
    expected_decrease : float
        Newton's estimate of how much lower the criterion could be.
    fit_seconds : float
        Time that the fit took, NaN if unknown.
    names : Names
        What data, weights and offset are called.
    is_weighted, has_offset : bool
        Whether there are prior weights, an offset.
    dropped : RowsLost
        What was left out.
    warnings, notes : tuple of str
        What the fit said; the sentences at the foot of its report.
    provenance : Provenance
        Where the numbers come from.
    random_effects : dict of str to DataFrame, or None
        Conditional modes, level x effect, if they were recorded.
    inputs : Inputs or None
        What was fitted, to be recognised; None in files that do not say.
    reach : ReachTable or None
        How far each number may lie where the criterion is little higher, if it was recorded.
    """

    formula: str
    engine: str
    reml: bool
    objective: float
    llf: float
    aic: float
    bic: float
    nobs: int
    df_resid: int
    k_params: int
    sigma: float
    theta: NDArray[np.float64]
    varcorr: VarCorr
    ngroups: Mapping[str, int]
    x_names: tuple[str, ...]
    beta: NDArray[np.float64]
    beta_cov: NDArray[np.float64]
    fixed_levels: Mapping[str, tuple[str, ...]]
    scaled_residuals: NDArray[np.float64]
    is_singular: bool
    converged: bool
    scope: Scope | None
    boundary: tuple[str, ...]
    expected_decrease: float
    fit_seconds: float
    names: Names
    is_weighted: bool
    has_offset: bool
    dropped: RowsLost
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    provenance: Provenance
    random_effects: Mapping[str, pd.DataFrame] | None = None
    inputs: Inputs | None = None
    reach: ReachTable | None = None

    @property
    def scale(self) -> float:
        """Residual variance, in squared units of y."""
        return self.sigma**2

    @property
    def params(self) -> pd.Series[float]:
        """Fixed effects, length p."""
        return self._series(self.beta, "params")

    @property
    def bse(self) -> pd.Series[float]:
        """Standard errors of the fixed effects, length p."""
        return self._series(np.sqrt(np.diag(self.beta_cov)), "bse")

    @property
    def tvalues(self) -> pd.Series[float]:
        """``params / bse``, length p."""
        return self._series(self.beta / np.sqrt(np.diag(self.beta_cov)), "tvalues")

    def _series(self, values: NDArray[np.float64], name: str) -> pd.Series[float]:
        import pandas as pd

        return pd.Series(values.copy(), index=list(self.x_names), name=name)

    def cov_params(self) -> pd.DataFrame:
        """Return the covariance matrix of the fixed effects, shape (p, p)."""
        import pandas as pd

        return pd.DataFrame(self.beta_cov.copy(), index=list(self.x_names), columns=list(self.x_names))
