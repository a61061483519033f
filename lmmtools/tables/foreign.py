"""Tables of many fits by other packages: statsmodels, stargazer and maketables, with the mixed models' own rows.

They print fits of lmmtools beside results that they know themselves. p-values, stars and intervals of the mixed models
are by Satterthwaite's degrees of freedom, and a row of the table says so. Results of MixedLM are read as fits of
lmmtools first: their own ``params`` hold variances divided by the residual's.
"""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

from lmmtools import memory
from lmmtools.errors import LmmError
from lmmtools.report.formats.latex import escape
from lmmtools.results.lmm_results import LMMResults
from lmmtools.results.table_methods import LABELS, SummaryView, TableView, coefficient_table
from lmmtools.tables.reading import as_fit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["etable", "stargazer", "summary_col"]


@memory.door
def etable(*results: Any, **options: Any) -> Any:
    """Return a ``maketables.ETable`` of fits of lmmtools and of results that it knows itself.

    Parameters
    ----------
    *results : LMMResults, MixedLMResults or results of statsmodels, pyfixest, linearmodels, ...
        One column each, or a list of them.
    **options
        Options of ``ETable``. Its ``model_stats`` may name ``"N"``, ``"ll"``, ``"aic"``, ``"bic"``, ``"sigma"``,
        ``"icc"``, ``"r2_marginal"``, ``"r2_conditional"``, ``"criterion"`` (REML or ML), ``"p_values"``, and rows of
        random effects as the default shows them, ``"SD (Intercept) by Subject"``, ``"Levels of Subject"``.

    Raises
    ------
    LmmError
        If the package maketables is not installed, no result is given, or one has no fixed effects.

    See Also
    --------
    side_by_side : A table of lmmtools' own.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
    >>> lmt.tables.etable(fit).df.shape
    (8, 1)
    """
    try:
        from maketables import ETable
    except ImportError:
        raise LmmError("etable() needs the package maketables: pip install maketables") from None
    fits = _fits_of_columns(results, "etable")
    for fit in fits:
        if isinstance(fit, LMMResults) and not fit.design.p:  # maketables cannot print an empty column (0.2)
            raise LmmError(f"etable() prints fixed effects, and {fit.model.formula} has none: leave it out")
    # maketables takes the names of statistics from the first column only.
    options["model_stats_labels"] = {**LABELS, **(options.get("model_stats_labels") or {})}
    return ETable([TableView(r) if isinstance(r, LMMResults) else r for r in fits], **options)


@memory.door
def stargazer(*results: Any) -> Any:
    """Return a ``stargazer.stargazer.Stargazer`` of fits of lmmtools and of results that it knows itself.

    Parameters
    ----------
    *results : LMMResults, MixedLMResults or results of statsmodels, linearmodels
        One column each, or a list of them.

    Returns
    -------
    Stargazer
        With lines for the standard deviations and correlations of the random effects, for the levels of each factor,
        for the log-likelihood and for the criterion that it is of. Names are escaped in LaTeX and HTML; a p-value that
        is not defined has no stars.

    Raises
    ------
    LmmError
        If the package stargazer is not installed, or no result is given.

    See Also
    --------
    side_by_side : The table of this package.

    Notes
    -----
    stargazer looks for the class of a result in a list of its own; the first call enters `LMMResults` there, so that
    ``Stargazer([fit])`` works from then on too.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
    >>> "Observations" in lmt.tables.stargazer(fit).render_latex()
    True
    """
    try:
        from stargazer.stargazer import LineLocation, Stargazer
        from stargazer.translators import register_class
    except ImportError:
        raise LmmError("stargazer() needs the package of that name: pip install stargazer") from None
    fits = _fits_of_columns(results, "stargazer")
    register_class(LMMResults, _stargazer_numbers)

    class Table(Stargazer):  # type: ignore[misc]
        def rename_covariates(self, cov_map: Any) -> None:
            """Print other names, escaped; given by a dictionary or by a function of the names."""
            super().rename_covariates(cov_map)
            renamed: Any = self.cov_map
            self.cov_map: Any = lambda name: _printed_name(renamed(name))

    table = Table(fits)
    _replace_nan_pvalues(table.model_data)
    table.cov_map = _printed_name
    table.dependent_variable = _printed_name(table.dependent_variable)
    mixed = [r for r in fits if isinstance(r, LMMResults)]
    shown = [name for r in mixed for name in r.__maketables_default_stat_keys__]
    for start in ("SD ", "Corr. ", "Levels of "):
        for name in dict.fromkeys(name for name in shown if name.startswith(start)):
            cells = [_format_statistic(r, name, table.sig_digits) for r in fits]
            table.add_line(_printed_name(name), cells, LineLocation.FOOTER_TOP)
    if mixed:
        # Not as notes: these break stargazer's LaTeX (0.0.7).
        for key in ("ll", "criterion", "p_values"):
            table.add_line(
                LABELS[key], [_format_statistic(r, key, table.sig_digits) for r in fits], LineLocation.FOOTER_BOTTOM
            )
    return table


