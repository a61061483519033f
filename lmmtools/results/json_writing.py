"""A fit as JSON text, in the format that :mod:`lmmtools.results.fit_json` describes."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools.results.inputs_json import write_inputs
from lmmtools.results.reach_json import write_reach

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from lmmtools.fit.varcorr import VarCorrTerm
    from lmmtools.results.stored_fit import StoredFit

__all__ = ["FORMAT", "KIND", "write_json"]

KIND = "lmmtools fit"
FORMAT = 1


def write_json(record: StoredFit, path: str | Path | None = None) -> str:
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


def _content(record: StoredFit) -> dict[str, Any]:
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
            "scope": r.scope,
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
            "undefined": dict(r.dropped.undefined),
        },
        "warnings": list(r.warnings),
        "notes": list(r.notes),
        "provenance": {
            "versions": dict(r.provenance.versions),
            "data_sha256": r.provenance.data_sha256,
            "response_sha256": r.provenance.response_sha256,
        },
        "inputs": None if r.inputs is None else write_inputs(r.inputs),
        "reach": None if r.reach is None else write_reach(r.reach),
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
