"""Predictions with standard errors and intervals that count the uncertainty of fixed effects and modes together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lmmtools.engines import pls
from lmmtools.errors import DataError
from lmmtools.inference.degrees import check_ddf, degrees
from lmmtools.inference.new_rows import NewRows, encode_rows, find_included, rows_of_fit
from lmmtools.inference.tails import check_alpha

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

    from lmmtools.inference.new_rows import Included
    from lmmtools.results.lmm_results import LMMResults

    Floats = NDArray[np.float64]

__all__ = ["Interval", "predict", "prediction_frame"]

Interval = Literal["confidence", "prediction"]


def predict(
    fit: LMMResults,
    data: Any,
    *,
    random: bool | str | Sequence[str],
    unseen: str,
    offset: ArrayLike | None,
    weights: ArrayLike | str | None,
    interval: str | None,
    alpha: float,
    ddf: str,
) -> pd.Series[float] | pd.DataFrame:
    """Return predictions; see :meth:`LMMResults.predict`."""
    import pandas as pd

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
    mean = _means(fit, rows, included)
    if interval is None:
        return pd.Series(mean, index=rows.index, name="predict")
    if ddf != "z" and (_any(included) or is_observation):
        raise DataError(
            f"ddf={ddf!r} is defined for confidence intervals of the population's mean alone: write random=False and "
            'interval="confidence", or leave ddf out'
        )
    if is_observation and any(use.any() and not use.all() for use in included):
        raise DataError(
            f"random={random!r} includes some effects of a term and not the others, which go with them: an observation "
            'has all or none. Include whole terms, or ask for the mean\'s limits, interval="confidence"'
        )
    return prediction_frame(fit, rows, included, mean, is_observation=is_observation, alpha=alpha, ddf=ddf)


def prediction_frame(
    fit: LMMResults,
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

    quantile, variance = _reference(fit, rows, included, alpha, ddf)
    se = np.sqrt(variance)
    columns = {
        "mean": mean,
        "mean_se": se,
        "mean_ci_lower": mean - quantile * se,
        "mean_ci_upper": mean + quantile * se,
    }
    if is_observation:
        spread = _left_out_variance(fit, rows, included) + fit.scale / rows.weights
        half = quantile * np.sqrt(variance + spread)
        columns |= {"obs_ci_lower": mean - half, "obs_ci_upper": mean + half}
    return pd.DataFrame(columns, index=rows.index)


def _any(included: Included) -> bool:
    return any(bool(use.any()) for use in included)


def _means(fit: LMMResults, rows: NewRows, included: Included) -> Floats:
    """Return X b + offset + Z u of the effects included, shape (r,)."""
    mean = rows.X @ fit.estimate.beta + rows.offset
    for modes, code, basis, use in zip(fit.estimate.modes, rows.codes, rows.bases, included, strict=True):
        if use.any():
            own = np.where(code[:, None] < 0, 0.0, modes[code])
            mean = mean + np.einsum("rl,rl->r", basis[:, use], own[:, use])
    return np.asarray(mean)


def _reference(
    fit: LMMResults, rows: NewRows, included: Included, alpha: float, ddf: str
) -> tuple[Floats | float, Floats]:
    """Return the quantile of each row's interval, and the variance of the mean's error, shape (r,)."""
    from scipy.special import ndtri, stdtrit

    if _any(included):
        return float(ndtri(1.0 - alpha / 2.0)), _error_variances(fit, rows, included)
    method = degrees(fit, check_ddf(ddf))
    variance = np.einsum("ra,ab,rb->r", rows.X, method.cov, rows.X)
    if ddf == "z":
        return float(ndtri(1.0 - alpha / 2.0)), variance
    df = np.where(np.isfinite(variance), method.df(rows.X), np.nan)
    return np.where(np.isinf(df), ndtri(1.0 - alpha / 2.0), stdtrit(df, 1.0 - alpha / 2.0)), variance


def _error_variances(fit: LMMResults, rows: NewRows, included: Included) -> Floats:
    """Return Var(x b_hat + z u_hat - x b - z u) over the effects included, (r,); NaN where a row is incomplete."""
    if rows.are_fitted and all(use.all() for use in included):  # sigma**2 h / w: leverages take a hundredth of the time
        return np.asarray(fit.scale * fit.hat_values.to_numpy() / rows.weights)
    bases = [np.where(use, B, 0.0) for B, use in zip(rows.bases, included, strict=True)]
    codes = [c if use.any() else np.zeros_like(c) for c, use in zip(rows.codes, included, strict=True)]
    complete = np.isfinite(rows.X).all(axis=1) & np.all([np.isfinite(B).all(axis=1) for B in bases], axis=0)
    out = np.full(len(rows.X), np.nan)
    out[complete] = pls.prediction_variances(
        fit.problem, fit.theta, fit.reml, rows.X[complete], [c[complete] for c in codes], [B[complete] for B in bases]
    )
    return out


def _left_out_variance(fit: LMMResults, rows: NewRows, included: Included) -> Floats:
    """Return the sum of z_k' Sigma_k z_k over the terms that are not included, shape (r,), in squared units of y."""
    out = np.zeros(len(rows.X))
    for Sigma, basis, use in zip((t.cov for t in fit.varcorr), rows.bases, included, strict=True):
        if not use.any():
            out += np.einsum("ra,ab,rb->r", basis, Sigma, basis)
    return out
