"""Where a fit comes from: the data as a hash, the versions that made it."""

from __future__ import annotations

import hashlib
import platform
import re
from importlib import metadata
from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools._version import __version__

if TYPE_CHECKING:
    import pandas as pd

    from lmmtools.design.record import Design

__all__ = ["data_hash", "fixed_levels", "versions"]

_PACKAGES = ("numpy", "scipy", "pandas", "statsmodels")


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
