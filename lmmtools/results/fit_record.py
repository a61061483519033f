"""A fit without its data: the numbers of one fit as they are written to a file and read back."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools.report.fingerprint import Inputs, inputs_of_design, sorted_hash
from lmmtools.results import provenance

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    from lmmtools.engines.estimate import Scope
    from lmmtools.fit.names import Names
    from lmmtools.fit.record import Fit
    from lmmtools.fit.varcorr import VarCorr
    from lmmtools.report.summary import Summary

__all__ = ["FitRecord", "Provenance", "RowsLost", "provenance_of", "record_of"]


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


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where the numbers come from.

    Attributes
    ----------
    call : str
        The code that declares and fits the model.
    versions : dict of str to str
        Package -> version.
    data_sha256 : str
        Of the complete cases of the columns used, rows in order (`provenance.data_hash`).
    response_sha256 : str
        Of the response alone, whatever the order of the rows (`fingerprint.sorted_hash`).
    written : str
        When the record was made, UTC, ISO 8601.
    """

    call: str
    versions: Mapping[str, str]
    data_sha256: str
    response_sha256: str
    written: str


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class FitRecord:
    """A fitted model as a file holds it: to be printed and compared, not to be fitted or predicted from.

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

    def summary(self) -> Summary:
        """Return the report in lme4's layout, as the fit itself printed it."""
        from lmmtools.report.summary import SummaryData, summarise

        return summarise(
            SummaryData(
                formula=self.formula,
                reml=self.reml,
                objective=self.objective,
                llf=self.llf,
                aic=self.aic,
                bic=self.bic,
                df_resid=self.df_resid,
                # Their five quantiles are the quantiles of the residuals.
                scaled_residuals=self.scaled_residuals,
                varcorr=tuple(self.varcorr.rows()),
                nobs=self.nobs,
                ngroups=self.ngroups,
                names=self.x_names,
                estimates=self.beta,
                std_errors=np.sqrt(np.diag(self.beta_cov)),
                cov=self.beta_cov,
                data_name=self.names.data,
                weights=self.names.weights,
                offset=self.names.offset,
                notes=self.notes,
            )
        )

    def to_json(self, path: str | Path | None = None) -> str:
        """Return the record as JSON text, as :meth:`LMMResults.to_json`; write it to ``path`` if one is given."""
        from lmmtools.results.fit_json import write_json

        return write_json(self, path)

    def __str__(self) -> str:
        return str(self.summary())

    def __repr__(self) -> str:
        criterion = "REML criterion" if self.reml else "deviance"
        return f"<FitRecord {self.formula}: {criterion} {self.objective:.6g}, engine {self.engine!r}>"

    def _repr_html_(self) -> str:
        return self.summary()._repr_html_()


def record_of(fit: Fit, *, random_effects: bool = False) -> FitRecord:
    """Return the record of a fit, with its conditional modes if asked for."""
    from lmmtools.results.reporting import notes

    design, dropped = fit.design, fit.design.dropped
    return FitRecord(
        formula=design.formula.source or str(design.formula),
        engine=fit.engine,
        reml=fit.reml,
        objective=fit.objective,
        llf=fit.llf,
        aic=fit.aic,
        bic=fit.bic,
        nobs=fit.nobs,
        df_resid=fit.df_resid,
        k_params=fit.k_params,
        sigma=fit.sigma,
        theta=fit.theta,
        varcorr=fit.varcorr,
        ngroups=fit.ngroups,
        x_names=design.x_names,
        beta=fit.estimate.beta,
        beta_cov=fit.estimate.beta_cov,
        fixed_levels=provenance.fixed_levels(design),
        scaled_residuals=np.quantile(fit.scaled_resid, (0.0, 0.25, 0.5, 0.75, 1.0)),
        is_singular=fit.is_singular,
        converged=fit.converged,
        scope=fit.certificate.scope,
        boundary=tuple(map(str, fit.boundary.rows)),
        expected_decrease=fit.certificate.expected_decrease,
        fit_seconds=fit.fit_seconds,
        names=fit.names,
        is_weighted=design.weights is not None,
        has_offset=design.offset is not None,
        dropped=RowsLost(
            dropped.n_input, dropped.n_rows, dropped.rows, dropped.columns, dropped.levels, dropped.undefined
        ),
        warnings=fit.warnings,
        notes=notes(fit),
        provenance=provenance_of(fit),
        random_effects=fit.random_effects if random_effects else None,
        inputs=inputs_of_design(design),
    )


def provenance_of(fit: Fit) -> Provenance:
    """Return where the numbers of a fit come from."""
    return Provenance(
        call=_call(fit),
        versions=provenance.versions(),
        data_sha256=provenance.data_hash(fit.design.frame),
        response_sha256=sorted_hash(fit.design.y),
        written=datetime.now(timezone.utc).isoformat(timespec="seconds"),
    )


def _call(fit: Fit) -> str:
    given: dict[str, Any] = {"weights": fit.names.weights, "offset": fit.names.offset}
    options = "".join(f", {name}={value!r}" for name, value in given.items() if value is not None)
    formula = fit.design.formula.source or str(fit.design.formula)
    return f"lmt.lmm({formula!r}, {fit.names.data or 'data'}{options}).fit(reml={fit.reml}, engine={fit.engine!r})"
