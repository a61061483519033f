"""One column of a comparison: the numbers of one fit, wherever it comes from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools.design.record import name_causes
from lmmtools.errors import DataError
from lmmtools.printout.number import rounding_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lmmtools.printout.record import PrintedSummary

__all__ = ["ComparisonColumn", "group_key", "match_key", "rename_like"]

_LEVEL = re.compile(r"\[(?:T\.)?([^\]]*)\]")
_TERM_NUMBER = re.compile(r"\.\d+$")
_FACTOR = re.compile(r"\b(?:C|factor)\(([^()]*)\)")


@dataclass(frozen=True, slots=True)
class ComparisonColumn:
    """What one fit says; None where it does not say.

    Attributes
    ----------
    name : str
        Header of the column.
    criterion : float
        REML criterion, or deviance (-2 log L) under ML.
    reml : bool
        Which of the two.
    variances : dict of str to float
        ``"plate (Intercept)"`` -> variance, in squared units of y; without the residual.
    correlations : dict of str to float
        ``"Subject (Intercept), Days"`` -> correlation.
    sigma : float
        Residual standard deviation, in units of y.
    fixef, std_errors : dict of str to float
        Fixed effects and their standard errors, by lme4's or statsmodels' names.
    nobs : int or None
        Rows used.
    theta : tuple of float or None
        Relative covariance parameters.
    is_singular : bool or None
        Whether a component is at its boundary.
    converged : bool or None
        Whether the fit says that it is an optimum.
    seconds : float or None
        Time that the fit took.
    engine : str or None
        What fitted it.
    std_devs : dict of str to float, or None
        Standard deviations by the labels of ``variances``, where they were read; the roots of the variances if None.
    residual_variance : float or None
        The same for the residual; the square of sigma if None.
    is_ols : bool
        Whether it is a linear model: all variances of random effects zero.
    notes : tuple of str
        What else it said.
    formula : str or None
        The model in lme4's notation.
    lost : str
        Which rows were left out and why, as a phrase; empty if none, or if it does not say.
    """

    name: str
    criterion: float
    reml: bool
    variances: Mapping[str, float]
    correlations: Mapping[str, float]
    sigma: float
    fixef: Mapping[str, float]
    std_errors: Mapping[str, float]
    nobs: int | None = None
    theta: tuple[float, ...] | None = None
    is_singular: bool | None = None
    converged: bool | None = None
    seconds: float | None = None
    engine: str | None = None
    std_devs: Mapping[str, float] | None = None
    residual_variance: float | None = None
    is_ols: bool = False
    notes: tuple[str, ...] = field(default=())
    formula: str | None = None
    lost: str = ""

    @classmethod
    def from_result(cls, result: Any, name: str | None = None) -> ComparisonColumn:
        """Return the column of a fit.

        Parameters
        ----------
        result : LMMResults
            Any object with the attributes of the results contract.
        name : str, optional
            Header; the engine's name if None.
        """
        design = getattr(result, "design", None)
        rows = result.varcorr.to_frame().itertuples(index=False, name=None)
        variances, correlations = _components(rows, _constants_of_blocks(design))
        names = name_intercept(list(map(str, result.params.index)), getattr(design, "X", None))
        seconds = float(getattr(result, "fit_seconds", np.nan))
        converged = getattr(result, "converged", None)
        return cls(
            name=name or str(result.engine),
            criterion=float(result.objective),
            reml=bool(result.reml),
            variances=variances,
            correlations=correlations,
            sigma=float(result.sigma),
            fixef=_floats(result.params, names),
            std_errors=_floats(result.bse, names),
            nobs=int(result.nobs),
            theta=tuple(map(float, result.theta)),
            is_singular=bool(result.is_singular),
            converged=None if converged is None else bool(converged),
            seconds=seconds if np.isfinite(seconds) else None,
            engine=str(result.engine),
            notes=tuple(map(str, getattr(result, "warnings", ()))),
            formula=_formula(result),
            lost=_lost(result),
        )

    @classmethod
    def from_recorded(cls, recorded: Mapping[str, Any], name: str = "lme4") -> ComparisonColumn:
        """Return the column of a recorded lme4 fit, one entry of ``fits`` in ``tests/reference/lme4.json``.

        Raises
        ------
        DataError
            If the record lacks a key that every recorded fit has.
        """
        try:
            table = recorded["varcorr"]
            variances, correlations = _components(zip(*(table[c] for c in _VARCORR), strict=True))
            names = recorded.get("fixef_names_python") or recorded["fixef_names"]
            return cls(
                name=name,
                criterion=float(recorded["criterion"]),
                reml=bool(recorded["reml"]),
                variances=variances,
                correlations=correlations,
                sigma=float(recorded["sigma"]),
                fixef=dict(zip(names, map(float, recorded["fixef"]), strict=True)),
                std_errors=dict(zip(names, map(float, recorded["std_errors"]), strict=True)),
                nobs=recorded.get("nobs"),
                theta=tuple(map(float, recorded["theta"])) if "theta" in recorded else None,
                is_singular=recorded.get("is_singular"),
                engine="lme4",
            )
        except KeyError as missing:
            raise DataError(
                f"the recorded fit has no entry {missing}; record it with tests/reference/make_reference.R"
            ) from None

    @classmethod
    def from_printed(cls, printed: PrintedSummary, name: str = "lme4") -> ComparisonColumn:
        """Return the column of a printed lme4 fit; its numbers know how far they were rounded.

        Parameters
        ----------
        printed : PrintedSummary
            As ``read_lme4_summary`` returns it.
        name : str
            Header.
        """
        return cls(
            name=name,
            criterion=printed.criterion,
            reml=printed.reml,
            variances=printed.variances,
            correlations=printed.correlations,
            sigma=printed.sigma,
            fixef=printed.fixef,
            std_errors=printed.std_errors,
            nobs=printed.nobs,
            is_singular=printed.is_singular,
            converged=printed.converged,
            engine="lme4",
            std_devs=printed.std_devs,
            residual_variance=printed.residual_variance,
            notes=printed.messages,
            formula=printed.formula,
        )

    @classmethod
    def from_ols(cls, result: Any, name: str = "OLS", *, reml: bool = True) -> ComparisonColumn:
        """Return the column of a linear model: the mixed model with all variances of random effects at zero.

        Its criterion is computed with lme4's constants, ``log|X'WX| + (n-p)(1 + log(2 pi rss/(n-p))) - sum(log w)``
        under REML and ``n (1 + log(2 pi rss/n)) - sum(log w)`` under ML, so that it compares with a mixed model's.

        Parameters
        ----------
        result : RegressionResults
            A statsmodels OLS or WLS fit.
        name : str
            Header.
        reml : bool
            Under ML the residual variance is rss/n, and the standard errors follow it.

        Raises
        ------
        DataError
            If the fit is no least-squares fit, or its columns depend on each other.
        """
        model = getattr(result, "model", None)
        if model is None or not hasattr(result, "ssr") or not hasattr(model, "wexog") or model.wexog.ndim != 2:
            raise DataError(
                f"a {type(result).__name__} is no OLS or WLS result of statsmodels; give results of lmmtools"
            )
        X = np.asarray(model.wexog, dtype=float)
        n, p = X.shape
        if np.linalg.matrix_rank(X) < p:
            raise DataError(f"the columns {', '.join(model.exog_names)} of the OLS fit depend on each other; drop one")
        rss, df = float(result.ssr), n - p if reml else n
        weights = np.broadcast_to(np.asarray(getattr(model, "weights", 1.0), dtype=float), (n,))
        determinant = 2.0 * np.log(np.abs(np.diag(np.linalg.qr(X, mode="r")))).sum() if reml else 0.0
        criterion = determinant + df * (1.0 + np.log(2.0 * np.pi * rss / df)) - np.log(weights).sum()
        sigma = float(np.sqrt(rss / df))
        errors = sigma * np.sqrt(np.diag(np.linalg.inv(X.T @ X)))
        names = name_intercept(list(map(str, model.exog_names)), np.asarray(model.exog, dtype=float))
        return cls(
            name=name,
            criterion=float(criterion),
            reml=reml,
            variances={},
            correlations={},
            sigma=sigma,
            fixef=_floats(result.params, names),
            std_errors=_floats(errors, names),
            nobs=n,
            theta=(),
            engine="statsmodels OLS",
            is_ols=True,
        )


def _formula(result: Any) -> str | None:
    """Return the model in lme4's notation, of a fit or of its record."""
    design = getattr(result, "design", None)
    if design is not None and getattr(design, "formula", None) is not None:
        return str(design.formula.source or design.formula)
    found = getattr(result, "formula", None)
    return None if found is None else str(found)


