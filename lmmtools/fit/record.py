"""``Fit``: the design, the engine's estimate, and the quantities that follow from them by a line each."""

from __future__ import annotations

from dataclasses import fields, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from lmmtools import core
from lmmtools.design.stack import keep_rows
from lmmtools.engines import pls
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
from lmmtools.fit.criterion import Names, Prepared
from lmmtools.fit.estimates import Estimates
from lmmtools.other_names import AnswersOtherNames

if TYPE_CHECKING:
    from typing import Self

    import pandas as pd
    from numpy.typing import NDArray

    from lmmtools.design.matrices import Design
    from lmmtools.engines.estimate import Estimate

__all__ = ["Fit", "Names", "Prepared"]

PASSES = (
    "augment",
    "augment_batches",
    "cooks_distance",
    "design_effect",
    "drop1",
    "fittedvalues",
    "hat_values",
    "plot",
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


class Fit(Estimates, AnswersOtherNames):
    """A fitted linear mixed model: what inference, plots and the page read of it."""

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
