"""What a prediction is, and how its error and an observation about it vary, row by row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lmmtools import core

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmmtools.fit.record import Fit
    from lmmtools.inference.new_rows import Included, NewRows

    Floats = NDArray[np.float64]

__all__ = ["error_variances", "includes_any", "observation_variances", "predicted_means"]


def includes_any(included: Included) -> bool:
    """Return whether a prediction includes a random effect."""
    return any(bool(use.any()) for use in included)


def predicted_means(fit: Fit, rows: NewRows, included: Included) -> Floats:
    """Return X b + offset + Z u of the effects included, shape (r,)."""
    mean = rows.X @ fit.estimate.beta + rows.offset
    for modes, code, basis, use in zip(fit.estimate.modes, rows.codes, rows.bases, included, strict=True):
        if use.any():
            own = np.where(code[:, None] < 0, 0.0, modes[code])
            mean = mean + np.einsum("rl,rl->r", basis[:, use], own[:, use])
    return np.asarray(mean)


def error_variances(fit: Fit, rows: NewRows, included: Included) -> Floats:
    """Return Var(x b_hat + z u_hat - x b - z u) over the effects included, (r,); NaN where a row is incomplete."""
    if rows.are_fitted and all(use.all() for use in included):  # sigma**2 h / w: leverages take a hundredth of the time
        return np.asarray(fit.scale * fit.hat_values.to_numpy() / rows.weights)
    bases = [np.where(use, B, 0.0) for B, use in zip(rows.bases, included, strict=True)]
    codes = [c if use.any() else np.zeros_like(c) for c, use in zip(rows.codes, included, strict=True)]
    complete = np.isfinite(rows.X).all(axis=1) & np.all([np.isfinite(B).all(axis=1) for B in bases], axis=0)
    out = np.full(len(rows.X), np.nan)
    out[complete] = core.prediction_variances(
        fit.problem, fit.theta, fit.reml, rows.X[complete], [c[complete] for c in codes], [B[complete] for B in bases]
    )
    return out


def observation_variances(fit: Fit, rows: NewRows, included: Included) -> Floats:
    """Return the variance of observations about the mean that is predicted, shape (r,)."""
    return _left_out_variance(fit, rows, included) + fit.scale / rows.weights


def _left_out_variance(fit: Fit, rows: NewRows, included: Included) -> Floats:
    """Return the sum of z_k' Sigma_k z_k over the terms that are not included, shape (r,), in squared units of y."""
    out = np.zeros(len(rows.X))
    for Sigma, basis, use in zip((t.cov for t in fit.varcorr), rows.bases, included, strict=True):
        if not use.any():
            out += np.einsum("ra,ab,rb->r", basis, Sigma, basis)
    return out
