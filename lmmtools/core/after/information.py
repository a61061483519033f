"""Observed information of the variance parameters, and their covariance on the variance and the sd scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lmmtools.core.elimination.chain import invert
from lmmtools.core.model.covariance import is_null
from lmmtools.core.search.certificate import tie
from lmmtools.core.search.curvature import quadratic_forms
from lmmtools.core.search.objective import Derivatives, State, derivatives, derivatives_from, evaluate_state, projector
from lmmtools.core.search.parameters import original_directions, sigma_entries
from lmmtools.core.search.traces import trace_products_once
from lmmtools.design.theta import upper_triangle
from lmmtools.threads import single

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lmmtools.core.data.problem import Problem
    from lmmtools.design.blocks import Block
    from lmmtools.design.matrices import Design

    Floats = NDArray[np.float64]

__all__ = [
    "VarianceInformation",
    "information",
    "invert_tied",
    "maps_in_own_units",
]

BOUNDARY = "not defined on the boundary of the parameter space: {}"
UNKNOWN = "not defined: the data tell only the sum of this and of another term's variance"

IDLE = 1e-8
"""Eigenvalue of the information, scaled to a unit diagonal, that counts as zero."""

SHARE = 1e-6
"""Element of a direction, as a share of the largest, that counts as zero."""


@dataclass(frozen=True, slots=True, eq=False)
class VarianceInformation:
    """The variance parameters' estimates and their asymptotic covariance.

    Elements run over blocks in design order, the lower triangle of each covariance matrix column by column, then the
    residual: lme4's order of theta with sigma after it.

    Attributes
    ----------
    blocks : tuple of int
        Index of the block of each element, -1 for the residual.
    entries : tuple of (int, int)
        (row, column) within the block's covariance matrix.
    names : tuple of str
        On the variance scale: ``var(Subject: (Intercept))``, ``cov(Subject: Days, (Intercept))``, ``var(Residual)``.
    vcov : ndarray, shape (k + 1,)
        Variances and covariances, squared units of y.
    units : ndarray, shape (k + 1,)
        Products of sigma**2 and the sizes of the effects' columns, in which numbers are in range whatever the data's.
    relative_cov : ndarray, shape (k + 1, k + 1)
        Covariance of ``vcov / units``: the inverse of half the Hessian of -2 log L or the REML criterion. NaN where
        undefined.
    sdcor_names : tuple of str
        ``sd(...)`` and ``cor(...)``.
    sdcor : ndarray, shape (k + 1,)
        Standard deviations (units of y) and correlations.
    sd_units : ndarray, shape (k + 1,)
        The same for standard deviations; one for correlations.
    relative_sdcor_cov : ndarray, shape (k + 1, k + 1)
        Covariance of ``sdcor / sd_units``, by the delta method.
    relative_information : ndarray, shape (k + 1, k + 1)
        The observed information itself, of ``vcov / units``; NaN where undefined.
    reasons : tuple of str
        Per element: why its variance is undefined, or an empty string.
    boundary : tuple of str
        For each block without full rank, a clause that says which variance is zero.
    """

    blocks: tuple[int, ...]
    entries: tuple[tuple[int, int], ...]
    names: tuple[str, ...]
    vcov: Floats
    units: Floats
    relative_cov: Floats
    sdcor_names: tuple[str, ...]
    sdcor: Floats
    sd_units: Floats
    relative_sdcor_cov: Floats
    relative_information: Floats
    reasons: tuple[str, ...]
    boundary: tuple[str, ...]

    @property
    def vcov_cov(self) -> Floats:
        """Covariance of the variances and covariances, shape (k + 1, k + 1), in units of y to the fourth power."""
        return self.units * (self.units[:, None] * self.relative_cov)

    @property
    def vcov_se(self) -> Floats:
        """Standard errors of the variances and covariances, shape (k + 1,), NaN where undefined."""
        return self.units * np.sqrt(np.diag(self.relative_cov))

    @property
    def sdcor_se(self) -> Floats:
        """Standard errors of the standard deviations and correlations, shape (k + 1,), NaN where undefined."""
        return self.sd_units * np.sqrt(np.diag(self.relative_sdcor_cov))

    @property
    def sdcor_cov(self) -> Floats:
        """Covariance of standard deviations and correlations, shape (k + 1, k + 1)."""
        return self.sd_units * (self.sd_units[:, None] * self.relative_sdcor_cov)


@single
def information(problem: Problem, theta: Floats, reml: bool = True) -> VarianceInformation:
    """Return the observed information of the variance parameters at an optimum.

    A term whose covariance matrix has lost rank has no information matrix; it is held fixed, its own elements are NaN
    with the reason, and the other elements are conditional on it.

    Parameters
    ----------
    problem : Problem
    theta : array_like, shape (k,)
        An optimum, on the data's scale.
    reml : bool

    Raises
    ------
    EngineError
        If the criterion cannot be evaluated at theta.
    """
    s = evaluate_state(problem, problem.to_lambdas(theta), reml)
    blocks = problem.design.blocks
    sigma = problem.response.y_scale * float(np.sqrt(s.r2 / s.dof))
    owners, entries, values, reasons, interior = [], [], [], [], []
    covariances: list[Floats] = []
    boundary: list[str] = []
    units, sd_units = [], []
    sizes = effect_sizes(problem)
    maps = maps_in_own_units(problem)
    for k, (lam, R) in enumerate(zip(s.lambdas, maps, strict=True)):
        half = np.linalg.solve(R, lam)
        covariances.append(half @ half.T)
        is_interior = not is_null(np.asarray(np.linalg.svd(lam, compute_uv=False), float), problem.units[k]).any()
        interior.append(is_interior)
        found = "" if is_interior else _describe_boundary(blocks[k], covariances[k])
        reason = BOUNDARY.format(found) if found else ""
        if found:
            boundary.append(found)
        columns, rows = upper_triangle(len(lam))
        for a, b in zip(rows.tolist(), columns.tolist(), strict=True):
            owners.append(k)
            entries.append((a, b))
            values.append(covariances[k][a, b])
            reasons.append(reason)
            units.append((sigma / sizes[k][a]) * (sigma / sizes[k][b]))
            sd_units.append(sigma / sizes[k][a] if a == b else 1.0)
    free = np.array([*(interior[k] for k in owners), True])
    at = np.flatnonzero(free)
    info = np.full((len(free), len(free)), np.nan)
    info[np.ix_(at, at)] = _observed(problem, s, maps, [k for k, inside in enumerate(interior) if inside])
    cov = np.full_like(info, np.nan)
    inverse = invert_tied(info[np.ix_(at, at)], problem.design, at)
    cov[np.ix_(at, at)], failure = inverse.cov, inverse.failure
    for i in at[inverse.is_unknown]:
        cov[i, :] = cov[:, i] = np.nan
        if i < len(reasons):
            reasons[i] = UNKNOWN
    if failure:
        reasons = [r or failure for r in reasons]
    relative, jacobian = _sdcor(covariances, owners, entries)
    sdcor_cov = np.full_like(info, np.nan)
    at = at[~inverse.is_unknown]
    J = jacobian[np.ix_(at, at)]
    sdcor_cov[np.ix_(at, at)] = J @ cov[np.ix_(at, at)] @ J.T
    names, sd_names = _names(blocks, owners, entries)
    return VarianceInformation(
        (*owners, -1),
        (*entries, (0, 0)),
        names,
        np.array([*units, sigma**2]) * [*values, 1.0],
        np.array([*units, sigma**2]),
        cov,
        sd_names,
        np.array([*sd_units, sigma]) * relative,
        np.array([*sd_units, sigma]),
        sdcor_cov,
        info,
        (*reasons, failure),
        tuple(boundary),
    )


def effect_sizes(problem: Problem) -> list[Floats]:
    """Return the root mean square of each effect's column per block, (l,); of the first where blocks share a variance.

    In these units numbers are of moderate size whatever the units of the data, and variances that are one parameter
    remain one.
    """
    sizes = [np.linalg.norm(R, axis=0) for R in problem.scaling.basis_maps]
    for first, *others in problem.design.shared:
        for other in others:
            sizes[other] = sizes[first]
    return sizes


def maps_in_own_units(problem: Problem) -> list[Floats]:
    """Return the maps from the data's effects, in units of their :func:`effect_sizes`, to the engine's, each (l, l)."""
    return [R / size for R, size in zip(problem.scaling.basis_maps, effect_sizes(problem), strict=True)]


def _describe_boundary(block: Block, covariance: Floats) -> str:
    """Return a clause that says what of a term's covariance is zero."""
    if block.l == 1:
        return f"the variance of {block.term} is zero"
    zero = [name for name, v in zip(block.cnames, np.diag(covariance), strict=True) if v <= 0]
    if zero:
        return f"the variance of {', '.join(zero)} in {block.term} is zero"
    return f"the covariance matrix of {block.term} is singular"


