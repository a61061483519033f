"""The one rule for zero and singular components, in units that do not matter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lmmtools.design.theta import lambda_factors

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from lmmtools.design.blocks import Block
    from lmmtools.engines.estimate import Certificate, NullSpace

__all__ = ["Boundary", "BoundaryRow", "find_boundary", "is_singular"]

# lme4's default tolerance of isSingular(): on the diagonal of theta.
SINGULAR_TOL = 1e-4


@dataclass(frozen=True, slots=True)
class BoundaryRow:
    """One component at its boundary.

    Attributes
    ----------
    group : str
        Grouping factor.
    effect : str
        The effect whose variance (given the effects before it) is zero.
    kind : {"zero variance", "perfect correlation"}
        A zero variance, or effects that determine each other.
    theta : float
        The diagonal element of lambda_k, in units of sigma per root mean square of the effect's column.
    certificate : float or None
        Smallest eigenvalue of the criterion's derivative over the lost directions: not negative proves that more
        variance would only make the criterion worse. Zero for a term that the fixed effects span: nothing tells.
    """

    group: str
    effect: str
    kind: str
    theta: float
    certificate: float | None

    @property
    def is_spanned(self) -> bool:
        """Whether the fixed effects span the term, so that the data say nothing of its variance."""
        return self.certificate == 0.0

    def __str__(self) -> str:
        if self.kind == "zero variance":
            text = f"the variance of {self.effect} by {self.group} is zero"
        else:
            text = f"{self.effect} by {self.group} is determined by the effects before it (perfect correlation)"
        if self.certificate is None:
            return text
        if self.certificate < -1e-6:
            return f"{text}, though the criterion would still fall inside (derivative {self.certificate:.3g})"
        if self.is_spanned:
            return f"{text}, where it is held: the fixed effects tell its levels apart, and nothing is left to estimate"
        return f"{text}: any more of it would make the criterion worse"


@dataclass(frozen=True, slots=True)
class Boundary:
    """The components at their boundary, one row each; false in a truth test when there is none."""

    rows: tuple[BoundaryRow, ...]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self):  # type: ignore[no-untyped-def]
        return iter(self.rows)

    def to_frame(self) -> pd.DataFrame:
        """Return columns ``group effect kind theta certificate``."""
        import pandas as pd

        columns = ["group", "effect", "kind", "theta", "certificate"]
        return pd.DataFrame([[getattr(r, c) for c in columns] for r in self.rows], columns=columns)

    def __str__(self) -> str:
        return "\n".join(str(r) for r in self.rows) if self.rows else "no component is at its boundary"


def _scaled_factors(theta: NDArray[np.float64], blocks: Sequence[Block]) -> list[NDArray[np.float64]]:
    """Return lambda_k with each row multiplied by its basis column's root mean square, so that units cancel."""
    rms = [np.sqrt(np.mean(b.basis**2, axis=0)) for b in blocks]
    return [u[:, None] * lam for u, lam in zip(rms, lambda_factors(theta, blocks), strict=True)]


def is_singular(theta: NDArray[np.float64], blocks: Sequence[Block], tol: float = SINGULAR_TOL) -> bool:
    """Return whether a diagonal element of a lambda_k is below ``tol``, as lme4's ``isSingular``.

    Differs from lme4 in one respect: each row of lambda_k is first multiplied by the root mean square of its column of
    the basis, so that the answer does not depend on the units of a covariate.
    """
    return any(bool(np.any(np.diag(lam) < tol)) for lam in _scaled_factors(theta, blocks))


def find_boundary(
    theta: NDArray[np.float64],
    blocks: Sequence[Block],
    certificate: Certificate | None,
    tol: float = SINGULAR_TOL,
) -> Boundary:
    """Return one row per diagonal element of a lambda_k that :func:`is_singular` finds, with its certificate."""
    proofs = certificate.null_spaces if certificate is not None else ()
    rows = []
    for index, (block, lam) in enumerate(zip(blocks, _scaled_factors(theta, blocks), strict=True)):
        for i in np.flatnonzero(np.diag(lam) < tol):
            zero = float(np.linalg.norm(lam[i])) < tol
            kind = "zero variance" if zero else "perfect correlation"
            proof = _find_proof([p for p in proofs if p.block == index], int(i))
            rows.append(BoundaryRow(block.group, block.cnames[i], kind, float(lam[i, i]), proof))
    return Boundary(tuple(rows))


def _find_proof(spaces: Sequence[NullSpace], effect: int) -> float | None:
    """Return the smallest eigenvalue over the null space of a block that has most of an effect."""
    best = max(spaces, key=lambda s: float(np.linalg.norm(s.directions[effect])), default=None)
    return None if best is None else best.min_eigenvalue
