"""Data sets of a bootstrap, drawn from the model, from residuals and modes or from groups, and their parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lmmtools.design.factors import connected_components
from lmmtools.design.stack import stack_rows
from lmmtools.design.theta import lambda_factors
from lmmtools.errors import DataError
from lmmtools.inference.profile.coordinates import parameters_of
from lmmtools.inference.simulation import simulate
from lmmtools.threads import single

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmmtools.design.matrices import Design
    from lmmtools.fit.record import Fit

    Floats = NDArray[np.float64]

__all__ = ["KINDS", "draw_designs", "draw_responses", "independent_groups", "parameter_names", "parameter_values"]

KINDS = ("parametric", "residual", "cluster")

OWN_SHARE = 1e-6
"""A column of modes counts as determined by those before it if its residual is at most this share of it."""


@single
def draw_responses(fit: Fit, kind: str, n: int, rng: np.random.Generator) -> Floats:
    """Return n responses on the fit's design, shape (nobs, n)."""
    if kind == "parametric":
        estimate = fit.estimate
        return simulate(fit.design, estimate.beta, estimate.theta, estimate.sigma, n, rng)
    return _draw_from_residuals(fit, n, rng)


def _draw_from_residuals(fit: Fit, n: int, rng: np.random.Generator) -> Floats:
    """Return responses from modes and residuals drawn with replacement, shape (nobs, n).

    Both are centred and scaled to the estimated variances. Modes are shrunken: their empirical covariance is smaller
    than Sigma. A lower-triangular map with a positive diagonal makes it equal (Carpenter, Goldstein & Rasbash 2003,
    Appl. Statist. 52); only this map neither reflects modes nor depends on the units of the covariates.
    """
    design = fit.design
    fixed = design.fixed @ fit.estimate.beta
    mean = fixed if design.offset is None else fixed + design.offset
    root = np.ones(design.n) if design.weights is None else np.sqrt(design.weights)
    residuals = fit.resid.to_numpy() * root
    residuals = residuals - residuals.mean()
    residuals *= fit.sigma / np.sqrt(np.mean(residuals**2))
    out = mean[:, None] + residuals[rng.integers(design.n, size=(design.n, n))] / root[:, None]
    factors = lambda_factors(fit.estimate.theta, design.blocks)
    for block, modes, lam in zip(design.blocks, fit.estimate.modes, factors, strict=True):
        stretched = _whiten(modes) @ (fit.sigma * lam.T)
        effects = stretched[rng.integers(block.m, size=(block.m, n))]
        for j in range(block.l):
            out += block.basis[:, j, None] * effects[block.codes, :, j]
    return np.asarray(out)


def _whiten(modes: Floats) -> Floats:
    """Return modes, shape (m, l), centred and orthogonalised column by column, with mean square one.

    A column that those before it determine becomes zero.
    """
    out = np.zeros_like(modes)
    for j, own in enumerate((modes - modes.mean(axis=0)).T):
        size = float(np.abs(own).max())
        if size == 0:
            continue
        own = own / size
        rest = own - out @ (out.T @ own) / len(out)
        # Twice, so that what remains of a dependent column is rounding error relative to the remainder.
        rest -= out @ (out.T @ rest) / len(out)
        if np.linalg.norm(rest) > OWN_SHARE * np.linalg.norm(own):
            out[:, j] = rest / np.sqrt(np.mean(rest**2))
    return out


def independent_groups(design: Design) -> list[NDArray[np.intp]]:
    """Return the row indices of each group of the data that shares no random effect with another group.

    Raises
    ------
    DataError
        If all rows are one group.
    """
    islands = connected_components([b.codes for b in design.blocks], [b.m for b in design.blocks])
    count = int(islands.max()) + 1
    if count < 2:
        names = " and ".join(dict.fromkeys(b.group for b in design.blocks))
        raise DataError(
            f'kind="cluster" draws independent groups, and the levels of {names} join all rows into one; use '
            'kind="parametric" or "residual"'
        )
    order = np.argsort(islands, kind="stable")
    return np.split(order, np.cumsum(np.bincount(islands, minlength=count))[:-1])


@single
def draw_designs(design: Design, groups: list[NDArray[np.intp]], n: int, rng: np.random.Generator) -> list[Design]:
    """Return n designs of as many groups as the data have, drawn with replacement; repeated groups get new levels."""
    out = []
    for _ in range(n):
        drawn = np.sort(rng.integers(len(groups), size=len(groups)))
        copies = np.arange(len(drawn)) - np.searchsorted(drawn, drawn)
        out.append(stack_rows(design, [groups[i] for i in drawn], copies.tolist()))
    return out


def parameter_names(design: Design) -> tuple[str, ...]:
    """Return the names of standard deviations and correlations, sigma, and fixed effects, in lme4's order."""
    return tuple(p.name for p in parameters_of(design))


def parameter_values(design: Design, theta: Floats, sigma: Floats, beta: Floats) -> Floats:
    """Return the parameters of B fits, shape (B, parameters); a correlation with a zero standard deviation is NaN.

    Parameters
    ----------
    design : Design
    theta : ndarray, shape (B, k)
    sigma : ndarray, shape (B,)
    beta : ndarray, shape (B, p)
    """
    parts = []
    for lam in lambda_factors(theta, design.blocks):
        l = lam.shape[1]
        relative = lam @ lam.transpose(0, 2, 1)
        sd = np.sqrt(np.einsum("zaa->za", relative))
        for j in range(l):
            parts.append(sd[:, j] * sigma)
            for i in range(j + 1, l):
                product = sd[:, i] * sd[:, j]
                with np.errstate(invalid="ignore", divide="ignore"):
                    parts.append(np.where(product > 0, relative[:, i, j] / product, np.nan))
    return np.column_stack([*parts, sigma, beta])
