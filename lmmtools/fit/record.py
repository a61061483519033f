"""``Fit``: the design, the engine's estimate, and the quantities that follow from them by a line each."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools import core
from lmmtools.design.factors import text_index
from lmmtools.design.redeclare import Given
from lmmtools.design.stack import keep_rows
from lmmtools.engines import pls
from lmmtools.fit.boundary import Boundary, find_boundary, is_singular
from lmmtools.fit.by_factor import (
    FactorDict,
    coefficients_by_factor,
    compute_fitted,
    covariances_by_factor,
    modes_by_factor,
)
from lmmtools.fit.by_rows import (
    BATCH_ROWS,
    fitted_rows,
    join_rows,
    positions,
    quantiles_of_parts,
    scaled_residuals,
)
from lmmtools.fit.second_look import SecondLook, has_mixedlm_result, take_second_look
from lmmtools.fit.varcorr import VarCorr, variance_standard_errors

if TYPE_CHECKING:
    from typing import Self

    import pandas as pd
    from numpy.typing import NDArray

    from lmmtools.design.matrices import Design
    from lmmtools.engines.estimate import Agreement, Certificate, Estimate

__all__ = ["Fit", "Names", "Prepared"]

PASSES = (
    "augment",
    "augment_batches",
    "cooks_distance",
    "design_effect",
    "drop1",
    "fittedvalues",
    "hat_values",
    "predict",
    "profile",
    "ranova",
    "refit",
    "resid",
    "residual_quantiles",
    "residuals",
    "scaled_resid",
    "step",
    "summary",
    "to_json",
    "to_report",
    "update",
)
"""Names of a fit that read the rows again where they are not in memory."""

QUARTILES = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True, slots=True)
class Names:
    """Names of data, weights and offset for reports; None where there is none or its name is unknown.

    Attributes
    ----------
    data, weights, offset : str or None
    given : Given
        The data themselves, while somebody holds them.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
    >>> fit.names.data
    'Dyestuff'
    """

    data: str | None = None
    weights: str | None = None
    offset: str | None = None
    given: Given = field(default_factory=Given, compare=False, repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """What was computed before the record of a fit was made and need not be computed again.

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
    """A fitted linear mixed model: what inference, plots and the page read of it."""

    design: Design
    """What was fitted: y, X, the blocks of Z, and what was left out of the data."""
    estimate: Estimate
    """What the engine returned: theta, beta, sigma, modes, criterion."""
    names: Names = field(default_factory=Names)
    """What data, weights and offset are called, where known."""
    fit_seconds: float = float("nan")
    """Wall-clock time from the design to the estimate, in seconds; of ``lmer()`` itself where R fitted the model."""
    warnings: tuple[str, ...] = ()
    """What the fit warned of: dropped rows and columns, boundary, the engine's own messages."""
    remarks: tuple[str, ...] = ()
    """Sentences for the foot of the report that say what a MixedLM model that was read really is."""
    prepared: Prepared = field(default_factory=Prepared)
    """What was computed before this record was made and need not be computed again."""

    # -- criterion ------------------------------------------------------------------------------------------------

    @property
    def engine(self) -> str:
        """The engine that fitted the model.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
        >>> fit.engine
        'pls'
        """
        return self.estimate.engine

    @property
    def reml(self) -> bool:
        """Whether the criterion is REML.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
        >>> fit.reml
        True
        """
        return self.estimate.reml

    @property
    def objective(self) -> float:
        """lme4's ``REMLcrit()`` under REML, ``deviance()`` (-2 log likelihood) under ML.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
        >>> round(fit.objective, 4)
        1743.6283
        """
        return self.estimate.objective

    @property
    def llf(self) -> float:
        """(Restricted) log-likelihood, as lme4's ``logLik()``.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
        >>> round(fit.llf, 4)
        -871.8141
        """
        return -0.5 * self.objective

    @property
    def nobs(self) -> int:
        """Number of rows used.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
        >>> fit.nobs
        180
        """
        return self.design.n

    @property
    def k_params(self) -> int:
        """Number of parameters: fixed effects, covariance parameters and the residual variance.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
        >>> fit.k_params
        6
        """
        return self.design.p + self.design.k_free + 1

    @property
    def df_resid(self) -> int:
        """Rows less parameters, as lme4's ``df.residual()``.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
        >>> fit.df_resid
        174
        """
        return self.nobs - self.k_params

    @property
    def aic(self) -> float:
        """Akaike's criterion from ``llf`` and ``k_params``, as lme4's ``AIC()``, under REML too.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
        >>> round(fit.aic, 3)
        1755.628
        """
        return self.objective + 2.0 * self.k_params

    @property
    def bic(self) -> float:
        """Schwarz's criterion from ``llf``, ``k_params`` and ``nobs``, as lme4's ``BIC()``.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
        >>> round(fit.bic, 3)
        1774.786
        """
        return self.objective + float(np.log(self.nobs)) * self.k_params

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

    # -- random effects and fitted values -------------------------------------------------------------------------

    @cached_property
    def random_effects(self) -> FactorDict[pd.DataFrame]:
        """Conditional modes: {factor: DataFrame level x effect}, in units of y per unit of the effect's column.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
        >>> fit.random_effects["Subject"].head(2).round(2)
             (Intercept)  Days
        308         2.26  9.20
        309       -40.40 -8.62
        """
        return modes_by_factor(self.design, self.estimate.modes)

    @cached_property
    def coef(self) -> FactorDict[pd.DataFrame]:
        """Coefficients of each level, lme4's ``coef()``: {factor: DataFrame level x coefficient}.

        A coefficient is the fixed effect plus the mode of this factor; modes of other factors are not added. An effect
        without a fixed part, ``x`` in ``y ~ 1 + (x | g)``, has a column in the table of every factor, before the
        others. A fixed and a random effect are added only where their columns are coded alike: beside ``f``, the cells
        of ``(0 + f | g)`` have columns of their own.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
        >>> fit.coef["Subject"].head(2).round(2)
             Intercept   Days
        308     253.66  19.67
        309     211.01   1.85
        """
        return coefficients_by_factor(self.design, self.estimate.beta, self.estimate.modes)

    @cached_property
    def random_effects_cov(self) -> FactorDict[pd.DataFrame]:
        """Conditional covariances of the modes given the data: {factor: DataFrame (level, effect) x effect}.

        ``random_effects_cov[factor].loc[level]`` is the l x l matrix of one level: lme4's ``condVar``.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
        >>> fit.random_effects_cov["Subject"].head(2).round(2)
                             (Intercept)   Days
        Subject effect
        308     (Intercept)       145.71 -21.44
                Days              -21.44   5.31
        """
        covariances = core.conditional_covariances(self.problem, self.estimate.theta, self.reml)
        return covariances_by_factor(self.design, covariances)

    @cached_property
    def fittedvalues(self) -> pd.Series[float]:
        """Conditional fitted values X b + Z u + offset, indexed as the rows used.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
        >>> fit.fittedvalues.head(2).round(2)
        0    253.66
        1    273.33
        Name: fittedvalues, dtype: float64
        """
        return self.label_rows(compute_fitted(self.design, self.estimate), "fittedvalues")

    @cached_property
    def resid(self) -> pd.Series[float]:
        """Residuals: y less the conditional fitted values, in units of y, indexed as the rows used.

        See Also
        --------
        residuals : Other kinds.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
        >>> fit.resid.head(2).round(2)
        0    -4.10
        1   -14.63
        Name: resid, dtype: float64
        """
        if self.design.streamed is not None:
            left = join_rows(self.design, lambda rows: rows.y - fitted_rows(rows, self.estimate))
            return self.label_rows(left, "resid")
        return self.label_rows(self.design.y - self.fittedvalues.to_numpy(), "resid")

    @property
    def scaled_resid(self) -> NDArray[np.float64]:
        """Pearson residuals divided by sigma, shape (n,): lme4's scaled residuals.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
        >>> fit.scaled_resid[:2].round(3).tolist()
        [-0.16, -0.571]
        """
        if self.design.streamed is not None:
            return join_rows(self.design, lambda rows: scaled_residuals(rows, self.estimate))
        root = 1.0 if self.design.weights is None else np.sqrt(self.design.weights)
        return np.asarray(self.resid.to_numpy() * root / self.sigma)

    @cached_property
    def residual_quantiles(self) -> NDArray[np.float64]:
        """Smallest, quartiles and largest of the scaled residuals, shape (5,); passes where rows are not in memory.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
        >>> fit.residual_quantiles.round(3).tolist()
        [-3.954, -0.463, 0.023, 0.463, 5.179]
        """
        if self.design.streamed is None:
            return np.quantile(self.scaled_resid, QUARTILES)
        return quantiles_of_parts(
            lambda: (scaled_residuals(rows, self.estimate) for rows in self.design.batches(BATCH_ROWS)),
            QUARTILES,
            self.design.n,
        )

    def label_rows(self, values: NDArray[np.float64], name: str) -> pd.Series[float]:
        """Return one value per row used, shape (n,), as a series called ``name``, indexed as the rows used.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
        >>> fit.label_rows(fit.scaled_resid, "scaled").head(2).round(3)
        0    0.709
        1   -1.412
        Name: scaled, dtype: float64
        """
        import pandas as pd

        index = self.design.frame.index if self.design.streamed is None else positions(self.design)
        return pd.Series(values, index=index, name=name)

    @cached_property
    def hat_values(self) -> pd.Series[float]:
        """Leverages: the diagonal of the matrix that maps y to the fitted values, indexed as the rows used.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
        >>> fit.hat_values.head(2).round(4)
        0    0.2293
        1    0.1697
        Name: hat_values, dtype: float64
        """
        if self.design.streamed is not None:
            found = core.RowLeverages(self.problem, self.estimate.theta, self.reml)
            values = join_rows(self.design, lambda rows: found.of(rows.X, rows.codes, rows.bases, rows.weights))
            return self.label_rows(values, "hat_values")
        return self.label_rows(core.hat_values(self.problem, self.estimate.theta, self.reml), "hat_values")

    @property
    def needs_rows(self) -> tuple[str, ...]:
        """What makes a pass over the rows, or several, when it is asked for; empty where they are in memory.

        What is in neither this list nor an error needs no rows.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
        >>> fit.needs_rows
        ()
        """
        return () if self.design.streamed is None else PASSES

    # -- the same model elsewhere ---------------------------------------------------------------------------------

    @classmethod
    def of(cls, fit: Fit) -> Self:
        """Return a fit as this class, with all that the other holds.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> from lmmtools.fit.record import Fit
        >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
        >>> type(Fit.of(fit)).__name__
        'Fit'
        """
        return cls(**{f.name: getattr(fit, f.name) for f in fields(Fit)})

    def with_estimate(self, estimate: Estimate) -> Self:
        """Return the fit of the same design with another estimate.

        Names and cross-products are kept; warnings, remarks and time of this fit are not.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
        >>> round(fit.with_estimate(fit.estimate).objective, 3)
        319.654
        """
        return self._rebuild(self.design, estimate, self.problem)

    def on_design(self, design: Design, problem: core.Problem | None = None) -> Self:
        """Return the fit of the model to another design, by the same criterion and the pls engine.

        Parameters
        ----------
        design : Design
            A design with other rows, another response or other columns.
        problem : Problem, optional
            Its cross-products, if they were computed before.

        Raises
        ------
        EngineError
            If the model cannot be fitted to it.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
        >>> round(fit.on_design(fit.design).objective, 3)
        319.654
        """
        products = core.prepare(design) if problem is None else problem
        return self._rebuild(design, pls.fit_problem(products, reml=self.reml), products)

    def on_rows(self, keep: NDArray[np.bool_]) -> Self:
        """Return the fit of the model to the rows where ``keep``, shape (n,), is true, searched from this optimum.

        Equivalent to ``on_design(keep_rows(fit.design, keep))``.

        Raises
        ------
        EngineError
            If the model cannot be fitted to them.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
        >>> fit.on_rows(fit.design.y < 1600.0).nobs
        26
        """
        design = keep_rows(self.design, keep)
        problem = core.prepare(design)
        estimate = pls.refit_problem(problem, core.Known(self.problem, self.estimate.theta, self.reml))
        return self._rebuild(design, estimate, problem)

    def on_response(self, y: NDArray[np.float64]) -> Self:
        """Return the fit of the model to another response on the same rows, shape (n,), in units of y.

        Equivalent to ``on_design(replace(design, y=y))``, but reuses all that does not depend on the response.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
        >>> y = fit.design.y + 100.0
        >>> fit.on_response(y).params.round(1)
        Intercept    1627.5
        Name: params, dtype: float64
        """
        problem = self.problem.with_response(y)
        estimate = pls.refit_problem(problem, core.Known(self.problem, self.estimate.theta, self.reml))
        return self._rebuild(replace(self.design, y=y), estimate, problem)

    def without_found(self) -> Self:
        """Return the fit with its cross-products, but without other results computed so far, for another process.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
        >>> round(fit.without_found().objective, 3)
        319.654
        """
        return replace(self, prepared=Prepared(self.problem))

    def _rebuild(self, design: Design, estimate: Estimate, problem: core.Problem) -> Self:
        return type(self)(design, estimate, self.names, prepared=Prepared(problem))
