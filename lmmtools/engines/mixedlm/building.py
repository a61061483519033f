"""MixedLM models built from arrays: all of a layout, or what is left of it at the boundary.

The data are first put on scales that MixedLM's algebra handles without loss: the response is reduced to its
least-squares residual in units of its spread, X to orthonormal columns and each basis to unit mean square, so that
neither an offset of 1e9 in y nor a column in nanometres costs digits. A component that is zero is left out of the
MixedLM model, and a singular covariance matrix is replaced by its full-rank factor: the model is the same, and every
formula of MixedLM stays finite.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools import memory
from lmmtools.design.theta import lambda_factors, row_sizes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmmtools.design.matrices import Design
    from lmmtools.engines.mixedlm.layout import MixedLMLayout


__all__ = [
    "Conditioned",
    "ReducedModel",
    "build_model",
    "build_reduced_model",
    "condition",
    "least_squares_criterion",
    "read_criterion",
    "root_mean_squares",
]

STATSMODELS = 5e8
"""Bytes of address space that loading statsmodels takes, with what it loads (measured: 486 MB)."""

# A direction of lambda_k whose singular value is below this share of the largest entry of all lambda is left out of
# the MixedLM model: MixedLM itself treats variance ratios under 1e-10 as zero, and wrongly (it loses fixed effects).
RANK_TOL = 2e-5
# A direction with a singular value below this is left out too, for bases of mean square one: it moves no criterion.
SMALLEST = 1.5e-5


def build_model(
    data: Conditioned,
    layout: MixedLMLayout,
    codes: tuple[NDArray[np.intp], ...],
    re_basis: NDArray[np.float64] | None,
    vc_bases: dict[int, NDArray[np.float64]],
) -> Any:
    """Return a fresh MixedLM with the given random coefficients and scalar components.

    Parameters
    ----------
    data, layout
        The conditioned data and where the groups are.
    codes : tuple of ndarray, each (n,)
        Level of each row, per block.
    re_basis : ndarray, shape (n, r), or None
        Columns of ``exog_re``.
    vc_bases : dict of int to ndarray, each (n,)
        Block index -> its single basis column; MixedLM sorts components by name, hence the padded names.
    """
    memory.need_library("statsmodels", STATSMODELS)
    from statsmodels.regression.mixed_linear_model import MixedLM, VCSpec

    order = np.argsort(layout.islands, kind="stable")
    bounds = np.searchsorted(layout.islands[order], np.arange(layout.n_islands + 1))
    rows = [order[a:b] for a, b in pairwise(bounds)]
    names, colnames, mats = [], [], []
    for index, basis in vc_bases.items():
        names.append(f"v{index:04d}")
        own = [_indicators(codes[index][ii], basis[ii]) for ii in rows]
        mats.append([mat for mat, _ in own])
        colnames.append([[str(level) for level in levels] for _, levels in own])
    vc = VCSpec(names, colnames, mats) if names else None
    return MixedLM(data.endog, data.exog, groups=layout.islands, exog_re=re_basis, exog_vc=vc)


def _indicators(codes: NDArray[np.intp], basis: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Return one group's design of a scalar component, shape (rows, levels), and its levels."""
    levels, position = np.unique(codes, return_inverse=True)
    mat = np.zeros((codes.size, levels.size))
    mat[np.arange(codes.size), position] = basis
    return mat, levels


@dataclass(frozen=True, slots=True, eq=False)
class ReducedModel:
    """A MixedLM model at a given theta, without the components that are zero there.

    Attributes
    ----------
    data : Conditioned
    model : MixedLM
    start : MixedLMParams
        theta in the model's own parameters.
    vc_blocks : tuple of int
        The blocks that are variance components of the model.
    root : ndarray, shape (l, r), or None
        Full-rank factor of lambda_k that the random coefficients' basis was multiplied by.
    """

    data: Conditioned
    model: Any
    start: Any
    vc_blocks: tuple[int, ...]
    root: NDArray[np.float64] | None


