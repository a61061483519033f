"""Methods of a result: intervals of its parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lmmtools.results.methods import FitMethods
from lmmtools.threads import single

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from lmmtools.inference.profile.profile_result import Profile

__all__ = ["IntervalMethods"]


class IntervalMethods(FitMethods):
    """``fit.conf_int(method=...)``, ``fit.profile()``."""

    @single
    def conf_int(
        self,
        alpha: float = 0.05,
        method: str = "wald",
        *,
        parameters: str | Sequence[str] | None = None,
        ddf: str = "z",
        **options: Any,
    ) -> pd.DataFrame:
        """Return confidence intervals: columns 0 (lower) and 1 (upper), as statsmodels has them.

        Parameters
        ----------
        alpha : float
            One less the level: 0.05 for 95% intervals.
        method : {"wald", "profile", "boot"}
            Estimate and standard error, of the fixed effects; profile likelihood or parametric bootstrap, of standard
            deviations and correlations too, as lme4's ``confint``.
        parameters : str or sequence of str, optional
            Names, ``"theta_"`` (of the random effects, with sigma) or ``"beta_"``; by default all.
        ddf : {"z", "satterthwaite", "kenward-roger", "residual"}
            Quantiles of Wald's intervals; those of the normal distribution by default, as lme4's and statsmodels'.
        **options
            For ``"boot"``: ``n`` (1000 draws), ``rng``, ``n_jobs``, and ``interval`` (``"percentile"``, ``"basic"``,
            ``"normal"`` or ``"bca"``); see :meth:`bootstrap`.

        Raises
        ------
        DataError
            If there is no such method, parameter or option.
        ValueError
            If ``alpha`` is not between 0 and 1.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
        >>> fit.conf_int().round(2)
                        0       1
        Intercept  238.03  264.78
        Days         7.44   13.50
        """
        from lmmtools.inference.intervals import confidence_intervals

        return confidence_intervals(self._fit, alpha, method, parameters, ddf, options)

    @single
    def profile(self, parameters: str | Sequence[str] | None = None, *, alphamax: float = 0.01) -> Profile:
        """Return profile likelihoods, as lme4's ``profile``; a REML fit is refitted by ML for them, as there.

        Parameters
        ----------
        parameters : str or sequence of str, optional
            Names (``"sd_(Intercept)|Subject"``, ``"cor_Days.(Intercept)|Subject"``, ``"sigma"``, a fixed effect),
            ``"theta_"`` or ``"beta_"``; by default all.
        alphamax : float
            The profiles go out to the joint region of all parameters at level 1 - ``alphamax``.

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

        return profile_fit(self._fit, parameters, alphamax=alphamax)
