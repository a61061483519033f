"""Names of statsmodels' results on LMMResults: aliases; for others `other_names` says what does the same here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from lmmtools.fit.record import Fit

if TYPE_CHECKING:
    import pandas as pd

    from lmmtools.engines.mixedlm import MixedLMSpec
    from lmmtools.formula.terms import ModelFormula

__all__ = ["StatsmodelsNames"]


class StatsmodelsNames(Fit):
    """Attributes that scripts written for MixedLM's results read."""

    @property
    def formula(self) -> ModelFormula:
        """The formula of the model; ``str()`` writes it in lme4's notation.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
        >>> print(fit.formula)
        Yield ~ 1 + (1 | Batch)
        """
        return self.design.formula

    @property
    def spec(self) -> MixedLMSpec:
        """The equivalent MixedLM call, as :attr:`Model.spec`.

        Raises
        ------
        TranslationError
            If MixedLM cannot express the model.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
        >>> fit.spec.groups
        'Batch'
        """
        from lmmtools.engines import mixedlm

        return mixedlm.write_spec(self.design, mixedlm.lay_out(self.design))

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
