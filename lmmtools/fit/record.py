"""The record of a fit: what was fitted, what the engine returned, and what follows from them by a line each."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools import core
from lmmtools.engines import pls
from lmmtools.fit import labelled
from lmmtools.fit.boundary import Boundary, find_boundary, is_singular
from lmmtools.fit.factor_dict import FactorDict
from lmmtools.fit.names import Names
from lmmtools.fit.second_look import SecondLook, has_mixedlm_form, look
from lmmtools.fit.varcorr import VarCorr
from lmmtools.fit.variance_errors import variance_standard_errors

if TYPE_CHECKING:
    from typing import Self

    import pandas as pd
    from numpy.typing import NDArray

    from lmmtools.design.record import Design
    from lmmtools.engines.estimate import Agreement, Certificate, Estimate

__all__ = ["Fit", "Prepared"]


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """What was made before the record of a fit and need not be made again.

    Attributes
    ----------
    problem : Problem or None
        The cross-products of the design, as the pls engine holds them.
    mixedlm : MixedLMResults or None
        The result that the fit was read from.
    """

    problem: core.Problem | None = None
    mixedlm: Any = None


@dataclass(frozen=True, eq=False, repr=False)
class Fit:
    """A fitted linear mixed model: what inference, plots and the page read of it.

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
    prepared : Prepared
        What was made before the record and need not be made again.
    """

    design: Design
    estimate: Estimate
    names: Names = field(default_factory=Names)
    fit_seconds: float = float("nan")
    warnings: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    prepared: Prepared = field(default_factory=Prepared)

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
        return variance_standard_errors(self.varcorr, core.information(self.problem, self.estimate.theta, self.reml))

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
    def problem(self) -> core.Problem:
        """The cross-products of the design, as the pls engine holds them."""
        return self.prepared.problem if self.prepared.problem is not None else core.prepare(self.design)

    @cached_property
    def certificate(self) -> Certificate:
        """Gradient and curvature at the optimum, restricted to the free directions."""
        if self.estimate.certificate is not None:
            return self.estimate.certificate
        return core.certify(self.problem, self.estimate.theta, self.reml)

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
        return look(self.design, self.estimate)

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
        if self.prepared.mixedlm is not None:
            return self.prepared.mixedlm
        if self.engine == "lme4" or not has_mixedlm_form(self.design, self.estimate):
            return None
        from lmmtools.engines import mixedlm

        return mixedlm.on_data_scale(self.design, self.estimate)

    # -- random effects and fitted values -------------------------------------------------------------------------

    @cached_property
    def random_effects(self) -> FactorDict[pd.DataFrame]:
        """Conditional modes: {factor: DataFrame level x effect}, in units of y per unit of the effect's column."""
        return FactorDict(labelled.modes_by_factor(self.design, self.estimate.modes))

    @cached_property
    def coef(self) -> FactorDict[pd.DataFrame]:
        """Each level's own coefficients, lme4's ``coef()``: {factor: DataFrame level x coefficient}.

        Fixed effects plus the factor's own modes; those of other factors are not in them. An effect that has no fixed
        part, ``x`` in ``y ~ 1 + (x | g)``, has a column too, in the table of every factor, before the others. Columns
        add up where they are coded alike: beside ``f``, the cells of ``(0 + f | g)`` have columns of their own.
        """
        found = labelled.coefficients_by_factor(self.design, self.estimate.beta, self.estimate.modes)
        return FactorDict(found)

    @cached_property
    def random_effects_cov(self) -> FactorDict[pd.DataFrame]:
        """Conditional covariances of the modes given the data: {factor: DataFrame (level, effect) x effect}.

        ``random_effects_cov[factor].loc[level]`` is the l x l matrix of one level: lme4's ``condVar``.
        """
        covariances = core.conditional_covariances(self.problem, self.estimate.theta, self.reml)
        return FactorDict(labelled.covariances_by_factor(self.design, covariances))

    @cached_property
    def fittedvalues(self) -> pd.Series[float]:
        """Conditional fitted values X b + Z u + offset, indexed as the rows used."""
        return self.label_rows(labelled.fitted(self.design, self.estimate), "fittedvalues")

    @cached_property
    def resid(self) -> pd.Series[float]:
        """Y less the conditional fitted values."""
        return self.label_rows(self.design.y - self.fittedvalues.to_numpy(), "resid")

    @property
    def scaled_resid(self) -> NDArray[np.float64]:
        """lme4's scaled residuals: Pearson residuals over sigma, shape (n,)."""
        root = 1.0 if self.design.weights is None else np.sqrt(self.design.weights)
        return np.asarray(self.resid.to_numpy() * root / self.sigma)

    def label_rows(self, values: NDArray[np.float64], name: str) -> pd.Series[float]:
        """Return one value per row used, shape (n,), as a series called ``name``, indexed as the rows used."""
        import pandas as pd

        return pd.Series(values, index=self.design.frame.index, name=name)

    @cached_property
    def hat_values(self) -> pd.Series[float]:
        """Leverages: the diagonal of the map from y to the conditional fitted values, indexed as the rows used."""
        return self.label_rows(core.hat_values(self.problem, self.estimate.theta, self.reml), "hat_values")

    # -- the same model elsewhere ---------------------------------------------------------------------------------

    @classmethod
    def of(cls, fit: Fit) -> Self:
        """Return what a record holds as this class."""
        return cls(**{f.name: getattr(fit, f.name) for f in fields(Fit)})

    def with_estimate(self, estimate: Estimate) -> Self:
        """Return the fit of the same design at other parameters.

        The names and the cross-products stay; warnings, remarks and time were the other estimate's.
        """
        return self._elsewhere(self.design, estimate, self.problem)

    def on_design(self, design: Design, problem: core.Problem | None = None) -> Self:
        """Return the fit of the model to another design, by the same criterion and the pls engine.

        Parameters
        ----------
        design : Design
            Other rows, another response, or other columns.
        problem : Problem, optional
            Its cross-products, where they are known.

        Raises
        ------
        EngineError
            If the model cannot be fitted to it.
        """
        products = core.prepare(design) if problem is None else problem
        return self._elsewhere(design, pls.fit_problem(products, reml=self.reml), products)

    def on_response(self, y: NDArray[np.float64]) -> Self:
        """Return the fit of the model to another response on the same rows, shape (n,), in units of y.

        Equivalent to ``on_design(replace(design, y=y))``, with all that does not depend on the response reused.
        """
        return self.on_design(replace(self.design, y=y), self.problem.with_response(y))

    def without_found(self) -> Self:
        """Return the record without what it has computed so far, but for its cross-products: to send elsewhere."""
        return replace(self, prepared=Prepared(self.problem))

    def _elsewhere(self, design: Design, estimate: Estimate, problem: core.Problem) -> Self:
        return type(self)(design, estimate, self.names, prepared=Prepared(problem))
