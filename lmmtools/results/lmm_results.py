"""LMMResults: one record of a fitted model, whatever engine fitted it."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools.engines import pls
from lmmtools.errors import DataError
from lmmtools.fit.boundary import Boundary, find_boundary, is_singular
from lmmtools.fit.factor_dict import FactorDict
from lmmtools.fit.names import Names
from lmmtools.fit.varcorr import VarCorr
from lmmtools.fit.variance_errors import variance_standard_errors
from lmmtools.results import prediction
from lmmtools.results.confirmation import Confirmation, run_confirmation
from lmmtools.results.describing import DescribingMethods
from lmmtools.results.diagnosing import DiagnosingMethods
from lmmtools.results.drawing import DrawingMethods
from lmmtools.results.intervals import IntervalMethods
from lmmtools.results.paging import PageMethods
from lmmtools.results.predicting import PredictingMethods
from lmmtools.results.second_look import SecondLook, has_mixedlm_form, look
from lmmtools.results.statsmodels_names import StatsmodelsNames
from lmmtools.results.tabling import TablingMethods
from lmmtools.results.testing import TestingMethods

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

    from lmmtools.design.record import Design
    from lmmtools.engines.estimate import Agreement, Certificate, Estimate
    from lmmtools.plots import FitPlots
    from lmmtools.report.summary import Summary

__all__ = ["LMMResults", "Names"]


@dataclass(frozen=True, eq=False, repr=False)
class LMMResults(
    DescribingMethods,
    DiagnosingMethods,
    DrawingMethods,
    IntervalMethods,
    PageMethods,
    PredictingMethods,
    StatsmodelsNames,
    TablingMethods,
    TestingMethods,
):
    """A fitted linear mixed model, with lme4's numbers under statsmodels' names.

    Attributes
    ----------
    design : Design
        What was fitted.
    estimate : Estimate
        What the engine returned.
    names : Names
        What data, weights and offset are called, where known.
    fit_seconds : float
        Wall-clock time from the design to the estimate; of ``lmer()`` itself where R fitted the model.
    warnings : tuple of str
        Everything the fit had to say: dropped rows and columns, boundary, the engine's own messages.
    remarks : tuple of str
        Sentences for the foot of the report beyond what numbers tell: what a MixedLM model that was read really is.
    """

    design: Design
    estimate: Estimate
    names: Names = field(default_factory=Names)
    fit_seconds: float = float("nan")
    warnings: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    _problem: Any = field(default=None, repr=False)

    # -- criterion ------------------------------------------------------------------------------------------------

    @property
    def engine(self) -> str:
        """The engine that fitted the model."""
        return self.estimate.engine

    @property
    def reml(self) -> bool:
        """Whether the criterion is REML."""
        return self.estimate.reml

    @property
    def objective(self) -> float:
        """lme4's ``REMLcrit()`` under REML, ``deviance()`` (-2 log likelihood) under ML."""
        return self.estimate.objective

    @property
    def llf(self) -> float:
        """(Restricted) log-likelihood, as lme4's ``logLik()``."""
        return -0.5 * self.objective

    @property
    def nobs(self) -> int:
        """Number of rows used."""
        return self.design.n

    @property
    def k_params(self) -> int:
        """Number of parameters: fixed effects, covariance parameters and the residual variance."""
        return self.design.p + self.design.k_free + 1

    @property
    def df_resid(self) -> int:
        """Rows less parameters, as lme4's ``df.residual()``."""
        return self.nobs - self.k_params

    @property
    def aic(self) -> float:
        """Akaike's criterion from ``llf`` and ``k_params``, as lme4's ``AIC()``, under REML too."""
        return self.objective + 2.0 * self.k_params

    @property
    def bic(self) -> float:
        """Schwarz's criterion from ``llf``, ``k_params`` and ``nobs``, as lme4's ``BIC()``."""
        return self.objective + float(np.log(self.nobs)) * self.k_params

    # -- fixed effects --------------------------------------------------------------------------------------------

    @cached_property
    def _x_index(self) -> pd.Index[str]:
        import pandas as pd

        return pd.Index(list(self.design.x_names))

    def _series(self, values: NDArray[np.float64], name: str) -> pd.Series[float]:
        import pandas as pd

        return pd.Series(values, index=self._x_index, name=name)

    @property
    def params(self) -> pd.Series[float]:
        """Fixed effects, length p, labelled as statsmodels labels them."""
        return self._series(self.estimate.beta.copy(), "params")

    @property
    def bse(self) -> pd.Series[float]:
        """Standard errors of the fixed effects, length p."""
        return self._series(np.sqrt(np.diag(self.estimate.beta_cov)), "bse")

    @property
    def tvalues(self) -> pd.Series[float]:
        """``params / bse``, length p; lme4's t values."""
        return self._series(self.estimate.beta / np.sqrt(np.diag(self.estimate.beta_cov)), "tvalues")

    @property
    def pvalues(self) -> pd.Series[float]:
        """Two-sided p-values of the t values against the standard normal, as MixedLM gives them, length p."""
        from scipy.special import ndtr

        return self._series(2.0 * ndtr(-np.abs(self.tvalues.to_numpy())), "pvalues")

    def cov_params(self) -> pd.DataFrame:
        """Return the covariance matrix of the fixed effects, shape (p, p): lme4's ``vcov()``."""
        import pandas as pd

        names = list(self.design.x_names)
        return pd.DataFrame(self.estimate.beta_cov, index=names, columns=names)

    # -- variance components --------------------------------------------------------------------------------------

    @property
    def sigma(self) -> float:
        """Residual standard deviation, in units of y."""
        return self.estimate.sigma

    @property
    def scale(self) -> float:
        """Residual variance, in squared units of y."""
        return self.sigma**2

    @property
    def theta(self) -> NDArray[np.float64]:
        """Relative covariance parameters in lme4's order, shape (k,)."""
        return self.estimate.theta.copy()

    @cached_property
    def varcorr(self) -> VarCorr:
        """Variances, standard deviations and correlations of the random effects."""
        return VarCorr.from_theta(self.estimate.theta, self.sigma, self.design.blocks)

    @cached_property
    def varcorr_bse(self) -> pd.DataFrame:
        """Standard errors of the variance components, from the observed information.

        Columns ``grp var1 var2 vcov se_vcov sdcor se_sdcor note``: rows as in ``varcorr.to_frame()``, each standard
        error on its own scale (variances in squared units of y, standard deviations in units of y). On the boundary
        they are undefined: NaN, and the note says why.
        """
        return variance_standard_errors(self.varcorr, pls.information(self.problem, self.estimate.theta, self.reml))

    @property
    def ngroups(self) -> FactorDict[int]:
        """Number of levels of each grouping factor."""
        return FactorDict({b.group: b.m for b in self.design.blocks})

    @cached_property
    def is_singular(self) -> bool:
        """Whether a component is at its boundary, with lme4's default tolerance."""
        return is_singular(self.estimate.theta, self.design)

    @cached_property
    def boundary(self) -> Boundary:
        """One row per component at its boundary: which, why, and the certificate."""
        return find_boundary(self.estimate.theta, self.design, self.certificate)

    # -- optimum --------------------------------------------------------------------------------------------------

    @cached_property
    def problem(self) -> Any:
        """The cross-products of the design, as the pls engine holds them."""
        return self._problem if self._problem is not None else pls.prepare(self.design)

    @cached_property
    def certificate(self) -> Certificate:
        """Gradient and curvature at the optimum, restricted to the free directions."""
        if self.estimate.certificate is not None:
            return self.estimate.certificate
        return pls.certify(self.problem, self.estimate.theta, self.reml)

    @property
    def converged(self) -> bool:
        """Whether the certificate holds."""
        return self.certificate.holds

    @cached_property
    def second_look(self) -> SecondLook:
        """A second engine's criterion at this optimum, or why there is none.

        After the default fit MixedLM evaluates its likelihood when this is first looked at, be it by ``summary()``, if
        that takes about a tenth of a second at most, estimated from the sizes of the design.
        """
        return look(self)

    @property
    def agreement(self) -> Agreement | None:
        """A second engine's criterion at this optimum beside the fit's, where there is one (see ``second_look``).

        It tells that both compute the same, not that nothing is lower: ``confirm()`` searches.
        """
        return self.second_look.agreement

    @cached_property
    def mixedlm(self) -> Any:
        """The ``MixedLMResults`` of the model as ``spec`` writes it, on the data's scale, started at the optimum.

        Made when first asked for, after ``engine="auto"`` and ``"mixedlm"``; None after the others, and after
        ``"auto"`` where MixedLM has no such model or one evaluation of its likelihood would take over a second. MixedLM
        cannot hold a variance of zero: it is shown 1e-9 of the residual's instead.
        """
        if self.engine == "lme4" or not has_mixedlm_form(self):
            return None
        from lmmtools.engines import mixedlm

        return mixedlm.on_data_scale(self.design, self.estimate)

    def confirm(self) -> Confirmation:
        """Return whether MixedLM's own search, from its own start, finds nothing lower than this fit's criterion.

        It takes as long as MixedLM takes; the fit stays as it is. Prints as a sentence; ``.confirmed``, ``.objective``
        of the fit, ``.found`` by MixedLM, their ``.difference``, and ``.theta`` where MixedLM ended: where that is
        lower, ``model.fit(start=fit.confirm().theta)`` fits again from there.

        Raises
        ------
        TranslationError
            If MixedLM cannot express the model.
        EngineError
            If MixedLM's optimisers fail, or a term of the model shares its variance with another.
        """
        return run_confirmation(self)

    # -- random effects and fitted values -------------------------------------------------------------------------

    @cached_property
    def random_effects(self) -> FactorDict[pd.DataFrame]:
        """Conditional modes: {factor: DataFrame level x effect}, in units of y per unit of the effect's column."""
        return FactorDict(prediction.modes_by_factor(self.design, self.estimate.modes))

    @cached_property
    def coef(self) -> FactorDict[pd.DataFrame]:
        """Each level's own coefficients, lme4's ``coef()``: {factor: DataFrame level x coefficient}.

        Fixed effects plus the factor's own modes; those of other factors are not in them. An effect that has no fixed
        part, ``x`` in ``y ~ 1 + (x | g)``, has a column too, in the table of every factor, before the others. Columns
        add up where they are coded alike: beside ``f``, the cells of ``(0 + f | g)`` have columns of their own.
        """
        found = prediction.coefficients_by_factor(self.design, self.estimate.beta, self.estimate.modes)
        return FactorDict(found)

    @cached_property
    def random_effects_cov(self) -> FactorDict[pd.DataFrame]:
        """Conditional covariances of the modes given the data: {factor: DataFrame (level, effect) x effect}.

        ``random_effects_cov[factor].loc[level]`` is the l x l matrix of one level: lme4's ``condVar``.
        """
        covariances = pls.conditional_covariances(self.problem, self.estimate.theta, self.reml)
        return FactorDict(prediction.covariances_by_factor(self.design, covariances))

    @cached_property
    def fittedvalues(self) -> pd.Series[float]:
        """Conditional fitted values X b + Z u + offset, indexed as the rows used."""
        return self._rows(prediction.fitted(self.design, self.estimate), "fittedvalues")

    @cached_property
    def resid(self) -> pd.Series[float]:
        """Y less the conditional fitted values."""
        return self._rows(self.design.y - self.fittedvalues.to_numpy(), "resid")

    @property
    def scaled_resid(self) -> NDArray[np.float64]:
        """lme4's scaled residuals: Pearson residuals over sigma, shape (n,)."""
        root = 1.0 if self.design.weights is None else np.sqrt(self.design.weights)
        return np.asarray(self.resid.to_numpy() * root / self.sigma)

    def _rows(self, values: NDArray[np.float64], name: str) -> pd.Series[float]:
        import pandas as pd

        return pd.Series(values, index=self.design.frame.index, name=name)

    @cached_property
    def hat_values(self) -> pd.Series[float]:
        """Leverages: the diagonal of the map from y to the conditional fitted values, indexed as the rows used."""
        return self._rows(pls.hat_values(self.problem, self.estimate.theta, self.reml), "hat_values")

    # -- other responses, same design -----------------------------------------------------------------------------

    def refit(self, y: ArrayLike) -> LMMResults:
        """Return the fit of another response on the same design, by the pls engine; all structure is reused.

        Parameters
        ----------
        y : array-like, shape (nobs,)
            One value per row used, in the order of ``fittedvalues``.

        Raises
        ------
        EngineError
            If y has another length, is not finite, or X reproduces it exactly.
        DataError
            If y does not hold numbers.
        """
        values = _as_floats(y)
        problem = self.problem.with_response(values)
        estimate = pls.fit_problem(problem, reml=self.reml)
        return LMMResults(replace(self.design, y=values), estimate, self.names, _problem=problem)

    def refit_many(self, Y: ArrayLike) -> pls.Refits:
        """Return the fits of many responses on the same design, in step: for bootstraps, permutations, mass tests.

        Parameters
        ----------
        Y : array-like, shape (nobs, B)
            One response per column.

        Returns
        -------
        Refits
            Arrays over the B responses: theta, beta, beta_cov, sigma, objective, converged, n_evaluations.

        Raises
        ------
        EngineError
            If Y has another number of rows, or a response is not finite or is reproduced exactly by X.
        DataError
            If Y does not hold numbers.
        """
        return pls.refit_many(self.problem, _as_floats(Y), self.reml)

    # -- report ---------------------------------------------------------------------------------------------------

    def summary(self, ddf: str | None = None) -> Summary:
        """Return the report in lme4's layout: ``str()``, ``to_markdown()``, ``to_html()``, ``to_latex()``.

        Parameters
        ----------
        ddf : {"satterthwaite", "kenward-roger", "residual", "z"}, optional
            Show degrees of freedom and p-values, as lmerTest does; by default t values alone, as lme4.
        """
        from lmmtools.results.reporting import summarise_results

        return summarise_results(self, None if ddf is None else self.tests(ddf=ddf))

    def to_json(self, path: str | Path | None = None, *, random_effects: bool = False) -> str:
        """Return the fit as JSON text at full precision, for ``lmt.read_json``; write it to ``path`` if one is given.

        Parameters
        ----------
        path : str or Path, optional
            File to write.
        random_effects : bool
            Record the conditional modes too.

        Notes
        -----
        `lmmtools.results.fit_json` describes the format. The data are not in it; their hash is.
        """
        from lmmtools.results.fit_json import write_json
        from lmmtools.results.fit_record import record_of

        return write_json(record_of(self, random_effects=random_effects), path)

    @property
    def plot(self) -> FitPlots:
        """Plots of the fit: ``fit.plot.caterpillar()``, ``fit.plot.qq()`` and so on; they need matplotlib."""
        from lmmtools.plots import FitPlots

        return FitPlots(self)

    def __str__(self) -> str:
        return str(self.summary())

    def __repr__(self) -> str:
        criterion = "REML criterion" if self.reml else "deviance"
        return f"<LMMResults {self.design.formula}: {criterion} {self.objective:.6g}, engine {self.engine!r}>"

    def _repr_html_(self) -> str:
        return self.summary()._repr_html_()


def _as_floats(values: ArrayLike) -> NDArray[np.float64]:
    """Return new responses as floats."""
    with contextlib.suppress(ValueError, TypeError, OverflowError):
        if not np.iscomplexobj(values):
            return np.asarray(values, dtype=float)
    raise DataError("a new response must be an array of numbers, one for each row used, and this holds something else")
