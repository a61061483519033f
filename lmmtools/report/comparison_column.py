"""One column of a comparison: the numbers of a fit, a record, a printout or a linear model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools.design.facts import ones_in_fixed
from lmmtools.errors import DataError
from lmmtools.report.effect_labels import components, constants_of_blocks, name_intercept
from lmmtools.report.fit_readings import (
    KENWARD_ROGER,
    MODEL_BASED,
    FixedTests,
    correlations_of,
    five_numbers,
    floats,
    formula_of_fit,
    inputs_of_fit,
    modes_of_fit,
    number_or_none,
    printed_correlations,
    printed_tests,
    quantiles_of_residuals,
    rows_left_out,
    tests_of_fit,
)
from lmmtools.report.provenance import Inputs, inputs_of_arrays

if TYPE_CHECKING:
    from lmmtools.printout.printed_fit import PrintedMixedLM, PrintedSummary

__all__ = ["ComparisonColumn", "column_of_linear_model"]

_VARCORR = ("grp", "var1", "var2", "vcov", "sdcor")


@dataclass(frozen=True, slots=True)
class ComparisonColumn:
    """The numbers of one fit; None where the source does not give one.

    Attributes
    ----------
    name : str
        Header of the column.
    criterion : float
        REML criterion, or deviance (-2 log L) under ML.
    reml : bool
        Whether the criterion is REML's.
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
        The engine or package that fitted it.
    std_devs : dict of str to float, or None
        Standard deviations by the labels of ``variances``, where they were read; the roots of the variances if None.
    residual_variance : float or None
        Residual variance where it was read; the square of sigma if None.
    is_ols : bool
        Whether it is a linear model: all variances of random effects zero.
    notes : tuple of str
        Further messages of the source.
    formula : str or None
        The model in lme4's notation.
    lost : str
        Which rows were left out and why, as a phrase; empty if none, or not known.
    ngroups : dict of str to int
        Levels per grouping factor.
    llf, aic, bic : float or None
        Log-likelihood (restricted under REML), AIC and BIC.
    k_params, df_resid : int or None
        Number of parameters; rows less parameters.
    tvalues : dict of str to float
        Estimates over their standard errors, by the names of ``fixef``.
    tests : FixedTests or None
        Degrees of freedom and p-values, and the method that gives them.
    fixef_correlations : dict of str to float
        ``"(Intercept), Days"`` -> correlation of two fixed effects; empty for more than twenty.
    scaled_residuals : tuple of float or None
        Minimum, quartiles and maximum of the residuals divided by sigma.
    modes : dict of str to dict of str to float
        ``"Subject (Intercept)"`` -> conditional mode of each level, in units of y per unit of the effect; empty if they
        are not known.
    inputs : Inputs or None
        Fingerprints of response, weights, offset and columns of X.
    error_kind : str
        Kind of the standard errors: ``"model-based"``, ``"robust (HC3)"``, ``"Kenward-Roger"``.
    source : object or None
        The fit, record or printout that the numbers were read from.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> model = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff"))
    >>> lmt.compare(model, "pls", "mixedlm").columns[0].name
    'pls'
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
    ngroups: Mapping[str, int] = field(default_factory=dict)
    llf: float | None = None
    aic: float | None = None
    bic: float | None = None
    k_params: int | None = None
    df_resid: int | None = None
    tvalues: Mapping[str, float] = field(default_factory=dict)
    tests: FixedTests | None = None
    fixef_correlations: Mapping[str, float] = field(default_factory=dict)
    scaled_residuals: tuple[float, ...] | None = None
    modes: Mapping[str, Mapping[str, float]] = field(default_factory=dict, compare=False, repr=False)
    inputs: Inputs | None = None
    error_kind: str = MODEL_BASED
    source: Any = field(default=None, compare=False, repr=False)

    @classmethod
    def from_result(cls, result: Any, name: str | None = None, *, tests: Any = None) -> ComparisonColumn:
        """Return the column of a fit.

        Parameters
        ----------
        result : LMMResults
            A fit, a record, or any object with the same attributes.
        name : str, optional
            Header; the engine's name if None.
        tests : ContrastTests, optional
            Tests of the fixed effects, whose standard errors, degrees of freedom and p-values are shown; by default
            the normal distribution's.
        """
        design = getattr(result, "design", None)
        rows = result.varcorr.to_frame().itertuples(index=False, name=None)
        variances, correlations = components(rows, constants_of_blocks(design))
        # A row of ones and zeros tells which columns are the constant.
        ones = None if design is None else ones_in_fixed(design)[None].astype(float)
        names = name_intercept(list(map(str, result.params.index)), ones)
        seconds = float(getattr(result, "fit_seconds", np.nan))
        converged = getattr(result, "converged", None)
        errors, shown_tests, error_kind = tests_of_fit(result, names, tests)
        estimates = floats(result.params, names)
        cov = getattr(result, "cov_params", None)
        return cls(
            name=name or str(result.engine),
            criterion=float(result.objective),
            reml=bool(result.reml),
            variances=variances,
            correlations=correlations,
            sigma=float(result.sigma),
            fixef=estimates,
            std_errors=errors,
            nobs=int(result.nobs),
            theta=tuple(map(float, result.theta)),
            is_singular=bool(result.is_singular),
            converged=None if converged is None else bool(converged),
            seconds=seconds if np.isfinite(seconds) else None,
            engine=str(result.engine),
            notes=tuple(map(str, getattr(result, "warnings", ()))),
            formula=formula_of_fit(result),
            lost=rows_left_out(result),
            ngroups=dict(getattr(result, "ngroups", {})),
            llf=number_or_none(result, "llf"),
            aic=number_or_none(result, "aic"),
            bic=number_or_none(result, "bic"),
            k_params=getattr(result, "k_params", None),
            df_resid=getattr(result, "df_resid", None),
            tvalues={k: v / errors[k] if errors[k] else float("nan") for k, v in estimates.items()},
            tests=shown_tests,
            fixef_correlations={} if cov is None else correlations_of(np.asarray(cov()), names),
            scaled_residuals=quantiles_of_residuals(result),
            modes=modes_of_fit(result, constants_of_blocks(design)),
            inputs=inputs_of_fit(result),
            error_kind=error_kind,
            source=result,
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
            variances, correlations = components(zip(*(table[c] for c in _VARCORR), strict=True))
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
                ngroups={k: int(m) for k, m in (recorded.get("ngrps") or {}).items()},
                llf=recorded.get("logLik"),
                aic=recorded.get("AIC"),
                bic=recorded.get("BIC"),
                k_params=recorded.get("n_params"),
                df_resid=recorded.get("df_residual"),
                tvalues=dict(zip(names, map(float, recorded.get("t_values") or ()), strict=False)),
                fixef_correlations=correlations_of(np.array(recorded.get("fixef_vcov") or [[]], float), names),
                scaled_residuals=five_numbers(recorded.get("scaled_residual_quantiles")),
            )
        except KeyError as missing:
            raise DataError(
                f"the recorded fit has no entry {missing}; record it with tests/reference/make_reference.R"
            ) from None

    @classmethod
    def from_printed(cls, printed: PrintedSummary | PrintedMixedLM, name: str = "lme4") -> ComparisonColumn:
        """Return the column of a printed fit; its numbers carry half a unit of their last printed digit.

        Parameters
        ----------
        printed : PrintedSummary or PrintedMixedLM
            As ``read_lme4_summary`` or ``read_mixedlm_summary`` returns it.
        name : str
            Header.
        """
        criteria = printed.criteria or {}
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
            engine=printed.engine,
            std_devs=printed.std_devs,
            residual_variance=printed.residual_variance,
            notes=printed.messages,
            formula=printed.formula,
            ngroups=printed.ngroups,
            llf=criteria.get("logLik"),
            aic=criteria.get("AIC"),
            bic=criteria.get("BIC"),
            df_resid=None if "df.resid" not in criteria else int(criteria["df.resid"]),
            tvalues={c.name: c.t for c in printed.fixed if c.t is not None},
            tests=printed_tests(printed),
            fixef_correlations=printed_correlations(printed),
            scaled_residuals=printed.scaled_residuals,
            error_kind=KENWARD_ROGER if "Kenward" in (printed.method or "") else MODEL_BASED,
            source=printed,
        )


