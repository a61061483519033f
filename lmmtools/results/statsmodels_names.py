"""Names of statsmodels' results that LMMResults answers: as an alias, or with what does the same here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from lmmtools.results.methods import FitMethods

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["StatsmodelsNames"]


class _NamedHere:
    """An attribute that is absent here; asking for it says what to write instead.

    Parameters
    ----------
    instead : str
        What to write, and where it differs.
    """

    def __init__(self, instead: str) -> None:
        self._instead = instead

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, fit: Any, owner: type) -> NoReturn:
        raise AttributeError(f"LMMResults has no {self._name}: {self._instead}")


class StatsmodelsNames(FitMethods):
    """What scripts written for MixedLM's results ask for."""

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
        return self._fit.params

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
        return self._fit.bse

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
        return self._fit.design.p

    cov_re = _NamedHere("write varcorr.to_frame(), variances and correlations of every grouping factor")
    vcomp = _NamedHere("write varcorr.to_frame(), where every component has its row")
    wald_test = _NamedHere("write f_test(constraints), or t_test(constraints) for one at a time")
    wald_test_terms = _NamedHere("write anova(), an F test of each term")
    t_test_pairwise = _NamedHere("write pairwise(factor), which compares marginal means")
    get_prediction = _NamedHere("write predict(data, interval=...), or predict(data) for the values alone")
    save = _NamedHere("write to_json(path), which lmt.read_json(path) reads, or pickle the fit")
    remove_data = _NamedHere("write to_json(path): the record of a fit has no data in it")