@dataclass(frozen=True, slots=True, eq=False)
class Inverse:
    """The covariance of some elements from their information.

    Attributes
    ----------
    cov : ndarray, shape (r, r)
        Covariance of what the data determine; zero along the other directions. NaN where the information is not
        positive definite.
    idle : ndarray, shape (r, s)
        Directions without information, in columns.
    failure : str
        Why there is no covariance, or an empty string.
    """

    cov: Floats
    idle: Floats
    failure: str = ""

    @property
    def is_unknown(self) -> NDArray[np.bool_]:
        """Whether each element changes along a direction without information, shape (r,)."""
        size = np.abs(self.idle)
        return np.asarray((size > SHARE * size.max(axis=0, initial=0.0)).any(axis=1))


def invert_tied(info: Floats, design: Design, at: NDArray[np.intp]) -> Inverse:
    """Return the covariance of the elements ``at``; elements that blocks share are one parameter."""
    if not design.shared:
        return _invert(info)
    P = np.zeros((design.k + 1, design.k_free + 1))
    P[:-1, :-1], P[-1, -1] = tie(design), 1.0
    P = P[at][:, P[at].any(axis=0)]
    found = _invert(P.T @ info @ P)
    return Inverse(P @ found.cov @ P.T, P @ found.idle, found.failure)


