"""Confidence intervals by Wald's method, profile likelihood or bootstrap, for ``fit.conf_int()``."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Literal

import numpy as np

from lmmtools.errors import DataError, ProfileLimitWarning, warn_caller
from lmmtools.inference.bootstrap.bootstrap_result import bootstrap_fit
from lmmtools.inference.degrees import check_ddf, degrees
from lmmtools.inference.profile.coordinates import parameters_of
from lmmtools.inference.profile.profile_result import select_parameters
from lmmtools.inference.profile.profiling import profile_fit
from lmmtools.inference.robust import Robust
from lmmtools.inference.tails import check_alpha, t_quantile

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from lmmtools.fit.record import Fit

__all__ = ["Draws", "confidence_intervals"]


@dataclass(frozen=True, slots=True)
class Draws:
    """How a bootstrap draws, and how its draws become limits; as ``conf_int()`` takes it."""

    n: int = 1000
    kind: str = "parametric"
    interval: Literal["percentile", "basic", "normal", "bca"] = "percentile"
    rng: np.random.Generator | int | None = None
    n_jobs: int = 1
    progress: bool = False

    @property
    def given(self) -> list[str]:
        """Names of what differs from the default."""
        return [f.name for f in fields(self) if getattr(self, f.name) != f.default]


def confidence_intervals(
    fit: Fit,
    alpha: float,
    method: str,
    parameters: str | Sequence[str] | None,
    ddf: str | Robust,
    draws: Draws | None = None,
) -> pd.DataFrame:
    """Return intervals of a fit's parameters; see :meth:`LMMResults.conf_int`."""
    check_alpha(alpha)
    method = method.lower() if isinstance(method, str) else method
    if method not in ("wald", "profile", "boot"):
        raise DataError(f'method={method!r} is not known; use "wald", "profile" or "boot"')
    draws = Draws() if draws is None else draws
    if method != "boot" and draws.given:
        raise DataError(f'conf_int(method={method!r}) has no option {", ".join(draws.given)}; method="boot" draws')
    if isinstance(ddf, Robust) and method != "wald":
        raise DataError(f"cov={ddf.cov!r} is of Wald intervals; method={method!r} has no covariance")
    if method == "wald":
        return _wald(fit, alpha, parameters, ddf)
    if method == "profile":
        limits, missing = profile_fit(fit, parameters, alphamax=alpha, joint=False).limits(alpha)
        if missing:
            warn_caller(ProfileLimitWarning, "; ".join(missing))
        return limits
    return _bootstrapped(fit, alpha, parameters, draws)


def _bootstrapped(fit: Fit, alpha: float, parameters: str | Sequence[str] | None, draws: Draws) -> pd.DataFrame:
    """Return bootstrap intervals of the chosen parameters."""
    found = bootstrap_fit(
        fit, draws.n, None, kind=draws.kind, n_jobs=draws.n_jobs, rng=draws.rng, progress=draws.progress
    )
    limits = found.conf_int(alpha, method=draws.interval)
    return limits.loc[[p.name for p in select_parameters(parameters_of(fit.design), parameters)]]


def _wald(fit: Fit, alpha: float, parameters: str | Sequence[str] | None, ddf: str | Robust) -> pd.DataFrame:
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