@memory.door
def summary_col(*results: Any, **options: Any) -> Any:
    """Return statsmodels' ``summary_col`` of fits of lmmtools and of its own results.

    statsmodels' own function reads ``fit.pvalues``, from the normal distribution; here p-values, and stars, are
    Satterthwaite's, as in the other tables. The row "p-values" says which.

    Parameters
    ----------
    *results : LMMResults, MixedLMResults or results of statsmodels
        One column each, or a list of them.
    **options
        Of ``statsmodels.iolib.summary2.summary_col``: ``stars``, ``model_names``, ``info_dict`` and others.

    Raises
    ------
    LmmError
        If no result is given.

    See Also
    --------
    side_by_side : The table of this package.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
    >>> lmt.tables.summary_col(fit).tables[0].shape
    (8, 1)
    """
    from statsmodels.iolib.summary2 import summary_col as print_columns

    fits = _fits_of_columns(results, "summary_col")
    table = print_columns([SummaryView(r) if isinstance(r, LMMResults) else r for r in fits], **options)
    # statsmodels does not escape names in its HTML (0.15).
    plain = table.as_html

    def as_html() -> str:
        return _with_escaped(table, plain)

    table.as_html = as_html
    return table


def _fits_of_columns(results: Sequence[Any], function: str) -> list[Any]:
    """Return the fits of a table, given one by one or as a list."""
    fits = list(results[0]) if len(results) == 1 and isinstance(results[0], (list, tuple)) else list(results)
    if not fits:
        raise LmmError(f"{function}() needs at least one result: {function}(fit0, fit1)")
    for fit in fits:
        if not hasattr(fit, "params") and not hasattr(fit, "__maketables_coef_table__"):
            raise LmmError(f"{function}() has no column for {type(fit).__name__}: give results of fits")
    return [as_fit(fit) for fit in fits]


def _with_escaped(table: Any, write: Callable[[], str]) -> str:
    """Return what ``write`` returns while the names and cells of a statsmodels table are escaped for HTML."""
    kept, said = table.tables, table.extra_txt
    try:
        table.tables = [frame.rename(index=_escape_html, columns=_escape_html).map(_escape_html) for frame in kept]
        table.extra_txt = [_escape_html(text) for text in said]
        return write()
    finally:
        table.tables, table.extra_txt = kept, said


def _escape_html(text: Any) -> Any:
    return html.escape(text, quote=False) if isinstance(text, str) else text


def _printed_name(name: str) -> Any:
    """Return a name as a stargazer label, escaped for LaTeX and for HTML."""
    from stargazer.label import Label

    class Name(Label):  # type: ignore[misc]
        def __radd__(self, before: str) -> str:
            return before + str(self)

    return Name({"LaTeX": escape(str(name)), "html": html.escape(str(name))})


def _replace_nan_pvalues(columns: Sequence[dict[str, Any]]) -> None:
    """Replace NaN among p-values by None, in place: stargazer gives NaN three stars (0.0.7)."""
    import pandas as pd

    for column in columns:
        p = pd.Series(column["p_values"]).astype(object)
        column["p_values"] = p.where(p.notna(), None)
        if pd.isna(column.get("f_p_value")):
            column["f_p_value"] = None


def _format_statistic(result: Any, name: str, digits: int) -> str:
    """Return a statistic as text; other packages' results have the log-likelihood only."""
    if isinstance(result, LMMResults):
        value = result.__maketables_stat__(name)
    else:
        value = getattr(result, "llf", None) if name == "ll" else None
    return "" if value is None else f"{value:.{digits}f}" if isinstance(value, float) else str(value)


def _stargazer_numbers(fit: LMMResults) -> dict[str, Any]:
    """Return the numbers of a result under stargazer's names; None for those that a mixed model does not have."""
    table = coefficient_table(fit)
    return {
        "dependent_variable": fit.model.endog_names,
        "cov_names": table.index.to_numpy(),
        "cov_values": table["b"],
        "cov_std_err": table["se"],
        "p_values": table["p"],
        "conf_int_low_values": table["ci95l"],
        "conf_int_high_values": table["ci95u"],
        "nobs": fit.nobs,
        "r2": None,
        "r2_adj": None,
        "pseudo_r2": None,
        "f_statistic": None,
        "f_p_value": None,
        # The residual standard deviation has its own line, without stargazer's degrees of freedom.
        "resid_std_err": None,
        "degree_freedom": len(table) - 1,
        "degree_freedom_resid": fit.df_resid,
    }
