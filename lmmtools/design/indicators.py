"""``dummy(f, "level")``: indicator columns of some levels of a factor, which count as numbers, as lme4's ``dummy``."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lmmtools.sentences import list_first

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = ["dummy_transform"]

_MOST_SHOWN = 8


@lru_cache(maxsize=1)
def dummy_transform() -> Callable[..., Any]:
    """Return ``dummy`` as a transform of formulaic: the levels that it learns go with the fit."""
    from formulaic.materializers.types import FactorValues
    from formulaic.transforms import stateful_transform

    def dummy(data: Any, levelsToKeep: Any = None, _state: Any = None) -> Any:
        known = _state.setdefault("levels", _levels_of(data))
        places = _kept_places(known, levelsToKeep)
        made = _indicate(data, known)[:, places]
        if len(places) == 1:
            return made[:, 0]
        return FactorValues({str(known[j]): made[:, i] for i, j in enumerate(places)}, kind="numerical")

    return stateful_transform(dummy)  # type: ignore[no-any-return]


def _levels_of(data: Any) -> list[Any]:
    """Return the levels of a column, in their order."""
    values = getattr(data, "array", data)
    if isinstance(values, pd.Categorical):
        return list(values.categories)
    return sorted(pd.unique(pd.Series(data).dropna()).tolist())


def _kept_places(known: list[Any], kept: Any) -> list[int]:
    """Return the places of the levels to keep among those known: all but the first, or those named."""
    if kept is None:
        return list(range(1, len(known)))
    place = {_label(level): j for j, level in enumerate(known)}
    wanted = list(kept) if isinstance(kept, (list, tuple)) else [kept]
    for level in wanted:
        if _label(level) not in place:
            raise ValueError(f"dummy() names the level {_label(level)!r}; {_list_levels(known)}")
    if not wanted:
        raise ValueError('dummy() names no level: write dummy(f, "level")')
    return [place[_label(level)] for level in wanted]


def _label(level: Any) -> str:
    """Return a level as text: R writes 9 and "9" for the same level."""
    return str(int(level)) if isinstance(level, float) and level.is_integer() else str(level)


def _list_levels(known: list[Any]) -> str:
    return "there are " + list_first([repr(_label(level)) for level in known], _MOST_SHOWN)


def _indicate(data: Any, known: list[Any]) -> NDArray[np.float64]:
    """Return a column of zeros and ones for each level known, shape (n, levels)."""
    codes = pd.Categorical(pd.Series(data), categories=known).codes
    if (codes < 0).any():
        found = _label(pd.Series(data)[codes < 0].iloc[0])
        raise ValueError(f"dummy() finds the level {found!r}, which the fit has not seen; {_list_levels(known)}")
    made: NDArray[np.float64] = (np.asarray(codes)[:, None] == np.arange(len(known))).astype(np.float64)
    return made
