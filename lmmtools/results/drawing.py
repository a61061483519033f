"""Methods of a result: simulation and bootstrap."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lmmtools.results.methods import FitMethods
from lmmtools.threads import single

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import pandas as pd

    from lmmtools.inference.bootstrap.record import Bootstrap
    from lmmtools.results.lmm_results import LMMResults

__all__ = ["DrawingMethods"]


class DrawingMethods(FitMethods):
    """``fit.simulate()``, ``fit.bootstrap()``."""

    @single
    def simulate(self, n: int = 1, rng: np.random.Generator | int | None = None, random: str = "new") -> pd.DataFrame:
        """Return responses drawn from the fitted model, as lme4's ``simulate``.

        Parameters
        ----------
        n : int
            Number of draws.
        rng : numpy.random.Generator, int or None
        random : {"new", "fitted"}
            Draw new random effects, or keep the conditional modes (lme4's ``use.u = TRUE``).

        Returns
        -------
        DataFrame, shape (nobs, n)
            Columns ``sim_1``, ``sim_2``, ...; indexed as the rows used, in units of y, offset included.

        Raises
        ------
        DataError
            If ``n`` is not positive, or there is no such option.
        """
        from lmmtools.inference.simulation import simulate_frame

        return simulate_frame(self._fit, n, rng, random)

    def bootstrap(
        self,
        n: int = 1000,
        statistic: Callable[[LMMResults], Any] | None = None,
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
        """
        from lmmtools.inference.bootstrap.record import bootstrap_fit

        return bootstrap_fit(self._fit, n, statistic, kind=kind, n_jobs=n_jobs, rng=rng, progress=progress)
