"""``Moments``: count, mean and spread of numbers that are met in parts."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Moments"]


@dataclass(slots=True)
class Moments:
    """Count, mean and sum of squares about the mean of some numbers; those of parts are merged exactly.

    Source: Chan, Golub & LeVeque (1979), "Updating formulae and a pairwise algorithm for computing sample variances".
    """

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0

    def add(self, values: NDArray[np.float64]) -> None:
        """Add numbers."""
        if len(values):
            with np.errstate(over="ignore", invalid="ignore"):
                mean = float(values.mean())
                left = values - mean
                self.merge(Moments(len(values), mean, float(left @ left)))

    def merge(self, other: Moments) -> None:
        """Add the numbers of another part."""
        if not other.count:
            return
        count, gap = self.count + other.count, other.mean - self.mean
        self.squares += other.squares + gap * gap * self.count * other.count / count
        self.mean += gap * other.count / count
        self.count = count

    @property
    def sums(self) -> tuple[float, float]:
        """The sum and the sum of squares."""
        return self.count * self.mean, self.squares + self.count * self.mean**2

    def spread_about(self, centre: float, ddof: float) -> float:
        """Return the root of the sum of squares about a value, divided by the count less ``ddof``."""
        left = self.count - ddof
        total = self.squares + self.count * (self.mean - centre) ** 2
        return sqrt(total / left) if left > 0 else float("nan")
