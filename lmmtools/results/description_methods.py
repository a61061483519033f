"""Methods of a result that describe it: random effects, shares of the variance, the fit as plain frames."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING, Any, Literal

from lmmtools.fit.record import Fit
from lmmtools.threads import single

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    import pandas as pd

    from lmmtools.inference.repca import RePCA
    from lmmtools.inference.robust import Correction
    from lmmtools.inference.variance.icc_r2 import ICC, R2, DesignEffect
    from lmmtools.inference.variance.partition import VariancePartition

__all__ = ["DescriptionMethods"]


class DescriptionMethods(Fit):
    """``fit.ranef_frame()``, ``fit.repca()``, ``fit.icc()``, ``fit.r2()``, ``fit.tidy()`` and their like."""

    @single
    def ranef_frame(self) -> pd.DataFrame:
        """Return the conditional modes as one long frame, as lme4's ``as.data.frame(ranef(fit))``.

        Returns
        -------
        DataFrame
            Columns ``grpvar`` (grouping factor), ``term`` (effect), ``grp`` (level), ``condval`` (conditional mode) and
            ``condsd`` (its conditional standard deviation, with theta and beta treated as known), the last two in units
            of y per unit of the effect's column. Rows by factor, effect and level.

        See Also
        --------
        random_effects : The modes as one table for each factor.
        coef : Modes plus fixed effects.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
        >>> fit.ranef_frame().head(2).round(3)
          grpvar         term grp  condval  condsd
        0  Batch  (Intercept)   A  -17.607  19.587
        1  Batch  (Intercept)   B    0.391  19.587
        """
        from lmmtools.inference.tidy import ranef_frame

        return ranef_frame(self)

    @single
    def repca(self) -> RePCA:
        """Return the principal components of the random effects of each factor, as lme4's ``rePCA``.

        Returns
        -------
        RePCA
            ``.to_frame()`` has columns ``grp component sd proportion cumulative``; ``.rotation[factor]`` the loadings.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
        >>> fit.repca().to_frame().round(3)
               grp  component     sd  proportion  cumulative
        0  Subject          1  0.967       0.946       0.946
        1  Subject          2  0.231       0.054       1.000
        """
        from lmmtools.inference.repca import repca

        return repca(self)

    @single
    def icc(
        self,
        by_group: bool = False,
        *,
        limits: Literal["delta", "boot"] | None = None,
        alpha: float = 0.05,
        n: int = 1000,
        rng: np.random.Generator | int | None = None,
        n_jobs: int = 1,
    ) -> ICC:
        """Return the intraclass correlation: the share of the variance that is due to the random effects.

        Parameters
        ----------
        by_group : bool
            Add a row for each grouping factor.
        limits : {"delta", "boot"}, optional
            Limits by the delta method on the logit, which takes no fit and is for large samples; or percentiles of a
            parametric bootstrap, as performance's ``ci=``, which is better where there are few levels.
        alpha : float
            One less the coverage of the limits.
        n, rng, n_jobs
            Draws of the bootstrap, their source, and processes, as :meth:`bootstrap` takes them.

        Returns
        -------
        ICC
            ``adjusted`` has a total without the variance of the fixed effects, ``unadjusted`` one with it.

        See Also
        --------
        r2 : Shares of variance that fixed and random effects explain.
        variance_partition : The share of each term, with intervals.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
        >>> fit.icc().to_frame().round(4)
             adjusted  unadjusted
        grp
        all    0.4185      0.4185
        """
        from lmmtools.inference.variance.icc_r2 import icc
        from lmmtools.inference.variance.share_limits import Asked

        return icc(self, by_group, Asked(limits, alpha, n, rng, n_jobs))

    @single
    def r2(
        self,
        *,
        limits: Literal["delta", "boot"] | None = None,
        alpha: float = 0.05,
        n: int = 1000,
        rng: np.random.Generator | int | None = None,
        n_jobs: int = 1,
    ) -> R2:
        """Return Nakagawa's R2: ``marginal`` (fixed effects) and ``conditional`` (fixed and random effects).

        Parameters
        ----------
        limits : {"delta", "boot"}, optional
            Limits by the delta method on the logit, which takes no fit and is for large samples; or percentiles of a
            parametric bootstrap, as performance's ``ci=``, which is better where there are few levels.
        alpha : float
            One less the coverage of the limits.
        n, rng, n_jobs
            Draws of the bootstrap, their source, and processes, as :meth:`bootstrap` takes them.

        Raises
        ------
        DataError
            If there is no such method for limits, or ``alpha`` is not between 0 and 1.

        See Also
        --------
        icc : The share of the random effects alone.
        variance_partition : The share of each term, with intervals.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
        >>> fit.r2().to_frame().round(4)
            marginal  conditional
        R2    0.2787       0.7992
        """
        from lmmtools.inference.variance.icc_r2 import r2
        from lmmtools.inference.variance.share_limits import Asked

        return r2(self, Asked(limits, alpha, n, rng, n_jobs))

    @single
    def variance_partition(self, alpha: float = 0.05) -> VariancePartition:
        """Return each term's variance, averaged over the rows, and its share, with intervals.

        Parameters
        ----------
        alpha : float
            One less the coverage of the intervals.

        Raises
        ------
        DataError
            If ``alpha`` is not between 0 and 1.

        See Also
        --------
        icc, r2
        plot : ``fit.plot.variance()`` draws it.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
        >>> fit.variance_partition().to_frame()[["grp", "share"]].round(3)
                grp  share
        0     Batch  0.418
        1  Residual  0.582
        """
        from lmmtools.inference.variance.partition import variance_partition

        return variance_partition(self, alpha)

    @single
    def design_effect(self, factor: str | None = None) -> DesignEffect:
        """Return the design effect: the variance of a mean divided by its variance with independent rows.

        Parameters
        ----------
        factor : str, optional
            The grouping factor; all factors by default.

        Raises
        ------
        DataError
            If there is no such factor.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
        >>> fit.design_effect().to_frame().round(3)
               levels  size    icc  design_effect  n_effective
        Batch       6   5.0  0.418          2.674       11.219
        """
        from lmmtools.inference.variance.icc_r2 import design_effect

        return design_effect(self, factor)

    @single
    def tidy(
        self,
        effects: Literal["fixed", "ran_pars", "ran_vals", "ran_coefs"] | Sequence[str] = ("fixed", "ran_pars"),
        *,
        conf_int: bool = False,
        conf_level: float = 0.95,
        conf_method: Literal["wald", "profile", "boot"] = "wald",
        ddf: Literal["satterthwaite", "kenward-roger", "residual", "z"] = "satterthwaite",
        scales: Literal["sdcor", "vcov"] = "sdcor",
        n: int = 1000,
        kind: Literal["parametric", "residual", "cluster"] = "parametric",
        interval: Literal["percentile", "basic", "normal", "bca"] = "percentile",
        rng: np.random.Generator | int | None = None,
        n_jobs: int = 1,
        progress: bool = False,
        cov: Correction | None = None,
        cluster: Any = None,
    ) -> pd.DataFrame:
        """Return the parameters, one row each, as broom.mixed's ``tidy``.

        Parameters
        ----------
        effects : {"fixed", "ran_pars", "ran_vals", "ran_coefs"} or a sequence of them
            Fixed effects; standard deviations and correlations; conditional modes; each level's coefficients.
        conf_int : bool
            Add ``conf_low`` and ``conf_high``.
        conf_level : float
            Coverage of the intervals.
        conf_method : {"wald", "profile", "boot"}
            As :meth:`conf_int`; Wald intervals exist for fixed effects alone. Intervals of modes are conditional, from
            mode and standard error.
        ddf : {"satterthwaite", "kenward-roger", "residual", "z"}
            Degrees of freedom of tests and Wald intervals.
        scales : {"sdcor", "vcov"}
            Of ``"ran_pars"``: standard deviations and correlations, or variances and covariances. Limits of a variance
            are those of the standard deviation, squared; covariances have none.
        cov, cluster
            A cluster-robust covariance of the fixed effects, as for :meth:`tests`.
        n, kind, interval, rng, n_jobs, progress
            Of :meth:`conf_int`, for ``"boot"`` alone.

        Returns
        -------
        DataFrame
            Columns ``effect group term estimate std_error statistic df p_value`` (and ``level`` with ``ran_vals``), and
            ``note``, the reason why a number is NaN.

        Raises
        ------
        DataError
            If an option is not known.

        See Also
        --------
        glance, augment

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
        >>> fit.tidy("fixed")[["term", "estimate"]].round(3)
                term  estimate
        0  Intercept   251.405
        1       Days    10.467
        """
        from lmmtools.inference.degrees import read_method
        from lmmtools.inference.intervals import Draws
        from lmmtools.inference.tidy import tidy

        draws = Draws(n=n, kind=kind, interval=interval, rng=rng, n_jobs=n_jobs, progress=progress)
        return tidy(self, effects, conf_int, conf_level, conf_method, read_method(ddf, cov, cluster), scales, draws)

    @single
    def glance(self) -> pd.DataFrame:
        """Return the fit's figures in one row, as broom.mixed's ``glance``.

        Returns
        -------
        DataFrame
            Columns ``nobs sigma log_lik aic bic``, ``reml_crit`` (under ML ``deviance``) and ``df_residual``.

        See Also
        --------
        tidy, augment

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
        >>> fit.glance().T.head(3)
                          0
        nobs      30.000000
        sigma     49.510100
        log_lik -159.827138
        """
        from lmmtools.inference.tidy import glance

        return glance(self)

    @single
    def augment(
        self,
        data: Any = None,
        *,
        newdata: Any = None,
        prefix: str = "",
        unseen: Literal["error", "population", "missing"] = "error",
        leverages: bool = False,
    ) -> Any:
        """Return the rows fitted, with fitted values, residuals and leverages, as broom.mixed's ``augment``.

        Given a path, write them there as Parquet, batch by batch, and return the path.

        Parameters
        ----------
        data : DataFrame or path, optional
            The data that were fitted, to add columns that the model does not use; rows left out of the fit are omitted.
            A path that is free: a folder, or a file for a name that ends in ``.parquet``. What is written there has
            another name until it is whole; it has ``fitted resid fixed``, and ``hat`` if ``leverages``.
        newdata : DataFrame, optional
            Other rows, for predictions instead.
        prefix : str
            Put before the new columns' names.
        unseen : {"error", "population", "missing"}
            How to treat levels of ``newdata`` that the fit has not seen, as :meth:`predict`.
        leverages : bool
            Whether leverages are written to a path.

        Returns
        -------
        DataFrame or Path
            The data with ``fitted resid hat cooksd fixed`` beside them (and ``weights``, ``offset`` where there are
            any): conditional fitted values and residuals, leverage, Cook's distance as :attr:`cooks_distance`, and the
            population's fitted values. Of new data ``fitted`` and ``fixed``. Data given as a polars DataFrame come back
            as one.

        Raises
        ------
        DataError
            If the data are not those fitted, or already have a column of one of these names.

        See Also
        --------
        tidy, glance

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
        >>> fit.augment().shape
        (30, 7)
        """
        from lmmtools.design.frame import like_given
        from lmmtools.inference.tidy import augment
        from lmmtools.inference.written import write_augmented

        if isinstance(data, (str, PathLike)):
            return write_augmented(self, data, prefix, leverages)
        found = augment(self, data, newdata, prefix, unseen)
        return like_given(found, data if newdata is None else newdata)

    @single
    def augment_batches(self, *, prefix: str = "", leverages: bool = False) -> Iterator[pd.DataFrame]:
        """Return an iterator over the rows fitted, in frames, with ``fitted resid fixed`` beside the columns.

        Parameters
        ----------
        prefix : str
            Put before the new columns' names.
        leverages : bool
            Whether there is ``hat`` as well.

        Raises
        ------
        DataError
            If the data have a column of one of these names, or changed since the fit.
        EngineError
            If pyarrow is not installed.

        See Also
        --------
        augment : All at once, or written to files.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
        >>> [len(frame) for frame in fit.augment_batches()]
        [30]
        """
        from lmmtools.inference.written import augment_frames

        return augment_frames(self, prefix, leverages)
