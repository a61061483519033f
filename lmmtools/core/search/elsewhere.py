"""Further starts of the search: a table of the starts, and when each is tried, in the order of the searches.

In ``y ~ 0 + x + (1 | g) + (1 | h)`` nothing but the effects of g, or those of h, can hold the mean, which makes the
variance of whichever holds it large: the criterion has an optimum for each. The same goes for any effect that several
terms have and the fixed part has not. Where one term alone has such an effect, as in ``y ~ 1 + (0 + x | g)``, the
criterion can have an optimum at which its variance holds the mean slope, and one at which it does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np

from lmmtools.core.search.scans import alone, exchanges
from lmmtools.core.search.start import joint_lambdas, starting_lambdas, unit_lambdas
from lmmtools.core.search.traces import DENSE_Q
from lmmtools.design.sparse_columns import left_beside
from lmmtools.design.theta import lambda_factors, pack_lambda

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    from lmmtools.core.data.problem import Problem
    from lmmtools.core.search.certificate import Certificate
    from lmmtools.core.search.descent import Descent

    Floats = NDArray[np.float64]
    Lambdas = tuple[Floats, ...]
    from collections.abc import Sequence

    from lmmtools.design.matrices import Design

__all__ = ["FLAT", "BestSoFar", "Search", "competing_effects", "competing_starts", "other_starts"]

RESTARTS = (0.01, 10.0, 0.1)
"""Further starts where a certificate fails, as multiples of the first start's variances."""

LONG = 8
"""A search of more evaluations than this has crossed a region where the criterion is not convex, so that another
optimum may be near; a second search is made where it is cheap."""

SMALL_Q = 160
"""Up to this many random effects a fit on the boundary is searched again, since there may be an optimum inside as well,
and the criterion is scanned along each variance: other optima occur with few data."""

FEW = 50
"""Up to this many residual degrees of freedom other optima are common."""

FLAT = 1e-5
"""With less curvature than this the parameters are not all identified, and other optima are common."""


DRAWN = 4
"""Starts drawn at random, from one seed, in small models with several correlated effects: their directions are many."""


IN_SPAN = 1e-8
"""Length of a column beside X, as a share of its own, that counts as zero."""

SHORT = 0.1
"""An effect whose variance is less than this share of its squared mean is started at the squared mean."""

LEAST = 0.01
"""Smallest variance of an effect that another one replaces, as a share of their total variance."""


@dataclass(frozen=True, slots=True, eq=False)
class BestSoFar:
    """The best optimum that the searches have found so far, and whether another one is likely.

    Attributes
    ----------
    problem : Problem
    best : Descent
    certificate : Certificate
    """

    problem: Problem
    best: Descent
    certificate: Certificate

    @property
    def is_doubtful(self) -> bool:
        """Whether the certificate fails, or the curvature is nearly zero."""
        return not self.certificate.holds or self.certificate.min_curvature < FLAT

    @property
    def is_at_boundary(self) -> bool:
        """Whether a variance is zero in a model small enough for more searches."""
        return bool(self.certificate.null_spaces) and self.problem.structure.q <= SMALL_Q

    @property
    def has_few(self) -> bool:
        """Whether there are few data, so that other optima are common, and the model is small."""
        return self.problem.n - self.problem.p <= FEW and self.problem.structure.q <= SMALL_Q

    @property
    def has_few_for_several(self) -> bool:
        """Whether there are few data for several variances, so that starts from each are worth their cost."""
        return self.has_few and self.problem.design.k > 1

    @property
    def is_worth_scanning(self) -> bool:
        """Whether scans along each variance are worth their cost."""
        if self.has_few or self.is_at_boundary:
            return True
        is_unsure = self.best.n_evaluations > LONG or not self.certificate.holds
        return self.problem.structure.q <= SMALL_Q and is_unsure

    @property
    def has_several_directions(self) -> bool:
        """Whether there are few data for correlated effects, whose directions no other start chooses."""
        return self.has_few_for_several and max(self.problem.widths) > 1

    @property
    def is_hard(self) -> bool:
        """Whether another optimum is likely, in a model small enough for another search."""
        is_long = self.best.n_evaluations > LONG
        return self.problem.structure.q <= DENSE_Q and (self.is_at_boundary or is_long)


@dataclass(frozen=True, slots=True)
class Search:
    """A row of the table of searches.

    Attributes
    ----------
    name : str
    when : callable
        Whether it is worth its cost.
    start : callable
        Starts, lambda per block in the engine's coordinates.
    is_last : bool
        Whether a search that ends with a certificate, and no lower, makes those after it unnecessary.
    """

    name: str
    when: Callable[[BestSoFar], bool]
    start: Callable[[BestSoFar], Iterable[Lambdas]]
    is_last: bool


