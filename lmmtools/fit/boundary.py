"""Variance components at the boundary of the parameter space, each with the certificate of the optimum there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lmmtools.design.theta import SINGULAR_TOL, are_singular, lambdas_per_row
from lmmtools.html import grid

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from lmmtools.design.matrices import Design
    from lmmtools.engines.estimate import Certificate, NullSpace

__all__ = ["Boundary", "BoundaryRow", "find_boundary", "is_singular"]

FALLING = -1e-6
"""A derivative of the criterion below this is negative beyond rounding."""


@dataclass(frozen=True, slots=True)
class BoundaryRow:
    """One component at its boundary.

    Attributes
    ----------
    group : str
        Grouping factor.
    effect : str
        The effect whose variance, given the effects before it, is zero.
    kind : {"zero variance", "perfect correlation"}
        ``"perfect correlation"`` where the effects before this one determine it.
    theta : float
        The diagonal element of lambda_k times the weighted root mean square of the effect's column over the rows: what
        the effect contributes to an average row, in residual standard deviations.
    certificate : float or None
        Smallest eigenvalue of the criterion's derivative over the directions without variance. Where it is not
        negative, a little more variance does not lower the criterion. None where it was not computed.
    is_spanned : bool
        Whether the fixed effects span the term, so that the data say nothing about its variance.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff2")).fit(engine="pls")
    >>> fit.boundary.rows[0].falls_inside
    False
    """

    group: str
    effect: str
    kind: str
    theta: float
    certificate: float | None
    is_spanned: bool = False

    @property
    def falls_inside(self) -> bool:
        """Whether a little more variance would lower the criterion, so that the boundary is no optimum."""
        return self.certificate is not None and self.certificate < FALLING

    def __str__(self) -> str:
        if self.kind == "zero variance":
            text = f"the variance of {self.effect} by {self.group} is zero"
        else:
            text = f"{self.effect} by {self.group} is determined by the effects before it (perfect correlation)"
        if self.is_spanned:
            return (
                f"{text}, where it is held: the fixed effects tell its levels apart, and nothing is left to estimate; "
                "by that convention the standard errors are those of the model without it"
            )
        if self.certificate is None:
            return text
        if self.falls_inside:
            return f"{text}, though the criterion would still fall inside (derivative {self.certificate:.3g})"
        return f"{text}: any more of it would make the criterion worse"


@dataclass(frozen=True, slots=True)
class Boundary:
    """The variance components at their boundary; empty, and so false, where there is none.

    Attributes
    ----------
    rows : tuple of BoundaryRow
        One for each component at its boundary.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff2")).fit(engine="pls")
    >>> [row.group for row in fit.boundary]
    ['Batch']
    """

    rows: tuple[BoundaryRow, ...]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self):  # type: ignore[no-untyped-def]
        return iter(self.rows)

    @property
    def sentence(self) -> str:
        """The rows in one sentence, for warnings and reports; empty for none."""
        return f"boundary (singular) fit: {'; '.join(map(str, self.rows))}" if self.rows else ""

    def to_frame(self) -> pd.DataFrame:
        """Return columns ``group effect kind theta certificate is_spanned``."""
        import pandas as pd

        columns = ["group", "effect", "kind", "theta", "certificate", "is_spanned"]
        return pd.DataFrame([[getattr(r, c) for c in columns] for r in self.rows], columns=columns)

    def _repr_html_(self) -> str:
        if not self.rows:
            return f"<p>{self}</p>"
        return grid(
            "Components at the boundary",
            ("group", "effect", "what", "share of sigma in an average row", "derivative there"),
            [
                (r.group, r.effect, r.kind, f"{r.theta:.3g}", "" if r.certificate is None else f"{r.certificate:.3g}")
                for r in self.rows
            ],
            map(str, self.rows),
        )

    def __str__(self) -> str:
        return "\n".join(str(r) for r in self.rows) if self.rows else "no component is at its boundary"


def is_singular(theta: NDArray[np.float64], design: Design, tol: float = SINGULAR_TOL) -> bool:
    """Return whether a component is at its boundary; the rule is in :mod:`lmmtools.design.theta`."""
    return bool(are_singular(theta[None], design.blocks, design.weights, tol)[0])


def find_boundary(
    theta: NDArray[np.float64], design: Design, certificate: Certificate | None, tol: float = SINGULAR_TOL
) -> Boundary:
    """Return one row per diagonal element of a lambda_k that :func:`is_singular` finds, with its certificate."""
    proofs = certificate.null_spaces if certificate is not None else ()
    rows = []
    for index, (block, (lam,)) in enumerate(
        zip(design.blocks, lambdas_per_row(theta[None], design.blocks, design.weights), strict=True)
    ):
        for i in np.flatnonzero(np.diag(lam) < tol):
            zero = float(np.linalg.norm(lam[i])) < tol
            kind = "zero variance" if zero else "perfect correlation"
            proof = _find_proof([p for p in proofs if p.block == index], int(i))
            proven = (None, False) if proof is None else (proof.min_eigenvalue, proof.is_spanned)
            rows.append(BoundaryRow(block.group, block.cnames[i], kind, float(lam[i, i]), *proven))
    return Boundary(tuple(rows))


def _find_proof(spaces: Sequence[NullSpace], effect: int) -> NullSpace | None:
    """Return the null space in which an effect has the largest part, None if there is none."""
    return max(spaces, key=lambda s: float(np.linalg.norm(s.directions[effect])), default=None)