def column_of_linear_model(result: Any, name: str = "OLS", *, reml: bool = True) -> ComparisonColumn:
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
        Under ML the residual variance is rss/n, and the standard errors follow it, unless robust ones were asked for.

    Raises
    ------
    DataError
        If the fit is no least-squares fit, or its columns depend on each other.
    """
    model = getattr(result, "model", None)
    kinds = {c.__name__ for c in type(model).__mro__}
    has_sums = hasattr(result, "ssr") and getattr(getattr(model, "wexog", None), "ndim", 0) == 2
    if model is None or not kinds & {"OLS", "WLS"} or not has_sums:
        what = type(result if model is None else model).__name__
        raise DataError(
            f"a fit by {what} is no OLS or WLS result of statsmodels: it minimises something else than weighted least "
            "squares with independent errors, and does not compare with a mixed model; give an OLS, WLS or lmmtools fit"
        )
    X = np.asarray(model.wexog, dtype=float)
    n, p = X.shape
    if np.linalg.matrix_rank(X) < p:
        raise DataError(f"the columns {', '.join(model.exog_names)} of the OLS fit depend on each other; drop one")
    rss, df = float(result.ssr), n - p if reml else n
    weights = np.broadcast_to(np.asarray(getattr(model, "weights", 1.0), dtype=float), (n,))
    determinant = 2.0 * np.log(np.abs(np.diag(np.linalg.qr(X, mode="r")))).sum() if reml else 0.0
    criterion = float(determinant + df * (1.0 + np.log(2.0 * np.pi * rss / df)) - np.log(weights).sum())
    sigma = float(np.sqrt(rss / df))
    names = name_intercept(list(map(str, model.exog_names)), np.asarray(model.exog, dtype=float))
    kind = str(getattr(result, "cov_type", "nonrobust"))
    is_robust = kind != "nonrobust"
    cov = np.asarray(result.cov_params()) if is_robust else sigma**2 * np.linalg.inv(X.T @ X)
    errors, k = np.sqrt(np.diag(cov)), p + 1
    is_weighted = bool((weights != 1.0).any())
    return ComparisonColumn(
        name=name,
        criterion=criterion,
        reml=reml,
        variances={},
        correlations={},
        sigma=sigma,
        fixef=floats(result.params, names),
        std_errors=floats(errors, names),
        nobs=n,
        theta=(),
        engine=f"statsmodels {'WLS' if is_weighted else 'OLS'}",
        is_ols=True,
        llf=-0.5 * criterion,
        aic=criterion + 2.0 * k,
        bic=criterion + float(np.log(n)) * k,
        tvalues=floats(np.asarray(result.params) / errors, names),
        tests=_tests_of_linear_model(result, names) if reml or is_robust else None,
        fixef_correlations=correlations_of(cov, names),
        inputs=inputs_of_arrays(
            model.endog, model.exog, names, str(model.endog_names), weights if is_weighted else None
        ),
        error_kind=f"robust ({kind})" if is_robust else MODEL_BASED,
    )


def _tests_of_linear_model(result: Any, names: list[str]) -> FixedTests:
    """Return the tests of a linear model as its user asked for them: t with n - p degrees of freedom, or normal."""
    uses_t = bool(getattr(result, "use_t", True))
    df = (
        float(result.df_resid_inference) if uses_t and hasattr(result, "df_resid_inference") else float(result.df_resid)
    )
    return FixedTests(
        "residual" if uses_t else "z", dict.fromkeys(names, df if uses_t else np.inf), floats(result.pvalues, names)
    )
