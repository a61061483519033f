"""A fit as plain frames: its parameters, its summary statistics, its rows. Columns are broom.mixed's, in snake case.

broom.mixed's ``std.error p.value conf.low conf.high`` are ``std_error p_value conf_low conf_high`` here, its
``logLik AIC BIC REMLcrit df.residual`` are ``log_lik aic bic reml_crit df_residual``, and its
``.fitted .resid .hat .cooksd .fixed`` have no leading dot; ``.mu``, ``.fitted`` again in a linear model, is left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from lmmtools import core
from lmmtools.design.frame import as_frame
from lmmtools.errors import DataError
from lmmtools.inference.intervals import Draws, confidence_intervals
from lmmtools.inference.prediction import predict
from lmmtools.inference.profile.coordinates import parameters_of
from lmmtools.inference.residuals import cooks_distance
from lmmtools.inference.tails import check_level
from lmmtools.inference.wald_tests import t_tests

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from lmmtools.fit.record import Fit
    from lmmtools.inference.linear_predictor import Unseen
    from lmmtools.inference.robust import Robust


__all__ = ["augment", "glance", "ranef_frame", "tidy"]

_Effects = Literal["fixed", "ran_pars", "ran_vals", "ran_coefs"]
_Scales = Literal["sdcor", "vcov"]

NO_LIMITS = 'no Wald interval; write conf_method="profile"'
NO_COVARIANCE = 'no limits of a covariance; scales="sdcor" has those of the correlation'
UNDEFINED = "not defined where a variance is zero"
NO_END = "the profile does not reach the level on this side"


def tidy(
    fit: Fit,
    effects: str | Sequence[str],
    conf_int: bool,
    conf_level: float,
    conf_method: str,
    ddf: str | Robust,
    scales: str,
    draws: Draws,
) -> pd.DataFrame:
    """Return the parameters of a fit, a row each; see :meth:`LMMResults.tidy`."""
    import pandas as pd

    wanted = _read_effects(effects)
    conf_level = check_level(conf_level, "conf_level")
    if scales not in get_args(_Scales):
        raise DataError(
            f'scales={scales!r} is not known; write "sdcor", for standard deviations and correlations, or "vcov", for '
            "variances and covariances"
        )
    if draws.given and not conf_int:
        given = ", ".join(draws.given)
        raise DataError(f"tidy() takes {given} as options of intervals, which are made with conf_int=True")
    limits = None
    if conf_int:
        limits = confidence_intervals(fit, round(1.0 - conf_level, 12), conf_method, None, ddf, draws)
    parts = []
    if "fixed" in wanted:
        parts.append(_fixed_rows(fit, ddf, limits))
    if "ran_pars" in wanted:
        parts.append(_variance_rows(fit, limits, scales == "vcov"))
    if "ran_vals" in wanted:
        parts.append(_mode_rows(fit, conf_level if conf_int else None))
    if "ran_coefs" in wanted:
        parts.append(_coefficient_rows(fit))
    order = ["effect", "group", "level", "term", "estimate", "std_error", "statistic", "df", "p_value"]
    order += ["conf_low", "conf_high", "note"]
    frame = pd.concat(parts, ignore_index=True)
    return frame[[name for name in order if name in frame]]


def _read_effects(effects: Any) -> tuple[str, ...]:
    """Return the groups of parameters asked for, checked."""
    known = get_args(_Effects)
    given = [effects] if isinstance(effects, str) else list(effects) if isinstance(effects, Iterable) else []
    if not given or any(part not in known for part in given):
        raise DataError(f"effects={effects!r} is not known; write any of {', '.join(map(repr, known))}")
    return tuple(given)


def _fixed_rows(fit: Fit, ddf: str | Robust, limits: pd.DataFrame | None) -> pd.DataFrame:
    """Return rows of the fixed effects."""
    import pandas as pd

    found = t_tests(fit, None, ddf)
    frame = pd.DataFrame(
        {
            "effect": "fixed",
            "group": None,
            "term": list(found.names),
            "estimate": found.estimate,
            "std_error": found.std_error,
            "statistic": found.t,
            "df": found.df,
            "p_value": found.p,
            "note": "",
        }
    )
    return frame if limits is None else _with_limits(frame, limits, found.names)


def _variance_rows(fit: Fit, limits: pd.DataFrame | None, are_variances: bool) -> pd.DataFrame:
    """Return rows of standard deviations and correlations, term by term, by columns of the lower triangle.

    Or of variances and covariances. Limits of a variance are those of the standard deviation squared.
    """
    import pandas as pd

    info = core.information(fit.problem, fit.theta, fit.reml)
    names = [t.name for t in fit.varcorr]
    groups, terms = [], []
    for block, (row, column) in zip(info.blocks, info.entries, strict=True):
        if block < 0:
            groups.append("Residual")
            terms.append("var__Observation" if are_variances else "sd__Observation")
            continue
        cnames = fit.design.blocks[block].cnames
        groups.append(names[block])
        kinds = ("var", "cov") if are_variances else ("sd", "cor")
        terms.append(f"{kinds[0]}__{cnames[row]}" if row == column else f"{kinds[1]}__{cnames[column]}.{cnames[row]}")
    estimate, errors = (info.vcov, info.vcov_se) if are_variances else (info.sdcor, info.sdcor_se)
    reasons = [
        f"standard error {reason}" if reason else UNDEFINED if np.isnan(value) else ""
        for value, reason in zip(estimate, info.reasons, strict=True)
    ]
    frame = pd.DataFrame(
        {
            "effect": "ran_pars",
            "group": groups,
            "term": terms,
            "estimate": estimate,
            "std_error": errors,
            "statistic": np.nan,
            "df": np.nan,
            "p_value": np.nan,
            "note": reasons,
        }
    )
    if limits is None:
        return frame
    parameters = [p.name for p in parameters_of(fit.design)][: len(frame)]
    if not are_variances:
        return _with_limits(frame, limits, parameters)
    is_covariance = frame["term"].str.startswith("cov__").to_numpy()
    found = _with_limits(frame, limits.clip(lower=0.0) ** 2, parameters)
    found.loc[is_covariance, ["conf_low", "conf_high"]] = np.nan
    found.loc[is_covariance, "note"] = [
        "; ".join(text for text in (note, NO_COVARIANCE) if text) for note in frame["note"][is_covariance]
    ]
    return found


def _with_limits(frame: pd.DataFrame, limits: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Return rows with limits, and notes on those that have none."""
    found = limits.reindex(list(names))
    missing = [name not in limits.index for name in names]
    open_ended = found.isna().any(axis=1).to_numpy()
    notes = []
    for note, absent, is_open in zip(frame["note"], missing, open_ended, strict=True):
        more = NO_LIMITS if absent else NO_END if is_open else ""
        notes.append("; ".join(text for text in (note, more) if text))
    return frame.assign(conf_low=found[0].to_numpy(), conf_high=found[1].to_numpy(), note=notes)


