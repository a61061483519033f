"""What a fit says of each row, made in passes where rows are not in memory: fitted values, residuals, quantiles."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lmmtools.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from lmmtools.design.matrices import Design
    from lmmtools.design.rows_elsewhere import RowBatch
    from lmmtools.engines.estimate import Estimate

    Floats = NDArray[np.float64]

__all__ = ["BATCH_ROWS", "fitted_rows", "join_rows", "positions", "quantiles_of_parts", "scaled_residuals"]

BATCH_ROWS = 1 << 18
"""Rows that are computed with at a time."""

AROUND = 0.01
"""Numbers around a quantile, as a share of all, that the first pass keeps on each side: others are counted."""


def fitted_rows(rows: RowBatch, estimate: Estimate) -> Floats:
    """Return X b + Z u + offset of a batch of rows, shape (r,), in units of y."""
    mean = rows.X @ estimate.beta
    if rows.offset is not None:
        mean = mean + rows.offset
    for basis, codes, modes in zip(rows.bases, rows.codes, estimate.modes, strict=True):
        mean = mean + np.einsum("nl,nl->n", basis, modes[codes])
    return np.asarray(mean)


def scaled_residuals(rows: RowBatch, estimate: Estimate) -> Floats:
    """Return the Pearson residuals of a batch of rows divided by sigma, shape (r,)."""
    root = 1.0 if rows.weights is None else np.sqrt(rows.weights)
    return np.asarray((rows.y - fitted_rows(rows, estimate)) * root / estimate.sigma)


def join_rows(design: Design, of: Callable[[RowBatch], Floats]) -> Floats:
    """Return one number per row, shape (n,), made batch by batch in a pass."""
    out = np.empty(design.n)
    at = 0
    for rows in design.batches(BATCH_ROWS):
        out[at : at + len(rows)] = of(rows)
        at += len(rows)
    return out


def positions(design: Design) -> NDArray[np.intp]:
    """Return the position in the data of each row used, shape (n,), in a pass where some were left out."""
    if not design.dropped.n_rows:
        return np.arange(design.n)
    return join_rows(design, lambda rows: rows.rows.astype(float)).astype(np.intp)


def quantiles_of_parts(parts: Callable[[], Iterator[Floats]], shares: Sequence[float], n: int) -> Floats:
    """Return exact quantiles, as ``numpy.quantile`` has them, of n numbers that come in parts.

    The first part shows about where they are. One pass counts the numbers below and keeps those around each; another is
    made where a quantile lay elsewhere, as in sorted data.

    Parameters
    ----------
    parts : callable
        Returns an iterator over the parts, the same each time it is called.
    shares : sequence of float
    n : int

    Raises
    ------
    DataError
        The parts do not have n numbers, or one is no number.
    """
    first = next(parts())
    ends = [tuple(np.quantile(first, np.clip([p - AROUND, p + AROUND], 0.0, 1.0)).tolist()) for p in shares]
    places = [(n - 1) * p for p in shares]
    for _ in range(_MOST_PASSES):
        below, kept, extremes = _count_around(parts, ends, n)
        found = [
            _pick(place, count, values, extremes) for place, count, values in zip(places, below, kept, strict=True)
        ]
        if all(value is not None for value in found):
            return np.array(found, dtype=float)
        ends = [
            end if value is not None else _widen(parts, place)
            for end, value, place in zip(ends, found, places, strict=True)
        ]
    raise DataError("The residuals changed from one pass over the rows to the next.")


_MOST_PASSES = 3
_BINS = 1 << 16


def _count_around(
    parts: Callable[[], Iterator[Floats]], ends: Sequence[tuple[float, ...]], n: int
) -> tuple[list[int], list[Floats], tuple[float, float]]:
    """Return how many numbers are below each pair of ends, those between them in order, and the extremes of all."""
    below = [0] * len(ends)
    kept: list[list[Floats]] = [[] for _ in ends]
    smallest, largest, total = np.inf, -np.inf, 0
    for part in parts():
        total += len(part)
        smallest, largest = min(smallest, float(part.min())), max(largest, float(part.max()))
        for i, (low, high) in enumerate(ends):
            below[i] += int((part < low).sum())
            kept[i].append(part[(part >= low) & (part <= high)])
    if total != n or not np.isfinite(smallest + largest):
        raise DataError("The rows changed after they were first read. Declare the model again.")
    return below, [np.sort(np.concatenate(values)) for values in kept], (smallest, largest)


def _pick(place: float, below: int, values: Floats, extremes: tuple[float, float]) -> float | None:
    """Return the number at a place in the order of all, between two where it is no whole number; None if not kept."""
    low = int(place)
    share = place - low
    high = low if share == 0.0 else low + 1
    if below == low == 0 and not len(values):
        return extremes[0]
    if not (below <= low and high < below + len(values)):
        return None
    a, b = float(values[low - below]), float(values[high - below])
    return a + (b - a) * share if share < 0.5 else b - (b - a) * (1.0 - share)


def _widen(parts: Callable[[], Iterator[Floats]], place: float) -> tuple[float, float]:
    """Return ends between which the number at a place lies, by a pass that counts numbers in many bins."""
    smallest = min(float(part.min()) for part in parts())
    largest = max(float(part.max()) for part in parts())
    width = (largest - smallest) / _BINS
    if width == 0.0:
        return smallest, largest
    counts = np.zeros(_BINS, dtype=np.int64)
    for part in parts():
        counts += np.bincount(np.minimum(((part - smallest) / width).astype(np.intp), _BINS - 1), minlength=_BINS)
    total = np.cumsum(counts)
    first = int(np.searchsorted(total, np.floor(place), side="right"))
    last = min(int(np.searchsorted(total, np.floor(place) + 1, side="right")), _BINS - 1)
    # A bin more on each side for what dividing rounds.
    return smallest + (first - 1) * width, smallest + (last + 2) * width
