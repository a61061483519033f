"""Other starts where several terms can take up the same part of the mean.

In ``y ~ 0 + x + (1 | g) + (1 | h)`` nothing but the effects of g, or those of h, can hold the mean, which makes the
variance of whichever holds it large: the criterion has an optimum for each. The same goes for any effect that several
terms have and the fixed part has not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lmmtools.design.theta import lambda_factors, pack_lambda

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from lmmtools.design.record import Design
    from lmmtools.engines.pls.problem import Problem

    Floats = NDArray[np.float64]

__all__ = ["competing_effects", "competing_starts"]

IN_SPAN = 1e-8
"""Share of a column that X leaves, below which it is X's."""

LEAST = 0.01
"""What an effect that gives way keeps, at least, of the variance of the one that takes over."""


def competing_starts(problem: Problem, theta: Floats) -> Iterator[tuple[str, tuple[Floats, ...]]]:
    """Yield starts, lambda per block in the engine's coordinates, in which another term takes up what one does.

    Parameters
    ----------
    problem : Problem
    theta : ndarray, shape (k,)
        An optimum, on the data's scale.
    """
    blocks = problem.design.blocks
    factors = lambda_factors(theta, blocks)
    for effects in competing_effects(problem.design):
        variances = [float(factors[k][e] @ factors[k][e]) for k, e in effects]
        total = sum(variances)
        if total == 0:
            continue
        least = max(min(variances), LEAST * total)
        for chosen in np.argsort(variances)[-2::-1]:
            moved = [factor.copy() for factor in factors]
            for i, (k, e) in enumerate(effects):
                wanted = total if i == chosen else min(variances[i], least)
                if variances[i] > 0:
                    moved[k][e] *= np.sqrt(wanted / variances[i])
                elif i == chosen:
                    moved[k][e, e] = np.sqrt(wanted)
            k, e = effects[chosen]
            name = f"what other terms hold held by {blocks[k].cnames[e]} of {blocks[k].term}"
            yield name, problem.to_lambdas(pack_lambda(moved))


def competing_effects(design: Design) -> list[list[tuple[int, int]]]:
    """Return the (block, effect) of each column that several terms have as an effect and X does not span."""
    found: list[list[tuple[int, int]]] = []
    for k, block in enumerate(design.blocks):
        for e in range(block.l):
            column = block.basis[:, e]
            same = [g for g in found if np.array_equal(design.blocks[g[0][0]].basis[:, g[0][1]], column)]
            if same:
                same[0].append((k, e))
            else:
                found.append([(k, e)])
    return [g for g in found if len(g) > 1 and not _is_spanned(design, design.blocks[g[0][0]].basis[:, g[0][1]])]


def _is_spanned(design: Design, column: Floats) -> bool:
    if any(np.array_equal(x, column) for x in design.X.T):
        return True
    left = column - design.X @ np.linalg.lstsq(design.X, column, rcond=None)[0]
    return bool(left @ left <= IN_SPAN**2 * (column @ column))
