"""``FitRecord``: a stored fit that prints and compares, made of a fit or read from a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lmmtools.design.stored_rows import NO_ROWS
from lmmtools.errors import DataError, RowsNeededError
from lmmtools.report.provenance import fixed_levels, inputs_of_design, provenance_of
from lmmtools.report.reach import reach_of
from lmmtools.results.stored_fit import RowsLost, StoredFit, write_json
from lmmtools.results.stored_prediction import prediction_entry
from lmmtools.results.summarising import report_notes, summarise_numbers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from lmmtools.fit.record import Fit
    from lmmtools.inference.marginal.contrasts import MarginalContrasts
    from lmmtools.inference.marginal.joint_tests import JointTests
    from lmmtools.inference.marginal.means import MarginalMeans
    from lmmtools.inference.wald_tests import ContrastTests, FTest
    from lmmtools.report.summary import Summary
    from lmmtools.results.restored_fit import RestoredFit

__all__ = ["FitRecord", "record_of"]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class FitRecord(StoredFit):
    """A fitted model read from a file, without its data: it prints and compares, and cannot be fitted again.

    Its attributes are those of :class:`~lmmtools.results.stored_fit.StoredFit`. Where
    ``to_json(predict=True)`` wrote it, it predicts, and has marginal means, contrasts and tests.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
    >>> round(lmt.read_json(fit.to_json()).scale, 2)
    2451.25
    """

    restored: RestoredFit | None = None

    def predict(self, data: Any, **options: Any) -> Any:
        """Return predictions for new data, with the options of :meth:`LMMResults.predict`.

        Raises
        ------
        DataError
            If the file holds nothing for it, or as there.
        """
        if data is None:
            raise DataError("the record holds no rows of the fit: give the rows to predict for, predict(data)")
        return self._restored(options).predict(data, **options)

    def marginal_means(self, factors: str | Sequence[str], **options: Any) -> MarginalMeans:
        """Return marginal means, with the options of :meth:`LMMResults.marginal_means`."""
        return self._restored(options).marginal_means(factors, **options)

    def pairwise(self, factors: str | Sequence[str], **options: Any) -> MarginalContrasts:
        """Return differences of marginal means, with the options of :meth:`LMMResults.pairwise`."""
        return self._restored(options).pairwise(factors, **options)

    def contrasts(self, factors: str | Sequence[str], **options: Any) -> MarginalContrasts:
        """Return contrasts of marginal means, with the options of :meth:`LMMResults.contrasts`."""
        return self._restored(options).contrasts(factors, **options)

    def joint_tests(self, **options: Any) -> JointTests:
        """Return F tests of the terms over a balanced grid, with the options of :meth:`LMMResults.joint_tests`."""
        return self._restored(options).joint_tests(**options)

    def tests(self, ddf: Any = "satterthwaite") -> ContrastTests:
        """Return a t test of every fixed effect, as :meth:`LMMResults.tests`."""
        return self._restored().tests(ddf)

    def t_test(self, constraints: Any, ddf: Any = "satterthwaite") -> ContrastTests:
        """Return a t test of each constraint, as :meth:`LMMResults.t_test`."""
        return self._restored().t_test(constraints, ddf)

    def f_test(self, constraints: Any, ddf: Any = "satterthwaite") -> FTest:
        """Return the F test that constraints hold together, as :meth:`LMMResults.f_test`."""
        return self._restored().f_test(constraints, ddf)

    def _restored(self, options: Mapping[str, Any] | None = None) -> RestoredFit:
        """Return the fit without rows, which no robust covariance can be made of."""
        if options and options.get("cov") is not None:
            raise RowsNeededError(NO_ROWS)
        if self.restored is None:
            raise DataError(
                "this record holds no more than the numbers of the fit: write it by fit.to_json(predict=True), and "
                "read it by a version of lmmtools that is no older"
            )
        return self.restored

    def summary(self, ddf: Any = None) -> Summary:
        """Return the report in lme4's layout, as the fit printed it; with ``ddf`` as :meth:`LMMResults.summary`."""
        return summarise_numbers(
            self,
            formula=self.formula,
            x_names=self.x_names,
            beta=self.beta,
            beta_cov=self.beta_cov,
            scaled_residuals=self.scaled_residuals,
            notes=self.notes,
            tests=None if ddf is None else self.tests(ddf),
        )

    def to_json(self, path: str | Path | None = None) -> str:
        """Return the record as JSON text, as :meth:`LMMResults.to_json`; write it to ``path`` if one is given."""
        return write_json(self, path)

    def __str__(self) -> str:
        return str(self.summary())

    def __repr__(self) -> str:
        criterion = "REML criterion" if self.reml else "deviance"
        return f"<FitRecord {self.formula}: {criterion} {self.objective:.6g}, engine {self.engine!r}>"

    def _repr_html_(self) -> str:
        return self.summary()._repr_html_()


def record_of(fit: Fit, *, random_effects: bool = False, curvature: bool = False, predict: bool = False) -> FitRecord:
    """Return the record of a fit, on request with its modes, the reach of its numbers, and what predictions need."""
    design, dropped = fit.design, fit.design.dropped
    inputs = inputs_of_design(design).without_values()
    return FitRecord(
        formula=design.formula.source or str(design.formula),
        engine=fit.engine,
        reml=fit.reml,
        objective=fit.objective,
        llf=fit.llf,
        aic=fit.aic,
        bic=fit.bic,
        nobs=fit.nobs,
        df_resid=fit.df_resid,
        k_params=fit.k_params,
        sigma=fit.sigma,
        theta=fit.theta,
        varcorr=fit.varcorr,
        ngroups=fit.ngroups,
        x_names=design.x_names,
        beta=fit.estimate.beta,
        beta_cov=fit.estimate.beta_cov,
        fixed_levels=fixed_levels(design),
        scaled_residuals=fit.residual_quantiles,
        is_singular=fit.is_singular,
        converged=fit.converged,
        scope=fit.certificate.scope,
        boundary=tuple(map(str, fit.boundary.rows)),
        expected_decrease=fit.certificate.expected_decrease,
        fit_seconds=fit.fit_seconds,
        names=fit.names,
        is_weighted=design.weights is not None,
        has_offset=design.offset is not None,
        dropped=RowsLost(
            dropped.n_input, dropped.n_rows, dropped.rows, dropped.columns, dropped.levels, dropped.undefined
        ),
        warnings=fit.warnings,
        notes=report_notes(fit),
        provenance=provenance_of(fit, inputs.response),
        random_effects=fit.random_effects if random_effects else None,
        inputs=inputs,
        reach=reach_of(fit) if curvature else None,
        prediction=prediction_entry(fit) if predict else None,
    )
