"""What the methods of a result, grouped by what they are for, need of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from lmmtools.fit.record import Fit

__all__ = ["FitMethods"]


class FitMethods:
    """Base of the classes that ``LMMResults`` inherits its methods from, one class per subject.

    They hold nothing: each method hands the fit to the function that does the work.
    """

    @property
    def _fit(self) -> Fit:
        return cast("Fit", self)
