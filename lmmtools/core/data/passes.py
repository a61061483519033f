"""Passes over the rows that add up Z'WZ, Z'W[X y] and [X y]'W[X y]: one, or more where digits would be lost.

The model is held in coordinates of its own, so that the rest of the engine meets numbers near one whatever the data's
units: X times an upper-triangular map (orthonormal columns), y less its regression on X and divided by its spread, and
every random-effects basis times the inverse of a lower-triangular map.  The criterion, beta and theta are mapped back
exactly: a lower-triangular map keeps lambda_k lower triangular and the signs of its diagonal.

:mod:`~lmmtools.core.data.coordinates` chooses coordinates from the first rows; what those leave is corrected by algebra
on the products at the end. Where that would lose digits, another pass is made in better coordinates: over y alone where
its regression was off, over X and y, or over everything where a basis was.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import solve_triangular

from lmmtools.blas import product
from lmmtools.core.data.chunks import DesignChunks, as_chunk
from lmmtools.core.data.coordinates import (
    LOSS,
    RANK_TOL,
    TURNED_LOSS,
    Coordinates,
    better_columns,
    choose_coordinates,
    is_dependent,
    lower_map,
    orthonormal,
    shifted,
)
from lmmtools.core.data.crossprod import EXACT_TOL, CrossProducts, ResponseProducts, Scaling
from lmmtools.core.data.products import Products, Work
from lmmtools.core.elimination.gram import Gram
from lmmtools.errors import EngineError
from lmmtools.threads import cores

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

    from numpy.typing import NDArray

    from lmmtools.core.data.chunks import ChunkSource
    from lmmtools.design.rows_elsewhere import RowBatch

    Floats = NDArray[np.float64]

__all__ = ["accumulate", "accumulate_by"]

RESPONSE_LOSS = 1e3
"""Ratio of y'Wy, after the preliminary regression, to what X leaves of it, up to which the difference keeps digits."""

MANY = 2_000_000
"""Rows from which a second thread adds those that are made while the first makes the next."""

PASSES = 6
"""Passes over the rows at most: each leaves columns that are nearer to orthogonal by about eight digits."""

OFF = 2.0
"""Factor by which the mean square of a basis may be off one, and the loss of its products, without a correction."""


def accumulate(source: ChunkSource) -> tuple[Scaling, CrossProducts]:
    """Return the coordinates chosen and the cross-products in them.

    The rows are read once, and again where coordinates chosen from the first of them lose digits.

    Raises
    ------
    EngineError
        If X has no full column rank to working precision, as many columns as rows, or explains y exactly.
    """
    return accumulate_by(choose_coordinates(source), partial(_read, source))


def _read(source: ChunkSource, products: Products) -> Products:
    """Return the products with all rows added: where they are many, while the next of them are made."""
    if isinstance(source, DesignChunks) and source.is_spread:
        found: Products = source.fold(_AddProducts(products))
        return found
    if source.n < MANY or cores() == 1:
        for chunk in source:
            products.add(chunk)
        return products
    with ThreadPoolExecutor(1) as beside:
        last: Future[None] | None = None
        for chunk in source:
            if last is not None:
                last.result()
            last = beside.submit(products.add, chunk)
        if last is not None:
            last.result()
    return products


@dataclass(frozen=True, slots=True)
class _AddProducts:
    """Adds rows to products: like those given, which have no row yet."""

    empty: Products

    def start(self) -> Products:
        """Return the products of no row."""
        return self.empty.like()

    def add(self, total: Products, batch: RowBatch) -> None:
        """Add rows."""
        total.add(as_chunk(batch))

    def merge(self, total: Products, following: Products) -> None:
        """Add the products of the rows that follow."""
        total.merge(following)


def accumulate_by(at: Coordinates, read: Callable[[Products], Products]) -> tuple[Scaling, CrossProducts]:
    """Return what :func:`accumulate` does, by any way of reading the rows.

    Parameters
    ----------
    at : Coordinates
    read : callable
        Adds all rows to the products that it is given, or to copies of them that it merges, and returns the sums.

    Raises
    ------
    EngineError
        As :func:`accumulate`.
    """
    # What overflows is read again in a larger unit, or said not to be finite.
    with np.errstate(over="ignore", invalid="ignore"):
        found = _Found(done := read(Products(at)), done, done)
        for _ in range(PASSES - 1):
            again = found.better()
            if again is None:
                break
            done = read(again)
            found = _Found(
                done if again.work == Work.ALL else found.effects,
                found.columns if again.work == Work.RESPONSE else done,
                done,
            )
        return found.finish()


