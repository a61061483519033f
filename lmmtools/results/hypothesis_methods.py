"""Methods of a result: tests of the fixed effects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lmmtools.results.methods import FitMethods
from lmmtools.threads import single

if TYPE_CHECKING:
    import numpy as np

    from lmmtools.inference.anova import AnovaTable
    from lmmtools.inference.contrasts import ContrastTests, FTest
    from lmmtools.inference.ranova import RandomAnova

__all__ = ["TestingMethods"]


class TestingMethods(FitMethods):
    """``fit.tests()``, ``fit.t_test(...)``, ``fit.f_test(...)``."""

    @single
    def tests(self, ddf: str = "satterthwaite") -> ContrastTests:
        """Return a t test of every fixed effect, with the degrees of freedom that ``ddf`` says.

        Parameters
        ----------
        ddf : {"satterthwaite", "kenward-roger", "residual", "z"}
            Satterthwaite's, as lmerTest; Kenward and Roger's, with their adjusted standard errors, as pbkrtest (REML
            fits only); n - p; or infinite: the normal distribution.

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
        summary : The same in the report.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
        >>> fit.tests().to_frame().round(3)
                   estimate  std_error    df       t    p
        Intercept   251.405      6.825  17.0  36.838  0.0
        Days         10.467      1.546  17.0   6.771  0.0
        """
        from lmmtools.inference.contrasts import t_tests

        return t_tests(self._fit, None, ddf)

    @single
    def t_test(self, constraints: Any, ddf: str = "satterthwaite") -> ContrastTests:
        """Return a t test of each constraint on the fixed effects.

        Parameters
        ----------
        constraints : str, array_like of shape (rows, p) or (p,), or (array_like, array_like)
            As statsmodels takes them: ``"Days = 0"``, ``"a - b = 0, c = 1"``, a matrix, or a matrix and its values.
        ddf : {"satterthwaite", "kenward-roger", "residual", "z"}

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
        from lmmtools.inference.contrasts import t_tests

        return t_tests(self._fit, constraints, ddf)

    @single
    def f_test(self, constraints: Any, ddf: str = "satterthwaite") -> FTest:
        """Return the F test that all constraints hold at once; arguments and errors as :meth:`t_test`.

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
        from lmmtools.inference.contrasts import f_test

        return f_test(self._fit, constraints, ddf)

    @single
    def anova(self, type: int | str = 3, ddf: str = "satterthwaite") -> AnovaTable:
        """Return an F test of each term of the fixed part, as lmerTest's ``anova(fit)``.

        Parameters
        ----------
        type : {3, 2, 1, "III", "II", "I"}
            Each term after all others, marginal to what contains it (III, whatever the coding of factors); after all
            that do not contain it (II); after those before it (I).
        ddf : {"satterthwaite", "kenward-roger", "residual", "z"}
            As for :meth:`tests`.

        Returns
        -------
        AnovaTable
            ``.to_frame()`` has columns ``sum_sq mean_sq num_df den_df F p``, ``.contrasts`` the hypotheses.

        Raises
        ------
        DataError
            If there is no such type or method, or nothing to test.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("effort ~ Type + (1 | Subject)", lmt.datasets.load("ergoStool")).fit(engine="pls")
        >>> fit.anova().to_frame().round(3)
              sum_sq  mean_sq  num_df  den_df       F    p
        Type  81.194   27.065     3.0    24.0  22.356  0.0
        """
        from lmmtools.inference.anova import anova_table

        return anova_table(self._fit, type, ddf)

    @single
    def ranova(
        self, *, reduce_terms: bool = True, n_sim: int = 0, rng: np.random.Generator | int | None = None
    ) -> RandomAnova:
        """Return likelihood-ratio tests of the random effects by single deletions, as lmerTest's ``ranova``.

        Each is made by the criterion of the fit, REML or ML. Beside lmerTest's chi-squared p-value, which is too large
        where a variance is tested at zero, stands that of the mixture of chi-squared distributions that holds there.

        Parameters
        ----------
        reduce_terms : bool
            Take ``x`` out of ``(x | g)`` first; otherwise test ``(x | g)`` as a whole.
        n_sim : int
            Draws under the smaller model for a p-value at this sample size: from its exact distribution where the
            variance is the model's only one, else by parametric bootstrap. 0 makes none.
        rng : numpy.random.Generator, int or None
            Source of the draws.

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

        return random_anova(self._fit, reduce_terms=reduce_terms, n_sim=n_sim, rng=rng)