def _mode_rows(fit: Fit, conf_level: float | None) -> pd.DataFrame:
    """Return rows of the conditional modes."""
    from scipy.special import ndtri

    modes = ranef_frame(fit)
    frame = modes.rename(columns={"grpvar": "group", "grp": "level", "condval": "estimate", "condsd": "std_error"})
    frame.insert(0, "effect", "ran_vals")
    frame["note"] = ""
    if conf_level is None:
        return frame
    half = ndtri(0.5 + conf_level / 2.0) * frame["std_error"]
    return frame.assign(conf_low=frame["estimate"] - half, conf_high=frame["estimate"] + half)


def _coefficient_rows(fit: Fit) -> pd.DataFrame:
    """Return rows of each level's coefficients: the fixed effects plus its conditional modes."""
    import pandas as pd

    parts = []
    for factor, table in fit.coef.items():
        long = pd.DataFrame(
            {
                "effect": "ran_coefs",
                "group": factor,
                "level": np.tile(np.asarray(table.index, dtype=object), table.shape[1]),
                "term": np.repeat(np.asarray(table.columns, dtype=object), len(table)),
                "estimate": table.to_numpy().T.ravel(),
                "note": "",
            }
        )
        parts.append(long)
    return pd.concat(parts, ignore_index=True)


