"""``FitPlots``: the plots of a fit as methods, ``fit.plot.caterpillar()``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

from lmmtools import memory
from lmmtools.inference.profile.profiling import profile_fit
from lmmtools.plots.check_panel import checks
from lmmtools.plots.check_plots import influence, mode_qq, predictive, scale_location
from lmmtools.plots.coefficient_plot import coefficients
from lmmtools.plots.collinearity_plot import collinearity
from lmmtools.plots.effects_plot import effects
from lmmtools.plots.incidence_plot import incidence
from lmmtools.plots.interaction_plot import interaction
from lmmtools.plots.means_plot import means
from lmmtools.plots.mode_plots import caterpillar, shrinkage
from lmmtools.plots.profile_plots import profile_density, profile_zeta
from lmmtools.plots.residual_plots import by_group, qq, residuals
from lmmtools.plots.section_plot import section
from lmmtools.plots.variance_plot import variance
from lmmtools.report.factors.structure import structure

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

    from lmmtools.fit.record import Fit
    from lmmtools.inference.degrees import DDF
    from lmmtools.inference.marginal.adjust import Adjust
    from lmmtools.plots.mean_curves import Points, Scale

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

    @memory.door
    def __call__(
        self,
        *,
        n_simulations: int = 50,
        rng: np.random.Generator | int | None = 0,
        fig: Figure | SubFigure | None = None,
    ) -> Figure | SubFigure:
        """Return a Figure with all checks of the model's assumptions, a panel each: ``lmmtools.plots.checks``.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
        >>> [ax.get_title(loc="left").splitlines()[0] for ax in fit.plot().axes][:2]
        ['Observed and simulated', 'Linearity']
        """
        return checks(self.fit, n_simulations=n_simulations, rng=rng, fig=fig)

    def scale_location(self, *, ax: Axes | None = None) -> Axes:
        """Return Axes with the sizes of residuals against fitted values: ``lmmtools.plots.scale_location``.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
        >>> fit.plot.scale_location().get_xlabel()
        'fitted Yield'
        """
        return scale_location(self.fit, ax=ax)

    def mode_qq(
        self,
        factor: str | None = None,
        effect: str | None = None,
        *,
        level: float = 0.95,
        n_simulations: int = 500,
        rng: np.random.Generator | int | None = 0,
        ax: Axes | None = None,
    ) -> Axes:
        """Return Axes with modes of one effect against normal quantiles: ``lmmtools.plots.mode_qq``.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
        >>> fit.plot.mode_qq("Subject", "Days").get_xlabel()
        'standard normal quantile'
        """
        return mode_qq(self.fit, factor, effect, level=level, n_simulations=n_simulations, rng=rng, ax=ax)

    def influence(self, level: str | None = None, *, ax: Axes | None = None) -> Axes:
        """Return Axes with Cook's distance of rows or levels against their leverage: ``lmmtools.plots.influence``.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
        >>> fit.plot.influence("Batch").get_ylabel()
        "Cook's distance"
        """
        return influence(self.fit, level, ax=ax)

    def collinearity(self, *, ax: Axes | None = None) -> Axes:
        """Return Axes with the variance inflation of each term: ``lmmtools.plots.collinearity``.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> data = lmt.datasets.load("cake")
        >>> fit = lmt.lmm("angle ~ recipe + temp + (1 | recipe:replicate)", data).fit(engine="pls")
        >>> [text.get_text() for text in fit.plot.collinearity().get_yticklabels()]
        ['recipe', 'temp']
        """
        return collinearity(self.fit, ax=ax)

    def predictive(
        self, *, n_simulations: int = 50, rng: np.random.Generator | int | None = 0, ax: Axes | None = None
    ) -> Axes:
        """Return Axes with the density of the response beside simulated ones: ``lmmtools.plots.predictive``.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
        >>> len(fit.plot.predictive(n_simulations=5).lines)
        6
        """
        return predictive(self.fit, n_simulations=n_simulations, rng=rng, ax=ax)

    def caterpillar(
        self,
        factor: str | None = None,
        effect: str | None = None,
        *,
        level: float = 0.95,
        is_sorted: bool = True,
        ax: Axes | None = None,
    ) -> Axes:
        """Return Axes with conditional modes and their intervals: ``lmmtools.plots.caterpillar``.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
        >>> fit.plot.caterpillar().get_ylabel()
        'Subject'
        """
        return caterpillar(self.fit, factor, effect, level=level, is_sorted=is_sorted, ax=ax)

    def shrinkage(self, factor: str | None = None, *, ax: Axes | None = None) -> Axes:
        """Return Axes with least-squares estimates within each level and the modes: ``lmmtools.plots.shrinkage``.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
        >>> fit.plot.shrinkage().get_ylabel()
        'Days by Subject: deviation from the fixed effect'
        """
        return shrinkage(self.fit, factor, ax=ax)

    def incidence(self, a: str | None = None, b: str | None = None, *, ax: Axes | None = None) -> Axes:
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
        return incidence(structure(self.fit.design.frame[names], factors), a, b, ax=ax)

    def residuals(self, *, is_scaled: bool = False, ax: Axes | None = None) -> Axes:
        """Return Axes with residuals against fitted values: ``lmmtools.plots.residuals``.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
        >>> fit.plot.residuals().get_ylabel()
        'residual, in units of Reaction'
        """
        return residuals(self.fit, is_scaled=is_scaled, ax=ax)

    def by_group(self, factor: str | None = None, *, ax: Axes | None = None) -> Axes:
        """Return Axes with residuals within each level: ``lmmtools.plots.by_group``.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
        >>> fit.plot.by_group().get_ylabel()
        'Subject'
        """
        return by_group(self.fit, factor, ax=ax)

    def profile_zeta(self, parameter: str, *, ax: Axes | None = None) -> Axes:
        """Return Axes with the profile of one parameter: ``lmmtools.plots.profile_zeta``.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
        >>> fit.plot.profile_zeta("sigma").get_xlabel()
        'residual standard deviation, sigma'
        """
        return profile_zeta(profile_fit(self.fit, parameter), parameter, ax=ax)

    def profile_density(self, parameters: str | Sequence[str], *, alpha: float = 0.05, ax: Axes | None = None) -> Axes:
        """Return Axes with the density that a profile implies: ``lmmtools.plots.profile_density``.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
        >>> fit.plot.profile_density("sigma").get_ylabel()
        'density; 95% interval shaded'
        """
        return profile_density(profile_fit(self.fit, parameters), parameters, alpha=alpha, ax=ax)

    def qq(
        self,
        *,
        level: float = 0.95,
        n_simulations: int = 500,
        rng: np.random.Generator | int | None = 0,
        ax: Axes | None = None,
    ) -> Axes:
        """Return Axes with residuals against normal quantiles, with a band: ``lmmtools.plots.qq``.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
        >>> fit.plot.qq().get_ylabel()
        'standardised residual'
        """
        return qq(self.fit, level=level, n_simulations=n_simulations, rng=rng, ax=ax)

    def variance(self, *, ax: Axes | None = None) -> Axes:
        """Return Axes with the variance of each term and its share: ``lmmtools.plots.variance``.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
        >>> fit.plot.variance().get_ylabel()
        ''
        """
        return variance(self.fit, ax=ax)

    def effects(
        self,
        variable: str | None = None,
        *,
        by: str | Sequence[str] | None = None,
        at: Mapping[str, Any] | None = None,
        points: Points = "data",
        type: Scale = "link",
        level: float = 0.95,
        ddf: DDF = "satterthwaite",
        ax: Axes | None = None,
    ) -> Axes:
        """Return Axes with the population's mean along a variable, over the data: ``lmmtools.plots.effects``.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
        >>> fit.plot.effects().get_ylabel()
        'Reaction'
        """
        return effects(self.fit, variable, by=by, at=at, points=points, type=type, level=level, ddf=ddf, ax=ax)

    @overload
    def interaction(
        self,
        formula: str | None = None,
        *,
        x: str | None = None,
        trace: str | Sequence[str] | None = None,
        by: None = None,
        at: Mapping[str, Any] | None = None,
        type: Scale = "link",
        is_interval_shown: bool = True,
        level: float = 0.95,
        ddf: DDF = "satterthwaite",
        ax: Axes | None = None,
    ) -> Axes: ...

    @overload
    def interaction(
        self,
        formula: str | None = None,
        *,
        x: str | None = None,
        trace: str | Sequence[str] | None = None,
        by: str | Sequence[str],
        at: Mapping[str, Any] | None = None,
        type: Scale = "link",
        is_interval_shown: bool = True,
        level: float = 0.95,
        ddf: DDF = "satterthwaite",
        fig: Figure | SubFigure | None = None,
    ) -> Figure | SubFigure: ...

    def interaction(
        self,
        formula: str | None = None,
        *,
        x: str | None = None,
        trace: str | Sequence[str] | None = None,
        by: str | Sequence[str] | None = None,
        at: Mapping[str, Any] | None = None,
        type: Scale = "link",
        is_interval_shown: bool = True,
        level: float = 0.95,
        ddf: DDF = "satterthwaite",
        ax: Axes | None = None,
        fig: Figure | SubFigure | None = None,
    ) -> Axes | Figure | SubFigure:
        """Return Axes with means at the levels of others, joined by lines: ``lmmtools.plots.interaction``.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> oats = lmt.datasets.load("Oats")
        >>> fit = lmt.lmm("yield ~ Variety * nitro + (1 | Block/Variety)", oats).fit(engine="pls")
        >>> fit.plot.interaction("Variety ~ nitro").get_ylabel()
        'yield'
        """
        draw: Any = interaction  # of its two signatures, the arguments have one
        options = {"is_interval_shown": is_interval_shown, "level": level, "ddf": ddf, "ax": ax, "fig": fig}
        drawn: Axes | Figure | SubFigure = draw(self.fit, formula, x=x, trace=trace, by=by, at=at, type=type, **options)
        return drawn

    def means(
        self,
        factors: str | Sequence[str],
        *,
        by: str | Sequence[str] | None = None,
        at: Mapping[str, Any] | None = None,
        comparisons: bool = False,
        letters: bool = False,
        adjust: Adjust | None = None,
        alpha: float = 0.05,
        type: Scale = "link",
        level: float = 0.95,
        ddf: DDF = "satterthwaite",
        ax: Axes | None = None,
    ) -> Axes:
        """Return Axes with means, intervals, comparison arrows and letters: ``lmmtools.plots.means``.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("effort ~ Type + (1 | Subject)", lmt.datasets.load("ergoStool")).fit(engine="pls")
        >>> ax = fit.plot.means("Type", letters=True)
        >>> [text.get_text() for text in ax.texts]
        ['a', 'c', 'b', 'a']
        """
        options: Any = {"comparisons": comparisons, "letters": letters, "adjust": adjust, "alpha": alpha, "type": type}
        return means(self.fit, factors, by=by, at=at, level=level, ddf=ddf, ax=ax, **options)

    def coefficients(
        self,
        *others: Fit,
        names: Sequence[str] | None = None,
        intercept: bool = False,
        level: float = 0.95,
        ddf: DDF = "satterthwaite",
        ax: Axes | None = None,
    ) -> Axes:
        """Return Axes with the fixed effects of this fit and others: ``lmmtools.plots.coefficients``.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("effort ~ Type + (1 | Subject)", lmt.datasets.load("ergoStool")).fit(engine="pls")
        >>> [text.get_text() for text in fit.plot.coefficients().get_yticklabels()]
        ['Type[T.T2]', 'Type[T.T3]', 'Type[T.T4]']
        """
        return coefficients(self.fit, *others, names=names, intercept=intercept, level=level, ddf=ddf, ax=ax)

    def section(
        self, *others: Fit, parameter: str | None = None, width: float | None = None, ax: Axes | None = None
    ) -> Axes:
        """Return Axes with the criterion around the optimum and other fits' estimates: ``lmmtools.plots.section``.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
        >>> fit.plot.section().get_ylabel()
        'REML criterion above 1743.6283'
        """
        return section(self.fit, *others, parameter=parameter, width=width, ax=ax)
