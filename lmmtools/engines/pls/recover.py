"""From theta to everything the record needs, on the data's scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg.lapack import dpotrs, dtrtrs

from lmmtools.engines.pls.crossprod import indicator_rows
from lmmtools.engines.pls.factor import solve
from lmmtools.engines.pls.inverse import Inverse, invert
from lmmtools.engines.pls.objective import State, evaluate_state
from lmmtools.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lmmtools.engines.pls.problem import Problem

    Floats = NDArray[np.float64]

__all__ = [
    "Recovered",
    "conditional_covariances",
    "hat_values",
    "mode_covariances",
    "prediction_variances",
    "random_leverages",
    "recover",
    "recover_state",
]

PREDICTION_COLUMNS = 256
"""New rows solved for at once."""


@dataclass(frozen=True, slots=True, eq=False)
class Recovered:
    """Estimates at one theta.

    Attributes
    ----------
    theta : ndarray, shape (k,)
    reml : bool
    objective : float
        REML criterion or deviance.
    beta : ndarray, shape (p,)
        Fixed effects.
    beta_cov : ndarray, shape (p, p)
        sigma**2 Hxx^-1.
    sigma : float
        Residual standard deviation, units of y.
    modes : tuple of ndarray, each (m, l)
        Conditional modes of the random effects, per block.
    logdet : float
        log|M|, with M = I + Lambda'Z'WZ Lambda.
    logdet_x : float
        log|Hxx|, with Hxx = X'V^-1X (V relative to sigma**2).
    pwrss : float
        Penalised weighted residual sum of squares r2, in squared units of y.
    """

    theta: Floats
    reml: bool
    objective: float
    beta: Floats
    beta_cov: Floats
    sigma: float
    modes: tuple[Floats, ...]
    logdet: float
    logdet_x: float
    pwrss: float


def recover(problem: Problem, theta: Floats, reml: bool = True) -> Recovered:
    """Fixed effects, their covariance, sigma and conditional modes at theta (data's scale).

    Raises
    ------
    EngineError
        If the criterion cannot be evaluated at theta.
    """
    return recover_state(problem, evaluate_state(problem, problem.to_lambdas(theta), reml))


def recover_state(problem: Problem, s: State, theta: Floats | None = None) -> Recovered:
    """The same from an evaluated point, whose theta may be known already."""
    scale = problem.response.y_scale
    sigma = scale * float(np.sqrt(s.r2 / s.dof))
    X = problem.scaling.x_map
    beta = X @ (problem.response.centre + scale * s.b)
    inverse = _inverse_hxx(s)
    u = scale * (s.U[:, -1] - s.U[:, :-1] @ s.b)
    modes: list[Floats] = [u] * len(s.lambdas)
    for f in problem.structure.factors:
        rows = u[f.columns].reshape(f.m, f.l)
        for k, part in f.parts():
            R = problem.scaling.basis_maps[k]
            modes[k] = (
                rows[:, part] / R[0, 0]
                if len(R) == 1
                else np.asarray(np.linalg.solve(R, rows[:, part].T).T, dtype=float)
            )
    logdet_x = 2.0 * float(np.log(s.Lxx.diagonal()).sum()) - problem.log_x_map if problem.p else 0.0
    return Recovered(
        problem.to_theta(s.lambdas) if theta is None else theta,
        s.reml,
        s.objective,
        beta,
        sigma**2 * (X @ inverse @ X.T),
        sigma,
        tuple(modes),
        s.elimination.logdet,
        logdet_x,
        scale**2 * s.r2,
    )


def _inverse_hxx(s: State) -> Floats:
    """Hxx^-1 in the engine's coordinates, shape (p, p)."""
    p = len(s.b)
    if p == 0:
        return np.zeros((0, 0))
    inverse, _ = dpotrs(s.Lxx, np.eye(p), lower=1)
    return np.asarray(0.5 * (inverse + inverse.T))


def conditional_covariances(problem: Problem, theta: Floats, reml: bool = True) -> tuple[Floats, ...]:
    """Covariance of each level's effects given the data and theta, per block (m, l, l): lme4's ``condVar``.

    sigma**2 lambda_k [M^-1]_gg lambda_k', with beta taken as known.
    """
    s = evaluate_state(problem, problem.to_lambdas(theta), reml)
    sigma2 = problem.response.y_scale**2 * s.r2 / s.dof
    W = invert(s.elimination, blocks=True)
    out: list[Floats] = [np.zeros(0)] * len(s.lambdas)
    for f, diagonal in zip(problem.structure.factors, W.diagonal, strict=True):
        for k, part in f.parts():
            inverse = np.linalg.inv(problem.scaling.basis_maps[k])
            own = sigma2 * (inverse @ diagonal[:, part, part] @ inverse.T)
            out[k] = 0.5 * (own + own.transpose(0, 2, 1))
    return tuple(out)


def mode_covariances(problem: Problem, theta: Floats, reml: bool = True) -> tuple[Floats, ...]:
    """Covariance of each level's conditional mode as a random variable, theta known, per block (m, l, l).

    Sigma - sigma**2 (W_gg + U_g Hxx^-1 U_g'): less than Sigma by what is left unknown of the effect, beta estimated.
    """
    s = evaluate_state(problem, problem.to_lambdas(theta), reml)
    sigma2 = problem.response.y_scale**2 * s.r2 / s.dof
    p = problem.p
    V = dtrtrs(s.Lxx, s.U[:, :p].T, lower=1)[0].T if p else s.U[:, :0]
    W = invert(s.elimination, blocks=True)
    out: list[Floats] = [np.zeros(0)] * len(s.lambdas)
    for f, diagonal in zip(problem.structure.factors, W.diagonal, strict=True):
        v = V[f.columns].reshape(f.m, f.l, -1)
        unknown = diagonal + np.einsum("gap,gbp->gab", v, v)
        for k, part in f.parts():
            inverse = np.linalg.inv(problem.scaling.basis_maps[k])
            own = s.lambdas[k] @ s.lambdas[k].T - unknown[:, part, part]
            out[k] = sigma2 * (inverse @ own @ inverse.T)
    return tuple(out)


def hat_values(problem: Problem, theta: Floats, reml: bool = True) -> Floats:
    """Leverages: the diagonal of the map from y to the conditional fitted values, shape (n,), at a given theta.

    h_i = w_i [ z_i'W z_i + (x_i - U_X'z_i)' Hxx^-1 (x_i - U_X'z_i) ] with W = Lambda M^-1 Lambda'; only the entries of
    W that some row of Z meets are formed.
    """
    s = evaluate_state(problem, problem.to_lambdas(theta), reml)
    h = random_leverages(problem, s)
    if problem.p:
        free = problem.rows.Q - problem.rows.Zt.T @ s.U[:, :-1]
        x, _ = dtrtrs(s.Lxx, free.T, lower=1)
        h += np.einsum("in,in->n", x, x)
    weights = problem.design.weights
    return h if weights is None else h * weights


def random_leverages(problem: Problem, s: State) -> Floats:
    """z_i'W z_i of every row, shape (n,): the part of its leverage over w_i that the random effects have."""
    W = invert(s.elimination, blocks=True)
    d = problem.design
    st = problem.structure
    rows = []
    for f in st.factors:
        parts = [np.linalg.solve(problem.scaling.basis_maps[k].T, d.blocks[k].basis.T).T for k in f.blocks]
        rows.append((d.blocks[f.blocks[0]].codes, parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)))
    h = np.zeros(d.n)
    for i, (code, z) in enumerate(rows):
        h += np.einsum("na,nab,nb->n", z, W.diagonal[i][code], z)
        for j in range(i + 1, len(rows)):
            h += 2.0 * np.einsum("na,nab,nb->n", z, _between(problem, s, W, i, j, code, rows[j][0]), rows[j][1])
    return h


