"""The plots of a fit, as ``fit.plot.caterpillar()`` and so on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lmmtools.inference.profile.profiling import profile_fit
from lmmtools.plots.by_group import by_group
from lmmtools.plots.caterpillar import caterpillar
from lmmtools.plots.effects import effects
from lmmtools.plots.incidence import incidence
from lmmtools.plots.profile import profile_density, profile_zeta
from lmmtools.plots.qq import qq
from lmmtools.plots.residuals import residuals
from lmmtools.plots.section import section
from lmmtools.plots.shrinkage import shrinkage
from lmmtools.plots.variance import variance
from lmmtools.report.factors.structure import structure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from lmmtools.fit.record import Fit

__all__ = ["FitPlots"]


@dataclass(frozen=True, slots=True, eq=False)
class FitPlots:
    """Plots of one fit; each method is the function of that name in ``lmmtools.plots`` with the fit in place.

    Attributes
    ----------
    fit : LMMResults
        What is plotted.
    """

    fit: Fit

    def caterpillar(self, factor: str | None = None, effect: str | None = None, **options: Any) -> Axes:
        """Conditional modes with intervals: ``lmmtools.plots.caterpillar``."""
        return caterpillar(self.fit, factor, effect, **options)

    def shrinkage(self, factor: str | None = None, **options: Any) -> Axes:
        """Least squares within each level against the modes: ``lmmtools.plots.shrinkage``."""
        return shrinkage(self.fit, factor, **options)

    def incidence(self, a: str | None = None, b: str | None = None, **options: Any) -> Axes:
        """Which levels of the model's grouping factors occur together: ``lmmtools.plots.incidence``."""
        factors = [self.fit.design.blocks[i[0]].term.factors for i in self.fit.design.factors.values()]
        return incidence(structure(self.fit.design.frame, factors), a, b, **options)

    def residuals(self, **options: Any) -> Axes:
        """Residuals against fitted values: ``lmmtools.plots.residuals``."""
        return residuals(self.fit, **options)

    def by_group(self, factor: str | None = None, **options: Any) -> Axes:
        """Residuals within each level: ``lmmtools.plots.by_group``."""
        return by_group(self.fit, factor, **options)

    def profile_zeta(self, parameter: str, **options: Any) -> Axes:
        """The profile of one parameter: ``lmmtools.plots.profile_zeta``."""
        return profile_zeta(profile_fit(self.fit, parameter), parameter, **options)

    def profile_density(self, parameters: str | Sequence[str], **options: Any) -> Axes:
        """The density that profiles imply: ``lmmtools.plots.profile_density``."""
        return profile_density(profile_fit(self.fit, parameters), parameters, **options)

    def qq(self, **options: Any) -> Axes:
        """Residuals against normal quantiles, with a band: ``lmmtools.plots.qq``."""
        return qq(self.fit, **options)

    def variance(self, **options: Any) -> Axes:
        """Variance of each term and its share: ``lmmtools.plots.variance``."""
        return variance(self.fit, **options)

    def effects(self, variable: str | None = None, **options: Any) -> Axes:
        """The population's mean along a variable, over the data: ``lmmtools.plots.effects``."""
        return effects(self.fit, variable, **options)

    def section(self, *others: Fit, **options: Any) -> Axes:
        """The criterion around the optimum, other fits' answers marked: ``lmmtools.plots.section``."""
        return section(self.fit, *others, **options)
