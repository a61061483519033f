"""The contract of a residual model: the residuals' covariance sigma**2 R, as far as a pass over the rows asks of it.

R is known before the pass: cross-products are made with R^-1, once. A kind of residuals is one module that answers
:class:`ResidualModel`. Where R has parameters of its own (unequal variances), or weights change from one iteration to
the next, they are held while the cross-products are made, and these are made anew where they move.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar, cast

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmmtools.design.sparse_columns import SparseColumns

    Floats = NDArray[np.float64]

__all__ = ["KnownWeights", "ResidualModel"]

M = TypeVar("M", bound="Floats | SparseColumns")


class ResidualModel(Protocol):
    """The residuals' covariance over r independent rows, relative to sigma**2: R, (r, r), diagonal."""

    def weighted(self, A: M) -> M:
        """Return R^-1 A, of the shape of A, (r,) or (r, c), and its kind; A itself where R is the identity."""

    def whitened(self, A: M) -> M:
        """Return R^-1/2 A, of the shape of A, (r,) or (r, c), and its kind; A itself where R is the identity."""

    def take(self, rows: slice) -> ResidualModel:
        """Return the residuals' covariance over some of the rows."""

    @property
    def log_weights(self) -> float:
        """-log|R|."""


@dataclass(frozen=True, slots=True, eq=False)
class KnownWeights:
    """Independent residuals with variances sigma**2 / w.

    Attributes
    ----------
    w : ndarray, shape (r,), or None
        Positive; None where all are one.
    """

    w: Floats | None

    def weighted(self, A: M) -> M:
        """Return W A."""
        if self.w is None:
            return A
        return cast("M", A * (self.w if A.ndim == 1 else self.w[:, None]))

    def whitened(self, A: M) -> M:
        """Return W^1/2 A."""
        if self.w is None:
            return A
        root = np.sqrt(self.w)
        return cast("M", A * (root if A.ndim == 1 else root[:, None]))

    def take(self, rows: slice) -> KnownWeights:
        """Return some of the weights."""
        return self if self.w is None else KnownWeights(self.w[rows])

    @property
    def log_weights(self) -> float:
        """Sum of log w; 0 without weights."""
        return 0.0 if self.w is None else float(np.log(self.w).sum())
