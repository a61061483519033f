"""How many draws, and from what."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np

from lmmtools.errors import DataError

__all__ = ["as_generator", "check_count"]


def check_count(n: Any, name: str = "n", least: int = 1) -> int:
    """Return the number of draws.

    Raises
    ------
    DataError
        If it is no whole number, or too small.
    """
    if not isinstance(n, Integral) or n < least:
        raise DataError(f"{name}={n!r} draws cannot be made; ask for a whole number, at least {least}")
    return int(n)


def as_generator(rng: Any) -> np.random.Generator:
    """Return the source of random numbers that a seed stands for.

    Raises
    ------
    DataError
        If it is neither a generator nor a seed.
    """
    try:
        return np.random.default_rng(rng)
    except (TypeError, ValueError) as error:
        raise DataError(f"rng={rng!r} is no source of random numbers ({error}); give a seed or a Generator") from None
