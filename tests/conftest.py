"""What holds for every test: one thread of BLAS in each process, and parameters named by their values."""

from __future__ import annotations

import os

# Set before numpy is imported: the tests run in as many processes as there are cores, and threads of BLAS beside them
# take three times as long.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

# pytest-xdist gives its workers the width of a terminal, which tables would keep to.
os.environ.pop("COLUMNS", None)

LONGEST = 60
"""Characters of a parameter's name."""


def pytest_make_parametrize_id(val: object) -> str | None:
    """Return the value of a list, tuple or dictionary of plain values, which pytest would call by its place."""
    if not isinstance(val, list | tuple | dict) or not _is_plain(val):
        return None
    text = ascii(val)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def _is_plain(val: object) -> bool:
    if isinstance(val, dict):
        return all(_is_plain(part) for pair in val.items() for part in pair)
    if isinstance(val, list | tuple):
        return all(_is_plain(part) for part in val)
    return val is None or isinstance(val, str | int | float)