def _invert(info: Floats) -> Inverse:
    """Return the covariance from the information, without its directions of zero information."""
    scale = 1.0 / np.sqrt(np.maximum(np.abs(np.diag(info)), np.finfo(float).tiny))
    values, vectors = np.linalg.eigh(info * scale * scale[:, None])
    V = vectors * scale[:, None]
    is_idle = np.abs(values) <= IDLE
    if (values[~is_idle] < 0).any():
        failure = "the observed information is not positive definite: no maximum here"
        return Inverse(np.full_like(info, np.nan), V[:, :0], failure)
    half = V[:, ~is_idle] / np.sqrt(values[~is_idle])
    return Inverse(half @ half.T, V[:, is_idle])


def _observed(problem: Problem, s: State, maps: Sequence[Floats], inside: Sequence[int]) -> Floats:
    """Return half the Hessian of the unprofiled criterion in (Phi_k of the blocks ``inside``, sigma**2) / sigma**2.

    Phi_k is of the effects that ``maps`` take to the engine's.

    With Phi = s2 Sigma the criterion is D = log|V(Sigma)| (+ log|Hxx|) + dof log s2 + r2(Sigma) / s2. With g its
    derivative in Sigma and H = -t + 2 Q / s2 its second derivative there (V is linear in Sigma), the chain rule gives

        s2^2 D_Phi,Phi = H          s2^2 D_Phi,s2 = q / s2 - g - H Sigma
        s2^2 D_s2,s2   = 2 r2 / s2 - dof + 2 (g - q / s2)'Sigma + Sigma'H Sigma
    """
    inverse, Y = invert(s.elimination), projector(s)
    d = derivatives_from(problem, s, inverse.T, Y)
    s2 = s.r2 / s.dof
    sigma = [original_directions(R) for R in maps]
    starts = np.cumsum([0, *(len(x) for x in sigma)])
    at = np.concatenate([np.arange(starts[k], starts[k + 1]) for k in inside]) if inside else np.zeros(0, dtype=int)
    q, Q = quadratic_forms(problem, s, sigma)
    t = trace_products_once(problem, s, inverse, Y, sigma)
    if t is None:
        t = _trace_by_differences(problem, s, inside, sigma, starts)
    H = (2.0 * Q / s2 - t)[np.ix_(at, at)]
    # First derivatives at sigma2: of log|V| + log|Hxx|, and of r2 / sigma2.
    parts = []
    for k, x in enumerate(sigma):
        full = d.G[k] + _score(problem, s, k) * (s.dof / s.r2 - 1.0 / s2)
        parts.append(np.einsum("iab,ab->i", x, full))
    g = np.concatenate(parts)[at]
    original = np.concatenate([sigma_entries(R, lam) for R, lam in zip(maps, s.lambdas, strict=True)])[at]
    out = np.empty((len(at) + 1, len(at) + 1))
    # Along Phi, Sigma = Phi / s2; along s2 with Phi fixed, Sigma moves by -Sigma / s2.
    out[:-1, :-1] = H
    out[:-1, -1] = out[-1, :-1] = q[at] / s2 - g - H @ original
    out[-1, -1] = 2.0 * s.r2 / s2 - s.dof + 2.0 * (g - q[at] / s2) @ original + original @ H @ original
    return 0.5 * out


