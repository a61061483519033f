"""Fit through MixedLM: arrays with safe names and good scales, a fresh model per fit, and the boundary by reduction.

MixedLM works well in the interior of the parameter space, on data of ordinary scale, from a start that is not far off.
This module sees to all three. The response is reduced to its least-squares residual in units of its spread, X to
orthonormal columns and each basis to unit mean square (so that neither an offset of 1e9 in y nor a column in
nanometres costs digits). A component that is zero is left out of the MixedLM model, and a singular covariance matrix
is replaced by its full-rank factor: the model is the same, and every formula of MixedLM stays finite.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools.design.theta import lambda_factors, pack_lambda
from lmmtools.engines import pls
from lmmtools.engines.estimate import Agreement
from lmmtools.engines.mixedlm.plan import MixedLMPlan, cost, plan
from lmmtools.errors import EngineError
from lmmtools.threads import cores_for, single

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from numpy.typing import NDArray

    from lmmtools.design.record import Design
    from lmmtools.engines.estimate import Estimate

__all__ = ["Readback", "confirm", "evaluate_at", "fit", "search"]

# A direction of lambda_k whose singular value is below this share of the largest entry of all lambda is left out of
# the MixedLM model: MixedLM itself treats variance ratios under 1e-10 as zero, and wrongly (it loses fixed effects).
RANK_TOL = 2e-5
# Smallest diagonal of lambda_k that the polish starts from.
START_FLOOR = 0.05
# MixedLM's optimisers stop on the largest element of the gradient of llf / n; its default of 1e-5 leaves 4 digits.
GTOL = 1e-8


@dataclass(frozen=True, slots=True, eq=False)
class Conditioned:
    """The data as MixedLM sees them.

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


@dataclass(frozen=True, slots=True, eq=False)
class Readback:
    """MixedLM's own numbers at a given theta, on the data's scale; shapes as in Estimate."""

    objective: float
    beta: NDArray[np.float64]
    beta_cov: NDArray[np.float64]
    sigma: float
    modes: tuple[NDArray[np.float64], ...]


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
    units = tuple(_units(b.basis) for b in design.blocks)
    bases = tuple(b.basis / u for b, u in zip(design.blocks, units, strict=True))
    return Conditioned(resid / scale, Q, R, b_ols, scale, bases, units)


def _units(basis: NDArray[np.float64]) -> NDArray[np.float64]:
    rms = np.sqrt(np.mean(basis**2, axis=0))
    return np.where(rms > 0, rms, 1.0)