def _lost(result: Any) -> str:
    """Return which rows were left out, ``"2 of 180 rows have missing values (Reaction 2)"``."""
    dropped = getattr(getattr(result, "design", result), "dropped", None)
    if dropped is None or not dropped.n_rows:
        return ""
    return f"{dropped.n_rows} of {dropped.n_input} rows left out for {name_causes(dropped)}"


_VARCORR = ("grp", "var1", "var2", "vcov", "sdcor")


def name_intercept(names: list[str], X: Any) -> list[str]:
    """Return the names of X's columns, one column of ones called Intercept, whatever it is called there.

    X is an array of shape (n, p), or None where there are no columns to look at.
    """
    if X is None or any(match_key(name) == "(Intercept)" for name in names) or X.shape[1] != len(names):
        return names
    constant = next((j for j in range(X.shape[1]) if X.shape[0] and (X[:, j] == 1.0).all()), None)
    return ["Intercept" if j == constant else name for j, name in enumerate(names)]


def _constants_of_blocks(design: Any) -> dict[str, str]:
    """Return {name of a column of ones among random effects: "(Intercept)"}, for terms without an intercept."""
    found = {}
    for block in getattr(design, "blocks", ()):
        if "(Intercept)" not in block.cnames:
            for name, column in zip(block.cnames, block.basis.T, strict=True):
                if (column == 1.0).all():
                    found[str(name)] = "(Intercept)"
                    break
    return found