def _score(problem: Problem, s: State, k: int) -> Floats:
    """Return sum_g f_g f_g' of one block, (l, l): minus the derivative of r2 with respect to Sigma_k."""
    for f in problem.structure.factors:
        for j, part in f.parts():
            if j == k:
                rows = s.f[f.columns].reshape(f.m, f.l)[:, part]
                return np.asarray(rows.T @ rows)
    raise AssertionError(k)


def _trace_by_differences(
    problem: Problem, s: State, inside: Sequence[int], sigma: Sequence[Floats], starts: NDArray[np.intp]
) -> Floats:
    """Return tr(P V_i P V_j) as minus the derivative of the traces, by extrapolated central differences."""
    k = int(starts[-1])
    out = np.full((k, k), np.nan)
    for block in inside:
        lam = s.lambdas[block]
        Sigma = lam @ lam.T
        smallest = float(np.linalg.eigvalsh(Sigma)[0])
        for i, direction in enumerate(sigma[block]):
            # Small against the smallest eigenvalue, so that Sigma stays positive definite on both sides.
            h = 0.02 * smallest / float(np.linalg.norm(direction, 2))
            T = []
            for c in (-2.0, -1.0, 1.0, 2.0):
                moved = list(s.lambdas)
                moved[block] = np.linalg.cholesky(Sigma + c * h * direction)
                T.append(_traces(problem, evaluate_state(problem, moved, s.reml), sigma))
            out[starts[block] + i] = -(8.0 * (T[2] - T[1]) - (T[3] - T[0])) / (12.0 * h)
    return np.asarray(0.5 * (out + out.T))


def _traces(problem: Problem, s: State, sigma: Sequence[Floats]) -> Floats:
    """Return tr(P V_i) for all directions."""
    d: Derivatives = derivatives(problem, s)
    parts = []
    for k, x in enumerate(sigma):
        full = d.G[k] + _score(problem, s, k) * (s.dof / s.r2)
        parts.append(np.einsum("iab,ab->i", x, full))
    return np.concatenate(parts)


def _sdcor(
    covariances: Sequence[Floats], owners: Sequence[int], entries: Sequence[tuple[int, int]]
) -> tuple[Floats, Floats]:
    """Return standard deviations and correlations, and their Jacobian, of covariances in units of sigma**2."""
    k = len(owners)
    where = {(o, e): i for i, (o, e) in enumerate(zip(owners, entries, strict=True))}
    values = np.empty(k + 1)
    J = np.zeros((k + 1, k + 1))
    for i, (o, (a, b)) in enumerate(zip(owners, entries, strict=True)):
        C = covariances[o]
        sd = np.sqrt(np.diag(C))
        if a == b:
            values[i] = sd[a]
            J[i, i] = 0.5 / sd[a] if sd[a] > 0 else np.nan
            continue
        product = sd[a] * sd[b]
        values[i] = C[a, b] / product if product > 0 else np.nan
        J[i, i] = 1.0 / product if product > 0 else np.nan
        for c in (a, b):
            J[i, where[o, (c, c)]] = -0.5 * values[i] / C[c, c] if C[c, c] > 0 else np.nan
    values[k], J[k, k] = 1.0, 0.5
    return values, J


def _names(
    blocks: Sequence[Block], owners: Sequence[int], entries: Sequence[tuple[int, int]]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names of the elements as variances and covariances, and as standard deviations and correlations."""
    first, second = [], []
    for o, (a, b) in zip(owners, entries, strict=True):
        block = blocks[o]
        if a == b:
            first.append(f"var({block.group}: {block.cnames[a]})")
            second.append(f"sd({block.group}: {block.cnames[a]})")
        else:
            first.append(f"cov({block.group}: {block.cnames[a]}, {block.cnames[b]})")
            second.append(f"cor({block.group}: {block.cnames[a]}, {block.cnames[b]})")
    return (*first, "var(Residual)"), (*second, "sd(Residual)")