def _exchanges(found: BestSoFar) -> Iterator[Lambdas]:
    """Yield starts with the variance of one term in another."""
    return exchanges(found.problem, found.best.model.state)


def _alone(found: BestSoFar) -> Iterator[Lambdas]:
    """Yield starts with one term alone."""
    return alone(found.problem, found.best.model.state.reml)


def _without_one(found: BestSoFar) -> Iterator[Lambdas]:
    """Yield starts with all terms but one."""
    units = unit_lambdas(found.problem)
    for k in range(len(units) if len(units) > 2 else 0):
        yield tuple(np.zeros_like(lam) if j == k else lam for j, lam in enumerate(units))


def _at_random(found: BestSoFar) -> Iterator[Lambdas]:
    """Yield starts drawn at random."""
    rng = np.random.default_rng(0)
    for _ in range(DRAWN):
        yield tuple(
            np.tril(rng.standard_normal(lam.shape)) @ lam * np.exp(rng.standard_normal())
            for lam in unit_lambdas(found.problem)
        )


def other_starts(found: BestSoFar) -> Iterator[tuple[str, Lambdas, bool]]:
    """Yield the name and start of each other search, and whether the searches end when it finds nothing lower."""
    for search in SEARCHES:
        if search.when(found):
            for start in search.start(found):
                yield search.name, start, search.is_last


def _competing(found: BestSoFar) -> Iterator[Lambdas]:
    """Yield starts in which variances hold what the fixed effects lack."""
    if not unspanned_effects(found.problem.design):
        return iter(())
    return competing_starts(found.problem, found.problem.to_theta(found.best.model.state.lambdas))


def _joint(found: BestSoFar) -> Iterator[Lambdas]:
    """Yield the start for correlated columns of separate terms, where there is one."""
    joint = joint_lambdas(found.problem)
    if joint is not None:
        yield joint


def _middling(found: BestSoFar) -> Iterator[Lambdas]:
    """Yield the start that does not depend on the response."""
    yield unit_lambdas(found.problem)


def _identity(found: BestSoFar) -> Iterator[Lambdas]:
    """Yield theta of the identity."""
    yield found.problem.scaling.basis_maps


def _multiples(found: BestSoFar) -> Iterator[Lambdas]:
    """Yield multiples of the starting variances."""
    first = starting_lambdas(found.problem)
    for factor in RESTARTS:
        yield tuple(lam * np.sqrt(factor) for lam in first)


SEARCHES = (
    Search("variances that hold what the fixed effects lack", lambda found: True, _competing, False),
    Search("the variances of correlated effects", lambda found: True, _joint, False),
    Search("each term alone", lambda found: found.has_few_for_several, _alone, False),
    Search("one term in place of another", lambda found: found.has_few_for_several, _exchanges, False),
    Search("all terms but one", lambda found: found.has_few_for_several, _without_one, False),
    Search("variances drawn at random", lambda found: found.has_several_directions, _at_random, False),
    Search("variances of a middling size", lambda found: found.is_at_boundary, _middling, False),
    Search("theta of the identity", lambda found: found.is_doubtful or found.is_hard, _identity, True),
    Search("multiples of the starting variances", lambda found: found.is_doubtful, _multiples, True),
)
"""The searches from elsewhere, in their order."""


def competing_starts(problem: Problem, theta: Floats) -> Iterator[tuple[Floats, ...]]:
    """Yield starts, lambda per block in the engine's coordinates, with the variance of an effect in another term.

    Parameters
    ----------
    problem : Problem
    theta : ndarray, shape (k,)
        An optimum, on the data's scale.
    """
    blocks = problem.design.blocks
    lambdas = lambda_factors(theta, blocks)
    unspanned = unspanned_effects(problem.design)
    holding = _holding_means(problem, lambdas, unspanned)
    if holding is not None:
        yield problem.to_lambdas(pack_lambda(holding))
    for effects in (e for e in unspanned if len(e) > 1):
        variances = [float(lambdas[k][e] @ lambdas[k][e]) for k, e in effects]
        total = sum(variances)
        if total == 0:
            continue
        least = max(min(variances), LEAST * total)
        for chosen in np.argsort(variances)[-2::-1]:
            moved = [lam.copy() for lam in lambdas]
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


