"""Methods of a result: simulation and bootstrap."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from lmmtools.fit.record import Fit
from lmmtools.threads import single

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    import pandas as pd
    from numpy.typing import ArrayLike

    from lmmtools.inference.bootstrap.bootstrap_result import Bootstrap

__all__ = ["SimulationMethods"]


class SimulationMethods(Fit):
    """``fit.simulate()``, ``fit.bootstrap()``."""

    @single
    def simulate(
        self,
        n: int = 1,
        rng: np.random.Generator | int | None = None,
        random: Literal["new", "fitted"] | Sequence[str] = "new",
        *,
        data: Any = None,
        unseen: Literal["error", "population", "new"] = "error",
        offset: ArrayLike | None = None,
        weights: ArrayLike | str | None = None,
    ) -> pd.DataFrame:
        """Return responses drawn from the fitted model, as lme4's ``simulate``.

        Parameters
        ----------
        n : int
            Number of draws.
        rng : numpy.random.Generator, int or None
            Source of the draws, or its seed.
        random : {"new", "fitted"}, or sequence of str
            ``"new"`` draws new random effects (lme4's ``re.form = NA``), ``"fitted"`` keeps the conditional modes
            (``use.u = TRUE``, ``re.form = NULL``). Names of factors or terms, ``["plate"]``, ``["(1 | plate)"]``, keep
            the modes of these and draw the others (``re.form = ~ (1 | plate)``).
        data : DataFrame, optional
            New rows with the columns of the formula except the response; by default the rows of the fit. One effect is
            drawn for each level, whether the fit has seen it or not.
        unseen : {"error", "population", "new"}
            How to treat levels that the fit has not seen where modes are kept: raise an error, give them no effect
            (lme4's ``allow.new.levels = TRUE``), or draw one.
        offset : array_like, shape (rows of data,), optional
        weights : array_like, shape (rows of data,), or str, optional
            Of the new rows, as :meth:`predict` takes them.

        Returns
        -------
        DataFrame, shape (rows, n)
            Columns ``sim_1``, ``sim_2``, ... in units of y, with the offset; indexed as the rows used or the new data.
            Rows with missing values of a covariate are NaN.

        Raises
        ------
        DataError
            If ``n`` is not positive, there is no such option, factor or term, a column is missing, a level is unseen
            and ``unseen="error"``, or a row has no level whose effect could be drawn.

        See Also
        --------
        refit_many : Fit the draws.
        bootstrap : Draws of statistics of such fits.
        lmmtools.power : Power of a test by simulation.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
        >>> fit.simulate(2, rng=1).shape
        (30, 2)
        """
        from lmmtools.inference.simulation import simulate_frame

        return simulate_frame(self, n, rng, random, data=data, unseen=unseen, offset=offset, weights=weights)

    def bootstrap(
        self,
        n: int = 1000,
        statistic: Callable[[Any], Any] | None = None,
        *,
        kind: Literal["parametric", "residual", "cluster"] = "parametric",
        n_jobs: int = 1,
        rng: np.random.Generator | int | None = None,
        progress: bool = False,
    ) -> Bootstrap:
        """Return draws of statistics of the fit under resampling.

        Parameters
        ----------
        n : int
            Number of draws.
        statistic : callable, optional
            Function of an ``LMMResults`` that returns a number, an array, a Series or a dict of numbers. By default
            standard deviations and correlations of the random effects, sigma and the fixed effects; these refits are
            computed many at a time.
        kind : {"parametric", "residual", "cluster"}
            ``"parametric"``: responses drawn from the model with new random effects (lme4's ``bootMer`` with
            ``use.u = FALSE``). ``"residual"``: modes and residuals drawn with replacement, scaled to the estimated
            variances (Carpenter, Goldstein & Rasbash 2003). ``"cluster"``: whole independent groups of rows drawn with
            replacement; a group drawn twice counts as two groups.
        n_jobs : int
            Processes; -1 for all cores. Other backends of joblib use a cluster:
            ``with joblib.parallel_config(backend="dask"): fit.bootstrap(n_jobs=-1)``. The draws do not depend on it.
        rng : numpy.random.Generator, int or None
            Source of the draws, or its seed.
        progress : bool
            Show a progress bar (needs tqdm).

        Returns
        -------
        Bootstrap
            ``.draws``, ``.conf_int(method="percentile"|"basic"|"normal"|"bca")``, ``.std_error``, ``.bias``; failed and
            singular refits are counted. After a keyboard interrupt it holds the draws made so far.

        Raises
        ------
        DataError
            If ``n`` is not positive, the statistic fails on the fit itself, there is no such kind, or the data have no
            independent groups to draw.
        EngineError
            If joblib or tqdm is needed and not installed.

        See Also
        --------
        conf_int : ``method="boot"`` for intervals alone.
        lmmtools.bootstrap_test : A bootstrap test of two fits.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
        >>> draws = fit.bootstrap(20, rng=1)
        >>> draws.std_error.round(2)
        sd_(Intercept)|Batch    14.86
        sigma                    8.57
        Intercept               15.13
        dtype: float64
        """
        from lmmtools.inference.bootstrap.bootstrap_result import bootstrap_fit

        return bootstrap_fit(self, n, statistic, kind=kind, n_jobs=n_jobs, rng=rng, progress=progress)
