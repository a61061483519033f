"""Rows that are not in memory: the records of a batch of them, and what stands for their arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

import numpy as np

from lmmtools.errors import RowsNeededError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Literal

    import pandas as pd
    from numpy.typing import NDArray

    from lmmtools.design.moments import Moments
    from lmmtools.design.sparse_columns import Matrix

    Floats = NDArray[np.float64]

__all__ = [
    "RowBatch",
    "RowsElsewhere",
    "Stream",
    "StreamedBasis",
    "StreamedCodes",
    "StreamedColumn",
    "have_same_levels",
]

CONSTANT = -1
"""In the columns of a basis: a column of ones that the data's terms need not have."""


@dataclass(frozen=True, slots=True, eq=False)
class RowBatch:
    """Some consecutive rows of a design.

    Attributes
    ----------
    y : ndarray, shape (r,)
        Response, in its units.
    X : ndarray or SparseColumns, shape (r, p)
    weights, offset : ndarray, shape (r,), or None
    codes : tuple of ndarray of intp, each (r,)
        Level of each row, one array per block.
    bases : tuple of ndarray, each (r, l)
        Basis of each row, one array per block.
    rows : ndarray of intp, shape (r,)
        Position of each row in the data.
    frame : pandas.DataFrame or None
        The columns used; None where only the arrays are wanted.
    """

    y: Floats
    X: Matrix
    weights: Floats | None
    offset: Floats | None
    codes: tuple[NDArray[np.intp], ...]
    bases: tuple[Floats, ...]
    rows: NDArray[np.intp]
    frame: pd.DataFrame | None = None

    @property
    def response(self) -> Floats:
        """The response less the offset, shape (r,)."""
        return self.y if self.offset is None else self.y - self.offset

    def __len__(self) -> int:
        return len(self.y)


class Stream(Protocol):
    """What a design asks of the rows that are read when they are needed; ``StreamedRows`` answers."""

    @property
    def name(self) -> str:
        """What the source is called."""

    @property
    def source(self) -> Any:
        """Where the rows are read from."""

    @property
    def n(self) -> int:
        """Rows used."""

    @property
    def widths(self) -> tuple[int, ...]:
        """Columns of the basis of each term that is coded."""

    @property
    def survey(self) -> Any:
        """The survey of the rows used."""

    @property
    def statistics(self) -> Any:
        """Sums over all rows; a pass of its own if none was made yet."""

    def batches(self, rows: int, with_frame: bool = False) -> Iterator[RowBatch]:
        """Yield the rows used in batches of at most ``rows``, in order."""

    def with_tables(self, rows: int, design: Any) -> Iterator[tuple[Any, RowBatch]]:
        """Yield tables of Arrow with all columns of the rows used, and these rows coded as a design has them."""

    def with_response(self, name: str) -> Stream:
        """Return the same rows with another column as their response."""

    @property
    def is_spread(self) -> bool:
        """Whether sums over the rows are made by several workers."""

    def fold(self, design: Any, rows: int, sums: Any) -> Any:
        """Return sums over the rows of a design, made where they are."""

    def are_alike(self, a: Any, b: Any) -> bool:
        """Whether two terms, by their codes, have the same levels in the same rows."""

    def few(self, design: Any) -> Any:
        """Return a design of few rows in memory that span all that its rows span."""

    def collect(self, design: Any) -> Any:
        """Return the design with its rows in memory, as arrays."""


