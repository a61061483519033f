r"""Fits as JSON: written with every number at full precision, read back as records.

The record is one JSON object. Its keys in format 1:

``kind``, ``format``
    ``"lmmtools fit"`` and ``1``. A reader refuses a higher number, and skips keys that it does not know.
``lmmtools_version``, ``written``
    What wrote it, and when (UTC, ISO 8601).
``formula``, ``call``, ``engine``
    The model as lme4 writes it, the code that declares and fits it, what fitted it.
``criterion``
    ``reml`` (false: maximum likelihood), ``value`` (REML criterion or -2 log L), ``llf``, ``aic``, ``bic``,
    ``k_params``, ``df_resid``.
``nobs``, ``ngroups``
    Rows used; levels per grouping factor.
``sigma``, ``theta``
    Residual standard deviation; relative covariance parameters in lme4's order.
``varcorr``
    Per term ``name``, ``group``, ``effects``, ``vcov`` (matrix, squared units of y) and ``sdcor`` (standard deviations
    on the diagonal, correlations beside it; for other readers).
``fixed_effects``
    ``names``, ``estimates``, ``std_errors``, ``cov_params`` (matrix), ``levels`` (of the factors among them).
``scaled_residuals``
    Minimum, quartiles and maximum.
``optimum``
    ``singular``, ``boundary`` (sentences), ``converged``, ``expected_decrease`` (of the criterion), ``seconds``.
``names``
    What ``data``, ``weights`` and ``offset`` are called, null where unknown; ``is_weighted``, ``has_offset``.
``dropped``
    ``n_input``, ``n_rows``, ``rows`` (by column), ``columns`` (redundant columns of X), ``levels`` (unused).
``warnings``, ``notes``
    What the fit said; the sentences at the foot of its report.
``provenance``
    ``versions`` (of packages), ``data_sha256``, ``response_sha256``.
``random_effects``
    null, or per grouping factor ``levels``, ``effects`` and ``values`` (level by level).

Numbers are written so that they read back bit by bit; what is not finite is the string ``"NaN"``, ``"Infinity"`` or
``"-Infinity"``, since JSON has no such numbers.
"""

from __future__ import annotations

import json
import math
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools.design.theta import unpack_lambda
from lmmtools.errors import DataError
from lmmtools.results.fit_record import FitRecord, Provenance, RowsLost
from lmmtools.results.names import Names
from lmmtools.results.varcorr import VarCorr, VarCorrTerm

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from numpy.typing import NDArray

__all__ = ["FORMAT", "KIND", "read_json", "write_json"]

KIND = "lmmtools fit"
FORMAT = 1


def write_json(record: FitRecord, path: str | Path | None = None) -> str:
    """Return a record as JSON text; write it to ``path`` too if one is given."""
    # One entry a line: readable, and a matrix does not fill a page.
    entries = (
        f"  {json.dumps(key)}: {json.dumps(value, ensure_ascii=False, allow_nan=False)}"
        for key, value in _content(record).items()
    )
    text = "{\n" + ",\n".join(entries) + "\n}"
    if path is not None:
        Path(path).write_text(text + "\n", encoding="utf-8")
    return text


