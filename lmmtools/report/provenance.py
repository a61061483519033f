"""Where a fit comes from: its call, the versions, and its data as hashes and sums by which they are recognised."""

from __future__ import annotations

import math
import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from importlib import metadata
from keyword import iskeyword
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from lmmtools._version import __version__
from lmmtools.design.facts import ColumnFacts, column_sums, fixed_sums
from lmmtools.design.sparse_columns import SparseColumns
from lmmtools.report.hashes import data_hash, hash_as_text, hash_rounded, round_to_digits

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmmtools.design.matrices import Design
    from lmmtools.fit.record import Fit

__all__ = [
    "Alike",
    "Fingerprint",
    "Inputs",
    "Provenance",
    "fixed_levels",
    "have_same_sums",
    "inputs_of_arrays",
    "inputs_of_design",
    "provenance_of",
    "versions",
]

_PACKAGES = ("numpy", "scipy", "pandas", "statsmodels")

# Relative difference of sums that count as the same, where hashes differ by a value at a rounding edge.
SUMS_REL = 1e-9
Alike: TypeAlias = Literal["same", "other order", "other values", "unknown"]


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where the numbers of a fit come from.

    Attributes
    ----------
    call : str
        The code that declares and fits the model.
    versions : dict of str to str
        Package -> version.
    data_sha256 : str
        SHA-256 of the complete cases of the columns used, rows in order (`data_hash`); empty where they are not in
        memory.
    response_sha256 : str
        SHA-256 of the response alone, sorted: ``unordered`` of its fingerprint.
    written : str
        Time of the record, UTC, ISO 8601.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
    >>> print(lmt.read_json(fit.to_json()).provenance.call)
    lmt.lmm('Yield ~ 1 + (1 | Batch)', Dyestuff).fit(reml=True, engine='pls')
    """

    call: str
    versions: Mapping[str, str]
    data_sha256: str
    response_sha256: str
    written: str


def versions() -> dict[str, str]:
    """Return the versions of lmmtools, Python and the numerical packages."""
    found = {"lmmtools": __version__, "python": platform.python_version()}
    return found | {name: metadata.version(name) for name in _PACKAGES}


def fixed_levels(design: Design) -> dict[str, tuple[str, ...]]:
    """Return {column: levels in order} of the factors that the fixed effects are coded from."""
    found = {}
    facts = ColumnFacts(design)
    for column in facts.names:
        # f[T.a], x:f[a], C(f, Sum)[S.a]; the columns of poly(x, 2, raw=True)[0] are of no level.
        coded = re.compile(rf"(?:^|:)(?:{re.escape(column)}|C\(`?{re.escape(column)}`?(?:, [^\[\]]*)?\))\[")
        if any(map(coded.search, design.x_names)):
            found[column] = tuple(map(str, facts.levels(column)))
    return found


def provenance_of(fit: Fit, response: Fingerprint | None = None) -> Provenance:
    """Return the provenance of a fit, from the fingerprint of its response where that is known."""
    return Provenance(
        call=_write_call(fit),
        versions=versions(),
        data_sha256=data_hash(fit.design.frame) if fit.design.streamed is None else "",
        response_sha256=_response_hash(fit, response),
        written=datetime.now(timezone.utc).isoformat(timespec="seconds"),
    )


def _response_hash(fit: Fit, response: Fingerprint | None) -> str:
    if response is not None:
        return response.unordered
    return Fingerprint.of(fit.design.y).unordered if fit.design.streamed is None else ""


def _write_call(fit: Fit) -> str:
    beside: dict[str, Any] = {"weights": fit.names.weights, "offset": fit.names.offset}
    beside["stream"] = fit.names.given.stream
    options = "".join(f", {name}={value!r}" for name, value in beside.items() if value is not None)
    formula = fit.design.formula.source or str(fit.design.formula)
    given = fit.names.given
    # A query or a lazy frame has no name in code.
    name = fit.names.data or ""
    is_variable = given.source is None and name.isidentifier() and not iskeyword(name)
    data = given.path or (name if is_variable else "data")
    return f"lmt.lmm({formula!r}, {data}{options}).fit(reml={fit.reml}, engine={fit.engine!r})"


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Hashes and sums by which a column of numbers is recognised; empty or None for what is not known.

    Attributes
    ----------
    n : int or None
        How many numbers there are.
    ordered, unordered : str
        SHA-256 of the values to twelve digits, in the order of the rows and sorted.
    total, squares : float or None
        Sum, and sum of squares.
    is_text : bool
        Whether the hashes are of text, as records in format 1 have them, and not of the bytes of numbers.
    values : ndarray, shape (n,), or None
        The numbers themselves, by which the hashes of an older record can be told; None for records.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> model = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff"))
    >>> column = lmt.compare(model, "pls", "mixedlm").columns[0]
    >>> column.inputs.response.n
    30
    """

    n: int | None = None
    ordered: str = ""
    unordered: str = ""
    total: float | None = None
    squares: float | None = None
    is_text: bool = False
    values: NDArray[np.float64] | None = field(default=None, repr=False, compare=False)

    @classmethod
    def of(cls, values: NDArray[np.float64]) -> Fingerprint:
        """Return the fingerprint of numbers, shape (n,)."""
        values = np.asarray(values, dtype=float)
        rounded = round_to_digits(values)
        return cls(len(values), hash_rounded(rounded), hash_rounded(np.sort(rounded)), *_sums(values), values=values)

    def without_values(self) -> Fingerprint:
        """Return the fingerprint alone, as a record holds it."""
        return replace(self, values=None)

    def _as_text(self) -> Fingerprint:
        """Return the fingerprint with hashes of text, or with none where the numbers are not at hand."""
        if self.is_text:
            return self
        if self.values is None:
            return replace(self, ordered="", unordered="", is_text=True)
        ordered, unordered = hash_as_text(self.values), hash_as_text(np.sort(self.values))
        return replace(self, ordered=ordered, unordered=unordered, is_text=True)

    def compare(self, other: Fingerprint) -> Alike:
        """Return whether another fingerprint is of the same numbers, from what both hold."""
        if self.n is not None and other.n is not None and self.n != other.n:
            return "other values"
        has_sums = None not in (self.total, other.total, self.squares, other.squares)
        if has_sums and not self._has_sums_of(other):
            return "other values"
        if self.is_text != other.is_text:
            return self._as_text().compare(other._as_text())
        if self.ordered and self.ordered == other.ordered:
            return "same"
        has_hashes = bool(self.unordered and other.unordered)
        if not (has_sums or has_hashes):
            return "unknown"
        is_same = has_sums or self.unordered == other.unordered
        if not is_same:
            return "other values"
        is_reordered = bool(self.ordered and other.ordered) and self.unordered == other.unordered
        return "other order" if is_reordered else "same"

    def _has_sums_of(self, other: Fingerprint) -> bool:
        mine, theirs = (self.total or 0.0, self.squares or 0.0), (other.total or 0.0, other.squares or 0.0)
        return have_same_sums(mine, theirs, self.n or other.n or 1, SUMS_REL)