_UNSPANNED: WeakKeyDictionary[Design, list[list[tuple[int, int]]]] = WeakKeyDictionary()
"""What was found of designs that are still in use: all refits of one ask the same."""


def unspanned_effects(design: Design) -> list[list[tuple[int, int]]]:
    """Return the (block, effect) of each column that terms have as an effect and X does not span."""
    if design not in _UNSPANNED:
        # Few rows that span all show which columns are equal, or combinations of others, in all.
        rows = design if design.streamed is None else design.streamed.few(design)
        _UNSPANNED[design] = _find_unspanned(rows)
    return _UNSPANNED[design]


def _find_unspanned(design: Design) -> list[list[tuple[int, int]]]:
    """Return the same, found anew."""
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
    """Return the column of the first of some effects that have the same column."""
    k, e = effects[0]
    return design.blocks[k].basis[:, e]


def _holding_means(
    problem: Problem, lambdas: Sequence[Floats], unspanned: list[list[tuple[int, int]]]
) -> list[Floats] | None:
    """Return lambda per block with variances as large as the squares of the means that their effects have to hold.

    The means are least squares coefficients of the columns beside X; None where no variance is far from that large.
    """
    design = problem.design
    if not unspanned:
        return None
    if design.streamed is not None:
        return _move_to_means(lambdas, unspanned, *_regress_by_products(problem, unspanned))
    residual_model = problem.residual
    columns = np.column_stack([design.response, *(_column(design, g) for g in unspanned)])
    left = left_beside(residual_model.whitened(design.fixed), residual_model.whitened(columns))
    lengths = np.linalg.norm(left[:, 1:], axis=0)
    coefficients = np.linalg.lstsq(left[:, 1:] / lengths, left[:, 0], rcond=None)[0]
    rest = left[:, 0] - left[:, 1:] / lengths @ coefficients
    residual = float(rest @ rest) / max(design.n - design.p - len(unspanned), 1)
    return _move_to_means(lambdas, unspanned, coefficients / lengths, residual)


def _regress_by_products(problem: Problem, unspanned: list[list[tuple[int, int]]]) -> tuple[Floats, float]:
    """Return the means that effects have to hold, and the residual variance beside them, from cross-products.

    A column of a basis is Z times a vector: its effect at every level. Both numbers are in units of the engine's y.
    """
    st = problem.structure
    V = np.zeros((st.q, len(unspanned)))
    for column, (k, e) in enumerate(effects[0] for effects in unspanned):
        for f in st.factors:
            for own, part in f.parts():
                if own == k:
                    at = np.zeros((f.m, f.l))
                    at[:, part] = problem.scaling.basis_maps[k][:, e]
                    V[f.columns, column] = at.reshape(-1)
    across, to_x = V.T @ st.times(V), V.T @ problem.ZX
    S = across - to_x @ np.linalg.solve(problem.XX, to_x.T)
    s = V.T @ problem.response.Zy - to_x @ np.linalg.solve(problem.XX, problem.response.Xy)
    lengths = np.sqrt(np.maximum(S.diagonal(), 0.0))
    means = np.linalg.lstsq(S / lengths / lengths[:, None], s / lengths, rcond=None)[0] / lengths
    left = problem.response.yy - float(means @ s)
    return means, max(left, 0.0) / max(problem.n - problem.p - len(unspanned), 1)


def _move_to_means(
    lambdas: Sequence[Floats], unspanned: list[list[tuple[int, int]]], means: Floats, residual: float
) -> list[Floats] | None:
    """Return lambda per block with variances as large as squared means, None where no variance is far from that."""
    if residual == 0:
        return None
    moved, is_new = [lam.copy() for lam in lambdas], False
    for mean, effects in zip(means, unspanned, strict=True):
        k, e = max(effects, key=lambda at: float(lambdas[at[0]][at[1]] @ lambdas[at[0]][at[1]]))
        variance, wanted = float(lambdas[k][e] @ lambdas[k][e]), float(mean**2) / residual
        if variance < SHORT * wanted:
            is_new = True
            moved[k][e] *= 0.0
            moved[k][e, e] = np.sqrt(wanted)
    return moved if is_new else None


def _is_spanned(design: Design, column: Floats) -> bool:
    """Return whether X spans a column."""
    X = design.fixed
    dense = X if isinstance(X, np.ndarray) else X.dense
    if any(np.array_equal(x, column) for x in dense.T):
        return True
    left = left_beside(X, column)
    return bool(left @ left <= IN_SPAN**2 * (column @ column))
