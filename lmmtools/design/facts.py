"""What all rows of a design tell in a number or few: of the arrays in memory, or of sums that passes over rows made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lmmtools.design.columns import largest_sizes
from lmmtools.design.factors import encode_factor
from lmmtools.design.frame import as_numbers, is_factor
from lmmtools.design.rows_elsewhere import StreamedBasis, StreamedCodes
from lmmtools.errors import RowsNeededError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from lmmtools.design.blocks import Block
    from lmmtools.design.matrices import Design
    from lmmtools.design.moments import Moments
    from lmmtools.design.row_statistics import RowStatistics
    from lmmtools.design.survey import Survey

    Floats = NDArray[np.float64]

__all__ = [
    "ColumnFacts",
    "are_in_memory",
    "basis_products",
    "basis_sums",
    "column_sums",
    "count_rows",
    "fixed_root",
    "fixed_sums",
    "fixed_variance",
    "have_same_response",
    "largest_fixed",
    "mean_inverse_weight",
    "mean_weight",
    "ones_in_basis",
    "ones_in_fixed",
    "response_spread",
    "spanning_rows",
]

BATCH = 1 << 18
"""Rows whose sums are added at a time."""

FEW_VALUES = 2
"""Distinct numbers of a column up to which they are known without its rows."""


def are_in_memory(design: Design) -> bool:
    """Whether the rows are in memory."""
    return design.streamed is None


def _statistics(design: Design) -> RowStatistics:
    """Return the sums over all rows of a design whose rows are not in memory."""
    assert design.streamed is not None
    found: RowStatistics = design.streamed.statistics
    return found


def mean_weight(design: Design) -> float:
    """Return the mean prior weight, 1 without any."""
    return 1.0 if design.weights is None else float(design.weights.mean())


def mean_inverse_weight(design: Design) -> float:
    """Return the mean of one over the prior weights, 1 without any."""
    if design.weights is None:
        return 1.0
    if design.streamed is not None:
        return _statistics(design).inverse_weights.mean
    return float(np.mean(1.0 / design.weights))


def response_spread(design: Design) -> float:
    """Return the standard deviation of the response less the offset."""
    if design.streamed is not None:
        found = _statistics(design).response
        return found.spread_about(found.mean, 1)
    y = design.response
    # Dividing first keeps squares of large numbers finite.
    size = float(np.abs(y).max()) or 1.0
    return size * float(np.std(y / size, ddof=1))


def count_rows(block: Block) -> NDArray[np.intp]:
    """Return the rows of each level, shape (m,)."""
    codes: Any = block.codes
    if isinstance(codes, StreamedCodes):
        return codes.counts.astype(np.intp)
    return np.bincount(block.codes, minlength=block.m).astype(np.intp)


def basis_products(a: Block, b: Block) -> Floats:
    """Return B'C of two blocks' bases over all rows, shape (l of a, l of b)."""
    one, other = a.basis, b.basis
    if isinstance(one, StreamedBasis) and isinstance(other, StreamedBasis):
        return one.products(other)
    return np.asarray(one.T @ other)


def largest_fixed(design: Design) -> Floats:
    """Return the largest size in each column of X, shape (p,)."""
    return largest_sizes(design.fixed) if design.streamed is None else _statistics(design).largest


def fixed_root(design: Design) -> Floats:
    """Return R, shape (p, p) or (n, p), with R'R = X'X: X itself in memory."""
    return design.X if design.streamed is None else _statistics(design).root


def fixed_sums(design: Design) -> list[tuple[float, float]]:
    """Return the sum and the sum of squares of each column of X, of rows that are not in memory."""
    found = _statistics(design)
    squares = (found.root**2).sum(axis=0)
    return list(zip(found.sums.tolist(), squares.tolist(), strict=True))


def column_sums(design: Design, key: Literal["y", "weights", "offset"]) -> tuple[float, float]:
    """Return the sum and the sum of squares of the response, weights or offset, of rows that are not in memory."""
    found: Moments = getattr(_statistics(design), key)
    return found.sums


def basis_sums(design: Design) -> tuple[Floats, Floats]:
    """Return B'B of ones and all bases side by side, (1 + b, 1 + b), and the diagonal of B'WB; a pass over rows."""
    size = 1 + sum(block.l for block in design.blocks)
    squares, weighted = np.zeros((size, size)), np.zeros(size)
    for rows in design.batches(BATCH):
        B = np.hstack([np.ones((len(rows), 1)), *rows.bases])
        squares += B.T @ B
        weighted += (B**2).sum(axis=0) if rows.weights is None else rows.weights @ B**2
    return squares, weighted


def ones_in_fixed(design: Design) -> NDArray[np.bool_]:
    """Return which columns of X are one in every row, shape (p,)."""
    if design.streamed is None:
        return np.asarray((design.X == 1.0).all(axis=0))
    found = _statistics(design)
    return np.asarray((found.sums == found.n) & (found.largest == 1.0))


def ones_in_basis(block: Block) -> NDArray[np.bool_]:
    """Return which columns of a block's basis are one in every row, shape (l,)."""
    basis: Any = block.basis
    return basis.are_ones() if isinstance(basis, StreamedBasis) else np.asarray((basis == 1.0).all(axis=0))


