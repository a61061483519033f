"""What a fit estimates: fixed effects, variance components, and what is known of the optimum."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools import core
from lmmtools.design.factors import text_index
from lmmtools.fit.boundary import Boundary, find_boundary, is_singular
from lmmtools.fit.by_factor import FactorDict
from lmmtools.fit.criterion import Criterion
from lmmtools.fit.second_look import SecondLook, has_mixedlm_result, take_second_look
from lmmtools.fit.varcorr import VarCorr, variance_standard_errors

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from lmmtools.engines.estimate import Agreement, Certificate

__all__ = ["Estimates"]


class Estimates(Criterion):
    """Fixed effects, variance components and the optimum of a fit."""

    # -- fixed effects --------------------------------------------------------------------------------------------

    @cached_property
    def _x_index(self) -> pd.Index[str]:
        return text_index(tuple(self.design.x_names))

    def _series(self, values: NDArray[np.float64], name: str) -> pd.Series[float]:
        import pandas as pd

        return pd.Series(values, index=self._x_index, name=name)

    @property
    def params(self) -> pd.Series[float]:
        """Fixed effects, length p, labelled as statsmodels labels them.

        See Also
        --------
        conf_int : Their intervals.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
        >>> fit.params.round(3)
        Intercept    251.405
        Days          10.467
        Name: params, dtype: float64
        """
        return self._series(self.estimate.beta.copy(), "params")

    @property
    def bse(self) -> pd.Series[float]:
        """Standard errors of the fixed effects, length p.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
        >>> fit.bse.round(3)
        Intercept    6.825
        Days         1.546
        Name: bse, dtype: float64
        """
        return self._series(np.sqrt(np.diag(self.estimate.beta_cov)), "bse")

    @property
    def tvalues(self) -> pd.Series[float]:
        """``params / bse``, length p; lme4's t values.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
        >>> fit.tvalues.round(2)
        Intercept    36.84
        Days          6.77
        Name: tvalues, dtype: float64
        """
        return self._series(self.estimate.beta / np.sqrt(np.diag(self.estimate.beta_cov)), "tvalues")

    @property
    def pvalues(self) -> pd.Series[float]:
        """Two-sided p-values of the t values against the standard normal, as MixedLM gives them, length p.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
        >>> fit.pvalues.round(4)
        Intercept    0.0
        Days         0.0
        Name: pvalues, dtype: float64
        """
        from scipy.special import ndtr

        return self._series(2.0 * ndtr(-np.abs(self.tvalues.to_numpy())), "pvalues")

    def cov_params(self) -> pd.DataFrame:
        """Return the covariance matrix of the fixed effects, shape (p, p): lme4's ``vcov()``.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
        >>> fit.cov_params().round(3)
                   Intercept   Days
        Intercept     46.575 -1.451
        Days          -1.451  2.389
        """
        import pandas as pd

        names = list(self.design.x_names)
        return pd.DataFrame(self.estimate.beta_cov, index=names, columns=names)

    # -- variance components --------------------------------------------------------------------------------------

    @property
    def sigma(self) -> float:
        """Residual standard deviation, in units of y.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
        >>> round(fit.sigma, 3)
        49.51
        """
        return self.estimate.sigma

    @property
    def scale(self) -> float:
        """Residual variance, in squared units of y.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
        >>> round(fit.scale, 2)
        2451.25
        """
        return self.sigma**2

    @property
    def theta(self) -> NDArray[np.float64]:
        """Relative covariance parameters in lme4's order, shape (k,).

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
        >>> fit.theta.round(4).tolist()
        [0.9667, 0.0152, 0.2309]
        """
        return self.estimate.theta.copy()

    @cached_property
    def varcorr(self) -> VarCorr:
        """Variances, standard deviations and correlations of the random effects.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
        >>> fit.varcorr.to_frame().round(3)
                grp         var1  var2     vcov   sdcor
        0   Subject  (Intercept)  None  612.090  24.740
        1   Subject         Days  None   35.072   5.922
        2   Subject  (Intercept)  Days    9.604   0.066
        3  Residual         None  None  654.941  25.592
        """
        return VarCorr.from_theta(self.estimate.theta, self.sigma, self.design.blocks)

    @cached_property
    def varcorr_bse(self) -> pd.DataFrame:
        """Standard errors of the variance components, from the observed information.

        Columns ``grp var1 var2 vcov se_vcov sdcor se_sdcor note``: rows as in ``varcorr.to_frame()``, each standard
        error on its own scale (variances in squared units of y, standard deviations in units of y). On the boundary
        they are undefined: NaN, and the note says why.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
        >>> fit.varcorr_bse.round(2)
                grp         var1  var2     vcov  se_vcov  sdcor  se_sdcor note
        0     Batch  (Intercept)  None  1764.05  1432.75  42.00     17.06
        1  Residual         None  None  2451.25   707.61  49.51      7.15
        """
        return variance_standard_errors(self.varcorr, core.information(self.problem, self.estimate.theta, self.reml))

    @property
    def ngroups(self) -> FactorDict[int]:
        """Number of levels of each grouping factor.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
        >>> dict(fit.ngroups)
        {'Subject': 18}
        """
        return FactorDict({b.group: b.m for b in self.design.blocks})

    @cached_property
    def is_singular(self) -> bool:
        """Whether a component is at its boundary, with lme4's default tolerance.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff2")).fit(engine="pls")
        >>> fit.is_singular
        True
        """
        return is_singular(self.estimate.theta, self.design)

    @cached_property
    def boundary(self) -> Boundary:
        """One row per component at its boundary: which, why, and the certificate.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff2")).fit(engine="pls")
        >>> len(fit.boundary.rows)
        1
        """
        return find_boundary(self.estimate.theta, self.design, self.certificate)

    # -- optimum --------------------------------------------------------------------------------------------------

    @cached_property
    def problem(self) -> core.Problem:
        """The cross-products of the design, as the pls engine holds them.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
        >>> type(fit.problem).__name__
        'Problem'
        """
        return self.prepared.problem if self.prepared.problem is not None else core.prepare(self.design)

    @cached_property
    def certificate(self) -> Certificate:
        """Gradient and curvature at the optimum, restricted to the free directions.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
        >>> fit.certificate.scope
        'global'
        """
        if self.estimate.certificate is not None:
            return self.estimate.certificate
        return core.certify(self.problem, self.estimate.theta, self.reml)

    @property
    def converged(self) -> bool:
        """Whether the certificate holds.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
        >>> fit.converged
        True
        """
        return self.certificate.holds

    @cached_property
    def second_look(self) -> SecondLook:
        """A second engine's criterion at this optimum, or the reason why there is none.

        After ``engine="auto"``, MixedLM evaluates its likelihood when this is first read, by ``summary()`` for example,
        if this is estimated, from the sizes of the design, to take at most a tenth of a second.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> model = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff"))
        >>> model.fit().second_look.agreement.engine
        'mixedlm'
        """
        return take_second_look(self.design, self.estimate)

    @property
    def agreement(self) -> Agreement | None:
        """A second engine's criterion at this optimum beside the fit's; None where ``second_look`` has none.

        It shows that both engines compute the same criterion, not that no lower value exists.

        See Also
        --------
        confirm : Let MixedLM search for a lower criterion.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> model = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff"))
        >>> model.fit().agreement.engine
        'mixedlm'
        """
        return self.second_look.agreement

    @cached_property
    def mixedlm(self) -> Any:
        """The ``MixedLMResults`` of the model that ``spec`` writes, on the data's scale, at this fit's optimum.

        It is made when it is first read, after ``engine="auto"`` and ``"mixedlm"``. It is None after the other engines,
        and after ``"auto"`` where MixedLM cannot express the model or one evaluation of its likelihood would take more
        than a second. MixedLM cannot hold a variance of zero: there it has 1e-9 of the residual variance.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> model = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff"))
        >>> model.fit(engine="mixedlm").mixedlm.fe_params.round(1)
        Intercept    1527.5
        dtype: float64
        """
        if self.prepared.mixedlm is not None:
            return self.prepared.mixedlm
        if self.engine == "lme4" or not has_mixedlm_result(self.design, self.estimate):
            return None
        from lmmtools.engines import mixedlm

        return mixedlm.on_data_scale(self.design, self.estimate)
