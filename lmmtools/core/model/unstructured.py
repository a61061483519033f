"""Several correlated effects per level, any covariance matrix: lme4's theta, a lower-triangular lambda.

phi is a lower triangle L, column by column and without bounds, of a root Q L of Sigma: Q holds the current Sigma's
eigenvectors, largest first. In that frame small eigenvalues stand last whatever Sigma is, so a vanishing column of L is
an ordinary minimum with curvature 2 G. In the fixed frame of theta it need not be: where the leading rows of lambda are
themselves dependent, columns can be rotated into each other at next to no cost, and Newton's method creeps along a
curved valley.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg.lapack import dtrtrs

from lmmtools.design.theta import lower_root, upper_triangle

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["Unstructured", "lower_triangular"]

MAX_GROWTH = 6.0
"""A step multiplies variances by no more than this: far from the optimum the model has the right sign but not the right
size."""

ZERO_ROW = 1e-10
"""An effect whose standard deviation is this share of another's, each per root mean square of its column, has none."""


@dataclass(frozen=True, slots=True, eq=False)
class Unstructured:
    """A covariance matrix of any form, see :class:`~lmmtools.core.model.covariance.Covariance`.

    Attributes
    ----------
    R : ndarray, shape (l, l)
        Basis map of the block, R'R the mean square of its basis; lower triangular.
    c : float
        Information of an average level.
    """

    R: Floats
    c: float

    @property
    def k(self) -> int:
        """Entries of a triangle."""
        l = len(self.R)
        return l * (l + 1) // 2

    @property
    def bounded(self) -> NDArray[np.bool_]:
        """None: L may have any numbers."""
        return np.zeros(self.k, dtype=bool)

    def lam(self, theta: Floats) -> Floats:
        """Return R times the lower triangle."""
        return np.asarray(self.R @ self._triangle(theta))

    def theta(self, lam: Floats) -> Floats:
        """Return the lower triangle of the data's scale, its diagonal not negative."""
        return self.pack(lower_triangular(self._on_data_scale(lam)))

    def theta_gradient(self, G: Floats, lam: Floats) -> Floats:
        """Return the lower triangle of 2 R'G lam."""
        return 2.0 * self.pack(self.R.T @ (G @ lam))

    def start(self, sigma: Floats) -> Floats:
        """Return the Cholesky factor."""
        return np.asarray(np.linalg.cholesky(sigma), dtype=float)

    def frame(self, lam: Floats) -> tuple[Floats, Floats]:
        """Return the left singular vectors, and the singular values as a diagonal matrix."""
        Q, values, _ = np.linalg.svd(lam)
        L = np.zeros_like(lam)
        at = range(len(self.R))
        L[..., at, at] = values
        return Q, L

    def pack(self, L: Floats) -> Floats:
        """Return the lower triangle column by column."""
        columns, rows = upper_triangle(len(self.R))
        return np.asarray(L[..., rows, columns])

    def unpack(self, phi: Floats, Q: Floats) -> Floats:
        """Return Q L."""
        return np.asarray(Q @ self._triangle(phi))

    def directions(self, lam: Floats, Q: Floats) -> Floats:
        """Return Q_a (Q L)_b' + its transpose for each element L_ab."""
        columns, rows = upper_triangle(len(self.R))
        left, right = Q.swapaxes(-1, -2)[..., rows, :], lam.swapaxes(-1, -2)[..., columns, :]
        half = left[..., :, None] * right[..., None, :]
        return np.asarray(half + half.swapaxes(-1, -2))

    def curvature(self, G: Floats, lam: Floats, Q: Floats) -> Floats:
        """Return 2 Q'GQ for each column of L."""
        out = np.zeros((*G.shape[:-2], self.k, self.k))
        turned, at = 2.0 * (Q.swapaxes(-1, -2) @ G @ Q), 0
        for column in range(l := len(self.R)):
            size = l - column
            out[..., at : at + size, at : at + size] = turned[..., column:, column:]
            at += size
        return out

    def step_limit(self, phi: Floats, step: Floats) -> Floats:
        """Return the share that keeps variances within MAX_GROWTH of the largest, or of one that matters."""
        room = MAX_GROWTH**0.5 * np.maximum(abs(phi).max(axis=-1), self.c**-0.5)
        return np.asarray(room / np.maximum(abs(step).max(axis=-1), room))

    def of_columns(self, chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return the elements of the chosen columns of L."""
        return np.asarray(chosen[upper_triangle(len(self.R))[0]])

    def of_rows(self, chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return the elements of the chosen rows of L."""
        return np.asarray(chosen[upper_triangle(len(self.R))[1]])

    def _triangle(self, entries: Floats) -> Floats:
        """Return lower triangles, (..., l, l), of their entries column by column, (..., k)."""
        columns, rows = upper_triangle(len(self.R))
        L = np.zeros((*entries.shape[:-1], *self.R.shape))
        L[..., rows, columns] = entries
        return L

    def _on_data_scale(self, lam: Floats) -> Floats:
        """Return R^-1 lam, with effects whose variance is rounding beside others' at exactly zero."""
        rows = dtrtrs(self.R, lam, lower=1)[0] if lam.ndim == 2 else np.linalg.solve(self.R, lam)
        squares = (rows * rows).sum(axis=-1) * (self.R * self.R).sum(axis=0)
        rounding = squares < ZERO_ROW**2 * squares.max(axis=-1, keepdims=True)
        return np.where(rounding[..., None], 0.0, rows) if rounding.any() else np.asarray(rows, dtype=float)


def lower_triangular(lam: Floats) -> Floats:
    """Return the lower-triangular root of lam lam', (..., r, r), diagonal not negative, of lam (..., r, l), r <= l.

    Any root is a rotation away from it. Vanished columns of lam stay exactly zero, the last of the root, and an effect
    without variance has neither row nor column.
    """
    if lam.ndim == 2 and lam.shape[0] == lam.shape[1] and lam.any(axis=0).all() and lam.any(axis=1).all():
        return lower_root(lam) + 0.0
    r, present = lam.shape[-2], lam.any(axis=-2)
    turned = lam
    if not present.all():
        order = np.argsort(~present, axis=-1, kind="stable")
        turned = np.take_along_axis(lam, order[..., None, :], axis=-1)
    is_kept = np.arange(r) < present.sum(axis=-1)[..., None]
    out = np.where(is_kept[..., None, :], lower_root(turned), 0.0) + 0.0
    has_rows = lam.any(axis=-1)
    if has_rows.all():
        return out
    for i in np.argwhere(~has_rows.all(axis=-1)):
        own = lam[tuple(i)]
        rows = np.flatnonzero(own.any(axis=-1))
        out[tuple(i)] = 0.0
        if len(rows):
            out[(*i, *np.ix_(rows, rows))] = lower_triangular(own[rows])
    return out
