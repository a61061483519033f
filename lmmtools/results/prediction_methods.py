"""Methods of a result: predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, overload

from lmmtools.fit.record import Fit
from lmmtools.threads import single

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pandas as pd
    from numpy.typing import ArrayLike


__all__ = ["PredictionMethods"]


class PredictionMethods(Fit):
    """``fit.predict(...)``."""

    @overload
    def predict(
        self,
        data: Any = None,
        *,
        random: bool | str | Sequence[str] = True,
        unseen: Literal["error", "population", "missing"] = "error",
        offset: ArrayLike | None = None,
        weights: ArrayLike | str | None = None,
        interval: None = None,
        alpha: float = 0.05,
        ddf: Literal["z", "satterthwaite", "kenward-roger", "residual"] = "z",
        method: Literal["wald", "boot"] = "wald",
        n: int = 1000,
        rng: np.random.Generator | int | None = None,
        n_jobs: int = 1,
    ) -> pd.Series[float]: ...

    @overload
    def predict(
        self,
        data: Any = None,
        *,
        random: bool | str | Sequence[str] = True,
        unseen: Literal["error", "population", "missing"] = "error",
        offset: ArrayLike | None = None,
        weights: ArrayLike | str | None = None,
        interval: Literal["confidence", "prediction"],
        alpha: float = 0.05,
        ddf: Literal["z", "satterthwaite", "kenward-roger", "residual"] = "z",
        method: Literal["wald", "boot"] = "wald",
        n: int = 1000,
        rng: np.random.Generator | int | None = None,
        n_jobs: int = 1,
    ) -> pd.DataFrame: ...

    @single
    def predict(
        self,
        data: Any = None,
        *,
        random: bool | str | Sequence[str] = True,
        unseen: Literal["error", "population", "missing"] = "error",
        offset: ArrayLike | None = None,
        weights: ArrayLike | str | None = None,
        interval: Literal["confidence", "prediction"] | None = None,
        alpha: float = 0.05,
        ddf: Literal["z", "satterthwaite", "kenward-roger", "residual"] = "z",
        method: Literal["wald", "boot"] = "wald",
        n: int = 1000,
        rng: np.random.Generator | int | None = None,
        n_jobs: int = 1,
    ) -> pd.Series[float] | pd.DataFrame:
        """Return predictions, one for each row of ``data``; with ``interval`` also standard errors and limits.

        Parameters
        ----------
        data : DataFrame, optional
            New data with the columns of the formula that the prediction uses: grouping factors are not needed with
            ``random=False``. By default the data fitted.
        random : bool, str or sequence of str
            Which random effects the mean includes, as lme4's ``re.form``: True for all of them, False for none (the
            population), or the grouping factors (``"batch"``; ``"batch:cask"`` or ``"cask:batch"``) or terms
            (``"(1 | batch)"``) to include.
        unseen : {"error", "population", "missing"}
            How to treat levels of included factors that the fit has not seen: raise an error, predict with the
            population's mean, or predict NaN (then for levels of the fixed part's factors too).
        offset : array_like, shape (rows of data,), optional
            Offset of the new rows, needed if the model was given one beside the formula.
        weights : array_like, shape (rows of data,), or str, optional
            Prior weights of the new rows, for prediction intervals of models with weights; by default the column that
            the model's weights came from.
        interval : {"confidence", "prediction"}, optional
            Limits for the mean, or for the mean and for a new observation.
        alpha : float
            One less the intervals' coverage.
        ddf : {"z", "satterthwaite", "kenward-roger", "residual"}
            Quantiles of the normal distribution, or of t with these degrees of freedom. Kenward and Roger's are defined
            for confidence intervals of the population's mean (``random=False``) alone.
        method : {"wald", "boot"}
            Limits from the standard error, or from a parametric bootstrap that refits the model to drawn data.
        n, rng, n_jobs
            Of the bootstrap, as :meth:`bootstrap` takes them.

        Returns
        -------
        Series or DataFrame
            Without ``interval`` the means, X b + offset + Z u of the included terms, in units of y. With it, columns
            ``mean mean_se mean_ci_lower mean_ci_upper``, and ``obs_ci_lower obs_ci_upper`` for
            ``interval="prediction"``, as statsmodels' ``get_prediction().summary_frame()``. Rows with missing values
            are NaN.

        Raises
        ------
        DataError
            If a column is missing, a level is unseen and ``unseen="error"``, ``random`` names no factor or term of
            the model, or the degrees of freedom are not defined for this interval.

        See Also
        --------
        marginal_means : Means over a balanced grid of the predictors.
        simulate : Draws of new responses.
        fittedvalues : Conditional predictions of the rows used.

        Notes
        -----
        ``mean_se`` is the root of Var(x b_hat + z u_hat - x b - z u), the variance of the prediction's error by
        Henderson's mixed-model equations: it counts the uncertainty of the fixed effects, that of the modes, and
        their covariance, with the variance parameters treated as known. With ``random=False`` it is that of x b_hat.

        A level that the fit has not seen (``unseen="population"``) has its effect predicted by zero, with an error of
        the term's whole variance z' Sigma z: the interval is then for the mean of a new level.

        Terms that ``random`` leaves out are averaged over: the mean and its confidence interval are those of the
        population of their levels, and do not include them. A new observation comes from some level of theirs, so that
        the prediction interval adds their z' Sigma z, and the residual variance sigma**2 / weight of the row.

        Normal quantiles treat the variances as known, so that intervals are too short with few levels. With
        ``ddf="satterthwaite"`` the quantiles are of t with 2 P^2 / Var(P) degrees of freedom, where P is the variance
        of the error (for limits of an observation, of the observation's error) and Var(P) follows from the asymptotic
        covariance of the variance parameters; a variance at zero is treated as known. ``method="boot"`` draws data and
        truth together, refits, and takes quantiles of the errors in units of the refits' standard errors; it accounts
        for the uncertainty of all parameters.

        Sources: Henderson (1975) Biometrics 31, 423-447; Robinson (1991) Statistical Science 6(1).

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
        >>> fit.predict(random=False).head(2).round(2)
        0    251.41
        1    261.87
        Name: predict, dtype: float64
        """
        from lmmtools.inference.prediction import predict

        return predict(
            self,
            data,
            random=random,
            unseen=unseen,
            offset=offset,
            weights=weights,
            interval=interval,
            alpha=alpha,
            ddf=ddf,
            method=method,
            n=n,
            rng=rng,
            n_jobs=n_jobs,
        )