@dataclass(frozen=True, eq=False)
class _Found:
    """The latest sums of each kind.

    Attributes
    ----------
    effects, columns, response : Products
        Of the last pass that has Z'WZ; Z'WX and X'WX; and Z'Wy, X'Wy, y'Wy.
    """

    effects: Products
    columns: Products
    response: Products

    @cached_property
    def orthonormal(self) -> tuple[Floats, float]:
        """The upper T with T'X'WX T = I, and the factor on rounding errors of products."""
        return orthonormal(self.columns.XX)

    def better(self) -> Products | None:
        """Return empty products in better coordinates, for another pass; None where no digits are lost."""
        last, XX = self.response, self.columns.XX
        at, work = last.at, Work.RESPONSE
        T, loss = self.orthonormal
        b = T @ (T.T @ last.Xr) if loss <= TURNED_LOSS else np.zeros(at.p)
        left = last.rr - float(b @ last.Xr)
        if np.isfinite(last.rr) and last.rr <= EXACT_TOL**2 * last.size:
            return None
        is_off = not last.rr <= RESPONSE_LOSS * left
        centre, unit = at.centre + b, at.unit
        if not np.isfinite(last.rr) or not np.isfinite(centre).all():
            # Squares beyond what a double holds: a pass in the largest unit, which finds a better one.
            is_off = bool(0.0 < last.largest < np.inf and at.unit != last.largest)
            centre, unit = np.zeros(at.p), last.largest
        elif left > 0.0:
            size = float(np.sqrt(left / at.n))
            centre, unit = centre / size, unit * size
        columns = better_columns(at, XX, loss) if last.work > Work.RESPONSE else None
        if columns is not None:
            at, work = replace(at, columns=columns[0]), Work.COLUMNS
            centre = solve_triangular(columns[1], centre, check_finite=False)
        if last.work == Work.ALL:
            maps = _better_maps(last)
            if maps is not None:
                at, work = replace(at, maps=maps[0], doubted=maps[1], dependent=maps[2]), Work.ALL
        if work == Work.RESPONSE and not is_off:
            return None
        return Products(replace(at, centre=centre, unit=unit), work)

    def finish(self) -> tuple[Scaling, CrossProducts]:
        """Return the coordinates and the cross-products in them.

        Raises
        ------
        EngineError
            As :func:`accumulate`.
        """
        at, n, XX = self.response.at, self.response.at.n, self.columns.XX
        T, loss = self.orthonormal
        if loss >= 1.0 / RANK_TOL or is_dependent(self.columns.at.columns, XX, loss):
            raise _why_dependent(XX)
        rr, size = self.response.rr, self.response.size
        rest = T.T @ self.response.Xr
        unit_XX = product(T.T, product(XX, T))
        yy = rr + float(rest @ (unit_XX @ rest) - 2.0 * (rest @ rest))
        scale = float(np.sqrt(max(yy, 0.0) / n))
        if not np.isfinite(scale * at.unit):
            raise EngineError("The response, X or a random-effects basis holds values that are not finite numbers.")
        if scale <= EXACT_TOL * np.sqrt(size / n):
            raise EngineError(
                "The fixed effects reproduce the response exactly (is it constant?), so no variance can be estimated."
            )
        turns = self._turns()
        ZX, Zy = [], []
        for g, ((m, l), M) in enumerate(zip(at.sizes, turns, strict=True)):
            x_part, r_part = self.columns.beside_x(g), self.response.beside_r(g)
            if M is not None:
                x_part = np.matmul(M.T, x_part.reshape(m, l, at.p)).reshape(m * l, at.p)
                r_part = (r_part.reshape(m, l) @ M).reshape(-1)
            ZX.append(product(x_part, T))
            Zy.append((r_part - product(ZX[-1], rest)) / scale)
        x_map = T if at.columns.turn is None else at.columns.turn @ T
        centre, y_scale = at.unit * (T.T @ (XX @ at.centre) + rest), at.unit * scale
        maps = list(at.maps)
        for group, M in zip(at.groups, turns, strict=True):
            if M is not None:
                for k, part in at.parts(group):
                    maps[k] = np.asarray(np.linalg.solve(M[part, part], maps[k]), dtype=float)
        groups, gram, (ZX_all, Zy_all) = _join_same(
            at.groups, self.effects.gram(turns), self.effects.same_factors(), (ZX, [z[:, None] for z in Zy])
        )
        response = ResponseProducts(Zy_all[:, 0], (rest - unit_XX @ rest) / scale, yy / scale**2, centre, y_scale)
        cross = CrossProducts(groups, gram, ZX_all, unit_XX, self.effects.log_weights, response)
        return Scaling(x_map, centre, y_scale, tuple(maps)), cross

    def _turns(self) -> list[Floats | None]:
        """Return the inverse map, (l, l) per factor, to bases that are orthonormal on average; None where they are."""
        at = self.effects.at
        out: list[Floats | None] = []
        for g, group in enumerate(at.groups):
            G, R = self.effects.mean_squares(g), np.eye(at.sizes[g][1])
            for k, part in at.parts(group):
                own = G[part, part]
                squares, (_, loss) = np.diag(own), orthonormal(own)
                is_off = squares.max() > OFF or squares[squares > 0].min(initial=1.0) < 1.0 / OFF
                if k not in at.dependent and (is_off or loss > OFF * len(own)) and loss <= TURNED_LOSS:
                    R[part, part] = lower_map(own)
                elif is_off and np.isfinite(squares).all():
                    R[part, part] = np.diag(np.sqrt(np.where(squares > 0, squares, 1.0)))
            out.append(None if np.array_equal(R, np.eye(len(R))) else np.asarray(np.linalg.inv(R), dtype=float))
        return out


