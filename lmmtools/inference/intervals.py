"""Confidence intervals by Wald's method, profile likelihood or bootstrap, for ``fit.conf_int()``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools.errors import DataError, ProfileLimitWarning, warn_caller
from lmmtools.inference.bootstrap.bootstrap_result import bootstrap_fit
from lmmtools.inference.degrees import check_ddf, degrees
from lmmtools.inference.profile.coordinates import parameters_of
from lmmtools.inference.profile.profile_result import select_parameters
from lmmtools.inference.profile.profiling import profile_fit
from lmmtools.inference.tails import check_alpha, t_quantile

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from lmmtools.fit.record import Fit

__all__ = ["confidence_intervals"]

BOOT_OPTIONS = ("n", "kind", "rng", "n_jobs", "progress", "interval")


def confidence_intervals(
    fit: Fit,
    alpha: float,
    method: str,
    parameters: str | Sequence[str] | None,
    ddf: str,
    options: Mapping[str, Any],
) -> pd.DataFrame:
    """Return intervals of a fit's parameters; see :meth:`LMMResults.conf_int`."""
    check_alpha(alpha)
    if method not in ("wald", "profile", "boot"):
        raise DataError(f'method={method!r} is not known; use "wald", "profile" or "boot"')
    unknown = sorted(set(options) - set(BOOT_OPTIONS if method == "boot" else ()))
    if unknown:
        has = f"has {', '.join(BOOT_OPTIONS)}" if method == "boot" else "has none of its own"
        raise DataError(f"conf_int(method={method!r}) has no option {', '.join(unknown)}; it {has}")
    if method == "wald":
        return _wald(fit, alpha, parameters, ddf)
    if method == "profile":
        limits, missing = profile_fit(fit, parameters, alphamax=alpha, joint=False).limits(alpha)
        if missing:
            warn_caller(ProfileLimitWarning, "; ".join(missing))
        return limits
    return _bootstrapped(fit, alpha, parameters, dict(options))


def _bootstrapped(
    fit: Fit, alpha: float, parameters: str | Sequence[str] | None, options: dict[str, Any]
) -> pd.DataFrame:
    """Return bootstrap intervals of the chosen parameters."""
    interval = options.pop("interval", "percentile")
    chosen: dict[str, Any] = {"n": 1000, "kind": "parametric", "n_jobs": 1, "rng": None, "progress": False, **options}
    limits = bootstrap_fit(fit, chosen.pop("n"), None, **chosen).conf_int(alpha, method=interval)
    return limits.loc[[p.name for p in select_parameters(parameters_of(fit.design), parameters)]]


def _wald(fit: Fit, alpha: float, parameters: str | Sequence[str] | None, ddf: str) -> pd.DataFrame:
    """Return Wald intervals of the chosen fixed effects."""
    import pandas as pd

    names = fit.design.x_names
    found = degrees(fit, check_ddf(ddf))
    df = found.df(np.eye(len(names)))
    half = t_quantile(alpha / 2.0, df) * np.sqrt(np.diag(found.cov))
    beta = fit.estimate.beta
    frame = pd.DataFrame({0: beta - half, 1: beta + half}, index=list(names))
    if parameters is None:
        return frame
    chosen = select_parameters(parameters_of(fit.design), parameters)
    others = [p.name for p in chosen if p.kind != "beta"]
    if others:
        raise DataError(
            f'Wald intervals are of fixed effects; of {others[0]} use method="profile" or "boot" (its standard '
            "error is in fit.varcorr_bse)"
        )
    return frame.loc[[p.name for p in chosen]]
