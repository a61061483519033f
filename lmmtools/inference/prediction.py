"""Predictions with standard errors and limits that count the uncertainty of fixed effects and modes together.

Limits come from t or normal quantiles, or from a parametric bootstrap, which counts that the variances are estimates:
data and the truth at the rows to predict are drawn together from the fitted model, the model is refitted, and the
prediction's error is taken in units of the standard error that the refit gives it,

    t* = (truth* - prediction*) / se*

The limits are the prediction plus the quantiles of t* times its own standard error (Davison & Hinkley 1997, section
5.2; Hall 1988, Ann. Statist. 16). Where the variances are known t* is standard normal; where few levels tell them its
tails are as heavy as their uncertainty makes them.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from lmmtools import core
from lmmtools.errors import DataError, EngineError, FewDrawsWarning, LmmError, warn_caller
from lmmtools.fit.by_rows import fitted_rows, join_rows
from lmmtools.inference.bootstrap.limits import are_too_few, describe_too_few
from lmmtools.inference.degrees import DDF, check_ddf, degrees
from lmmtools.inference.draws import run_pieces, spawn_pieces
from lmmtools.inference.linear_predictor import (
    NewRows,
    Unseen,
    error_variances,
    find_included,
    includes_any,
    observation_variances,
    predicted_means,
    rows_to_predict,
)
from lmmtools.inference.simulation import simulate_with_effects
from lmmtools.inference.tails import check_alpha, t_quantile

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

    from lmmtools.design.rows_elsewhere import RowBatch
    from lmmtools.fit.record import Fit
    from lmmtools.inference.linear_predictor import Included

    Floats = NDArray[np.float64]

__all__ = ["Interval", "predict"]

Interval = Literal["confidence", "prediction"]

STEP = 1e-3
"""Step of central differences in standard errors of the variance parameters; gives about six digits of the df."""


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
    ddf = check_ddf(ddf)
    if method == "boot" and (interval is None or ddf != "z"):
        raise DataError('method="boot" draws limits: give interval= and leave ddf out')

    if unseen not in get_args(Unseen):
        raise DataError(f'unseen={unseen!r} is not an option; write "error", "population" or "missing"')
    if interval not in (None, "confidence", "prediction"):
        raise DataError(f'interval={interval!r} is not an option; write "confidence" or "prediction", or leave it out')
    check_alpha(alpha)
    design = fit.design
    included = find_included(design, random)
    is_observation = interval == "prediction"
    if weights is not None and not is_observation:
        raise DataError('weights= enter prediction intervals alone: write interval="prediction", or leave them out')
    if data is None and interval is None and design.is_streamed and offset is None:
        return fit.label_rows(join_rows(design, partial(_means_of_batch, fit, included)), "predict")
    rows = rows_to_predict(
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
        return _bootstrap_frame(
            fit, rows, included, mean, is_observation=is_observation, alpha=alpha, n=n, rng=rng, n_jobs=n_jobs
        )
    return _prediction_frame(fit, rows, included, mean, is_observation=is_observation, alpha=alpha, ddf=ddf)


def _means_of_batch(fit: Fit, included: Included, rows: RowBatch) -> Floats:
    """Return X b + offset + Z u of the effects included, of a batch of the rows fitted, shape (r,)."""
    modes = tuple(np.where(use, u, 0.0) for u, use in zip(fit.estimate.modes, included, strict=True))
    return fitted_rows(rows, replace(fit.estimate, modes=modes))


def _prediction_frame(
    fit: Fit,
    rows: NewRows,
    included: Included,
    mean: Floats,
    *,
    is_observation: bool,
    alpha: float,
    ddf: DDF,
) -> pd.DataFrame:
    """Return means with standard errors and limits, columns as statsmodels' ``get_prediction().summary_frame()``."""
    import pandas as pd

    cov = None if includes_any(included) else degrees(fit, ddf).cov
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
    fit: Fit, rows: NewRows, included: Included, variance: Floats, is_observation: bool, ddf: DDF
) -> tuple[Floats, Floats]:
    """Return the degrees of freedom of each row's mean and of its observation, each (r,); infinite for z."""
    r = len(rows.X)
    if ddf != "satterthwaite" or not (includes_any(included) or is_observation):
        found = degrees(fit, ddf).df(rows.X) if ddf != "z" else np.full(r, np.inf)
        return np.where(np.isfinite(variance), found, np.nan), found
    matched = _match_degrees(fit, rows, included)
    if not includes_any(included):
        # Those of the population's mean come from exact derivatives, as for interval="confidence".
        return np.where(np.isfinite(variance), degrees(fit, "satterthwaite").df(rows.X), np.nan), matched[1]
    return matched[0], matched[1]


