"""Predictions with standard errors and intervals that count the uncertainty of fixed effects and modes together."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lmmtools import core
from lmmtools.errors import DataError
from lmmtools.inference.degrees import check_ddf, degrees
from lmmtools.inference.new_rows import NewRows, encode_rows, find_included, rows_of_fit
from lmmtools.inference.prediction_bootstrap import bootstrap_frame
from lmmtools.inference.prediction_error import (
    error_variances,
    includes_any,
    observation_variances,
    predicted_means,
)
from lmmtools.inference.tails import check_alpha, t_quantile

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

    from lmmtools.fit.record import Fit
    from lmmtools.inference.new_rows import Included

    Floats = NDArray[np.float64]

__all__ = ["Interval", "predict", "prediction_frame"]

Interval = Literal["confidence", "prediction"]

STEP = 1e-3
"""Of central differences, in standard errors of the variance parameters: degrees of freedom to about six digits."""


def predict(
    fit: Fit,
    data: Any = None,
    *,
    random: bool | str | Sequence[str] = True,
    unseen: str = "error",
    offset: ArrayLike | None = None,
    weights: ArrayLike | str | None = None,
    interval: str | None = None,
    alpha: float = 0.05,
    ddf: str = "z",
    method: str = "wald",
    n: int = 1000,
    rng: np.random.Generator | int | None = None,
    n_jobs: int = 1,
) -> pd.Series[float] | pd.DataFrame:
    """Return predictions; see :meth:`LMMResults.predict`."""
    import pandas as pd

    if method not in ("wald", "boot"):
        raise DataError(f'method={method!r} is not known; use "wald" or "boot"')
    if method == "boot" and (interval is None or ddf != "z"):
        raise DataError('method="boot" draws limits: give interval= and leave ddf out')

    if unseen not in ("error", "population"):
        raise DataError(f'unseen={unseen!r} is not an option; write "error" or "population"')
    if interval not in (None, "confidence", "prediction"):
        raise DataError(f'interval={interval!r} is not an option; write "confidence" or "prediction", or leave it out')
    check_alpha(alpha)
    check_ddf(ddf)
    design = fit.design
    included = find_included(design, random)
    is_observation = interval == "prediction"
    if weights is not None and not is_observation:
        raise DataError('weights= enter prediction intervals alone: write interval="prediction", or leave them out')
    if data is None:
        if offset is not None or weights is not None:
            raise DataError("offset= and weights= go with new data; the rows of the fit have theirs")
        rows = rows_of_fit(design, included)
    else:
        rows = encode_rows(
            design,
            data,
            included,
            unseen=unseen,  # type: ignore[arg-type]
            offset=offset,
            weights=weights,
            is_observation=is_observation,
        )
    mean = predicted_means(fit, rows, included)
    if interval is None:
        return pd.Series(mean, index=rows.index, name="predict")
    if ddf == "kenward-roger" and (includes_any(included) or is_observation):
        raise DataError(
            "Kenward and Roger's method is defined for confidence intervals of the population's mean alone: write "
            'random=False and interval="confidence", or ddf="satterthwaite"'
        )
    if is_observation and any(use.any() and not use.all() for use in included):
        raise DataError(
            f"random={random!r} includes some effects of a term and not the others, which go with them: an observation "
            'has all or none. Include whole terms, or ask for the mean\'s limits, interval="confidence"'
        )
    if method == "boot":
        return bootstrap_frame(
            fit, rows, included, mean, is_observation=is_observation, alpha=alpha, n=n, rng=rng, n_jobs=n_jobs
        )
    return prediction_frame(fit, rows, included, mean, is_observation=is_observation, alpha=alpha, ddf=ddf)


def prediction_frame(
    fit: Fit,
    rows: NewRows,
    included: Included,
    mean: Floats,
    *,
    is_observation: bool,
    alpha: float,
    ddf: str,
) -> pd.DataFrame:
    """Return means with standard errors and limits, columns as statsmodels' ``get_prediction().summary_frame()``."""
    import pandas as pd

    cov = None if includes_any(included) else degrees(fit, check_ddf(ddf)).cov
    variance = error_variances(fit, rows, included) if cov is None else ((rows.X @ cov) * rows.X).sum(axis=1)
    mean_df, observation_df = _degrees_of_errors(fit, rows, included, variance, is_observation, ddf)
    se, quantile = np.sqrt(variance), t_quantile(alpha / 2.0, mean_df)
    columns = {
        "mean": mean,
        "mean_se": se,
        "mean_ci_lower": mean - quantile * se,
        "mean_ci_upper": mean + quantile * se,
    }
    if is_observation:
        half = t_quantile(alpha / 2.0, observation_df) * np.sqrt(variance + observation_variances(fit, rows, included))
        columns |= {"obs_ci_lower": mean - half, "obs_ci_upper": mean + half}
    return pd.DataFrame(columns, index=rows.index)


def _degrees_of_errors(
    fit: Fit, rows: NewRows, included: Included, variance: Floats, is_observation: bool, ddf: str
) -> tuple[Floats, Floats]:
    """Return the degrees of freedom of each row's mean and of its observation, each (r,), infinite for normal ones."""
    r = len(rows.X)
    if ddf != "satterthwaite" or not (includes_any(included) or is_observation):
        found = degrees(fit, check_ddf(ddf)).df(rows.X) if ddf != "z" else np.full(r, np.inf)
        return np.where(np.isfinite(variance), found, np.nan), found
    matched = _matched_to_errors(fit, rows, included)
    if not includes_any(included):
        # As without an observation: from exact derivatives.
        return np.where(np.isfinite(variance), degrees(fit, "satterthwaite").df(rows.X), np.nan), matched[1]
    return matched[0], matched[1]


def _matched_to_errors(fit: Fit, rows: NewRows, included: Included) -> Floats:
    """Return Satterthwaite's degrees of freedom of the variances of means' and observations' errors, shape (2, r).

    With P such a variance, a function of the variance parameters phi with the asymptotic covariance W, they are
    2 P^2 / (g'W g), g_i = dP / dphi_i: those of a chi-squared variable with the mean and variance of P.

    Raises
    ------
    EngineError
        If the fit is not at a minimum of its criterion, or terms share one variance.
    """
    core.refuse_shared(fit.design, "Satterthwaite's method for predictions")
    found = core.relative_uncertainty(fit.problem, fit.theta, fit.reml)
    here = _relative_variances(fit, rows, included, fit.theta)
    steps = STEP * np.sqrt(np.diag(found.covariance))[:-1]
    slopes = [
        (_relative_variances(fit, rows, included, a) - _relative_variances(fit, rows, included, b)) / gap
        for a, b, gap in core.nearby_thetas(fit.problem, fit.theta, fit.reml, steps)
    ]
    with np.errstate(invalid="ignore", divide="ignore"):
        g = np.array([*slopes, here]) / here
        spread = np.einsum("ijr,ik,kjr->jr", g, found.covariance, g)
        return np.where(spread > 0, 2.0 / spread, np.where(np.isnan(here), np.nan, np.inf))


def _relative_variances(fit: Fit, rows: NewRows, included: Included, theta: Floats) -> Floats:
    """Return the variances of means' and of observations' errors at another theta, over sigma**2 there, (2, r)."""
    estimate = replace(fit.estimate, theta=theta, sigma=core.recover(fit.problem, theta, fit.reml).sigma)
    moved = fit.with_estimate(estimate)
    error = error_variances(moved, rows, included)
    return np.array([error, error + observation_variances(moved, rows, included)]) / moved.scale
