"""``LMMResults``: the record of a fit with all its methods, whatever engine made it."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lmmtools import core, memory
from lmmtools.design.other_response import read_response, with_response
from lmmtools.errors import DataError
from lmmtools.fit.second_look import Confirmation, search_again
from lmmtools.results.description_methods import DescriptionMethods
from lmmtools.results.diagnostic_methods import DiagnosticMethods
from lmmtools.results.inference_methods import InferenceMethods
from lmmtools.results.means_methods import MeansMethods
from lmmtools.results.prediction_methods import PredictionMethods
from lmmtools.results.simulation_methods import SimulationMethods
from lmmtools.results.statsmodels_names import StatsmodelsNames
from lmmtools.results.table_methods import TableMethods
from lmmtools.results.term_methods import TermMethods

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import ArrayLike, NDArray

    from lmmtools.inference.robust import Correction
    from lmmtools.plots import FitPlots
    from lmmtools.report.summary import Summary
    from lmmtools.results.paragraph import Paragraph

__all__ = ["LMMResults"]


@memory.doors
@dataclass(frozen=True, eq=False, repr=False)
class LMMResults(
    DescriptionMethods,
    DiagnosticMethods,
    SimulationMethods,
    InferenceMethods,
    TermMethods,
    PredictionMethods,
    MeansMethods,
    StatsmodelsNames,
    TableMethods,
):
    """A fitted linear mixed model, with lme4's numbers under statsmodels' names.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
    >>> fit.params.round(3).to_dict()
    {'Intercept': 251.405, 'Days': 10.467}
    """

    def confirm(self) -> Confirmation:
        """Return whether MixedLM's own search, from its own start, finds a lower criterion than this fit's.

        The call takes as long as a fit by MixedLM, and does not change this fit. Where MixedLM finds a lower criterion,
        ``model.fit(start=fit.confirm().theta)`` fits again from there.

        Returns
        -------
        Confirmation
            Prints as a sentence; has ``.confirmed``, ``.objective`` (this fit's criterion), ``.found`` (MixedLM's),
            ``.difference`` and ``.theta`` (where MixedLM's search ended).

        Raises
        ------
        TranslationError
            If MixedLM cannot express the model.
        EngineError
            If MixedLM's optimisers fail, or a term of the model shares its variance with another.

        See Also
        --------
        agreement : MixedLM's likelihood at this fit's own optimum.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
        >>> fit.confirm().is_same_optimum
        True
        """
        return search_again(self.design, self.estimate)

    # -- other models ---------------------------------------------------------------------------------------------

    def update(
        self,
        change: str,
        data: Any = None,
        *,
        reml: bool | None = None,
        engine: Literal["auto", "pls", "mixedlm", "lme4"] | None = None,
    ) -> LMMResults:
        """Return the fit of the model with another formula, as R's ``update``: ``"~ . + x"``, ``"~ . - (1 | g)"``.

        Parameters
        ----------
        change : str
            A dot is what the model has on that side; ``+`` adds terms and ``-`` takes them away.
        data : DataFrame, optional
            Other data; by default those of the fit, with all rows that are complete for the new formula.
        reml : bool, optional
            Criterion; by default that of this fit.
        engine : str, optional
            As for :meth:`Model.fit`; by default that of this fit.

        Raises
        ------
        FormulaError
            If the change does not read as one, or takes away what the model does not have.
        DataError
            If the fit's data are gone or were changed, or the new model cannot be fitted to them.

        See Also
        --------
        drop1, step : Models without some of the terms.
        lmmtools.anova : Compare the two fits.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit()
        >>> fit.update("~ . - (Days | Subject) + (1 | Subject)")
        <LMMResults Reaction ~ Days + (1 | Subject): REML criterion 1786.47, engine 'pls'>
        """
        from lmmtools.results.fitting import fit_all, warn_of
        from lmmtools.results.updating import update_declared

        design, names = update_declared(self.design, self.names, change, data)
        asked = [(design, names, self.engine if engine is None else engine)]
        ((fit, found),) = fit_all(asked, reml=self.reml if reml is None else reml)
        warn_of(found)
        return LMMResults.of(fit)

    # -- other responses, same design -----------------------------------------------------------------------------

    def refit(self, y: ArrayLike | str) -> LMMResults:
        """Return the fit of another response on the same design, by the pls engine.

        All that does not depend on the response is reused.

        Parameters
        ----------
        y : array-like, shape (nobs,), or str
            One value per row used, in the order of ``fittedvalues``. Where the data are a path or another
            source of rows, also the name of a column of theirs: one pass over them.

        Raises
        ------
        EngineError
            If y has another length, is not finite, or X reproduces it exactly.
        DataError
            If y does not hold numbers.

        See Also
        --------
        refit_many : Many responses in one call.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
        >>> y = fit.fittedvalues + 2 * fit.resid
        >>> round(fit.refit(y).sigma, 3)
        99.02
        """
        if isinstance(y, str):
            if self.design.is_streamed:
                return self.on_design(with_response(self.design, y))
            y = read_response(self.design, self.names.given.source, y)
        return self.on_response(_as_floats(y))

    def refit_many(self, Y: ArrayLike) -> core.Refits:
        """Return the fits of many responses on the same design, computed together.

        Use it for bootstraps, permutation tests and one test per gene or voxel.

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

        See Also
        --------
        refit : One response.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
        >>> draws = fit.simulate(3, rng=1)
        >>> fit.refit_many(draws).beta.shape
        (3, 1)
        """
        return core.refit_many(self.problem, _as_floats(Y), self.reml, self.estimate.theta)

    # -- report ---------------------------------------------------------------------------------------------------

    def summary(
        self,
        ddf: Literal["satterthwaite", "kenward-roger", "residual", "z"] | None = None,
        *,
        cov: Correction | None = None,
        cluster: Any = None,
    ) -> Summary:
        """Return the report in lme4's layout: ``str()``, ``to_markdown()``, ``to_html()``, ``to_latex()``.

        Parameters
        ----------
        ddf : {"satterthwaite", "kenward-roger", "residual", "z"}, optional
            Method of the degrees of freedom and p-values to show, as lmerTest does; by default t values alone, as lme4.
        cov, cluster
            A cluster-robust covariance for standard errors and tests, as for :meth:`tests`.

        See Also
        --------
        tests : The tests as a table.
        to_report : The fit as a web page.
        lmmtools.tables.side_by_side : Several fits in one table.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
        >>> str(fit.summary()).splitlines()[0]
        'Linear mixed model fit by REML'
        """
        from lmmtools.results.summarising import summarise_results

        return summarise_results(self, ddf, cov, cluster)

    def report(
        self,
        ddf: Literal["satterthwaite", "kenward-roger", "residual", "z"] = "satterthwaite",
        *,
        level: float = 0.95,
        cov: Correction | None = None,
        cluster: Any = None,
    ) -> Paragraph:
        """Return what a paper says of the fit, as one paragraph: ``to_text()``, ``to_markdown()``, ``to_latex()``.

        The model, its rows and how it was estimated; random effects, and which of their variances are zero; shares of
        the variance; fixed effects with intervals and tests. Every number is this fit's, written as the APA's manual
        asks: no zero before the point of what cannot exceed one, ``p < .001``.

        Parameters
        ----------
        ddf : {"satterthwaite", "kenward-roger", "residual", "z"}
            Degrees of freedom, as for :meth:`tests`.
        level : float
            Coverage of the intervals.
        cov : {"CR2", "CR0", "CR1", "CR1p", "CR1S", "CR3"}, optional
            A cluster-robust covariance in place of the model's, as for :meth:`tests`.
        cluster : str or array_like, optional
            The clusters: see :meth:`cov_params`.

        Raises
        ------
        DataError
            If there is no such method, or ``level`` is not between 0 and 1.

        See Also
        --------
        summary : The same numbers as tables.
        to_report : The fit as a web page.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
        >>> print(fit.report())
        A linear mixed model of Yield was fitted to 30 observations of 6 levels of Batch
        by restricted maximum likelihood (lmmtools 0.1.0; formula: Yield ~ 1 + (1 |
        Batch)). Standard deviations were 42.00 for intercepts by Batch, and 49.51 for
        the residuals. The random effects account for 42% of the variance (intraclass
        correlation .42). The fixed effects are: the intercept, b = 1527.50, SE = 19.38,
        95% CI [1477.67, 1577.33], t(5.00) = 78.80, p < .001. Tests and intervals use
        Satterthwaite's method.
        """
        from lmmtools.results.paragraph import describe_fit

        return describe_fit(self, ddf, level, cov, cluster)

    def to_json(
        self,
        path: str | Path | None = None,
        *,
        random_effects: bool = False,
        curvature: bool = False,
        predict: bool = False,
    ) -> str:
        """Return the fit as JSON text at full precision, for ``lmt.read_json``; write it to ``path`` if one is given.

        Parameters
        ----------
        path : str or Path, optional
            File to write.
        random_effects : bool
            Record the conditional modes too.
        curvature : bool
            Record how far each number may lie where the criterion is slightly higher, so that ``compare`` judges two
            such records by the same bounds as two fits. This takes some dozens of evaluations of the criterion.
        predict : bool
            Record what predictions, their intervals, marginal means and contrasts at new data need: how columns are
            coded, the conditional modes, and sums over the rows. The record that is read has ``predict(data)``,
            ``marginal_means``, ``pairwise``, ``contrasts`` and ``tests``.

        Raises
        ------
        DataError
            If ``path`` cannot be written, or with ``predict``, if the model cannot be told without its data.

        See Also
        --------
        lmmtools.read_json : Read the record.

        Notes
        -----
        :mod:`lmmtools.results.fit_json` describes the format. It holds no row of the data, only their hash, and
        with ``predict`` labels of levels and sums over rows, from which those of a level with few rows may be guessed.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
        >>> lmt.read_json(fit.to_json()).params.round(1).to_dict()
        {'Intercept': 1527.5}
        """
        from lmmtools.results.fit_record import record_of

        found = record_of(self, random_effects=random_effects, curvature=curvature, predict=predict)
        return found.to_json(path)

    def to_report(
        self,
        path: str | Path | None = None,
        *,
        compare: Sequence[Any] | None = None,
        ddf: Literal["satterthwaite", "kenward-roger", "residual", "z"] | None = None,
        title: str | None = None,
    ) -> str:
        """Return the fit as one HTML page; write it to ``path`` if one is given.

        The page shows the model in words and as an equation, the structure of the data, the summary, the meaning of its
        flags for this fit, plots, a comparison with another engine and the provenance. It loads no other file and runs
        no script.

        Parameters
        ----------
        path : str or Path, optional
            File to write.
        compare : sequence, optional
            Fits to show beside this one: anything that :func:`lmmtools.compare` takes, and names of engines to fit the
            same model with. By default MixedLM's fit if it takes little time, or the pls fit beside one by MixedLM. An
            empty sequence shows no comparison.
        ddf : str, optional
            Method of the degrees of freedom and p-values to show, as :meth:`summary` takes it.
        title : str, optional
            Heading of the page.

        Raises
        ------
        EngineError
            If jinja2 or matplotlib is not installed: ``pip install jinja2 matplotlib``.
        DataError
            If ``path`` cannot be written, or an item of ``compare`` cannot be compared.

        See Also
        --------
        summary : The report as text, Markdown, HTML or LaTeX.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
        >>> fit.to_report()[:15]
        '<!doctype html>'
        """
        from lmmtools.page import check_needs, render_page
        from lmmtools.report.provenance import provenance_of
        from lmmtools.results.comparing import compare_beside, compare_engines
        from lmmtools.results.stored_fit import write_file
        from lmmtools.results.summarising import summarise_results

        check_needs()
        comparison, why_none = None, ""
        if compare is None:
            comparison, why_none = compare_engines(self)
        elif compare:
            comparison = compare_beside(self, compare)
        text = render_page(
            self,
            summarise_results(self, ddf),
            provenance_of(self),
            comparison=comparison,
            why_none=why_none,
            title=title,
        )
        if path is not None:
            write_file(path, text)
        return text

    @property
    def plot(self) -> FitPlots:
        """Plots of the fit by matplotlib: ``fit.plot()`` for all checks, ``fit.plot.effects("x")`` and others.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
        >>> fit.plot.caterpillar("Batch").get_xlabel()
        '(Intercept) by Batch: conditional mode, 95% interval'
        """
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
    """Return new responses as an array of floats."""
    with contextlib.suppress(ValueError, TypeError, OverflowError):
        if not np.iscomplexobj(values):
            return np.asarray(values, dtype=float)
    raise DataError(
        "a new response must be an array of numbers, one for each row used; this one holds other values. "
        "Convert them, for example by y.astype(float)"
    )
