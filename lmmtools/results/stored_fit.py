"""``StoredFit``: the numbers of a fit without its data, and their JSON text, which `fit_json` describes and reads."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools.errors import DataError
from lmmtools.other_names import AnswersOtherNames

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from numpy.typing import NDArray

    from lmmtools.engines.estimate import Scope
    from lmmtools.fit.record import Names
    from lmmtools.fit.varcorr import VarCorr, VarCorrTerm
    from lmmtools.report.provenance import Fingerprint, Inputs, Provenance
    from lmmtools.report.reach import ReachTable

__all__ = ["FORMAT", "KIND", "MOST_CHARACTERS", "REACH_VERSION", "RowsLost", "StoredFit", "write_file", "write_json"]

KIND = "lmmtools fit"
FORMAT = 2
REACH_VERSION = 1

MOST_CHARACTERS = 100_000_000
"""Length of the text that is read: room for the conditional modes of about a million levels."""


@dataclass(frozen=True, slots=True)
class RowsLost:
    """Rows, columns of X and levels that were left out of the data before fitting.

    Attributes
    ----------
    n_input, n_rows : int
        Rows of the data as given, and how many of them were left out.
    rows : dict of str to int
        Rows lost to missing values, by the column or expression that had them.
    columns : tuple of str
        Columns of X left out because they depend linearly on others.
    levels : dict of str to tuple of str
        Levels that a factor declares and no used row has.
    undefined : dict of str to str
        Expressions of ``rows`` that were undefined for the rows lost, such as the log of zero, and their values there.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> data = lmt.datasets.load("sleepstudy")
    >>> data.loc[:2, "Reaction"] = float("nan")
    >>> fit = lmt.lmm("Reaction ~ Days + (1 | Subject)", data).fit(engine="pls")
    >>> lost = lmt.read_json(fit.to_json()).dropped
    >>> lost.n_rows, lost.n_input, dict(lost.rows)
    (3, 180, {'Reaction': 3})
    """

    n_input: int
    n_rows: int = 0
    rows: Mapping[str, int] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    levels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    undefined: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class StoredFit(AnswersOtherNames):
    """The numbers of a fitted model as a JSON record holds them, without its data.

    Attributes of the same name have the same meaning as in ``LMMResults``.

    Attributes
    ----------
    formula : str
        The model as lme4 writes it.
    engine : str
        The engine that fitted it.
    reml : bool
        Whether the criterion is REML.
    objective, llf, aic, bic : float
        REML criterion or -2 log likelihood, log-likelihood, and Akaike's and Schwarz's criteria.
    nobs, df_resid, k_params : int
        Rows used; rows less parameters; parameters.
    sigma : float
        Residual standard deviation, in units of y.
    theta : ndarray, shape (k,)
        Relative covariance parameters in lme4's order.
    varcorr : VarCorr
        Variances, standard deviations and correlations of the random effects.
    ngroups : dict of str to int
        Levels per grouping factor.
    x_names : tuple of str, length p
        Names of the fixed effects.
    beta : ndarray, shape (p,)
        Fixed effects.
    beta_cov : ndarray, shape (p, p)
        Their covariance.
    fixed_levels : dict of str to tuple of str
        Levels of the factors among the fixed effects, in order.
    scaled_residuals : ndarray, shape (5,)
        Minimum, quartiles and maximum of the scaled residuals.
    is_singular, converged : bool
        Whether a component is at its boundary; whether the optimum is certified.
    scope : {"global", "local"} or None
        ``"global"`` where no theta has a lower criterion, ``"local"`` where no lower one is near and none was found;
        None in files of older versions.
    boundary : tuple of str
        A sentence per component at its boundary.
    expected_decrease : float
        How much lower the criterion could be, by a Newton step.
    fit_seconds : float
        Time of the fit in seconds, NaN if unknown.
    names : Names
        What data, weights and offset are called.
    is_weighted, has_offset : bool
        Whether there are prior weights, an offset.
    dropped : RowsLost
        What was left out of the data.
    warnings, notes : tuple of str
        Texts of the fit's warnings; sentences at the foot of its report.
    provenance : Provenance
        Call, versions of packages and hashes of the data.
    random_effects : dict of str to DataFrame, or None
        Conditional modes, level x effect, if they were recorded.
    inputs : Inputs or None
        Fingerprints of the response, weights, offset and columns of X; None in files of older versions.
    reach : ReachTable or None
        How far each number may lie where the criterion is slightly higher, if it was recorded.
    prediction : mapping or None
        What predictions at new data need, as the file has it, if it was recorded.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
    >>> stored = lmt.read_json(fit.to_json())
    >>> round(stored.sigma, 2), stored.nobs, dict(stored.ngroups), stored.scope
    (49.51, 30, {'Batch': 6}, 'global')
    """

    formula: str
    engine: str
    reml: bool
    objective: float
    llf: float
    aic: float
    bic: float
    nobs: int
    df_resid: int
    k_params: int
    sigma: float
    theta: NDArray[np.float64]
    varcorr: VarCorr
    ngroups: Mapping[str, int]
    x_names: tuple[str, ...]
    beta: NDArray[np.float64]
    beta_cov: NDArray[np.float64]
    fixed_levels: Mapping[str, tuple[str, ...]]
    scaled_residuals: NDArray[np.float64]
    is_singular: bool
    converged: bool
    scope: Scope | None
    boundary: tuple[str, ...]
    expected_decrease: float
    fit_seconds: float
    names: Names
    is_weighted: bool
    has_offset: bool
    dropped: RowsLost
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    provenance: Provenance
    random_effects: Mapping[str, pd.DataFrame] | None = None
    inputs: Inputs | None = None
    reach: ReachTable | None = None
    prediction: Mapping[str, Any] | None = None

    @property
    def scale(self) -> float:
        """Residual variance, in squared units of y."""
        return self.sigma**2

    @property
    def params(self) -> pd.Series[float]:
        """Fixed effects, length p."""
        return self._series(self.beta, "params")

    @property
    def bse(self) -> pd.Series[float]:
        """Standard errors of the fixed effects, length p."""
        return self._series(np.sqrt(np.diag(self.beta_cov)), "bse")

    @property
    def tvalues(self) -> pd.Series[float]:
        """``params / bse``, length p."""
        return self._series(self.beta / np.sqrt(np.diag(self.beta_cov)), "tvalues")

    def _series(self, values: NDArray[np.float64], name: str) -> pd.Series[float]:
        import pandas as pd

        return pd.Series(values.copy(), index=list(self.x_names), name=name)

    def cov_params(self) -> pd.DataFrame:
        """Return the covariance matrix of the fixed effects, shape (p, p)."""
        import pandas as pd

        return pd.DataFrame(self.beta_cov.copy(), index=list(self.x_names), columns=list(self.x_names))


def write_json(record: StoredFit, path: str | Path | None = None) -> str:
    """Return a stored fit as JSON text; write it to ``path`` too if one is given."""
    # One entry per line: readable, and a matrix does not fill a page.
    entries = (
        f"  {json.dumps(key)}: {json.dumps(value, ensure_ascii=False, allow_nan=False)}"
        for key, value in _entries(record).items()
    )
    text = "{\n" + ",\n".join(entries) + "\n}"
    if len(text) > MOST_CHARACTERS:
        raise DataError(
            f"the record has {len(text):,} characters, and no more than {MOST_CHARACTERS:,} are read: write it without "
            "predict=True (many pairs of levels meet in the data) or random_effects=True"
        )
    if path is not None:
        write_file(path, text + "\n")
    return text


def write_file(path: str | Path, text: str) -> None:
    """Write text to a file as UTF-8.

    Raises
    ------
    DataError
        If it cannot be written there.
    """
    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise DataError(
            f"{str(path)!r} cannot be written: {error.strerror}. Name a file in a folder that exists."
        ) from None


def _entries(record: StoredFit) -> dict[str, Any]:
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
        "inputs": None if r.inputs is None else _inputs(r.inputs),
        "reach": None if r.reach is None else _reach(r.reach),
        "random_effects": None if r.random_effects is None else {k: _modes(v) for k, v in r.random_effects.items()},
        **({} if r.prediction is None else {"prediction": r.prediction}),
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


def _inputs(inputs: Inputs) -> dict[str, Any]:
    """Return the entry ``inputs`` of a record."""
    return {
        "name": inputs.name,
        "response": _fingerprint(inputs.response),
        "weights": _fingerprint(inputs.weights),
        "offset": _fingerprint(inputs.offset),
        "columns": {name: [_sum(v) for v in sums] for name, sums in inputs.columns.items()},
    }


def _fingerprint(found: Fingerprint | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "n": found.n,
        "ordered": found.ordered,
        "unordered": found.unordered,
        "total": _sum(found.total),
        "squares": _sum(found.squares),
        "hashed": "text" if found.is_text else "numbers",
    }


def _sum(value: float | None) -> float | str | None:
    if value is None or math.isfinite(value):
        return value
    return "NaN"


def _reach(table: ReachTable) -> dict[str, Any]:
    """Return the entry ``reach`` of a record."""
    rows = [[part, label, list(found)] for (part, label), found in table.reaches.items()]
    return {"version": REACH_VERSION, "gaps": list(table.gaps), "numbers": rows}
