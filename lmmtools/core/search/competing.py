"""Other starts where random effects may have to hold a part of the mean.

In ``y ~ 0 + x + (1 | g) + (1 | h)`` nothing but the effects of g, or those of h, can hold the mean, which makes the
variance of whichever holds it large: the criterion has an optimum for each. The same goes for any effect that several
terms have and the fixed part has not. Where one term alone has such an effect, as in ``y ~ 1 + (0 + x | g)``, the
criterion can have an optimum at which its variance holds the mean slope, and one at which it does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lmmtools.design.theta import lambda_factors, pack_lambda

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from lmmtools.core.data.problem import Problem
    from lmmtools.design.matrices import Design

    Floats = NDArray[np.float64]

__all__ = ["competing_effects", "competing_starts"]

IN_SPAN = 1e-8
"""Share of a column that X leaves, below which it is X's."""

SHORT = 0.1
"""An effect with less than this share of the variance that would hold its mean leaves it to other effects."""

LEAST = 0.01
"""What an effect that gives way keeps, at least, of the variance of the one that takes over."""


def competing_starts(problem: Problem, theta: Floats) -> Iterator[tuple[Floats, ...]]:
    """Yield starts, lambda per block in the engine's coordinates, in which another term takes up what one does.

    Parameters
    ----------
    problem : Problem
    theta : ndarray, shape (k,)
        An optimum, on the data's scale.
    """
    blocks = problem.design.blocks
    factors = lambda_factors(theta, blocks)
    unspanned = unspanned_effects(problem.design)
    holding = _holding_means(problem.design, factors, unspanned)
    if holding is not None:
        yield problem.to_lambdas(pack_lambda(holding))
    for effects in (e for e in unspanned if len(e) > 1):
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
            yield problem.to_lambdas(pack_lambda(moved))


def competing_effects(design: Design) -> list[list[tuple[int, int]]]:
    """Return the (block, effect) of each column that several terms have as an effect and X does not span."""
    return [effects for effects in unspanned_effects(design) if len(effects) > 1]


def unspanned_effects(design: Design) -> list[list[tuple[int, int]]]:
    """Return the (block, effect) of each column that terms have as an effect and X does not span."""
    found: list[list[tuple[int, int]]] = []
    for k, block in enumerate(design.blocks):
        for e in range(block.l):
            column = block.basis[:, e]
            same = [g for g in found if np.array_equal(_column(design, g), column)]
            if same:
                same[0].append((k, e))
            else:
                found.append([(k, e)])
    return [g for g in found if not _is_spanned(design, _column(design, g))]


def _column(design: Design, effects: list[tuple[int, int]]) -> Floats:
    k, e = effects[0]
    return design.blocks[k].basis[:, e]


def _holding_means(
    design: Design, factors: Sequence[Floats], unspanned: list[list[tuple[int, int]]]
) -> list[Floats] | None:
    """Return lambda per block with variances as large as the squares of the means that their effects have to hold.

    The means are least squares coefficients of the columns beside X; None where no variance is far from that large.
    """
    if not unspanned:
        return None
    columns = np.column_stack([design.X, *(_column(design, g) for g in unspanned)])
    y = design.response
    if design.weights is not None:
        root = np.sqrt(design.weights)
        columns, y = columns * root[:, None], y * root
    lengths = np.linalg.norm(columns, axis=0)
    coefficients = np.linalg.lstsq(columns / lengths, y, rcond=None)[0]
    left = y - columns / lengths @ coefficients
    residual = float(left @ left) / max(design.n - columns.shape[1], 1)
    if residual == 0:
        return None
    means = (coefficients / lengths)[design.p :]
    moved, is_new = [factor.copy() for factor in factors], False
    for mean, effects in zip(means, unspanned, strict=True):
        k, e = max(effects, key=lambda at: float(factors[at[0]][at[1]] @ factors[at[0]][at[1]]))
        variance, wanted = float(factors[k][e] @ factors[k][e]), float(mean**2) / residual
        if variance < SHORT * wanted:
            is_new = True
            moved[k][e] *= 0.0
            moved[k][e, e] = np.sqrt(wanted)
    return moved if is_new else None


def _is_spanned(design: Design, column: Floats) -> bool:
    if any(np.array_equal(x, column) for x in design.X.T):
        return True
    left = column - design.X @ np.linalg.lstsq(design.X, column, rcond=None)[0]
    return bool(left @ left <= IN_SPAN**2 * (column @ column))