def _match_degrees(fit: Fit, rows: NewRows, included: Included) -> Floats:
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


def _bootstrap_frame(
    fit: Fit,
    rows: NewRows,
    included: Included,
    mean: Floats,
    *,
    is_observation: bool,
    alpha: float,
    n: int,
    rng: np.random.Generator | int | None,
    n_jobs: int,
) -> pd.DataFrame:
    """Return means with standard errors and bootstrap limits, columns as in :func:`_prediction_frame`.

    Raises
    ------
    EngineError
        If no draw could be refitted.
    """
    import pandas as pd

    core.refuse_shared(fit.design, "bootstrap")
    bare = fit.without_found()
    pieces = [(bare, rows, included, size, seed) for size, seed in spawn_pieces(n, rng)]
    drawn = np.concatenate(list(run_pieces(_draw_errors, pieces, n_jobs)))
    drawn = drawn[~np.isnan(drawn).all(axis=(1, 2))]
    _check_refits(len(drawn), n, alpha)
    variance = error_variances(fit, rows, included)
    se = np.sqrt(variance)
    columns = {"mean": mean, "mean_se": se}
    sizes = {"mean_ci": se, "obs_ci": np.sqrt(variance + observation_variances(fit, rows, included))}
    for kind, name in enumerate(["mean_ci", "obs_ci"] if is_observation else ["mean_ci"]):
        low, high = np.quantile(drawn[:, kind], [alpha / 2.0, 1.0 - alpha / 2.0], axis=0, method="weibull")
        columns[f"{name}_lower"], columns[f"{name}_upper"] = mean + low * sizes[name], mean + high * sizes[name]
    return pd.DataFrame(columns, index=rows.index)


def _check_refits(known: int, n: int, alpha: float) -> None:
    """Warn if draws failed or are too few for alpha; raise an EngineError if all failed."""
    if not known:
        raise EngineError(f"none of {n} draws could be refitted, so that there are no limits")
    is_few = are_too_few(known, alpha / 2.0)
    if is_few or known < n:
        few = f", {describe_too_few(alpha)}" if is_few else ""
        warn_caller(FewDrawsWarning, f"{known} of {n} draws were refitted{few}")


def _draw_errors(fit: Fit, rows: NewRows, included: Included, size: int, seed: np.random.SeedSequence) -> Floats:
    """Return t* of means and of observations for some draws, shape (size, 2, r); NaN where a refit failed."""
    rng = np.random.default_rng(seed)
    e = fit.estimate
    Y, effects = simulate_with_effects(fit.design, e.beta, e.theta, e.sigma, size, rng)
    out = np.full((size, 2, len(rows.X)), np.nan)
    for i, y in enumerate(Y.T):
        truth, observed = _draw_truth(fit, rows, included, [u[:, i] for u in effects], rng)
        try:
            again = fit.on_response(y)
            error = error_variances(again, rows, included)
        except MemoryError:
            raise
        except LmmError:
            continue
        gap = predicted_means(again, rows, included)
        out[i, 0] = _standardise_errors(truth - gap, np.sqrt(error))
        out[i, 1] = _standardise_errors(observed - gap, np.sqrt(error + observation_variances(again, rows, included)))
    return out


def _draw_truth(
    fit: Fit, rows: NewRows, included: Included, effects: list[Floats], rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Return true means and observations of the rows, each (r,), given the drawn effects of the data, (m, l) per block.

    New effects are drawn for levels that the fit has not seen, and for terms that only the observation includes.
    """
    r = len(rows.X)
    truth = rows.X @ fit.estimate.beta + rows.offset
    observed = fit.sigma * rng.standard_normal(r) / np.sqrt(rows.weights)
    for own, term, code, basis, use in zip(effects, fit.varcorr, rows.codes, rows.bases, included, strict=True):
        anew = rng.multivariate_normal(np.zeros(len(use)), np.asarray(term.cov, dtype=float), r, method="svd")
        if use.any():
            values = np.where(code[:, None] < 0, anew, own[code])
            truth = truth + (basis[:, use] * values[:, use]).sum(axis=1)
        else:
            observed += (basis * anew).sum(axis=1)
    return truth, truth + observed


def _standardise_errors(gap: Floats, size: Floats) -> Floats:
    """Return errors in units of their standard errors, zero where these are zero."""
    return np.where(size > 0, gap / np.where(size > 0, size, 1.0), np.where(np.isnan(size), np.nan, 0.0))
