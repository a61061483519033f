"""Methods of a result: tests of its effects, and intervals of its parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from lmmtools.fit.record import Fit
from lmmtools.threads import single

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pandas as pd

    from lmmtools.inference.anova import AnovaTable
    from lmmtools.inference.drop1 import SingleDeletions, SingleLikelihoodRatios
    from lmmtools.inference.effect_sizes import EffectShares
    from lmmtools.inference.profile.profile_result import Profile
    from lmmtools.inference.ranova import RandomAnova
    from lmmtools.inference.robust import Correction
    from lmmtools.inference.step import Steps
    from lmmtools.inference.wald_tests import ContrastTests, FTest

__all__ = ["InferenceMethods"]


class InferenceMethods(Fit):
    """``fit.tests()``, ``fit.t_test(...)``, ``fit.anova()``, ``fit.conf_int()``, ``fit.profile()`` and their like."""

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
    def anova(
        self,
        type: Literal[3, 2, 1, "III", "II", "I"] = 3,
        ddf: Literal["satterthwaite", "kenward-roger", "residual", "z"] = "satterthwaite",
        *,
        cov: Correction | None = None,
        cluster: Any = None,
    ) -> AnovaTable:
        """Return an F test of each term of the fixed part, as lmerTest's ``anova(fit)``.

        Parameters
        ----------
        type : {3, 2, 1, "III", "II", "I"}
            III: each term after all others, marginal to terms that contain it, whatever the coding of factors. II:
            after all that do not contain it. I: after those before it.
        ddf : {"satterthwaite", "kenward-roger", "residual", "z"}
            As for :meth:`tests`.
        cov, cluster
            A cluster-robust covariance, as for :meth:`tests`; the tests are then clubSandwich's ``"HTZ"``, F tests by
            an approximate Hotelling's T2, and there are no sums of squares.

        Returns
        -------
        AnovaTable
            ``.to_frame()`` has columns ``sum_sq mean_sq num_df den_df F p``, ``.contrasts`` the hypotheses.

        Raises
        ------
        DataError
            If there is no such type or method, or the model has no fixed effect to test.

        See Also
        --------
        ranova : Tests of the random effects.
        lmmtools.anova : Likelihood-ratio tests of several fits.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("effort ~ Type + (1 | Subject)", lmt.datasets.load("ergoStool")).fit(engine="pls")
        >>> fit.anova().to_frame().round(3)
              sum_sq  mean_sq  num_df  den_df       F    p
        Type  81.194   27.065     3.0    24.0  22.356  0.0
        """
        from lmmtools.inference.anova import anova_table
        from lmmtools.inference.degrees import read_method

        return anova_table(self, type, read_method(ddf, cov, cluster))

    @single
    def eta_squared(
        self,
        type: Literal[3, 2, 1, "III", "II", "I"] = 3,
        ddf: Literal["satterthwaite", "kenward-roger", "residual", "z"] = "satterthwaite",
        *,
        alpha: float = 0.05,
    ) -> EffectShares:
        """Return partial eta, epsilon and omega squared of each term, from its F test, as effectsize's.

        Parameters
        ----------
        type, ddf
            Of the tests, as :meth:`anova` takes them.
        alpha : float
            One less the coverage of the limits, which are two-sided. effectsize's default, a lower limit alone, is
            that of ``alpha=0.1``.

        Returns
        -------
        EffectShares
            ``.to_frame()`` has each share with its limits.

        Raises
        ------
        DataError
            If there is no such type or method, or tests have no degrees of freedom (``ddf="z"``).

        Notes
        -----
        Cohen (1965); Kelley (1935), doi:10.1073/pnas.21.9.554; Hays (1963); from F: Albers & Lakens (2018),
        doi:10.1016/j.jesp.2017.09.004; limits: Steiger (2004), doi:10.1037/1082-989X.9.2.164. Denominator degrees of
        freedom stand for a residual sum of squares that a mixed model has not: the shares compare between terms of one
        fit and, with care, between studies.

        See Also
        --------
        cohens_d : Differences in standard deviations.
        r2 : The share of the fixed effects together.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("effort ~ Type + (1 | Subject)", lmt.datasets.load("ergoStool")).fit(engine="pls")
        >>> fit.eta_squared().to_frame()[["eta_sq", "omega_sq"]].round(3)
              eta_sq  omega_sq
        Type   0.736     0.696
        """
        from lmmtools.inference.degrees import check_ddf
        from lmmtools.inference.effect_sizes import effect_shares

        return effect_shares(self, type, check_ddf(ddf), alpha)

    @single
    def ranova(
        self, *, reduce_terms: bool = True, n_sim: int = 0, rng: np.random.Generator | int | None = None
    ) -> RandomAnova:
        """Return likelihood-ratio tests of the random effects by single deletions, as lmerTest's ``ranova``.

        Each test uses the criterion of the fit, REML or ML. The table has lmerTest's chi-squared p-value, which is too
        large where a variance is tested at zero, and the p-value of the mixture of chi-squared distributions that is
        valid there.

        Parameters
        ----------
        reduce_terms : bool
            Test ``x`` in ``(x | g)``; otherwise test ``(x | g)`` as a whole.
        n_sim : int
            Draws under the smaller model for a simulated p-value: from the exact distribution where the variance is the
            model's only one, else by parametric bootstrap. 0 for none.
        rng : numpy.random.Generator, int or None
            Source of the draws, or its seed.

        Returns
        -------
        RandomAnova
            ``.to_frame()`` has columns ``npar llf aic lrt df p_chisq p p_simulated reference``.

        Raises
        ------
        DataError
            If ``n_sim`` is negative, or terms share one variance.

        See Also
        --------
        anova : Tests of the fixed effects.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
        >>> fit.ranova().to_frame()[["npar", "lrt", "df"]].round(3)
                                  npar     lrt   df
        <none>                       6     NaN  NaN
        Days in (Days | Subject)     4  42.837  2.0
        """
        from lmmtools.inference.ranova import random_anova

        return random_anova(self, reduce_terms=reduce_terms, n_sim=n_sim, rng=rng)

    @single
    def drop1(
        self,
        test: Literal["F", "chisq"] = "F",
        ddf: Literal["satterthwaite", "kenward-roger", "residual", "z"] = "satterthwaite",
        *,
        cov: Correction | None = None,
        cluster: Any = None,
    ) -> SingleDeletions | SingleLikelihoodRatios:
        """Return a test of each term of the fixed part that no other term contains, as lmerTest's ``drop1``.

        Parameters
        ----------
        test : {"F", "chisq"}
            F tests of this fit, as lmerTest; or likelihood ratios of the smaller models, fitted by maximum likelihood,
            and their AIC, as lme4's ``drop1(fit, test="Chisq")``.
        ddf : {"satterthwaite", "kenward-roger", "residual", "z"}
            Degrees of freedom of F tests, as for :meth:`tests`.
        cov, cluster
            A cluster-robust covariance for F tests, as for :meth:`anova`.

        Returns
        -------
        SingleDeletions or SingleLikelihoodRatios
            Without rows where the fixed part has no term beside the constant.

        Raises
        ------
        DataError
            If there is no such test or method.

        See Also
        --------
        anova : A test of every term.
        step : Terms left out one after the other.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("angle ~ recipe + temp + (1 | recipe:replicate)", lmt.datasets.load("cake")).fit(engine="pls")
        >>> fit.drop1().to_frame()[["den_df", "F"]].round(2)
                den_df      F
        recipe    42.0   0.25
        temp     224.0  94.98
        """
        from lmmtools.inference.degrees import read_method
        from lmmtools.inference.drop1 import drop_one

        return drop_one(self, test, read_method(ddf, cov, cluster))

    @single
    def step(
        self,
        *,
        alpha_random: float = 0.1,
        alpha_fixed: float = 0.05,
        keep: str | Sequence[str] = (),
        reduce_random: bool = True,
        reduce_fixed: bool = True,
        ddf: Literal["satterthwaite", "kenward-roger", "residual", "z"] = "satterthwaite",
    ) -> Steps:
        """Return what backward elimination leaves out, as lmerTest's ``step``: random effects, then fixed terms.

        At each step the effect with the largest p-value goes, while that is above the level: of random effects by
        :meth:`ranova` (from the chi-squared distribution, as lmerTest), of fixed terms by :meth:`drop1`.

        Parameters
        ----------
        alpha_random, alpha_fixed : float
            Levels.
        keep : str or sequence of str
            Terms that stay, as the formula has them: ``"x"``, ``"(Days | Subject)"``.
        reduce_random, reduce_fixed : bool
            Which part to reduce.
        ddf : {"satterthwaite", "kenward-roger", "residual", "z"}

        Returns
        -------
        Steps
            ``.random`` and ``.fixed`` are the tables, ``.fit`` the fit of the model found, ``.formula`` its formula.

        Raises
        ------
        DataError
            If a level is none, or ``keep`` names no term of the model.

        Notes
        -----
        P-values and intervals of a model that was chosen by them are too small and too short.

        See Also
        --------
        update : Another model by a change of the formula.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("angle ~ recipe * temp + (1 | recipe:replicate)", lmt.datasets.load("cake")).fit(engine="pls")
        >>> fit.step().fixed.to_frame()[["eliminated", "p"]].round(4)
                     eliminated       p
        recipe:temp           1  0.9592
        recipe                2  0.7809
        temp                  0  0.0000
        """
        from lmmtools.inference.step import step_backward

        return step_backward(
            self,
            alpha_random=alpha_random,
            alpha_fixed=alpha_fixed,
            keep=keep,
            reduce_random=reduce_random,
            reduce_fixed=reduce_fixed,
            ddf=ddf,
        )

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
