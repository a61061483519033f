"""Where a fit comes from: the data as a hash, the versions that made it."""

from __future__ import annotations

import hashlib
import platform
import re
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib import metadata
from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools._version import __version__
from lmmtools.report.fingerprint import sorted_hash

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from lmmtools.design.matrices import Design
    from lmmtools.fit.record import Fit

__all__ = ["Provenance", "data_hash", "fixed_levels", "provenance_of", "versions"]

_PACKAGES = ("numpy", "scipy", "pandas", "statsmodels")


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where the numbers come from.

    Attributes
    ----------
    call : str
        The code that declares and fits the model.
    versions : dict of str to str
        Package -> version.
    data_sha256 : str
        Of the complete cases of the columns used, rows in order (`data_hash`).
    response_sha256 : str
        Of the response alone, whatever the order of the rows (`fingerprint.sorted_hash`).
    written : str
        When the record was made, UTC, ISO 8601.
    """

    call: str
    versions: Mapping[str, str]
    data_sha256: str
    response_sha256: str
    written: str


def data_hash(frame: pd.DataFrame) -> str:
    """Return the SHA-256 of a table's columns and values, rows in order, whatever types hold them.

    Numbers enter at full precision, everything else as text; the index does not enter.
    """
    total = hashlib.sha256()
    for name in sorted(map(str, frame.columns)):
        total.update(f"{name}\x00".encode())
        column = frame[next(c for c in frame.columns if str(c) == name)]
        total.update("\x1f".join(map(_text, column.tolist())).encode())
        total.update(b"\x00")
    return total.hexdigest()


def versions() -> dict[str, str]:
    """Return the versions of lmmtools, Python and the numerical packages."""
    found = {"lmmtools": __version__, "python": platform.python_version()}
    return found | {name: metadata.version(name) for name in _PACKAGES}


def fixed_levels(design: Design) -> dict[str, tuple[str, ...]]:
    """Return the levels, in order, of each factor that the fixed effects have columns for, by the column's name."""
    names = " ".join(design.x_names)
    found = {}
    for column in map(str, design.frame.columns):
        if re.search(rf"(?<![\w.]){re.escape(column)}(?:, [^\[\]]*)?\)?\[", names) is None:
            continue
        from lmmtools.design.factors import encode_factor

        found[column] = tuple(map(str, encode_factor(design.frame[column]).levels))
    return found


def _text(value: Any) -> str:
    return repr(float(value)) if isinstance(value, (int, float, np.number)) else str(value)


def provenance_of(fit: Fit) -> Provenance:
    """Return where the numbers of a fit come from."""
    return Provenance(
        call=_call(fit),
        versions=versions(),
        data_sha256=data_hash(fit.design.frame),
        response_sha256=sorted_hash(fit.design.y),
        written=datetime.now(timezone.utc).isoformat(timespec="seconds"),
    )


def _call(fit: Fit) -> str:
    given: dict[str, Any] = {"weights": fit.names.weights, "offset": fit.names.offset}
    options = "".join(f", {name}={value!r}" for name, value in given.items() if value is not None)
    formula = fit.design.formula.source or str(fit.design.formula)
    return f"lmt.lmm({formula!r}, {fit.names.data or 'data'}{options}).fit(reml={fit.reml}, engine={fit.engine!r})"
