"""Attributes that packages read which print tables of many models: statsmodels' ``summary_col`` and maketables.

``summary_col`` reads ``params``, ``bse``, ``pvalues``, ``conf_int()`` and ``model``. maketables reads attributes of its
own, ``__maketables_coef_table__`` and others. But it takes everything with ``params``, ``bse`` and ``pvalues`` for a
result of statsmodels (maketables 0.2), so `lmmtools.tables.etable` gives it a view without those.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from lmmtools.other_names import AnswersOtherNames

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from lmmtools.design.matrices import Design
    from lmmtools.fit.record import Fit

__all__ = ["FittedModel", "SummaryView", "TableMethods", "TableView", "coefficient_table", "has_degrees"]

LABELS = {
    "N": "Observations",
    "ll": "Log-likelihood",
    "sigma": "SD residual",
    "icc": "ICC",
    "r2_marginal": "Marginal R²",
    "r2_conditional": "Conditional R²",
    "criterion": "Fitted by",
    "p_values": "p-values",
}
"""Statistics of a table that maketables has no label for -> label."""
NORMAL = "z (normal)"
"""How a table names p-values from the normal distribution, which statsmodels' mixed models have."""


@dataclass(frozen=True, slots=True, eq=False)
class FittedModel(AnswersOtherNames):
    """The model of a fit under the names of statsmodels' models.

    Attributes
    ----------
    endog_names : str
        The response.
    exog_names : list of str, length p
        The fixed effects.
    formula : str
        In lme4's notation.
    design : Design
        With y and X, called ``endog`` and ``exog`` too.
    """

    endog_names: str
    exog_names: list[str]
    formula: str
    design: Design

    @property
    def endog(self) -> NDArray[np.float64]:
        """The response, shape (n,)."""
        return self.design.y

    @property
    def exog(self) -> NDArray[np.float64]:
        """Columns of the fixed effects, shape (n, p)."""
        return self.design.X


class TableMethods:
    """Attributes that table packages read, of a result or of a view of one."""

    @property
    def _fit(self) -> Fit:
        return cast("Fit", self)

    @property
    def model(self) -> FittedModel:
        """Response, fixed effects and formula, under statsmodels' names.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
        >>> fit.model.exog_names
        ['Intercept', 'Days']
        """
        design = self._fit.design
        formula = design.formula.source or str(design.formula)
        return FittedModel(design.formula.response, list(design.x_names), formula, design)

    @property
    def default_model_infos(self) -> dict[str, Callable[[Fit], str]]:
        """Rows that statsmodels' ``summary_col`` puts under the fixed effects: label -> function of a result.

        Given as its ``info_dict``, the rows serve results of statsmodels too; cells that these cannot fill stay empty.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
        >>> list(fit.default_model_infos)[:2]
        ['SD (Intercept) by Batch', 'SD residual']
        """
        rows: dict[str, Callable[[Any], str]] = {
            name: lambda fit, name=name: _write_deviation(fit, name)  # type: ignore[misc]
            for name in _deviations_by_label(self._fit)
        }
        rows["Observations"] = lambda fit: f"{fit.nobs:.0f}"
        rows["Log-likelihood"] = lambda fit: f"{fit.llf:.4f}"
        rows["Fitted by"] = lambda fit: _name_criterion(fit) if isinstance(fit, TableMethods) else ""
        rows["p-values"] = lambda fit: fit.p_value_source if isinstance(fit, TableMethods) else ""
        return rows

    @property
    def p_value_source(self) -> str:
        """The method of ``pvalues``, for the foot of a table.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
        >>> fit.p_value_source
        'z (normal)'
        """
        return NORMAL

    @property
    def __maketables_coef_table__(self) -> pd.DataFrame:
        """Fixed effects with Satterthwaite's tests: ``b se t p df ci95l ci95u``."""
        return coefficient_table(self._fit)

    @property
    def __maketables_depvar__(self) -> str:
        """The response."""
        return self._fit.design.formula.response

    @property
    def __maketables_vcov_info__(self) -> dict[str, str]:
        """The kind of the standard errors."""
        return {"vcov_type": "model-based"}

    @property
    def __maketables_stat_labels__(self) -> dict[str, str]:
        """Labels of the statistics that maketables has no label for."""
        return LABELS

    @property
    def __maketables_default_stat_keys__(self) -> list[str]:
        """Statistics shown by default, standard deviations of the random effects first."""
        return [
            *_deviations_by_label(self._fit),
            "N",
            *(f"Levels of {g}" for g in self._fit.ngroups),
            "ll",
            "criterion",
            "p_values",
        ]

    def __maketables_stat__(self, key: str) -> float | int | str | None:
        """Return one statistic, None for an unknown key."""
        from lmmtools.inference.variance.icc_r2 import icc, r2

        fit = self._fit
        known: dict[str, Callable[[], Any]] = {
            "N": lambda: fit.nobs,
            "ll": lambda: fit.llf,
            "aic": lambda: fit.aic,
            "bic": lambda: fit.bic,
            "df_resid": lambda: fit.df_resid,
            "deviance": lambda: fit.objective if not fit.reml else None,
            "sigma": lambda: fit.sigma,
            "icc": lambda: icc(fit).adjusted,
            "r2_marginal": lambda: r2(fit).marginal,
            "r2_conditional": lambda: r2(fit).conditional,
            "criterion": lambda: _name_criterion(fit),
            "p_values": lambda: "Satterthwaite" if has_degrees(fit) else NORMAL,
            "se_type": lambda: "model-based",
        }
        if key in known:
            found: float | int | str | None = known[key]()
            return found
        levels = {f"Levels of {group}": m for group, m in fit.ngroups.items()}
        return {**_deviations_by_label(fit), **levels}.get(key)


