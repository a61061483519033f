"""Methods of a result: simulation and bootstrap."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
        random: str | Sequence[str] = "new",
        *,
        data: Any = None,
        unseen: str = "error",
        offset: ArrayLike | None = None,
        weights: ArrayLike | str | None = None,
    ) -> pd.DataFrame:
        """Return responses drawn from the fitted model, as lme4's ``simulate``.

        Parameters
        ----------
        n : int
            Number of draws.
        rng : numpy.random.Generator, int or None
        random : {"new", "fitted"}, or sequence of str
            Draw new random effects (lme4's ``re.form = NA``), or keep the conditional modes (``use.u = TRUE``,
            ``re.form = NULL``); or the grouping factors or terms, ``["plate"]``, ``["(1 | plate)"]``, whose modes to
            keep while the others are drawn (``re.form = ~ (1 | plate)``).
        data : DataFrame, optional
            New rows, with the columns of the formula but for the response; those of the fit if None. Effects are drawn
            for whatever levels they have, once for all rows of a level.
        unseen : {"error", "population", "new"}
            What to do with levels whose modes would be kept and that the fit has not seen: refuse, go without an
            effect of theirs (lme4's ``allow.new.levels = TRUE``), or draw one.
        offset : array_like, shape (rows of data,), optional
        weights : array_like, shape (rows of data,), or str, optional
            Of the new rows, as :meth:`predict` takes them.

        Returns
        -------
        DataFrame, shape (rows, n)
            Columns ``sim_1``, ``sim_2``, ...; indexed as the rows used or the new data, in units of y, offset included.
            Rows with missing values of a covariate are NaN.

        Raises
        ------
        DataError
            If ``n`` is not positive, there is no such option, factor or term, a column is missing, a level is unseen
            and ``unseen="error"``, or a row has no level whose effect could be drawn.

        See Also
        --------
        refit_many : Fit the draws.

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
        kind: str = "parametric",
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
            Takes an ``LMMResults`` and returns a number, an array, a Series or a dict of numbers. By default standard
            deviations and correlations of the random effects, sigma and fixed effects, whose refits are made many at a
            time.
        kind : {"parametric", "residual", "cluster"}
            Responses from the model with new random effects (lme4's ``bootMer`` with ``use.u = FALSE``); from modes
            and residuals drawn with replacement, stretched to the estimated variances (Carpenter, Goldstein & Rasbash
            2003); or whole independent groups of rows, a group drawn twice being two groups.
        n_jobs : int
            Processes, -1 for all cores; with joblib's other backends, a cluster:
            ``with joblib.parallel_config(backend="dask"): fit.bootstrap(n_jobs=-1)``. The draws are the same whatever
            it is.
        rng : numpy.random.Generator, int or None
        progress : bool
            Show how far it is (needs tqdm).

        Returns
        -------
        Bootstrap
            ``.draws``, ``.conf_int(method="percentile"|"basic"|"normal"|"bca")``, ``.std_error``, ``.bias``; failed and
            singular refits are counted. Interrupted by the keyboard, it holds the draws made until then.

        Raises
        ------
        DataError
            If ``n`` is not positive, the statistic fails on the fit itself, there is no such kind, or the data have no
            independent groups to draw.
        EngineError
            If joblib or tqdm are needed and not installed.

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