def build_model(
    data: Conditioned,
    layout: MixedLMPlan,
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
    levels, position = np.unique(codes, return_inverse=True)
    mat = np.zeros((codes.size, levels.size))
    mat[np.arange(codes.size), position] = basis
    return mat, levels


@single
def search(
    design: Design, layout: MixedLMPlan, *, reml: bool
) -> tuple[NDArray[np.float64] | None, int, tuple[str, ...]]:
    """Return the theta that MixedLM's own optimisers find (None if they fail), evaluations, and what they said."""
    from statsmodels.tools.sm_exceptions import ConvergenceWarning

    data = condition(design)
    blocks = design.blocks
    re_basis = data.bases[layout.re_block] if layout.re_block is not None else None
    vc_bases = {i: data.bases[i][:, 0] for i in layout.vc_blocks}
    model = build_model(data, layout, tuple(b.codes for b in blocks), re_basis, vc_bases)
    with warnings.catch_warnings(record=True) as caught, np.errstate(all="ignore"):
        warnings.simplefilter("always")
        try:
            with _cores_for_groups(design, layout):
                result = model.fit(reml=reml, method=["bfgs", "powell"], gtol=GTOL, full_output=True)
        except (np.linalg.LinAlgError, ValueError, FloatingPointError) as error:
            return None, 0, (f"MixedLM's optimisers failed ({error})",)
    said = tuple(dict.fromkeys(str(w.message) for w in caught if issubclass(w.category, ConvergenceWarning)))
    evaluations = sum(int(h.get("fcalls", 0)) for h in result.hist or ())
    lambdas: list[NDArray[np.float64]] = [np.zeros((b.l, b.l)) for b in blocks]
    if layout.re_block is not None:
        lambdas[layout.re_block] = _cholesky(np.asarray(result.cov_re_unscaled)) / data.units[layout.re_block][:, None]
    for i, variance in zip(layout.vc_blocks, np.atleast_1d(result.vcomp) / result.scale, strict=True):
        lambdas[i] = np.sqrt(np.atleast_2d(variance)) / data.units[i][:, None]
    # theta = 0 is a stationary point of the square-root parametrisation, MixedLM's as well as ours, optimum or not:
    # lifted off it, the polish can tell which way is down.
    lifted = [_lift(lam, unit) for lam, unit in zip(lambdas, data.units, strict=True)]
    theta = pack_lambda(lifted)
    return (theta, evaluations, said) if np.all(np.isfinite(theta)) else (None, evaluations, said)


def _cores_for_groups(design: Design, layout: MixedLMPlan) -> AbstractContextManager[None]:
    """Return the context of MixedLM's algebra, which goes from group to group."""
    return cores_for(int(cost(design, layout)) // layout.n_islands)


def _lift(lam: NDArray[np.float64], unit: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return lambda_k with diagonal elements of at least START_FLOOR, in units of sigma per unit of the basis."""
    lifted = lam.copy()
    np.fill_diagonal(lifted, np.maximum(np.diag(lam), START_FLOOR / unit))
    return lifted


def _cholesky(cov: NDArray[np.float64]) -> NDArray[np.float64]:
    """Lower-triangular factor with a non-negative diagonal of a positive semidefinite matrix of any rank."""
    values, vectors = np.linalg.eigh(cov)
    root = vectors * np.sqrt(np.clip(values, 0.0, None))
    R = np.asarray(np.linalg.qr(root.T, mode="r"))
    return np.asarray((R * np.where(np.diag(R) < 0, -1.0, 1.0)[:, None]).T)


@single
def evaluate_at(design: Design, layout: MixedLMPlan, theta: NDArray[np.float64], *, reml: bool) -> Readback | None:
    """Return MixedLM's own numbers with the optimum ``theta`` as its start, or None where nothing random is left.

    Components that are zero are left out and singular covariance matrices reduced to their rank, so that MixedLM is
    asked only what it can answer. MixedLM's optimiser starts at the optimum and stops there.

    Raises
    ------
    EngineError
        If MixedLM moves away from theta or fails: then theta is not its optimum.
    """
    from statsmodels.regression.mixed_linear_model import MixedLMParams

    data = condition(design)
    blocks = design.blocks
    lambdas = [lam * u[:, None] for lam, u in zip(lambda_factors(theta, blocks), data.units, strict=True)]
    floor = RANK_TOL * max(float(np.max(np.abs(lam))) for lam in lambdas)
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
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        # What MixedLM warns of here (its absolute boundary rule, a gradient norm) is decided by the certificate.
        warnings.simplefilter("ignore")
        try:
            with _cores_for_groups(design, layout):
                result = model.fit(start_params=start, reml=reml, method="bfgs", maxiter=50)
                llf = float(model.loglike(result.params_object, profile_fe=False))
        except (np.linalg.LinAlgError, ValueError, FloatingPointError) as error:
            raise EngineError(f"MixedLM failed at the optimum: {error}") from error
    if not np.isfinite(llf):
        raise EngineError("MixedLM's likelihood is not finite at the optimum")
    return _read_back(design, layout, data, result, llf, list(vc_bases), root, reml=reml)


def _full_rank_root(lam: NDArray[np.float64], floor: float) -> NDArray[np.float64]:
    """Return (l, r) with the same product with its transpose as lambda_k, r its numerical rank."""
    U, s, _ = np.linalg.svd(lam)
    keep = s > floor
    if keep.all():
        return lam
    return np.asarray(U[:, keep] * s[keep])


def _read_back(
    design: Design,
    layout: MixedLMPlan,
    data: Conditioned,
    result: Any,
    llf: float,
    vc_blocks: list[int],
    root: NDArray[np.float64] | None,
    *,
    reml: bool,
) -> Readback:
    n, p = design.n, design.p
    dof = n - p if reml else n
    objective = -2.0 * llf + 2.0 * dof * np.log(data.scale)
    if reml:
        # log|X'V^-1X| with X = exog @ R.
        objective += 2.0 * float(np.linalg.slogdet(data.R)[1])
    R_inv = np.linalg.inv(data.R)
    beta = data.b_ols + data.scale * (R_inv @ np.asarray(result.fe_params))
    # MixedLM's cov_params inverts the whole observed information, cross terms of fixed and variance parameters
    # included, though these vanish in expectation; lme4's vcov is the inverse of the fixed-effects block alone.
    information = np.linalg.inv(np.asarray(result.cov_params()))[:p, :p]
    beta_cov = data.scale**2 * R_inv @ np.linalg.inv(information) @ R_inv.T
    modes = _modes(design, layout, data, result, vc_blocks, root)
    return Readback(float(objective), beta, beta_cov, data.scale * float(np.sqrt(result.scale)), modes)


def _modes(
    design: Design,
    layout: MixedLMPlan,
    data: Conditioned,
    result: Any,
    vc_blocks: list[int],
    root: NDArray[np.float64] | None,
) -> tuple[NDArray[np.float64], ...]:
    modes = [np.zeros((b.m, b.l)) for b in design.blocks]
    rank = 0 if root is None else root.shape[1]
    re_level = np.zeros(layout.n_islands, dtype=np.intp)
    if layout.re_block is not None:
        re_level[layout.islands] = design.blocks[layout.re_block].codes
    for group, effects in result.random_effects.items():
        values = np.asarray(effects, dtype=float)
        if layout.re_block is not None and root is not None and rank:
            unit = data.units[layout.re_block]
            modes[layout.re_block][re_level[group]] = data.scale * (root @ values[:rank]) / unit
        position = rank
        for j, index in enumerate(vc_blocks):
            levels = np.array(result.model.exog_vc.colnames[j][result.model.group_labels.index(group)], dtype=np.intp)
            modes[index][levels, 0] = data.scale * values[position : position + levels.size] / data.units[index][0]
            position += levels.size
    return tuple(modes)


def confirm(design: Design, layout: MixedLMPlan, estimate: Estimate) -> Agreement:
    """Return how closely MixedLM, started at the estimate's theta, confirms it.

    Where every variance is zero there is no MixedLM model: the least-squares criterion in closed form stands in.
    """
    read = evaluate_at(design, layout, estimate.theta, reml=estimate.reml)
    objective = read.objective if read is not None else least_squares_criterion(design, reml=estimate.reml)
    return _agreement("mixedlm" if read is not None else "least squares", objective, estimate.objective)


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


def fit(design: Design, *, reml: bool = True, **options: Any) -> Estimate:
    """Fit through statsmodels' MixedLM and return the polished, certified estimate.

    MixedLM's optimisers give theta; exact gradients polish it and decide the boundary (a component is zero when zero
    is no worse); MixedLM evaluates the model there, and its numbers are what the estimate holds.

    Parameters
    ----------
    design : Design
    reml : bool
        REML or maximum likelihood.
    **options
        Passed to the polishing optimiser (``max_iter``, tolerances, ``callback``).

    Raises
    ------
    TranslationError
        If MixedLM cannot express the model.
    EngineError
        If MixedLM's algebra fails at the optimum.
    """
    layout = plan(design)
    start, evaluations, said = search(design, layout, reml=reml)
    polished = pls.fit(design, reml=reml, start=start, **options)
    read = evaluate_at(design, layout, polished.theta, reml=reml)
    messages = (*polished.messages, *(f"MixedLM: {text}" for text in said))
    estimate = replace(polished, engine="mixedlm", n_evaluations=evaluations, messages=messages)
    if read is None:
        objective = least_squares_criterion(design, reml=reml)
        return replace(estimate, agreement=_agreement("least squares", objective, estimate.objective))
    return replace(
        estimate,
        beta=read.beta,
        beta_cov=read.beta_cov,
        sigma=read.sigma,
        objective=read.objective,
        modes=read.modes,
        agreement=_agreement("pls", polished.objective, read.objective),
    )


def _agreement(engine: str, objective: float, reference: float) -> Agreement:
    return Agreement(engine, objective, (objective - reference) / max(1.0, abs(reference)))