class TableView(TableMethods):
    """A fit with maketables' attributes alone.

    Parameters
    ----------
    fit : LMMResults
    """

    def __init__(self, fit: Fit) -> None:
        self._viewed = fit

    @property
    def _fit(self) -> Fit:
        return self._viewed


class SummaryView(TableView):
    """A fit under statsmodels' names, with Satterthwaite's tests and intervals where they are defined.

    All other attributes, which rows of ``info_dict`` may read, are those of the fit.
    """

    def __getattr__(self, name: str) -> Any:
        if name == "_viewed":
            raise AttributeError(name)
        return getattr(self._viewed, name)

    @property
    def pvalues(self) -> pd.Series[float]:
        """Two-sided p-values of the fixed effects."""
        return coefficient_table(self._viewed)["p"]

    @property
    def p_value_source(self) -> str:
        """The method of ``pvalues``."""
        return str(self.__maketables_stat__("p_values"))

    def conf_int(self, alpha: float = 0.05) -> pd.DataFrame:
        """Return confidence limits of the fixed effects, columns 0 and 1, by the method of ``pvalues``."""
        from lmmtools.inference.intervals import confidence_intervals

        ddf = "satterthwaite" if has_degrees(self._viewed) else "z"
        return confidence_intervals(self._viewed, alpha, "wald", None, ddf)


def has_degrees(fit: Fit) -> bool:
    """Return whether Satterthwaite's degrees of freedom are defined: they are not where terms share a variance."""
    return not fit.design.shared


def coefficient_table(fit: Fit) -> pd.DataFrame:
    """Return the fixed effects with Satterthwaite's tests and 95% intervals: ``b se t p df ci95l ci95u``.

    Tests and intervals are by the normal distribution where there are no such degrees of freedom.
    """
    from lmmtools.inference.intervals import confidence_intervals
    from lmmtools.inference.wald_tests import t_tests

    ddf = "satterthwaite" if has_degrees(fit) else "z"
    tests = t_tests(fit, None, ddf).to_frame()
    limits = confidence_intervals(fit, 0.05, "wald", None, ddf)
    table = tests.rename(columns={"estimate": "b", "std_error": "se"})[["b", "se", "t", "p", "df"]]
    return table.assign(ci95l=limits[0], ci95u=limits[1]).rename_axis("Coefficient")


def _name_criterion(fit: Any) -> str:
    """Return "REML" or "ML": log-likelihoods of the two do not compare."""
    return "REML" if fit.reml else "ML"


def _write_deviation(fit: Any, name: str) -> str:
    """Return a standard deviation or correlation to four decimals, "" for a result that has none of this name."""
    found = _deviations_by_label(fit._fit) if isinstance(fit, TableMethods) else {}
    return f"{found[name]:.4f}" if name in found else ""


def _deviations_by_label(fit: Fit) -> dict[str, float]:
    """Return standard deviations and correlations by a readable name, the residual's last."""
    found = {}
    for grp, var1, var2, _, sdcor in fit.varcorr.rows():
        if var1 is None:
            found["SD residual"] = sdcor
        elif var2 is None:
            found[f"SD {var1} by {grp}"] = sdcor
        else:
            found[f"Corr. {var1}, {var2} by {grp}"] = sdcor
    return found
