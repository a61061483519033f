"""What a cluster-robust covariance of the fixed effects is made of, cluster by cluster.

With V_j the covariance of the rows of cluster j in the model, over sigma**2, M^-1 = X'V^-1X = sum_j X_j'V_j^-1X_j, and
e the residuals y - X b, the estimator is

    M (sum_j u_j u_j') M ,   u_j = E_j'e_j ,   E_j = A_j V_j^-1 X_j

    CR0, CR1    A_j = I, times a factor that depends on the number of clusters
    CR2         A_j = D_j'(D_j (V_j - X_j M X_j') D_j')^+1/2 D_j ,   D_j'D_j = V_j ,   ^+ the pseudo-inverse
    CR3         A_j = (I - X_j M X_j'V_j^-1)^-1 , cluster j left out

(Bell & McCaffrey 2002, Surv. Methodol. 28; Pustejovsky & Tipton 2018, J. Bus. Econ. Stat. 36, equations 5, 6 and 11).
In the model, the covariance of E_i'e_i c and E_j'e_j d is c'(delta_ij F_i - H_i'M H_j) d with F_j = E_j'V_j E_j and
H_j = X_j'E_j, from which the degrees of freedom follow.

All is in coordinates of the fixed effects in which M is the identity. CR0, CR1 and CR3 need X_j'V_j^-1[X_j e_j] alone.
For CR2, the rows of a cluster are replaced by R of [U_j X_j e_j] = QR with V_j = I + U_j U_j': A_j is the identity off
the columns of Q, so that no matrix is larger than the cluster's columns of Z and X.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.linalg import solve_triangular

from lmmtools.core.after.leverage import blocks_of_rows, by_factor, times_rows
from lmmtools.core.after.recover import recover_state
from lmmtools.core.after.row_sets import RowSets
from lmmtools.core.data.room import check_clusters, check_largest_cluster
from lmmtools.core.search.objective import evaluate_state
from lmmtools.design.theta import lambda_factors
from lmmtools.errors import EngineError
from lmmtools.threads import single

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from lmmtools.core.data.problem import Problem
    from lmmtools.core.search.objective import State

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]

__all__ = ["ClusterScores", "Correction", "cluster_scores"]

Correction = Literal["none", "square-root", "jackknife"]

AT_ONCE = 2_000_000
"""Numbers (16 MB) in the largest array of the clusters that are worked on at once."""

SPREAD = 1.5
"""How many times the rows of the smallest cluster the largest one worked on beside it may have: rows are padded."""

DETERMINED = 1e-9
"""Share of the information on a direction of the fixed effects that other clusters have, and that counts as zero."""


@dataclass(frozen=True, slots=True, eq=False)
class ClusterScores:
    """Sums over the rows of each cluster, in coordinates of the fixed effects with M = I.

    Attributes
    ----------
    root : ndarray, shape (p, p)
        The fixed effects in units of the data are ``root`` times these coordinates; ``root @ root.T`` is (X'V^-1X)^-1
        in units of sigma**2.
    sigma : float
        Residual standard deviation, units of y.
    u : ndarray, shape (m, p)
        E_j'e_j, in units of y.
    F, H : ndarray, shape (m, p, p)
        E_j'V_j E_j and X_j'E_j.
    """

    root: Floats
    sigma: float
    u: Floats
    F: Floats
    H: Floats


@single
def cluster_scores(
    problem: Problem, theta: Floats, reml: bool, clusters: Codes, m: int, correction: Correction
) -> ClusterScores:
    """Return the sums of each cluster that a robust covariance is made of.

    Parameters
    ----------
    problem : Problem
    theta : ndarray, shape (k,)
    reml : bool
    clusters : ndarray of intp, shape (n,)
        Cluster of each row; every level of every factor lies in one.
    m : int
        Number of clusters, none of them empty.
    correction : {"none", "square-root", "jackknife"}
        A_j of CR0, of CR2, of CR3.

    Raises
    ------
    EngineError
        If the criterion cannot be evaluated at theta, there is no memory for the clusters, or, for CR3, a cluster alone
        determines a fixed effect.
    """
    check_clusters(m, problem.p)
    s = evaluate_state(problem, problem.to_lambdas(theta), reml)
    p = problem.p
    turn = solve_triangular(s.Lxx, np.eye(p), lower=True).T if p else s.Lxx
    found = recover_state(problem, s)
    root = problem.scaling.x_map @ turn
    residuals = problem.design.response - problem.design.fixed @ found.beta
    if correction == "square-root":
        U = _random_columns(problem, found.theta)
        u, F, H = _square_root(problem, problem.rows.Q @ turn, residuals, U, clusters, m)
        return ClusterScores(root, found.sigma, u, F, H)
    u, G = _plain(problem, s, turn, residuals, clusters, m)
    if correction == "none":
        return ClusterScores(root, found.sigma, u, G, G)
    left = np.eye(p) - G
    if p and np.linalg.eigvalsh(left)[:, 0].min() <= DETERMINED:
        raise EngineError('a cluster alone determines a fixed effect, so that CR3 is not defined: use cov="CR2"')
    H = np.asarray(np.linalg.solve(left, G), dtype=float)
    u = np.asarray(np.linalg.solve(left, u[:, :, None])[:, :, 0], dtype=float)
    return ClusterScores(root, found.sigma, u, H @ np.linalg.inv(left), H)


def _plain(
    problem: Problem, s: State, turn: Floats, residuals: Floats, clusters: Codes, m: int
) -> tuple[Floats, Floats]:
    """Return X_j'V_j^-1 e_j, shape (m, p), and X_j'V_j^-1 X_j, shape (m, p, p).

    V^-1 X is W (X - Z u) with u the random effects that predict X, which the engine has.
    """
    p = problem.p
    u, G = np.zeros((m, p)), np.zeros((m, p, p))
    z = by_factor(problem, [b.basis for b in problem.design.blocks])
    w = problem.residual.weighted(np.ones(problem.n))
    for rows in blocks_of_rows(problem.n, p):
        X, own = problem.rows.Q[rows], clusters[rows]
        W_X = (X - times_rows(problem, z, rows, s.U[:, :-1])) @ turn * w[rows, None]
        X = X @ turn
        for a in range(p):
            u[:, a] += np.bincount(own, W_X[:, a] * residuals[rows], m)
            for b in range(a + 1):
                G[:, a, b] += np.bincount(own, W_X[:, a] * X[:, b], m)
    for a in range(p):
        G[:, :a, a] = G[:, a, :a]
    return u, G


@dataclass(frozen=True, slots=True, eq=False)
class _RandomColumns:
    """Z Lambda of one block, whose columns are held by level.

    Attributes
    ----------
    codes : ndarray of intp, shape (n,)
        Level of each row.
    values : ndarray, shape (n, l)
        The row's entries in the columns of that level.
    m : int
        Number of levels.
    """

    codes: Codes
    values: Floats
    m: int


def _random_columns(problem: Problem, theta: Floats) -> list[_RandomColumns]:
    """Return Z Lambda by block; blocks without variance are left out."""
    blocks = problem.design.blocks
    factors = zip(blocks, lambda_factors(theta, blocks), strict=True)
    return [_RandomColumns(b.codes, b.basis @ lam, b.m) for b, lam in factors if lam.any()]


def _square_root(
    problem: Problem, X: Floats, residuals: Floats, U: list[_RandomColumns], clusters: Codes, m: int
) -> tuple[Floats, Floats, Floats]:
    """Return u, F and H of CR2, some clusters of about the same size at a time."""
    p = X.shape[1]
    sets = RowSets.of_levels(clusters, m)
    w = problem.residual.weighted(np.ones(problem.n))
    first = w[sets.rows[sets.starts]]
    is_even = bool((w == first[clusters]).all())
    if is_even and (w != 1.0).any():
        # A_j is the same in any unit of the cluster's rows: they are given the weight one.
        scale = np.sqrt(w)
        X, residuals = X * scale[:, None], residuals * scale
        U = [_RandomColumns(c.codes, c.values * scale[:, None], c.m) for c in U]
    local = [_number_within(c, clusters, sets) for c in U]
    columns = sum((counts * c.values.shape[1] for (_, counts), c in zip(local, U, strict=True)), np.zeros(m)) + p + 1
    check_largest_cluster(int((np.minimum(sets.sizes, columns) if is_even else sets.sizes).max()))
    out = np.empty((m, p)), np.empty((m, p, p)), np.empty((m, p, p))
    for places in _batches(sets, [counts for _, counts in local], [c.values.shape[1] for c in U], p):
        batch = sets.take(places)
        at = np.repeat(np.arange(len(places)), batch.sizes)
        within = np.arange(len(batch.rows)) - np.repeat(batch.starts, batch.sizes)
        widths = [int(counts[places].max()) * c.values.shape[1] for (_, counts), c in zip(local, U, strict=True)]
        q = sum(widths)
        Y = np.zeros((len(places), int(batch.sizes.max()), q + p + 1))
        start = 0
        for (numbers, _), c, width in zip(local, U, widths, strict=True):
            l = c.values.shape[1]
            columns = start + numbers[batch.rows, None] * l + np.arange(l)
            Y[at[:, None], within[:, None], columns] = c.values[batch.rows]
            start += width
        Y[at, within, q:-1], Y[at, within, -1] = X[batch.rows], residuals[batch.rows]
        variances = np.ones(Y.shape[:2])
        if not is_even:
            variances[at, within] = 1.0 / w[batch.rows]
        elif Y.shape[1] > Y.shape[2]:
            Y = np.asarray(np.linalg.qr(Y, mode="r"), dtype=float)
            variances = np.ones(Y.shape[:2])
        for whole, part in zip(out, _adjusted(Y, variances, q), strict=True):
            whole[places] = part
    return out


def _number_within(c: _RandomColumns, clusters: Codes, sets: RowSets) -> tuple[Codes, Codes]:
    """Return the number of each row's level among those of its cluster, (n,), and how many these have, (m,)."""
    cluster_of = np.zeros(c.m, dtype=np.intp)
    cluster_of[c.codes] = clusters
    order = np.argsort(cluster_of, kind="stable")
    counts = np.bincount(cluster_of, minlength=len(sets))
    numbers = np.empty(c.m, dtype=np.intp)
    numbers[order] = np.arange(c.m) - np.repeat(np.cumsum(counts) - counts, counts)
    return numbers[c.codes], counts


def _batches(sets: RowSets, counts: list[Codes], widths: list[int], p: int) -> Iterator[Codes]:
    """Yield places of clusters that are worked on together: of about the same size, and together of bounded memory."""
    q = np.zeros(len(sets), dtype=np.intp)
    for own, l in zip(counts, widths, strict=True):
        q += own * l
    order = np.lexsort((q, sets.sizes))
    sizes, columns = sets.sizes[order], q[order] + p + 1
    start = 0
    for i in range(1, len(order) + 1):
        if i < len(order) and sizes[i] <= SPREAD * sizes[start] + 2:
            numbers = (i - start + 1) * sizes[i] * max(int(columns[start : i + 1].max()), min(sizes[i], columns[i]))
            if numbers <= AT_ONCE:
                continue
        yield order[start:i]
        start = i


def _adjusted(Y: Floats, variances: Floats, q: int) -> tuple[Floats, Floats, Floats]:
    """Return u, F and H of CR2 for g clusters from [U X e], shape (g, r, q + p + 1), padded with rows of zeros.

    Parameters
    ----------
    Y : ndarray, shape (g, r, q + p + 1)
    variances : ndarray, shape (g, r)
        V_j = diag(variances) + U U'.
    q : int
        Columns of U.
    """
    U, X, e = Y[:, :, :q], Y[:, :, q:-1], Y[:, :, -1:]
    V = U @ U.swapaxes(1, 2)
    at = np.arange(V.shape[1])
    V[:, at, at] += variances
    L = np.linalg.cholesky(V)
    Lt = L.swapaxes(1, 2)
    white = np.linalg.solve(L, X)
    # The directions of the fixed effects that no other cluster tells of are as many zero values of B.
    known = np.linalg.eigvalsh(white.swapaxes(1, 2) @ white) if X.shape[2] else np.zeros((len(Y), 0))
    lost = (known >= 1.0 - DETERMINED).sum(axis=1)
    values, vectors = np.linalg.eigh(Lt @ (V - X @ X.swapaxes(1, 2)) @ L)
    is_zero = at < lost[:, None]
    powers = np.where(is_zero, 0.0, np.where(is_zero, 1.0, values) ** -0.5)
    turned = (vectors * powers[:, None, :]) @ (vectors.swapaxes(1, 2) @ white)
    E = L @ turned
    Et, spread = E.swapaxes(1, 2), Lt @ E
    return (Et @ e)[:, :, 0], spread.swapaxes(1, 2) @ spread, X.swapaxes(1, 2) @ E
