"""Tables of many fits by other packages: stargazer and maketables, with the mixed models' own rows.

Both print fits of lmmtools beside results that they know themselves. p-values and intervals of the mixed models are by
Satterthwaite's degrees of freedom.
"""

from __future__ import annotations

from typing import Any

from lmmtools.errors import LmmError
from lmmtools.results.lmm_results import LMMResults
from lmmtools.results.tabling import TableView, coefficient_table

__all__ = ["etable", "stargazer"]


def etable(*results: Any, **options: Any) -> Any:
    """Return a ``maketables.ETable`` of fits of lmmtools and of results that it knows itself.

    Parameters
    ----------
    *results : LMMResults or results of statsmodels, pyfixest, linearmodels, ...
        One column each.
    **options
        Of ``ETable``. Its ``model_stats`` may name ``"N"``, ``"ll"``, ``"aic"``, ``"bic"``, ``"sigma"``, ``"icc"``,
        ``"r2_marginal"``, ``"r2_conditional"``, ``"p_values"``, and rows of random effects as the default shows them,
        ``"SD (Intercept) by Subject"``, ``"Levels of Subject"``.

    Raises
    ------
    LmmError
        If the package maketables is not installed, or no result is given.
    """
    try:
        from maketables import ETable
    except ImportError:
        raise LmmError("etable() needs the package maketables: pip install maketables") from None
    if not results:
        raise LmmError("etable() needs at least one result: etable(fit0, fit1)")
    return ETable([TableView(r) if isinstance(r, LMMResults) else r for r in results], **options)


def stargazer(*results: Any) -> Any:
    """Return a ``stargazer.stargazer.Stargazer`` of fits of lmmtools and of results that it knows itself.

    Parameters
    ----------
    *results : LMMResults or results of statsmodels, linearmodels
        One column each.

    Returns
    -------
    Stargazer
        With a line per standard deviation and correlation of the random effects.

    Raises
    ------
    LmmError
        If the package stargazer is not installed, or no result is given.

    Notes
    -----
    stargazer looks for the class of a result in a list of its own; the first call enters `LMMResults` there, so that
    ``Stargazer([fit])`` works from then on too.
    """
    try:
        from stargazer.stargazer import LineLocation, Stargazer
        from stargazer.translators import register_class
    except ImportError:
        raise LmmError("stargazer() needs the package of that name: pip install stargazer") from None
    if not results:
        raise LmmError("stargazer() needs at least one result: stargazer(fit0, fit1)")
    register_class(LMMResults, _read)
    table = Stargazer(list(results))
    mixed = [r for r in results if isinstance(r, LMMResults)]
    for name in dict.fromkeys(n for r in mixed for n in r.default_model_infos if n.startswith(("SD ", "Corr. "))):
        table.add_line(name, [_cell(result, name, table.sig_digits) for result in results], LineLocation.FOOTER_TOP)
    if mixed:
        # A note would do, but those break stargazer's LaTeX (0.0.7).
        methods = ["Satterthwaite" if isinstance(r, LMMResults) else "" for r in results]
        table.add_line("p-values", methods, LineLocation.FOOTER_BOTTOM)
    return table


def _cell(result: Any, name: str, digits: int) -> str:
    if not isinstance(result, LMMResults):
        return ""
    value = result.__maketables_stat__(name)
    return f"{value:.{digits}f}" if isinstance(value, float) else ""


def _read(fit: LMMResults) -> dict[str, Any]:
    """Return what stargazer takes of a result, under its names; None for what a mixed model has not."""
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
        # The residual's standard deviation has a line of its own: without the degrees that stargazer would print.
        "resid_std_err": None,
        "degree_freedom": len(table) - 1,
        "degree_freedom_resid": fit.df_resid,
    }
