"""What a comparison reads of a fit, of its record or of its printout: tests, correlations, modes, inputs, rows lost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools.design.dropped import describe_lost_rows
from lmmtools.report.provenance import Fingerprint, Inputs, inputs_of_design

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from lmmtools.printout.printed_fit import PrintedMixedLM, PrintedSummary

__all__ = [
    "KENWARD_ROGER",
    "MODEL_BASED",
    "FixedTests",
    "correlations_of",
    "five_numbers",
    "floats",
    "formula_of_fit",
    "inputs_of_fit",
    "modes_of_fit",
    "number_or_none",
    "printed_correlations",
    "printed_tests",
    "quantiles_of_residuals",
    "rows_left_out",
    "tests_of_fit",
]

MODEL_BASED = "model-based"
"""Standard errors from the model's own covariance, neither robust nor adjusted."""
KENWARD_ROGER = "Kenward-Roger"
# R prints no correlations of more fixed effects.
MOST_CORRELATED = 20


@dataclass(frozen=True, slots=True)
class FixedTests:
    """Tests of the fixed effects, by their names.

    Attributes
    ----------
    method : str
        Method of the tests: ``"z"``, ``"residual"`` (t with n - p), ``"satterthwaite"``, ``"kenward-roger"``; empty if
        not known.
    df : dict of str to float
        Degrees of freedom, infinite for z; empty where they are not known.
    pvalues : dict of str to float
        Two-sided.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> model = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff"))
    >>> column = lmt.compare(model, "pls", "mixedlm").columns[0]
    >>> column.tests.method
    'z'
    """

    method: str
    df: Mapping[str, float]
    pvalues: Mapping[str, float]


def tests_of_fit(result: Any, names: list[str], found: Any) -> tuple[dict[str, float], FixedTests | None, str]:
    """Return (standard errors, tests, kind of errors) of a fit; without given tests they are normal tests."""
    from scipy.special import ndtr

    if found is not None:
        tests = FixedTests(found.ddf, floats(found.df, names), floats(found.p, names))
        return floats(found.std_error, names), tests, KENWARD_ROGER if found.ddf == "kenward-roger" else MODEL_BASED
    errors = floats(result.bse, names)
    with np.errstate(divide="ignore", invalid="ignore"):
        p = 2.0 * ndtr(-np.abs(np.asarray(result.params, float) / np.asarray(result.bse, float)))
    return errors, FixedTests("z", dict.fromkeys(names, np.inf), floats(p, names)), MODEL_BASED


def correlations_of(cov: NDArray[np.float64], names: Sequence[str]) -> dict[str, float]:
    """Return correlations by pairs of names from a covariance, shape (p, p); empty for more than twenty names."""
    if cov.shape != (len(names), len(names)) or len(names) > MOST_CORRELATED:
        return {}
    sd = np.sqrt(np.diag(cov))
    with np.errstate(divide="ignore", invalid="ignore"):
        corr = cov / np.outer(sd, sd)
    return {f"{names[j]}, {names[i]}": float(corr[i, j]) for i in range(len(names)) for j in range(i)}


def number_or_none(result: Any, name: str) -> float | None:
    """Return an attribute as a float; None if it is missing or None."""
    value = getattr(result, name, None)
    return None if value is None else float(value)


def five_numbers(values: Any) -> tuple[float, ...] | None:
    """Return the values as five floats; None if there are not five."""
    return tuple(map(float, values)) if values is not None and len(values) == 5 else None


def quantiles_of_residuals(result: Any) -> tuple[float, ...] | None:
    """Return minimum, quartiles and maximum of the scaled residuals, of a fit or of its record."""
    recorded = getattr(result, "scaled_residuals", None)
    if recorded is not None:
        return five_numbers(recorded)
    residuals = getattr(result, "scaled_resid", None)
    return None if residuals is None else five_numbers(np.quantile(residuals, (0.0, 0.25, 0.5, 0.75, 1.0)))


def modes_of_fit(result: Any, renamed: Mapping[str, str]) -> dict[str, dict[str, float]]:
    """Return {term: {level: conditional mode}} of a fit or record; empty if it has none."""
    return {
        f"{factor} {renamed.get(str(effect), str(effect))}": dict(
            zip(map(str, frame.index), frame.iloc[:, j].to_numpy(dtype=float).tolist(), strict=True)
        )
        for factor, frame in (getattr(result, "random_effects", None) or {}).items()
        for j, effect in enumerate(frame.columns)
    }


def inputs_of_fit(result: Any) -> Inputs | None:
    """Return the fingerprints of a fit's or record's data; older records have the response's alone."""
    recorded = getattr(result, "inputs", None)
    if recorded is not None:
        return recorded  # type: ignore[no-any-return]
    design = getattr(result, "design", None)
    if design is not None:
        return inputs_of_design(design)
    came = getattr(result, "provenance", None)
    if came is None:
        return None
    # Records without fingerprints are in format 1.
    return Inputs(Fingerprint(n=int(result.nobs), unordered=came.response_sha256, is_text=True))


def printed_tests(printed: PrintedSummary | PrintedMixedLM) -> FixedTests | None:
    """Return the tests that a printout shows; None if it shows no p-values."""
    pvalues = {c.name: c.p for c in printed.fixed if c.p is not None}
    if not pvalues:
        return None
    said = printed.method or ""
    if said == "z":
        return FixedTests("z", dict.fromkeys(pvalues, np.inf), pvalues)
    method = "satterthwaite" if "Satterthwaite" in said else "kenward-roger" if "Kenward" in said else ""
    return FixedTests(method, {c.name: c.df for c in printed.fixed if c.df is not None}, pvalues)


def printed_correlations(printed: PrintedSummary | PrintedMixedLM) -> dict[str, float]:
    """Return the correlations of the fixed effects that a printout shows, by pairs of names."""
    names = [c.name for c in printed.fixed]
    rows = printed.fixed_correlations or ()
    return {f"{names[j]}, {names[i]}": r for i, row in enumerate(rows, 1) for j, r in enumerate(row)}


def formula_of_fit(result: Any) -> str | None:
    """Return the model in lme4's notation, of a fit or of its record."""
    design = getattr(result, "design", None)
    if design is not None and getattr(design, "formula", None) is not None:
        return str(design.formula.source or design.formula)
    found = getattr(result, "formula", None)
    return None if found is None else str(found)


def rows_left_out(result: Any) -> str:
    """Return which rows a fit, or a record of one, left out and why; empty for none."""
    dropped = getattr(getattr(result, "design", result), "dropped", None)
    return "" if dropped is None else describe_lost_rows(dropped)


def floats(values: Any, names: Iterable[str] | None = None) -> dict[str, float]:
    """Return {name: number}; names default to the index of ``values``."""
    labels = list(values.index) if names is None else list(names)
    return {str(label): float(v) for label, v in zip(labels, np.asarray(values), strict=True)}
