"""Modes, coefficients and their covariances by grouping factor, and the fitted values made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np

from lmmtools.design.factors import text_index
from lmmtools.fit.by_rows import fitted_rows, join_rows
from lmmtools.formula.terms import factor_parts
from lmmtools.threads import single

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from lmmtools.design.matrices import Design
    from lmmtools.engines.estimate import Estimate

__all__ = [
    "FactorDict",
    "coefficients_by_factor",
    "compute_fitted",
    "covariances_by_factor",
    "modes_by_factor",
]

V = TypeVar("V")


class FactorDict(dict[str, V]):
    """Grouping factor -> value, in lme4's order; ``"cask:batch"`` and ``"batch:cask"`` are the same key."""

    def __missing__(self, key: str) -> V:
        parts = factor_parts(str(key))
        for name, value in self.items():
            if factor_parts(name) == parts:
                return value
        raise KeyError(f"no grouping factor {key!r}; there are {', '.join(map(repr, self))}")


def modes_by_factor(design: Design, modes: Sequence[NDArray[np.float64]]) -> FactorDict[pd.DataFrame]:
    """Return the conditional modes, {factor: DataFrame level x effect}; terms on one factor stand side by side."""
    import pandas as pd

    frames: FactorDict[pd.DataFrame] = FactorDict()
    for factor, indices in design.factors.items():
        names = tuple(name for i in indices for name in design.blocks[i].cnames)
        values = np.array(modes[indices[0]]) if len(indices) == 1 else np.hstack([modes[i] for i in indices])
        frames[factor] = pd.DataFrame(values, index=design.blocks[indices[0]].levels, columns=text_index(names))
    return frames


def coefficients_by_factor(
    design: Design, beta: NDArray[np.float64], modes: Sequence[NDArray[np.float64]]
) -> FactorDict[pd.DataFrame]:
    """Return the coefficients of each level, {factor: DataFrame level x coefficient}: fixed effects plus modes.

    An effect of any factor that has no column in X has a column in every table, before the others; its fixed part is
    zero.
    """
    import pandas as pd

    fixed = ["(Intercept)" if name == "Intercept" else name for name in design.x_names]
    others = [name for name in dict.fromkeys(name for b in design.blocks for name in b.cnames) if name not in fixed]
    place = {name: j for j, name in enumerate([*others, *fixed])}
    start = np.concatenate([np.zeros(len(others)), beta])
    frames: FactorDict[pd.DataFrame] = FactorDict()
    for factor, indices in design.factors.items():
        levels = design.blocks[indices[0]].levels
        values = np.tile(start, (len(levels), 1))
        for i in indices:
            values[:, [place[name] for name in design.blocks[i].cnames]] += modes[i]
        frames[factor] = pd.DataFrame(values, index=levels, columns=[*others, *design.x_names])
    return frames


def covariances_by_factor(design: Design, covariances: Sequence[NDArray[np.float64]]) -> FactorDict[pd.DataFrame]:
    """Return the conditional covariances of the modes, {factor: DataFrame (level, effect) x effect}.

    Parameters
    ----------
    design : Design
    covariances : sequence of ndarray, each (m, l, l)
        One array for each block. Covariances between two terms on one factor are NaN: lme4's ``condVar`` has none.
    """
    import pandas as pd

    frames: FactorDict[pd.DataFrame] = FactorDict()
    for factor, indices in design.factors.items():
        first = design.blocks[indices[0]]
        names = [name for i in indices for name in design.blocks[i].cnames]
        total = np.full((first.m, len(names), len(names)), np.nan)
        at = 0
        for i in indices:
            l = design.blocks[i].l
            total[:, at : at + l, at : at + l] = covariances[i]
            at += l
        index = pd.MultiIndex.from_product([first.levels, names], names=[factor, "effect"])
        frames[factor] = pd.DataFrame(total.reshape(-1, len(names)), index=index, columns=names)
    return frames


@single
def compute_fitted(design: Design, estimate: Estimate) -> NDArray[np.float64]:
    """Return X b + Z u + offset on the fitted rows, shape (n,), in units of y."""
    if design.streamed is not None:
        return join_rows(design, lambda rows: fitted_rows(rows, estimate))
    return fitted_rows(next(design.batches(design.n)), estimate)
