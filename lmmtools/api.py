"""The public functions and ``Model``; the only module that may import every layer."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from lmmtools import memory
from lmmtools.design.build import build_design
from lmmtools.design.identification import check_identified, describe_unidentified
from lmmtools.design.of_source import build_source_design
from lmmtools.design.redeclare import Given
from lmmtools.engines import check_options, choose_engine
from lmmtools.errors import CodingWarning, DataError, EngineError
from lmmtools.fit.record import Names, Prepared
from lmmtools.formula.parser import parse
from lmmtools.html import facts
from lmmtools.other_names import AnswersOtherNames
from lmmtools.progress import watch, watch_rows
from lmmtools.results.fitting import make_fit, read_mixedlm, warn_of
from lmmtools.results.lmm_results import LMMResults
from lmmtools.results.updating import update_declared
from lmmtools.sources import open_source
from lmmtools.threads import single

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import ArrayLike

    from lmmtools.core import ModelSize, Problem, Progress
    from lmmtools.design.matrices import Design
    from lmmtools.engines.mixedlm import MixedLMSpec
    from lmmtools.formula.declare import Declaration
    from lmmtools.formula.terms import ModelFormula
    from lmmtools.report.comparison import Comparison
    from lmmtools.report.translation import Translation

__all__ = ["Model", "compare", "from_mixedlm", "lmm", "patch_summary", "translate"]


@memory.doors
@dataclass(frozen=True, eq=False, repr=False)
class Model(AnswersOtherNames):
    """A declared model on data, ready to fit.

    Attributes
    ----------
    formula : ModelFormula
        What was declared.
    design : Design
        y, X, Z (sparse) and blocks that follow from formula and data; ``D(fit)``, ``R(fit)``, ``V(fit)`` for teaching.
    names : Names
        Names of data, weights and offset, for reports.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> model = lmt.lmm("diameter ~ 1", lmt.datasets.load("Penicillin"), random=lmt.crossed("plate", "sample"))
    >>> model.design.n, model.design.p, model.design.q
    (144, 1, 30)
    """

    formula: ModelFormula
    design: Design
    names: Names = field(default_factory=Names)

    @cached_property
    def spec(self) -> MixedLMSpec:
        """The equivalent MixedLM call: ``groups``, ``re_formula``, ``vc_formula``; ``str()`` is code that runs.

        Raises
        ------
        TranslationError
            If MixedLM cannot express the model.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> print(lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).spec)
        import statsmodels.formula.api as smf
        <BLANKLINE>
        # the levels of Subject are independent of each other: they are the groups
        data = data.reset_index(drop=True)
        model = smf.mixedlm(
            'Reaction ~ Days',
            data,
            groups='Subject',
            re_formula='1 + Days',
        )
        result = model.fit(reml=True, method=["powell", "bfgs"], ftol=1e-12, maxiter=1000)
        """
        from lmmtools.engines import mixedlm

        return mixedlm.write_spec(self.design, mixedlm.lay_out(self.design))

    @cached_property
    def _problem(self) -> Problem:
        from lmmtools import core

        return core.prepare(self.design)

    @property
    def size(self) -> ModelSize:
        """How large the model is, and the memory that a fit by the engine pls takes, as an estimate from sizes.

        Only the first look reads the rows of a large design.

        Raises
        ------
        EngineError
            If there is no random term, or there is no memory for the cross-products alone.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> print(lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).size)
        180 rows, 2 fixed effects, 36 random effects, 3 variance parameters
        a fit takes under 1 MB above its data, most of it for (Days | Subject)
        """
        return replace(self._size, free=memory.free_memory())

    @cached_property
    def _size(self) -> ModelSize:
        from lmmtools import core

        return core.model_size(self.design)

    def fit(
        self,
        reml: bool = True,
        engine: Literal["auto", "pls", "mixedlm", "lme4"] = "auto",
        *,
        progress: bool = False,
        verbose: bool = False,
        check: bool = True,
        start: ArrayLike | None = None,
        max_iter: int | None = None,
        tol: float | None = None,
        callback: Callable[[Progress], Any] | None = None,
        timeout: float | None = 600.0,
        optimizer: str | None = None,
        control: Mapping[str, Any] | None = None,
    ) -> LMMResults:
        """Return the fit of the model.

        Parameters
        ----------
        reml : bool
            REML (lme4's default) or maximum likelihood.
        engine : str
            ``"auto"``: pls; ``summary()`` and the report also show MixedLM's likelihood at the optimum. ``"pls"``:
            lmmtools' own engine alone. ``"mixedlm"``: statsmodels' search. ``"lme4"``: R.
        progress : bool
            Show evaluations, criterion and gradient norm in a progress bar (needs tqdm).
        verbose : bool
            Print the same on standard error, one line per evaluation.
        check : bool
            Refuse a model whose variances the data cannot tell from the residual variance, and a factor of one level.
            With False the model is fitted, as lme4 does with ``check.nobs.vs.nlev="ignore"`` and the like, and
            ``warnings`` says what the data do not determine.
        start : array_like, shape (k,), optional
            theta to start from.
        max_iter : int, optional
            Evaluations of the criterion allowed, by the engines here.
        tol : float, optional
            Expected decrease of the criterion at which they stop.
        callback : callable, optional
            Called with a record of each evaluation.
        timeout : float, optional
            Seconds that R may take, for ``engine="lme4"``; None for as long as it needs.
        optimizer : str, optional
            lme4's optimiser, for ``engine="lme4"``.
        control : mapping, optional
            Its control settings, for ``engine="lme4"``.

        Raises
        ------
        DataError
            If the data cannot tell the model's variances from the residual variance; the message names the terms.
        EngineError
            If there is no such engine, the engine fails or takes no such argument, or ``reml`` is neither True nor
            False.
        TranslationError
            If the engine cannot express the model.

        See Also
        --------
        compare : Fits by several engines side by side.
        LMMResults.refit : Fit another response on the same design.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> model = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy"))
        >>> model.fit()
        <LMMResults Reaction ~ Days + (Days | Subject): REML criterion 1743.63, engine 'pls'>
        >>> model.fit(reml=False, engine="pls")
        <LMMResults Reaction ~ Days + (Days | Subject): deviance 1751.94, engine 'pls'>
        """
        if reml not in (True, False):
            raise EngineError(f"reml={reml!r:.40} is not an option; write True (REML) or False (maximum likelihood)")
        given: dict[str, Any] = {"start": start, "max_iter": max_iter, "tol": tol, "callback": callback}
        given |= {"optimizer": optimizer, "control": control}
        options = {name: value for name, value in given.items() if value is not None}
        if engine == "lme4" or timeout != 600.0:
            options["timeout"] = timeout
        module = choose_engine(engine, self.design)
        check_options(engine, options)
        prepared = Prepared()
        if self.design.is_streamed:
            # One pass over the rows serves all fits of the model.
            with watch_rows(progress=progress):
                prepared = Prepared(self._problem)
            options = {"problem": self._problem, **options}
        if check:
            check_identified(self.design, reml)
        started = time.perf_counter()
        with watch(progress=progress, verbose=verbose) as callback:
            if callback is not None:
                options = {"callback": callback, **options}
            estimate = module.fit(self.design, reml=reml, **options)
        said = "" if check else describe_unidentified(self.design, reml)
        if said:
            estimate = replace(estimate, messages=(*estimate.messages, said))
        seconds = time.perf_counter() - started
        result, found = make_fit(LMMResults, self.design, self.names, estimate, seconds, prepared)
        warn_of(found)
        return result

    def update(self, change: str, data: Any = None) -> Model:
        """Return the model with another formula, as R's ``update``: ``"~ . + x"``, ``"log(.) ~ . - (1 | g)"``.

        Parameters
        ----------
        change : str
            A dot is what the model has on that side; ``+`` adds terms and ``-`` takes them away.
        data : DataFrame, optional
            Other data; by default those of the model, with all rows that are complete for the new formula.

        Raises
        ------
        FormulaError
            If the change does not read as one, or takes away what the model does not have.
        DataError
            If the model's data are gone or were changed, or the new model cannot be fitted to them.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> model = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy"))
        >>> model.update("~ . - (Days | Subject) + (1 | Subject)")
        <lmmtools model Reaction ~ Days + (1 | Subject): 180 rows>
        """
        design, names = update_declared(self.design, self.names, change, data)
        warn_of((CodingWarning, text) for text in design.narrower_in_r)
        return Model(design.formula, design, names)

    def _repr_html_(self) -> str:
        named = [("data", self.names.data)] if self.names.data else []
        return facts("Linear mixed model, not fitted yet", [*named, *self.design.contents], ("fit() fits it",))

    def __repr__(self) -> str:
        return f"<lmmtools model {self.formula}: {self.design.n} rows>"


@memory.door
def lmm(
    formula: str,
    data: Any,
    *,
    random: Declaration | None = None,
    weights: str | ArrayLike | None = None,
    offset: str | ArrayLike | None = None,
    na_action: Literal["drop", "raise"] = "drop",
    data_name: str | None = None,
    trusted: bool = False,
    progress: bool = False,
    stream: bool | None = None,
) -> Model:
    """Return the linear mixed model that ``formula`` (and ``random``) declares on ``data``.

    Parameters
    ----------
    formula : str
        As lme4 writes it, ``"diameter ~ 1 + (1|plate) + (1|sample)"``; the fixed part may use what formulaic offers.
    data : DataFrame, str, path-like or lazy frame
        pandas, or any frame that narwhals accepts (polars, pyarrow). Also where rows can be read from: a path (Parquet,
        Arrow or CSV: a file, a folder, a pattern such as ``"ratings/*.parquet"``) or a list of paths, a pyarrow
        Dataset, a DuckDB relation, a polars LazyFrame, a dask or Spark DataFrame.
    random : Declaration, optional
        ``crossed("plate", "sample")``, ``nested("batch", "cask")``, ``random("Subject", "1 + Days")``; they add up,
        with each other and with terms in the formula.
    weights : str or array-like, shape (rows of data,), optional
        Prior weights, positive: the residual variance of row i is ``sigma**2 / weights[i]``.
    offset : str or array-like, shape (rows of data,), optional
        Known part of the mean, in units of the response.
    na_action : {"drop", "raise"}
        What to do with rows that have missing values in any used column.
    data_name : str, optional
        Name of the data for reports.
    trusted : bool
        Let the formula call any Python function. By default it may call known functions alone, so that the text of a
        formula from elsewhere cannot run code.
    progress : bool
        Show passes over rows that are read from elsewhere in a progress bar (needs tqdm).
    stream : bool, optional
        Where data are a path, a query or a lazy frame: True reads rows in batches whenever they are needed, however
        many there are; False reads all into memory, once. By default that is done where the model's columns have at
        most 2**25 values (6.7 million rows of five columns) and a fit takes at most a quarter of the free memory; a
        dask or Spark frame stays where it is. ``fit.design.is_streamed`` and the summary tell. The numbers are the
        same; some methods need all rows in memory.

    Raises
    ------
    FormulaError
        If the formula does not parse; the message marks the place.
    DataError
        If a column is missing or unusable; the message names it.

    See Also
    --------
    Model.fit : Fit the model.
    crossed, nested, random : Declare random effects without a formula.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy"))
    <lmmtools model Reaction ~ Days + (Days | Subject): 180 rows>
    """
    parsed = parse(formula, random, trusted=trusted)
    if stream not in (None, True, False):
        raise DataError(f"stream={stream!r:.40} is not an option; write True, False or None")
    source = open_source(data)
    if stream and source is None:
        raise DataError(
            f"stream=True reads rows when they are needed, and the data are in memory already ({type(data).__name__}): "
            "leave it out, or give a path, a query or a lazy frame."
        )
    with single, watch_rows(progress=progress):
        if source is None:
            design = build_design(parsed, data, weights=weights, offset=offset, na_action=na_action)
        else:
            beside: Any = {"weights": weights, "offset": offset, "na_action": na_action}
            design = build_source_design(parsed, source, stream=stream, **beside)
    names = Names(
        data_name or (_name_of(data) if source is None else source.name),
        _name_argument(weights, "weights"),
        _name_argument(offset, "offset"),
        Given(data, source, stream),
    )
    warn_of((CodingWarning, text) for text in design.narrower_in_r)
    return Model(parsed, design, names)


@memory.door
def from_mixedlm(result: Any) -> LMMResults:
    """Return a fit by statsmodels' ``MixedLM`` as ``LMMResults``, with all numbers on the data's scale.

    The model is read from MixedLM's arrays, so that the report and ``fit.design.formula.source`` name in lme4's
    notation the model that was fitted, whatever its call looks like. Nothing is fitted again: criterion, fixed effects,
    standard errors and modes are those at MixedLM's variances, and the certificate says whether these are an optimum.
    ``fit.mixedlm`` is ``result``.

    Parameters
    ----------
    result : MixedLMResults
        From a formula or from arrays, by REML or ML, with any optimiser.

    Raises
    ------
    DataError
        If ``result`` is no MixedLM result, or its data were removed.
    TranslationError
        If nothing in the model is random.
    EngineError
        If MixedLM ended outside the parameter space.

    See Also
    --------
    patch_summary : A MixedLM result with these numbers under statsmodels' names.
    lint : Findings about a MixedLM model.

    Notes
    -----
    A component with several columns per row (``vc_formula={"cask": "C(cask)"}``) has one variance for all of them:
    no lme4 model does so. It is shown as several terms of equal variance; ``design.shared`` and a remark say so.
    ``k_params`` counts the variance once. Refits and bootstraps of such a model are refused.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> import statsmodels.formula.api as smf
    >>> data = lmt.datasets.load("sleepstudy")
    >>> lmt.from_mixedlm(smf.mixedlm("Reaction ~ Days", data, groups="Subject").fit())
    <LMMResults Reaction ~ Days + (1 | Subject): REML criterion 1786.47, engine 'mixedlm'>
    """
    return LMMResults.of(read_mixedlm(result)[0])


@memory.door
def patch_summary(result: Any) -> Any:
    """Return a MixedLM result with ``params bse conf_int() cov_params() summary()`` on the scale of the data.

    Packages that print results by these names, as ``summary_col([patch_summary(result)])``, then show variances instead
    of variances divided by the residual variance, standard errors of variances from the observed information (NaN where
    there are none; ``.undefined`` says why), and lme4's standard errors of the fixed effects. Limits of a variance are
    the estimate -/+ normal quantile times standard error; p-values of variances are NaN. ``result`` is not changed.

    Parameters
    ----------
    result : MixedLMResults
        As :func:`from_mixedlm` takes it.

    Returns
    -------
    MixedLMResults
        A copy with the same names and methods; ``.lmm`` is the same fit as ``LMMResults``.

    Raises
    ------
    DataError, TranslationError, EngineError
        As :func:`from_mixedlm`.

    See Also
    --------
    from_mixedlm : The same fit as LMMResults.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> import statsmodels.formula.api as smf
    >>> data = lmt.datasets.load("sleepstudy")
    >>> result = smf.mixedlm("Reaction ~ Days", data, groups="Subject").fit()
    >>> lmt.patch_summary(result).params.round(3).to_dict()
    {'Intercept': 251.405, 'Days': 10.467, 'Subject Var': 1378.176}
    """
    from lmmtools.results.patched import patch

    fit, read = read_mixedlm(result)
    return patch(result, LMMResults.of(fit), read)


@memory.door
def translate(model: Any, data: Any = None) -> Translation:
    """Return a model in every notation: lme4's, lmmtools' and MixedLM's, in words and as an equation.

    Parameters
    ----------
    model : str, Declaration, Model, LMMResults, MixedLM, MixedLMResults or MixedLMSpec
        An lme4 formula, a declaration (``crossed("plate", "sample")``), a model or its result. A MixedLM model is read
        from its arrays, whatever its call looks like.
    data : DataFrame, path or lazy frame, optional
        Data for a formula or declaration, as :func:`lmm` takes them: they show which factors are nested and what the
        independent groups are. Without them the MixedLM call is one that is right for any data.

    Returns
    -------
    Translation
        ``.lme4 .declaration .mixedlm .words .latex``; ``str()`` prints them all.

    Raises
    ------
    FormulaError, DataError
        As :func:`lmm`; a DataError also if ``model`` is none of these.

    See Also
    --------
    structure : What the data show of the factors.
    Model.spec : The MixedLM call of a model on its data.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> lmt.translate("y ~ x + (1 | school/class)").lme4
    'y ~ x + (1|school) + (1|class:school)'
    """
    from lmmtools.report.translation import translate_model

    return translate_model(model, data)


def _name_argument(given: str | ArrayLike | None, otherwise: str) -> str | None:
    """Return the column that was named, ``otherwise`` for an array of values, None for nothing."""
    return given if isinstance(given, str) or given is None else otherwise


@memory.door
def compare(*items: Any, names: Sequence[str] | None = None, reml: bool = True) -> Comparison:
    """Return fits side by side: differences from the first, a verdict for each number, and sentences that say why.

    Parameters
    ----------
    *items
        What to compare: ``LMMResults``, a fit read back by ``read_json``, what somebody printed (the text, or what
        ``read_printout`` returns: summaries of lme4, MixedLM, nlme, glmmTMB, MixedModels.jl and Stata and, beside a
        fit, R's tables of tests, variances, effects and means, and SPSS's), a ``MixedLMResults`` of statsmodels (read
        by ``from_mixedlm``), an ``OLS`` result (the model with every variance zero), a recorded fit (as
        ``datasets.recorded`` returns), or a ``Model``, followed by names of engines to fit it with (``"auto"`` if there
        are none).
    names : sequence of str, optional
        Headings of the columns, one per item; by default the engines' names.
    reml : bool
        Criterion of the fits made here, and of OLS results where no other item decides.

    Raises
    ------
    DataError
        If there are fewer than two fits, or an item is none of these.

    See Also
    --------
    anova : Likelihood-ratio tests of nested models.
    tables.side_by_side : Estimates of several models in one table.
    LMMResults.confirm : MixedLM's own search beside a fit.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> model = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff"))
    >>> table = lmt.compare(model, "pls", "mixedlm")
    >>> table.verdict
    'same to the digits shown'
    """
    from lmmtools.results.comparing import compare_items

    return compare_items(items, names, reml)


def _name_of(data: Any) -> str | None:
    """Return the name that a frame carries in ``DataFrame.attrs["name"]``, as the shipped data sets do, else None."""
    attrs = getattr(data, "attrs", None)
    return attrs.get("name") if isinstance(attrs, dict) else None
