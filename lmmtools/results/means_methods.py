"""Methods of a result: marginal means, contrasts of them, and what they say of each term."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from lmmtools.fit.record import Fit
from lmmtools.threads import single

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lmmtools.inference.effect_sizes import StandardizedDifferences
    from lmmtools.inference.marginal.adjust import Adjust
    from lmmtools.inference.marginal.contrast_methods import Method
    from lmmtools.inference.marginal.contrasts import MarginalContrasts
    from lmmtools.inference.marginal.effects import MarginalEffects
    from lmmtools.inference.marginal.joint_tests import JointTests
    from lmmtools.inference.marginal.means import MarginalMeans
    from lmmtools.inference.robust import Correction

__all__ = ["MeansMethods"]


class MeansMethods(Fit):
    """``fit.marginal_means(...)``, ``fit.pairwise(...)``, ``fit.contrasts(...)`` and their like."""

    @single
    def marginal_means(
        self,
        factors: str | Sequence[str],
        *,
        by: str | Sequence[str] | None = None,
        at: Mapping[str, Any] | None = None,
        slope_of: str | None = None,
        weights: Literal["equal", "proportional", "outer", "cells", "flat"] = "equal",
        nesting: Mapping[str, Any] | None = None,
        cov_reduce: Any = None,
        type: Literal["link", "response"] = "link",
        bias_adjust: bool = False,
        sigma: float | None = None,
        ddf: Literal["satterthwaite", "kenward-roger", "residual", "z"] = "satterthwaite",
        alpha: float = 0.05,
        cov: Correction | None = None,
        cluster: Any = None,
    ) -> MarginalMeans:
        """Return the mean at each level of some factors over a balanced grid of the other predictors, as R's emmeans.

        Parameters
        ----------
        factors : str or sequence of str
            Columns of the fixed part; each level or combination of levels has a mean. ``[]`` for the overall mean.
        by : str or sequence of str, optional
            Further such columns; ``pairwise`` compares within their levels. These levels vary slowest.
        at : mapping of str to values, optional
            Levels or values to use for some columns: ``{"Days": [0, 5, 9]}``.
        slope_of : str, optional
            A covariate: return slopes of the mean along it in place of means, as emmeans' ``emtrends``.
        weights : {"equal", "proportional", "outer", "cells", "flat"}
            Of the levels that a mean averages over. ``"proportional"``: the rows of their combinations, for all means
            alike. ``"outer"``: the product of each factor's shares of rows. ``"cells"``: the rows of each cell.
            ``"flat"``: equal for cells that have rows.
        nesting : mapping, optional
            Which factors are nested in which, ``{"genotype": "year"}``; ``{}`` for none. By default found in the data
            (each level occurs with one level of another factor) and in the formula (no main effect).
        cov_reduce : callable, mapping of str to callable, or False
            What the grid has of a covariate in place of its mean, by its values over the rows: ``np.median``,
            ``{"x": lambda x: [x.min(), x.max()]}``; False for all distinct values.
        type : {"link", "response"}
            ``"response"`` goes back from the response's transformation, which the formula tells (``log(y)``,
            ``log(y + 1)``, ``sqrt(y)``, ``log(p / (1 - p))``, ``I((y**0.3 - 1) / 0.3)``): means and limits are
            back-transformed, standard errors by the delta method. Slopes stay on the model's scale.
        bias_adjust : bool
            Add half the variance times the second derivative of the back-transformation, so that it gives means and
            not medians.
        sigma : float, optional
            The standard deviation for this, on the model's scale. By default the residuals'; for the mean of a
            population take that of random effects and residuals together.
        ddf : {"satterthwaite", "kenward-roger", "residual", "z"}
            Degrees of freedom; Kenward-Roger's come with their adjusted covariance.
        alpha : float
            One less the intervals' coverage.
        cov, cluster
            A cluster-robust covariance, as for :meth:`tests`.

        Returns
        -------
        MarginalMeans
            ``.to_frame()`` has the levels, then columns ``emmean se df lower upper``.

        Raises
        ------
        DataError
            If a column is not in the fixed part, a level or method is unknown, or ``slope_of`` is a factor.

        See Also
        --------
        pairwise : Differences of the means.
        contrasts : Other contrasts of the means.
        marginal : Slopes and comparisons by ``marginaleffects``.

        Notes
        -----
        Each mean is a contrast L beta, where L is the average of the rows of X over the grid. In the grid, the other
        factors, numbers in ``C(...)`` and columns of two values have all their levels with equal weights; other
        covariates and the offset have their mean over the rows used. Random effects are not included. A mean that the
        data do not determine, because a combination is empty, is NaN and named in the notes.

        A factor that is nested in others is averaged over the levels that it has there, and its means come with the
        levels of the others. The notes say what was taken for nested.

        Source: Searle, Speed & Milliken (1980) Am. Stat. 34(4), 216-221.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("effort ~ Type + (1 | Subject)", lmt.datasets.load("ergoStool")).fit(engine="pls")
        >>> fit.marginal_means("Type").to_frame()[["Type", "emmean"]].round(3)
          Type  emmean
        0   T1   8.556
        1   T2  12.444
        2   T3  10.778
        3   T4   9.222
        """
        from lmmtools.inference.degrees import read_method
        from lmmtools.inference.marginal.grid import GridOptions
        from lmmtools.inference.marginal.means import marginal_means

        options = GridOptions(at, slope_of, weights, nesting, cov_reduce)
        return marginal_means(
            self,
            factors,
            by=by,
            options=options,
            type=type,
            bias_adjust=bias_adjust,
            sigma=sigma,
            ddf=read_method(ddf, cov, cluster),
            alpha=alpha,
        )

    @single
    def pairwise(
        self,
        factors: str | Sequence[str],
        *,
        by: str | Sequence[str] | None = None,
        at: Mapping[str, Any] | None = None,
        slope_of: str | None = None,
        weights: Literal["equal", "proportional", "outer", "cells", "flat"] = "equal",
        nesting: Mapping[str, Any] | None = None,
        cov_reduce: Any = None,
        adjust: Adjust = "tukey",
        type: Literal["link", "response"] = "link",
        ddf: Literal["satterthwaite", "kenward-roger", "residual", "z"] = "satterthwaite",
        cov: Correction | None = None,
        cluster: Any = None,
    ) -> MarginalContrasts:
        """Return all pairwise differences of marginal means, within the levels of ``by``.

        Parameters
        ----------
        factors, by, at, slope_of, weights, nesting, cov_reduce, ddf, cov, cluster
            As :meth:`marginal_means` takes them.
        adjust : {"tukey", "none", "holm", "bonferroni", "sidak", "holm-sidak", "hochberg", "hommel", "fdr", "fdr_by"}
            How to adjust the p-values for the number of differences within each level of ``by``.
        type : {"link", "response"}
            As :meth:`contrasts` takes it.

        Returns
        -------
        MarginalContrasts
            ``.to_frame()`` has the levels of ``by``, then columns ``contrast estimate se df t p``.

        Raises
        ------
        DataError
            As :meth:`marginal_means`; and if a difference is zero whatever the coefficients.

        See Also
        --------
        contrasts : Other contrasts.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("effort ~ Type + (1 | Subject)", lmt.datasets.load("ergoStool")).fit(engine="pls")
        >>> fit.pairwise("Type").to_frame()[["contrast", "estimate"]].head(2).round(3)
          contrast  estimate
        0  T1 - T2    -3.889
        1  T1 - T3    -2.222
        """
        return self.contrasts(
            factors,
            by=by,
            at=at,
            slope_of=slope_of,
            weights=weights,
            nesting=nesting,
            cov_reduce=cov_reduce,
            adjust=adjust,
            type=type,
            ddf=ddf,
            cov=cov,
            cluster=cluster,
        )

    @single
    def contrasts(
        self,
        factors: str | Sequence[str],
        *,
        method: Method | str | Mapping[str, Any] = "pairwise",
        interaction: str | Sequence[str] | None = None,
        ref: Any = None,
        simple: str | Sequence[str] | None = None,
        by: str | Sequence[str] | None = None,
        at: Mapping[str, Any] | None = None,
        slope_of: str | None = None,
        weights: Literal["equal", "proportional", "outer", "cells", "flat"] = "equal",
        nesting: Mapping[str, Any] | None = None,
        cov_reduce: Any = None,
        adjust: Adjust | None = None,
        null: float = 0.0,
        delta: float = 0.0,
        side: Literal["two-sided", ">", "<", "equivalence", "noninferiority", "nonsuperiority"] = "two-sided",
        type: Literal["link", "response"] = "link",
        ddf: Literal["satterthwaite", "kenward-roger", "residual", "z"] = "satterthwaite",
        cov: Correction | None = None,
        cluster: Any = None,
    ) -> MarginalContrasts:
        """Return contrasts of marginal means, or of slopes, within the levels of ``by``, as emmeans' ``contrast``.

        Parameters
        ----------
        factors, by, at, slope_of, weights, nesting, cov_reduce, ddf, cov, cluster
            As :meth:`marginal_means` takes them.
        method : str, or mapping or frame of weights
            ``"pairwise"``: each mean less each later one (``"revpairwise"``: each earlier one). ``"reference"``: each
            less that of ``ref``. ``"sequential"``: each less the one before. ``"effects"``: each less the average of
            all; ``"deleted effects"``: of the others. ``"mean change"``: the average after each place less that before.
            ``"helmert"``: each less the average of those before. ``"polynomial"``: linear, quadratic, ... in equally
            spaced levels. ``"identity"``: the means. Emmeans' names serve too. A mapping or a frame gives names of
            contrasts and one weight per mean, in the order of ``marginal_means``.
        interaction : str or sequence of str, optional
            Products of contrasts: a method for each of ``factors``, or one for all; then ``method`` does not count.
        ref : level, tuple of levels or label, optional
            The reference; by default the first mean.
        simple : str or sequence of str, optional
            Simple effects: those of ``factors`` to compare, within the levels of the others; ``"each"``: each factor in
            turn, in one table, in which a dot stands for the factor compared.
        adjust : {"tukey", "dunnett", "mvt", "scheffe", "sidak", "bonferroni", "holm", "hommel", "fdr", "none", ...}
            Of p-values, within each level of ``by``. By default as in emmeans: Tukey's for pairwise differences,
            Dunnett's for those from a reference (exact, by the multivariate t distribution with the contrasts' own
            correlations; emmeans' ``"dunnettx"`` is an approximation of it), the multivariate t for ``"sequential"``
            and ``"mean change"``, ``"fdr"`` for effects, none for others; Sidak's in place of the first two where tests
            are one-sided.
        null : float
            Value that contrasts are tested against, in units of the response.
        delta : float
            Threshold of differences that do not matter: two-sided tests become tests of equivalence, one-sided ones of
            noninferiority or nonsuperiority.
        side : {"two-sided", ">", "<", "equivalence", "noninferiority", "nonsuperiority"}
        type : {"link", "response"}
            ``"response"`` gives ratios of means where the response is a logarithm, odds ratios where it is a logit,
            in the column ``ratio`` or ``odds_ratio``; tests, ``null`` and ``delta`` stay on the model's scale.
            Contrasts after other transformations, and of weights that do not sum to zero, stay there too, which the
            notes say.

        Raises
        ------
        DataError
            As :meth:`marginal_means`; if there is no such method, adjustment, reference or side.

        See Also
        --------
        pairwise : All differences.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("effort ~ Type + (1 | Subject)", lmt.datasets.load("ergoStool")).fit(engine="pls")
        >>> fit.contrasts("Type", method="reference").to_frame()[["contrast", "estimate"]].round(3)
          contrast  estimate
        0  T2 - T1     3.889
        1  T3 - T1     2.222
        2  T4 - T1     0.667
        """
        from lmmtools.inference.degrees import read_method
        from lmmtools.inference.marginal.contrasts import marginal_contrasts
        from lmmtools.inference.marginal.grid import GridOptions

        return marginal_contrasts(
            self,
            factors,
            method=method,
            interaction=interaction,
            ref=ref,
            simple=simple,
            by=by,
            options=GridOptions(at, slope_of, weights, nesting, cov_reduce),
            adjust=adjust,
            null=null,
            delta=delta,
            side=side,
            type=type,
            ddf=read_method(ddf, cov, cluster),
        )

    @single
    def joint_tests(
        self,
        *,
        by: str | Sequence[str] | None = None,
        at: Mapping[str, Any] | None = None,
        weights: Literal["equal", "proportional", "outer", "cells", "flat"] = "equal",
        nesting: Mapping[str, Any] | None = None,
        cov_reduce: Any = None,
        ddf: Literal["satterthwaite", "kenward-roger", "residual", "z"] = "satterthwaite",
        cov: Correction | None = None,
        cluster: Any = None,
    ) -> JointTests:
        """Return an F test of all contrasts of the marginal means of each term, as emmeans' ``joint_tests``.

        Parameters
        ----------
        by : str or sequence of str, optional
            Test the other factors within the levels of these: simple effects.
        at, weights, nesting, ddf, cov, cluster
            As :meth:`marginal_means` takes them.
        cov_reduce : callable, mapping of str to callable, or False
            As there; by default covariates are at their mean less and plus one, so that they are tested too.

        Returns
        -------
        JointTests
            ``.to_frame()`` has columns ``term``, those of ``by``, ``num_df den_df F p``.

        Raises
        ------
        DataError
            As :meth:`marginal_means`; if no factor is left to test.

        See Also
        --------
        anova : lmerTest's tests of the terms, whose denominators are Fai and Cornelius' or Kenward and Roger's.

        Notes
        -----
        Each hypothesis is that products of consecutive differences of means are zero. Its denominator has the smallest
        degrees of freedom of orthogonal contrasts that span it. Contrasts that are not estimable are left out of it.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("angle ~ recipe * temp + (1 | recipe:replicate)", lmt.datasets.load("cake")).fit(engine="pls")
        >>> fit.joint_tests(by="recipe").to_frame()[["term", "recipe", "num_df", "F"]].round(2)
           term recipe  num_df      F
        0  temp      A     1.0  29.70
        1  temp      B     1.0  34.04
        2  temp      C     1.0  30.51
        """
        from lmmtools.inference.degrees import read_method
        from lmmtools.inference.marginal.grid import GridOptions
        from lmmtools.inference.marginal.joint_tests import joint_tests

        options = GridOptions(at, None, weights, nesting, cov_reduce)
        return joint_tests(self, by=by, options=options, ddf=read_method(ddf, cov, cluster))

    @single
    def cohens_d(
        self,
        factors: str | Sequence[str],
        *,
        method: Method | str | Mapping[str, Any] = "pairwise",
        ref: Any = None,
        by: str | Sequence[str] | None = None,
        at: Mapping[str, Any] | None = None,
        standardizer: Literal["total", "residual"] = "total",
        alpha: float = 0.05,
        ddf: Literal["satterthwaite", "kenward-roger", "residual", "z"] = "satterthwaite",
        cov: Correction | None = None,
        cluster: Any = None,
    ) -> StandardizedDifferences:
        """Return contrasts of marginal means in standard deviations, with limits.

        Parameters
        ----------
        factors, method, ref, by, at, ddf, cov, cluster
            As :meth:`contrasts` takes them.
        standardizer : {"total", "residual"}
            ``"total"``: the root of the variance of all random effects, in an average row, and the residual (Westfall,
            Kenny & Judd 2014), which compares with d of studies without repeated measures. ``"residual"``: the
            residual's, as emmeans' ``eff_size(e, sigma(fit), edf)``.
        alpha : float
            One less the coverage of the limits.

        Returns
        -------
        StandardizedDifferences
            ``.to_frame()`` has the levels of ``by``, then columns ``contrast d se df lower upper``.

        Raises
        ------
        DataError
            As :meth:`contrasts`; or if there is no such standardizer, or terms share one variance.

        Notes
        -----
        Westfall, Kenny & Judd (2014), J. Exp. Psychol. Gen. 143(5), doi:10.1037/xge0000014. The standard error counts
        that of the standard deviation too, with the degrees of freedom that the fit's information gives it.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("effort ~ Type + (1 | Subject)", lmt.datasets.load("ergoStool")).fit(engine="pls")
        >>> fit.cohens_d("Type").to_frame()[["contrast", "d", "se"]].head(2).round(3)
          contrast      d     se
        0  T1 - T2 -2.250  0.503
        1  T1 - T3 -1.286  0.379
        """
        from lmmtools.inference.effect_sizes import standardize

        table = self.contrasts(
            factors, method=method, ref=ref, by=by, at=at, adjust="none", ddf=ddf, cov=cov, cluster=cluster
        )
        return standardize(self, table, standardizer, alpha)

    @property
    def marginal(self) -> MarginalEffects:
        """Predictions, comparisons, slopes and hypotheses by ``marginaleffects``: ``fit.marginal.avg_slopes()`` ..."""
        from lmmtools.inference.marginal.effects import MarginalEffects

        return MarginalEffects(self)
