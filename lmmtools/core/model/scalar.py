"""One effect per level: phi = log(1 + c Sigma) >= 0.

The criterion is smooth in phi at zero, so the boundary is an ordinary bound, and for a balanced one-way layout it is
convex: (m-1) phi + dof log(SSE + SSB exp(-phi)).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["Scalar"]

LOG_GROWTH = 6.0
"""A step changes phi by no more: far from the optimum the model has the right sign but not the right size."""


@dataclass(frozen=True, slots=True, eq=False)
class Scalar:
    """A variance, see :class:`~lmmtools.core.model.covariance.Covariance`.

    Attributes
    ----------
    R : ndarray, shape (1, 1)
        Basis map of the block.
    c : float
        Information of an average level.
    """

    R: Floats
    c: float

    @property
    def k(self) -> int:
        """One."""
        return 1

    @property
    def bounded(self) -> NDArray[np.bool_]:
        """The variance."""
        return np.ones(1, dtype=bool)

    def lam(self, theta: Floats) -> Floats:
        """Return R theta."""
        return np.asarray(self.R * theta[..., None])

    def theta(self, lam: Floats) -> Floats:
        """Return |lam| / R."""
        return np.asarray(np.abs(lam[..., 0]) / self.R[0, 0])

    def theta_gradient(self, G: Floats, lam: Floats) -> Floats:
        """Return 2 R G lam."""
        return np.asarray(2.0 * (self.R * G * lam)[0])

    def start(self, sigma: Floats) -> Floats:
        """Return the standard deviation."""
        return np.asarray(np.sqrt(sigma))

    def frame(self, lam: Floats) -> tuple[Floats, Floats]:
        """Return 1 and |lam|."""
        return np.ones_like(lam), np.abs(lam)

    def pack(self, L: Floats) -> Floats:
        """Return log(1 + c L^2)."""
        return np.asarray(np.log1p(self.c * L[..., 0] ** 2))

    def unpack(self, phi: Floats, Q: Floats) -> Floats:
        """Return the root of (exp(phi) - 1) / c."""
        return np.asarray(np.sqrt(np.expm1(phi[..., None]) / self.c))

    def directions(self, lam: Floats, Q: Floats) -> Floats:
        """Return exp(phi) / c."""
        return np.asarray((1.0 / self.c + lam**2)[..., None, :, :])

    def curvature(self, G: Floats, lam: Floats, Q: Floats) -> Floats:
        """Return G exp(phi) / c: exp is its own derivative."""
        return np.asarray(G * (1.0 / self.c + lam**2))

    def step_limit(self, phi: Floats, step: Floats) -> Floats:
        """Return the share that changes the logarithm by LOG_GROWTH."""
        return np.asarray(LOG_GROWTH / np.maximum(abs(step[..., 0]), LOG_GROWTH))

    def of_columns(self, chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return the same."""
        return chosen

    def of_rows(self, chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return the same."""
        return chosen
