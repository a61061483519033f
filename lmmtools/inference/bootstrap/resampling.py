"""How a bootstrap's data sets are drawn: from the model, from residuals and modes, from whole groups."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lmmtools.design.components import connected_components
from lmmtools.design.stack import stack_rows
from lmmtools.errors import DataError
from lmmtools.inference.simulation import simulate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmmtools.design.record import Design
    from lmmtools.results.lmm_results import LMMResults

    Floats = NDArray[np.float64]

__all__ = ["KINDS", "draw_designs", "draw_responses", "independent_groups"]

KINDS = ("parametric", "residual", "cluster")


def draw_responses(fit: LMMResults, kind: str, n: int, rng: np.random.Generator) -> Floats:
    """Return n responses on the fit's design, shape (nobs, n)."""
    if kind == "parametric":
        estimate = fit.estimate
        return simulate(fit.design, estimate.beta, estimate.theta, estimate.sigma, n, rng)
    return _from_residuals(fit, n, rng)


def _from_residuals(fit: LMMResults, n: int, rng: np.random.Generator) -> Floats:
    """Draw modes and residuals with replacement, centred and stretched to the estimated variances.

    Modes are shrunken: their empirical covariance is smaller than Sigma, and is made equal to it by a linear map
    (Carpenter, Goldstein & Rasbash 2003, Appl. Statist. 52).
    """
    design = fit.design
    fixed = design.X @ fit.estimate.beta
    mean = fixed if design.offset is None else fixed + design.offset
    root = np.ones(design.n) if design.weights is None else np.sqrt(design.weights)
    residuals = fit.resid.to_numpy() * root
    residuals = residuals - residuals.mean()
    residuals *= fit.sigma / np.sqrt(np.mean(residuals**2))
    out = mean[:, None] + residuals[rng.integers(design.n, size=(design.n, n))] / root[:, None]
    for block, modes, term in zip(design.blocks, fit.estimate.modes, fit.varcorr, strict=True):
        stretched = _stretch(modes - modes.mean(axis=0), np.asarray(term.cov, dtype=float))
        effects = stretched[rng.integers(block.m, size=(block.m, n))]
        for j in range(block.l):
            out += block.basis[:, j, None] * effects[block.codes, :, j]
    return np.asarray(out)


def _stretch(modes: Floats, covariance: Floats) -> Floats:
    """Return modes (m, l) mapped so that their mean square is ``covariance``."""
    values, vectors = np.linalg.eigh(modes.T @ modes / len(modes))
    keep = values > 1e-12 * max(values.max(), np.finfo(float).tiny)
    whiten = vectors[:, keep] / np.sqrt(values[keep])
    own, axes = np.linalg.eigh(covariance)
    half = axes * np.sqrt(np.maximum(own, 0.0))
    # From the modes' principal axes to the model's, largest to largest.
    target = half[:, ::-1][:, : whiten.shape[1]]
    return np.asarray(modes @ whiten[:, ::-1] @ target.T)


def independent_groups(design: Design) -> list[NDArray[np.intp]]:
    """Return the rows of each group of the data that shares no random effect with another.

    Raises
    ------
    DataError
        If there is one group only.
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


def draw_designs(design: Design, groups: list[NDArray[np.intp]], n: int, rng: np.random.Generator) -> list[Design]:
    """Return n designs of as many groups as the data have, drawn with replacement; a group drawn again is a new one."""
    out = []
    for _ in range(n):
        drawn = np.sort(rng.integers(len(groups), size=len(groups)))
        copies = np.arange(len(drawn)) - np.searchsorted(drawn, drawn)
        out.append(stack_rows(design, [groups[i] for i in drawn], copies.tolist()))
    return out
