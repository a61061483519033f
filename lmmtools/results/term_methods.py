"""Methods of a result: tests of the terms of its formula."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from lmmtools.fit.record import Fit
from lmmtools.threads import single

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from lmmtools.inference.anova import AnovaTable
    from lmmtools.inference.drop1 import SingleDeletions, SingleLikelihoodRatios
    from lmmtools.inference.effect_sizes import EffectShares
    from lmmtools.inference.ranova import RandomAnova
    from lmmtools.inference.robust import Correction
    from lmmtools.inference.step import Steps

__all__ = ["TermMethods"]


class TermMethods(Fit):
    """``fit.anova()``, ``fit.ranova()``, ``fit.drop1()``, ``fit.step()`` and ``fit.eta_squared()``."""

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