class RowsElsewhere:
    """Stands for an array of a value for each row, where rows are read when they are needed: only its shape is known.

    Anything else raises `RowsNeededError`.
    """

    __slots__ = ("name", "shape", "what")

    def __init__(self, what: str, shape: tuple[int, ...], name: str) -> None:
        self.what, self.shape, self.name = what, shape, name

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of values."""
        return int(np.prod(self.shape))

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"<{self.what} of {self.shape[0]} rows of {self.name}>"

    def __reduce__(self) -> Any:
        return RowsElsewhere, (self.what, self.shape, self.name)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        self._refuse()

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise RowsNeededError(
            f"This needs {self.what} of all {self.shape[0]:,} rows in memory, and the rows are read from {self.name} "
            "when they are needed. If memory holds them, lmt.lmm(formula, data, stream=False) reads them all; if not, "
            'fit.augment("out/") writes fitted values, residuals and leverages beside the columns in one pass.'
        )

    __array__ = __array_ufunc__ = __array_function__ = _refuse
    __getitem__ = __iter__ = __contains__ = _refuse
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _refuse
    __matmul__ = __rmatmul__ = __pow__ = __neg__ = __abs__ = _refuse
    __lt__ = __le__ = __gt__ = __ge__ = _refuse


class StreamedColumn(RowsElsewhere):
    """Weights or an offset of rows that are read when they are needed; the mean is known after any pass."""

    __slots__ = ("key", "rows")

    def __init__(self, what: str, shape: tuple[int, ...], rows: Stream, key: Literal["weights", "offset"]) -> None:
        super().__init__(what, shape, rows.name)
        self.rows, self.key = rows, key

    def __reduce__(self) -> Any:
        return StreamedColumn, (self.what, self.shape, self.rows, self.key)

    def mean(self) -> float:
        """Return the mean of all rows."""
        found: Moments = getattr(self.rows.statistics, self.key)
        return found.mean

    def min(self) -> float:
        """Return the smallest value."""
        return float(self.rows.statistics.ends[self.key][0])

    def max(self) -> float:
        """Return the largest value."""
        return float(self.rows.statistics.ends[self.key][1])


class StreamedCodes(RowsElsewhere):
    """The level of each row, of rows that are read when they are needed.

    Attributes
    ----------
    at : int
        The term among those that the rows are coded for.
    counts : ndarray of int, shape (m,)
        Rows of each level.
    """

    __slots__ = ("at", "counts")

    def __init__(self, what: str, shape: tuple[int, ...], name: str, at: int, counts: NDArray[np.int64]) -> None:
        super().__init__(what, shape, name)
        self.at, self.counts = at, counts

    def __reduce__(self) -> Any:
        return StreamedCodes, (self.what, self.shape, self.name, self.at, self.counts)

    def of(self, batch: RowBatch) -> NDArray[np.intp]:
        """Return the levels of a batch of rows."""
        return batch.codes[self.at]


def have_same_levels(a: Any, b: Any) -> bool:
    """Whether two arrays of levels of rows are equal; those that are not in memory are where they are of one factor."""
    if isinstance(a, StreamedCodes) or isinstance(b, StreamedCodes):
        return a is b
    return bool(np.array_equal(a, b))


class StreamedBasis(RowsElsewhere):
    """Columns of a term's basis, of rows that are read when they are needed.

    Attributes
    ----------
    rows : Stream
    at : int
        The term among those that the rows are coded for.
    columns : tuple of int
        Its columns; `CONSTANT` for one of ones.
    """

    __slots__ = ("at", "columns", "rows")

    def __init__(self, what: str, rows: Stream, at: int, columns: tuple[int, ...]) -> None:
        super().__init__(what, (rows.n, len(columns)), rows.name)
        self.rows, self.at, self.columns = rows, at, columns

    def __reduce__(self) -> Any:
        return StreamedBasis, (self.what, self.rows, self.at, self.columns)

    def take(self, columns: Sequence[int]) -> StreamedBasis:
        """Return some of the columns."""
        return StreamedBasis(self.what, self.rows, self.at, tuple(self.columns[j] for j in columns))

    def with_constant(self) -> StreamedBasis:
        """Return a column of ones and all columns but the first."""
        return StreamedBasis(self.what, self.rows, self.at, (CONSTANT, *self.columns[1:]))

    def of(self, batch: RowBatch) -> Floats:
        """Return the columns on a batch of rows, shape (r, l)."""
        own = batch.bases[self.at]
        if self.columns == tuple(range(own.shape[1])):
            return own
        ones = np.ones(len(own))
        return np.column_stack([ones if j == CONSTANT else own[:, j] for j in self.columns])

    @property
    def places(self) -> NDArray[np.intp]:
        """The columns among those whose products are summed over all rows."""
        start = 1 + sum(self.rows.widths[: self.at])
        return np.array([0 if j == CONSTANT else start + j for j in self.columns], dtype=np.intp)

    def products(self, other: StreamedBasis) -> Floats:
        """Return B'C of this basis and another, over all rows, shape (l, l of the other)."""
        return np.asarray(self.rows.statistics.squares[np.ix_(self.places, other.places)])

    def are_ones(self) -> NDArray[np.bool_]:
        """Return which columns are one in every row, shape (l,): their sums and sums of squares are n."""
        found = self.rows.statistics.squares
        return np.asarray((found[0, self.places] == self.rows.n) & (found.diagonal()[self.places] == self.rows.n))

    def sizes(self, *, is_weighted: bool) -> Floats:
        """Return the root mean square of each column, weighted or not, shape (l,)."""
        found = self.rows.statistics
        squares = found.weighted if is_weighted else found.squares.diagonal()
        return np.asarray(np.sqrt(squares[self.places] / found.n))
