"""Methods of a result for diagnostics: residuals, influence of rows and levels, normality of the modes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from lmmtools.fit.record import Fit
from lmmtools.inference.tails import check_alpha
from lmmtools.threads import single

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from lmmtools.inference.collinearity import Collinearity
    from lmmtools.inference.influence import Influence
    from lmmtools.inference.residual_tests import ResidualTests
    from lmmtools.inference.residuals import ModeNormality

__all__ = ["DiagnosticMethods"]


class DiagnosticMethods(Fit):
    """``fit.influence()``, ``fit.cooks_distance``, ``fit.residuals(...)``, ``fit.mode_normality()``."""

    @single
    def influence(self, level: str | None = None, refit: bool = False) -> Influence:
        """Return how the estimates change when each row, or each level of a factor, is left out in turn.

        Parameters
        ----------
        level : str, optional
            Grouping factor or column of the data whose levels are left out in turn; ``"a:b"`` for the combinations of
            two. By default each row is left out in turn.
        refit : bool
            Fit the model again without each, as lme4's ``influence``. Otherwise theta and sigma are held, and the fixed
            effects follow exactly without a fit.

        Returns
        -------
        Influence
            ``.to_frame()`` has columns ``rows cooks covratio leverage``, ``dfbetas[...]`` per fixed effect, and
            ``note``; ``.fixed_effects`` and, with ``refit=True``, ``.variances`` hold the changes.

        Raises
        ------
        DataError
            If there is no such factor or column.

        See Also
        --------
        cooks_distance : From the leverages of the conditional fit.
        hat_values : The leverages.

        Notes
        -----
        Cook's distance of a set I of rows is (b_I - b)' C^-1 (b_I - b) / p, where C is the covariance of b in the whole
        fit. lme4's ``cooks.distance(influence(fit, groups))`` is (m - p) / m times that for m levels; lme4's
        ``cooks.distance(fit)`` is :attr:`cooks_distance`, which follows from the hat values.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
        >>> fit.influence("Batch").to_frame()[["rows", "cooks"]].head(2).round(4)
               rows   cooks
        Batch
        A         5  0.0539
        B         5  0.0000
        """
        from lmmtools.inference.influence import influence

        return influence(self, level, refit)

    @property
    @single
    def cooks_distance(self) -> pd.Series[float]:
        """Cook's distance of each row from its leverage, as lme4's ``cooks.distance(fit)``.

        It is e_i**2 h_i / (p (1 - h_i)**2), where e is the scaled residual and h the hat value. It measures influence
        on the conditional fit, whose parameters include the modes; ``influence()`` measures influence on the fixed
        effects. It is NaN for a row whose leverage is one, and in a model without fixed effects.

        See Also
        --------
        influence : Influence on the fixed effects.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
        >>> fit.cooks_distance.head(2).round(4)
        0    0.0050
        1    0.0402
        Name: cooks_distance, dtype: float64
        """
        from lmmtools.inference.residuals import cooks_distance

        return self.label_rows(cooks_distance(self), "cooks_distance")

    @single
    def residuals(
        self,
        kind: Literal["conditional", "marginal", "pearson", "scaled", "standardized", "studentized"] = "conditional",
    ) -> pd.Series[float]:
        """Return residuals, indexed as the rows used.

        Parameters
        ----------
        kind : {"conditional", "marginal", "pearson", "scaled", "standardized", "studentized"}
            ``"conditional"``: y less the conditional fitted values, lme4's ``type = "response"``. ``"marginal"``: y
            less X b and offset. ``"pearson"``: conditional, times the root of the weight. ``"scaled"``: Pearson's over
            sigma. ``"standardized"``: scaled over sqrt(1 - h), h the hat value, with variance one at the fit's theta;
            lme4's ``rstudent``. ``"studentized"``: the same with sigma estimated without the row, as R's ``rstudent``
            of linear models.

        Raises
        ------
        DataError
            If there is no such kind.

        Notes
        -----
        A row whose leverage is one determines its own fitted value: its standardized and studentized residuals are
        NaN.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
        >>> fit.residuals("conditional").head(2).round(2)
        0    -4.10
        1   -14.63
        Name: conditional_residuals, dtype: float64
        """
        from lmmtools.inference.residuals import residuals

        return self.label_rows(residuals(self, kind), f"{kind}_residuals")

    @single
    def quantile_residuals(self, n: int = 250, rng: np.random.Generator | int | None = None) -> pd.Series[float]:
        """Return the quantile of each observation among draws from the model; uniform on (0, 1) if the model holds.

        Parameters
        ----------
        n : int
            Draws of the whole response, with new random effects and residuals.
        rng : numpy.random.Generator or int, optional
            Source of the draws, or its seed.

        Returns
        -------
        Series
            (r + 1/2) / (n + 1), where r draws lie below the observation; ties are broken at random. Quantiles of rows
            with a common level are correlated, since they share its effect.

        Raises
        ------
        DataError
            If ``n`` is no whole number of at least one, or ``rng`` is no generator or seed.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
        >>> fit.quantile_residuals(n=50, rng=1).shape
        (30,)
        """
        from lmmtools.inference.draws import as_generator, check_count
        from lmmtools.inference.residuals import quantile_residuals

        found = quantile_residuals(self, check_count(n), as_generator(rng))
        return self.label_rows(found, "quantile_residuals")

    @single
    def mode_normality(self) -> ModeNormality:
        """Return Shapiro-Wilk tests of the conditional modes, each divided by its standard deviation in the model.

        Returns
        -------
        ModeNormality
            ``.to_frame()`` has columns ``grp term levels W p note``.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
        >>> fit.mode_normality().to_frame()[["grp", "term", "W", "p"]].round(3)
               grp         term      W      p
        0  Subject  (Intercept)  0.950  0.428
        1  Subject         Days  0.976  0.898
        """
        from lmmtools.inference.residuals import mode_normality

        return mode_normality(self)

    @single
    def residual_tests(self, by: str | None = None, *, alpha: float = 0.05) -> ResidualTests:
        """Return tests of the residuals, with what each found in words: normality, equal variances, outliers.

        Parameters
        ----------
        by : str, optional
            Grouping factor or column between whose levels variances are compared; by default the grouping factor of
            fewest levels.
        alpha : float
            Level of the tests.

        Returns
        -------
        ResidualTests
            ``.to_frame()`` has columns ``about test statistic df p finding``.

        Raises
        ------
        DataError
            If there is no such factor or column, or hardly a row has a residual of its own.
        RowsNeededError
            If the rows are not in memory.

        See Also
        --------
        mode_normality : The normality of the random effects.
        quantile_residuals : Residuals by simulation.

        Notes
        -----
        Standardised residuals: Shapiro and Wilk's test, Breusch and Pagan's in Koenker's form along the fitted values,
        Levene's from medians between groups; studentised ones: the largest, by Bonferroni's inequality. With many rows
        departures that do not matter are significant. Fixed effects and their standard errors bear non-normal
        residuals well (Schielzeth et al. 2020, Methods Ecol. Evol. 11, doi:10.1111/2041-210X.13434); unequal variances
        they do not, and ``cov="CR2"`` is for these.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
        >>> fit.residual_tests().to_frame()[["about", "statistic"]].round(3)
                               about  statistic
        0                  normality      0.901
        1             equal variance      4.511
        2  equal variance by Subject      1.953
        3                   outliers      6.056
        """
        from lmmtools.inference.residual_tests import residual_tests

        return residual_tests(self, by, check_alpha(alpha))

    @single
    def collinearity(self) -> Collinearity:
        """Return how far terms of the fixed part depend on each other: variance inflation, as car's ``vif``.

        Returns
        -------
        Collinearity
            ``.to_frame()`` has columns ``gvif df gvif_adjusted tolerance``; ``.condition_indices`` and
            ``.condition_number`` are those of X with columns of unit length.

        Raises
        ------
        DataError
            If the fixed part has no term beside the constant.

        Notes
        -----
        Generalised inflation factors by term (Fox & Monette 1992, J. Am. Stat. Assoc. 87,
        doi:10.1080/01621459.1992.10475190) from the correlations of the estimates; condition indices as Belsley, Kuh &
        Welsch (1980), doi:10.1002/0471725153.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("angle ~ recipe + temp + (1 | recipe:replicate)", lmt.datasets.load("cake")).fit(engine="pls")
        >>> fit.collinearity().to_frame().round(3)
                gvif  df  gvif_adjusted  tolerance
        recipe   1.0   2            1.0        1.0
        temp     1.0   1            1.0        1.0
        """
        from lmmtools.inference.collinearity import collinearity

        return collinearity(self)