def build_reduced_model(design: Design, layout: MixedLMLayout, theta: NDArray[np.float64]) -> ReducedModel | None:
    """Return MixedLM's model at ``theta``, or None where nothing random is left.

    Components that are zero are left out and singular covariance matrices reduced to their rank, so that MixedLM is
    asked only what it can answer.
    """
    from statsmodels.regression.mixed_linear_model import MixedLMParams

    data = condition(design)
    blocks = design.blocks
    lambdas = [lam * u[:, None] for lam, u in zip(lambda_factors(theta, blocks), data.units, strict=True)]
    floor = max(SMALLEST, RANK_TOL * max(float(np.max(np.abs(lam))) for lam in lambdas))
    vc_bases = {i: data.bases[i][:, 0] for i in layout.vc_blocks if lambdas[i][0, 0] > floor}
    vcomp = np.array([lambdas[i][0, 0] ** 2 for i in vc_bases])
    root, re_basis = None, None
    if layout.re_block is not None:
        root = _full_rank_root(lambdas[layout.re_block], floor)
        re_basis = data.bases[layout.re_block] @ root if root.shape[1] else None
    if re_basis is None and not vc_bases:
        return None
    model = build_model(data, layout, tuple(b.codes for b in blocks), re_basis, vc_bases)
    rank = 0 if re_basis is None else re_basis.shape[1]
    start = MixedLMParams.from_components(fe_params=np.zeros(design.p), cov_re=np.eye(rank), vcomp=vcomp)
    return ReducedModel(data, model, start, tuple(vc_bases), root)


def _full_rank_root(lam: NDArray[np.float64], floor: float) -> NDArray[np.float64]:
    """Return a root of lambda_k lambda_k', shape (l, r), with r its numerical rank."""
    U, s, _ = np.linalg.svd(lam)
    keep = s > floor
    if keep.all():
        return lam
    return np.asarray(U[:, keep] * s[keep])


@dataclass(frozen=True, slots=True, eq=False)
class Conditioned:
    """The data on the scales that MixedLM gets.

    y = offset + X b_ols + scale * endog, X = exog @ R, basis_k = bases[k] * units[k].

    Attributes
    ----------
    endog : ndarray, shape (n,)
    exog : ndarray, shape (n, p)
        Orthogonal columns of mean square one.
    R : ndarray, shape (p, p)
    b_ols : ndarray, shape (p,)
    scale : float
        Root mean square of the least-squares residual, in units of y.
    bases : tuple of ndarray, each (n, l)
    units : tuple of ndarray, each (l,)
        Root mean square of each basis column.
    """

    endog: NDArray[np.float64]
    exog: NDArray[np.float64]
    R: NDArray[np.float64]
    b_ols: NDArray[np.float64]
    scale: float
    bases: tuple[NDArray[np.float64], ...]
    units: tuple[NDArray[np.float64], ...]


def condition(design: Design) -> Conditioned:
    """Return the data of ``design`` on scales that MixedLM's algebra handles without loss."""
    n = design.n
    root = np.sqrt(n)
    norms = np.sqrt(np.mean(design.X**2, axis=0))
    Q, R = np.linalg.qr(design.X / norms)
    Q, R = Q * root, R / root * norms
    gamma = Q.T @ design.response / n
    resid = design.response - Q @ gamma
    # Once more on the residual: one pass of Gram-Schmidt loses digits where X explains nearly everything.
    again = Q.T @ resid / n
    resid -= Q @ again
    scale = float(np.sqrt(np.mean(resid**2)))
    b_ols = np.linalg.solve(R, gamma + again)
    units = tuple(root_mean_squares(b.basis) for b in design.blocks)
    bases = tuple(b.basis / u for b, u in zip(design.blocks, units, strict=True))
    return Conditioned(resid / scale, Q, R, b_ols, scale, bases, units)


def root_mean_squares(basis: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the root mean square of each column, shape (l,); 1 for a column of zeros."""
    rms = row_sizes(basis)
    return np.where(rms > 0, rms, 1.0)


def read_criterion(design: Design, data: Conditioned, llf: float, *, reml: bool) -> float:
    """Return the REML criterion or deviance, on the data's scale, of MixedLM's log-likelihood of conditioned data."""
    dof = design.n - design.p if reml else design.n
    objective = -2.0 * llf + 2.0 * dof * np.log(data.scale)
    if reml:
        # log|X'V^-1X| with X = exog @ R.
        objective += 2.0 * float(np.linalg.slogdet(data.R)[1])
    return float(objective)


def least_squares_criterion(design: Design, *, reml: bool) -> float:
    """Return the REML criterion or deviance of the model without random effects, lme4's constants."""
    data = condition(design)
    n, p = design.n, design.p
    dof = n - p if reml else n
    rss = float(data.endog @ data.endog) * data.scale**2
    value = dof * (1.0 + np.log(2.0 * np.pi * rss / dof))
    if reml:
        value += p * np.log(n) + 2.0 * float(np.linalg.slogdet(data.R)[1])
    return float(value)
