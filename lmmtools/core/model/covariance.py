"""The contract of a covariance parameterisation: how the covariance matrix of a term's effects is searched.

A term's Sigma (relative to sigma**2, of effects in the engine's coordinates) is a function of its own part of phi, the
parameters of the search, and of its own part of theta, lme4's parameters on the data's scale. A point of the search is
a root Q L of Sigma in a frame Q; the frame is chosen anew at every point, and phi is read from L.

A kind of covariance is one module that answers :class:`Covariance`, and a line of :func:`covariance_of`, which chooses
it. All methods take arrays with any leading dimensions ``...``: none for one response, (B,) for B of them.
"""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Protocol

import numpy as np

from lmmtools.core.model.scalar import Scalar
from lmmtools.core.model.unstructured import Unstructured

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lmmtools.design.blocks import Block

    Floats = NDArray[np.float64]

__all__ = ["Covariance", "covariance_of", "is_null", "places"]

NULL_VARIANCE = 1e-9
"""A relative variance, times the information of a level, that counts as zero: the data could not tell it from zero."""


class Covariance(Protocol):
    """The covariance matrix of one term's effects as a function of k parameters."""

    @property
    def k(self) -> int:
        """Parameters."""

    @property
    def bounded(self) -> NDArray[np.bool_]:
        """Which elements of phi are variances, with zero for their bound, shape (k,)."""

    def lam(self, theta: Floats) -> Floats:
        """Return lambda in the engine's coordinates, (..., l, l), from theta, (..., k)."""

    def theta(self, lam: Floats) -> Floats:
        """Return theta, (..., k), of any root of Sigma, (..., l, l): the inverse of :meth:`lam`."""

    def theta_gradient(self, G: Floats, lam: Floats) -> Floats:
        """Return the derivative with respect to theta, (k,), from G = d criterion / d Sigma and ``lam(theta)``."""

    def start(self, sigma: Floats) -> Floats:
        """Return a root of a starting value of Sigma, (..., l, l), positive definite."""

    def frame(self, lam: Floats) -> tuple[Floats, Floats]:
        """Return Q and L, (..., l, l), with Q L L'Q' = lam lam', L diagonal and decreasing."""

    def pack(self, L: Floats) -> Floats:
        """Return phi, (..., k), of L."""

    def unpack(self, phi: Floats, Q: Floats) -> Floats:
        """Return the root Q L, (..., l, l), at phi."""

    def directions(self, lam: Floats, Q: Floats) -> Floats:
        """Return the derivatives of Sigma with respect to phi, (..., k, l, l), at the root lam = Q L."""

    def curvature(self, G: Floats, lam: Floats, Q: Floats) -> Floats:
        """Return sum_ab G_ab d2 Sigma_ab / dphi dphi', (..., k, k), at the root lam = Q L."""

    def step_limit(self, phi: Floats, step: Floats) -> Floats:
        """Return the share of a step, (...), within which its quadratic model can be trusted; at most 1."""

    def of_columns(self, chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return which elements of phi, (k,), are of the chosen columns of L, (l,): variances along columns of Q."""

    def of_rows(self, chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return which elements of phi, (k,), are of the chosen rows of L, (l,): what turns effects towards Q."""


def covariance_of(block: Block, R: Floats, c: float) -> Covariance:
    """Return the covariance of a block's effects.

    Parameters
    ----------
    block : Block
    R : ndarray, shape (l, l)
        Its basis map: lambda in the engine's coordinates is R times that on the data's scale.
    c : float
        Information of an average level: a relative variance of 1 / c begins to matter.
    """
    return Scalar(R, c) if block.l == 1 else Unstructured(R, c)


def places(terms: Sequence[Covariance]) -> list[slice]:
    """Return where each term's parameters stand in phi, and in theta."""
    return [slice(a, b) for a, b in pairwise(accumulate((term.k for term in terms), initial=0))]


def is_null(roots: Floats, c: float) -> NDArray[np.bool_]:
    """Return which directions of one block's Sigma have no variance, from the roots of those, with c of the block."""
    return np.asarray(roots**2 * c <= NULL_VARIANCE)