def have_same_sums(one: tuple[float, float], other: tuple[float, float], n: int, rel: float) -> bool:
    """Whether two columns of n numbers have the same sum and sum of squares, to ``rel``.

    The error of a sum is relative to sqrt(n * sum of squares), which bounds the sum of its absolute terms.
    """
    squares = max(one[1], other[1], 0.0)
    return not (abs(one[0] - other[0]) > rel * math.sqrt(n * squares) or abs(one[1] - other[1]) > rel * squares)


def _sums(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return the sum and the sum of squares; NaN where they overflow."""
    with np.errstate(over="ignore", invalid="ignore"):
        total, squares = float(np.sum(values)), float(np.sum(np.square(values)))
    is_finite = math.isfinite(total) and math.isfinite(squares)
    return (total, squares) if is_finite else (math.nan, math.nan)


@dataclass(frozen=True, slots=True)
class Inputs:
    """Fingerprints of what was fitted.

    Attributes
    ----------
    response : Fingerprint
    name : str
        Name of the response, ``"log(y)"``; empty if unknown.
    weights, offset : Fingerprint or None
        None if the model has none.
    columns : dict of str to (float, float)
        Sum and sum of squares of each column of X, by the names of the fixed effects.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> model = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff"))
    >>> column = lmt.compare(model, "pls", "mixedlm").columns[0]
    >>> column.inputs.name
    'Yield'
    """

    response: Fingerprint
    name: str = ""
    weights: Fingerprint | None = None
    offset: Fingerprint | None = None
    columns: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def without_values(self) -> Inputs:
        """Return the fingerprints alone, as a record holds them."""
        weights, offset = (None if f is None else f.without_values() for f in (self.weights, self.offset))
        return replace(self, response=self.response.without_values(), weights=weights, offset=offset)


def inputs_of_design(design: Design) -> Inputs:
    """Return the fingerprints of a design's response, weights, offset and columns of X."""
    if design.streamed is not None:
        # Sums know the data again; hashes would need their values in memory.
        return Inputs(
            _of_sums(design, "y"),
            design.formula.response,
            None if design.weights is None else _of_sums(design, "weights"),
            None if design.offset is None else _of_sums(design, "offset"),
            dict(zip(design.x_names, fixed_sums(design), strict=True)),
        )
    return inputs_of_arrays(
        design.y, design.fixed, design.x_names, design.formula.response, design.weights, design.offset
    )


def _of_sums(design: Design, key: Literal["y", "weights", "offset"]) -> Fingerprint:
    """Return the fingerprint of a column of rows that are not in memory: their number and sums."""
    total, squares = column_sums(design, key)
    return Fingerprint(design.n, total=total, squares=squares)


def inputs_of_arrays(y: Any, X: Any, names: Any, response: str = "", weights: Any = None, offset: Any = None) -> Inputs:
    """Return the fingerprints of y, shape (n,), X, shape (n, p), and of weights and offset, which may be None."""
    matrix = X if isinstance(X, SparseColumns) else np.asarray(X, dtype=float)
    return Inputs(
        Fingerprint.of(y),
        response,
        None if weights is None else Fingerprint.of(weights),
        None if offset is None else Fingerprint.of(offset),
        {str(name): _sums(matrix[:, j]) for j, name in enumerate(names)},
    )