def read_json(source: str | Path) -> FitRecord:
    """Return the fit that ``fit.to_json()`` wrote: a record to print and to compare.

    Parameters
    ----------
    source : str or Path
        The JSON text, or the name of a file that holds it.

    Raises
    ------
    DataError
        If there is no such file, it is no record of a fit, was written in a newer format, or lacks an entry.
    """
    if not isinstance(source, (str, PathLike)):
        raise DataError(f"read_json() takes JSON text or the name of a file, not {type(source).__name__}")
    text, where = _fetch(source)
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(f"{where} is no JSON: {error}; was it cut?") from error
    if not isinstance(content, dict) or content.get("kind") != KIND:
        raise DataError(f'{where} is no record of a fit: it has no entry "kind": "{KIND}" (fit.to_json() writes it)')
    number = content.get("format")
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise DataError(f'{where} has "format": {number!r}; it must be a whole number, 1 to {FORMAT}')
    if number > FORMAT:
        version = content.get("lmmtools_version", "a newer version")
        raise DataError(
            f"{where} has format {number}, written by lmmtools {version}; this version reads formats up to {FORMAT}: "
            "install a newer lmmtools"
        )
    try:
        return _record(content)
    except KeyError as missing:
        raise DataError(f"{where} has no entry {missing}, which format {number} has: was it changed?") from None
    except (TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{where} has an entry that is not as format {number} has it: {error}") from error


def _fetch(source: str | Path) -> tuple[str, str]:
    """Return the text, and what to call it in errors."""
    if isinstance(source, str) and source.lstrip("\ufeff \t\r\n").startswith(("{", "[")):
        return source.lstrip("\ufeff"), "the text"
    try:
        return Path(source).read_text(encoding="utf-8-sig"), str(source)
    except UnicodeDecodeError as error:
        raise DataError(f"{source} is no JSON: it is not UTF-8 text") from error
    except (OSError, ValueError) as error:
        shown = str(source) if len(str(source)) <= 200 else f"{str(source)[:200]}..."
        raise DataError(f"{shown!r} is neither JSON text nor a file that can be read") from error


# -- writing ------------------------------------------------------------------------------------------------------


def _content(record: FitRecord) -> dict[str, Any]:
    r = record
    return {
        "kind": KIND,
        "format": FORMAT,
        "lmmtools_version": r.provenance.versions.get("lmmtools"),
        "written": r.provenance.written,
        "formula": r.formula,
        "call": r.provenance.call,
        "engine": r.engine,
        "criterion": {
            "reml": r.reml,
            "value": _number(r.objective),
            "llf": _number(r.llf),
            "aic": _number(r.aic),
            "bic": _number(r.bic),
            "k_params": r.k_params,
            "df_resid": r.df_resid,
        },
        "nobs": r.nobs,
        "ngroups": {name: int(m) for name, m in r.ngroups.items()},
        "sigma": _number(r.sigma),
        "theta": _numbers(r.theta),
        "varcorr": [_term(term) for term in r.varcorr],
        "fixed_effects": {
            "names": list(r.x_names),
            "estimates": _numbers(r.beta),
            "std_errors": _numbers(np.sqrt(np.diag(r.beta_cov))),
            "cov_params": _numbers(r.beta_cov),
            "levels": {name: list(levels) for name, levels in r.fixed_levels.items()},
        },
        "scaled_residuals": _numbers(r.scaled_residuals),
        "optimum": {
            "singular": r.is_singular,
            "boundary": list(r.boundary),
            "converged": r.converged,
            "expected_decrease": _number(r.expected_decrease),
            "seconds": _number(r.fit_seconds),
        },
        "names": {
            "data": r.names.data,
            "weights": r.names.weights,
            "offset": r.names.offset,
            "is_weighted": r.is_weighted,
            "has_offset": r.has_offset,
        },
        "dropped": {
            "n_input": r.dropped.n_input,
            "n_rows": r.dropped.n_rows,
            "rows": {name: int(count) for name, count in r.dropped.rows.items()},
            "columns": list(r.dropped.columns),
            "levels": {name: list(map(str, levels)) for name, levels in r.dropped.levels.items()},
        },
        "warnings": list(r.warnings),
        "notes": list(r.notes),
        "provenance": {
            "versions": dict(r.provenance.versions),
            "data_sha256": r.provenance.data_sha256,
            "response_sha256": r.provenance.response_sha256,
        },
        "random_effects": None if r.random_effects is None else {k: _modes(v) for k, v in r.random_effects.items()},
    }


def _term(term: VarCorrTerm) -> dict[str, Any]:
    sdcor = term.corr.copy()
    np.fill_diagonal(sdcor, term.sd)
    return {
        "name": term.name,
        "group": term.group,
        "effects": list(term.cnames),
        "vcov": _numbers(term.cov),
        "sdcor": _numbers(sdcor),
    }


def _modes(frame: pd.DataFrame) -> dict[str, Any]:
    return {
        "levels": list(map(str, frame.index)),
        "effects": list(map(str, frame.columns)),
        "values": _numbers(frame.to_numpy(dtype=float)),
    }


def _number(value: float) -> float | str:
    value = float(value)
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _numbers(values: NDArray[np.float64]) -> list[Any]:
    return [_numbers(v) if np.ndim(v) else _number(v) for v in values]


# -- reading ------------------------------------------------------------------------------------------------------


def _record(content: Mapping[str, Any]) -> FitRecord:
    criterion, fixed, optimum = content["criterion"], content["fixed_effects"], content["optimum"]
    names, modes = content["names"], content["random_effects"]
    theta, sigma = _floats(content["theta"]), float(content["sigma"])
    beta, x_names = _floats(fixed["estimates"]), _texts(fixed["names"])
    beta_cov = _floats(fixed["cov_params"]).reshape(len(x_names), len(x_names))
    if beta.shape != (len(x_names),):
        raise ValueError(f"{len(beta)} estimates for {len(x_names)} names of fixed effects")
    return FitRecord(
        formula=str(content["formula"]),
        engine=str(content["engine"]),
        reml=_flag(criterion["reml"]),
        objective=float(criterion["value"]),
        llf=float(criterion["llf"]),
        aic=float(criterion["aic"]),
        bic=float(criterion["bic"]),
        nobs=int(content["nobs"]),
        df_resid=int(criterion["df_resid"]),
        k_params=int(criterion["k_params"]),
        sigma=sigma,
        theta=theta,
        varcorr=_varcorr(content["varcorr"], theta, sigma),
        ngroups={str(name): int(m) for name, m in content["ngroups"].items()},
        x_names=x_names,
        beta=beta,
        beta_cov=beta_cov,
        fixed_levels={str(name): _texts(levels) for name, levels in fixed["levels"].items()},
        scaled_residuals=_floats(content["scaled_residuals"]),
        is_singular=_flag(optimum["singular"]),
        converged=_flag(optimum["converged"]),
        boundary=_texts(optimum["boundary"]),
        expected_decrease=float(optimum["expected_decrease"]),
        fit_seconds=float(optimum["seconds"]),
        names=Names(names["data"], names["weights"], names["offset"]),
        is_weighted=_flag(names["is_weighted"]),
        has_offset=_flag(names["has_offset"]),
        dropped=_rows_lost(content["dropped"]),
        warnings=_texts(content["warnings"]),
        notes=_texts(content["notes"]),
        provenance=Provenance(
            call=str(content["call"]),
            versions=dict(content["provenance"]["versions"]),
            data_sha256=str(content["provenance"]["data_sha256"]),
            response_sha256=str(content["provenance"]["response_sha256"]),
            written=str(content["written"]),
        ),
        random_effects=None if modes is None else {str(k): _frame(v) for k, v in modes.items()},
    )


def _varcorr(terms: Sequence[Mapping[str, Any]], theta: NDArray[np.float64], sigma: float) -> VarCorr:
    sizes = [len(term["effects"]) for term in terms]
    if len(theta) != sum(l * (l + 1) // 2 for l in sizes):
        raise ValueError(f"theta has {len(theta)} elements, which do not fit the terms of varcorr")
    factors = unpack_lambda(theta, sizes)
    return VarCorr(
        tuple(
            VarCorrTerm(
                str(term["name"]), str(term["group"]), _texts(term["effects"]), _floats(term["vcov"]).reshape(l, l), lam
            )
            for term, l, lam in zip(terms, sizes, factors, strict=True)
        ),
        sigma,
    )


def _rows_lost(dropped: Mapping[str, Any]) -> RowsLost:
    return RowsLost(
        n_input=int(dropped["n_input"]),
        n_rows=int(dropped["n_rows"]),
        rows={str(name): int(count) for name, count in dropped["rows"].items()},
        columns=_texts(dropped["columns"]),
        levels={str(name): _texts(levels) for name, levels in dropped["levels"].items()},
    )


def _frame(modes: Mapping[str, Any]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(_floats(modes["values"]), index=modes["levels"], columns=modes["effects"])


def _floats(values: Any) -> NDArray[np.float64]:
    return np.array(values, dtype=float)


def _texts(values: Any) -> tuple[str, ...]:
    if not isinstance(values, list):
        raise TypeError(f"a list was expected, not {values!r}")
    return tuple(map(str, values))


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"true or false was expected, not {value!r}")
    return value