def glance(fit: Fit) -> pd.DataFrame:
    """Return a fit's summary statistics in one row; see :meth:`LMMResults.glance`."""
    import pandas as pd

    values = {
        "nobs": fit.nobs,
        "sigma": fit.sigma,
        "log_lik": fit.llf,
        "aic": fit.aic,
        "bic": fit.bic,
        "reml_crit" if fit.reml else "deviance": fit.objective,
        "df_residual": fit.df_resid,
    }
    return pd.DataFrame([values])


def augment(fit: Fit, data: Any, newdata: Any, prefix: str, unseen: Unseen) -> pd.DataFrame:
    """Return data with columns of fitted values, residuals and diagnostics; see :meth:`LMMResults.augment`."""
    if not isinstance(prefix, str):
        raise DataError(f'prefix={prefix!r} is no text to put before the names of columns; write prefix="."')
    if newdata is not None:
        if data is not None:
            raise DataError("give data (the rows fitted) or newdata, not both")
        frame = as_frame(newdata)
        columns = {
            "fitted": predict(fit, frame, unseen=unseen),
            "fixed": predict(fit, frame, random=False, unseen=unseen),
        }
        return _add_columns(frame, columns, prefix)
    design = fit.design
    frame = design.frame if data is None else _rows_fitted(fit, as_frame(data))
    found: dict[str, Any] = {
        "fitted": fit.fittedvalues,
        "resid": fit.resid,
        "hat": fit.hat_values,
        "cooksd": cooks_distance(fit),
        "fixed": predict(fit, random=False),
    }
    if design.weights is not None:
        found["weights"] = design.weights
    if design.offset is not None:
        found["offset"] = design.offset
    return _add_columns(frame, found, prefix)


def _rows_fitted(fit: Fit, given: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the given data that were fitted.

    Raises
    ------
    DataError
        If the data differ from those fitted in length or in a column.
    """
    design = fit.design
    if len(given) != design.dropped.n_input:
        raise DataError(
            f"data has {len(given)} rows, and the fit was given {design.dropped.n_input}: data is what was fitted, "
            "with all its columns; write newdata= for other rows"
        )
    rows = given.iloc[design.rows]
    for name in design.frame.columns:
        if name in rows:
            differs = rows[name].to_numpy(dtype=object) != design.frame[name].to_numpy(dtype=object)
            if differs.any():
                place = int(design.rows[np.argmax(differs)])
                raise DataError(
                    f"column {name!r} of data is not what was fitted, first in row {place}: give the data as they were "
                    "fitted, in the same order, or write newdata= for other rows"
                )
    return rows


def _add_columns(frame: pd.DataFrame, columns: Mapping[str, Any], prefix: str) -> pd.DataFrame:
    """Return data with columns added; an error if the data have one of these names."""
    taken = [prefix + name for name in columns if prefix + name in frame]
    if taken:
        raise DataError(f'the data have a column {taken[0]!r} already: write augment(prefix=".") to tell them apart')
    return frame.assign(**{prefix + name: np.asarray(values) for name, values in columns.items()})


def ranef_frame(fit: Fit) -> pd.DataFrame:
    """Return the random effects as columns ``grpvar term grp condval condsd``, rows by factor, effect and level."""
    import pandas as pd

    parts = []
    for factor, modes in fit.random_effects.items():
        m, l = modes.shape
        covariances = fit.random_effects_cov[factor].to_numpy().reshape(m, l, l)
        parts.append(
            pd.DataFrame(
                {
                    "grpvar": factor,
                    "term": np.repeat(np.asarray(modes.columns, dtype=object), m),
                    "grp": list(modes.index) * l,
                    "condval": modes.to_numpy().T.ravel(),
                    "condsd": np.sqrt(np.einsum("mll->lm", covariances)).ravel(),
                }
            )
        )
    if not parts:
        return pd.DataFrame({"grpvar": [], "term": [], "grp": [], "condval": [], "condsd": []})
    return pd.concat(parts, ignore_index=True)
