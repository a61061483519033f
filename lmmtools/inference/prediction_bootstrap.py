"""Limits of predictions from a parametric bootstrap, which counts that the variances are estimates.

Data and the truth at the rows to predict are drawn together from the fitted model, the model is refitted, and the
prediction's error is taken in units of the standard error that the refit gives it,

    t* = (truth* - prediction*) / se*

The limits are the prediction plus the quantiles of t* times its own standard error (Davison & Hinkley 1997, section
5.2; Hall 1988, Ann. Statist. 16). Where the variances are known t* is standard normal; where few levels tell them its
tails are as heavy as their uncertainty makes them.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from lmmtools import core
from lmmtools.errors import EngineError, FewDrawsWarning, LmmError
from lmmtools.inference.bootstrap.limits import are_too_few, describe_too_few
from lmmtools.inference.bootstrap.pieces import run_pieces, spawn_pieces
from lmmtools.inference.prediction_error import error_variances, observation_variances, predicted_means
from lmmtools.inference.simulation import simulate_with_effects

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from lmmtools.fit.record import Fit
    from lmmtools.inference.new_rows import Included, NewRows

    Floats = NDArray[np.float64]

__all__ = ["bootstrap_frame"]


def bootstrap_frame(
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
    """Return means with standard errors and drawn limits, columns as those of the normal ones.

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
    _check_count(len(drawn), n, alpha)
    variance = error_variances(fit, rows, included)
    se = np.sqrt(variance)
    columns = {"mean": mean, "mean_se": se}
    sizes = {"mean_ci": se, "obs_ci": np.sqrt(variance + observation_variances(fit, rows, included))}
    for kind, name in enumerate(["mean_ci", "obs_ci"] if is_observation else ["mean_ci"]):
        low, high = np.quantile(drawn[:, kind], [alpha / 2.0, 1.0 - alpha / 2.0], axis=0, method="weibull")
        columns[f"{name}_lower"], columns[f"{name}_upper"] = mean + low * sizes[name], mean + high * sizes[name]
    return pd.DataFrame(columns, index=rows.index)


def _check_count(known: int, n: int, alpha: float) -> None:
    """Warn of draws that could not be refitted, or are too few for alpha; raise an EngineError if there are none."""
    if not known:
        raise EngineError(f"none of {n} draws could be refitted, so that there are no limits")
    is_few = are_too_few(known, alpha / 2.0)
    if is_few or known < n:
        few = f", {describe_too_few(alpha)}" if is_few else ""
        warnings.warn(f"{known} of {n} draws were refitted{few}", FewDrawsWarning, stacklevel=5)


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
        except LmmError:
            continue
        gap = predicted_means(again, rows, included)
        out[i, 0] = _divide_errors(truth - gap, np.sqrt(error))
        out[i, 1] = _divide_errors(observed - gap, np.sqrt(error + observation_variances(again, rows, included)))
    return out


def _draw_truth(
    fit: Fit, rows: NewRows, included: Included, effects: list[Floats], rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Return the mean that is predicted and an observation, each (r,), where the data have these effects, (m, l) each.

    A level that the fit has not seen, and what a mean does not include and an observation has, is drawn anew.
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


def _divide_errors(gap: Floats, size: Floats) -> Floats:
    """Return errors in units of their standard errors, zero where these are zero."""
    return np.where(size > 0, gap / np.where(size > 0, size, 1.0), np.where(np.isnan(size), np.nan, 0.0))