def have_same_response(a: Design, b: Design) -> bool:
    """Whether two designs have the same response in the same rows.

    Of rows that are not in memory, the source, the columns and the sums tell.
    """
    if a.streamed is None and b.streamed is None:
        return bool(np.array_equal(a.y, b.y))
    if a.streamed is None or b.streamed is None:
        one, other = (float(np.sum(d.y)) if d.streamed is None else column_sums(d, "y")[0] for d in (a, b))
        return a.n == b.n and bool(np.isclose(one, other, rtol=1e-9))
    same = a.streamed.name == b.streamed.name and a.formula.response == b.formula.response
    return same and a.n == b.n and bool(np.allclose(column_sums(a, "y"), column_sums(b, "y"), rtol=1e-12))


def fixed_variance(design: Design, beta: Floats) -> float:
    """Return the variance of X beta over the rows, divided by n - 1."""
    if not design.p:
        return 0.0
    if design.streamed is None:
        return float(np.var(design.fixed @ beta, ddof=1))
    found = _statistics(design)
    total = float(np.sum((found.root @ beta) ** 2)) - float(found.sums @ beta) ** 2 / found.n
    return max(total, 0.0) / (found.n - 1)


def spanning_rows(design: Design) -> pd.DataFrame:
    """Return rows of the data that span, with X and the bases, all that the rows used span: all rows in memory.

    Raises
    ------
    RowsNeededError
        The rows are not in memory, and X has too many columns to find few that span them.
    """
    if design.streamed is None:
        return design.seen
    found = _statistics(design).rows
    if found is None:
        raise RowsNeededError(
            f"X has {design.p} columns, too many to say from few rows what all rows of {design.streamed.name} span; "
            "lmt.lmm(formula, data, stream=False) reads them all into memory for this."
        )
    return found


class ColumnFacts:
    """What is known of the columns of the data used, without their rows where these are not in memory.

    Parameters
    ----------
    design : Design
    """

    def __init__(self, design: Design) -> None:
        self._design = design
        self._survey: Survey | None = None if design.streamed is None else design.streamed.survey

    @property
    def names(self) -> tuple[str, ...]:
        """The columns."""
        if self._survey is not None:
            return self._survey.plan.names
        return tuple(map(str, self._design.frame.columns))

    def is_factor(self, name: str) -> bool:
        """Whether a column is a factor by its values: text, categories, True and False."""
        if self._survey is None:
            return is_factor(self._design.frame[name], name)
        return name in self._survey.levels and not self._holds_numbers(name)

    def _holds_numbers(self, name: str) -> bool:
        assert self._survey is not None
        column = self._survey.levels[name].column()[0]
        return not is_factor(column, name)

    def levels(self, name: str) -> pd.Index[Any]:
        """Return the levels that the rows used have, in order."""
        if self._survey is None:
            return encode_factor(self._design.frame[name]).levels
        return encode_factor(self._survey.levels[name].column()[0]).levels

    def most_frequent(self, name: str) -> Any:
        """Return the level with most rows, the first of several, of rows that are not in memory."""
        assert self._survey is not None
        column, counts = self._survey.levels[name].column()
        order = np.argsort(encode_factor(column).codes)
        return column.iloc[int(order[np.argmax(counts[order])])]

    def distinct(self, name: str, most: int | None = None) -> list[Any] | None:
        """Return the distinct numbers of a column in order; None where they are more than ``most``."""
        if self._survey is None:
            found: list[Any] = np.unique(self._design.frame[name].to_numpy()).tolist()
            return found if most is None or len(found) <= most else None
        if name in self._survey.levels:
            values = self.levels(name).tolist()
            return values if most is None or len(values) <= most else None
        few = self._survey.numbers[name].values
        if few is None and (most is None or most > FEW_VALUES):
            raise RowsNeededError(f"The distinct values of {name} need a pass over the rows; write which are wanted.")
        return None if few is None else sorted(few)

    def mean(self, name: str) -> float:
        """Return the mean of a column of numbers."""
        if self._survey is None:
            return float(np.mean(as_numbers(self._design.frame[name], name, "numeric in the model")))
        return self._survey.numbers[name].moments.mean

    def ends(self, name: str) -> tuple[float, float]:
        """Return the smallest and the largest number of a column."""
        if self._survey is None:
            values = as_numbers(self._design.frame[name], name, "numeric in the model")
            return float(values.min()), float(values.max())
        found = self._survey.numbers[name]
        return found.smallest, found.largest
