"""Methods of a result: tests of its coefficients, and intervals of its parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from lmmtools.fit.record import Fit
from lmmtools.threads import single

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pandas as pd

    from lmmtools.inference.profile.profile_result import Profile
    from lmmtools.inference.robust import Correction
    from lmmtools.inference.wald_tests import ContrastTests, FTest

__all__ = ["InferenceMethods"]


class InferenceMethods(Fit):
    """``fit.tests()``, ``fit.t_test(...)``, ``fit.conf_int()``, ``fit.profile()`` and their like."""

    @single
    def cov_params(self, cov: Correction | None = None, *, cluster: Any = None) -> pd.DataFrame:
        """Return the covariance of the fixed effects, shape (p, p): lme4's ``vcov()``, or clubSandwich's ``vcovCR()``.

        Parameters
        ----------
        cov : {"CR2", "CR0", "CR1", "CR1p", "CR1S", "CR3"}, optional
            A cluster-robust covariance: right whatever the covariance of rows within clusters, given enough of these.
            ``"CR2"`` is unbiased where the model holds (Bell & McCaffrey 2002) and is meant for few clusters;
            ``"CR0"`` is the plain sandwich of statsmodels' generalised estimating equations; ``"CR1"`` is that times
            m / (m - 1) for m clusters, ``"CR1p"`` m / (m - p), ``"CR1S"`` m (n - 1) / ((m - 1) (n - p)), as Stata;
            ``"CR3"`` is near the jackknife. By default the model's own.
        cluster : str or array_like, optional
            A grouping factor or another column of the data (``"a:b"``: the combinations of two), or labels, one a row.
            Every grouping factor has to be nested in it. By default the outermost grouping factor.

        Raises
        ------
        DataError
            If there is no such covariance or column, the random effects are not nested in the clusters (crossed factors
            have no outermost), there is one cluster, or the rows are read in batches.

        See Also
        --------
        tests : Tests with any of these.

        References
        ----------
        Pustejovsky & Tipton (2018), J. Bus. Econ. Stat. 36(4), 672-683, doi:10.1080/07350015.2016.1247004; Bell &
        McCaffrey (2002), Surv. Methodol. 28(2), 169-181.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
        >>> fit.cov_params().round(3)
                   Intercept   Days
        Intercept     46.575 -1.451
        Days          -1.451  2.389
        >>> fit.cov_params("CR0", cluster="Subject").round(3)
                   Intercept   Days
        Intercept     43.987 -1.370
        Days          -1.370  2.257
        """
        if cov is None and cluster is None:
            return super().cov_params()
        import pandas as pd

        from lmmtools.inference.degrees import degrees, read_method

        names = list(self.design.x_names)
        return pd.DataFrame(degrees(self, read_method("z", cov, cluster)).cov, index=names, columns=names)

    @single
    def tests(
        self,
        ddf: Literal["satterthwaite", "kenward-roger", "residual", "z"] = "satterthwaite",
        *,
        cov: Correction | None = None,
        cluster: Any = None,
    ) -> ContrastTests:
        """Return a t test of every fixed effect.

        Parameters
        ----------
        ddf : {"satterthwaite", "kenward-roger", "residual", "z"}
            Degrees of freedom: Satterthwaite's, as lmerTest; Kenward and Roger's, with their adjusted standard errors,
            as pbkrtest (REML fits only); n - p; or infinite, which is the normal distribution.
        cov : {"CR2", "CR0", "CR1", "CR1p", "CR1S", "CR3"}, optional
            A cluster-robust covariance in place of the model's; see :meth:`cov_params`. Degrees of freedom are then
            Satterthwaite's for it, or none, ``ddf="z"``.
        cluster : str or array_like, optional
            The clusters: see :meth:`cov_params`.

        Returns
        -------
        ContrastTests
            ``.to_frame()`` has columns ``estimate std_error df t p``.

        Raises
        ------
        DataError
            If there is no such method.

        See Also
        --------
        summary : The same tests in the report.
        anova : A test of each term.
        t_test : Tests of linear combinations.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
        >>> fit.tests().to_frame().round(3)
                   estimate  std_error    df       t    p
        Intercept   251.405      6.825  17.0  36.838  0.0
        Days         10.467      1.546  17.0   6.771  0.0
        """
        from lmmtools.inference.degrees import read_method
        from lmmtools.inference.wald_tests import t_tests

        return t_tests(self, None, read_method(ddf, cov, cluster))

    @single
    def t_test(
        self,
        constraints: Any,
        ddf: Literal["satterthwaite", "kenward-roger", "residual", "z"] = "satterthwaite",
        *,
        cov: Correction | None = None,
        cluster: Any = None,
    ) -> ContrastTests:
        """Return a t test of each constraint on the fixed effects.

        Parameters
        ----------
        constraints : str, array_like of shape (rows, p) or (p,), or (array_like, array_like)
            As statsmodels takes them: ``"Days = 0"``, ``"a - b = 0, c = 1"``, a matrix, or a matrix and its values.
        ddf : {"satterthwaite", "kenward-roger", "residual", "z"}
        cov, cluster
            A cluster-robust covariance, as for :meth:`tests`.

        Raises
        ------
        DataError
            If a coefficient is unknown, or the matrix has another width than the fixed effects.

        See Also
        --------
        f_test : The constraints jointly.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
        >>> fit.t_test("Days = 10").to_frame().round(3)
              estimate  std_error    df      t      p
        Days     0.467      1.546  17.0  0.302  0.766
        """
        from lmmtools.inference.degrees import read_method
        from lmmtools.inference.wald_tests import t_tests

        return t_tests(self, constraints, read_method(ddf, cov, cluster))

    @single
    def f_test(
        self,
        constraints: Any,
        ddf: Literal["satterthwaite", "kenward-roger", "residual", "z"] = "satterthwaite",
        *,
        cov: Correction | None = None,
        cluster: Any = None,
    ) -> FTest:
        """Return the F test that all constraints hold together; arguments and errors as :meth:`t_test`.

        A constraint that the others imply is left out, and the test's notes say so, as lmerTest's ``contest``.

        Returns
        -------
        FTest
            ``.to_frame()`` has columns ``sum_sq mean_sq num_df den_df F p``.

        See Also
        --------
        t_test : Each constraint by itself.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("effort ~ Type + (1 | Subject)", lmt.datasets.load("ergoStool")).fit(engine="pls")
        >>> fit.f_test("Type[T.T2] = 0, Type[T.T3] = 0").to_frame().round(3)
           sum_sq  mean_sq  num_df  den_df       F    p
        0  68.519   34.259     2.0    24.0  28.298  0.0
        """
        from lmmtools.inference.degrees import read_method
        from lmmtools.inference.wald_tests import f_test

        return f_test(self, constraints, read_method(ddf, cov, cluster))

    @single
    def conf_int(
        self,
        alpha: float = 0.05,
        method: Literal["wald", "profile", "boot"] = "wald",
        *,
        parameters: str | Sequence[str] | None = None,
        ddf: Literal["z", "satterthwaite", "kenward-roger", "residual"] | None = None,
        cov: Correction | None = None,
        cluster: Any = None,
        n: int = 1000,
        kind: Literal["parametric", "residual", "cluster"] = "parametric",
        interval: Literal["percentile", "basic", "normal", "bca"] = "percentile",
        rng: np.random.Generator | int | None = None,
        n_jobs: int = 1,
        progress: bool = False,
    ) -> pd.DataFrame:
        """Return confidence intervals: columns 0 (lower) and 1 (upper), as statsmodels has them.

        Parameters
        ----------
        alpha : float
            One less the level: 0.05 for 95% intervals.
        method : {"wald", "profile", "boot"}
            ``"wald"``: from estimate and standard error, for the fixed effects. ``"profile"``, ``"boot"``: by profile
            likelihood or parametric bootstrap, also for standard deviations and correlations, as lme4's ``confint``.
        parameters : str or sequence of str, optional
            Names, ``"theta_"`` (of the random effects, with sigma) or ``"beta_"``; by default all.
        ddf : {"z", "satterthwaite", "kenward-roger", "residual"}, optional
            Quantiles of Wald intervals; by default those of the normal distribution, as in lme4 and statsmodels, and
            with a robust covariance those of t with Satterthwaite's degrees of freedom, as in clubSandwich.
        cov, cluster
            A cluster-robust covariance for Wald intervals, as for :meth:`tests`.
        n, kind, rng, n_jobs, progress
            Of the bootstrap, for ``"boot"`` alone: as :meth:`bootstrap` takes them.
        interval : {"percentile", "basic", "normal", "bca"}
            Limits from its draws.

        Raises
        ------
        DataError
            If there is no such method, parameter or option.
        ValueError
            If ``alpha`` is not between 0 and 1.

        See Also
        --------
        profile, bootstrap : What the intervals are made of.
        varcorr_bse : Standard errors of the variances.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
        >>> fit.conf_int().round(2)
                        0       1
        Intercept  238.03  264.78
        Days         7.44   13.50
        """
        from lmmtools.inference.degrees import read_method
        from lmmtools.inference.intervals import Draws, confidence_intervals

        draws = Draws(n=n, kind=kind, interval=interval, rng=rng, n_jobs=n_jobs, progress=progress)
        chosen = read_method(ddf or ("z" if cov is None else "satterthwaite"), cov, cluster)
        return confidence_intervals(self, alpha, method, parameters, chosen, draws)

    @single
    def profile(self, parameters: str | Sequence[str] | None = None, *, alphamax: float = 0.01) -> Profile:
        """Return profile likelihoods, as lme4's ``profile``; as there, a REML fit is first fitted again by ML.

        Parameters
        ----------
        parameters : str or sequence of str, optional
            Names (``"sd_(Intercept)|Subject"``, ``"cor_Days.(Intercept)|Subject"``, ``"sigma"``, a fixed effect),
            ``"theta_"`` or ``"beta_"``; by default all.
        alphamax : float
            The profiles extend to the joint confidence region of all parameters at level 1 - ``alphamax``.

        Returns
        -------
        Profile
            ``.conf_int()``, ``.zeta()``, ``.density()``, ``.to_frame()``; plots are ``lmmtools.plots.profile_zeta`` and
            ``profile_density``.

        Raises
        ------
        DataError
            If there is no such parameter, or terms share one variance.
        ValueError
            If ``alphamax`` is not between 0 and 1.

        See Also
        --------
        conf_int : Limits by every method.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
        >>> fit.profile("sigma").conf_int().round(2)
                   0      1
        sigma  38.23  67.66
        """
        from lmmtools.inference.profile.profiling import profile_fit

        return profile_fit(self, parameters, alphamax=alphamax)
