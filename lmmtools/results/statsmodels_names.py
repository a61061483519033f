"""Names of statsmodels' results on LMMResults: aliases, and errors that say what does the same here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from lmmtools.fit.record import Fit
from lmmtools.fit.redirects import Redirect

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["StatsmodelsNames"]


class StatsmodelsNames(Fit):
    """Attributes that scripts written for MixedLM's results read."""

    @property
    def fe_params(self) -> pd.Series[float]:
        """Fixed effects, length p: ``params``.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
        >>> fit.fe_params.round(3)
        Intercept    251.405
        Days          10.467
        Name: params, dtype: float64
        """
        return self.params

    @property
    def bse_fe(self) -> pd.Series[float]:
        """Standard errors of the fixed effects, length p: ``bse``.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
        >>> fit.bse_fe.round(3)
        Intercept    6.825
        Days         1.546
        Name: bse, dtype: float64
        """
        return self.bse

    @property
    def k_fe(self) -> int:
        """Number of fixed effects, p.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
        >>> fit.k_fe
        2
        """
        return self.design.p

    @property
    def method(self) -> Literal["REML", "ML"]:
        """``"REML"`` or ``"ML"``: ``reml``.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
        >>> fit.method
        'REML'
        """
        return "REML" if self.reml else "ML"

    @property
    def use_t(self) -> bool:
        """False: ``pvalues`` and ``conf_int()`` take the statistics for normal; ``tests()`` has degrees of freedom.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
        >>> fit.use_t
        False
        """
        return False

    cov_re = Redirect("write varcorr.to_frame(), variances and correlations of every grouping factor")
    vcomp = Redirect("write varcorr.to_frame(), where every component has its row")
    wald_test = Redirect("write f_test(constraints), or t_test(constraints) for one at a time")
    wald_test_terms = Redirect("write anova(), an F test of each term")
    t_test_pairwise = Redirect("write pairwise(factor), which compares marginal means")
    get_prediction = Redirect("write predict(data, interval=...), or predict(data) for the values alone")
    save = Redirect("write to_json(path), which lmt.read_json(path) reads, or pickle the fit")
    remove_data = Redirect("write to_json(path): the record of a fit has no data in it")

    bse_re = Redirect("write varcorr_bse, standard errors on the scale of the data (MixedLM's are those of ratios)")
    cov_re_unscaled = Redirect("write theta, or varcorr.to_frame() with vcov divided by scale")
    k_re = Redirect("write len(varcorr.to_frame()), or ngroups: every grouping factor has effects here")
    k_re2 = Redirect("write len(theta), the number of variance parameters of all grouping factors")
    k_vc = Redirect("write len(varcorr.to_frame()): correlated effects and components stand in one table")
    hist = Redirect("write certificate, which says how far from the optimum the search ended")
    profile_re = Redirect('write profile(), or conf_int(method="profile")')
    df_modelwc = Redirect("write k_fe for the fixed effects, or k_params, which counts the variances too")
    k_constant = Redirect('write "Intercept" in params.index')
    normalized_cov_params = Redirect("write cov_params(), on the scale of the data and of the fixed effects alone")
    params_object = Redirect("write params and theta")
    use_sqrt = Redirect("write theta: the search is always over factors of the covariance matrices")
    cov_pen = Redirect("write mixedlm.cov_pen; nothing is penalised here")
    load = Redirect("write lmt.read_json(path) for what to_json(path) wrote, or unpickle the fit")
    initialize = Redirect("write lmt.lmm(formula, data).fit(), which makes a new fit")
    get_nlfun = Redirect("write t_test(constraints), for linear ones; others by bootstrap(statistic)")
    bsejac = Redirect("write bse; robust standard errors are not defined for MixedLM either")
    bsejhj = Redirect("write bse; robust standard errors are not defined for MixedLM either")
    covjac = Redirect("write cov_params(); robust covariances are not defined for MixedLM either")
    covjhj = Redirect("write cov_params(); robust covariances are not defined for MixedLM either")
    score_obsv = Redirect("write certificate, which has the gradient of the criterion")
    hessv = Redirect("write varcorr_bse, what follows from the curvature of the criterion")
    freepat = Redirect("write the constraint into the formula: (x || g) for effects without correlation")
