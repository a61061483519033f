"""The column of a linear model: least squares of statsmodels, and what looks like it and is something else."""

from __future__ import annotations

from typing import Any

import numpy as np

from lmmtools.errors import DataError
from lmmtools.report.comparison_column import MODEL_BASED, ComparisonColumn, FixedTests, correlations_of, floats
from lmmtools.report.effect_labels import name_intercept
from lmmtools.report.fingerprint import inputs_of_arrays

__all__ = ["column_of_linear_model"]


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
        tests=_tests(result, names) if reml or is_robust else None,
        fixef_correlations=correlations_of(cov, names),
        inputs=inputs_of_arrays(
            model.endog, model.exog, names, str(model.endog_names), weights if is_weighted else None
        ),
        error_kind=f"robust ({kind})" if is_robust else MODEL_BASED,
    )


def _tests(result: Any, names: list[str]) -> FixedTests:
    """Return the tests as the user asked for them: t with n - p, or normal."""
    uses_t = bool(getattr(result, "use_t", True))
    df = (
        float(result.df_resid_inference) if uses_t and hasattr(result, "df_resid_inference") else float(result.df_resid)
    )
    return FixedTests(
        "residual" if uses_t else "z", dict.fromkeys(names, df if uses_t else np.inf), floats(result.pvalues, names)
    )
