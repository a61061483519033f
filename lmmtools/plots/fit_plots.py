"""``FitPlots``: the plots of a fit as methods, ``fit.plot.caterpillar()``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lmmtools import memory
from lmmtools.inference.profile.profiling import profile_fit
from lmmtools.plots.effects_plot import effects
from lmmtools.plots.incidence_plot import incidence
from lmmtools.plots.mode_plots import caterpillar, shrinkage
from lmmtools.plots.profile_plots import profile_density, profile_zeta
from lmmtools.plots.residual_plots import by_group, qq, residuals
from lmmtools.plots.section_plot import section
from lmmtools.plots.variance_plot import variance
from lmmtools.report.factors.structure import structure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from lmmtools.fit.record import Fit

__all__ = ["FitPlots"]


@memory.doors
@dataclass(frozen=True, slots=True, eq=False)
class FitPlots:
    """Plots of one fit; each method calls the function of its name in ``lmmtools.plots`` with the fit.

    Attributes
    ----------
    fit : LMMResults
        What is plotted.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
    >>> fit.plot.caterpillar("Batch").get_xlabel()
    '(Intercept) by Batch: conditional mode, 95% interval'
    """

    fit: Fit

    def caterpillar(self, factor: str | None = None, effect: str | None = None, **options: Any) -> Axes:
        """Return Axes with conditional modes and their intervals: ``lmmtools.plots.caterpillar``.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
        >>> fit.plot.caterpillar().get_ylabel()
        'Subject'
        """
        return caterpillar(self.fit, factor, effect, **options)

    def shrinkage(self, factor: str | None = None, **options: Any) -> Axes:
        """Return Axes with least-squares estimates within each level and the modes: ``lmmtools.plots.shrinkage``.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
        >>> fit.plot.shrinkage().get_ylabel()
        'Days by Subject: deviation from the fixed effect'
        """
        return shrinkage(self.fit, factor, **options)

    def incidence(self, a: str | None = None, b: str | None = None, **options: Any) -> Axes:
        """Return Axes with the levels of two grouping factors that occur together: ``lmmtools.plots.incidence``.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> data = lmt.datasets.load("Penicillin")
        >>> fit = lmt.lmm("diameter ~ 1 + (1 | plate) + (1 | sample)", data).fit(engine="pls")
        >>> fit.plot.incidence().get_xlabel()
        'plate'
        """
        factors = [self.fit.design.blocks[i[0]].term.factors for i in self.fit.design.factors.values()]
        names = list(dict.fromkeys(name for own in factors for name in own))
        return incidence(structure(self.fit.design.frame[names], factors), a, b, **options)

    def residuals(self, **options: Any) -> Axes:
        """Return Axes with residuals against fitted values: ``lmmtools.plots.residuals``.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
        >>> fit.plot.residuals().get_ylabel()
        'residual, in units of Reaction'
        """
        return residuals(self.fit, **options)

    def by_group(self, factor: str | None = None, **options: Any) -> Axes:
        """Return Axes with residuals within each level: ``lmmtools.plots.by_group``.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
        >>> fit.plot.by_group().get_ylabel()
        'Subject'
        """
        return by_group(self.fit, factor, **options)

    def profile_zeta(self, parameter: str, **options: Any) -> Axes:
        """Return Axes with the profile of one parameter: ``lmmtools.plots.profile_zeta``.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
        >>> fit.plot.profile_zeta("sigma").get_xlabel()
        'residual standard deviation, sigma'
        """
        return profile_zeta(profile_fit(self.fit, parameter), parameter, **options)

    def profile_density(self, parameters: str | Sequence[str], **options: Any) -> Axes:
        """Return Axes with the density that a profile implies: ``lmmtools.plots.profile_density``.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
        >>> fit.plot.profile_density("sigma").get_ylabel()
        'density; 95% interval shaded'
        """
        return profile_density(profile_fit(self.fit, parameters), parameters, **options)

    def qq(self, **options: Any) -> Axes:
        """Return Axes with residuals against normal quantiles, with a band: ``lmmtools.plots.qq``.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
        >>> fit.plot.qq().get_ylabel()
        'standardised residual'
        """
        return qq(self.fit, **options)

    def variance(self, **options: Any) -> Axes:
        """Return Axes with the variance of each term and its share: ``lmmtools.plots.variance``.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
        >>> fit.plot.variance().get_ylabel()
        ''
        """
        return variance(self.fit, **options)

    def effects(self, variable: str | None = None, **options: Any) -> Axes:
        """Return Axes with the population's mean along a variable, over the data: ``lmmtools.plots.effects``.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
        >>> fit.plot.effects().get_ylabel()
        'Reaction'
        """
        return effects(self.fit, variable, **options)

    def section(self, *others: Fit, **options: Any) -> Axes:
        """Return Axes with the criterion around the optimum and other fits' estimates: ``lmmtools.plots.section``.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
        >>> fit.plot.section().get_ylabel()
        'REML criterion above 1743.6283'
        """
        return section(self.fit, *others, **options)
