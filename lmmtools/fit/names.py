"""What data, weights and offset are called."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Names"]


@dataclass(frozen=True, slots=True)
class Names:
    """What data, weights and offset are called, for reports; None where there is none, or no name is known.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
    >>> fit.names.data
    'Dyestuff'
    """

    data: str | None = None
    weights: str | None = None
    offset: str | None = None
