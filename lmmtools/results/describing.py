"""Methods of a result: the random effects described, variance shared out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmmtools.results.methods import FitMethods

if TYPE_CHECKING:
    import pandas as pd

    from lmmtools.inference.partition import ICC, R2, DesignEffect, VariancePartition
    from lmmtools.inference.repca import RePCA

__all__ = ["DescribingMethods"]


class DescribingMethods(FitMethods):
    """``fit.ranef_frame()``, ``fit.repca()``, ``fit.icc()``, ``fit.r2()``, and what else describes a fit."""

    def ranef_frame(self) -> pd.DataFrame:
        """Return the conditional modes in one long frame, as lme4's ``as.data.frame(ranef(fit))``.

        Returns
        -------
        DataFrame
            Columns ``grpvar`` (grouping factor), ``term`` (effect), ``grp`` (level), ``condval`` (conditional mode) and
            ``condsd`` (its conditional standard deviation, theta and beta taken as known), the last two in units of y
            per unit of the effect's column. Rows by factor, effect and level.
        """
        from lmmtools.inference.modes import ranef_frame

        return ranef_frame(self._fit)

    def repca(self) -> RePCA:
        """Return the principal components of the random effects of each factor, as lme4's ``rePCA``.

        Returns
        -------
        RePCA
            ``.to_frame()`` has columns ``grp component sd proportion cumulative``; ``.rotation[factor]`` the loadings.
        """
        from lmmtools.inference.repca import repca

        return repca(self._fit)

    def icc(self, by_group: bool = False) -> ICC:
        """Return the intraclass correlation: the share of variance that the random effects have.

        Parameters
        ----------
        by_group : bool
            Add one row per grouping factor.

        Returns
        -------
        ICC
            ``adjusted`` leaves the fixed effects out of the total, ``unadjusted`` counts them in.
        """
        from lmmtools.inference.partition import icc

        return icc(self._fit, by_group)

    def r2(self) -> R2:
        """Return Nakagawa's R2: ``marginal`` (fixed effects) and ``conditional`` (fixed and random effects)."""
        from lmmtools.inference.partition import r2

        return r2(self._fit)

    def variance_partition(self, alpha: float = 0.05) -> VariancePartition:
        """Return each term's variance, averaged over the rows, and its share, with intervals.

        Parameters
        ----------
        alpha : float
            One less the coverage of the intervals.

        Raises
        ------
        DataError
            If alpha is not between 0 and 1.
        """
        from lmmtools.inference.partition import variance_partition

        return variance_partition(self._fit, alpha)

    def design_effect(self, factor: str | None = None) -> DesignEffect:
        """Return how much clustering inflates the variance of a mean, beside independent rows.

        Parameters
        ----------
        factor : str, optional
            The grouping factor; all of them by default.

        Raises
        ------
        DataError
            If there is no such factor.
        """
        from lmmtools.inference.partition import design_effect

        return design_effect(self._fit, factor)