def _between(
    problem: Problem, s: State, W: Inverse, i: int, j: int, ci: NDArray[np.intp], cj: NDArray[np.intp]
) -> Floats:
    """Blocks of W between the levels that each row has of factors i and j (i eliminated first), shape (n, l_i, l_j)."""
    st = problem.structure
    n_chain = len(st.chain)
    fi, fj = st.factors[i], st.factors[j]
    if j < n_chain:
        return W.links[i][j - i - 1][ci]
    columns = fj.start - st.q_chain + cj[:, None] * fj.l + np.arange(fj.l)
    if i >= n_chain and W.W_rest is not None:
        own = fi.start - st.q_chain + ci[:, None] * fi.l + np.arange(fi.l)
        return W.W_rest.ravel(order="K")[st.layout.place(own[:, :, None], columns[:, None, :])]
    kind, values = st.chain[i].coupling, W.couplings[i]
    assert kind is not None
    assert values is not None
    parts = [kind.row_products(ci, values, columns[:, b]) for b in range(fj.l)]
    return np.stack(parts, axis=2)


def prediction_variances(
    problem: Problem,
    theta: Floats,
    reml: bool,
    X: Floats,
    codes: Sequence[NDArray[np.intp]] | None = None,
    bases: Sequence[Floats] | None = None,
) -> Floats:
    """Variance of the error of X b + Z u as a prediction of its true value at new rows, shape (r,), squared units of y.

    sigma**2 [ z'W z + (x - U_X'z)' Hxx^-1 (x - U_X'z) ], theta taken as known; a new observation has sigma**2 / w more.

    Parameters
    ----------
    problem : Problem
    theta : array_like, shape (k,)
    reml : bool
    X : ndarray, shape (r, p)
        Columns as in the design.
    codes : sequence of ndarray of int, each (r,), optional
        Level of each new row per block, -1 for a level that the design does not have; such a level's effect is
        predicted by zero and adds its whole variance z' Sigma z. Without codes the prediction is of X b alone.
    bases : sequence of ndarray, each (r, l), optional
    """
    s = evaluate_state(problem, problem.to_lambdas(theta), reml)
    sigma2 = problem.response.y_scale**2 * s.r2 / s.dof
    x = np.asarray(X, dtype=float) @ problem.scaling.x_map
    out = np.zeros(len(x))
    if codes is not None and bases is not None:
        d = problem.design
        if len(codes) != len(d.blocks) or len(bases) != len(d.blocks):
            raise EngineError(f"Give codes and bases for each of the {len(d.blocks)} blocks.")
        known, shown = [], []
        for lam, R, c, B in zip(s.lambdas, problem.scaling.basis_maps, codes, bases, strict=True):
            new = np.asarray(c) < 0
            spread = np.linalg.solve(R.T, np.where(new[:, None], B, 0.0).T).T @ lam
            out += np.einsum("ra,ra->r", spread, spread)
            known.append(np.where(new, 0, c))
            shown.append(np.where(new[:, None], 0.0, B))
        Z = indicator_rows(tuple(known), tuple(shown), tuple(b.m for b in d.blocks), problem.scaling.basis_maps)[
            :, problem.structure.order
        ]
        for start in range(0, len(x), PREDICTION_COLUMNS):
            rows = slice(start, start + PREDICTION_COLUMNS)
            C = np.asfortranarray(Z[rows].T.toarray())
            U, _ = solve(s.elimination, C)
            out[rows] += np.einsum("qr,qr->r", C, U)
        x = x - Z @ s.U[:, :-1]
    if problem.p:
        z, _ = dtrtrs(s.Lxx, x.T, lower=1)
        out += np.einsum("pr,pr->r", z, z)
    return sigma2 * out
