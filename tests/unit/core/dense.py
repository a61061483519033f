"""The oracle: the likelihood as a textbook writes it, with V written out as an n x n matrix.

Nothing is shared with the engine but the Design record and the layout of theta. Sources: Searle, Casella & McCulloch
(1992), Variance Components, chapter 6 (likelihood, restricted likelihood); Henderson's inverse for the modes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import optimize

from lmmtools.design.matrices import Design


@dataclass(frozen=True)
class DenseFit:
    objective: float
    beta: np.ndarray
    beta_cov: np.ndarray
    sigma2: float
    V: np.ndarray  # relative to sigma2
    P: np.ndarray
    Z: np.ndarray
    Sigma: np.ndarray  # Lambda Lambda', relative


def lambdas(design: Design, theta: np.ndarray) -> list[np.ndarray]:
    out, at = [], 0
    for block in design.blocks:
        lam = np.zeros((block.l, block.l))
        for column in range(block.l):
            for row in range(column, block.l):
                lam[row, column] = theta[at]
                at += 1
        out.append(lam)
    return out


def dense_fit(design: Design, theta: np.ndarray, reml: bool) -> DenseFit:
    n, p = design.X.shape
    w = np.ones(n) if design.weights is None else design.weights
    pieces, roots = [], []
    for block, lam in zip(design.blocks, lambdas(design, theta), strict=True):
        Z = np.zeros((n, block.m * block.l))
        for i in range(n):
            at = block.codes[i] * block.l
            Z[i, at : at + block.l] = block.basis[i]
        pieces.append(Z)
        roots.append(np.kron(np.eye(block.m), lam @ lam.T))
    Z = np.hstack(pieces)
    Sigma = np.zeros((Z.shape[1], Z.shape[1]))
    at = 0
    for root in roots:
        Sigma[at : at + len(root), at : at + len(root)] = root
        at += len(root)
    V = Z @ Sigma @ Z.T + np.diag(1.0 / w)
    inverse = np.linalg.inv(V)
    y = design.y if design.offset is None else design.y - design.offset
    Hxx = design.X.T @ inverse @ design.X
    Hinv = np.linalg.inv(Hxx) if p else np.zeros((0, 0))
    beta = Hinv @ design.X.T @ inverse @ y
    e = y - design.X @ beta
    r2 = float(e @ inverse @ e)
    dof = n - p if reml else n
    objective = np.linalg.slogdet(V)[1] + dof * (1 + np.log(2 * np.pi * r2 / dof))
    if reml and p:
        objective += np.linalg.slogdet(Hxx)[1]
    P = inverse - inverse @ design.X @ Hinv @ design.X.T @ inverse
    return DenseFit(float(objective), beta, r2 / dof * Hinv, r2 / dof, V, P, Z, Sigma)


def dense_criterion(design: Design, theta: np.ndarray, reml: bool) -> float:
    return dense_fit(design, theta, reml).objective


def central_gradient(design: Design, theta: np.ndarray, reml: bool, h: float = 1e-4) -> np.ndarray:
    """Five-point differences of the oracle."""
    out = []
    for e in np.eye(len(theta)):
        f = [dense_criterion(design, theta + c * h * e, reml) for c in (-2, -1, 1, 2)]
        out.append((8 * (f[2] - f[1]) - (f[3] - f[0])) / (12 * h))
    return np.array(out)


def unprofiled(design: Design, parameters: np.ndarray, reml: bool) -> float:
    """-2 log L (or the REML criterion) in variances and covariances, the residual's last; constants left out."""
    relative = parameters[:-1] / parameters[-1]
    n, p = design.X.shape
    w = np.ones(n) if design.weights is None else design.weights
    V = np.diag(1.0 / w)
    at = 0
    for block in design.blocks:
        S = np.zeros((block.l, block.l))
        for column in range(block.l):
            for row in range(column, block.l):
                S[row, column] = S[column, row] = relative[at]
                at += 1
        V += (block.codes[:, None] == block.codes) * (block.basis @ S @ block.basis.T)
    V *= parameters[-1]
    inverse = np.linalg.inv(V)
    y = design.y if design.offset is None else design.y - design.offset
    Hxx = design.X.T @ inverse @ design.X
    e = y - design.X @ np.linalg.solve(Hxx, design.X.T @ inverse @ y) if p else y
    out = np.linalg.slogdet(V)[1] + e @ inverse @ e
    return float(out + np.linalg.slogdet(Hxx)[1] if reml and p else out)


def multi_start(design: Design, reml: bool, starts: int, seed: int) -> float:
    """Lowest criterion that derivative-free and gradient searches find from scattered starts."""
    rng = np.random.default_rng(seed)
    best = np.inf
    for _ in range(starts):
        start = np.exp(rng.normal(-0.5, 1.0, design.k)) * rng.choice([-1.0, 1.0], design.k)
        found = optimize.minimize(
            lambda t: dense_criterion(design, t, reml),
            start,
            method="L-BFGS-B",
            options={"maxiter": 300, "ftol": 1e-13},
        )
        polished = optimize.minimize(
            lambda t: dense_criterion(design, t, reml),
            found.x,
            method="Nelder-Mead",
            options={"xatol": 1e-9, "fatol": 1e-11, "maxiter": 4000},
        )
        best = min(best, float(found.fun), float(polished.fun))
    return best