def _better_maps(done: Products) -> tuple[tuple[Floats, ...], frozenset[int], frozenset[int]] | None:
    """Return maps of the bases where products in the present ones lose digits, and the blocks doubted and dependent."""
    at = done.at
    maps, doubted, dependent = list(at.maps), set(at.doubted), set(at.dependent)
    for g, group in enumerate(at.groups):
        G = done.mean_squares(g)
        for k, part in at.parts(group):
            own = G[part, part]
            _, loss = orthonormal(own)
            if len(own) == 1 or k in dependent or loss <= LOSS or not np.isfinite(own).all():
                continue
            if loss < TURNED_LOSS:
                maps[k] = lower_map(own) @ maps[k]
            elif k not in doubted:
                maps[k] = lower_map(shifted(own)) @ maps[k]
                doubted.add(k)
            else:
                squares = np.diag(maps[k].T @ own @ maps[k])
                maps[k] = np.diag(np.sqrt(np.where(squares > 0, squares, 1.0)))
                dependent.add(k)
    if all(a is b for a, b in zip(maps, at.maps, strict=True)):
        return None
    return tuple(maps), frozenset(doubted), frozenset(dependent)


def _why_dependent(XX: Floats) -> EngineError:
    """Return the error of X that has no full column rank."""
    if not np.isfinite(XX).all():
        return EngineError("X holds values that are not finite numbers.")
    if not np.diag(XX).all():
        return EngineError("A column of X is zero in every row; leave it out.")
    return EngineError("The columns of X are linearly dependent to working precision; leave one of them out.")


def _join_same(
    groups: tuple[tuple[int, ...], ...],
    gram: Gram,
    same: Sequence[tuple[int, int]],
    right: Sequence[list[Floats]],
) -> tuple[tuple[tuple[int, ...], ...], Gram, list[Floats]]:
    """Return groups, Z'WZ and products beside it, (q, c) each, with factors of the same levels in every row made one.

    Parameters
    ----------
    groups : tuple of tuple of int
    gram : Gram
    same : sequence of (int, int)
        Factors whose levels are the same, the earlier first.
    right : sequence of list of ndarray
        What stands beside the effects, (m * l, c) per factor.
    """
    heads: dict[int, int] = {}
    for i, j in same:
        heads.setdefault(j, heads.get(i, i))
    if not heads:
        return groups, gram, [np.concatenate(parts) for parts in right]
    sets = [[i, *(j for j, head in heads.items() if head == i)] for i in range(len(groups)) if i not in heads]
    joined = tuple(tuple(k for i in own for k in groups[i]) for own in sets)
    beside = []
    for parts in right:
        c = parts[0].shape[1]
        split = [[parts[i].reshape(len(gram.own[i]), -1, c) for i in own] for own in sets]
        beside.append(np.concatenate([np.concatenate(levels, axis=1).reshape(-1, c) for levels in split]))
    return joined, gram.joined(sets), beside