def _components(
    rows: Iterable[tuple[Any, ...]], renamed: Mapping[str, str] | None = None
) -> tuple[dict[str, float], dict[str, float]]:
    """Return variances and correlations by label, effects renamed where asked; the residual is left out."""
    renamed = renamed or {}
    variances: dict[str, float] = {}
    correlations: dict[str, float] = {}
    for grp, var1, var2, vcov, sdcor in rows:
        if grp == "Residual" and not isinstance(var1, str):
            continue
        var1, var2 = (renamed.get(v, v) if isinstance(v, str) else v for v in (var1, var2))
        if isinstance(var2, str):
            correlations[f"{grp} {var1}, {var2}"] = float("nan") if sdcor is None else float(sdcor)
        else:
            variances[f"{grp} {var1}"] = float(vcov)
    return variances, correlations


def _floats(values: Any, names: Iterable[str] | None = None) -> dict[str, float]:
    labels = list(values.index) if names is None else list(names)
    return {str(label): float(v) for label, v in zip(labels, np.asarray(values), strict=True)}


def match_key(label: str) -> str:
    """Return a key that is the same for R's and Python's spelling of an effect: ``recipe[T.B]`` and ``recipeB``.

    R's TRUE is Python's True.
    """
    key = _FACTOR.sub(r"\1", _LEVEL.sub(r"\1", label)).replace("np.", "").replace("**", "^")
    key = key.replace("`", "").replace(" ", "").replace("True", "TRUE").replace("False", "FALSE")
    return "(Intercept)" if key == "Intercept" else key


def group_key(label: str) -> str:
    """Return a key of a component's label, whatever the order in an interaction's name.

    ``Subject.1``, a second term on Subject, is Subject: the effect tells the terms apart.
    """
    group, _, effect = label.partition(" ")
    return f"{':'.join(sorted(_TERM_NUMBER.sub('', group).split(':')))} {match_key(effect)}"


def rename_like(column: ComparisonColumn, reference: ComparisonColumn) -> tuple[ComparisonColumn, dict[str, str]]:
    """Return the column with the reference's labels on components that have the same numbers under another name.

    That is so where the criteria are the same and the variances that only one of the two has are the same numbers:
    ``sample`` is ``cask:batch``. The second value has the labels that changed, old -> new.
    """
    is_same_fit = _are_close(column.criterion, reference.criterion, 1e-9) and column.reml == reference.reml
    if column.is_ols or reference.is_ols or not is_same_fit:
        return column, {}
    mine, theirs = _unmatched(column.variances, reference.variances), _unmatched(reference.variances, column.variances)
    mine.sort(key=column.variances.__getitem__)
    theirs.sort(key=reference.variances.__getitem__)
    values = [(column.variances[a], reference.variances[b]) for a, b in zip(mine, theirs, strict=False)]
    if len(mine) != len(theirs) or not all(_are_close(a, b, 1e-4) for a, b in values):
        return column, {}
    changed = dict(zip(mine, theirs, strict=True))
    variances = {changed.get(k, k): v for k, v in column.variances.items()}
    std_devs = column.std_devs and {changed.get(k, k): v for k, v in column.std_devs.items()}
    return replace(column, variances=variances, std_devs=std_devs), changed


def _are_close(a: float, b: float, rel: float) -> bool:
    """Whether two numbers are the same, to ``rel`` of their size and to the digits that were printed of them."""
    return abs(a - b) <= rel * max(abs(a), abs(b)) + 1e-12 + rounding_of(a) + rounding_of(b)


def _unmatched(one: Mapping[str, float], other: Mapping[str, float]) -> list[str]:
    there = set(map(group_key, other))
    return [label for label in one if group_key(label) not in there]
